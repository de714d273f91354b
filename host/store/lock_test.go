package store

import (
	"errors"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestWaitersTakeOver lets many goroutines want an item whose holders give it up:
// they have it one after another, and the last one commits.
func TestWaitersTakeOver(t *testing.T) {
	f := newFiles(t)
	data := []byte("content")
	key := keyOf(t, data)
	const n = 8
	first := stage(t, f, key)
	results := make(chan error)
	var holders, had atomic.Int32
	for range n {
		go func() {
			s, err := f.Stage(t.Context(), key)
			if err != nil {
				results <- err
				return
			}
			if holders.Add(1) != 1 {
				t.Error("two goroutines have the item")
			}
			s.Write(data)
			time.Sleep(time.Millisecond)
			holders.Add(-1)
			if had.Add(1) == n {
				err = s.Commit(t.Context())
			}
			results <- errors.Join(err, s.Close())
		}()
	}
	time.Sleep(5 * time.Millisecond) // most of them wait now
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	for range n {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	wantEntry(t, f, key)
	wantNothingStaged(t, f)
}

// TestLockOfMovedFile takes a lock whose name is gone, or another file's, by then.
func TestLockOfMovedFile(t *testing.T) {
	f := newFiles(t)
	stageFolder(t, f)
	for name, move := range map[string]func(path string) error{
		"gone": os.Remove,
		"another file": func(path string) error {
			return errors.Join(os.Rename(path, path+".old"), os.WriteFile(path, nil, 0o644))
		},
	} {
		t.Run(name, func(t *testing.T) {
			tries := 0
			fd, st, err := f.staging.acquire("name", func(fd int) error {
				if tries++; tries == 1 {
					return move(stagedPath(f, "name"))
				}
				return flock(fd)
			})
			if err != nil {
				t.Fatal(err)
			}
			defer unlock(fd)
			if named, err := f.staging.lstat("name"); err != nil || named.Ino != st.Ino || tries != 2 {
				t.Errorf("locked inode %d after %d tries; the name is that of %d, %v", st.Ino, tries, named.Ino, err)
			}
		})
	}
}

// TestLocksAreTold checks that a lock is seen by the kernel as one, so that other
// programs' processes see it.
func TestLocksAreTold(t *testing.T) {
	f := newFiles(t)
	s := stage(t, f, keyOf(t, nil))
	fd, err := unix.Open(stagedPath(f, s.part()), unix.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != unix.EWOULDBLOCK {
		t.Errorf("the lock of a staged item: %v", err)
	}
	if _, _, err := f.staging.tryLock(s.part()); err != errBusy {
		t.Errorf("tryLock: %v", err)
	}
	s.Close()
}
