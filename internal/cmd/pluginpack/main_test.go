package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

func TestPack(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	put := func(name, text string) {
		if err := os.WriteFile(at(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("in.wasm", "\x00asm\x01\x00\x00\x00")
	put("good.json", "{\n  \"abi\": 1, \"name\": \"x\", \"version\": \"1\"\n}\n")
	put("bad.json", `{"abi": 1, "version": "1"}`)

	var packed [2][]byte
	for i, in := range []string{"in.wasm", "out.wasm"} {
		if err := pack(at(in), at("good.json"), at("out.wasm")); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(at("out.wasm"))
		if err != nil {
			t.Fatal(err)
		}
		packed[i] = data
	}
	if !bytes.Equal(packed[0], packed[1]) {
		t.Error("packing a plugin again changed it")
	}
	got, err := plugin.Section(packed[0], abi.ManifestSection)
	if want := `{"abi":1,"name":"x","version":"1"}`; err != nil || string(got) != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}

	for _, test := range []struct{ in, manifest, want string }{
		{"in.wasm", "bad.json", "bad.json:1:1: name: expected a name"},
		{"good.json", "good.json", "good.json: not a core wasm module"},
		{"none.wasm", "good.json", "none.wasm"},
		{"in.wasm", "none.json", "none.json"},
	} {
		err := pack(at(test.in), at(test.manifest), at("other.wasm"))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s with %s: got %v, want ...%s...", test.in, test.manifest, err, test.want)
		}
	}
	left, err := filepath.Glob(at("other*"))
	if err != nil || len(left) != 0 {
		t.Errorf("a failed run left %v, %v", left, err)
	}
}
