// Package httpapi is the HTTP face of the program: the routes of the usage
// report, of ingest and of administration, authentication, errors, rate limits,
// health and metrics (spec 1-usage-report and 3-ingest).
//
// A [Server] answers from the first moment: until [Server.Serve] gives it its
// [Backend], and after [Server.Drain], everything but health, metrics and the
// OpenAPI document is answered 503 with Retry-After.
//
// Invariants: every request has an id, which is in the header X-Request-Id, in
// the body of every error and in the log. Every error has one JSON shape and
// takes its status from one table; which error wins is decided by the order of
// that table: unavailable, unknown path, wrong method, no credentials, bad
// credentials, rate limit, role, media type or size, content. No secret is ever
// written to a log or an answer, but for the one answer that hands it out.
//
// A bug (panic) is answered 500 and its details go to the log only. An answer
// that breaks off after its first byte closes the connection, so that the
// client cannot take it for whole. A client that is too slow to send or to read
// loses its connection.
package httpapi
