package guest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sourcehost/sourcehost/internal/abi"
)

func fileOf(fd int) *os.File { return os.NewFile(uintptr(fd), "test") }

// held is what a process holds that could be leaked.
type held struct {
	children, descriptors, goroutines, files int
}

func count(t *testing.T, dirs ...string) held {
	t.Helper()
	var h held
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		data, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		f := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
		if f[1] == strconv.Itoa(os.Getpid()) {
			h.children++
		}
	}
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	h.descriptors, h.goroutines = len(fds), runtime.NumGoroutine()
	for _, dir := range dirs {
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		h.files += len(files)
	}
	return h
}

// However a worker ends, nothing is left of it.
//
// adversary: A14e
func TestWorkersLeaveNothing(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	cache := filepath.Join(t.TempDir(), "cache")
	guests := map[string][]byte{}
	for _, name := range []string{"counter", "loop", "trap", "streams", "memory_bomb", "bad_data", "trap_init"} {
		guests[name] = build(t, name)
	}
	use := func() {
		r := NewRuntime(Config{CacheDir: cache, Limits: Limits{HookTime: 50 * time.Millisecond, MemoryBytes: 8 << 20}})
		for name, wasm := range guests {
			pool := load(t, r, Source{Name: name, Wasm: wasm}).Pool(nil, nil)
			_, _ = pool.Call(context.Background(), abi.Prepare, nil, nil)
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
			_, _ = pool.Call(ctx, abi.Prepare, nil, nil)
			cancel()
			if name != "counter" { // closing the runtime must do, too
				pool.Close()
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), testTime)
		defer cancel()
		if err := r.Close(ctx); err != nil {
			t.Error(err)
		}
	}
	use() // what is made once for all time
	before := count(t, tmp)
	for range 3 {
		use()
	}
	var after held
	for end := time.Now().Add(testTime); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if after = count(t, tmp); after.children <= before.children && after.descriptors <= before.descriptors &&
			after.goroutines <= before.goroutines && after.files <= before.files {
			return
		}
	}
	t.Errorf("before: %+v, after: %+v", before, after)
}

const hostOfLoop = "GUEST_TEST_HOST_OF"

// hostLoop is a host whose plugin never ends; it prints the id of its process.
func hostLoop(file string) {
	wasm, err := os.ReadFile(file)
	if err != nil {
		panic(err)
	}
	p, err := NewRuntime(Config{}).Load(Source{Name: "loop", Wasm: wasm})
	if err != nil {
		panic(err)
	}
	pool := p.Pool(nil, nil)
	if err := pool.Start(context.Background()); err != nil {
		panic(err)
	}
	fmt.Println(pool.idle[0].(*worker).proc.Pid)
	_, _ = pool.Call(context.Background(), abi.Prepare, nil, nil)
}

// Workers end with their host, also when it is killed.
//
// adversary: A14d
func TestWorkersEndWithTheirHost(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "loop.wasm")
	if err := os.WriteFile(file, build(t, "loop"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), hostOfLoop+"="+file)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond) // into the loop
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	gone(t, pid)
}
