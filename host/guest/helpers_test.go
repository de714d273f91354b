package guest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

// guestDir holds the guests of the tests, as text.
const guestDir = "../../testdata/guests"

// hookTime is the deadline for guests that never end, loadTime that for modules that
// take long to compile, and testTime what tests wait for anything else.
const (
	hookTime = time.Second
	loadTime = 300 * time.Millisecond
	testTime = 5 * time.Minute
)

// assemble builds a guest of testdata/guests with wat2wasm.
func assemble(t testing.TB, name string) []byte {
	t.Helper()
	tool, err := exec.LookPath("wat2wasm")
	if err != nil {
		const hint = "wat2wasm is missing: install Debian's package wabt"
		if os.Getenv("CI") != "" {
			t.Fatal(hint)
		}
		t.Skip(hint)
	}
	out := filepath.Join(t.TempDir(), name+".wasm")
	cmd := exec.Command(tool, "--debug-names", "-o", out, filepath.Join(guestDir, name+".wat"))
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, msg)
	}
	wasm, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// hooksOf reads the hooks that a guest is to declare from its text.
func hooksOf(t testing.TB, name string) []abi.Hook {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(guestDir, name+".wat"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if list, ok := strings.CutPrefix(line, ";; hooks: "); ok {
			var hooks []abi.Hook
			for _, h := range strings.Fields(list) {
				hooks = append(hooks, abi.Hook(h))
			}
			return hooks
		}
	}
	t.Fatalf("%s.wat has no line that names its hooks", name)
	return nil
}

// pack gives a module a plugin manifest.
func pack(t testing.TB, wasm []byte, hooks []abi.Hook, instances int, requests ...string) []byte {
	t.Helper()
	m := plugin.Manifest{ABI: abi.Version, Name: "guest", Version: "1", Hooks: hooks, MaxInstances: instances}
	for _, name := range requests {
		m.Capabilities = append(m.Capabilities, plugin.Capability{Name: name, Reason: "for tests"})
	}
	if m.Has(abi.FetchOne) {
		m.Produces, m.ContentType = plugin.ProducesFile, "org.osbuild.files"
	}
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	packed, err := plugin.AppendSection(wasm, abi.ManifestSection, data)
	if err != nil {
		t.Fatal(err)
	}
	return packed
}

// build returns a guest of testdata/guests as a plugin, which requests the real time and
// real random numbers.
func build(t testing.TB, name string) []byte {
	t.Helper()
	return pack(t, assemble(t, name), hooksOf(t, name), 0, plugin.CapClock, plugin.CapRandom)
}

// newRuntime makes a runtime whose guests have time, but for what cfg says.
func newRuntime(t testing.TB, cfg Config) *Runtime {
	t.Helper()
	for _, limit := range []*time.Duration{&cfg.Limits.LoadTime, &cfg.Limits.HookTime} {
		if *limit == 0 {
			*limit = testTime
		}
	}
	r := NewRuntime(cfg)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), testTime)
		defer cancel()
		if err := r.Close(ctx); err != nil {
			t.Errorf("closing the runtime: %v", err)
		}
	})
	return r
}

func load(t testing.TB, r *Runtime, src Source) *Plugin {
	t.Helper()
	if src.Name == "" {
		src.Name = "test"
	}
	p, err := r.Load(src)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// poolMaker loads a guest and makes a pool for it.
type poolMaker func(t testing.TB, name string, l Limits) *Pool

// newPool is the poolMaker for plugins in processes of their own.
func newPool(t testing.TB, name string, l Limits) *Pool { return makePool(t, name, l, false) }

func makePool(t testing.TB, name string, l Limits, trusted bool) *Pool {
	t.Helper()
	p := load(t, newRuntime(t, Config{}), Source{Name: name, Wasm: build(t, name), Limits: &l, Trusted: trusted})
	pool := p.Pool(nil, nil)
	t.Cleanup(pool.Close)
	return pool
}

// everywhere runs a test with plugins in this process and in workers.
func everywhere(t *testing.T, test func(*testing.T, poolMaker)) {
	t.Parallel()
	for where, trusted := range map[string]bool{"worker": false, "process": true} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			test(t, func(t testing.TB, name string, l Limits) *Pool { return makePool(t, name, l, trusted) })
		})
	}
}

// fakeHost is a Caller for tests.
type fakeHost struct {
	call func(ctx context.Context, op string, req []byte) (abi.Status, []byte)

	mu    sync.Mutex
	lines []string
	calls int
}

func (h *fakeHost) Call(ctx context.Context, op string, req []byte) (abi.Status, []byte) {
	h.mu.Lock()
	h.calls++
	h.mu.Unlock()
	if h.call == nil {
		return abi.Unsupported, nil
	}
	return h.call(ctx, op, req)
}

func (h *fakeHost) Log(level abi.Level, line string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, fmt.Sprintf("%d %s", level, line))
}

func (h *fakeHost) logged() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.lines...)
}

func (h *fakeHost) called() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.calls
}

// wantError checks an error's type, cause, hook and text.
func wantError(t *testing.T, err error, cause Cause, hook abi.Hook, text string) *Error {
	t.Helper()
	e, ok := err.(*Error)
	if !ok {
		t.Fatalf("got %T %v, want an *Error", err, err)
	}
	if e.Cause != cause || e.Hook != hook || !strings.Contains(e.Error(), text) {
		t.Fatalf("got cause %q in hook %q: %v\nwant cause %q in hook %q: ...%s...", e.Cause, e.Hook, e, cause, hook, text)
	}
	if strings.ContainsAny(e.Error(), "\n") && cause != Refused {
		t.Fatalf("the message has several lines: %q", e.Error())
	}
	return e
}

func mustCall(t *testing.T, p *Pool, hook abi.Hook, input string, c Caller) []byte {
	t.Helper()
	out, err := p.Call(context.Background(), hook, []byte(input), c)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// breakCode replaces the only i32.add of a module by an invalid opcode.
func breakCode(t *testing.T, wasm []byte) []byte {
	t.Helper()
	i := bytes.LastIndex(wasm, []byte{0x41, 1, 0x41, 2, 0x6a})
	if i < 0 {
		t.Fatal("the code to break was not found")
	}
	broken := bytes.Clone(wasm)
	broken[i+4] = 0xff
	return broken
}
func readFile(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
