package ledger

import "syscall"

// lowNice is the nice value of threads of low priority: where others want all of a
// processor, they get a tenth of what one of value 0 gets.
const lowNice = 10

// lowerThread gives the thread that the goroutine is bound to a low priority, for
// ever: to raise it again takes a privilege.
func lowerThread() {
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, syscall.Gettid(), lowNice) // it stays as it is where that is not allowed
}
