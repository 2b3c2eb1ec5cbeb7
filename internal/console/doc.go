// Package console serves Meterbook's web pages: HTML that the server renders,
// from the same address as the API.
//
// It knows nothing that the API does not tell: a session keeps the token of the
// key that signed in, and every page asks the public API with it, through
// package client over a transport that stays in the process. So roles,
// narrowing, revocation and rate limits hold by themselves, and the figures on a
// page are the API's. Sessions are in memory only; a restart ends them.
//
// No page needs anything from another host, and none has script or style in its
// HTML; the Content-Security-Policy forbids both. Script only draws the charts;
// all else works without.
//
// A page is a [route], a handler that gets a [visit], and a template that
// defines "content". What the API refuses becomes a page that says what to do
// next; a bug becomes a page with the id of the request, and its details go to
// the log.
package console
