package toolchain

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// folder makes a folder with empty files.
func folder(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestDetect(t *testing.T) {
	for _, c := range []struct {
		files []string
		want  string
	}{
		{[]string{"any.go", "README.md"}, "go"}, {[]string{"src/lib.rs", "src/sourcehost.rs"}, "rust"},
		{[]string{"plugin.c", "sourcehost.h"}, "c"}, {[]string{"assembly/index.ts", "package.json"}, "assemblyscript"},
	} {
		if got, err := Detect(folder(t, c.files...)); err != nil || got.Name != c.want {
			t.Errorf("%q: %q, %v", c.files, got.Name, err)
		}
	}
	for _, c := range []struct {
		files []string
		want  string
	}{
		{[]string{"lib.rs", "go.mod"}, "has no source of a plugin"}, {[]string{"main.go", "plugin.c"}, "in both go and c: keep one"},
	} {
		if _, err := Detect(folder(t, c.files...)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.files, err, c.want)
		}
	}
	if _, err := Detect(filepath.Join(folder(t, "x"), "x")); err == nil || !strings.Contains(err.Error(), "is not a folder") {
		t.Errorf("a file: %v", err)
	}
}

// A toolchain that is missing is named, with the packages that bring it.
func TestMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	want := map[string]string{
		"go": "go is missing: install it with `apt-get install golang-go`, or from https://go.dev/dl", "rust": "rustc is missing: install it with `apt-get install rustc libstd-rust-dev-wasm32`",
		"c": "clang is missing: install it with `apt-get install clang lld`", "assemblyscript": "node is missing: install it with `apt-get install nodejs npm`",
	}
	for _, l := range Languages() {
		_, err := l.Compile(t.Context(), t.TempDir(), Options{}, io.Discard)
		var missing *MissingError
		if !errors.As(err, &missing) || !strings.HasPrefix(err.Error(), want[l.Name]) {
			t.Errorf("%s: %v, want %q", l.Name, err, want[l.Name])
		}
	}
}

// What a compiler writes is shown also when it succeeds: warnings.
func TestWarnings(t *testing.T) {
	bin := t.TempDir()
	for name, script := range map[string]string{
		"clang": "#!/bin/sh\necho 'plugin.c:1: warning: unused' >&2\nfor last; do out=$before; before=$last; done\necho wasm > \"$out\"\n", "wasm-ld": "#!/bin/sh\n",
	} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	var log strings.Builder
	c := Languages()[slices.Index(Names(), "c")]
	if _, err := c.Compile(t.Context(), t.TempDir(), Options{}, &log); err != nil || !strings.Contains(log.String(), "\nplugin.c:1: warning: unused\n") {
		t.Errorf("%v\n%s", err, log.String())
	}
}

// A compiler without the standard library for WebAssembly is not enough.
func TestRustWithoutLibrary(t *testing.T) {
	dir := t.TempDir()
	script := "#!/bin/sh\necho " + t.TempDir() + "\n"
	if err := os.WriteFile(filepath.Join(dir, "rustc"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	if _, err := compileRust(&tools{ctx: t.Context()}, "", ""); err == nil || !strings.Contains(err.Error(), "rustup target add wasm32-unknown-unknown") {
		t.Errorf("got %v", err)
	}
}
