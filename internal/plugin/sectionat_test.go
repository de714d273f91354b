package plugin

import (
	"bytes"
	"testing"
)

// FuzzSectionAt compares it with Section.
func FuzzSectionAt(f *testing.F) {
	module := []byte(wasmHeader)
	for _, s := range []struct{ name, data string }{{"a", "1"}, {"wanted", "{}"}, {"wanted2", ""}} {
		var err error
		if module, err = AppendSection(module, s.name, []byte(s.data)); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(module, "wanted")
	f.Add(module, "")
	f.Add(module[:len(module)-1], "wanted")
	f.Add(append(module, 0, 3, 2, 'x'), "wanted")
	f.Add(append(bytes.Clone(module), module[len(wasmHeader):]...), "wanted")
	f.Add([]byte(wasmHeader), "wanted")
	f.Add([]byte("\x00as"), "wanted")
	f.Fuzz(func(t *testing.T, wasm []byte, name string) {
		want, wantErr := Section(wasm, name)
		got, err := SectionAt(bytes.NewReader(wasm), int64(len(wasm)), name)
		if !bytes.Equal(got, want) || (err == nil) != (wantErr == nil) {
			t.Errorf("got %q, %v, want %q, %v", got, err, want, wantErr)
		}
	})
}
