package scaffold

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/author/cases"
	"github.com/sourcehost/sourcehost/internal/author/conform"
	"github.com/sourcehost/sourcehost/internal/author/toolchain"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

// repository is the root of this module.
const repository = "../../.."

// Each template builds, passes its test, and keeps the contract.
func TestTemplates(t *testing.T) {
	t.Parallel()
	for _, language := range Languages() {
		for _, hook := range Hooks() {
			t.Run(language+"/"+hook, func(t *testing.T) {
				t.Parallel()
				dir := filepath.Join(t.TempDir(), "plugin")
				if err := Write(dir, Options{Name: "my-plugin", Language: language, Hook: hook}); err != nil {
					t.Fatal(err)
				}
				if language == "assemblyscript" {
					linkCompiler(t, dir)
				}
				check(t, dir, compile(t, dir, language, toolchain.Options{}))
			})
		}
	}
}

// compile compiles and packs a plugin.
func compile(t *testing.T, dir, language string, o toolchain.Options) []byte {
	t.Helper()
	found, err := toolchain.Detect(dir)
	if err != nil || found.Name != language {
		t.Fatalf("the folder is one of %q, %v", found.Name, err)
	}
	wasm, err := found.Compile(t.Context(), dir, o, io.Discard)
	var missing *toolchain.MissingError
	if errors.As(err, &missing) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile(filepath.Join(dir, "plugin.json"))
	if err != nil {
		t.Fatal(err)
	}
	packed, err := plugin.AppendSection(wasm, abi.ManifestSection, doc)
	if err != nil {
		t.Fatal(err)
	}
	return packed
}

// With Debug, and only then, a module has the names of its functions, and is a plugin.
func TestDebug(t *testing.T) {
	t.Parallel()
	for _, language := range Languages() {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "plugin")
			if err := Write(dir, Options{Name: "my-plugin", Language: language, Hook: "filter"}); err != nil {
				t.Fatal(err)
			}
			if language == "assemblyscript" {
				linkCompiler(t, dir)
			}
			for _, debug := range []bool{false, true} {
				wasm := compile(t, dir, language, toolchain.Options{Debug: debug})
				if _, err := plugin.Section(wasm, "name"); (err == nil) != debug {
					t.Errorf("debug %v: the section with names: %v", debug, err)
				}
				if debug {
					check(t, dir, wasm)
				}
			}
		})
	}
}

// linkCompiler puts the compiler that `make guests` has installed into the plugin's
// folder, as npm install would.
func linkCompiler(t *testing.T, dir string) {
	t.Helper()
	modules, err := filepath.Abs(filepath.Join(repository, "sdk/assemblyscript/node_modules"))
	if err == nil {
		_, err = os.Stat(modules)
	}
	if err != nil {
		if os.Getenv("CI") == "" {
			t.Skipf("%v: run `make guests`, which needs the package npm", err)
		}
		t.Fatal(err)
	}
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
}

func check(t *testing.T, dir string, wasm []byte) {
	t.Helper()
	all, err := cases.Load(filepath.Join(dir, "cases"))
	if err != nil {
		t.Fatal(err)
	}
	cache := filepath.Join(t.TempDir(), "cache") // compiling takes most of the time
	bench := &cases.Bench{Name: "my-plugin", Wasm: wasm, CacheDir: cache}
	err = bench.Run(t.Context(), all, func(r *cases.Result) {
		if len(r.Differs) > 0 {
			t.Errorf("%s:\n%s", r.Case.Path, strings.Join(r.Differs, "\n"))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	kit := &conform.Kit{Name: "my-plugin", Wasm: wasm, CacheDir: cache, Sample: all[0]}
	results, err := kit.Run(t.Context())
	if err != nil || len(results) < 20 {
		t.Fatalf("%d checks, %v", len(results), err)
	}
	for _, r := range results {
		if r.Err != nil {
			t.Errorf("%s: %s: %v", r.Hook, r.Name, r.Err)
		}
	}
}

// The Go templates are formatted, vetted, and pass their native tests.
func TestGoTemplates(t *testing.T) {
	t.Parallel()
	for _, hook := range Hooks() {
		t.Run(hook, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "plugin")
			if err := Write(dir, Options{Name: "my-plugin", Language: "go", Hook: hook}); err != nil {
				t.Fatal(err)
			}
			for _, args := range [][]string{{"gofmt", "-l", "."}, {"go", "vet", "./..."}, {"go", "test", "./..."}, {"go", "mod", "tidy", "-diff"}} {
				cmd := exec.Command(args[0], args[1:]...)
				cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOPROXY=off", "GOFLAGS=", "GOWORK=off")
				out, err := cmd.CombinedOutput()
				if err != nil || args[0] == "gofmt" && len(out) > 0 {
					t.Errorf("%s: %v\n%s", strings.Join(args, " "), err, out)
				}
			}
		})
	}
}

func TestWriteErrors(t *testing.T) {
	good := Options{Name: "a-b2", Language: "go", Hook: "filter"}
	if err := Write(t.TempDir(), good); err != nil {
		t.Errorf("an empty folder: %v", err)
	}
	for _, name := range []string{"", "A", "a b", "../a", "a--b", "-a", "a-", "2a", "a.b", "ä", strings.Repeat("a", 65)} {
		o := good
		o.Name = name
		if err := Write(filepath.Join(t.TempDir(), "x"), o); err == nil {
			t.Errorf("the name %q is taken", name)
		}
	}
}
