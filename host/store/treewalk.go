package store

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// maxTreeDepth bounds how deep folders are nested: two are usual.
const maxTreeDepth = 32

// treeWalk goes through all that is staged in a folder.
type treeWalk struct {
	ctx  context.Context
	disk disk
}

func refuse(d *folder, name, reason string) error {
	return fmt.Errorf("staged content %s is refused: %s", filepath.Join(d.path, name), reason)
}

// settle refuses what is neither file nor folder, gives the rest its mode, and
// begins to write it to the disk.
func (w *treeWalk) settle(top *folder) error {
	if err := unix.Fchmod(top.fd, folderMode); err != nil {
		return top.fail("set mode of", "", err)
	}
	return w.settleIn(top, maxTreeDepth)
}

func (w *treeWalk) settleIn(d *folder, depth int) error {
	if depth == 0 {
		return refuse(d, "", "folders are nested too deep")
	}
	return d.each(func(name string) error {
		if w.ctx.Err() != nil {
			return fmt.Errorf("commit %s: %w", filepath.Join(d.path, name), context.Cause(w.ctx))
		}
		kind, err := d.setMode(name)
		if err != nil {
			return err
		}
		if kind == unix.S_IFDIR {
			return d.within(name, func(sub *folder) error { return w.settleIn(sub, depth-1) })
		}
		return d.opened(name, func(fd int) error {
			w.disk.startSync(fd, 0, 0)
			return nil
		})
	})
}

// sync puts content and modes on the disk: each file, then the folder that names it.
func (w *treeWalk) sync(d *folder) error {
	err := d.each(func(name string) error {
		if w.ctx.Err() != nil {
			return fmt.Errorf("commit %s: %w", filepath.Join(d.path, name), context.Cause(w.ctx))
		}
		st, err := d.lstat(name)
		if err != nil {
			return d.fail("stat", name, err)
		}
		if st.Mode&unix.S_IFMT == unix.S_IFDIR {
			return d.within(name, w.sync)
		}
		return d.opened(name, func(fd int) error { return d.orFail("sync", name, w.disk.syncFile(fd)) })
	})
	if err != nil {
		return err
	}
	return d.orFail("sync folder", "", w.disk.syncDir(d.fd))
}

// setMode gives a file or folder the mode that it must have in an entry, and
// returns its type. It works on what it has looked at, whatever happens to the
// name, and needs no right to read it.
func (d *folder) setMode(name string) (uint32, error) {
	fd, err := unix.Openat(d.fd, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, d.fail("open", name, err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, d.fail("stat", name, err)
	}
	kind, mode := st.Mode&unix.S_IFMT, uint32(fileMode)
	switch kind {
	case unix.S_IFREG:
	case unix.S_IFDIR:
		mode = folderMode
	case unix.S_IFLNK:
		return 0, refuse(d, name, "it is a symbolic link")
	default:
		return 0, refuse(d, name, "it is neither file nor folder")
	}
	if st.Mode&0o7777 == mode {
		return kind, nil
	}
	// A descriptor of this kind is refused by fchmod(2).
	if err := unix.Chmod("/proc/self/fd/"+strconv.Itoa(fd), mode); err != nil {
		return 0, d.fail("set mode of", name, err)
	}
	return kind, nil
}

// within calls fn with a folder beneath this one.
func (d *folder) within(name string, fn func(sub *folder) error) error {
	sub, err := d.sub(name)
	if err != nil {
		return d.fail("open folder", name, err)
	}
	defer sub.close()
	return fn(sub)
}

// opened calls fn with a file of this folder.
func (d *folder) opened(name string, fn func(fd int) error) error {
	fd, err := d.open(name, unix.O_RDONLY)
	if err != nil {
		return d.fail("open", name, err)
	}
	defer unix.Close(fd)
	return fn(fd)
}
