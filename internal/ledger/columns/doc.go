// Package columns is the ledger's read path: folded usage of every resource in
// immutable columns, and the reports over them.
//
// A [Base] holds, in canonical order (project, region, type, resource id), each
// resource's segments on the minute grid and its sums a day. Resources of one
// project, region and type stand side by side, so those three are stored once a
// group, and a project is a contiguous range. A base lives in one checksummed
// file that is mapped into memory: loading it decodes nothing.
//
// A [Projection] is what of a base lies in one period, a row a line, in
// canonical order: the row's position breaks ties. It is derived, built on
// first use, and a few are kept. With it goes a digest: sums that hold for any
// clock, and bounds of each block of rows, so that most reports of all projects
// read few rows.
//
// What changed after a base was built comes beside it as an [Overlay]:
// superseded resources are masked, their present lines given. A report reads
// base, projection and overlay, none of which is ever written again, so it sees
// one consistent snapshot and takes no lock.
//
// Invariants: a base never changes; amounts are 128-bit integers; every section
// of the file has its checksum, and a file that fails it is refused with its
// name, never read on.
package columns
