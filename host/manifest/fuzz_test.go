package manifest

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// schemas of many kinds, for the tests that compare two ways of checking. Each
// is that of a source object.
var schemas = []string{
	`{"properties":{"items":{"additionalProperties":{"type":"string"}}}}`,
	`{"properties":{"items":{"type":"object","patternProperties":{"^a":{"type":"string"},"b$":{"minLength":2}},"additionalProperties":false}}}`,
	`{"properties":{"items":{"$ref":"#/definitions/i"}},"definitions":{"i":{"patternProperties":{".":{"oneOf":[{"type":"string"},{"type":"object","required":["url"],"properties":{"url":{"type":"string"}},"additionalProperties":false}]}}}}}`,
	`{"oneOf":[{"required":["items"]},{"required":["urls"]}],"properties":{"items":{"additionalProperties":{"type":"integer"}},"urls":{"additionalProperties":{"minimum":2}}}}`,
	`{"additionalProperties":true,"dependencies":{"items":["options"],"options":{"required":["items"]}},"properties":{"items":{}}}`,
	// Those below look at several items together, by name, or twice.
	`{"properties":{"items":{"properties":{"a":{"enum":[1,"x",null]}},"additionalProperties":false},"options":{"type":"object"}},"required":["items"]}`,
	`{"properties":{"items":{"minProperties":2}}}`,
	`{"properties":{"items":{"required":["a"]}}}`,
	`{"properties":{"items":{"type":"object"}},"patternProperties":{"^i":{"maxProperties":1}}}`,
	`{"properties":{"items":{"type":"object"}},"allOf":[{"properties":{"items":{"maxProperties":1}}}]}`,
	`{"properties":{"items":{"type":"object"}},"not":{"properties":{"items":{"required":["a"]}}}}`,
	`{"properties":{"items":{"type":"object"}},"anyOf":[{"additionalProperties":{"maxProperties":1}},{"required":["x"]}]}`,
	`{"properties":{"items":{"type":"object"}},"enum":[{"items":{"a":1}}]}`,
	`{"properties":{"items":{"enum":[{},{"a":1}]}}}`,
	`{"properties":{"items":{"not":{"required":["a"]}}}}`,
	`{"properties":{"items":{"dependencies":{"a":["b"]}}}}`,
	`{"properties":{"items":{"type":"array","uniqueItems":true,"items":[{"type":"string"}],"additionalItems":{"multipleOf":0.5}}}}`,
}

var values = []string{
	`{}`, `[]`, `{"items":{}}`, `{"items":[]}`, `{"items":null}`, `{"urls":{}}`, `{"items":{},"urls":{}}`, `{"items":{},"x":1}`,
	`{"items":{"a":1}}`, `{"items":{"a":"x"}}`, `{"items":{"b":"x"}}`, `{"items":{"a":1,"b":2}}`, `{"items":{"a":1,"b":2},"options":{}}`,
	`{"items":{"a":{"url":1}}}`, `{"items":{"c":{"url":"u","z":1},"a":[]}}`, `{"items":{"a":{"url":"u"}},"options":3}`,
	`{"items":["a","a"]}`, `{"items":["a",0.75]}`, `{"items":["a",1,1.0]}`, `{"urls":{"a":1,"b":3}}`, `{"x":{"a":1,"b":1}}`,
}

func compileAll(t testing.TB) []*Schema {
	t.Helper()
	all := make([]*Schema, len(schemas))
	for i, text := range schemas {
		var err error
		if all[i], err = CompileSchema("test", []byte(text)); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	return all
}

// compare checks a value in three ways: as Check does, as a whole, and with the
// library alone.
func compare(t *testing.T, s *Schema, schema string, value []byte) {
	t.Helper()
	v, err := decode(value)
	got := s.Check("", value)
	if err != nil {
		if len(got) == 0 {
			t.Fatalf("%s: no problem, although it cannot be decoded: %v", value, err)
		}
		return
	}
	valid := s.root.Validate(v) == nil
	if valid != (len(got) == 0) {
		t.Fatalf("schema %s\nvalue %s\nvalid for the library: %v; problems: %v", schema, value, valid, got)
	}
	e := &explainer{}
	e.walk(s.root, v, "")
	if valid != (e.count == 0) {
		t.Fatalf("schema %s\nvalue %s\nvalid for the library: %v; explained: %v", schema, value, valid, e.findings)
	}
	if e.count <= MaxProblems {
		less := func(a, b Problem) bool { return a.Pointer+a.Message < b.Pointer+b.Message }
		if diff := cmp.Diff(e.result("", ""), got, cmpopts.SortSlices(less)); diff != "" {
			t.Fatalf("schema %s\nvalue %s\nas a whole and item by item differ:\n%s", schema, value, diff)
		}
	}
	for _, p := range got {
		if s := p.String(); strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Fatalf("not fit for a terminal: %q", s)
		}
	}
}

func TestItemByItemIsTheSameAsTheWhole(t *testing.T) {
	for i, s := range compileAll(t) {
		for _, v := range values {
			compare(t, s, schemas[i], []byte(v))
		}
	}
}

// TestItemByItemIsUsed makes sure that the comparison above compares something:
// the schema of a real source is checked item by item, and those that look at
// several items together are not.
func TestItemByItemIsUsed(t *testing.T) {
	if s := curlSchema(t); s.blind["items"] == nil || s.blind["urls"] == nil {
		t.Error("the items of a source as curl's are checked as a whole")
	}
	for i, s := range compileAll(t) {
		if used, want := s.blind["items"] != nil, i < 5; used != want {
			t.Errorf("%s: item by item %v, want %v", schemas[i], used, want)
		}
	}
}

func FuzzCheck(f *testing.F) {
	for i := range schemas {
		for _, v := range values {
			f.Add(i, []byte(v))
		}
	}
	all := compileAll(f)
	f.Fuzz(func(t *testing.T, i int, value []byte) {
		i = int(uint(i) % uint(len(all)))
		compare(t, all[i], schemas[i], value)
	})
}

// FuzzCompileSchema applies whatever compiles to a value, in all three ways.
func FuzzCompileSchema(f *testing.F) {
	for i, s := range schemas {
		f.Add([]byte(s), []byte(values[i%len(values)]))
	}
	f.Add([]byte(doubling(5)), []byte(`{"x":1}`))
	f.Fuzz(func(t *testing.T, schema, value []byte) {
		if s, err := CompileSchema("fuzz", schema); err == nil {
			compare(t, s, string(schema), value)
		} else if err.Error() == "" {
			t.Fatal("an error without a message")
		}
	})
}

// FuzzParse checks that a manifest that is accepted is JSON for encoding/json
// too, and that it has the items that are found there.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		`{"version":"2","sources":{"s":{"items":{"a":1},"options":{}}}}`,
		`{"manifest":{"sources":{"org.osbuild.files":{"urls":{"a":"b"}}},"pipeline":{}}}`,
		`{"sources":{"s":{"items":{"a":1,"a":2}}}}`, `{"manifest":[]}`, `[]`, "\xff",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Parse(data, Options{Aliases: aliases})
		if err != nil {
			p, ok := err.(Problems)
			if !ok || len(p) == 0 || p[0].Message == "" {
				t.Fatalf("%#v", err)
			}
			return
		}
		if !json.Valid(data) {
			t.Fatal("accepted, but it is not JSON")
		}
		for _, s := range m.Sources {
			var want map[string]map[string]json.RawMessage
			if s.ItemsField == "" {
				continue
			}
			var raw map[string]json.RawMessage
			if err := json.Unmarshal(s.Raw, &raw); err != nil {
				t.Fatal(err)
			}
			want = map[string]map[string]json.RawMessage{}
			var items map[string]json.RawMessage
			if err := json.Unmarshal(raw[s.ItemsField], &items); err != nil {
				t.Fatal(err)
			}
			want[s.Name] = items
			if len(s.Items) != len(want[s.Name]) {
				t.Fatalf("%d items, want %d", len(s.Items), len(want[s.Name]))
			}
			for _, item := range s.Items {
				if string(items[item.Key]) != string(item.Desc) {
					t.Fatalf("item %q is %s, want %s", item.Key, item.Desc, items[item.Key])
				}
			}
		}
	})
}
