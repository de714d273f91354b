package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// How often a lock that somebody else holds is tried. A blocking flock(2) cannot
// be cancelled, and would keep an operating-system thread for each waiter.
const (
	firstPoll = time.Millisecond
	lastPoll  = 50 * time.Millisecond
)

// errBusy says that somebody else holds the lock.
var errBusy = errors.New("locked by another process")

// lock opens the file of that name, making it when it is missing, takes its lock
// and returns its descriptor and status. It waits for whoever holds the lock, until
// ctx is done. Afterwards the name is known to be that of the locked file.
func (d *folder) lock(ctx context.Context, name string) (int, unix.Stat_t, error) {
	return d.acquire(name, func(fd int) error {
		for pause := firstPoll; ; pause = min(2*pause, lastPoll) {
			err := flock(fd)
			if err != errBusy {
				return err
			}
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return fmt.Errorf("waiting for another process: %w", context.Cause(ctx))
			}
		}
	})
}

// tryLock is lock without waiting: it returns errBusy.
func (d *folder) tryLock(name string) (int, unix.Stat_t, error) {
	return d.acquire(name, flock)
}

func flock(fd int) error {
	err := retry(func() error { return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) })
	if err == unix.EWOULDBLOCK {
		return errBusy
	}
	return err
}

// unlock gives the lock up at once, also when a child process that is just being
// started has a copy of the descriptor for a moment.
func unlock(fd int) {
	_ = unix.Flock(fd, unix.LOCK_UN)
	_ = unix.Close(fd)
}

func (d *folder) acquire(name string, take func(fd int) error) (int, unix.Stat_t, error) {
	for replaced := false; ; {
		fd, err := d.open(name, unix.O_RDWR|unix.O_CREAT)
		if err != nil {
			return -1, unix.Stat_t{}, d.fail("open", name, err)
		}
		st, state, err := d.lockOpened(fd, name, take)
		if err == nil && state == owned || state == foreign && replaced {
			return fd, st, err
		}
		if err == nil && state == foreign {
			// The name stands for a file of somebody else, who could change it after
			// it was verified. Where every file has a strange owner (NFS with
			// root_squash), the second one is taken as it is.
			err, replaced = d.unlink(name), true
		}
		unlock(fd)
		if err != nil {
			return -1, st, err
		}
	}
}

type lockState int

const (
	owned   lockState = iota
	foreign           // of another user, or known under a second name
	moved             // the name is gone or stands for another file by now
)

// lockOpened takes the lock of an open file and finds out what it is.
func (d *folder) lockOpened(fd int, name string, take func(fd int) error) (st unix.Stat_t, state lockState, err error) {
	if err := unix.Fstat(fd, &st); err != nil {
		return st, owned, d.fail("stat", name, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return st, owned, d.fail("lock", name, errors.New("it is not a regular file"))
	}
	if err := take(fd); err == errBusy {
		return st, owned, err
	} else if errno := unix.Errno(0); errors.As(err, &errno) {
		return st, owned, d.fail("lock", name, err)
	} else if err != nil {
		return st, owned, err
	}
	// Size and name may have changed while the lock was waited for.
	if err := unix.Fstat(fd, &st); err != nil {
		return st, owned, d.fail("stat", name, err)
	}
	named, err := d.lstat(name)
	switch {
	case err == unix.ENOENT:
		return st, moved, nil
	case err != nil:
		return st, owned, d.fail("stat", name, err)
	case named.Ino != st.Ino || named.Dev != st.Dev:
		return st, moved, nil
	case st.Nlink > 1 || st.Uid != uint32(os.Geteuid()):
		return st, foreign, nil
	}
	return st, owned, nil
}
