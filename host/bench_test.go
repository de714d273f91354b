package host_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/internal/builtin"
)

// curlHost is a host with the built-in plugins as the program has them.
func curlHost(tb testing.TB) *host.Host {
	tb.Helper()
	embedded, err := builtin.Plugins()
	if err != nil {
		tb.Fatal(err)
	}
	cache, err := compileCache()
	if err != nil {
		tb.Fatal(err)
	}
	cfg := host.Config{CacheDir: cache}
	for _, p := range embedded {
		cfg.Plugins = append(cfg.Plugins, host.Plugin{Name: p.Name, Wasm: p.Wasm, Builtin: true})
	}
	h, err := host.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { h.Close() })
	return h
}

const curlSource = "org.osbuild.curl"

// BenchmarkHooks passes 2,000 items of org.osbuild.curl through validation and
// all hooks, and downloads nothing: what the plugin machinery costs a run whose
// plugin is compiled already.
func BenchmarkHooks(b *testing.B) {
	h := curlHost(b)
	items := make([]host.Item, 2000)
	for i := range items {
		items[i] = host.Item{
			Key:  keyOf(fmt.Sprint(i)),
			Desc: json.RawMessage(fmt.Sprintf(`{"url":"https://mirror.example/Packages/a/package-%d-1.fc39.x86_64.rpm"}`, i)),
		}
	}
	req := host.Request{Source: curlSource, Items: items, Store: filepath.Join(b.TempDir(), "none"), DryRun: true}
	once := func() {
		res, err := h.Run(b.Context(), req)
		if err != nil || res.Counts().Planned != len(items) {
			b.Fatalf("%+v, %v", res.Counts(), err)
		}
	}
	once() // compiles the plugin
	for b.Loop() {
		once()
	}
}

// BenchmarkCached runs 2,000 items that are all in the store.
func BenchmarkCached(b *testing.B) {
	h, items, dir := stored(b, 2000)
	req := host.Request{Source: curlSource, Items: items, Store: dir, Checked: true}
	for b.Loop() {
		res, err := h.Run(b.Context(), req)
		if err != nil || res.Counts().Cached != len(items) {
			b.Fatalf("%+v, %v", res.Counts(), err)
		}
	}
}

// BenchmarkSmallFiles fetches 500 files of 20 kB into a new store each time.
func BenchmarkSmallFiles(b *testing.B) {
	h, items, _ := stored(b, 500)
	for b.Loop() {
		res, err := h.Run(b.Context(), host.Request{Source: curlSource, Items: items, Store: b.TempDir(), Checked: true})
		if err != nil || res.Counts().Fetched != len(items) {
			b.Fatalf("%+v, %v", res.Counts(), err)
		}
	}
}

// stored serves n files of 20 kB and fetches them once.
func stored(b testing.TB, n int) (*host.Host, []host.Item, string) {
	b.Helper()
	pad := strings.Repeat("x", 20_000)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.URL.Path, pad)
	}))
	b.Cleanup(srv.Close)
	items := make([]host.Item, n)
	for i := range items {
		path := fmt.Sprintf("/%d", i)
		items[i] = host.Item{Key: keyOf(path + pad), Desc: json.RawMessage(`"` + srv.URL + path + `"`)}
	}
	h, dir := curlHost(b), b.TempDir()
	res, err := h.Run(b.Context(), host.Request{Source: curlSource, Items: items, Store: dir})
	if err != nil || res.Counts().Fetched != n {
		b.Fatalf("%+v, %v", res.Counts(), err)
	}
	return h, items, dir
}
