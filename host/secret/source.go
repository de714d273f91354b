package secret

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

const (
	// MinLength is the length in bytes of the shortest value that is accepted.
	// A shorter one could not be kept out of logs without tearing every text
	// apart that happens to contain it, so asking for it is an error.
	MinLength = 4
	// MaxBytes is the size of the largest secret file that is read.
	MaxBytes = 1 << 20
)

// read gets a value from its source and makes it known to Redact. Its errors
// never contain the value.
func (r *Resolver) read(spec Spec) (string, error) {
	value, err := r.load(spec)
	if err != nil {
		return "", fmt.Errorf("secret %q: %w", spec.Name, err)
	}
	switch {
	case value == "":
		return "", fmt.Errorf("secret %q: %s is empty", spec.Name, origin(spec))
	case len(value) < MinLength:
		return "", fmt.Errorf("secret %q: the value in %s is shorter than %d bytes, too short to be kept out of logs", spec.Name, origin(spec), MinLength)
	}
	r.learn(spec.Name, value)
	return value, nil
}

// origin names where a value comes from.
func origin(spec Spec) string {
	if spec.File != "" {
		return "file " + spec.File
	}
	return "environment variable " + spec.Env
}

// load gets the bare value.
func (r *Resolver) load(spec Spec) (string, error) {
	if spec.Env != "" {
		value, ok := r.environ(spec.Env)
		if !ok {
			return "", fmt.Errorf("environment variable %s is not set", spec.Env)
		}
		return trimNewline(value), nil
	}
	f, info, err := open(spec.File)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if info.Mode().Perm()&0o004 != 0 {
		r.log.Warn("every user of this machine can read a secret's file; take the right away with chmod o-r",
			"secret", spec.Name, "file", spec.File, "mode", info.Mode().Perm().String())
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxBytes+1))
	if err != nil {
		return "", fmt.Errorf("reading the file: %w", err)
	}
	if len(data) > MaxBytes {
		return "", fmt.Errorf("file %s is larger than %d bytes", spec.File, MaxBytes)
	}
	return trimNewline(string(data)), nil
}

// open opens a regular file. A named pipe does not block it.
func open(path string) (*os.File, fs.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrPermission) {
		return nil, nil, fmt.Errorf("%w; make the file readable for the user that runs sourcehost", err)
	}
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", path)
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// trimNewline removes one line end from the end of s.
func trimNewline(s string) string {
	if t, ok := strings.CutSuffix(s, "\n"); ok {
		return strings.TrimSuffix(t, "\r")
	}
	return s
}
