// Package regular reads files that somebody else may have made: whole ones, but never
// one that has no end, that waits for a writer, or that does not fit into memory.
package regular

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// ReadFile returns the content of a regular file of at most limit bytes. Links are
// followed. The error is an *fs.PathError when the file cannot be opened or read.
func ReadFile(path string, limit int64) ([]byte, error) {
	// Looked at before it is opened: opening a device can have effects.
	info, err := os.Stat(path)
	if err != nil {
		var at *fs.PathError
		if errors.As(err, &at) {
			at.Op = "open" // nobody has asked for more
		}
		return nil, err
	}
	if err := check(path, info, limit); err != nil {
		return nil, err
	}
	// Without O_NONBLOCK, opening a FIFO that has come meanwhile would wait for a writer.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, err
	}
	if err := check(path, info, limit); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1)) // it may grow
	if err == nil && int64(len(data)) > limit {
		err = tooLarge(path, limit)
	}
	if err != nil {
		return nil, err
	}
	return data, nil
}

func check(path string, info fs.FileInfo, limit int64) error {
	switch {
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file", path)
	case info.Size() > limit:
		return tooLarge(path, limit)
	}
	return nil
}

func tooLarge(path string, limit int64) error {
	return fmt.Errorf("%s is larger than %d bytes", path, limit)
}
