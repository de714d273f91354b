package guest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A process that has read its plugin from the cache gives the use of files up before
// any of the plugin's code runs: the kernel counts one filter more than Enter installs.
func TestWorkersAreSealed(t *testing.T) {
	own := filters(t, os.Getpid())
	pool := load(t, newRuntime(t, Config{CacheDir: filepath.Join(t.TempDir(), "cache")}), Source{Wasm: build(t, "counter")}).Pool(nil, nil)
	defer pool.Close()
	if err := pool.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	if n := filters(t, theWorker(t, pool)); n != own+2 {
		t.Errorf("a worker has %d filters and this process %d, want two more", n, own)
	}
}

// filters is how many filters of system calls a process has.
func filters(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, row, found := strings.Cut(string(text), "\nSeccomp_filters:")
	if !found {
		t.Skip("this kernel does not tell how many filters a process has (Linux 5.9 does)")
	}
	var n int
	if _, err := fmt.Sscan(row, &n); err != nil {
		t.Fatal(err)
	}
	return n
}
