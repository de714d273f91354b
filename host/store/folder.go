package store

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const (
	folderMode = 0o755
	fileMode   = 0o644
	// openFolder never follows a link in the last component and never reads.
	openFolder = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC
)

// folder is an open folder. All names given to its methods are single path
// components, and none of the methods follows a symbolic link.
type folder struct {
	fd   int
	path string // for errors only
}

// missingFolder stands for a folder that does not exist and is not to be made:
// nothing is in it.
func missingFolder(path string) *folder { return &folder{fd: -1, path: path} }

func (d *folder) fail(op, name string, err error) error {
	return &DiskError{Op: op, Path: filepath.Join(d.path, name), Err: err}
}

func (d *folder) close() error {
	if d.fd < 0 {
		return nil
	}
	err := unix.Close(d.fd)
	d.fd = -1
	return err
}

// open opens a file beneath the folder. It never blocks, whatever stands there.
func (d *folder) open(name string, flags int) (int, error) {
	flags |= unix.O_CLOEXEC | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY
	for {
		fd, err := unix.Openat(d.fd, name, flags, fileMode)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

func (d *folder) lstat(name string) (st unix.Stat_t, err error) {
	if d.fd < 0 {
		return st, unix.ENOENT
	}
	err = unix.Fstatat(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	return st, err
}

// unlink removes a file; that it is gone already is success.
func (d *folder) unlink(name string) error {
	if err := unix.Unlinkat(d.fd, name, 0); err != nil && err != unix.ENOENT {
		return d.fail("remove", name, err)
	}
	return nil
}

// sub opens a folder beneath this one. The error is a bare errno: ELOOP or
// ENOTDIR when a link or something else stands there.
func (d *folder) sub(name string) (*folder, error) {
	if d.fd < 0 {
		return nil, unix.ENOENT
	}
	fd, err := unix.Openat(d.fd, name, openFolder|unix.O_NOFOLLOW, 0)
	if err == unix.ENOTDIR {
		// The kernel reports a link as ENOTDIR too when a folder is asked for.
		if st, serr := d.lstat(name); serr == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK {
			err = unix.ELOOP
		}
	}
	if err != nil {
		return nil, err
	}
	return &folder{fd: fd, path: filepath.Join(d.path, name)}, nil
}

const (
	// newPrefix begins the names under which folders are made.
	newPrefix = ".sourcehost-"
	// makeTries is how often making a folder is begun while others interfere.
	makeTries = 10
)

// makeSub opens a folder beneath this one and makes it when it is missing. What is
// there stays as it is.
func (d *folder) makeSub(name string, sync func(fd int) error) (*folder, error) {
	for try := 1; ; try++ {
		sub, err := d.sub(name)
		if err != unix.ENOENT || try > makeTries {
			return sub, d.orFail("open folder", name, err)
		}
		if err := d.make(name); err != nil {
			return nil, d.fail("make folder", name, err)
		}
		if err := sync(d.fd); err != nil {
			return nil, d.fail("sync folder", "", err)
		}
	}
}

// make makes a folder under another name, gives it the exact mode, which the umask
// may have narrowed, and only then its name: nobody would correct a folder that has
// its name already. A folder under the other name is of a run that died there, or
// of another process that does the same right now: whoever is first gives the name.
// The error is a bare errno.
func (d *folder) make(name string) error {
	made := newPrefix + name[:min(len(name), maxContentType-len(newPrefix))]
	err := unix.Mkdirat(d.fd, made, folderMode)
	if err != nil && err != unix.EEXIST {
		return err
	}
	if err = d.settle(made, err == nil); err == nil {
		err = kernel{}.rename(d, made, d, name)
	}
	switch err {
	case unix.ENOENT: // another process has given the name
		return nil
	case unix.EEXIST, unix.ENOTEMPTY: // another program has made the folder
		_ = unix.Unlinkat(d.fd, made, unix.AT_REMOVEDIR)
		return nil
	}
	return err
}

// settle gives a folder the exact mode. One of another user that was there before
// is removed, since that user could change what is stored in it; then, as when it
// is gone, the error is ENOENT.
func (d *folder) settle(name string, ours bool) error {
	sub, err := d.sub(name)
	if err != nil {
		return err
	}
	defer sub.close()
	var st unix.Stat_t
	if err := unix.Fstat(sub.fd, &st); err != nil {
		return err
	}
	if !ours && st.Uid != uint32(os.Geteuid()) {
		if err := unix.Unlinkat(d.fd, name, unix.AT_REMOVEDIR); err != nil {
			return err
		}
		return unix.ENOENT
	}
	return unix.Fchmod(sub.fd, folderMode)
}

func (d *folder) orFail(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return d.fail(op, name, err)
}

// openPath opens the folder at path; the error is a bare errno.
func openPath(path string) (*folder, error) {
	fd, err := unix.Open(path, openFolder, 0)
	if err != nil {
		return nil, err
	}
	return &folder{fd: fd, path: path}, nil
}

// makePath opens the folder at path and makes it and its parents when they are
// missing. Links above and at the path are the operator's and are followed.
func makePath(path string, sync func(fd int) error) (*folder, error) {
	d, err := openPath(path)
	if err == nil {
		return d, nil
	}
	parent := filepath.Dir(path)
	if err != unix.ENOENT || parent == path {
		return nil, &DiskError{Op: "open folder", Path: path, Err: err}
	}
	up, err := makePath(parent, sync)
	if err != nil {
		return nil, err
	}
	defer up.close()
	return up.makeSub(filepath.Base(path), sync)
}

// nameBatch is how many names are read from a folder at once: a store may hold
// hundreds of thousands.
const nameBatch = 1024

// each calls fn with every name in the folder until fn fails.
func (d *folder) each(fn func(name string) error) error {
	fd, err := unix.Openat(d.fd, ".", openFolder, 0)
	if err != nil {
		return d.fail("open folder", "", err)
	}
	dir := os.NewFile(uintptr(fd), d.path)
	defer dir.Close()
	for {
		names, err := dir.Readdirnames(nameBatch)
		for _, name := range names {
			if err := fn(name); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return d.fail("read folder", "", errnoOf(err))
		}
	}
}

// errnoOf strips the path that package os put around an error.
func errnoOf(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	var se *os.SyscallError
	if errors.As(err, &se) {
		return se.Err
	}
	return err
}

// removeAll removes a file, link or folder with all that is in it, and stays on
// the file system of dev: what is mounted there belongs to somebody else.
func (d *folder) removeAll(name string, dev uint64) error {
	err := unix.Unlinkat(d.fd, name, 0)
	if err == nil || err == unix.ENOENT {
		return nil
	}
	if err != unix.EISDIR {
		return d.fail("remove", name, err)
	}
	sub, err := d.sub(name)
	if err != nil {
		return d.fail("open folder", name, err)
	}
	defer sub.close()
	var st unix.Stat_t
	if err := unix.Fstat(sub.fd, &st); err != nil {
		return d.fail("stat", name, err)
	}
	if st.Dev != dev {
		return d.fail("remove", name, unix.EXDEV)
	}
	if err := sub.each(func(inner string) error { return sub.removeAll(inner, dev) }); err != nil {
		return err
	}
	if err := unix.Unlinkat(d.fd, name, unix.AT_REMOVEDIR); err != nil && err != unix.ENOENT {
		return d.fail("remove", name, err)
	}
	return nil
}
