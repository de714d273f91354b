package guest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/internal/abi"
)

// BenchmarkWorkerStart starts the process of a plugin that was compiled before, up to
// an instance that is ready.
func BenchmarkWorkerStart(b *testing.B) {
	p := load(b, newRuntime(b, Config{CacheDir: filepath.Join(b.TempDir(), "cache")}), Source{Wasm: goGuest(b)})
	startPool(b, p)
	defer cpuTime(b)()
	for b.Loop() {
		startPool(b, p)
	}
}

// BenchmarkWorkerHook is BenchmarkHook in a worker and in this process, and tells how
// much memory the worker has in use.
func BenchmarkWorkerHook(b *testing.B) {
	wasm := goGuest(b)
	dir := filepath.Join(b.TempDir(), "cache")
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
					b.ReportMetric(float64(statusRow(b, theWorker(b, pool), "VmRSS"))/(1<<20), "MiB-worker")
					b.ReportMetric(float64(statusRow(b, theWorker(b, pool), "RssAnon"))/(1<<20), "MiB-worker-alone")
				}
			})
		}
	}
}

// theWorker returns the id of the only idle worker of a pool.
func theWorker(tb testing.TB, p *Pool) int {
	tb.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) != 1 {
		tb.Fatalf("%d instances are idle, want 1", len(p.idle))
	}
	return p.idle[0].(*worker).proc.Pid
}

// statusRow returns a row of what proc_pid_status(5) tells of a process, in bytes.
func statusRow(tb testing.TB, pid int, row string) int {
	tb.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		tb.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == row+":" {
			n, err := strconv.Atoi(f[1])
			if err != nil {
				tb.Fatal(err)
			}
			return n << 10
		}
	}
	tb.Fatalf("no %s in %s", row, text)
	return 0
}
