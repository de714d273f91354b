package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// aliases are those of the sources in the tests.
func aliases(source string) []string {
	if source == "org.osbuild.files" {
		return []string{"urls"}
	}
	return nil
}

func TestForms(t *testing.T) {
	const items = `{"b":"http://b/","a":{"url":"x"}}`
	for name, c := range map[string]struct {
		text    string
		version int
		pointer string
		field   string
		options string
	}{
		"version 2":         {`{"version":"2","pipelines":[],"sources":{"s":{"items":` + items + `,"options":{"m":1}}}}`, 2, "/sources/s", "items", `{"m":1}`},
		"version as number": {`{"version":2,"sources":{"s":{"items":` + items + `}}}`, 2, "/sources/s", "items", ""},
		"bare":              {`{"sources":{"s":{"items":` + items + `}}}`, 2, "/sources/s", "items", ""},
		"outer":             {`{"build-request":{},"manifest":{"sources":{"s":{"items":` + items + `}},"version":"2"}}`, 2, "/manifest/sources/s", "items", ""},
		"outer of version 1": {`{"manifest":{"sources":{"org.osbuild.files":{"urls":` + items + `}},"pipeline":{}}}`, 1, "/manifest/sources/org.osbuild.files", "urls",
			`{"urls":` + items + `}`},
		"version 1": {`{"version":"1","sources":{"s":{"items":` + items + `,"x":1}}}`, 1, "/sources/s", "items", `{"items":` + items + `,"x":1}`},
		"a manifest with a member called manifest": {`{"manifest":1,"sources":{"s":{"items":` + items + `}}}`, 2, "/sources/s", "items", ""},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := Read(strings.NewReader(c.text), Options{Aliases: aliases})
			if err != nil {
				t.Fatal(err)
			}
			if m.Version != c.version || len(m.Sources) != 1 {
				t.Fatalf("version %d, %d sources", m.Version, len(m.Sources))
			}
			s := m.Sources[0]
			if s.Pointer != c.pointer || s.ItemsField != c.field || string(s.Options) != c.options {
				t.Errorf("pointer %q, field %q, options %q", s.Pointer, s.ItemsField, s.Options)
			}
			if len(s.Items) != 2 || s.Items[0].Key != "b" || string(s.Items[0].Desc) != `"http://b/"` || s.Items[1].Key != "a" || string(s.Items[1].Desc) != `{"url":"x"}` {
				t.Errorf("items %q", s.Items)
			}
			want := c.pointer + "/" + c.field + "/a"
			if s.Items[1].Pointer() != want || s.ItemPointer("a") != want {
				t.Errorf("pointers %q and %q, want %q", s.Items[1].Pointer(), s.ItemPointer("a"), want)
			}
		})
	}
}

func TestManifestWithoutSources(t *testing.T) {
	for _, text := range []string{`{"version":"2"}`, `{"pipelines":[]}`, `{"pipeline":{}}`, `{"sources":{}}`} {
		if m, err := Parse([]byte(text), Options{}); err != nil || len(m.Sources) != 0 {
			t.Errorf("%s: %v, %v", text, m, err)
		}
	}
}

// adversary: C9h, C9i, C9j
func TestFrameProblems(t *testing.T) {
	for text, want := range map[string]string{
		``:                    `: the manifest is empty; expected a JSON object`,
		" \n":                 `: the manifest is empty; expected a JSON object`,
		`[]`:                  `: expected an object, found an array (line 1, byte 1 of it)`,
		`{}`:                  `: not an osbuild manifest: expected "sources" in it, found an empty object`,
		`{} {}`:               `: expected the end of the text, found an object (line 1, byte 4 of it)`,
		`{"sorces":{},"x":1}`: `: not an osbuild manifest: expected "sources" in it, found only "sorces", "x"; did you mean "sources" where it says "sorces"?`,
		`{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1}`: `: not an osbuild manifest: expected "sources" in it, found only "a", "b", "c", "d", "e", "f", "g", "h" and 1 more`,
		`{"manifest":"x"}`:                                         `/manifest: expected the manifest as an object, found the string "x"`,
		`{"manifest":{"a":1}}`:                                     `/manifest: not an osbuild manifest: expected "sources" in it, found only "a"`,
		`{"sources":[1]}`:                                          `/sources: expected an object with a member for each source, found an array`,
		`{"version":"3","sources":{}}`:                             `/version: expected version "1" or "2", found the string "3"`,
		`{"sources":{"s":null}}`:                                   `/sources/s: expected an object with the items of the source, found null`,
		`{"sources":{"s":{"items":true}}}`:                         `/sources/s/items: expected an object with a member for each item, found true`,
		`{"sources":{"s":{"options":-1}}}`:                         `/sources/s/options: expected the options as an object, found the number -1`,
		`{"sources":{"org.osbuild.files":{"urls":{},"items":{}}}}`: `/sources/org.osbuild.files/items: the items stand in "urls" already; keep one of both`,
		"\xef\xbb\xbf{}":                                           `: the manifest begins with a byte order mark; save it as UTF-8 without one`,
		"{\"sources\":{\"s\":{\"items\":{\"a\":\"\xff\"}}}}":       `/sources/s/items/a: invalid UTF-8 in a string (line 1, byte 32 of it)`,
		"\xff\xfe{\x00":                                            `: the manifest is in UTF-16; expected UTF-8`,
		"\x1f\x8b\x08":                                             `: the manifest is compressed with gzip; unpack it first`,
		"{\n \"sources\": {\"s\": x}}":                             `/sources/s: expected a value, found 'x' (line 2, byte 19 of it)`,
		`{"pipelines":[{"a":1,"a":2}]}`:                            `/pipelines/0/a: the name stands twice in this object (line 1, byte 22 of it)`,
		`{"sources":{"s":{"items":{"a":1,"a":2}}}}`:                `/sources/s/items/a: the name stands twice in this object (line 1, byte 33 of it)`,
	} {
		_, err := Parse([]byte(text), Options{Aliases: aliases})
		var p Problems
		if !errors.As(err, &p) {
			t.Errorf("%q: %v is not Problems", text, err)
			continue
		}
		if got := strings.Join(lines(p), "\n"); got != want {
			t.Errorf("%q\n got  %s\n want %s", text, got, want)
		}
	}
}

func TestAllFrameProblemsAtOnce(t *testing.T) {
	m, err := Parse([]byte(`{"version":7,"sources":{"a":1,"good":{"items":{"k":1}},"b":{"items":2,"options":3}}}`), Options{})
	var p Problems
	if !errors.As(err, &p) {
		t.Fatal(err)
	}
	want := []string{
		`/version: expected version "1" or "2", found the number 7`,
		`/sources/a: expected an object with the items of the source, found the number 1`,
		`/sources/b/items: expected an object with a member for each item, found the number 2`,
		`/sources/b/options: expected the options as an object, found the number 3`,
	}
	if diff := cmp.Diff(want, lines(p)); diff != "" {
		t.Error(diff)
	}
	if p[1].Source != "a" || p[2].Source != "b" {
		t.Errorf("sources %q and %q", p[1].Source, p[2].Source)
	}
	if len(m.Sources) != 1 || m.Sources[0].Name != "good" {
		t.Errorf("the sources in order are %+v", m.Sources)
	}
}

func TestMalformedNamesTheSource(t *testing.T) {
	_, err := Parse([]byte(`{"manifest":{"sources":{"a/b":{"items":{"k":!}}}}}`), Options{})
	var p Problems
	if !errors.As(err, &p) || p[0].Source != "a/b" {
		t.Errorf("got %v", err)
	}
}

// adversary: C9f, C9g
func TestLimits(t *testing.T) {
	deep := `{"sources":{"s":{"items":{"k":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}}}}`
	if _, err := Parse([]byte(deep), Options{}); err == nil || !strings.Contains(err.Error(), "nested") || !strings.HasPrefix(err.Error(), "/sources/s/items/k/0") {
		t.Errorf("depth 10,000: %.100v", err)
	}
	if _, err := Read(strings.NewReader(`{"sources":{}}`), Options{MaxBytes: 13}); err == nil || err.Error() != "the manifest is larger than 13 bytes, the limit" {
		t.Errorf("one byte too many: %v", err)
	}
	if _, err := Read(strings.NewReader(`{"sources":{}}`), Options{MaxBytes: 14}); err != nil {
		t.Errorf("just small enough: %v", err)
	}
	// What is too large is not read to its end.
	r := &countingReader{}
	if _, err := Read(r, Options{MaxBytes: 1 << 20}); err == nil || r.n > 2<<20 {
		t.Errorf("%v after %d bytes", err, r.n)
	}
	r = &countingReader{}
	if _, err := Read(r, Options{}); err == nil || !strings.Contains(err.Error(), "larger than 134217728 bytes, the limit") || r.n > 200<<20 {
		t.Errorf("200 MB: %v after %d bytes", err, r.n)
	}
	if _, err := Read(io.MultiReader(strings.NewReader("{"), errReader{}), Options{}); !errors.Is(err, errBroken) {
		t.Errorf("a reader that fails: %v", err)
	}
}

// adversary: C9f
func TestTooManyItems(t *testing.T) {
	text := `{"sources":{"a":{"items":{"1":0,"2":0}},"b":{"items":{"3":0,"4":0}}}}`
	if _, err := Parse([]byte(text), Options{MaxItems: 4}); err != nil {
		t.Error(err)
	}
	_, err := Parse([]byte(text), Options{MaxItems: 3})
	want := "/sources/b/items/4: the manifest has more than 3 items, the limit (line 1, byte 65 of it)"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestTooManySources(t *testing.T) {
	text := func(n int) []byte {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"s%d":{"items":{}}`, i)
		}
		return []byte(`{"sources":{` + b.String()[1:] + `}}`)
	}
	if _, err := Parse(text(maxSources), Options{}); err != nil {
		t.Error(err)
	}
	_, err := Parse(text(maxSources+1), Options{})
	want := "/sources/s10000: the manifest has more than 10000 sources, the limit"
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestManyWrongSources(t *testing.T) {
	text := `{"sources":{"s":1` + strings.Repeat(`,"%d":1`, MaxProblems+4) + `}}`
	n := make([]any, MaxProblems+4)
	for i := range n {
		n[i] = i
	}
	_, err := Parse(fmt.Appendf(nil, text, n...), Options{})
	p := err.(Problems)
	if len(p) != MaxProblems+1 || p[MaxProblems].Message != "5 more sources were not looked at after so many problems" {
		t.Errorf("%d problems, the last: %v", len(p), p[len(p)-1])
	}
}

// countingReader never ends.
type countingReader struct{ n int }

func (r *countingReader) Read(p []byte) (int, error) {
	r.n += len(p)
	return copy(p, bytes.Repeat([]byte(" "), len(p))), nil
}

var errBroken = errors.New("broken")

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errBroken }

// TestRealManifests compares what is read with what encoding/json finds.
func TestRealManifests(t *testing.T) {
	paths, err := filepath.Glob("../../testdata/manifests/*.json")
	if err != nil || len(paths) < 4 {
		t.Fatalf("%d manifests, %v", len(paths), err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		m, err := Parse(data, Options{})
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		var want struct {
			Manifest struct {
				Sources map[string]struct {
					Items map[string]json.RawMessage
				}
			}
		}
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatal(err)
		}
		if len(m.Sources) != len(want.Manifest.Sources) || len(m.Sources) == 0 {
			t.Errorf("%s: %d sources, want %d", path, len(m.Sources), len(want.Manifest.Sources))
		}
		for _, s := range m.Sources {
			items := want.Manifest.Sources[s.Name].Items
			if len(s.Items) != len(items) || len(items) == 0 {
				t.Errorf("%s: %s has %d items, want %d", path, s.Name, len(s.Items), len(items))
			}
			rest := s.Raw
			for _, item := range s.Items {
				if !bytes.Equal(item.Desc, items[item.Key]) {
					t.Errorf("%s: %s is %s", path, item.Key, item.Desc)
				}
				at := bytes.Index(rest, []byte(`"`+item.Key+`":`))
				if at < 0 {
					t.Fatalf("%s: %s is out of order", path, item.Key)
				}
				rest = rest[at+len(item.Desc):]
			}
			if s.Name == "org.osbuild.curl" {
				if p := curlSchema(t).CheckSource(&s); p != nil {
					t.Errorf("%s: %v", path, p)
				}
			}
		}
	}
}

func BenchmarkParse(b *testing.B) {
	data, err := os.ReadFile("../../testdata/manifests/fedora_39-live_installer.json")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(data, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCheckSource checks the 1965 items of the largest manifest known.
func BenchmarkCheckSource(b *testing.B) {
	data, err := os.ReadFile("../../testdata/manifests/fedora_39-live_installer.json")
	if err != nil {
		b.Fatal(err)
	}
	m, err := Parse(data, Options{})
	if err != nil {
		b.Fatal(err)
	}
	s := curlSchema(b)
	b.ReportAllocs()
	for b.Loop() {
		for i := range m.Sources {
			if m.Sources[i].Name == "org.osbuild.curl" && s.CheckSource(&m.Sources[i]) != nil {
				b.Fatal("problems")
			}
		}
	}
}

// BenchmarkCheckItem checks one item that a prepare hook changed.
func BenchmarkCheckItem(b *testing.B) {
	s := valueSchema(b, `{"type":"object","required":["urls"],"additionalProperties":false,"properties":{
		"urls":{"type":"array","minItems":1,"items":{"type":"string"}},"insecure":{"type":"boolean"},
		"headers":{"type":"array","items":{"type":"object","required":["name"],"properties":{"name":{"type":"string"},"value":{"type":"string"}}}}}}`)
	value := []byte(`{"urls":["https://a.example/x.rpm","https://b.example/x.rpm"],"headers":[{"name":"Authorization","value":"Bearer x"}]}`)
	b.ReportAllocs()
	for b.Loop() {
		if s.Check("/x", value) != nil {
			b.Fatal("problems")
		}
	}
}

func BenchmarkCompileSchema(b *testing.B) {
	text, err := os.ReadFile("testdata/curl.schema.json")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := CompileSchema("curl", text); err != nil {
			b.Fatal(err)
		}
	}
}
