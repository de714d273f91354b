package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/sourcehost/sourcehost/internal/regular"
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

// LoadFound reads the file that Find found, and its drop-in files. A file that is
// missing without being required is as good as an empty one.
func LoadFound(flag string, getenv func(string) string, builtin ...string) (*File, error) {
	path, required := Find(flag, getenv)
	f, err := load(path, required, builtin)
	if _, missing := os.Stat(path); err != nil && required && errors.Is(missing, fs.ErrNotExist) {
		by := "--config"
		if flag == "" {
			by = "$" + EnvPath
		}
		return nil, &missingError{path: path, by: by}
	}
	return f, err
}

// missingError is a file that was named and is not there. It is an fs.ErrNotExist.
type missingError struct{ path, by string }

func (e *missingError) Error() string {
	return fmt.Sprintf("the configuration file %s, which %s names, does not exist", e.path, e.by)
}

func (e *missingError) Is(target error) bool { return target == fs.ErrNotExist }

// Load reads and checks a file and its drop-in files. When they can be read at
// all, the error is Mistakes and lists everything that is wrong; a missing file
// gives an error that wraps fs.ErrNotExist. The names in builtin are plugins that
// the files may refer to without a table of its own; without any, a source's
// "plugin" is left for the host to check.
func Load(path string, builtin ...string) (*File, error) { return load(path, true, builtin) }

func load(path string, required bool, builtin []string) (*File, error) {
	var texts []text
	data, err := readFile(path)
	switch {
	case err == nil:
		texts = append(texts, text{path, data})
	case required || !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	more, err := dropIns(path)
	if err != nil {
		return nil, err
	}
	for _, path := range more {
		data, err := readFile(path)
		if err != nil {
			return nil, err
		}
		texts = append(texts, text{path, data})
	}
	return bind(path, texts, builtin)
}

func readFile(path string) ([]byte, error) {
	data, err := regular.ReadFile(path, maxBytes)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	return data, nil
}

// Mistake is one thing that is wrong in the configuration.
type Mistake struct {
	Place
	Message string // without a full stop
}

// Error returns "file:line:column: message".
func (m Mistake) Error() string { return m.Place.String() + ": " + m.Message }

// Mistakes are all that is wrong, in the order of the files and their lines.
type Mistakes []Mistake

// Error returns one line for each mistake.
func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i := range m {
		lines[i] = m[i].Error()
	}
	return strings.Join(lines, "\n")
}
