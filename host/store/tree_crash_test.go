package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// runTrees is what a child process does that stores folders: two parts of each entry.
func (j job) runTrees(s *Store) error {
	trees, err := s.Trees(treeType)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	if err := trees.Clean(context.Background()); err != nil {
		return err
	}
	return j.storeTrees(trees)
}

func (j job) storeTrees(trees *Trees) error {
	for i := range j.Small {
		seed := j.Seed + uint64(10*i)
		for _, part := range []string{PartImage, PartArchive} {
			err := j.makeTree(trees, SHA256.key(content(seed, 10)), part, seed)
			if err != nil && !errors.Is(err, ErrExists) {
				return err
			}
		}
	}
	return nil
}

func (j job) makeTree(trees *Trees, key Key, part string, seed uint64) error {
	s, err := trees.Stage(context.Background(), key, part)
	if err != nil {
		return err
	}
	defer s.Close()
	if j.Log != "" {
		if err := appendLine(j.Log, key.String()+part); err != nil {
			return err
		}
	}
	time.Sleep(j.Slow)
	if err := fillTree(s.Dir(), treeContent(seed, part)); err != nil {
		return err
	}
	return s.Commit(context.Background())
}

// TestTreeCrash kills a process at its disk operations, and at random times. After
// each kill every part that has a name must be whole; then a new run completes all.
//
// adversary: C1b
func TestTreeCrash(t *testing.T) {
	kills := max(6, *crashPoints/2)
	j := job{Seed: 77, Small: 2, Trees: true}
	counter := &killer{}
	if err := j.storeTrees(openTrees(t, t.TempDir(), counter)); err != nil {
		t.Fatal(err)
	}
	ops := counter.n.Load()
	for point := range kills {
		j.Dir = t.TempDir()
		j.KillAt, j.KillAfter = 1+int64(point)*ops/int64(kills), point%2 == 0
		if point%6 == 5 {
			j.KillAt = 0
		}
		c := start(t, j)
		if j.KillAt == 0 {
			c.ready(t)
			time.Sleep(time.Duration(rand.Int64N(int64(10 * time.Millisecond))))
			_ = c.cmd.Process.Kill()
		}
		if err := c.wait(); j.KillAt != 0 && !killed(err) {
			t.Errorf("point %d: %v", point, err)
		}
		trees := openTrees(t, j.Dir, kernel{})
		j.checkTrees(t, trees)
		if err := trees.Clean(t.Context()); err != nil {
			t.Error(err)
		}
		wantNothingStaged(t, trees.files)
		if err := j.storeTrees(trees); err != nil {
			t.Error(err)
		}
		if n := j.checkTrees(t, trees); n != 2*j.Small {
			t.Errorf("the completed store has %d parts, want %d", n, 2*j.Small)
		}
		if t.Failed() {
			t.Fatalf("after %+v", j)
		}
	}
	t.Logf("%d kills", kills)
}

// checkTrees checks everything in the content folder and returns how many parts
// there are.
func (j job) checkTrees(t *testing.T, trees *Trees) int {
	t.Helper()
	seeds := map[string]uint64{}
	for i := range j.Small {
		seed := j.Seed + uint64(10*i)
		seeds[SHA256.key(content(seed, 10)).String()] = seed
	}
	n := 0
	for _, name := range names(t, trees.files.content.path) {
		if name == stagingName || name == newPrefix+stagingName { // killed while it was made
			continue
		}
		seed, ok := seeds[name]
		parts := names(t, filepath.Join(trees.files.content.path, name))
		if !ok || len(parts) == 0 {
			t.Errorf("%s holds %q", name, parts)
		}
		for _, part := range parts {
			checkTree(t, trees, mustKey(t, name), part, treeContent(seed, part))
			n++
		}
	}
	return n
}

// TestTreeTwoProcesses lets processes want the same entries, under a tight umask.
//
// adversary: C4, C11
func TestTreeTwoProcesses(t *testing.T) {
	j := job{Dir: t.TempDir(), Seed: 5, Small: 6, Trees: true, Umask: 0o077, Slow: 2 * time.Millisecond}
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
	if len(lines) != 2*j.Small || len(slices.Compact(lines)) != 2*j.Small {
		t.Errorf("%d parts were produced %d times", 2*j.Small, len(lines))
	}
	trees := openTrees(t, j.Dir, kernel{})
	if n := j.checkTrees(t, trees); n != 2*j.Small {
		t.Errorf("%d parts, want %d", n, 2*j.Small)
	}
	wantNothingStaged(t, trees.files)
}

// A run can die while it makes the folder of a part, which has another name then.
//
// adversary: C1f
func TestTreeCleanHalfMadeFolder(t *testing.T) {
	trees := openTrees(t, t.TempDir(), kernel{})
	s, err := trees.Stage(t.Context(), SHA256.key([]byte("x")), PartImage)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(s.Dir())
	half, lock := filepath.Join(dir, newPrefix+s.stem()+treeSuffix), filepath.Join(dir, s.stem()+lockSuffix)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Mkdir(half, 0o755), os.WriteFile(lock, nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	if err := trees.Clean(t.Context()); err != nil {
		t.Error(err)
	}
	wantNothingStaged(t, trees.files)
}
