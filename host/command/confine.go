package command

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/sourcehost/sourcehost/internal/thread"
)

// confined calls fn in a thread that is confined as the spec says, with what it starts.
// The thread ends with fn, so that nothing else of this process is subject to that.
func confined(spec Spec, fn func()) error {
	done := make(chan error)
	go thread.Own(func() {
		err := confineThread(spec)
		if err == nil {
			fn()
		}
		done <- err
	})
	return <-done
}

// confineThread confines this thread, for ever.
func confineThread(spec Spec) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("giving up new privileges: %w", err)
	}
	if spec.Writable == nil {
		return nil
	}
	if err := confineWrites(append([]string{spec.Dir, "/dev"}, spec.Writable...)); err != nil {
		return fmt.Errorf("where it may write cannot be confined: %w", err)
	}
	return nil
}

// closed has the descriptors closed that a program would inherit beside files: those that
// this process was started with. Go's own are never inherited.
func closed(files []*os.File) []*os.File {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return files
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1) // those that were read are better than none
	for _, name := range names {
		fd, err := strconv.Atoi(name)
		if err != nil || fd < len(files) {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			files = append(files, make([]*os.File, fd+1-len(files))...)
		}
	}
	return files
}
