package host_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sourcehost/sourcehost/host"
)

// kept is what a process has that could be left behind.
type kept struct{ files, goroutines, children, temporary int }

func (k kept) String() string {
	return fmt.Sprintf("%d open files, %d goroutines, %d children, %d temporary files", k.files, k.goroutines, k.children, k.temporary)
}

// keeps counts what this process has, and what is in the folder for temporary files.
func keeps(t *testing.T, tmp string) (k kept) {
	t.Helper()
	count := func(dir string) int {
		names, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	k.files, k.goroutines, k.temporary = count("/proc/self/fd"), runtime.NumGoroutine(), count(tmp)
	tasks, _ := filepath.Glob("/proc/self/task/*/children")
	for _, task := range tasks {
		list, _ := os.ReadFile(task) // a thread may end meanwhile
		k.children += len(strings.Fields(string(list)))
	}
	return k
}

// settled counts again and again until no more is there than before, or until it
// takes too long: idle connections and processes end by themselves.
func settled(t *testing.T, tmp string, before kept) kept {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		k := keeps(t, tmp)
		if k.files <= before.files && k.goroutines <= before.goroutines && k.children <= before.children && k.temporary <= before.temporary || time.Now().After(end) {
			return k
		}
	}
}

// steady counts until nothing has changed for a while.
func steady(t *testing.T, tmp string) (k kept) {
	t.Helper()
	k = keeps(t, tmp)
	for same := 0; same < 10; same++ {
		time.Sleep(20 * time.Millisecond)
		if next := keeps(t, tmp); next != k {
			k, same = next, 0
		}
	}
	return k
}

// TestNothingIsLeft uses one host fifty times, with runs that succeed, fail, trap
// and are given up, a plugin in a process of its own among them, and counts before
// and after. Once the host is closed, nothing at all is left.
//
// adversary: A14e
func TestNothingIsLeft(t *testing.T) {
	if _, err := compileCache(); err != nil { // made before anything is counted
		t.Fatal(err)
	}
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	srv := serve(t)
	defer srv.CloseClientConnections()
	good := srv.many(6)
	items := append(good, host.Item{Key: keyOf("nowhere"), Desc: []byte(quoted(srv.URL + "/nowhere"))},
		host.Item{Key: keyOf("wrong"), Desc: []byte(quoted(srv.URL + "/file-1"))})
	foreign := scripted(t, preparer("foreign"), `{"prepare":{"trap_on":"`+good[5].Key+`"}}`)
	foreign.Builtin = false
	start := keeps(t, tmp)
	h, err := host.New(testConfig(t, func(c *host.Config) { c.Prepare = map[string][]string{testSource: {"foreign"}} }, scripted(t, source(), "{}"), foreign))
	if err != nil {
		t.Fatal(err)
	}
	store := t.TempDir()
	use := func(n int) {
		some, failed := items, 3
		if n%10 != 0 { // leave out the one that ends the plugin's process
			some, failed = append(slices.Clone(items[:5]), items[6:]...), 2
		}
		res, err := h.Run(t.Context(), host.Request{Source: testSource, Items: some, Store: filepath.Join(store, fmt.Sprint(n%3)), Verify: n%5 == 0})
		if err != nil {
			t.Fatal(err)
		}
		if c := res.Counts(); c.Fetched+c.Cached != 5 || c.Failed != failed {
			t.Fatalf("run %d: %+v", n, c)
		}
	}
	for n := range 3 {
		use(n)
	}
	// An idle connection of the client is a file and two goroutines here, and as
	// many at the server, which is in this process too.
	srv.CloseClientConnections()
	first := steady(t, tmp)
	for n := range 50 {
		use(n)
	}
	srv.CloseClientConnections()
	if k := settled(t, tmp, first); k.files > first.files || k.goroutines > first.goroutines || k.children > first.children || k.temporary > first.temporary {
		t.Errorf("after 3 runs: %v; after 50 more: %v", first, k)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	srv.CloseClientConnections()
	if k := settled(t, tmp, start); k.files > start.files || k.goroutines > start.goroutines || k.children > start.children || k.temporary > 0 {
		t.Errorf("before: %v; when the host is closed: %v\n%s", start, k, stacks())
	}
}

// stacks shows what all goroutines do.
func stacks() string {
	buf := make([]byte, 1<<20)
	return string(buf[:runtime.Stack(buf, true)])
}
