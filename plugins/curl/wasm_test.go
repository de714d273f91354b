//go:build !wasip1

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sourcehost/sourcehost/host/guest"
	"github.com/sourcehost/sourcehost/internal/abi"
	pluginfile "github.com/sourcehost/sourcehost/internal/plugin"
	"github.com/sourcehost/sourcehost/sdk"
	"github.com/sourcehost/sourcehost/sdk/sdktest"
)

// manifestItems is about the number of items of the largest manifest known.
const manifestItems = 2000

// built returns this plugin as wasm with its manifest, built once.
var built = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "curl-plugin-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "curl.wasm")
	// Reading the SDK's wasm-only file makes it an input of these tests, for go
	// test's cache; the rest is part of this test's own program.
	if _, err := os.ReadFile("../../sdk/wasm.go"); err != nil {
		return nil, err
	}
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-buildmode=c-shared", "-o", file, ".")
	cmd.Env = append(cmd.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %w\n%s", err, out)
	}
	wasm, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	manifest, err := os.ReadFile("plugin.json")
	if err != nil {
		return nil, err
	}
	return pluginfile.AppendSection(wasm, abi.ManifestSection, manifest)
})

// pool loads the plugin as the host loads a built-in one.
func pool(tb testing.TB) *guest.Pool {
	tb.Helper()
	wasm, err := built()
	if err != nil {
		tb.Fatal(err)
	}
	rt := guest.NewRuntime(guest.Config{})
	tb.Cleanup(func() {
		if err := rt.Close(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	p, err := rt.Load(guest.Source{Name: "curl", Wasm: wasm, Trusted: true})
	if err != nil {
		tb.Fatal(err)
	}
	pool := p.Pool(nil, nil)
	tb.Cleanup(pool.Close)
	return pool
}

// fakeCaller lets the SDK's fake host answer a wasm instance.
type fakeCaller struct{ *sdktest.Host }

func (c fakeCaller) Call(_ context.Context, op string, req []byte) (abi.Status, []byte) {
	return c.Host.Call(op, req)
}

// TestWasmDoesWhatGoDoes runs the same page through the plugin as built for
// wasm and as part of this test.
func TestWasmDoesWhatGoDoes(t *testing.T) {
	page := abi.Page{Source: "org.osbuild.curl", Items: []abi.Item{
		{Key: "sha256:1", Desc: []byte(`"http://a/b"`)},
		{Key: "sha256:2", Desc: []byte(`{"url":"https://two.example/repo/a","secrets":{"name":"org.osbuild.rhsm"}}`)},
		{Key: "sha256:3", Desc: []byte(`{"url":"https://a/\u00fc","insecure":true,"secrets":{"name":"org.osbuild.mtls"}}`)},
		{Key: "sha256:4", Desc: []byte(`{"urls":["http://m/b","http://a/b"],"headers":[{"name":"A","secret":"s","prefix":"p"}]}`)},
		{Key: "sha256:5", Desc: []byte(`{}`)},
	}}
	input := page.Append(nil)
	instance := pool(t)
	for _, hook := range []abi.Hook{abi.Prepare, abi.FetchOne} {
		native, viaWasm := hostAt(t, "host"), hostAt(t, "host")
		want, failed := sdk.NewRunner(newPlugin(), native).Run(hook, input)
		if failed != nil {
			t.Fatal(failed)
		}
		got, err := instance.Call(context.Background(), hook, input, fakeCaller{viaWasm})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) || len(want) == 0 {
			t.Errorf("%s:\n wasm %s\n  go %s", hook, got, want)
		}
		if diff := cmp.Diff(native.Downloads, viaWasm.Downloads); diff != "" {
			t.Errorf("%s: downloads (-go +wasm)\n%s", hook, diff)
		}
		if diff := cmp.Diff(native.Calls, viaWasm.Calls); diff != "" && hook == abi.Prepare {
			t.Errorf("%s: calls (-go +wasm)\n%s", hook, diff)
		}
	}
}

// pages returns n items as pages of the default size.
func pages(n int, desc string) [][]byte {
	var list [][]byte
	for start := 0; start < n; start += abi.DefaultPageItems {
		p := abi.Page{Source: "org.osbuild.curl"}
		for i := start; i < min(start+abi.DefaultPageItems, n); i++ {
			url := fmt.Sprintf("https://mirror.example/fedora/releases/39/Everything/x86_64/os/Packages/p/package-%d-1.2.3-4.fc39.x86_64.rpm", i)
			p.Items = append(p.Items, abi.Item{Key: fmt.Sprintf("sha256:%064x", i), Desc: []byte(strings.ReplaceAll(desc, "URL", url))})
		}
		list = append(list, p.Append(nil))
	}
	return list
}

// acceptor accepts downloads as the host does, and answers for the rest from a
// fake host.
type acceptor struct {
	*sdktest.Host
	accepted int
}

func (a *acceptor) Call(_ context.Context, op string, req []byte) (abi.Status, []byte) {
	if op != abi.OpDownload {
		return a.Host.Call(op, req)
	}
	if _, err := abi.DecodeDownload(req); err != nil {
		return abi.Invalid, nil
	}
	a.accepted++
	return abi.OK, nil
}

var benchDescs = map[string]string{
	"plain": `{"url":"URL"}`,
	"rhsm":  `{"url":"URL","secrets":{"name":"org.osbuild.rhsm"}}`,
}

// BenchmarkManifestWasm passes a whole manifest through both hooks of an
// instance that is there already, as a second page meets it.
func BenchmarkManifestWasm(b *testing.B) {
	for name, desc := range benchDescs {
		b.Run(name, func(b *testing.B) {
			instance, inputs := pool(b), pages(manifestItems, desc)
			c := &acceptor{Host: &sdktest.Host{FS: os.DirFS("testdata/host")}}
			call := func(hook abi.Hook, in []byte) []byte {
				out, err := instance.Call(context.Background(), hook, in, c)
				if err != nil {
					b.Fatal(err)
				}
				return out
			}
			preparedInputs := make([][]byte, len(inputs))
			for i, in := range inputs {
				preparedInputs[i] = applied(b, in, call(abi.Prepare, in))
			}
			through := func() {
				for i, in := range inputs {
					call(abi.Prepare, in)
					call(abi.FetchOne, preparedInputs[i])
				}
			}
			through()
			if c.accepted != manifestItems {
				b.Fatalf("%d downloads for %d items", c.accepted, manifestItems)
			}
			start := cpuTime(b)
			for b.Loop() {
				through()
			}
			b.ReportMetric((cpuTime(b)-start).Seconds()*1000/float64(b.N), "cpu-ms/op")
		})
	}
}

// cpuTime is what this process has used, which other processes change less than
// the time that passes.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// applied returns a page with the descriptions that prepare returned.
func applied(b *testing.B, in, output []byte) []byte {
	page, err := abi.DecodePage(in)
	if err != nil {
		b.Fatal(err)
	}
	out, err := abi.DecodeOutput(output)
	if err != nil {
		b.Fatal(err)
	}
	for i, o := range out.Items {
		if page.Items[i].Key != o.Key || o.Desc == nil {
			b.Fatalf("item %d: outcome %+v", i, o)
		}
		page.Items[i].Desc = o.Desc
	}
	return page.Append(nil)
}

// BenchmarkPageNative passes one page through both hooks without wasm.
func BenchmarkPageNative(b *testing.B) {
	for name, desc := range benchDescs {
		b.Run(name, func(b *testing.B) {
			in := pages(abi.DefaultPageItems, desc)[0]
			c := &acceptor{Host: &sdktest.Host{FS: os.DirFS("testdata/host")}}
			run := sdk.NewRunner(newPlugin(), nativeHost{c})
			b.ReportAllocs()
			for b.Loop() {
				for _, hook := range []abi.Hook{abi.Prepare, abi.FetchOne} {
					if _, err := run.Run(hook, in); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// nativeHost is an acceptor without the context.
type nativeHost struct{ *acceptor }

func (h nativeHost) Call(op string, req []byte) (abi.Status, []byte) {
	return h.acceptor.Call(context.Background(), op, req)
}
