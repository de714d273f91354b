package command

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// scratchPrefix begins the names of scratch folders. Nobody but this package may make
// folders with such names: one without a lock is taken for a dead process's.
const scratchPrefix = "sourcehost-scratch-"

// Scratch is a folder for a program to run in. It is locked as long as this process
// lives, and a folder without a lock is removed by CleanScratch.
type Scratch struct {
	path string
	lock *os.File // the folder itself, so that there is no file in it
}

// NewScratch makes a folder beneath parent, which nobody else may read.
func NewScratch(parent string) (*Scratch, error) {
	var err error
	for range 10 { // CleanScratch of another process may come between the steps
		var s *Scratch
		if s, err = tryScratch(parent); err == nil {
			return s, nil
		}
		if !errors.Is(err, errTaken) {
			return nil, err
		}
	}
	return nil, err
}

var errTaken = errors.New("another process has taken the new scratch folder away")

func tryScratch(parent string) (*Scratch, error) {
	path, err := os.MkdirTemp(parent, scratchPrefix)
	if err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errTaken
	}
	if err != nil {
		return nil, err
	}
	if !lockFolder(lock) || !isAt(lock, path) {
		lock.Close()
		return nil, errTaken
	}
	return &Scratch{path: path, lock: lock}, nil
}

// lockFolder locks a folder unless another process has it. The lock ends with the last
// descriptor; none is inherited by programs.
func lockFolder(dir *os.File) bool {
	return unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil
}

// isAt tells whether an open folder is what a path names, without following links.
func isAt(dir *os.File, path string) bool {
	here, err := dir.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(path)
	return err == nil && os.SameFile(here, there)
}

// Dir is the absolute path of the folder, as absolute as the parent's.
func (s *Scratch) Dir() string { return s.path }

// Close removes the folder.
func (s *Scratch) Close() error {
	err := os.RemoveAll(s.path)
	return errors.Join(err, s.lock.Close())
}

// CleanScratch removes scratch folders beneath parent whose processes are dead: real
// folders of this user that nobody has locked. It follows no links.
func CleanScratch(parent string) error {
	root, err := os.OpenRoot(parent)
	if err != nil {
		return err
	}
	defer root.Close()
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	if !private(dir) {
		return fmt.Errorf("%s is not searched for what dead runs have left: others may rename folders there", parent)
	}
	var errs []error
	for {
		names, err := dir.Readdirnames(256)
		for _, name := range names {
			if strings.HasPrefix(name, scratchPrefix) {
				errs = append(errs, cleanFolder(root, name))
			}
		}
		if err == io.EOF || len(names) == 0 {
			return errors.Join(errs...)
		}
	}
}

// private reports whether nobody but the owner of a folder can put it in another's place:
// only root and this user may rename what is in dir, or it is sticky.
func private(dir *os.File) bool {
	info, err := dir.Stat()
	if err != nil {
		return false
	}
	owner := ownerOf(info)
	return info.Mode()&fs.ModeSticky != 0 || info.Mode().Perm()&0o022 == 0 && (owner == 0 || owner == os.Geteuid())
}

func ownerOf(info fs.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}

// cleanFolder removes a folder if it is a dead process's.
func cleanFolder(root *os.Root, name string) error {
	seen, err := root.Lstat(name)
	if err != nil || !seen.IsDir() || ownerOf(seen) != os.Geteuid() {
		return nil // gone, or not ours
	}
	folder, err := root.OpenRoot(name)
	if err != nil {
		return gone(err)
	}
	defer folder.Close()
	dir, err := folder.Open(".")
	if err != nil {
		return gone(err)
	}
	defer dir.Close()
	opened, err := dir.Stat()
	if err != nil || !os.SameFile(seen, opened) || !lockFolder(dir) {
		return err // it is in use
	}
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return gone(err)
	}
	for _, inside := range names {
		if err := folder.RemoveAll(inside); err != nil {
			return fmt.Errorf("%s: %w", filepath.Join(root.Name(), name), err)
		}
	}
	return gone(root.Remove(name))
}

// gone forgives that something is not there any more.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
