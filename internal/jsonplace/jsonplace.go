// Package jsonplace tells where in a JSON file something stands, for messages to
// whoever wrote the file.
package jsonplace

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sourcehost/sourcehost/internal/rawjson"
)

// Place is a line and a column, both counted from 1, the column in characters.
type Place struct{ Line, Column int }

// In returns "path:line:column".
func (p Place) In(path string) string { return fmt.Sprintf("%s:%d:%d", path, p.Line, p.Column) }

// Mistake is one line about a mistake in the JSON text that is in the file at path.
func Mistake(path string, data []byte, e *rawjson.Error) string {
	message := e.Msg
	if e.Pointer != "" {
		message = strings.TrimPrefix(e.Pointer, "/") + ": " + message
	}
	return Of(data, e.Offset).In(path) + ": " + message
}

// Of is the place of the byte at offset.
func Of(data []byte, offset int) Place {
	before := data[:min(max(offset, 0), len(data))]
	start := bytes.LastIndexByte(before, '\n') + 1
	return Place{Line: bytes.Count(before, []byte("\n")) + 1, Column: utf8.RuneCount(before[start:]) + 1}
}

// Node is a value of a JSON text.
type Node struct {
	// Offset is where it begins.
	Offset int
	// Kind is its first byte, '0' for any number.
	Kind byte
	// Members are those of an object, Elements those of an array.
	Members  []Member
	Elements []*Node
}

// Member is a member of an object.
type Member struct {
	Name string
	// Offset is where the name begins.
	Offset int
	Value  *Node
}

// Parse reads a JSON text. The error, a *rawjson.Error, has the offset of the mistake.
func Parse(data []byte) (*Node, error) {
	r := rawjson.NewReader(data)
	n, err := parse(r, data)
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return nil, err
	}
	return n, nil
}

func parse(r *rawjson.Reader, data []byte) (*Node, error) {
	n := &Node{Kind: r.Kind()}
	n.Offset = r.Offset() // Kind has skipped the white space
	switch n.Kind {
	case '{':
		return n, r.Object(func(key []byte) error {
			m := Member{Name: string(key), Offset: nameBefore(data, r.Offset())}
			v, err := parse(r, data)
			m.Value = v
			n.Members = append(n.Members, m)
			return err
		})
	case '[':
		return n, r.Array(func(int) error {
			v, err := parse(r, data)
			n.Elements = append(n.Elements, v)
			return err
		})
	}
	return n, r.Skip()
}

// nameBefore is where the name of the member begins whose value is at an offset:
// the reader has consumed the name, a colon and white space.
func nameBefore(data []byte, value int) int {
	end := bytes.LastIndexByte(data[:bytes.LastIndexByte(data[:value], ':')], '"')
	for i := end - 1; i >= 0; i-- {
		if data[i] != '"' {
			continue
		}
		slashes := 0
		for slashes < i && data[i-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return i
		}
	}
	return value
}

// Find returns the value that a way of names and, in arrays, of indices leads to, or
// the innermost one around it that is there.
func (n *Node) Find(way ...string) *Node {
	at, _ := n.walk(way)
	return at
}

// Name is where the name of the member begins that the way leads to; where that is
// no member, or not there, the offset of what Find returns.
func (n *Node) Name(way ...string) int {
	at, name := n.walk(way)
	if name >= 0 {
		return name
	}
	return at.Offset
}

// walk follows a way as far as it goes. The offset is that of the name of the last
// step, -1 where the way ends early or the last step is an index.
func (n *Node) walk(way []string) (*Node, int) {
	at, name := n, -1
	for _, step := range way {
		next, offset := at.step(step)
		if next == nil {
			return at, -1
		}
		at, name = next, offset
	}
	return at, name
}

func (n *Node) step(step string) (*Node, int) {
	for _, m := range n.Members {
		if m.Name == step {
			return m.Value, m.Offset
		}
	}
	if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(n.Elements) {
		return n.Elements[i], -1
	}
	return nil, -1
}
