package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"

	"github.com/sourcehost/sourcehost/host/secret"
	"github.com/sourcehost/sourcehost/internal/nearest"
)

// Parse reads and checks the contents of a file. The path is for errors, and
// its folder is what relative paths in the file are resolved against.
func Parse(path string, data []byte, builtin ...string) (*File, error) {
	return bind(path, []text{{path, data}}, builtin)
}

// text is the content of one file.
type text struct {
	path string
	data []byte
}

// document is a file that is valid TOML.
type document struct {
	path   string
	tree   map[string]any
	places Places
}

// bind makes one configuration of files, of which later ones win.
func bind(main string, texts []text, builtin []string) (*File, error) {
	var docs []document
	var mistakes Mistakes
	for _, t := range texts {
		tree := map[string]any{}
		if err := toml.Unmarshal(t.data, &tree); err != nil {
			mistakes = append(mistakes, syntaxMistake(t, err))
			continue
		}
		places := placesOf(t.path, t.data)
		if way := tooDeep(nil, tree); way != nil {
			at, _ := places.Nearest(way...)
			mistakes = append(mistakes, Mistake{at, fmt.Sprintf("keys and arrays are nested more than %d levels deep", maxDepth)})
			continue
		}
		docs = append(docs, document{t.path, tree, places})
	}
	f := &File{Places: Places{}}
	for _, t := range texts {
		f.Files = append(f.Files, t.path)
		if t.path == main {
			f.Path = main
		}
	}
	if len(texts) > 1 { // a mistake counts also where a later file has another value
		for _, d := range docs {
			b := &binder{path: d.path, places: d.places, builtin: builtin, alone: true}
			b.file(&File{}, d.tree)
			mistakes = append(mistakes, b.mistakes...)
		}
	}
	if len(docs) == len(texts) {
		tree := map[string]any{}
		for _, d := range docs {
			merge(tree, d.tree, nil, f.Places, d.places)
		}
		b := &binder{path: main, places: f.Places, builtin: builtin}
		b.file(f, tree)
		b.references(f)
		mistakes = append(mistakes, b.mistakes...)
	}
	if len(mistakes) > 0 {
		return nil, mistakes.Sorted(f.Files)
	}
	return f, nil
}

// Sorted returns the mistakes in the order of the files and of their lines, each
// once.
func (m Mistakes) Sorted(files []string) Mistakes {
	slices.SortStableFunc(m, func(x, y Mistake) int {
		return cmp.Or(slices.Index(files, x.File)-slices.Index(files, y.File), x.compare(y.Place))
	})
	seen := map[Mistake]bool{}
	return slices.DeleteFunc(m, func(x Mistake) bool {
		again := seen[x]
		seen[x] = true
		return again
	})
}

// syntaxMistake turns an error of the TOML reader into one with a place.
func syntaxMistake(t text, err error) Mistake {
	m := Mistake{Place: Place{File: t.path}, Message: "not valid TOML: " + strings.TrimPrefix(err.Error(), "toml: ")}
	var d *toml.DecodeError
	if errors.As(err, &d) {
		m.Line, m.Column = d.Position()
		// The reader counts columns in bytes.
		rows := bytes.Split(t.data, []byte("\n"))
		if row := rows[min(m.Line, len(rows))-1]; m.Column > 0 && m.Column <= len(row) {
			m.Column = utf8.RuneCount(row[:m.Column-1]) + 1
		}
	}
	return m
}

// file reads the whole document.
func (b *binder) file(f *File, tree map[string]any) {
	t := b.table(nil, tree)
	t.readAll(rootKeys(f))
	t.sub("download", func(t *table) { t.readAll(downloadKeys(&f.Download)) })
	t.sub("limits", func(t *table) { t.readAll(limitsKeys(&f.Limits)) })
	t.sub("container", func(t *table) { t.readAll(containerKeys(&f.Container)) })
	f.Source = named(t, "source", source)
	f.Plugin = named(t, "plugin", plugin)
	f.Program = named(t, "program", program)
	f.Secret = named(t, "secret", secretTable)
	t.done()
}

func (t *table) readAll(all []key) {
	for _, k := range all {
		t.read(k)
	}
}

func source(t *table) (s Source) {
	t.readAll(sourceKeys(&s))
	return s
}

func plugin(t *table) (p Plugin) {
	t.readAll(pluginKeys(&p))
	t.sub("grant", func(t *table) { t.readAll(grantKeys(&p.Grant)) })
	t.sub("config", func(t *table) { p.Config = t.json() })
	builtin := slices.Contains(t.b.builtin, t.at[len(t.at)-1])
	switch {
	case builtin:
		for _, key := range []string{"path", "sha256", "grant"} {
			if t.has(key) {
				t.fail(key, "%s: the plugin %s is part of the program and has what it requests: only its config can be set; give a plugin of your own another name", key, t.name())
			}
		}
	case !t.has("path") && !t.b.alone:
		text := fmt.Sprintf("plugin %s has no path; give the .wasm file as path = \"...\"", t.name())
		if near := nearest.Name(t.at[len(t.at)-1], t.b.builtin); near != "" {
			text += fmt.Sprintf(", or did you mean the plugin %q, which is part of the program?", near)
		}
		t.fail("", "%s", text)
	}
	return p
}

func program(t *table) (p Program) {
	t.readAll(programKeys(&p))
	if !t.has("path") && !t.b.alone {
		t.fail("", "program %s has no path; give its absolute path as path = \"...\"", t.name())
	}
	return p
}

// secretSources are the keys of a secret that say where its value comes from.
func secretSources() []string { return []string{"file", "env", "command"} }

func secretTable(t *table) (s Secret) {
	t.readAll(secretKeys(&s))
	var from []string
	for _, key := range secretSources() {
		if t.has(key) {
			from = append(from, key)
		}
	}
	switch {
	case len(from) == 0 && !t.b.alone:
		t.fail("", "secret %s has neither file nor env nor command; give one to get it from", t.name())
	case len(from) > 1:
		t.fail(from[1], "secret %s has both %s; keep one", t.name(), strings.Join(from, " and "))
	}
	for i, h := range s.Hosts {
		if h == "" { // a mistake that was recorded
			continue
		}
		if err := secret.CheckHost(h); err != nil {
			t.failIn("hosts", i, "secret %s: %v", t.name(), err)
		}
	}
	if len(s.Hosts) == 0 && !t.bad("hosts") && (t.has("hosts") || !t.b.alone) {
		t.fail("hosts", "secret %s has no hosts; list the servers that it may be sent to, for example hosts = [\"cdn.example\"]", t.name())
	}
	return s
}
