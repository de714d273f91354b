package confine

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// sysProcAttr describes a process that leads a session of its own and ends with the
// thread that starts it. It gets no users mapped into its namespace: its files'
// owners stay what they are, and it has no capability in any namespace.
func sysProcAttr(flags uintptr) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: unix.SIGKILL, Cloneflags: flags}
}
