// Package scaffold writes the folder of a new plugin: source that builds and
// passes its test at once, with a copy of the SDK, so that nothing has to be
// downloaded.
package scaffold

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"text/template"

	"github.com/sourcehost/sourcehost"
	"github.com/sourcehost/sourcehost/internal/nearest"
)

//go:embed templates
var templates embed.FS

// Options say what to write.
type Options struct {
	// Name is the plugin's name.
	Name string
	// Language is one of Languages, Hook one of Hooks.
	Language, Hook string
}

// Languages are the languages that there are templates for.
func Languages() []string { return []string{"go", "rust", "c", "assemblyscript"} }

// Hooks are the kinds of plugins: a chained plugin that changes descriptions, one
// that drops items, and one that serves a source of its own.
func Hooks() []string { return []string{"prepare", "filter", "source"} }

// plainName is a plugin's name that is also good as a folder, a Go module, a
// package of npm and the last part of a source's name.
var plainName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
})

// check refuses what cannot be written.
func (o Options) check() error {
	switch {
	case len(o.Name) > 64 || !plainName().MatchString(o.Name):
		return fmt.Errorf("%q is no name for a plugin: use lower-case letters, digits and single dashes, beginning with a letter%s", o.Name, example(o.Name))
	case !slices.Contains(Languages(), o.Language):
		return fmt.Errorf("there is no template for the language %q%s", o.Language, meant(o.Language, Languages()))
	case !slices.Contains(Hooks(), o.Hook):
		return fmt.Errorf("there is no template for the hook %q%s", o.Hook, meant(o.Hook, Hooks()))
	}
	return nil
}

// example is a name like one that cannot be taken.
func example(name string) string {
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return strings.ContainsRune("_-. ", r) })
	if like := strings.Join(words, "-"); len(like) <= 64 && plainName().MatchString(like) {
		return ", for example " + like
	}
	return ""
}

// otherNames are names that languages and hooks have elsewhere.
func otherNames() map[string]string {
	return map[string]string{
		"golang": "go", "rs": "rust", "as": "assemblyscript", "asc": "assemblyscript", "ts": "assemblyscript", "typescript": "assemblyscript",
		"clang": "c", "fetch_one": "source", "fetch": "source", "download": "source",
	}
}

// meant says which known name was probably meant, or which there are.
func meant(name string, known []string) string {
	if other := otherNames()[strings.ToLower(name)]; slices.Contains(known, other) {
		return fmt.Sprintf("; did you mean %q?", other)
	}
	return nearest.HintOrList(name, known)
}

// values are what the templates can use.
type values struct {
	Options
	Title, Source, Module, Main, LanguageName, GoVersion, AssemblyScript string
}

// Files returns the files of a new plugin by their path, with slashes.
func Files(o Options) (map[string][]byte, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	asc, err := assemblyScript()
	if err != nil {
		return nil, err
	}
	v := values{
		Options: o, Title: strings.ToUpper(o.Name[:1]) + o.Name[1:], Source: "com.example." + o.Name, Module: "example.com/" + o.Name,
		Main: layouts()[o.Language].main, LanguageName: layouts()[o.Language].name, GoVersion: goVersion(), AssemblyScript: asc,
	}
	files := map[string][]byte{}
	for name, from := range layouts()[o.Language].files(o) {
		data, err := render(from, v)
		if err != nil {
			return nil, err
		}
		files[name] = data
	}
	return files, layouts()[o.Language].sdk(files)
}

// layout is what is particular to a language.
type layout struct {
	name string
	// main is the file with the hook.
	main string
	// more are further files, by their path, with their templates.
	more map[string]string
	// sdk adds the copy of the SDK.
	sdk func(files map[string][]byte) error
}

// files are the templates by the path of what is made of them.
func (l layout) files(o Options) map[string]string {
	files := map[string]string{
		l.main:           o.Language + "/" + o.Hook + path.Ext(l.main) + ".tmpl",
		"plugin.json":    "common/" + o.Hook + ".json.tmpl",
		"README.md":      "common/README.md.tmpl",
		".gitignore":     "common/gitignore",
		"cases/one.json": "common/" + o.Hook + ".case.json",
	}
	for name, from := range l.more {
		files[name] = from
	}
	return files
}

func layouts() map[string]layout {
	return map[string]layout{
		"go": {
			name: "Go", main: "main.go",
			more: map[string]string{"go.mod": "go/go.mod.tmpl", "main_test.go": "go/main_test.go.tmpl"},
			sdk:  copyGo,
		},
		"rust": {name: "Rust", main: "src/lib.rs", sdk: copyOne("sdk/rust/sourcehost.rs", "src/sourcehost.rs")},
		"c":    {name: "C", main: "plugin.c", sdk: copyOne("sdk/c/sourcehost.h", "sourcehost.h")},
		"assemblyscript": {
			name: "AssemblyScript", main: "assembly/index.ts",
			more: map[string]string{"package.json": "assemblyscript/package.json.tmpl", "assembly/tsconfig.json": "assemblyscript/tsconfig.json", ".gitignore": "assemblyscript/gitignore"},
			sdk:  copyOne("sdk/assemblyscript/sourcehost.ts", "assembly/sourcehost.ts"),
		},
	}
}

// render executes a template; a file without the ending is taken as it is.
func render(name string, v values) ([]byte, error) {
	data, err := templates.ReadFile("templates/" + name)
	if err != nil || !strings.HasSuffix(name, ".tmpl") {
		return data, err
	}
	t, err := template.New(name).Parse(string(data))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = t.Execute(&out, v)
	return out.Bytes(), err
}

// copyGo adds the Go SDK as a module of its own, which the plugin's go.mod
// replaces the released one with.
func copyGo(files map[string][]byte) error {
	err := fs.WalkDir(sourcehost.SDK, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return err
		}
		data, err := sourcehost.SDK.ReadFile(name)
		files["sourcehost/"+name] = data
		return err
	})
	if err != nil {
		return err
	}
	files["sourcehost/go.mod"] = fmt.Appendf(nil, "module github.com/sourcehost/sourcehost\n\ngo %s\n", goVersion())
	return copyLicense(files, "sourcehost/LICENSE")
}

// copyOne adds an SDK that is one file.
func copyOne(from, to string) func(map[string][]byte) error {
	return func(files map[string][]byte) (err error) {
		files[to], err = sourcehost.SDK.ReadFile(from)
		return err
	}
}

// assemblyScript is the version of the compiler that the SDK is tested with.
func assemblyScript() (string, error) {
	data, err := sourcehost.SDK.ReadFile("sdk/assemblyscript/package.json")
	if err != nil {
		return "", err
	}
	var doc struct {
		DevDependencies map[string]string `json:"devDependencies"`
	}
	err = json.Unmarshal(data, &doc)
	return doc.DevDependencies["assemblyscript"], err
}

func copyLicense(files map[string][]byte, to string) (err error) {
	files[to], err = sourcehost.SDK.ReadFile("LICENSE")
	return err
}

// goVersion is the version of Go that the SDK needs, as this module says.
func goVersion() string {
	data, err := sourcehost.SDK.ReadFile("go.mod")
	if err != nil {
		return "1.26.0"
	}
	for line := range strings.Lines(string(data)) {
		if version, ok := strings.CutPrefix(line, "go "); ok {
			return strings.TrimSpace(version)
		}
	}
	return "1.26.0"
}

// Write writes a new plugin to dir, which must not be there yet or be empty.
func Write(dir string, o Options) error {
	files, err := Files(o)
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("the folder %s is not empty: give another name, or empty it first", dir)
	}
	for name, data := range files {
		to := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}
