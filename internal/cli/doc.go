// Package cli is the meterbook command: the server, the demo, and the commands
// that speak to a server over HTTP through package client.
//
// It is the outermost layer: here the store is chosen, and the clock, the file
// system and the network come in. [Run] takes all of them as parameters, so
// that tests run the whole command within their own process.
//
// Invariants: what a command was asked for goes to standard output, everything
// else to standard error; each flag that an operator may want to keep is an
// environment variable too, and the flag wins; secrets are taken from the
// environment, never from a flag that the process list would show, except
// where a flag is the user's own choice. On failure one message names the input
// and the remedy, and the exit code is one of those that
// "meterbook help exit-codes" lists.
package cli
