// The test of this package keeps the packages of the module apart.

package sourcehost

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/sourcehost/sourcehost/"

// rule restricts what some packages may import, directly.
type rule struct {
	// packages are paths in the module; "x/..." covers what is beneath x too.
	packages []string
	// only lists all imports allowed from this module; nil means any.
	only []string
	// never lists imports that are refused, from anywhere, in the same form.
	never []string
	// standard allows the standard library and this module, nothing else but also.
	standard bool
	also     []string
	// except are packages that have a rule of their own.
	except []string
	reason string
}

var rules = []rule{
	{
		packages: []string{"internal/rawjson"}, only: []string{}, standard: true,
		never:  []string{"fmt", "reflect", "encoding/json", "regexp"},
		reason: "it is linked into every Go plugin, whose size and start depend on it",
	},
	{
		packages: []string{"internal/abi"}, only: []string{"internal/rawjson"}, standard: true,
		never:  []string{"fmt", "reflect", "encoding/json", "regexp"},
		reason: "the contract is the root of everything and is linked into every Go plugin",
	},
	{
		packages: []string{"internal/jsonplace"}, only: []string{"internal/rawjson"}, standard: true,
		reason: "where something stands in a file depends on nothing of what it means",
	},
	{
		packages: []string{"internal/plugin"}, only: []string{"internal/abi", "internal/rawjson", "internal/jsonplace", "internal/nearest"}, standard: true,
		reason: "a plugin's manifest is read without a runtime, also by tools; no guest has it, so it may say which name was probably meant",
	},
	{
		packages: []string{"sdk/..."}, only: []string{"internal/abi", "internal/rawjson", "sdk/..."}, standard: true,
		reason: "an author's plugin depends on the contract and on nothing else",
	},
	{
		packages: []string{"plugins/..."}, except: []string{"plugins/inline"}, only: []string{"sdk/...", "plugins/internal/..."}, standard: true,
		reason: "a built-in plugin can do what any plugin can, and is an example for authors; plugins/internal is what several of them share",
	},
	{
		packages: []string{"plugins/inline"}, only: []string{"sdk/..."}, standard: true,
		also:   []string{"github.com/therootcompany/xz", "github.com/ulikunitz/xz/lzma"},
		reason: "as other plugins; but it decompresses, which no other package may do with what stands in a manifest: the former reads .xz with all its filters, the latter .lzma",
	},
	{
		packages: []string{"host/store/internal/..."}, only: []string{}, standard: true,
		reason: "the formats of objects are read and checked without a store",
	},
	{
		packages: []string{"host/store"}, only: []string{"host/store/internal/..."},
		never:  []string{"github.com/tetratelabs/wazero/..."},
		reason: "a capability knows neither plugins nor other capabilities; the host wires it through interfaces",
	},
	{
		packages: []string{"host/artifact", "host/download", "host/container", "host/command", "host/secret"},
		only:     []string{"internal/landlock", "internal/regular", "internal/special", "internal/thread"}, never: []string{"github.com/tetratelabs/wazero/..."},
		reason: "a capability knows neither plugins nor other capabilities; the host wires it through interfaces",
	},
	{
		packages: []string{"internal/regular"}, only: []string{}, standard: true,
		reason: "how a file is read depends on nothing of this program",
	},
	{
		packages: []string{"internal/special"}, only: []string{}, standard: true, also: []string{"golang.org/x/net/idna"},
		reason: "what an address is depends on nothing of this program",
	},
	{
		packages: []string{"internal/sampleimage"}, only: []string{}, standard: true,
		reason: "what it serves is compared with what this program fetches, so it shares no code with that",
	},
	{
		packages: []string{"host/manifest"},
		only:     []string{"internal/rawjson", "internal/nearest"}, never: []string{"github.com/tetratelabs/wazero/..."},
		reason: "reading a manifest needs no plugin: the schema is handed in",
	},
	{
		packages: []string{"host/config"},
		only:     []string{"host/secret", "internal/nearest", "internal/regular"}, never: []string{"github.com/tetratelabs/wazero/..."},
		reason: "the configuration file is data; the command wires it into the host",
	},
	{
		packages: []string{"host/guest"}, only: []string{"internal/abi", "internal/rawjson", "internal/plugin", "host/guest/frame", "host/guest/confine"},
		reason: "the runtime knows the contract, not what the host does with it",
	},
	{
		packages: []string{"host/conformance"}, only: []string{"host/guest", "internal/abi"},
		reason: "the kit tests guests against the runtime and the contract, without a host behind them",
	},
	{
		packages: []string{"host/guest/confine"}, only: []string{"internal/landlock", "internal/thread"}, never: []string{"github.com/tetratelabs/wazero/..."},
		reason: "how a process is confined does not depend on what runs in it",
	},
	{
		packages: []string{"host/guest/frame"}, only: []string{"internal/abi"}, standard: true,
		reason: "what a worker sends is decoded without anything that it could reach",
	},
	{
		packages: []string{"host", "cmd/...", "internal/demo", "internal/builtin", "host/osbuild", "host/hosttest"},
		never:    []string{"github.com/tetratelabs/wazero/..."},
		reason:   "only host/guest knows the WebAssembly runtime, so that it can be replaced",
	},
	{
		packages: []string{"internal/author/cases"}, only: []string{"host", "host/guest", "internal/abi", "internal/jsonplace", "internal/nearest", "internal/plugin", "internal/rawjson", "internal/regular"},
		reason: "a plugin under test is held to the host's own rules, and to nothing else",
	},
	{
		packages: []string{"internal/author/conform"}, only: []string{"host", "host/guest", "internal/abi", "internal/author/cases", "internal/plugin"},
		reason: "the kit knows the contract, and no plugin in particular",
	},
	{
		packages: []string{"internal/author/scaffold", "internal/author/toolchain"}, only: []string{"internal/nearest"}, never: []string{"github.com/tetratelabs/wazero/..."},
		reason: "files and compilers: nothing of a plugin is run there",
	},
	{
		packages: []string{"host", "host/guest", "host/download", "host/store", "host/manifest", "host/config"}, never: []string{"oras.land/..."},
		reason: "only host/artifact knows registries of plugins, so that its library can be replaced",
	},
	{
		packages: []string{"host/osbuild"}, only: []string{"host", "internal/abi", "internal/rawjson"},
		never:  []string{"net", "net/..."},
		reason: "the service turns osbuild's messages into requests of the host and back; the command wires the rest",
	},
	{
		packages: []string{"host/osbuild/libdir"}, only: []string{"host/osbuild"},
		never:  []string{"net", "net/...", "os/exec"},
		reason: "installing needs to know versions of osbuild, not how anything is fetched; it uses no network and runs nothing",
	},
	{
		packages: []string{"host"}, never: []string{module + "host/osbuild", module + "host/osbuild/libdir", module + "cmd/...", module + "internal/builtin"},
		reason: "osbuild's protocol and the command line are users of the host, not parts of it",
	},
	{
		packages: []string{"internal/bench"}, only: []string{},
		reason: "the benchmark measures the program as its users start it, and nothing of it runs in the benchmark's own process",
	},
}

type listed struct {
	ImportPath string
	Imports    []string
}

// TestImports enforces the direction of imports that docs/architecture.md draws.
func TestImports(t *testing.T) {
	packages := list(t, "linux", "amd64")
	for _, p := range list(t, "wasip1", "wasm") { // files that only plugins have
		if strings.HasPrefix(p.ImportPath, module+"sdk") || strings.HasPrefix(p.ImportPath, module+"plugins/") {
			packages = append(packages, p)
		}
	}
	for _, r := range rules {
		used := false
		for _, p := range packages {
			path := strings.TrimPrefix(p.ImportPath, module)
			if !matches(r.packages, path) || matches(r.except, path) {
				continue
			}
			used = true
			for _, imp := range p.Imports {
				if why := r.refuses(imp); why != "" {
					t.Errorf("%s imports %s: %s; %s", path, imp, why, r.reason)
				}
			}
		}
		if !used && !strings.HasSuffix(r.packages[0], "/...") {
			t.Errorf("no package matches the rule for %v: adapt it", r.packages)
		}
	}
}

// TestProtocolStaysHome finds the words of osbuild's service protocol elsewhere
// than in host/osbuild.
func TestProtocolStaysHome(t *testing.T) {
	words := []string{"args-via-fd", "dst_cache", "source_type", "UnixRights"}
	seen := false
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, w := range words {
			switch {
			case !strings.Contains(string(text), w):
			case filepath.Dir(path) == "host/osbuild":
				seen = true
			default:
				t.Errorf("%s says %q: only host/osbuild knows the service protocol, so that a change of it stays there", path, w)
			}
		}
		return err
	})
	if err != nil || !seen {
		t.Errorf("the protocol was found in host/osbuild: %v; %v", seen, err)
	}
}

// refuses says why the rule forbids an import, or nothing.
func (r rule) refuses(imp string) string {
	own, inModule := strings.CutPrefix(imp, module)
	switch {
	case matches(r.never, imp):
		return "that is forbidden there"
	case inModule && r.only != nil && !matches(r.only, own):
		return "of this module it may import only " + strings.Join(r.only, ", ")
	case !inModule && r.standard && !matches(r.also, imp) && strings.Contains(strings.Split(imp, "/")[0], "."):
		return strings.Join(append([]string{"it may import only the standard library"}, r.also...), ", ")
	}
	return ""
}

func matches(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		if dir, ok := strings.CutSuffix(p, "/..."); ok {
			return path == dir || strings.HasPrefix(path, dir+"/")
		}
		return p == path
	})
}

// list returns the packages of the module with their imports, those of tests
// left out: a test may use whatever it needs.
func list(t *testing.T, goos, goarch string) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Imports", "./...")
	cmd.Env = append(cmd.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}
