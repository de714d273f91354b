package guest

import (
	"context"
	"testing"

	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

// FuzzModule holds the module reader and the checks against hostile files, and
// codeOf against what they accept.
func FuzzModule(f *testing.F) {
	for _, name := range []string{"conformance", "table_bomb", "big_table", "start", "import_memory"} {
		f.Add(assemble(f, name))
	}
	f.Add([]byte("\x00asm\x01\x00\x00\x00\x04\x0a\x02\x70\x01\x05\x06\x6f\x00\x80\x80\x01"))
	man := &plugin.Manifest{Hooks: []abi.Hook{abi.Prepare}}
	limits := Limits{}.withDefaults(Limits{})
	f.Fuzz(func(t *testing.T, wasm []byte) {
		m, err := readModule(wasm)
		if err != nil {
			return
		}
		_ = checkModule(m, man, limits)
		clamped := codeOf(wasm, m, limits.TableEntries)
		again, err := readModule(clamped)
		if err != nil {
			t.Fatalf("a module with bounded tables is not readable: %v", err)
		}
		if len(again.tables) != len(m.tables) || len(again.funcs) != len(m.funcs) || again.largest != m.largest {
			t.Fatalf("bounding the tables changed the module: %+v, was %+v", again, m)
		}
		for i, b := range again.tables {
			if !b.hasMax || b.min != m.tables[i].min || b.elem != m.tables[i].elem {
				t.Fatalf("table %d: %+v, was %+v", i, b, m.tables[i])
			}
		}
	})
}

// FuzzLoad loads and calls whatever the checks accept: nothing may panic, and a
// call ends.
func FuzzLoad(f *testing.F) {
	f.Add(build(f, "counter"))
	f.Add(build(f, "trap"))
	f.Add(build(f, "conformance"))
	f.Fuzz(func(t *testing.T, wasm []byte) {
		limits := Limits{LoadTime: hookTime, HookTime: hookTime, MemoryBytes: 4 << 20, TableEntries: 1000}
		r := NewRuntime(Config{Limits: limits})
		defer r.Close(context.Background())
		p, err := r.Load(Source{Name: "fuzz", Wasm: wasm})
		if err != nil {
			return
		}
		pool := p.Pool(nil, nil)
		defer pool.Close()
		for _, h := range p.Manifest().Hooks {
			_, _ = pool.Call(context.Background(), h, []byte("{}"), nil)
		}
	})
}
