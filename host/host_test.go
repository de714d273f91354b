package host_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/host/hosttest"
	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

const (
	testSource = "org.example.test"
	testType   = "org.example.files"
)

// scriptedWasm builds testdata/guests/scripted once per run of the tests.
var scriptedWasm = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "sourcehost-test-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "scripted.wasm")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-buildmode=c-shared", "-o", out, "../testdata/guests/scripted")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the scripted guest: %v\n%s", err, text)
	}
	return os.ReadFile(out)
})

// compileCache keeps the compiled guest for all tests of the package.
var compileCache = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "sourcehost-cache-") })

func TestMain(m *testing.M) {
	host.WorkerMain()
	hosttest.PlainEnvironment()
	code := m.Run()
	if dir, err := compileCache(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// scripted makes a plugin out of the scripted guest with a manifest of its own.
func scripted(t *testing.T, m plugin.Manifest, config string) host.Plugin {
	t.Helper()
	wasm, err := scriptedWasm()
	if err != nil {
		t.Fatal(err)
	}
	m.ABI, m.Version, m.Summary = 1, "1.0.0", "A plugin for tests"
	if m.Name == "" {
		m.Name = "test"
	}
	if m.Config == nil {
		m.Config = json.RawMessage(`{"type":"object"}`)
	}
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	packed, err := plugin.AppendSection(wasm, "sourcehost.plugin", raw)
	if err != nil {
		t.Fatal(err)
	}
	return host.Plugin{Name: m.Name, Wasm: packed, Builtin: true, Config: json.RawMessage(config)}
}

// source is the manifest of a plugin that serves testSource with these hooks.
func source(hooks ...string) plugin.Manifest {
	m := plugin.Manifest{
		Sources: []string{testSource}, Produces: "file", ContentType: testType,
		Schema:       json.RawMessage(`{"properties":{"items":{"type":"object"},"options":{"type":"object"}},"required":["items"]}`),
		Capabilities: []plugin.Capability{{Name: "download", Values: []string{"*"}, Reason: "to fetch items"}},
	}
	for _, h := range append(hooks, "fetch_one") {
		m.Hooks = append(m.Hooks, abi.Hook(h))
	}
	return m
}

// preparer is the manifest of a plugin that is chained in front of others.
func preparer(name string, caps ...plugin.Capability) plugin.Manifest {
	return plugin.Manifest{Name: name, Hooks: []abi.Hook{"prepare"}, Capabilities: caps}
}

// newHost makes a host with plugins; change may adapt its configuration.
func newHost(t *testing.T, change func(*host.Config), plugins ...host.Plugin) *host.Host {
	t.Helper()
	cfg := testConfig(t, change, plugins...)
	h, err := host.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

func testConfig(t *testing.T, change func(*host.Config), plugins ...host.Plugin) host.Config {
	t.Helper()
	cache, err := compileCache()
	if err != nil {
		t.Fatal(err)
	}
	cfg := host.Config{
		Plugins: plugins, CacheDir: cache, Workers: 4,
		Environ: func(string) (string, bool) { return "", false },
	}
	// With the race detector, on a busy machine, compiling takes half a minute.
	cfg.Limits.LoadTime, cfg.Limits.HookTime = 2*patience, 2*patience
	cfg.Download.MaxAttempts = 2
	cfg.Download.BackoffBase = time.Millisecond
	if change != nil {
		change(&cfg)
	}
	return cfg
}

// run runs a request for testSource and fails the test when Run does.
func run(t *testing.T, h *host.Host, dir string, items []host.Item) *host.Result {
	t.Helper()
	res, err := h.Run(t.Context(), host.Request{Source: testSource, Items: items, Store: dir})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// files serves content by path and counts the requests.
type files struct {
	*httptest.Server
	mu      sync.Mutex
	content map[string]string
	count   map[string]int
	header  map[string]http.Header
}

func serve(t *testing.T) *files {
	f := &files{content: map[string]string{}, count: map[string]int{}, header: map[string]http.Header{}}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		body, ok := f.content[r.URL.Path]
		f.count[r.URL.Path]++
		f.header[r.URL.Path] = r.Header.Clone()
		f.mu.Unlock()
		if !ok {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, body)
	}))
	t.Cleanup(f.Close)
	return f
}

// add makes a file and returns the item that stands for it.
func (f *files) add(path, content string) host.Item {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.content[path] = content
	return host.Item{Key: keyOf(content), Desc: json.RawMessage(`"` + f.URL + path + `"`)}
}

func (f *files) requests(path string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count[path]
}

func (f *files) sent(path, name string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.header[path].Get(name)
}

func keyOf(content string) string {
	sum := sha256.Sum256([]byte(content))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// many makes n files and their items.
func (f *files) many(n int) []host.Item {
	items := make([]host.Item, n)
	for i := range items {
		items[i] = f.add(fmt.Sprintf("/file-%d", i), fmt.Sprintf("content %d", i))
	}
	return items
}

// wantStates compares the states of a result, in order.
func wantStates(t *testing.T, res *host.Result, want ...host.State) {
	t.Helper()
	var got []host.State
	for _, it := range res.Items {
		got = append(got, it.State)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("states are %v, want %v", got, want)
		for _, it := range res.Failed() {
			t.Logf("failed: %v", it.Err)
		}
	}
}

// wantError checks kind and text of a failed item.
func wantError(t *testing.T, it host.ItemResult, kind string, parts ...string) {
	t.Helper()
	if it.State != host.Failed || it.Err == nil {
		t.Fatalf("item %s is %s, want failed", it.Key, it.State)
	}
	if string(it.Err.Kind) != kind {
		t.Errorf("kind is %q, want %q: %v", it.Err.Kind, kind, it.Err)
	}
	if it.Err.Key != it.Key || !strings.HasPrefix(it.Err.Error(), it.Key[:7]) {
		t.Errorf("the error does not name its item: %v", it.Err)
	}
	for _, p := range parts {
		if !strings.Contains(it.Err.Error(), p) {
			t.Errorf("the error lacks %q: %v", p, it.Err)
		}
	}
}

// entries lists the names in the store's content folder, hidden ones left out.
func entries(t *testing.T, dir string) []string {
	t.Helper()
	list, err := os.ReadDir(filepath.Join(dir, testType))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range list {
		if !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names
}

// logTo collects the host's log.
func logTo(buf *lockedBuffer) func(*host.Config) {
	return func(c *host.Config) {
		c.Logger = slog.New(slog.NewTextHandler(buf, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// patience is how long anything may take before a test gives up: a plugin may have to be
// built and compiled first.
const patience = 5 * time.Minute

// within fails the test when fn takes longer than limit.
func within(t *testing.T, limit time.Duration, fn func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); fn() }()
	select {
	case <-done:
	case <-time.After(limit):
		t.Fatalf("not done after %v", limit)
	}
}
