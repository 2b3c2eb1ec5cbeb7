//go:build !linux

package ledger

// lowerThread does nothing: only Linux has priorities of threads.
func lowerThread() {}
