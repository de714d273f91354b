// Package builtin holds the plugins that are part of the binary. The files in
// wasm/ are build products of `make plugins`; without them the package still
// builds, and Plugins says what is missing.
package builtin

import (
	"embed"
	"errors"
	"fmt"
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
func Names() []string {
	entries, err := files.ReadDir("wasm")
	if err != nil {
		return nil // there is no folder: Plugins says that there are none
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".wasm"); ok {
			names = append(names, name)
		}
	}
	return names
}

// Plugins returns the embedded plugins in the order of their names, or ErrNone.
func Plugins() ([]Plugin, error) {
	var found []Plugin
	for _, name := range Names() {
		data, err := files.ReadFile(path.Join("wasm", name+".wasm"))
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
