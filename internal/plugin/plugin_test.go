package plugin

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/internal/abi"
)

// full uses every field of a plugin manifest.
const full = `{
	"abi": 1, "name": "org.osbuild.curl", "version": "1.2.3", "summary": "Fetches files",
	"description": ["One.", "Two."], "sources": ["org.osbuild.curl"], "items_alias": ["urls"],
	"hooks": ["setup", "filter", "prepare", "fetch_one"], "produces": "image", "content_type": "org.osbuild.files",
	"formats": [{"name": "dir", "part": "image"}, {"name": "docker-archive", "part": "container-image.tar"}],
	"schema": {"type": "object"}, "manifest_versions": [2], "prepared": {"type": "string"}, "config": {"type": "object"},
	"capabilities": [
		{"name": "download", "values": ["*", "https://example.org/pub/", "file:///srv/"], "reason": "to fetch"},
		{"name": "read", "values": ["/etc/yum.repos.d/", "/etc/rhsm/rhsm.conf", "/"], "reason": "subscriptions"},
		{"name": "stat", "values": ["/etc/pki/"], "reason": "subscriptions"},
		{"name": "tls", "values": ["/etc/pki/entitlement/"], "reason": "subscriptions"},
		{"name": "env", "values": ["OSBUILD_SOURCES_CURL_PROXY", "_x1"], "reason": "proxy"},
		{"name": "secrets", "values": ["acme-token"], "reason": "log in"},
		{"name": "http", "values": ["https://login.example/"], "reason": "tokens"},
		{"name": "clock", "reason": "tokens expire"},
		{"name": "random", "values": [], "reason": "nonces"}
	],
	"max_instances": 2
}`

func TestParseManifest(t *testing.T) {
	m, err := ParseManifest([]byte(full))
	if err != nil {
		t.Fatal(err)
	}
	if m.Name != "org.osbuild.curl" || m.Instances() != 2 || !m.Has(abi.FetchOne) || len(m.Capabilities) != 9 || m.ServesVersion(1) || !m.ServesVersion(2) ||
		string(m.Schema) != `{"type": "object"}` || m.Capabilities[2].Values[0] != "/etc/pki/" {
		t.Errorf("got %+v", m)
	}
	// Every field must be set by the example, or the round trip proves nothing.
	v := reflect.ValueOf(*m)
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("the field %s was not read", v.Type().Field(i).Name)
		}
	}
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseManifest(data)
	if err != nil {
		t.Fatal(err)
	}
	if again.Name != m.Name || !reflect.DeepEqual(again.Capabilities[0], m.Capabilities[0]) || !slices.Equal(again.Hooks, m.Hooks) {
		t.Errorf("after a round trip: %+v", again)
	}
	small, err := ParseManifest([]byte(`{"abi":1,"name":"x","version":"0"}`))
	if err != nil || small.Instances() != 1 {
		t.Errorf("the smallest manifest: %+v, %v", small, err)
	}
}

func TestParseManifestErrors(t *testing.T) {
	// Each case replaces part of the full manifest.
	tests := []struct{ old, new, want string }{
		{`"abi": 1`, `"abi": 2`, `abi: expected 1, found 2`},
		{`"abi": 1`, `"abi": "1"`, `abi: expected an integer, found a string`},
		{`"abi": 1`, `"abi": 1.5`, `abi: expected an integer, found 1.5`},
		{`"abi": 1, `, ``, `abi: expected 1, found 0`},
		{`"name": "org.osbuild.curl"`, `"name": "../x"`, `name: expected a name of letters`},
		{`"name": "org.osbuild.curl"`, `"name": null`, `name: expected a string, found null`},
		{`"version": "1.2.3"`, `"version": ""`, `version: expected 1 to 128 printable characters, found ""`},
		{`"version": "1.2.3"`, `"version": "1\u001b[2J"`, `version: expected 1 to 128 printable characters`},
		{`"summary": "Fetches files"`, `"summary": "a\nb"`, `summary: expected one line, found several`},
		{`"summary"`, `"sumary"`, `"sumary": found an unknown field; did you mean "summary"?`},
		{`"summary": "Fetches files"`, `"name": "twice"`, `document: expected JSON: /name: `},
		{`["One.", "Two."]`, `"One."`, `description: expected an array of strings, found a string`},
		{`["One.", "Two."]`, `["One.", 2]`, `description: expected an array of strings, found ["One.", 2]`},
		{`["One.", "Two."]`, `["One.", null]`, `description: expected an array of strings, found null in it`},
		{`["org.osbuild.curl"]`, `["a", "a"]`, `sources: expected each name once, found "a" twice`},
		{`["org.osbuild.curl"]`, `["a/b"]`, `sources: expected a name of letters`},
		{`["urls"]`, `["", "x"]`, `items_alias: expected a name of letters`},
		{`"setup", "filter"`, `"setup", "setup"`, `hooks: expected each hook once, found "setup" twice`},
		{`"setup", "filter"`, `"begin"`, `hooks: expected some of ["setup" "filter" "prepare" "fetch_one"], found "begin"`},
		{`, "fetch_one"]`, `]`, `produces: expected nothing without the hook fetch_one, found "image"`},
		{`, "fetch_one"]`, `]`, `content_type: expected nothing without the hook fetch_one, found "org.osbuild.files"`},
		{`"produces": "image"`, `"produces": "files"`, `produces: expected one of ["file" "image" "commit" "none"] because of the hook fetch_one, found "files"; did you mean "file"?`},
		{`"setup", "filter"`, `"setup", "fliter"`, `hooks: expected some of ["setup" "filter" "prepare" "fetch_one"], found "fliter"; did you mean "filter"?`},
		{`"produces": "image"`, `"produces": "none"`, `content_type: expected nothing because nothing is produced`},
		{`"content_type": "org.osbuild.files"`, `"content_type": "..", "x": 1`, `"x": expected one of`},
		{`"content_type": "org.osbuild.files"`, `"content_type": ".."`, `content_type: expected a name of letters`},
		{`"schema": {"type": "object"}, `, ``, `schema: expected a JSON Schema because sources are named, found none`},
		{`"schema": {"type": "object"}`, `"schema": true`, `schema: expected a JSON Schema, which is an object, found a boolean`},
		{`"max_instances": 2`, `"max_instances": -1`, `max_instances: expected 0 to 64, found -1`},
		{`"part": "image"`, `"part": "../x"`, `formats[0].part: expected "image" or "container-image.tar", found "../x"`},
		{`"name": "docker-archive"`, `"name": "dir"`, `formats: expected each name once, found "dir" twice`},
		{`"name": "docker-archive"`, `"nam": "dir"`, `formats[1]."nam": found an unknown field; did you mean "name"?`},
		{`"produces": "image"`, `"produces": "file"`, `formats: expected none because no image is produced, found 2`},
		{`"formats": [`, `"description": [], "formats": [7, `, `document: `},
		{`"secrets", "values": ["acme-token"]`, `"exec", "values": ["bin/tool"]`, `capabilities[5].values: expected the plain name of a program or its absolute path`},
		{`"secrets", "values": ["acme-token"]`, `"image", "values": ["quay.io"]`, `capabilities[5].values: expected "*", "containers-storage:", or a registry`},
		{`"secrets", "values": ["acme-token"]`, `"image", "values": ["docker://quay.io/../x"]`, `capabilities[5].values: expected "*", "containers-storage:", or a registry`},
		{`[2], "prepared"`, `[3], "prepared"`, `manifest_versions: expected 1 or 2, found 3`},
		{`[2], "prepared"`, `[2, 2], "prepared"`, `manifest_versions: expected each version once, found 2 twice`},
		{`[2], "prepared"`, `["2"], "prepared"`, `manifest_versions: expected an array of integers, found ["2"]`},
		{`"https://login.example/"`, `"file:///srv/"`, `capabilities[6].values: expected "*", or a URL prefix such as "https://example.org/"`},
		{`"max_instances": 2`, `"max_instances": 65`, `max_instances: expected 0 to 64, found 65`},
		{`"name": "read"`, `"name": "write"`, `capabilities[1].name: expected one of ["clock" "download"`},
		{`{"name": "read"`, `{"nam": "read"`, `capabilities[1]."nam": found an unknown field; did you mean "name"?`},
		{`"name": "read"`, `"name": "raed"`, `capabilities[1].name: found "raed", which is not known; did you mean "read"?`},
		{`"reason": "to fetch"`, `"reason": " "`, `capabilities[0].reason: expected a sentence for the operator, found none`},
		{`"name": "clock"`, `"name": "clock", "values": ["x"]`, `capabilities[7].values: expected none for clock, found 1`},
		{`"values": ["acme-token"]`, `"values": []`, `capabilities[5].values: expected at least one for secrets, found none`},
		{`"acme-token"`, `"acme token"`, `capabilities[5].values: expected a name of letters`},
		{`"_x1"`, `"1x"`, `capabilities[4].values: expected the name of an environment variable, found "1x"`},
		{`"/etc/pki/"`, `"/etc/../pki/"`, `capabilities[2].values: expected an absolute path`},
		{`"/etc/pki/"`, `"etc"`, `capabilities[2].values: expected an absolute path`},
		{`"https://example.org/pub/"`, `"https://user@example.org/"`, `capabilities[0].values: expected "*", or a URL prefix`},
		{`"https://example.org/pub/"`, `"https://example.org"`, `capabilities[0].values: expected "*", or a URL prefix`},
		{`"file:///srv/"`, `"ftp://example.org/"`, `capabilities[0].values: expected "*", or a URL prefix`},
		{`"capabilities": [`, `"capabilities": [7,`, `capabilities[0]: expected an object, found a number`},
	}
	for _, test := range tests {
		if strings.Count(full, test.old) == 0 {
			t.Fatalf("%s is not in the example", test.old)
		}
		_, err := ParseManifest([]byte(strings.Replace(full, test.old, test.new, 1)))
		if err == nil || !strings.Contains(err.Error(), "plugin manifest: "+test.want) {
			t.Errorf("%s in place of %s:\ngot  %v\nwant ...%s...", test.new, test.old, err, test.want)
		}
	}
}

func TestParseManifestFrame(t *testing.T) {
	for text, want := range map[string]string{
		``:                     "document: expected an object, found no JSON value",
		`[]`:                   "document: expected an object, found an array",
		`{} {}`:                "document: expected JSON: ",
		`{"abi": 1`:            "document: expected JSON: ",
		"{\"name\": \"\xff\"}": "document: expected JSON: ",
		`{"capabilities": {}}`: "capabilities: expected an array of objects, found an object",
	} {
		if _, err := ParseManifest([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want ...%s...", text, err, want)
		}
	}
	if _, err := ParseManifest(make([]byte, MaxManifestBytes+1)); err == nil || !strings.Contains(err.Error(), "at most 1048576 bytes") {
		t.Errorf("a manifest that is too large: %v", err)
	}
	// All errors are reported at once.
	_, err := ParseManifest([]byte(`{"abi": 3, "name": "", "version": "", "hooks": ["x"]}`))
	if n := strings.Count(err.Error(), "\n") + 1; n != 4 {
		t.Errorf("got %d errors, want 4: %v", n, err)
	}
}

func TestCompact(t *testing.T) {
	data, err := Compact([]byte(full))
	if err != nil || bytes.ContainsAny(data, "\n\t") {
		t.Errorf("got %s, %v", data, err)
	}
	if _, err := ParseManifest(data); err != nil {
		t.Error(err)
	}
	if _, err := Compact([]byte(`{}`)); err == nil {
		t.Error("an invalid manifest was accepted")
	}
}

// module puts sections together; an empty name makes an ordinary section 1.
func module(sections ...[2]string) []byte {
	wasm := []byte(wasmHeader)
	for _, s := range sections {
		var body []byte
		id := byte(1)
		if s[0] != "" {
			id = 0
			body = append(binary.AppendUvarint(nil, uint64(len(s[0]))), s[0]...)
		}
		body = append(body, s[1]...)
		wasm = append(wasm, id)
		wasm = binary.AppendUvarint(wasm, uint64(len(body)))
		wasm = append(wasm, body...)
	}
	return wasm
}

func TestSection(t *testing.T) {
	long := strings.Repeat("x", 300)
	wasm := module([2]string{"", "types"}, [2]string{"a", "1"}, [2]string{"b", long}, [2]string{"c", ""})
	for name, want := range map[string]string{"a": "1", "b": long, "c": ""} {
		if got, err := Section(wasm, name); err != nil || string(got) != want {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	if _, err := Section(wasm, "d"); !errors.Is(err, ErrNoSection) {
		t.Errorf("got %v, want ErrNoSection", err)
	}
	twice := module([2]string{"a", "1"}, [2]string{"a", "2"})
	if _, err := Section(twice, "a"); err == nil || !strings.Contains(err.Error(), `expected one custom section named "a", found 2`) {
		t.Errorf("got %v", err)
	}
	for n := range wasm {
		got, err := Section(wasm[:n], "c")
		if err == nil {
			t.Errorf("cut to %d bytes: got %q", n, got)
		}
	}
	for _, bad := range []string{"", "\x7fELF\x02\x01\x01\x00", wasmHeader + "\x00\xff\xff\xff\xff\x7f", wasmHeader + "\x00\x01\x05", wasmHeader + "\x00\x80\x80\x80\x80\x80\x00"} {
		if _, err := Section([]byte(bad), "a"); err == nil || errors.Is(err, ErrNoSection) {
			t.Errorf("%q: got %v", bad, err)
		}
	}
}

func TestAppendSection(t *testing.T) {
	wasm := module([2]string{"a", "old"}, [2]string{"", "types"}, [2]string{"b", "kept"}, [2]string{"a", "older"})
	out, err := AppendSection(wasm, "a", []byte("new"))
	if err != nil {
		t.Fatal(err)
	}
	want := module([2]string{"", "types"}, [2]string{"b", "kept"}, [2]string{"a", "new"})
	if !bytes.Equal(out, want) {
		t.Errorf("got %q, want %q", out, want)
	}
	if _, err := AppendSection(wasm[:len(wasm)-1], "a", nil); err == nil {
		t.Error("a truncated module was accepted")
	}
}

func TestUint32(t *testing.T) {
	for text, want := range map[string][2]int{
		"":                     {0, 0},
		"\x00":                 {0, 1},
		"\xe5\x8e\x26":         {624485, 3},
		"\x80\x00":             {0, 2},
		"\xff\xff\xff\xff\x0f": {1<<32 - 1, 5},
		"\xff\xff\xff\xff\x1f": {0, 0},
		"\x80\x80\x80\x80\x80": {0, 0},
		"\x80":                 {0, 0},
	} {
		if v, n := Uint32([]byte(text)); int(v) != want[0] || n != want[1] {
			t.Errorf("%q: got %d, %d, want %v", text, v, n, want)
		}
	}
}

func FuzzParseManifest(f *testing.F) {
	f.Add([]byte(full))
	f.Add([]byte(`{"abi":1,"name":"x","version":"1","capabilities":[{"name":"clock","reason":"r"}]}`))
	f.Add([]byte(`{"hooks":[null],"description":["\ud800"]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ParseManifest(data)
		if err != nil {
			return
		}
		// What was accepted can be written and is accepted again, unchanged.
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseManifest(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		second, err := json.Marshal(again)
		if err != nil || !bytes.Equal(text, second) {
			t.Fatalf("%s became %s, %v", text, second, err)
		}
	})
}

func FuzzSection(f *testing.F) {
	f.Add(module([2]string{"a", "1"}, [2]string{"", "types"}), "a", []byte("data"))
	f.Add([]byte(wasmHeader+"\x00\x03\x01ab"), "a", []byte{})
	f.Fuzz(func(t *testing.T, wasm []byte, name string, data []byte) {
		_, _ = Section(wasm, name)
		out, err := AppendSection(wasm, name, data)
		if err != nil {
			return
		}
		got, err := Section(out, name)
		if err != nil || !bytes.Equal(got, data) {
			t.Fatalf("got %q, %v; want %q", got, err, data)
		}
		again, err := AppendSection(out, name, data)
		if err != nil || !bytes.Equal(again, out) {
			t.Fatalf("appending again changed the module: %v", err)
		}
	})
}
