// Package client speaks to a Meterbook server over HTTP: usage reports, events,
// and the keys, clients, projects and regions of a server.
//
// Every call takes a context and honours its end. What the server refuses
// comes back as an [*Error]; what never reached it, as the error of the
// connection. A call that is safe to repeat is repeated on 408, 429, 5xx and
// connection errors, never earlier than the server's Retry-After allows; calls
// that create something are repeated only when the server has said that it did
// nothing. Sending events is always safe to repeat: the server knows each event
// by its project, source and id.
//
// Amounts are [encoding/json.Number], digit by digit as the server printed
// them. A [Client] may be used by several goroutines at once. The package
// depends on the standard library only.
package client
