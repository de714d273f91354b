package command

import (
	"bytes"
	"math/rand/v2"
	"strconv"

	"golang.org/x/sys/unix"
)

// rttime is the row of /proc/PID/limits that RLIMIT_RTTIME sets.
const rttime = "Max realtime timeout"

// brand gives a process a mark that all its descendants inherit, and returns it; 0
// when that is impossible. The mark is a resource limit that is too large to ever
// matter: how many microseconds (more than two thousand years) a thread under real-time
// scheduling may compute without a pause.
//
// A daemon leaves process group, session and parent behind, and may change its
// environment and close all files, but has no reason to touch this.
func brand(pid int) uint64 {
	mark := 1<<56 | rand.Uint64()>>8
	if unix.Prlimit(pid, unix.RLIMIT_RTTIME, &unix.Rlimit{Cur: mark, Max: mark}, nil) != nil {
		return 0 // the operator's limit is lower, or a filter forbids the call
	}
	return mark
}

// branded tells whether a process bears the mark.
func branded(pid int, mark uint64) bool {
	fd, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/limits", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	var buf [4096]byte
	n, err := unix.Read(fd, buf[:])
	if err != nil {
		return false
	}
	_, row, ok := bytes.Cut(buf[:n], []byte(rttime))
	if !ok {
		return false
	}
	row, _, _ = bytes.Cut(row, []byte("\n"))
	fields := bytes.Fields(row)
	return len(fields) > 1 && string(fields[1]) == strconv.FormatUint(mark, 10)
}
