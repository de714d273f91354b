package cases

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/sourcehost/sourcehost/internal/jsonplace"
	"github.com/sourcehost/sourcehost/internal/nearest"
	"github.com/sourcehost/sourcehost/internal/rawjson"
)

// Parse reads a case file, strictly. The path is for errors: each mistake is a line
// "path:line:column: message".
func Parse(path string, data []byte) (*Case, error) {
	c := &Case{Path: path, text: text{data: data}}
	root, err := jsonplace.Parse(data)
	var syntax *rawjson.Error
	if errors.As(err, &syntax) {
		return nil, errors.New(jsonplace.Mistake(path, data, syntax))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	c.text.root = root
	found := c.mistakes()
	found.fields(root, reflect.TypeFor[Case](), nil)
	if err := found.err(); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, c); err != nil { // a number that is out of range
		return nil, fmt.Errorf("%s: %s", path, strings.TrimPrefix(err.Error(), "json: "))
	}
	c.check(found)
	if err := found.err(); err != nil {
		return nil, err
	}
	return c, nil
}

// text is the file that a case was read from, for the places of mistakes.
type text struct {
	data []byte
	root *jsonplace.Node
}

// mistakes collects what is wrong with a case.
type mistakes struct {
	path string
	text text
	list []mistake
}

type mistake struct {
	offset  int
	message string
}

func (c *Case) mistakes() *mistakes { return &mistakes{path: c.Path, text: c.text} }

// add adds a mistake in the value that a way of names and indices leads to.
func (m *mistakes) add(way []string, format string, args ...any) {
	m.addAt(m.text.root.Find(way...).Offset, way, format, args...)
}

// addName adds a mistake in the name of a member.
func (m *mistakes) addName(way []string, format string, args ...any) {
	m.addAt(m.text.root.Name(way...), way, format, args...)
}

func (m *mistakes) addAt(offset int, way []string, format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	if len(way) > 0 {
		message = strings.Join(way, "/") + ": " + message
	}
	m.list = append(m.list, mistake{offset, message})
}

// err returns all mistakes in the order of their places, one a line, or nil.
func (m *mistakes) err() error {
	slices.SortStableFunc(m.list, func(a, b mistake) int { return cmp.Compare(a.offset, b.offset) })
	var lines []string
	for _, one := range m.list {
		lines = append(lines, jsonplace.Of(m.text.data, one.offset).In(m.path)+": "+one.message)
	}
	if len(lines) == 0 {
		return nil
	}
	return errors.New(strings.Join(lines, "\n"))
}

// fields compares a value with the Go type that it is to be read into: the names of
// members, and the kinds of values.
func (m *mistakes) fields(n *jsonplace.Node, t reflect.Type, way []string) {
	if t == reflect.TypeFor[json.RawMessage]() || t.Kind() == reflect.Interface {
		return
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if kind, name := kindOf(t); n.Kind != kind {
		m.addAt(n.Offset, way, "expected %s, found %s", name, kindName(n.Kind))
		return
	}
	way = slices.Clip(way)
	switch t.Kind() {
	case reflect.Slice:
		for i, e := range n.Elements {
			m.fields(e, t.Elem(), append(way, strconv.Itoa(i)))
		}
	case reflect.Map:
		for _, member := range n.Members {
			m.fields(member.Value, t.Elem(), append(way, member.Name))
		}
	case reflect.Struct:
		known := jsonFields(t)
		for _, member := range n.Members {
			if field, ok := known[member.Name]; ok {
				m.fields(member.Value, field, append(way, member.Name))
				continue
			}
			m.addAt(member.Offset, way, "unknown field %q%s", member.Name, nearest.HintOrList(member.Name, slices.Sorted(maps.Keys(known))))
		}
	}
}

// jsonFields are the types of a struct's fields by their names in JSON.
func jsonFields(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name != "" && name != "-" {
			fields[name] = t.Field(i).Type
		}
	}
	return fields
}

// kindOf is the kind of JSON values that a type is read from.
func kindOf(t reflect.Type) (byte, string) {
	switch t.Kind() {
	case reflect.String:
		return '"', kindName('"')
	case reflect.Slice:
		return '[', kindName('[')
	case reflect.Map, reflect.Struct:
		return '{', kindName('{')
	}
	return '0', kindName('0')
}

func kindName(kind byte) string {
	return map[byte]string{
		'{': "an object", '[': "an array", '"': "a string", '0': "a number", 't': "true", 'f': "false", 'n': "null",
	}[kind]
}
