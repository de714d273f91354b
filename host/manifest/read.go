package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/sourcehost/sourcehost/internal/rawjson"
)

// DefaultMaxBytes is the largest manifest that is read, unless Options say
// otherwise: 128 MiB, about a hundred times the largest one known.
const DefaultMaxBytes = 128 << 20

// DefaultMaxItems is how many items a manifest may have in all its sources
// together, unless Options say otherwise: about five hundred times as many as
// the largest one known.
const DefaultMaxItems = 1_000_000

// Options are how a manifest is read. The zero value is good.
type Options struct {
	// MaxBytes is the largest manifest that is read; zero means DefaultMaxBytes.
	MaxBytes int64
	// MaxItems is how many items the sources may have together; zero means
	// DefaultMaxItems.
	MaxItems int
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

func (o Options) maxItems() int {
	if o.MaxItems > 0 {
		return o.MaxItems
	}
	return DefaultMaxItems
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
// objects have a name twice, that is nested deeper than rawjson.MaxDepth, or
// that has too many items is refused at the first such place, with a nil
// manifest. Of what is wrong beyond that everything is listed, and the manifest
// comes with the sources that are in order, so that they can be checked too.
//
// The manifest refers to data, which must not change while it is in use.
func Parse(data []byte, opts Options) (*Manifest, error) {
	if reason := foreign(data, opts.maxBytes()); reason != "" {
		return nil, Problems{{Message: reason}}
	}
	r := rawjson.NewReader(data)
	d := &document{opts: opts, data: data}
	err := d.read(r)
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return nil, Problems{malformed(data, err)}
	}
	if d.inner != nil && !d.seen["sources"] {
		d = d.inner
	}
	m := d.manifest()
	return m, d.problems.Err()
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
