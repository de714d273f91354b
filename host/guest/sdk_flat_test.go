package guest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"testing"

	"github.com/sourcehost/sourcehost/internal/abi"
)

// flatMemory is more than a plugin of the SDK needs for small pages, and
// flatGrowth more than the garbage collector's timing makes of a difference.
const (
	flatMemory = 24 << 20
	flatGrowth = 4 << 20
)

// sdkPlugin builds the curl plugin, which the SDK's calls make up for the most
// part, and returns a pool of one instance.
func sdkPlugin(t *testing.T) *Pool {
	t.Helper()
	// Reading the sources makes them inputs of this test, for go test's cache.
	for _, pattern := range []string{"../../sdk/*.go", "../../plugins/curl/*.go", "../../internal/abi/*.go", "../../internal/rawjson/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, f := range files {
			if _, err := os.ReadFile(f); err != nil {
				t.Fatal(err)
			}
		}
	}
	file := filepath.Join(t.TempDir(), "curl.wasm")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-buildmode=c-shared", "-o", file, "../../plugins/curl")
	cmd.Env = append(cmd.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	wasm, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	packed := pack(t, wasm, []abi.Hook{abi.Prepare, abi.FetchOne}, 1)
	p := load(t, newRuntime(t, Config{}), Source{Name: "curl", Wasm: packed, Trusted: true, Limits: &Limits{MemoryBytes: 4 * flatMemory}})
	pool := p.Pool(nil, nil)
	t.Cleanup(pool.Close)
	return pool
}

// counter accepts every operation and counts.
type counter int

func (c *counter) Call(context.Context, string, []byte) (abi.Status, []byte) {
	*c++
	return abi.OK, nil
}

func (*counter) Log(abi.Level, string) {}

// underRace reports whether the race detector watches, which makes each call of
// the host many times slower and finds nothing new in the guest.
func underRace() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// memoryOf is the size of the linear memory of the pool's only instance.
func memoryOf(t *testing.T, pool *Pool) uint32 {
	t.Helper()
	pool.mu.Lock()
	defer pool.mu.Unlock()
	if len(pool.idle) != 1 {
		t.Fatalf("%d idle instances, want the one that was called", len(pool.idle))
	}
	return pool.idle[0].(*wasmInstance).mod.Memory().Size()
}

// pageOf is a page with n items.
func pageOf(n int) []byte {
	p := abi.Page{Source: "org.osbuild.curl"}
	for i := range n {
		p.Items = append(p.Items, abi.Item{Key: fmt.Sprintf("sha256:%064x", i), Desc: []byte(`{"url":"https://mirror.example/Packages/p/package.rpm"}`)})
	}
	return p.Append(nil)
}

// TestSDKStaysFlat has a plugin that is built with the SDK called until it has
// called the host 100,000 times: what the SDK keeps of a call, or what keeps the
// guest's garbage collector from its work, would show.
func TestSDKStaysFlat(t *testing.T) {
	const perPage = 10
	calls := 100_000
	if testing.Short() || underRace() {
		calls = 20_000
	}
	pool, input, early := sdkPlugin(t), pageOf(perPage), uint32(0)
	var c counter
	for done := 0; done < calls; done += perPage {
		if _, err := pool.Call(t.Context(), abi.FetchOne, input, &c); err != nil {
			t.Fatalf("after %d calls of the host: %v", done, err)
		}
		if done == calls/5 {
			early = memoryOf(t, pool)
		}
	}
	if int(c) != calls {
		t.Errorf("the host was called %d times, want %d", c, calls)
	}
	late := memoryOf(t, pool)
	t.Logf("memory: %d bytes after a fifth of the calls, %d after all", early, late)
	if late > early+flatGrowth || late > flatMemory {
		t.Errorf("the memory grew from %d to %d bytes; want at most %d more, and at most %d", early, late, flatGrowth, flatMemory)
	}
}
