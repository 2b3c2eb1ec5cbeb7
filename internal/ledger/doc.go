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
// be rebuilt from them. When Pebble refuses a write, nothing of the group is
// published, its senders get an error, and the ledger takes no more writes while
// reports go on.
package ledger
