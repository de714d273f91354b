package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

const (
	// DefaultPath is where the file is when nothing says otherwise.
	DefaultPath = "/etc/sourcehost/sourcehost.toml"
	// EnvPath is the environment variable that names another file.
	EnvPath = "SOURCEHOST_CONFIG"
	// maxBytes is the largest file that is read.
	maxBytes = 4 << 20
)

// Find returns the path of the configuration file: what --config says, then
// $SOURCEHOST_CONFIG, then DefaultPath. Only the last may be missing, which is
// when required is false. A nil getenv means os.Getenv.
func Find(flag string, getenv func(string) string) (path string, required bool) {
	if getenv == nil {
		getenv = os.Getenv
	}
	if flag != "" {
		return flag, true
	}
	if env := getenv(EnvPath); env != "" {
		return env, true
	}
	return DefaultPath, false
}

// LoadFound reads the file that Find found. A file that is missing without
// being required gives the default configuration.
func LoadFound(flag string, getenv func(string) string, builtin ...string) (*File, error) {
	path, required := Find(flag, getenv)
	f, err := Load(path, builtin...)
	if !required && errors.Is(err, fs.ErrNotExist) {
		return &File{}, nil
	}
	return f, err
}

// Mistake is one thing that is wrong in a configuration file.
type Mistake struct {
	Path    string // the file
	Line    int    // counted from 1; 0 when it is about no line in particular
	Message string // without a full stop
}

// Error returns "file:line: message".
func (m Mistake) Error() string {
	if m.Line == 0 {
		return m.Path + ": " + m.Message
	}
	return m.Path + ":" + strconv.Itoa(m.Line) + ": " + m.Message
}

// Mistakes are all that is wrong in a file, in the order of its lines.
type Mistakes []Mistake

// Error returns one line for each mistake.
func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i := range m {
		lines[i] = m[i].Error()
	}
	return strings.Join(lines, "\n")
}

// Load reads and checks a file. When the file can be read at all, the error is
// Mistakes and lists everything that is wrong; a missing file gives an error
// that wraps fs.ErrNotExist. The names in builtin are plugins that the file may
// refer to without a table of its own; without any, a source's "plugin" is left
// for the host to check.
func Load(path string, builtin ...string) (*File, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the configuration: %w", err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("reading the configuration: %s is not a regular file", path)
	case info.Size() > maxBytes:
		return nil, fmt.Errorf("reading the configuration: %s is larger than %d bytes", path, maxBytes)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	return Parse(path, data, builtin...)
}
