package guest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sourcehost/sourcehost/internal/abi"
)

// goGuest builds the plugin testdata/guests/page with Go's own toolchain.
func goGuest(b testing.TB) []byte {
	b.Helper()
	out := filepath.Join(b.TempDir(), "page.wasm")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-buildmode=c-shared", "-o", out, "./"+guestDir+"/page")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if msg, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("building a Go guest: %v\n%s", err, msg)
	}
	wasm, err := os.ReadFile(out)
	if err != nil {
		b.Fatal(err)
	}
	return pack(b, wasm, []abi.Hook{abi.Prepare}, 0)
}

func page(items int) []byte {
	p := abi.Page{Source: "org.osbuild.curl"}
	for i := range items {
		p.Items = append(p.Items, abi.Item{
			Key:  fmt.Sprintf("sha256:%064x", i),
			Desc: fmt.Appendf(nil, `{"url":"https://mirror.example.org/pub/fedora/Packages/package-%d.rpm"}`, i),
		})
	}
	return p.Append(nil)
}

func BenchmarkLoad(b *testing.B) {
	wasm := goGuest(b)
	b.SetBytes(int64(len(wasm)))
	defer cpuTime(b)()
	for b.Loop() {
		load(b, NewRuntime(Config{}), Source{Wasm: wasm})
	}
}

// BenchmarkColdCompile is the first use of a plugin on a machine.
func BenchmarkColdCompile(b *testing.B) {
	wasm := goGuest(b)
	defer cpuTime(b)()
	for b.Loop() {
		start(b, Config{CacheDir: filepath.Join(b.TempDir(), "cache")}, wasm)
	}
}

// BenchmarkCachedStart is the first use in a process: loading, reading the
// compiled code, making an instance.
func BenchmarkCachedStart(b *testing.B) {
	wasm := goGuest(b)
	cfg := Config{CacheDir: filepath.Join(b.TempDir(), "cache")}
	start(b, cfg, wasm)
	defer cpuTime(b)()
	for b.Loop() {
		start(b, cfg, wasm)
	}
}

// BenchmarkInstance is a further instance.
func BenchmarkInstance(b *testing.B) {
	r := newRuntime(b, Config{})
	p := load(b, r, Source{Wasm: goGuest(b), Trusted: true})
	startPool(b, p)
	defer cpuTime(b)()
	for b.Loop() {
		startPool(b, p)
	}
}

// BenchmarkHook is one crossing with a page of items, there and back, in a worker
// and in this process. For a worker it tells the memory in use, and the part of it
// that is not shared with other processes.
func BenchmarkHook(b *testing.B) {
	wasm, dir := goGuest(b), filepath.Join(b.TempDir(), "cache")
	for _, worker := range []bool{true, false} {
		for _, items := range []int{0, 256} {
			b.Run(fmt.Sprintf("worker=%v/items=%d", worker, items), func(b *testing.B) {
				p := load(b, newRuntime(b, Config{CacheDir: dir}), Source{Wasm: wasm, Trusted: !worker})
				pool := p.Pool(nil, nil)
				defer pool.Close()
				if err := pool.Start(context.Background()); err != nil {
					b.Fatal(err)
				}
				input := page(items)
				b.SetBytes(int64(len(input)))
				for b.Loop() {
					if _, err := pool.Call(context.Background(), abi.Prepare, input, nil); err != nil {
						b.Fatal(err)
					}
				}
				if worker {
					pid := theWorker(b, pool)
					b.ReportMetric(float64(statusRow(b, pid, "VmRSS"))/(1<<20), "MiB")
					b.ReportMetric(float64(statusRow(b, pid, "RssAnon"))/(1<<20), "MiB-own")
				}
			})
		}
	}
}

// cpuTime reports processor time, which says more than elapsed time on a machine
// that does other things too, that of workers that have ended included. Call its result at the end.
func cpuTime(b *testing.B) func() {
	now := func() time.Duration {
		var total int64
		for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
			var u unix.Rusage
			if err := unix.Getrusage(who, &u); err != nil {
				b.Fatal(err)
			}
			total += u.Utime.Nano() + u.Stime.Nano()
		}
		return time.Duration(total)
	}
	begin := now()
	return func() {
		b.ReportMetric(float64((now()-begin).Microseconds())/1000/float64(b.N), "cpu-ms/op")
	}
}

func start(b *testing.B, cfg Config, wasm []byte) {
	r := NewRuntime(cfg)
	startPool(b, load(b, r, Source{Wasm: wasm, Trusted: true}))
	if err := r.Close(context.Background()); err != nil {
		b.Fatal(err)
	}
}

func startPool(b *testing.B, p *Plugin) {
	pool := p.Pool(nil, nil)
	defer pool.Close()
	if err := pool.Start(context.Background()); err != nil {
		b.Fatal(err)
	}
}
