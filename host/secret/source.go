package secret

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/sourcehost/sourcehost/internal/regular"
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
	switch {
	case spec.File != "":
		return "file " + spec.File
	case len(spec.Command) > 0:
		return "the output of " + spec.Command[0]
	}
	return "environment variable " + spec.Env
}

// Inspect says what keeps a secret's value from being had, or what makes it
// unsafe, without getting the value: no file is read and no program run. Nil for
// environ means os.LookupEnv.
func Inspect(spec Spec, environ func(string) (string, bool)) error {
	if environ == nil {
		environ = os.LookupEnv
	}
	switch {
	case spec.Env != "":
		if _, ok := environ(spec.Env); !ok {
			return fmt.Errorf("environment variable %s is not set", spec.Env)
		}
	case len(spec.Command) > 0:
		if info, err := os.Stat(spec.Command[0]); err != nil {
			return err
		} else if !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
			return fmt.Errorf("%s is not a program", spec.Command[0])
		}
	default:
		f, info, err := open(spec.File)
		if err != nil {
			return err
		}
		f.Close()
		if readableByAll(info) {
			return fmt.Errorf("every user of this machine can read file %s; take the right away with chmod o-r", spec.File)
		}
	}
	return nil
}

func readableByAll(info fs.FileInfo) bool { return info.Mode().Perm()&0o004 != 0 }

// load gets the bare value.
func (r *Resolver) load(spec Spec) (string, error) {
	if spec.Env != "" {
		value, ok := r.environ(spec.Env)
		if !ok {
			return "", fmt.Errorf("environment variable %s is not set", spec.Env)
		}
		return trimNewline(value), nil
	}
	if len(spec.Command) > 0 {
		return r.run(spec.Command)
	}
	f, info, err := open(spec.File)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if readableByAll(info) {
		r.log.Warn("every user of this machine can read a secret's file; take the right away with chmod o-r",
			"secret", spec.Name, "file", spec.File, "mode", info.Mode().Perm().String())
	}
	data, err := regular.Read(f, info, MaxBytes)
	if err != nil {
		return "", fmt.Errorf("reading the file: %w", err)
	}
	return trimNewline(string(data)), nil
}

func open(path string) (*os.File, fs.FileInfo, error) {
	f, info, err := regular.Open(path)
	if errors.Is(err, fs.ErrPermission) {
		err = fmt.Errorf("%w; make the file readable for the user that runs sourcehost", err)
	}
	return f, info, err
}

// trimNewline removes one line end from the end of s.
func trimNewline(s string) string {
	if t, ok := strings.CutSuffix(s, "\n"); ok {
		return strings.TrimSuffix(t, "\r")
	}
	return s
}
