package config

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2/unstable"
)

// Place is where something stands in a configuration file. The zero Place is
// nowhere.
type Place struct {
	// File is the path of the file.
	File string
	// Line and Column are counted from 1, Column in characters; 0 when the place
	// is the file as a whole.
	Line, Column int
}

// String returns "file:line:column", or less when less is known.
func (p Place) String() string {
	s := p.File
	if p.Line > 0 {
		s += ":" + strconv.Itoa(p.Line)
	}
	if p.Column > 0 {
		s += ":" + strconv.Itoa(p.Column)
	}
	return s
}

// compare orders places within one file.
func (p Place) compare(q Place) int {
	if p.Line != q.Line {
		return p.Line - q.Line
	}
	return p.Column - q.Column
}

// Places tells where each key, each table and each entry of an array stands.
// The reader of values does not say, so documents are walked once more.
type Places map[string]Place

// id is the key of Places for a way of names and, in arrays, of numbers that
// count from 0.
func id(way []string) string { return strings.Join(way, "\x00") }

// Of returns the place of what a way of names leads to.
func (p Places) Of(way ...string) (Place, bool) {
	at, ok := p[id(way)]
	return at, ok
}

// Nearest returns the place of what the way leads to, or, when that stands in no
// file, of the innermost table or array around it that does.
func (p Places) Nearest(way ...string) (Place, bool) {
	for n := len(way); n > 0; n-- {
		if at, ok := p.Of(way[:n]...); ok {
			return at, true
		}
	}
	return Place{}, false
}

// maxDepth is how deep keys may be nested. What is deeper is refused, and has no place.
const maxDepth = 64

// note records the place of a way, and of the tables around it, unless known.
func (p Places) note(way []string, at Place) {
	if len(way) > maxDepth {
		return
	}
	for i := range way {
		if key := id(way[:i+1]); p[key] == (Place{}) {
			p[key] = at
		}
	}
}

// replace puts the places of a value, and of all that lies within it, in the
// stead of those of the value that it replaces.
func (p Places) replace(from Places, way []string, old, value any) {
	within(way, old, func(way []string) { delete(p, id(way)) })
	within(way, value, func(way []string) {
		if at, ok := from.Of(way...); ok {
			p[id(way)] = at
		}
	})
}

// within calls visit with the way to a value, and to all that lies within it.
func within(way []string, v any, visit func(way []string)) {
	visit(way)
	way = slices.Clip(way)
	switch v := v.(type) {
	case map[string]any:
		for key, v := range v {
			within(append(way, key), v, visit)
		}
	case []any:
		for i, v := range v {
			within(append(way, strconv.Itoa(i)), v, visit)
		}
	}
}

// tooDeep returns the way to a value that is nested deeper than maxDepth, nil when there
// is none.
func tooDeep(way []string, v any) (deep []string) {
	if len(way) > maxDepth {
		return way
	}
	way = slices.Clip(way)
	switch v := v.(type) {
	case map[string]any:
		for key, v := range v {
			if deep = tooDeep(append(way, key), v); deep != nil {
				return deep
			}
		}
	case []any:
		for i, v := range v {
			if deep = tooDeep(append(way, strconv.Itoa(i)), v); deep != nil {
				return deep
			}
		}
	}
	return nil
}

// placesOf walks a document that was found valid before.
func placesOf(path string, data []byte) Places {
	w := walker{path: path, places: Places{}, tables: map[string]int{}, starts: lineStarts(data)}
	w.Reset(data)
	var at []string
	for w.NextExpression() {
		e := w.Expression()
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			at = w.header(e)
		case unstable.KeyValue:
			w.keyValue(at, e)
		}
	}
	return w.places
}

type walker struct {
	unstable.Parser
	path   string
	places Places
	tables map[string]int // how many tables an array of tables has so far
	starts []int          // the offset of each line
	last   Place          // of the node before
	offset int            // at which it begins
}

// header notes the key of a table and returns the way to it.
func (w *walker) header(e *unstable.Node) []string {
	var way []string
	for it := e.Key(); it.Next() && len(way) <= maxDepth; {
		way = append(way, string(it.Node().Data))
		at := w.at(it.Node())
		w.places.note(way, at)
		key := id(way)
		if e.Kind == unstable.ArrayTable && it.IsLast() {
			w.tables[key]++
		}
		if n := w.tables[key]; n > 0 { // the last one is meant
			way = append(way, strconv.Itoa(n-1))
			w.places.note(way, at)
		}
	}
	return way
}

func (w *walker) keyValue(at []string, e *unstable.Node) {
	way := slices.Clip(at)
	for it := e.Key(); it.Next() && len(way) <= maxDepth; {
		way = append(way, string(it.Node().Data))
		w.places.note(way, w.at(it.Node()))
	}
	w.value(way, e.Value())
}

// value notes what lies within a value.
func (w *walker) value(way []string, v *unstable.Node) {
	if len(way) > maxDepth {
		return
	}
	way = slices.Clip(way)
	switch v.Kind {
	case unstable.InlineTable:
		for it := v.Children(); it.Next(); {
			if it.Node().Kind == unstable.KeyValue {
				w.keyValue(way, it.Node())
			}
		}
	case unstable.Array:
		n := 0
		for it := v.Children(); it.Next(); {
			if it.Node().Kind == unstable.Comment {
				continue
			}
			entry := append(way, strconv.Itoa(n))
			if it.Node().Raw.Length > 0 { // not of an array within the array
				w.places.note(entry, w.at(it.Node()))
			}
			w.value(entry, it.Node())
			n++
		}
	}
}

// at is the place of a node. Nodes come in the order of the text, so that columns are
// counted on from the one before: a line can have any number of them.
func (w *walker) at(n *unstable.Node) Place {
	offset := int(n.Raw.Offset)
	if l := w.last; l.Line > 0 && offset >= w.offset && (l.Line == len(w.starts) || offset < w.starts[l.Line]) {
		l.Column += utf8.RuneCount(w.Data()[w.offset:offset])
		w.last, w.offset = l, offset
		return l
	}
	w.last, w.offset = placeAt(w.path, w.Data(), w.starts, offset), offset
	return w.last
}

// lineStarts returns the offset of each line.
func lineStarts(data []byte) []int {
	starts := []int{0}
	for i, b := range data {
		if b == '\n' {
			starts = append(starts, i+1)
		}
	}
	return starts
}

// placeAt is the place of an offset.
func placeAt(path string, data []byte, starts []int, offset int) Place {
	line, found := slices.BinarySearch(starts, offset)
	if !found {
		line--
	}
	row := data[starts[line]:offset]
	if line == 0 {
		row = bytes.TrimPrefix(row, []byte("\ufeff"))
	}
	return Place{File: path, Line: line + 1, Column: utf8.RuneCount(row) + 1}
}
