package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sourcehost/sourcehost/internal/nearest"
	"github.com/sourcehost/sourcehost/internal/rawjson"
)

// DefaultMaxBytes is the largest manifest that is read, unless Options say
// otherwise: 128 MiB, about a hundred times the largest one known.
const DefaultMaxBytes = 128 << 20

// MaxItems is how many items a manifest may have in all its sources together,
// about five hundred times as many as the largest one known.
const MaxItems = 1_000_000

// Options are how a manifest is read. The zero value is good.
type Options struct {
	// MaxBytes is the largest manifest that is read; zero means DefaultMaxBytes.
	MaxBytes int64
	// Aliases returns the names that stand for "items" in a source, for example
	// "urls" in org.osbuild.curl. Nil means that there are none.
	Aliases func(source string) []string
}

func (o Options) maxBytes() int64 {
	if o.MaxBytes > 0 {
		return o.MaxBytes
	}
	return DefaultMaxBytes
}

// Read reads a manifest from r to its end. See Parse.
func Read(r io.Reader, opts Options) (*Manifest, error) {
	limit := opts.maxBytes()
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("reading the manifest: %w", err)
	}
	return Parse(data, opts)
}

// Parse reads a manifest of format version 1 or 2, a bare object with "sources"
// in it, or an outer object that has one of these under "manifest". Without a
// "version" the text is of version 1 when it has a "pipeline", else of 2.
//
// An error is Problems. A text that is not JSON as RFC 8259 has it, whose
// objects have a name twice, or that is nested deeper than rawjson.MaxDepth is
// refused at the first such place, with a nil manifest. Of what is wrong beyond
// that everything is listed, and the manifest comes with the sources that are
// in order, so that they can be checked too.
//
// The manifest refers to data, which must not change while it is in use.
func Parse(data []byte, opts Options) (*Manifest, error) {
	if reason := foreign(data, opts.maxBytes()); reason != "" {
		return nil, Problems{{Message: reason}}
	}
	p := &parser{opts: opts}
	top, err := members(data)
	if err != nil {
		return nil, Problems{malformed(data, err)}
	}
	pointer := ""
	if inner, ok := top.raw["manifest"]; ok && top.raw["sources"] == nil {
		pointer = "/manifest"
		if inner[0] != '{' {
			return nil, Problems{{Pointer: pointer, Message: "expected the manifest as an object, found " + describeRaw(inner)}}
		}
		if top, err = members(inner); err != nil {
			return nil, Problems{malformed(data, err)}
		}
	}
	m := p.manifest(pointer, top)
	return m, p.problems.Err()
}

// foreign recognizes texts that are no manifest at their first bytes.
func foreign(data []byte, limit int64) string {
	switch {
	case int64(len(data)) > limit:
		return fmt.Sprintf("the manifest is larger than %d bytes, the limit", limit)
	case len(bytes.TrimSpace(data)) == 0:
		return "the manifest is empty; expected a JSON object"
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		return "the manifest begins with a byte order mark; save it as UTF-8 without one"
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")):
		return "the manifest is in UTF-16; expected UTF-8"
	case bytes.HasPrefix(data, []byte("\x1f\x8b")):
		return "the manifest is compressed with gzip; unpack it first"
	}
	return ""
}

// malformed turns an error of the JSON reader into a problem that tells the
// line, too.
func malformed(data []byte, err error) Problem {
	var e *rawjson.Error
	if !errors.As(err, &e) {
		return Problem{Message: err.Error()}
	}
	before := data[:min(e.Offset, len(data))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len(before) - bytes.LastIndexByte(before, '\n')
	return Problem{
		Source:  sourceOf(e.Pointer),
		Pointer: e.Pointer,
		Message: fmt.Sprintf("%s (line %d, byte %d of it)", e.Msg, line, column),
	}
}

// sourceOf returns the source that a pointer leads into.
func sourceOf(pointer string) string {
	rest, ok := strings.CutPrefix(strings.TrimPrefix(pointer, "/manifest"), "/sources/")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	return strings.ReplaceAll(strings.ReplaceAll(name, "~1", "/"), "~0", "~")
}

// object is what is needed of the manifest's object, or of the one around it.
type object struct {
	raw   map[string][]byte // of the names that count, as they stand
	names []string          // those of the first members, for an error
	count int               // of all members
}

// maxNames is how many names of an object are kept for an error.
const maxNames = 8

// members takes an object apart, and refuses anything else.
func members(data []byte) (object, error) {
	o := object{raw: map[string][]byte{}}
	r := rawjson.NewReader(data)
	err := r.Object(func(key []byte) error {
		if o.count++; o.count <= maxNames {
			o.names = append(o.names, string(key))
		}
		switch name := string(key); name {
		case "version", "pipeline", "pipelines", "sources", "manifest":
			value, err := r.Raw()
			o.raw[name] = value
			return err
		}
		return r.Skip()
	})
	if err == nil {
		err = r.End()
	}
	return o, err
}

// parser collects the problems of one manifest.
type parser struct {
	opts     Options
	problems Problems
	beyond   int // sources that were not looked at
	count    int // items of all sources
}

func (p *parser) add(source, pointer, format string, args ...any) {
	p.problems = append(p.problems, Problem{Source: source, Pointer: pointer, Message: fmt.Sprintf(format, args...)})
}

// manifest reads what stands in the manifest's object.
func (p *parser) manifest(pointer string, top object) *Manifest {
	m := &Manifest{Version: p.version(pointer, top)}
	raw, ok := top.raw["sources"]
	switch {
	case !ok && top.raw["version"] == nil && top.raw["pipeline"] == nil && top.raw["pipelines"] == nil:
		p.add("", pointer, "not an osbuild manifest: expected \"sources\" in it, found %s", top.list("sources", "manifest"))
	case !ok: // a manifest may do without sources
	case raw[0] != '{':
		p.add("", join(pointer, "sources"), "expected an object with a member for each source, found %s", describeRaw(raw))
	default:
		p.sources(m, join(pointer, "sources"), raw)
	}
	return m
}

// list shows the names of an object, and which of the wanted ones could have
// been meant.
func (o object) list(wanted ...string) string {
	if o.count == 0 {
		return "an empty object"
	}
	shown := make([]string, len(o.names))
	for i, n := range o.names {
		shown[i] = show(n)
	}
	list := "only " + strings.Join(shown, ", ")
	if o.count > len(o.names) {
		list += fmt.Sprintf(" and %d more", o.count-len(o.names))
	}
	for _, n := range o.names {
		if near := nearest.Name(n, wanted); near != "" {
			return list + fmt.Sprintf("; did you mean %q where it says %s?", near, show(n))
		}
	}
	return list
}

// version reads the format version, and tells it from what else is there when
// it is missing or wrong.
func (p *parser) version(pointer string, top object) int {
	guess := 2
	if top.raw["pipeline"] != nil {
		guess = 1
	}
	switch raw := top.raw["version"]; string(raw) {
	case "":
		return guess
	case `"1"`, "1":
		return 1
	case `"2"`, "2":
		return 2
	default:
		p.add("", join(pointer, "version"), "expected version \"1\" or \"2\", found %s", describeRaw(raw))
		return guess
	}
}

// sources reads all sources. The text was validated before, so that no error
// can arise from it.
func (p *parser) sources(m *Manifest, pointer string, raw []byte) {
	r := rawjson.NewReader(raw)
	_ = r.Object(func(key []byte) error {
		s := Source{Name: string(key), Pointer: join(pointer, string(key))}
		s.Raw, _ = r.Raw()
		if len(p.problems) >= MaxProblems {
			p.beyond++
		} else if p.source(&s, m.Version) {
			m.Sources = append(m.Sources, s)
		}
		return nil
	})
	if p.beyond > 0 {
		p.add("", pointer, "%d more sources were not looked at after so many problems", p.beyond)
	}
}

// source reads one source and reports whether its frame is in order.
func (p *parser) source(s *Source, version int) bool {
	if s.Raw[0] != '{' {
		p.add(s.Name, s.Pointer, "expected an object with the items of the source, found %s", describeRaw(s.Raw))
		return false
	}
	found := len(p.problems)
	names := []string{"items"}
	if p.opts.Aliases != nil {
		names = append(names, p.opts.Aliases(s.Name)...)
	}
	r := rawjson.NewReader(s.Raw)
	_ = r.Object(func(key []byte) error {
		name := string(key)
		switch {
		case slices.Contains(names, name):
			p.items(s, name, r)
		case name == "options" && version == 2:
			raw, _ := r.Raw()
			if s.Options = raw; raw[0] != '{' {
				p.add(s.Name, join(s.Pointer, name), "expected the options as an object, found %s", describeRaw(raw))
			}
		}
		return nil
	})
	if version == 1 {
		s.Options = s.Raw
	}
	return len(p.problems) == found
}

// items reads the items of a source.
func (p *parser) items(s *Source, field string, r *rawjson.Reader) {
	pointer := join(s.Pointer, field)
	if s.ItemsField != "" {
		p.add(s.Name, pointer, "the items stand in %q already; keep one of both", s.ItemsField)
		return
	}
	s.ItemsField = field
	if r.Kind() != '{' {
		raw, _ := r.Raw()
		p.add(s.Name, pointer, "expected an object with a member for each item, found %s", describeRaw(raw))
		return
	}
	_ = r.Object(func(key []byte) error {
		if p.count++; p.count > MaxItems {
			return nil
		}
		item := Item{Key: string(key), within: pointer}
		item.Desc, _ = r.Raw()
		s.Items = append(s.Items, item)
		return nil
	})
	if p.count > MaxItems {
		p.add(s.Name, pointer, "the manifest has more than %d items, the limit", MaxItems)
	}
}
