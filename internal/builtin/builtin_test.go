package builtin

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

func TestEmbeddedPlugins(t *testing.T) {
	found, err := Plugins()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range found {
		names = append(names, p.Name)
		r, size, err := Open(p.Name)
		if err != nil {
			t.Fatal(err)
		}
		if data, err := io.ReadAll(io.NewSectionReader(r, 0, size)); err != nil || !bytes.Equal(data, p.Wasm) {
			t.Errorf("the plugin %s reads differently: %d bytes, %v", p.Name, len(data), err)
		}
		if !bytes.HasPrefix(p.Wasm, []byte("\x00asm")) {
			t.Errorf("the plugin %s is not a wasm module", p.Name)
		}
	}
	if strings.Join(names, " ") != strings.Join(Names(), " ") || !strings.Contains(strings.Join(names, " "), "curl") {
		t.Errorf("plugins %v, names %v", names, Names())
	}
}

// The plugins are not copied: a start reads of them what it needs.
func TestPluginsAreNotCopied(t *testing.T) {
	for _, name := range Names() {
		file := "wasm/" + name + ".wasm"
		want, err := files.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := embedded(files, file); got != string(want) {
			t.Errorf("%s: package embed keeps its data elsewhere: %d bytes found, want %d", file, len(got), len(want))
		}
	}
	if allocs := testing.AllocsPerRun(1, func() { Plugins() }); allocs > 100 {
		t.Errorf("%v allocations", allocs)
	}
}

// A binary that was built without its plugins says what to do.
func TestWithoutPlugins(t *testing.T) {
	_, err := read(fstest.MapFS{"wasm/README.md": &fstest.MapFile{}})
	if !errors.Is(err, ErrNone) || !strings.Contains(err.Error(), "make build") {
		t.Errorf("got %v", err)
	}
}

// The same sources make the same plugin: its digest can be pinned.
func TestBuildIsReproducible(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a plugin twice")
	}
	build := func(dir, cache string) [32]byte {
		t.Helper()
		out := filepath.Join(t.TempDir(), "curl.wasm")
		packed := out + ".packed"
		for _, args := range [][]string{
			{"env", "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-buildmode=c-shared", "-o", out, "./plugins/curl"},
			{"go", "run", "./internal/cmd/pluginpack", out, "plugins/curl/plugin.json", packed},
		} {
			cmd := exec.Command(args[0], args[1:]...)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "GOCACHE="+cache)
			if text, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %v\n%s", args, err, text)
			}
		}
		data, err := os.ReadFile(packed)
		if err != nil {
			t.Fatal(err)
		}
		return sha256.Sum256(data)
	}
	cache, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	// The second build starts from nothing, in another folder, so that neither a
	// cache nor a path makes them equal.
	first, second := build("../..", strings.TrimSpace(string(cache))), build(elsewhere(t), t.TempDir())
	if first != second {
		t.Errorf("two builds of the plugin differ: %x and %x", first, second)
	}
	embedded, err := Plugins()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range embedded {
		if p.Name == "curl" && sha256.Sum256(p.Wasm) != first {
			t.Error("the embedded plugin is not what its sources make: run make plugins")
		}
	}
}

// elsewhere copies what the plugin is built from to another folder.
func elsewhere(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, folder := range []string{"internal/abi", "internal/jsonplace", "internal/nearest", "internal/rawjson", "internal/plugin", "internal/cmd", "sdk", "plugins/curl", "plugins/internal"} {
		if err := os.CopyFS(filepath.Join(dir, folder), os.DirFS(filepath.Join("../..", folder))); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join("../..", file))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, file), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
