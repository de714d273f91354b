package store

import (
	"errors"
	"fmt"
	"syscall"
)

// ErrExists says that the entry is in the store already. It is returned by
// Stage, perhaps after waiting for another process to finish it: a success for
// whoever wanted the entry.
var ErrExists = errors.New("the entry is in the store already")

// ErrClosed says that a Stage was committed or closed before, or the Store was.
var ErrClosed = errors.New("closed already")

// MismatchError says that the bytes of a body are not what its key names. The
// bytes are thrown away when it is returned.
type MismatchError struct {
	Key     Key
	Got     string // the digest of what came, as ALGORITHM:HEX
	Size    int64  // how many bytes came
	Resumed bool   // some of the bytes came from an earlier run: fetching everything anew may help
}

// Error names the key, the digest and the number of bytes that came.
func (e *MismatchError) Error() string {
	from := ""
	if e.Resumed {
		from = ", some of them from an earlier run"
	}
	return fmt.Sprintf("content does not match its key: expected %s, got %s (%d bytes%s)", e.Key, e.Got, e.Size, from)
}

// Mismatch reports true. It lets packages that do not know this one tell the error.
func (e *MismatchError) Mismatch() bool { return true }

// CorruptError says that what stands under a key's name is not that entry.
type CorruptError struct {
	Key    Key
	Path   string
	Reason string // a clause: "it is a directory", "its digest is sha256:..."
	Got    string // the digest of the content, as ALGORITHM:HEX; "" when it was not read
	Size   int64  // bytes; of a regular file only
}

// Error names the path and what is wrong there.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("corrupt entry %s: %s", e.Path, e.Reason)
}

// Hint says what an operator can do.
func (e *CorruptError) Hint() string {
	return "fetch with --verify to have it removed and fetched again"
}

// PresentError lists the keys under whose names something else than an entry stands.
type PresentError struct {
	Entries []*CorruptError // in the order of the keys
}

// Error shows the first entry and counts the others.
func (e *PresentError) Error() string {
	if more := len(e.Entries) - 1; more > 0 {
		return fmt.Sprintf("%v (and %d more)", e.Entries[0], more)
	}
	return e.Entries[0].Error()
}

// Unwrap gives errors.Is and errors.As every entry's error.
func (e *PresentError) Unwrap() []error {
	errs := make([]error, len(e.Entries))
	for i, entry := range e.Entries {
		errs[i] = entry
	}
	return errs
}

// DiskError says that the file system refused an operation.
type DiskError struct {
	Op   string // what was done, for example "write" or "make folder"
	Path string
	Err  error // usually a syscall.Errno
}

// Error reads OP PATH: CAUSE.
func (e *DiskError) Error() string {
	return e.Op + " " + e.Path + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *DiskError) Unwrap() error { return e.Err }

// Disk reports true. It lets packages that do not know this one tell the error.
func (e *DiskError) Disk() bool { return true }

// Hint says what an operator can do about the cause; "" when there is nothing to say.
func (e *DiskError) Hint() string {
	var errno syscall.Errno
	if !errors.As(e.Err, &errno) {
		return ""
	}
	switch errno {
	case syscall.ENOSPC:
		return "the file system is full: free some space or choose another store"
	case syscall.EDQUOT:
		return "the disk quota is used up: free some space, raise it or choose another store"
	case syscall.EROFS:
		return "the file system is read-only: remount it or choose another store"
	case syscall.EACCES, syscall.EPERM:
		return "the store must be writable for the user who runs this"
	case syscall.EIO:
		return "the disk reports errors: look at the kernel's log"
	case syscall.ENOTDIR:
		return "a folder is expected there: move what stands in its place out of the way"
	case syscall.ELOOP:
		return "symbolic links are not followed inside the store: use a bind mount instead"
	case syscall.EMFILE, syscall.ENFILE:
		return "too many files are open: raise the limit (ulimit -n) or use fewer workers"
	}
	return ""
}
