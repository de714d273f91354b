package guest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

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

// BenchmarkTerminationChecks is a page of 256 items in this process, with and without
// the checks that let the runtime stop a guest, which nothing here uses.
func BenchmarkTerminationChecks(b *testing.B) {
	wasm := goGuest(b)
	for _, checks := range []bool{true, false} {
		b.Run(fmt.Sprintf("checks=%v", checks), func(b *testing.B) {
			p := load(b, newRuntime(b, Config{}), Source{Wasm: wasm, Trusted: true})
			ctx := context.Background()
			e := &engine{unused: make(chan struct{}), runtime: wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCloseOnContextDone(checks))}
			defer e.free()
			if _, err := wasi_snapshot_preview1.Instantiate(ctx, e.runtime); err != nil {
				b.Fatal(err)
			}
			if err := errors.Join(instantiateImports(ctx, e.runtime), e.compile(ctx, codeOf(p.src.Wasm, p.module, p.limits.TableEntries))); err != nil {
				b.Fatal(err)
			}
			in, err := newInstance(ctx, p, e, nil)
			if err != nil {
				b.Fatal(err)
			}
			defer in.close()
			input := page(256)
			defer cpuTime(b)()
			for b.Loop() {
				if _, err := in.call(ctx, abi.Prepare, input, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
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
