package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const treeType = "org.osbuild.containers"

func openTrees(t testing.TB, dir string, d disk) *Trees {
	t.Helper()
	s, _ := openStore(t, dir, d)
	trees, err := s.Trees(treeType)
	if err != nil {
		t.Fatal(err)
	}
	return trees
}

func stageTree(t testing.TB, trees *Trees, key Key, part string) *TreeStage {
	t.Helper()
	s, err := trees.Stage(context.Background(), key, part)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// treeContent are the files of a part, by their paths in the stage's folder.
func treeContent(seed uint64, part string) map[string][]byte {
	if part == PartArchive {
		return map[string][]byte{PartArchive: content(seed, 20_000)}
	}
	return map[string][]byte{
		"image/manifest.json": content(seed+1, 700),
		"image/version":       []byte("Directory Transport Version: 1.1\n"),
		"image/blob":          content(seed+2, 50_000),
		"image/sub/empty":     {},
	}
}

// fill makes a part with modes that an entry must not have.
func fillTree(dir string, files map[string][]byte) error {
	for name, data := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o2700); err != nil {
			return err
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			return err
		}
		if err := os.Chmod(path, 0o400|fs.ModeSetuid); err != nil {
			return err
		}
	}
	return nil
}

// checkTree compares a part of an entry with what it must be, modes included.
func checkTree(t testing.TB, trees *Trees, key Key, part string, want map[string][]byte) {
	t.Helper()
	entry := filepath.Join(trees.files.content.path, key.String())
	wantMode(t, entry, os.ModeDir|folderMode)
	found := 0
	err := filepath.WalkDir(filepath.Join(entry, part), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			wantMode(t, path, os.ModeDir|folderMode)
			return nil
		}
		wantMode(t, path, fileMode)
		rel, _ := filepath.Rel(entry, path)
		data, err := os.ReadFile(path)
		if expected, ok := want[rel]; !ok || string(data) != string(expected) {
			t.Errorf("%s is not what was staged", path)
		}
		found++
		return err
	})
	if err != nil || found != len(want) {
		t.Errorf("%s of %s: %d files, want %d; %v", part, key, found, len(want), err)
	}
}

func treeKey(t testing.TB, seed uint64) Key { return keyOf(t, content(seed, 10)) }

func produceTree(ctx context.Context, trees *Trees, key Key, part string, seed uint64) error {
	s, err := trees.Stage(ctx, key, part)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := fillTree(s.Dir(), treeContent(seed, part)); err != nil {
		return err
	}
	return s.Commit(ctx)
}

// TestTreeParts puts both parts into one entry, in either order, each once.
func TestTreeParts(t *testing.T) {
	for _, parts := range [][]string{{PartImage, PartArchive}, {PartArchive, PartImage}} {
		trees := openTrees(t, t.TempDir(), kernel{})
		key, other := treeKey(t, 1), treeKey(t, 2)
		for i, part := range parts {
			s := stageTree(t, trees, key, part)
			wantMode(t, s.Dir(), os.ModeDir|folderMode)
			if got := names(t, s.Dir()); len(got) != 0 {
				t.Errorf("the stage begins with %q", got)
			}
			if err := fillTree(s.Dir(), treeContent(1, part)); err != nil {
				t.Fatal(err)
			}
			if err := s.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := s.Commit(t.Context()); !errors.Is(err, ErrClosed) {
				t.Errorf("second commit: %v", err)
			}
			if _, err := trees.Stage(t.Context(), key, part); !errors.Is(err, ErrExists) {
				t.Errorf("got %v, want ErrExists", err)
			}
			for j, p := range parts {
				got, err := trees.Present([]Key{other, key}, p)
				if want := []bool{false, j <= i}; err != nil || !slices.Equal(got, want) {
					t.Errorf("%s: got %v, %v; want %v", p, got, err, want)
				}
			}
		}
		for _, part := range parts {
			checkTree(t, trees, key, part, treeContent(1, part))
		}
		wantNothingStaged(t, trees.files)
		if got := names(t, trees.files.content.path); len(got) != 2 {
			t.Errorf("the content folder holds %q", got)
		}
	}
}

func TestTreeRefusals(t *testing.T) {
	trees := openTrees(t, t.TempDir(), kernel{})
	key := treeKey(t, 1)
	for _, part := range []string{"", "..", "image/x", "index"} {
		if _, err := trees.Present([]Key{key}, part); err == nil {
			t.Errorf("part %q is accepted", part)
		}
		if _, err := trees.Stage(t.Context(), key, part); err == nil {
			t.Errorf("part %q is accepted", part)
		}
	}
	_, err := trees.Stage(t.Context(), Key{}, PartImage)
	wantErr[*KeyError](t, err)
	outside, check := precious(t)
	for name, plant := range map[string]func(dir string) error{
		"nothing":                   func(string) error { return nil },
		"a link":                    func(d string) error { return os.Symlink(outside, d+"/image") },
		"a link inside":             func(d string) error { return os.Symlink(outside+"/file", d+"/image/x") },
		"a link to a folder inside": func(d string) error { return os.Symlink(outside, d+"/image/x") },
		"a pipe":                    func(d string) error { return mkfifo(d + "/image/x") },
		"a file":                    func(d string) error { return os.WriteFile(d+"/image", nil, 0o600) },
		"something else":            func(d string) error { return os.WriteFile(d+"/other", nil, 0o600) },
		"too deep":                  func(d string) error { return os.MkdirAll(d+"/image"+strings.Repeat("/d", maxTreeDepth), 0o700) },
	} {
		s := stageTree(t, trees, key, PartImage)
		if name != "nothing" && name != "a link" && name != "a file" {
			if err := os.Mkdir(s.Dir()+"/image", 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if err := plant(s.Dir()); err != nil {
			t.Fatal(err)
		}
		err := s.Commit(t.Context())
		if err == nil {
			t.Errorf("%s: was committed", name)
		} else if strings.Contains(name, "inside") && !strings.Contains(err.Error(), "it is a symbolic link") {
			t.Errorf("%s: %v", name, err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		check()
		wantNothingStaged(t, trees.files)
		if got := names(t, trees.files.content.path); len(got) != 1 {
			t.Fatalf("%s: the content folder holds %q", name, got)
		}
	}
}

// TestTreeCorrupt has something else under the name of an entry or part.
func TestTreeCorrupt(t *testing.T) {
	outside, check := precious(t)
	for name, plant := range map[string]func(entry string) error{
		"entry is a file": func(e string) error { return os.WriteFile(e, nil, 0o600) },
		"entry is a link": func(e string) error { return os.Symlink(outside, e) },
		"part is a file":  func(e string) error { return errors.Join(os.Mkdir(e, 0o755), os.WriteFile(e+"/image", nil, 0o600)) },
		"part is a link":  func(e string) error { return errors.Join(os.Mkdir(e, 0o755), os.Symlink(outside, e+"/image")) },
	} {
		for _, late := range []bool{false, true} {
			trees := openTrees(t, t.TempDir(), kernel{})
			key := treeKey(t, 1)
			var s *TreeStage
			if late {
				s = stageTree(t, trees, key, PartImage)
				if err := fillTree(s.Dir(), treeContent(1, PartImage)); err != nil {
					t.Fatal(err)
				}
			}
			if err := plant(filepath.Join(trees.files.content.path, key.String())); err != nil {
				t.Fatal(err)
			}
			if late {
				wantErr[*CorruptError](t, s.Commit(t.Context()))
			}
			if _, err := trees.Stage(t.Context(), key, PartImage); wantErr[*CorruptError](t, err).Key != key {
				t.Errorf("%s: got %v", name, err)
			}
			got, err := trees.Present([]Key{treeKey(t, 2), key}, PartImage)
			if e := wantErr[*PresentError](t, err); len(e.Entries) != 1 || !slices.Equal(got, []bool{false, false}) {
				t.Errorf("%s: got %v, %v", name, got, err)
			}
			check()
		}
	}
}

// TestTreeLosesRace commits what one of osbuild's own sources has just made.
func TestTreeLosesRace(t *testing.T) {
	trees := openTrees(t, t.TempDir(), kernel{})
	key := treeKey(t, 1)
	s := stageTree(t, trees, key, PartArchive)
	if err := fillTree(s.Dir(), treeContent(1, PartArchive)); err != nil {
		t.Fatal(err)
	}
	entry := filepath.Join(trees.files.content.path, key.String())
	if err := errors.Join(os.Mkdir(entry, 0o755), os.WriteFile(entry+"/"+PartArchive, []byte("theirs"), 0o644)); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(entry + "/" + PartArchive); err != nil || string(data) != "theirs" {
		t.Errorf("theirs was replaced: %v", err)
	}
	wantNothingStaged(t, trees.files)
}

// TestTreeSingleFlight has many goroutines want the same two parts.
func TestTreeSingleFlight(t *testing.T) {
	trees := openTrees(t, t.TempDir(), kernel{})
	key := treeKey(t, 1)
	var wg sync.WaitGroup
	var mu sync.Mutex
	made := map[string]int{}
	for i := range 16 {
		part := []string{PartImage, PartArchive}[i%2]
		wg.Go(func() {
			err := produceTree(t.Context(), trees, key, part, 1)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				made[part]++
			} else if !errors.Is(err, ErrExists) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if made[PartImage] != 1 || made[PartArchive] != 1 {
		t.Errorf("made: %v", made)
	}
	checkTree(t, trees, key, PartImage, treeContent(1, PartImage))
	checkTree(t, trees, key, PartArchive, treeContent(1, PartArchive))
	wantNothingStaged(t, trees.files)
}

func TestTreeWaitCancelled(t *testing.T) {
	trees := openTrees(t, t.TempDir(), kernel{})
	key := treeKey(t, 1)
	s := stageTree(t, trees, key, PartImage)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := trees.Stage(ctx, key, PartImage); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if err := fillTree(s.Dir(), treeContent(1, PartImage)); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("commit: %v", err)
	}
	if err := s.Commit(t.Context()); err != nil { // nothing was broken
		t.Error(err)
	}
}

// TestTreeClean removes what is dead of ours and old of others, and nothing else.
func TestTreeClean(t *testing.T) {
	trees := openTrees(t, t.TempDir(), kernel{})
	live := stageTree(t, trees, treeKey(t, 1), PartImage)
	if err := fillTree(live.Dir(), treeContent(1, PartImage)); err != nil {
		t.Fatal(err)
	}
	dir := trees.files.content.path
	staging := filepath.Join(dir, stagingName)
	dead := treeKey(t, 2).String()
	plant(t, staging, dead+".image"+treeSuffix+"/", 10, 0)
	plant(t, staging, dead+".image"+lockSuffix, 0, 0)
	plant(t, staging, dead+"."+PartArchive+treeSuffix+"/", 10, 0) // its lock is gone
	plant(t, staging, dead+".other"+treeSuffix+"/", 10, 0)        // not ours
	plant(t, dir, "tmp-download-old/", 10, 2*foreignAge)
	plant(t, dir, "tmp-download-young/", 10, foreignAge/2)
	if err := trees.Clean(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{live.stem() + lockSuffix, live.stem() + treeSuffix, dead + ".other" + treeSuffix}
	slices.Sort(want)
	if got := staged(t, trees.files); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := names(t, dir); !slices.Equal(got, []string{stagingName, "tmp-download-young"}) {
		t.Errorf("got %q", got)
	}
	if err := live.Commit(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestTreeTakesLeftovers stages over what a dead run has left.
//
// adversary: C1f
func TestTreeTakesLeftovers(t *testing.T) {
	trees := openTrees(t, t.TempDir(), kernel{})
	if _, err := trees.files.stagingFolder(); err != nil {
		t.Fatal(err)
	}
	key := treeKey(t, 1)
	plant(t, filepath.Join(trees.files.content.path, stagingName), fmt.Sprintf("%s.image%s/", key, treeSuffix), 10, 0)
	if err := produceTree(t.Context(), trees, key, PartImage, 1); err != nil {
		t.Fatal(err)
	}
	checkTree(t, trees, key, PartImage, treeContent(1, PartImage))
}
