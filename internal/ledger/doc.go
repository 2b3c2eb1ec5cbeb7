// Package ledger is the embedded store: observations in Pebble, which is the
// durable truth, and their folded usage in columns, which is derived from it
// and answers the reports.
//
// An observation's way:
//
//	Submit -> queue -> sequencer -> one Pebble batch a group -> fsync -> publish
//	                     |  dedup against the id index, number, fold           |
//	                     +--> delta: what changed since the base  -------------+--> view
//	                             every now and then merged into a new base
//
// One sequencer decides in order; while the disk syncs a group it prepares the
// next. A view (an immutable base of columns, and the delta up to a length) is
// published after the fsync of all that is in it; a report reads one view.
//
// Invariants: what has a receipt is on disk; what a report shows has been
// synced; a crash loses only what has no receipt. The base and the journal of
// what was touched since spare a start the reading of all observations; both can
// be rebuilt from them.
//
// When a write or a read of Pebble's fails, nothing of the group is published,
// its senders get an error, and the ledger takes no more writes until it is opened
// again, while reports go on. Whether such a group is on the disk is open; sending
// it again is safe. Two failures of the disk end the process, because Pebble does
// not survive them: to write its manifest, and to change to its next log file.
// There too, what has a receipt is found at the next start. A merge that fails is
// put off.
package ledger
