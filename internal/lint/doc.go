// Package lint checks the house rules of this repository on its own source:
// which package may import which, how long functions and files may be, what a
// package comment owes its reader, and what no file may contain.
//
// Every rule is a function from a [Tree] to findings, so that a test can show
// each of them failing on a small tree in memory. The package's tests run all
// rules over the repository; a breach fails them and says what to do instead.
// Rules look at syntax only: they know no types, and where that makes one a
// heuristic, its comment says so. A file that cannot be read or parsed is an
// error of [Load], never a file left out.
package lint
