// Package builtin holds the plugins that are part of the binary. The files in
// wasm/ are build products of `make plugins`; without them the package still
// builds, and Plugins says what is missing.
package builtin

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

//go:embed all:wasm
var files embed.FS

// ErrNone is returned by Plugins when the binary was built without plugins.
var ErrNone = errors.New("this binary was built without its plugins: build it with `make build`, or run `make plugins` before `go build`")

// Plugin is one embedded plugin.
type Plugin struct {
	// Name is the name of its file without the ending, for example "curl".
	Name string
	// Wasm is the plugin with its manifest section. It must not be modified.
	Wasm []byte
}

// Names returns the names of the embedded plugins, sorted, without reading them.
func Names() []string { return names(files) }

func names(fsys fs.FS) []string {
	// Glob fails only for a malformed pattern.
	found, _ := fs.Glob(fsys, "wasm/*.wasm")
	for i, file := range found {
		found[i] = strings.TrimSuffix(path.Base(file), ".wasm")
	}
	return found
}

// Plugins returns the embedded plugins in the order of their names, or ErrNone.
func Plugins() ([]Plugin, error) { return read(files) }

func read(fsys fs.FS) ([]Plugin, error) {
	var found []Plugin
	for _, name := range names(fsys) {
		data, err := fs.ReadFile(fsys, path.Join("wasm", name+".wasm"))
		if err != nil {
			return nil, fmt.Errorf("reading the embedded plugin %s: %w", name, err)
		}
		found = append(found, Plugin{Name: name, Wasm: data})
	}
	if len(found) == 0 {
		return nil, ErrNone
	}
	return found, nil
}
