package store

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestCrash kills a process that stages and commits at many points: every second
// time at one of its disk operations, otherwise after a random time. After each
// kill every entry must match its key; then a new run must complete the store.
//
// adversary: C1b
func TestCrash(t *testing.T) {
	const seed = 42
	random := rand.New(rand.NewPCG(seed, uint64(time.Now().UnixNano())))
	j := job{Seed: seed, Small: 20, Large: 2, Umask: 0o077}
	ops := j.countOps(t)
	kills, resumed := 0, 0
	for point := 0; kills < *crashPoints; point++ {
		if point > 20**crashPoints {
			t.Fatalf("only %d of %d processes could be killed in time", kills, point)
		}
		j.Dir = t.TempDir()
		j.KillAt = 0
		exact := point%2 == 0
		if exact {
			j.KillAt, j.KillAfter = 1+random.Int64N(ops), point%4 == 0
		}
		c := start(t, j)
		if !exact { // with an exact point the process may be dead by now
			c.ready(t)
			time.Sleep(time.Duration(random.Int64N(int64(30 * time.Millisecond))))
			_ = c.cmd.Process.Kill()
		}
		if killed(c.wait()) {
			kills++
		}
		resumed += checkCrashed(t, j)
		if t.Failed() {
			t.Fatalf("after point %d: %+v", point, j)
		}
	}
	t.Logf("%d kills; %d partials were there to go on with", kills, resumed)
	if resumed == 0 && *crashPoints >= 50 {
		t.Error("no kill left a partial: the test does not reach what it should")
	}
}

// countOps returns how many disk operations a run of the job makes.
func (j job) countOps(t *testing.T) int64 {
	counter := &killer{}
	_, f := openStore(t, t.TempDir(), counter)
	if err := j.store(f); err != nil {
		t.Fatal(err)
	}
	return counter.n.Load()
}

// checkCrashed looks at what a killed run has left, then completes it. It returns
// how many partials there were to go on with.
func checkCrashed(t *testing.T, j job) int {
	_, f := openStore(t, j.Dir, kernel{})
	verifyAll(t, f)
	if err := f.Clean(t.Context()); err != nil {
		t.Error(err)
	}
	partials := 0
	for _, name := range staged(t, f) {
		switch info, err := os.Lstat(stagedPath(f, name)); {
		case err != nil:
			t.Error(err)
		case strings.HasSuffix(name, partSuffix) && info.Size() >= resumeMin:
			partials++
		case !strings.HasSuffix(name, resumeSuffix):
			t.Errorf("staging of the dead run is still there: %s, %d bytes", name, info.Size())
		}
	}
	if err := j.store(f); err != nil {
		t.Error(err)
	}
	wantNothingStaged(t, f)
	noneNew(t, f.content.path)
	wantMode(t, f.staging.path, os.ModeDir|folderMode)
	if n := verifyAll(t, f); n != j.Small+j.Large {
		t.Errorf("the completed store has %d entries, want %d", n, j.Small+j.Large)
	}
	return partials
}

// verifyAll verifies every entry in the folder and returns how many there are.
func verifyAll(t *testing.T, f *Files) int {
	t.Helper()
	entries, err := os.ReadDir(f.content.path)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range entries {
		if e.Name() == stagingName || e.Name() == newPrefix+stagingName {
			continue
		}
		n++
		wantEntry(t, f, mustKey(t, e.Name()))
	}
	return n
}

// TestTwoProcesses lets processes and goroutines want the same items: each is
// produced once, and all succeed.
//
// adversary: C4
func TestTwoProcesses(t *testing.T) {
	j := job{Dir: t.TempDir(), Seed: 7, Small: 30, Large: 2, Twice: true, Slow: 2 * time.Millisecond}
	j.Log = filepath.Join(t.TempDir(), "produced")
	children := []*child{start(t, j), start(t, j), start(t, j)}
	for _, c := range children {
		if err := c.wait(); err != nil {
			t.Error(err)
		}
	}
	data, err := os.ReadFile(j.Log)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(data))
	slices.Sort(lines)
	if len(lines) != j.Small+j.Large || len(slices.Compact(lines)) != len(lines) {
		t.Errorf("%d items were produced %d times", j.Small+j.Large, len(lines))
	}
	_, f := openStore(t, j.Dir, kernel{})
	if n := verifyAll(t, f); n != j.Small+j.Large {
		t.Errorf("%d entries, want %d", n, j.Small+j.Large)
	}
	wantNothingStaged(t, f)
}

// TestTakeOver kills the process that has an item while another one waits for it.
//
// adversary: C1b
func TestTakeOver(t *testing.T) {
	j := job{Dir: t.TempDir(), Seed: 9, Large: 1, Slow: time.Hour, Log: filepath.Join(t.TempDir(), "produced")}
	c := start(t, j)
	c.ready(t)
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if data, _ := os.ReadFile(j.Log); bytes.HasSuffix(data, []byte("\n")) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the child stages nothing")
		}
	}
	_, f := openStore(t, j.Dir, kernel{})
	data := j.items()[0]
	if err := f.Clean(t.Context()); err != nil || len(staged(t, f)) != 1 {
		t.Fatalf("cleaning touched what another process stages: %v, %v", staged(t, f), err)
	}
	done := make(chan error)
	go func() { done <- job{}.produce(f, data) }()
	select {
	case err := <-done:
		t.Errorf("did not wait for the other process: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	_ = c.cmd.Process.Kill()
	if err := c.wait(); !killed(err) {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	wantEntry(t, f, MD5.key(data))
	wantNothingStaged(t, f)
}

// TestUmask checks the modes of what a process with umask 077 makes.
//
// adversary: C11
func TestUmask(t *testing.T) {
	dir := t.TempDir()
	j := job{Dir: filepath.Join(dir, "a", "b"), Seed: 3, Small: 2, Large: 1, Umask: 0o077}
	c := start(t, j)
	if err := c.wait(); err != nil {
		t.Fatal(err)
	}
	_, f := openStore(t, j.Dir, kernel{})
	for _, data := range j.items() {
		wantMode(t, entryPath(f, MD5.key(data)), fileMode)
	}
	for _, sub := range []string{"a", "a/b", "a/b/" + contentType, "a/b/" + contentType + "/" + stagingName} {
		wantMode(t, filepath.Join(dir, sub), os.ModeDir|folderMode)
	}
}
