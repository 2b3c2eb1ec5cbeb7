package ledger

import "syscall"

// nicer is how much greater the nice value of threads of low priority is than that of
// the others: where these want all of a processor, they get a tenth of it.
const nicer = 10

// lowerThread gives the thread that the goroutine is bound to a low priority, for
// ever: to raise it again takes a privilege.
func lowerThread() {
	if nice, err := threadNice(); err == nil { // else it stays as it is
		_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, nice+nicer)
	}
}

// threadNice returns the nice value of the thread, which an operator may have chosen.
func threadNice() (int, error) {
	raw, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	return 20 - raw, err // Linux answers with 20 less the nice value
}
