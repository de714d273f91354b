package confine

import (
	"errors"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// errNoFilter says that this package has no filter for the processor.
var errNoFilter = errors.New("there is no filter for " + runtime.GOARCH)

// call is a system call that a filter lets through: always, or if the argument
// satisfies a condition.
type call struct {
	nr   int
	cond condition
	arg  int
	mask uint32
	// values are those that ifOneOf takes.
	values []uint32
}

type condition int

const (
	always condition = iota
	ifEqual
	ifAnySet
	ifNoneSet
	ifOneOf
)

// computing are the calls of Go's runtime and of C libraries that a process needs
// to compute and to use descriptors which it has. They start no process, make no
// socket and open no file.
func computing(pid int) []call {
	calls := plain(
		unix.SYS_FUTEX, unix.SYS_READ, unix.SYS_WRITE, unix.SYS_MMAP, unix.SYS_MADVISE, unix.SYS_MUNMAP, unix.SYS_MPROTECT,
		unix.SYS_RT_SIGRETURN, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGACTION, unix.SYS_SIGALTSTACK,
		unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_CLOCK_GETTIME, unix.SYS_GETTIMEOFDAY, unix.SYS_SCHED_YIELD,
		unix.SYS_EPOLL_PWAIT, unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EVENTFD2,
		unix.SYS_GETPID, unix.SYS_GETTID, unix.SYS_SCHED_GETAFFINITY, unix.SYS_GETRANDOM,
		unix.SYS_CLOSE, unix.SYS_MREMAP, unix.SYS_BRK, unix.SYS_MINCORE,
		unix.SYS_SET_ROBUST_LIST, unix.SYS_RSEQ, unix.SYS_RESTART_SYSCALL,
		unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
	)
	return append(calls,
		call{nr: unix.SYS_CLONE, cond: ifAnySet, mask: unix.CLONE_THREAD},
		// Other commands could have a signal sent to any process of the user (F_SETOWN).
		call{nr: unix.SYS_FCNTL, cond: ifOneOf, arg: 1, values: []uint32{
			unix.F_GETFD, unix.F_SETFD, unix.F_GETFL, unix.F_SETFL, unix.F_DUPFD_CLOEXEC}},
		call{nr: unix.SYS_TGKILL, cond: ifEqual, mask: uint32(pid)},
		call{nr: unix.SYS_PRCTL, cond: ifEqual, mask: unix.PR_SET_VMA},
		// Filters are added, never taken away.
		call{nr: unix.SYS_SECCOMP, cond: ifEqual, mask: unix.SECCOMP_SET_MODE_FILTER},
	)
}

// filing are the calls that the compiler's cache of files needs.
func filing(a Access) []call {
	calls := plain(sysFstatat, unix.SYS_FSTAT, unix.SYS_LSEEK, unix.SYS_PREAD64, unix.SYS_GETCWD)
	switch a {
	case Read:
		const writing = unix.O_WRONLY | unix.O_RDWR | unix.O_CREAT | unix.O_TRUNC
		return append(calls, call{nr: unix.SYS_OPENAT, cond: ifNoneSet, arg: 2, mask: writing})
	case Write:
		return append(calls, plain(unix.SYS_OPENAT, unix.SYS_MKDIRAT, sysRenameat, unix.SYS_UNLINKAT, unix.SYS_FSYNC)...)
	}
	return nil
}

func plain(numbers ...int) []call {
	calls := make([]call, len(numbers))
	for i, nr := range numbers {
		calls[i].nr = nr
	}
	return calls
}

// filter compiles calls to the program of classic BPF that the kernel runs at each
// system call (seccomp(2)). What is not listed fails with EPERM.
func filter(calls []call) []unix.SockFilter {
	const (
		offNumber, offArch, offArgs = 0, 4, 16 // in struct seccomp_data
		load                        = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		ret                         = unix.BPF_RET | unix.BPF_K
		equal                       = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		anySet                      = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
		refuse                      = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	)
	op := func(code uint16, k uint32) unix.SockFilter { return unix.SockFilter{Code: code, K: k} }
	jump := func(code uint16, k uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: code, K: k, Jt: yes, Jf: no}
	}
	prog := []unix.SockFilter{
		op(load, offArch), jump(equal, auditArch, 1, 0), op(ret, refuse),
		op(load, offNumber),
		// C libraries try clone3, whose arguments a filter cannot see, before clone.
		jump(equal, unix.SYS_CLONE3, 0, 1), op(ret, unix.SECCOMP_RET_ERRNO|uint32(unix.ENOSYS)),
	}
	allow, deny := op(ret, unix.SECCOMP_RET_ALLOW), op(ret, refuse)
	for _, c := range calls {
		if c.cond == always {
			prog = append(prog, jump(equal, uint32(c.nr), 0, 1), allow)
			continue
		}
		// The lower half of the argument: both processors have it first.
		argument := op(load, uint32(offArgs+8*c.arg))
		if c.cond == ifOneOf {
			n := uint8(len(c.values))
			prog = append(prog, jump(equal, uint32(c.nr), 0, n+3), argument)
			for i, v := range c.values {
				prog = append(prog, jump(equal, v, n-uint8(i), 0))
			}
			prog = append(prog, deny, allow)
			continue
		}
		test := jump(equal, c.mask, 0, 1)
		yes, no := allow, deny
		switch c.cond {
		case ifAnySet:
			test.Code = anySet
		case ifNoneSet:
			test.Code = anySet
			yes, no = deny, allow
		}
		prog = append(prog, jump(equal, uint32(c.nr), 0, 4), argument, test, yes, no)
	}
	return append(prog, deny)
}

// install puts a filter over all threads of this process, also those to come.
func install(calls []call) error {
	if auditArch == 0 {
		return errNoFilter
	}
	code := filter(calls)
	prog := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	n, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	runtime.KeepAlive(code)
	switch {
	case errno != 0:
		return errno
	case n != 0:
		return errors.New("a thread could not be given the filter")
	}
	return nil
}
