package store

import (
	"context"
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// How the bytes of one file come under another name without being copied.

// sharable tells whether a file can become an entry's as it is, under a further
// name: nobody else owns it, and it has the mode of entries.
func sharable(st *unix.Stat_t) bool {
	return st.Mode&unix.S_IFMT == unix.S_IFREG && st.Uid == uint32(os.Geteuid()) && st.Mode&0o7777 == fileMode
}

// linkTo gives an open file a further name, which must be free (EEXIST). It is the
// file that was opened, whatever has become of the name that it was opened by. The
// error is a bare errno.
func linkTo(fd int, to *folder, name string) error {
	return retry(func() error {
		return unix.Linkat(unix.AT_FDCWD, "/proc/self/fd/"+strconv.Itoa(fd), to.fd, name, unix.AT_SYMLINK_FOLLOW)
	})
}

// cloneOrCopy fills an empty file with the bytes of another: both share the blocks
// on the disk where the file system can do that.
func cloneOrCopy(ctx context.Context, to, from int) error {
	if unix.IoctlFileClone(to, from) == nil {
		return nil
	}
	var d kernel
	off, buf := int64(0), make([]byte, bufferSize*4)
	for {
		n, err := (&fdReader{ctx, from}).Read(buf)
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = d.write(to, buf[:n], off)
		}
		if err != nil {
			return err
		}
		off += int64(n)
	}
}

// takeFile makes a file of this folder, which must not have that name yet, from an
// open one: by a link where that can be, else as a copy with the mode of entries.
func (d *folder) takeFile(ctx context.Context, name string, from int, st *unix.Stat_t) error {
	if sharable(st) && linkTo(from, d, name) == nil {
		return nil
	}
	fd, err := d.open(name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL)
	if err != nil {
		return d.fail("open", name, err)
	}
	defer unix.Close(fd)
	if err := cloneOrCopy(ctx, fd, from); err != nil {
		return d.copyError(name, err)
	}
	return d.orFail("set mode of", name, unix.Fchmod(fd, fileMode))
}

// copyError adds the file to an error of cloneOrCopy, which is an errno or the
// context's.
func (d *folder) copyError(name string, err error) error {
	if errno, ok := err.(unix.Errno); ok {
		return d.fail("copy", name, errno)
	}
	return err
}

// replaceByCopy puts a copy of a file in its place.
func (d *folder) replaceByCopy(ctx context.Context, name string) error {
	from, err := d.open(name, unix.O_RDONLY)
	if err != nil {
		return d.fail("open", name, err)
	}
	defer unix.Close(from)
	made := newPrefix + name
	if err := d.unlink(made); err != nil {
		return err
	}
	if err := d.takeFile(ctx, made, from, &unix.Stat_t{}); err != nil { // never by a link
		return err
	}
	return d.orFail("name", name, unix.Renameat(d.fd, made, d.fd, name))
}
