package confine

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Limits are what a process may use up at most.
type Limits struct {
	// MemoryBytes is the memory that it may map and write to.
	MemoryBytes int64
	// CPUTime is the time of processors, of all its threads together.
	CPUTime time.Duration
	// FileBytes is the largest file that it may write.
	FileBytes int64
	// Threads is how many threads it may have; 0 means that nothing is set: where
	// it has no user namespace of its own, all processes of the user would count.
	Threads int
}

const (
	// maxFiles is how many descriptors a process may have: the socket, those of
	// Go's poller and the file that it reads.
	maxFiles = 16
	// spareBytes is the address space beside what is written to: Go reserves
	// more than it uses, and the program itself is mapped.
	spareBytes = 4 << 30
)

// Enter confines this process, which Start has started: resource limits, and a
// filter that leaves of all system calls those for computing and for its folder.
func Enter(l Limits, a Access) []Measure {
	return []Measure{
		applied("limits", l.describe(), l.set()),
		applied("seccomp", "no processes, no sockets, no files but to read its compiled code at the start", install(append(computing(os.Getpid()), filing(a)...))),
	}
}

// Seal takes the use of files from a process that has entered.
func Seal() error { return install(computing(os.Getpid())) }

func (l Limits) set() error {
	var errs []error
	set := func(what string, resource int, value int64) {
		lim := unix.Rlimit{Cur: uint64(value), Max: uint64(value)}
		var now unix.Rlimit
		if err := unix.Getrlimit(resource, &now); err == nil && now.Max < lim.Max {
			lim = unix.Rlimit{Cur: now.Max, Max: now.Max} // the operator's is lower
		}
		if err := unix.Setrlimit(resource, &lim); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", what, err))
		}
	}
	set("core files", unix.RLIMIT_CORE, 0)
	set("time", unix.RLIMIT_CPU, int64(l.CPUTime.Seconds())+1)
	set("size of files", unix.RLIMIT_FSIZE, l.FileBytes)
	set("open files", unix.RLIMIT_NOFILE, maxFiles)
	if !underRace { // the race detector maps terabytes
		set("memory", unix.RLIMIT_DATA, l.MemoryBytes)
		set("address space", unix.RLIMIT_AS, l.MemoryBytes+spareBytes)
	}
	if l.Threads > 0 {
		set("threads", unix.RLIMIT_NPROC, int64(l.Threads))
	}
	return errors.Join(errs...)
}

func (l Limits) describe() string {
	parts := []string{
		fmt.Sprintf("memory %d MiB", l.MemoryBytes>>20),
		fmt.Sprintf("processor %v", l.CPUTime),
		fmt.Sprintf("files %d", maxFiles),
	}
	if l.Threads > 0 {
		parts = append(parts, fmt.Sprintf("threads %d", l.Threads))
	}
	return strings.Join(append(parts, "no core file"), ", ")
}
