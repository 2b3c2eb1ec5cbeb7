// Package ingest takes events in: it decodes CloudEvents 1.0 over HTTP in all
// modes, validates each into a canonical [metering.Observation], hands them to
// a [report.Writer] and answers with a [Receipt] (spec 3-ingest).
//
// It knows headers and bodies but no routes: httpapi calls [Service.Receive].
//
//	body -> decompress -> split (one event, array, lines) -> parse -> validate -> chunk -> store -> receipt
//
// Invariants: a receipt is given only after the store has told what became of
// every event of it; each event is refused for exactly one reason, the lowest
// of the closed list that applies, at the first field by path; memory is
// bounded by the greatest body, or for a stream by a few chunks however long it
// is. Identity and duplicates are the store's.
//
// A bad event is refused alone and its neighbours are stored. A bad request
// gives a [metering.Error] and nothing of it is stored. A stream that breaks
// off gives a receipt that is not complete, for what stood before the break.
package ingest
