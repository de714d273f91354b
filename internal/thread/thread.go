// Package thread changes what holds for one thread of the process alone: confinement,
// and what a child inherits from the thread that starts it.
package thread

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// Own calls fn in a thread that nothing else uses, and that ends with it. It must be the
// last thing that a goroutine does, since that goroutine ends with the thread. The main
// thread is no such thread: it cannot end, and what is read of this process in /proc is
// read of that thread.
func Own(fn func()) {
	runtime.LockOSThread() // for ever, so that the thread ends with the goroutine
	if unix.Gettid() != unix.Getpid() {
		fn()
		return
	}
	other := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		close(other)
		fn()
	}()
	<-other // it has another thread, since this one is taken
	runtime.UnlockOSThread()
}
