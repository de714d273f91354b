// Package builtin holds the plugins that are part of the binary. The files in
// wasm/ are build products of `make plugins`; without them the package still
// builds, and Plugins says what is missing.
package builtin

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"reflect"
	"strings"
	"unsafe"
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

// Open returns an embedded plugin without reading it, and its size in bytes.
func Open(name string) (io.ReaderAt, int64, error) {
	f, err := files.Open(path.Join("wasm", name+".wasm"))
	if err != nil {
		return nil, 0, fmt.Errorf("reading the embedded plugin %s: %w", name, err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, fmt.Errorf("reading the embedded plugin %s: %w", name, err)
	}
	return f.(io.ReaderAt), info.Size(), nil // as package embed promises
}

// Read returns one embedded plugin.
func Read(name string) (Plugin, error) { return readOne(files, name) }

// Plugins returns the embedded plugins in the order of their names, or ErrNone.
func Plugins() ([]Plugin, error) { return read(files) }

func read(fsys fs.FS) ([]Plugin, error) {
	var found []Plugin
	for _, name := range names(fsys) {
		p, err := readOne(fsys, name)
		if err != nil {
			return nil, err
		}
		found = append(found, p)
	}
	if len(found) == 0 {
		return nil, ErrNone
	}
	return found, nil
}

func readOne(fsys fs.FS, name string) (Plugin, error) {
	data, err := content(fsys, path.Join("wasm", name+".wasm"))
	if err != nil {
		return Plugin{}, fmt.Errorf("reading the embedded plugin %s: %w", name, err)
	}
	return Plugin{Name: name, Wasm: data}, nil
}

// content returns a file without copying it where that is possible. Copies of all
// plugins would be most of what a start costs, and nothing of a plugin is read that
// is not used. Package embed offers copies only, so the data is looked for in its
// structure; should that change, there is a copy, and a test that fails.
func content(fsys fs.FS, name string) ([]byte, error) {
	if e, ok := fsys.(embed.FS); ok {
		if data := embedded(e, name); data != "" {
			return unsafe.Slice(unsafe.StringData(data), len(data)), nil
		}
	}
	return fs.ReadFile(fsys, name)
}

// embedded returns the data of a file in the binary, or "".
func embedded(e embed.FS, name string) string {
	files := reflect.ValueOf(e).Field(0) // *[]file
	if files.Kind() != reflect.Pointer || files.IsNil() || files.Elem().Kind() != reflect.Slice {
		return ""
	}
	for i := range files.Elem().Len() {
		file := files.Elem().Index(i) // struct{name, data string; ...}
		if file.Kind() != reflect.Struct || file.NumField() < 2 || file.Field(0).Kind() != reflect.String || file.Field(1).Kind() != reflect.String {
			return ""
		}
		if file.Field(0).String() == name {
			return file.Field(1).String()
		}
	}
	return ""
}
