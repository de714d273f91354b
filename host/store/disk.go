package store

import "golang.org/x/sys/unix"

// disk is what the order of a commit rests on. Tests put a recording or a
// failing one in its place.
type disk interface {
	// write writes all of p at offset off.
	write(fd int, p []byte, off int64) error
	// startSync begins to write the file's bytes from off on to the disk and
	// waits for nothing. It cannot fail: the sync that follows reports errors.
	startSync(fd int, off, n int64)
	// syncFile returns when content and mode of the file are on the disk.
	syncFile(fd int) error
	// syncFS does that for everything on the file system that fd is on. Before
	// Linux 5.8 it does not report failed writes: checkFile does.
	syncFS(fd int) error
	// checkFile reports whether any write of this file to the disk has failed.
	checkFile(fd int) error
	// rename moves a staged file to a name that must be free (EEXIST).
	rename(from *folder, staged string, to *folder, final string) error
	// syncDir returns when the names in the folder are on the disk.
	syncDir(fd int) error
}

// kernel is the disk as Linux offers it.
type kernel struct{}

func (kernel) write(fd int, p []byte, off int64) error {
	for len(p) > 0 {
		n, err := unix.Pwrite(fd, p, off)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		p, off = p[n:], off+int64(n)
	}
	return nil
}

func (kernel) startSync(fd int, off, n int64) {
	_ = unix.SyncFileRange(fd, off, n, unix.SYNC_FILE_RANGE_WRITE)
}

// syncFile uses fsync, not fdatasync: the mode of an entry leaks into images, so
// it must be on the disk as well. For a new file both cost the same.
func (kernel) syncFile(fd int) error { return retry(func() error { return unix.Fsync(fd) }) }

func (kernel) syncFS(fd int) error { return retry(func() error { return unix.Syncfs(fd) }) }

func (kernel) checkFile(fd int) error {
	const wait = unix.SYNC_FILE_RANGE_WAIT_BEFORE | unix.SYNC_FILE_RANGE_WRITE | unix.SYNC_FILE_RANGE_WAIT_AFTER
	return retry(func() error { return unix.SyncFileRange(fd, 0, 0, wait) })
}

func (kernel) rename(from *folder, staged string, to *folder, final string) error {
	err := unix.Renameat2(from.fd, staged, to.fd, final, unix.RENAME_NOREPLACE)
	if err != unix.EINVAL && err != unix.ENOSYS && err != unix.EOPNOTSUPP {
		return err
	}
	// A file system without this flag, for example NFS. Between the look and the
	// rename another program may have made the entry; replacing that one by our
	// verified content does no harm.
	if _, err := to.lstat(final); err == nil {
		return unix.EEXIST
	}
	return unix.Renameat(from.fd, staged, to.fd, final)
}

func (kernel) syncDir(fd int) error { return retry(func() error { return unix.Fsync(fd) }) }

func retry(fn func() error) error {
	for {
		if err := fn(); err != unix.EINTR {
			return err
		}
	}
}

// The file systems on which one syncfs(2) is known to put everything on the disk
// (magic numbers: statfs(2)). On others, network and FUSE file systems above all,
// it may do nothing, so each file is synced there.
func wholeSync(fd int) bool {
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil {
		return false
	}
	switch int64(st.Type) {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC, unix.TMPFS_MAGIC:
		return true
	}
	return false
}
