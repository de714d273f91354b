package jsonplace

import (
	"errors"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/internal/rawjson"
)

const text = "{\n  \"a\" : [1, {\"é\\\"\\\\\": \"x\", \"\": null}],\n  \"b\":\n\t{\"c\":{}}\n}"

func TestFind(t *testing.T) {
	root, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		way         string
		value, name Place
	}{
		{"", Place{1, 1}, Place{1, 1}},
		{"a", Place{2, 9}, Place{2, 3}},
		{"a/0", Place{2, 10}, Place{2, 10}},
		{"a/1", Place{2, 13}, Place{2, 13}},
		{"a/1/é\"\\", Place{2, 23}, Place{2, 14}},
		{"a/1/", Place{2, 32}, Place{2, 28}},
		{"a/7/x", Place{2, 9}, Place{2, 9}},
		{"b", Place{4, 2}, Place{3, 3}},
		{"b/c", Place{4, 7}, Place{4, 3}},
		{"b/d", Place{4, 2}, Place{4, 2}},
	} {
		var way []string
		if c.way != "" {
			way = strings.Split(c.way, "/")
		}
		if got := Of([]byte(text), root.Find(way...).Offset); got != c.value {
			t.Errorf("%q: the value is at %v, want %v", c.way, got, c.value)
		}
		if got := Of([]byte(text), root.Name(way...)); got != c.name {
			t.Errorf("%q: the name is at %v, want %v", c.way, got, c.name)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]Place{
		"":                        {1, 1},
		"{\"a\": 1,\n \"a\": 2}":  {2, 2},
		"{\"a\": tru}":            {1, 7},
		"[1,\n2\n":                {3, 1},
		"{} {}":                   {1, 4},
		"{\"a\": \"\xff\"}":       {1, 8},
		"[\"\\ud800\"]":           {1, 3},
		strings.Repeat("[", 1000): {1, 513},
	} {
		_, err := Parse([]byte(text))
		var e *rawjson.Error
		if !errors.As(err, &e) {
			t.Errorf("%.20q: %v", text, err)
			continue
		}
		if got := Of([]byte(text), e.Offset); got != want {
			t.Errorf("%.20q: %v at %v, want %v", text, err, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(text))
	f.Add([]byte(`[{"\\\"":{"\"":[]}},1e5,"\ud83d\ude00"]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		root, err := Parse(data)
		if (err == nil) != (rawjson.Valid(data) == nil) {
			t.Fatalf("%q: %v", data, err)
		}
		if err == nil {
			check(t, data, root)
		}
	})
}

// check looks for a value or name at the offset of each.
func check(t *testing.T, data []byte, n *Node) {
	if first := data[n.Offset]; first != n.Kind && (n.Kind != '0' || first != '-' && (first < '0' || first > '9')) {
		t.Fatalf("%q: no %q at %d", data, n.Kind, n.Offset)
	}
	for _, m := range n.Members {
		r := rawjson.NewReader(data[m.Offset:])
		if name, err := r.String(); err != nil || name != m.Name {
			t.Fatalf("%q: the name %q is not at %d", data, m.Name, m.Offset)
		}
		check(t, data, m.Value)
	}
	for _, e := range n.Elements {
		check(t, data, e)
	}
}
