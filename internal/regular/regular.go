// Package regular opens files that somebody else may have made: never one that has no
// end, that waits for a writer or that does something when it is opened. It reads them
// whole where they fit into memory.
package regular

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// ErrNotRegular is in the errors for folders, pipes, sockets and devices.
var ErrNotRegular = errors.New("not a regular file")

// ErrTooLarge is in the errors for files of more bytes than are read.
var ErrTooLarge = errors.New("too large")

// Folder is where a name is looked up. An *os.Root is one.
type Folder interface {
	Stat(name string) (fs.FileInfo, error)
	OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error)
}

// everywhere looks paths up as the process does.
type everywhere struct{}

func (everywhere) Stat(path string) (fs.FileInfo, error) { return os.Stat(path) }
func (everywhere) OpenFile(path string, flag int, perm fs.FileMode) (*os.File, error) {
	return os.OpenFile(path, flag, perm)
}

// unlinked looks paths up, but for links in the place of the file.
type unlinked struct{}

func (unlinked) Stat(path string) (fs.FileInfo, error) { return os.Lstat(path) }
func (unlinked) OpenFile(path string, flag int, perm fs.FileMode) (*os.File, error) {
	return os.OpenFile(path, flag|syscall.O_NOFOLLOW, perm)
}

// Open opens a regular file for reading. Links are followed. The error wraps
// ErrNotRegular, or is an *fs.PathError.
func Open(path string) (*os.File, fs.FileInfo, error) { return OpenIn(everywhere{}, path) }

// OpenUnlinked is Open for a path that must not name a link, which is no regular file
// then.
func OpenUnlinked(path string) (*os.File, fs.FileInfo, error) { return OpenIn(unlinked{}, path) }

// OpenIn is Open for a name in a folder.
func OpenIn(folder Folder, name string) (*os.File, fs.FileInfo, error) {
	// Looked at before it is opened: opening a device can have effects, such as
	// rewinding a tape.
	info, err := folder.Stat(name)
	if err != nil {
		var at *fs.PathError
		if errors.As(err, &at) {
			at.Op = "open" // nobody has asked for more
		}
		return nil, nil, err
	}
	if err := check(name, info); err != nil {
		return nil, nil, err
	}
	// Without O_NONBLOCK, opening a FIFO that has come meanwhile would wait for a writer.
	f, err := folder.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	if info, err = f.Stat(); err == nil {
		err = check(name, info)
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// ReadFile returns the content of a regular file of at most limit bytes. Links are
// followed. The error wraps ErrNotRegular or ErrTooLarge, or is an *fs.PathError.
func ReadFile(path string, limit int64) ([]byte, error) { return ReadFileIn(everywhere{}, path, limit) }

// ReadFileIn is ReadFile for a name in a folder.
func ReadFileIn(folder Folder, name string, limit int64) ([]byte, error) {
	f, info, err := OpenIn(folder, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return Read(f, info, limit)
}

// Read reads what Open has opened, and no more than limit bytes.
func Read(f *os.File, info fs.FileInfo, limit int64) ([]byte, error) {
	if info.Size() > limit {
		return nil, tooLarge(f.Name(), limit)
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1)) // it may grow
	if err == nil && int64(len(data)) > limit {
		err = tooLarge(f.Name(), limit)
	}
	if err != nil {
		return nil, err
	}
	return data, nil
}

func check(name string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is %w", name, ErrNotRegular)
	}
	return nil
}

// sizeError is ErrTooLarge with the file and the limit.
type sizeError struct {
	path  string
	limit int64
}

func tooLarge(path string, limit int64) error { return &sizeError{path, limit} }

func (e *sizeError) Error() string { return fmt.Sprintf("%s is larger than %d bytes", e.path, e.limit) }
func (e *sizeError) Unwrap() error { return ErrTooLarge }
