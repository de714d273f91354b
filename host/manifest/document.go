package manifest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sourcehost/sourcehost/internal/nearest"
	"github.com/sourcehost/sourcehost/internal/rawjson"
)

// document reads the object that is a manifest, or is around one, in a single
// pass over the text.
type document struct {
	opts    Options
	data    []byte // the whole text
	pointer string // of this object

	seen  map[string]bool // which of the names that count are there
	names []string        // the first of all names, for an error
	count int             // of all names

	version  string    // as it stands
	inner    *document // what stands under "manifest"
	sources  []Source
	problems Problems
	beyond   int // sources that were not looked at
	items    int // of all sources
}

// maxNames is how many names of an object are kept for an error.
const maxNames = 8

func (d *document) add(source, pointer, format string, args ...any) {
	d.problems = append(d.problems, Problem{Source: source, Pointer: pointer, Message: fmt.Sprintf(format, args...)})
}

// read takes the object apart. Its error is one of the JSON reader; everything
// else becomes a problem.
func (d *document) read(r *rawjson.Reader) error {
	d.seen = map[string]bool{}
	return r.Object(func(key []byte) error {
		if d.count++; d.count <= maxNames {
			d.names = append(d.names, string(key))
		}
		name := string(key)
		switch name {
		case "version", "pipeline", "pipelines", "sources", "manifest":
			d.seen[name] = true
		}
		switch {
		case name == "version":
			raw, err := r.Raw()
			d.version = string(raw)
			return err
		case name == "sources":
			return d.readSources(r)
		case name == "manifest" && d.pointer == "":
			return d.readInner(r)
		}
		return r.Skip()
	})
}

// readInner reads what stands under "manifest". It counts only when there are
// no sources beside it.
func (d *document) readInner(r *rawjson.Reader) error {
	d.inner = &document{opts: d.opts, data: d.data, pointer: "/manifest"}
	if r.Kind() == '{' {
		return d.inner.read(r)
	}
	raw, err := r.Raw()
	d.inner.seen = map[string]bool{"sources": true} // one complaint is enough
	d.inner.add("", d.inner.pointer, "expected the manifest as an object, found %s", describeRaw(raw))
	return err
}

// manifest returns what was read.
func (d *document) manifest() *Manifest {
	m := &Manifest{Version: 2, Sources: d.sources}
	if d.seen["pipeline"] {
		m.Version = 1
	}
	switch d.version {
	case "":
	case `"1"`, "1":
		m.Version = 1
	case `"2"`, "2":
		m.Version = 2
	default:
		found := describeRaw([]byte(d.version))
		d.problems = slices.Insert(d.problems, 0, Problem{Pointer: join(d.pointer, "version"),
			Message: "expected version \"1\" or \"2\", found " + found})
	}
	if m.Version == 1 {
		for i := range m.Sources {
			m.Sources[i].Options = m.Sources[i].Raw
		}
	}
	d.checkSpelling()
	if !d.seen["sources"] && !d.seen["version"] && !d.seen["pipeline"] && !d.seen["pipelines"] {
		d.add("", d.pointer, "not an osbuild manifest: expected \"sources\" in it, found %s", d.list("sources", "manifest"))
	}
	return m
}

// checkSpelling complains about a name that must have been meant as "sources":
// without them a manifest has nothing to fetch, which would look like success.
func (d *document) checkSpelling() {
	if d.seen["sources"] || !d.seen["version"] && !d.seen["pipeline"] && !d.seen["pipelines"] {
		return // the latter is refused anyway
	}
	for _, n := range d.names {
		if nearest.Name(n, []string{"sources"}) != "" {
			d.add("", join(d.pointer, n), "unknown property %s; did you mean \"sources\"?", show(n))
		}
	}
}

// list shows the names of the object, and which of the wanted ones could have
// been meant.
func (d *document) list(wanted ...string) string {
	if d.count == 0 {
		return "an empty object"
	}
	shown := make([]string, len(d.names))
	for i, n := range d.names {
		shown[i] = show(n)
	}
	list := "only " + strings.Join(shown, ", ")
	if d.count > len(d.names) {
		list += fmt.Sprintf(" and %d more", d.count-len(d.names))
	}
	for _, n := range d.names {
		if near := nearest.Name(n, wanted); near != "" {
			return list + fmt.Sprintf("; did you mean %q where it says %s?", near, show(n))
		}
	}
	return list
}

// maxSources bounds what is kept of a manifest: a source takes a hundred times the
// memory of its shortest text, and osbuild knows ten.
const maxSources = 10_000

// readSources reads all sources.
func (d *document) readSources(r *rawjson.Reader) error {
	pointer := join(d.pointer, "sources")
	if r.Kind() != '{' {
		raw, err := r.Raw()
		if err == nil {
			d.add("", pointer, "expected an object with a member for each source, found %s", describeRaw(raw))
		}
		return err
	}
	count := 0
	err := r.Object(func(key []byte) error {
		if count++; count > maxSources {
			return r.Fail(fmt.Sprintf("the manifest has more than %d sources, the limit", maxSources))
		}
		if len(d.problems) >= MaxProblems {
			d.beyond++
			return r.Skip()
		}
		s := Source{Name: string(key), Pointer: join(pointer, string(key))}
		return d.readSource(r, s)
	})
	if d.beyond > 0 {
		d.add("", pointer, "%d more sources were not looked at after so many problems", d.beyond)
	}
	return err
}

// readSource reads one source and keeps it when its frame is in order.
func (d *document) readSource(r *rawjson.Reader, s Source) error {
	if r.Kind() != '{' {
		raw, err := r.Raw()
		if err == nil {
			d.add(s.Name, s.Pointer, "expected an object with the items of the source, found %s", describeRaw(raw))
		}
		return err
	}
	found, start := len(d.problems), r.Offset()
	fields := []string{"items"}
	if d.opts.Aliases != nil {
		fields = append(fields, d.opts.Aliases(s.Name)...)
	}
	err := r.Object(func(key []byte) error {
		switch name := string(key); {
		case slices.Contains(fields, name):
			return d.readItems(r, &s, name)
		case name == "options":
			return d.readOptions(r, &s)
		}
		return r.Skip()
	})
	if err == nil && len(d.problems) == found {
		s.Raw = d.data[start:r.Offset():r.Offset()]
		d.sources = append(d.sources, s)
	}
	return err
}

// readOptions reads the options of a source.
func (d *document) readOptions(r *rawjson.Reader, s *Source) error {
	wrong := r.Kind() != '{'
	raw, err := r.Raw()
	s.Options = raw
	if err == nil && wrong {
		d.add(s.Name, join(s.Pointer, "options"), "expected the options as an object, found %s", describeRaw(raw))
	}
	return err
}

// readItems reads the items of a source.
func (d *document) readItems(r *rawjson.Reader, s *Source, field string) error {
	pointer := join(s.Pointer, field)
	if s.ItemsField != "" {
		d.add(s.Name, pointer, "the items stand in %q already; keep one of both", s.ItemsField)
		return r.Skip()
	}
	s.ItemsField = field
	if r.Kind() != '{' {
		raw, err := r.Raw()
		if err == nil {
			d.add(s.Name, pointer, "expected an object with a member for each item, found %s", describeRaw(raw))
		}
		return err
	}
	limit := d.opts.maxItems()
	return r.Object(func(key []byte) error {
		// Not a problem among others: reading on is what the limit is to prevent.
		if d.items++; d.items > limit {
			return r.Fail(fmt.Sprintf("the manifest has more than %d items, the limit", limit))
		}
		item := Item{Key: string(key), within: pointer}
		var err error
		item.Desc, err = r.Raw()
		s.Items = append(s.Items, item)
		return err
	})
}
