package guest

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

// adversary: A3b, A4e, A6a, A6b, A6c, A6d
func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string][]string{
		"missing_hook":   {`export "filter": expected a function (i32) -> i32 because the plugin manifest declares the hook, found none`},
		"wrong_hook":     {`export "prepare": expected the signature (i32) -> i32, found (i32, i64) -> ()`},
		"hook_memory":    {`export "prepare": expected a function (i32) -> i32, found a memory`},
		"wrong_init":     {`export "_initialize": expected the signature () -> (), found (i32) -> ()`},
		"no_memory":      {`export "memory": expected the linear memory, found none`, "expected one linear memory, found 0"},
		"newer_abi":      {`export "sourcehost_abi_v1": expected a function () -> (), found "sourcehost_abi_v2"`},
		"start":          {"expected no start section, found one"},
		"import_memory":  {`import "sourcehost_v1"."memory": expected a function, found a memory`},
		"big_memory":     {"memory: expected at most 268435456 bytes at the start, found 327680000"},
		"big_table":      {"tables: expected at most 1048576 entries in all, found 1200000"},
		"unknown_import": {`import "sourcehost_v1"."exec": expected one of input_read,`, `import "env"."abort": expected the module "sourcehost_v1" or "wasi_snapshot_preview1"`, `import "wasi_snapshot_preview1"."fd_magic": expected a function of WASI preview 1`},
		"wrong_import":   {`import "sourcehost_v1"."call": expected the signature (i32, i32, i32, i32) -> i64, found (i32, i32) -> i32`, `import "wasi_snapshot_preview1"."fd_write": expected the signature (i32, i32, i32, i32) -> i32, found (i32) -> i32`},
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := NewRuntime(Config{}).Load(Source{Name: name, Wasm: build(t, name)})
			if p != nil {
				t.Fatal("the plugin was loaded")
			}
			for _, text := range want {
				wantError(t, err, Refused, "", text)
			}
		})
	}
}

// adversary: A6a, A6d
func TestLoadRefusesManifest(t *testing.T) {
	t.Parallel()
	wasm := assemble(t, "loop")
	r := NewRuntime(Config{})
	_, err := r.Load(Source{Name: "x", Wasm: wasm})
	wantError(t, err, Refused, "", `expected one named "sourcehost.plugin", found none`)
	if !errors.Is(err, plugin.ErrNoSection) {
		t.Errorf("%v does not wrap ErrNoSection", err)
	}
	packed, err := plugin.AppendSection(wasm, abi.ManifestSection, []byte(`{"abi":2,"name":"x","version":"1"}`))
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Load(Source{Name: "x", Wasm: packed})
	wantError(t, err, Refused, "", "abi: expected 1, found 2")
}

// adversary: A4a
func TestLoadLimits(t *testing.T) {
	t.Parallel()
	wasm := build(t, "loop")
	tests := map[string]Limits{
		"expected a file of at most 100 bytes": {ModuleBytes: 100},
		"expected bodies of at most 3 bytes":   {FunctionBytes: 3},
		"memory: expected at most 1000 bytes":  {MemoryBytes: 1000},
	}
	for want, l := range tests {
		_, err := NewRuntime(Config{Limits: l}).Load(Source{Name: "x", Wasm: wasm})
		wantError(t, err, Refused, "", want)
		_, err = NewRuntime(Config{}).Load(Source{Name: "x", Wasm: wasm, Limits: &l})
		wantError(t, err, Refused, "", want)
	}
}

func TestLoadDoesNotCompile(t *testing.T) {
	t.Parallel()
	wasm := breakCode(t, build(t, "bad_code"))
	for _, trusted := range []bool{true, false} {
		p := load(t, newRuntime(t, Config{}), Source{Wasm: wasm, Trusted: trusted})
		if p.compiling != nil || len(p.runtime.workers.live) != 0 {
			t.Fatal("the plugin was compiled when it was loaded")
		}
		pool := p.Pool(nil, nil)
		defer pool.Close()
		for range 2 {
			_, err := pool.Call(context.Background(), abi.Prepare, nil, nil)
			wantError(t, err, Refused, "", "compiling: ")
		}
	}
}

// Truncated and random files must be refused, or fail later with an error.
//
// adversary: A4c, A4d
func TestLoadHostileBytes(t *testing.T) {
	t.Parallel()
	wasm := build(t, "conformance")
	r := newRuntime(t, Config{})
	for n := range wasm {
		if _, err := r.Load(Source{Name: "truncated", Wasm: wasm[:n]}); err == nil {
			t.Fatalf("a file cut to %d of %d bytes was accepted", n, len(wasm))
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		bad := append([]byte(nil), wasm...)
		for range 1 + random.IntN(4) {
			bad[random.IntN(len(bad))] = byte(random.Uint32())
		}
		_, _ = r.Load(Source{Name: "random", Wasm: bad})
	}
}

// What the checks accept of broken files is loaded and called, in a worker.
//
// adversary: A4d
func TestCallHostileBytes(t *testing.T) {
	t.Parallel()
	wasm := build(t, "conformance")
	r := newRuntime(t, Config{Limits: Limits{LoadTime: testTime, HookTime: hookTime}})
	random := rand.New(rand.NewPCG(3, 4))
	for called := 0; called < 40; {
		bad := append([]byte(nil), wasm...)
		for range 1 + random.IntN(3) {
			bad[random.IntN(len(bad))] = byte(random.Uint32())
		}
		p, err := r.Load(Source{Name: "random", Wasm: bad})
		if err != nil {
			continue
		}
		called++
		pool := p.Pool(nil, nil)
		_, err = pool.Call(context.Background(), abi.Prepare, []byte("input"), &fakeHost{})
		var e *Error
		if err != nil && (!errors.As(err, &e) || e.Cause == Process) {
			t.Errorf("%x: %v", bad, err)
		}
		pool.Close()
	}
}

// A module of 64 MiB is refused, whatever it holds.
//
// adversary: A4b
func TestHugeModule(t *testing.T) {
	t.Parallel()
	section := binary.AppendUvarint([]byte{0}, 64<<20)
	huge := append(append([]byte("\x00asm\x01\x00\x00\x00"), section...), make([]byte, 64<<20)...)
	_, err := NewRuntime(Config{}).Load(Source{Name: "huge", Wasm: huge})
	wantError(t, err, Refused, "", "expected a file of at most 33554432 bytes, found 671088")
}

func TestHash(t *testing.T) {
	t.Parallel()
	p := load(t, newRuntime(t, Config{}), Source{Wasm: build(t, "loop")})
	if len(p.Hash()) != 64 || strings.Trim(p.Hash(), "0123456789abcdef") != "" {
		t.Errorf("got %q, want a SHA-256 in hexadecimal", p.Hash())
	}
	if p.Manifest().Name != "guest" {
		t.Errorf("got the manifest %+v", p.Manifest())
	}
}

// The checks know WASI by a list of their own; it must be the runtime's.
func TestWASIList(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	startMu.Lock()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	startMu.Unlock()
	defer r.Close(ctx)
	c, err := wasi_snapshot_preview1.NewBuilder(r).Compile(ctx)
	if err != nil {
		t.Fatal(err)
	}
	theirs := c.ExportedFunctions()
	if len(theirs) == 0 || len(theirs) != len(wasiSignatures()) {
		t.Errorf("the runtime offers %d functions, the list has %d", len(theirs), len(wasiSignatures()))
	}
	for name, def := range theirs {
		f, ok := wasiFunc(name)
		got := signature(f)
		want := signature(abi.Func{Params: convert(def.ParamTypes()), Results: convert(def.ResultTypes())})
		if !ok || got != want {
			t.Errorf("%s: the list has %s (%v), the runtime %s", name, got, ok, want)
		}
	}
}

func convert(types []api.ValueType) (out []abi.ValueType) {
	for _, t := range types {
		out = append(out, abi.ValueType(t))
	}
	return out
}

// Each import of the contract must have a host function, and no others exist.
func TestHostFuncs(t *testing.T) {
	t.Parallel()
	funcs := hostFuncs()
	for _, f := range abi.Imports {
		if funcs[f.Name] == nil {
			t.Errorf("the import %s has no host function", f.Name)
		}
	}
	if len(funcs) != len(abi.Imports) {
		t.Errorf("%d host functions for %d imports", len(funcs), len(abi.Imports))
	}
}

// Every guest text must be used by a test: a guest that nobody runs proves
// nothing.
func TestGuestsAreUsed(t *testing.T) {
	t.Parallel()
	texts, err := filepath.Glob(filepath.Join(guestDir, "*.wat"))
	if err != nil || len(texts) == 0 {
		t.Fatalf("no guests found: %v", err)
	}
	var sources strings.Builder
	tests, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range tests {
		sources.WriteString(readFile(t, name))
	}
	for _, text := range texts {
		name := strings.TrimSuffix(filepath.Base(text), ".wat")
		if !strings.Contains(sources.String(), `"`+name+`"`) {
			t.Errorf("no test uses %s", text)
		}
	}
}

func TestLoadAfterClose(t *testing.T) {
	t.Parallel()
	r := NewRuntime(Config{})
	wasm := build(t, "loop")
	p := load(t, r, Source{Wasm: wasm})
	pool := p.Pool(nil, nil)
	for range 2 {
		if err := r.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Load(Source{Wasm: wasm}); !errors.Is(err, ErrClosed) {
		t.Errorf("loading after Close: %v", err)
	}
	if _, err := pool.Call(context.Background(), abi.Prepare, nil, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("calling after Close: %v", err)
	}
}

// A message is UTF-8 wherever the text in it was cut.
func TestCutKeepsCharactersWhole(t *testing.T) {
	for n := 78; n <= 84; n++ {
		s := strings.Repeat("a", n) + "漢字"
		if got, want := cut(s), s[:min(n, 80)]+"..."; got != want {
			t.Errorf("%q becomes %q, want %q", s, got, want)
		}
	}
}
