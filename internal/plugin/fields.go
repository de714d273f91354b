package plugin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sourcehost/sourcehost/internal/nearest"
	"github.com/sourcehost/sourcehost/internal/rawjson"
)

// problems collects what is wrong with a plugin manifest.
type problems struct{ list []error }

func (p *problems) add(field, format string, args ...any) {
	p.addIn(field, -1, format, args...)
}

// addIn adds what is wrong with an element of an array.
func (p *problems) addIn(field string, element int, format string, args ...any) {
	p.list = append(p.list, &Problem{Field: field, Element: element, Message: fmt.Sprintf(format, args...)})
}

// object walks a JSON object and hands each field to the function of its name.
// Unknown fields are reported and skipped; the reader refuses repeated ones.
func (p *problems) object(where string, data []byte, fields map[string]func(raw []byte)) {
	r := rawjson.NewReader(data)
	if k := r.Kind(); k != '{' {
		p.add(orRoot(where), "expected an object, found %s", kindName(k))
		return
	}
	err := r.Object(func(key []byte) error {
		name := string(key)
		raw, err := r.Raw()
		if err != nil {
			return err
		}
		if set, known := fields[name]; known {
			set(raw)
		} else {
			p.unknown(join(where, name), name, fields)
		}
		return nil
	})
	if err == nil {
		err = r.End()
	}
	if err != nil {
		p.list = append(p.list, &Problem{Field: orRoot(where), Element: -1, Message: "expected JSON: " + err.Error(), err: err})
	}
}

// unknown records a field that nobody knows.
func (p *problems) unknown(field, name string, fields map[string]func([]byte)) {
	known := slices.Sorted(maps.Keys(fields))
	if near := nearest.Name(name, known); near != "" {
		p.add(field, "found an unknown field; did you mean %q?", near)
		return
	}
	p.add(field, "expected one of %s, found an unknown field", strings.Join(known, ", "))
}

// text reads a string.
func (p *problems) text(field string, to *string) func([]byte) {
	return func(raw []byte) { p.value(field, "a string", '"', raw, to) }
}

// number reads an integer.
func (p *problems) number(field string, to *int) func([]byte) {
	return func(raw []byte) { p.value(field, "an integer", '0', raw, to) }
}

// texts reads an array of strings.
func (p *problems) texts(field string, to *[]string) func([]byte) {
	return func(raw []byte) { p.value(field, "an array of strings", '[', raw, to) }
}

// numbers reads an array of integers.
func (p *problems) numbers(field string, to *[]int) func([]byte) {
	return func(raw []byte) { p.value(field, "an array of integers", '[', raw, to) }
}

// schema reads an object as it stands.
func (p *problems) schema(field string, to *json.RawMessage) func([]byte) {
	return func(raw []byte) {
		if k := rawjson.NewReader(raw).Kind(); k != '{' {
			p.add(field, "expected a JSON Schema, which is an object, found %s", kindName(k))
			return
		}
		*to = slices.Clone(raw)
	}
}

// value decodes raw into to, after its first byte has told the kind.
func (p *problems) value(field, want string, kind byte, raw []byte, to any) {
	if k := rawjson.NewReader(raw).Kind(); k != kind {
		p.add(field, "expected %s, found %s", want, kindName(k))
		return
	}
	if bytes.Contains(raw, []byte("null")) && kind == '[' {
		var list []any
		if json.Unmarshal(raw, &list) == nil && slices.Contains(list, nil) {
			p.add(field, "expected %s, found null in it", want)
			return
		}
	}
	if err := json.Unmarshal(raw, to); err != nil {
		p.add(field, "expected %s, found %s", want, shorten(string(raw)))
	}
}

func kindName(k byte) string {
	switch k {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	case '0':
		return "a number"
	}
	return "no JSON value"
}

func join(where, name string) string {
	if where == "" {
		return fmt.Sprintf("%q", shorten(name))
	}
	return fmt.Sprintf("%s.%q", where, shorten(name))
}

func orRoot(where string) string {
	if where == "" {
		return "document"
	}
	return where
}

// shorten cuts text that comes from a plugin, for messages.
func shorten(s string) string {
	const most = 80
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}
