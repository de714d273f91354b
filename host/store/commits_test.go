package store

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sourcehost/sourcehost/host/store/internal/ostree"
)

// TestCopyCommits copies from a store of osbuild's own, also with links turned off by
// a mode that entries may not have, and checks the result with the real ostree.
func TestCopyCommits(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"linked": func(string) error { return nil },
		"copied": func(path string) error { return os.Chmod(path, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			old := syscall.Umask(0o077)
			defer syscall.Umask(old)
			from, keys := newStoreOf(t, 2)
			objects := allObjects(t, filepath.Join(from, commitType))
			for _, path := range objects {
				if err := errors.Join(os.Chmod(path, 0o644), spoil(path)); err != nil {
					t.Fatal(err)
				}
			}
			source, c := openCommits(t, from, kernel{}), openCommits(t, t.TempDir(), kernel{})
			wantPresent(t, c, false, keys...)
			size := int64(0)
			for _, key := range keys {
				n, err := c.CopyFrom(t.Context(), source, key)
				if err != nil {
					t.Fatal(err)
				}
				if size += n; n == 0 {
					t.Error("nothing was copied")
				}
				if _, err := c.CopyFrom(t.Context(), source, key); !errors.Is(err, ErrExists) {
					t.Errorf("a second copy: %v", err)
				}
			}
			wantSound(t, c, keys...)
			wantNothingStaged(t, c.files)
			noneNew(t, c.files.content.path)
			for _, path := range allObjects(t, c.files.content.path) {
				wantMode(t, path, fileMode)
			}
			wantMode(t, filepath.Join(c.files.content.path, repoName), os.ModeDir|folderMode)
			linked := sameFile(t, objects[0], strings.Replace(objects[0], from, filepath.Dir(c.files.content.path), 1))
			if linked != (name == "linked") {
				t.Errorf("the objects are links: %v", linked)
			}
			if config := ostreeRun(t, "config", "get", "repo.locking", "--repo="+filepath.Join(c.files.content.path, repoName)); config != "true" {
				t.Errorf("repo.locking is %q", config)
			}
		})
	}
}

func allObjects(t testing.TB, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, repoName, objectsName, "*", "*"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no objects in %s: %v", dir, err)
	}
	return found
}

func sameFile(t testing.TB, a, b string) bool {
	t.Helper()
	first, err := os.Stat(a)
	second, err2 := os.Stat(b)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	return os.SameFile(first, second)
}

// TestVerifyCommit damages each object in turn, and expects both ostree and us to
// find it, Remove to make the commit partial, and a copy to repair it.
func TestVerifyCommit(t *testing.T) {
	dir, keys := newStoreOf(t, 2)
	for _, damage := range []struct {
		name  string
		apply func(path string) error
	}{
		{"flip", flipBit},
		{"missing", os.Remove},
		{"empty", func(path string) error { return os.Truncate(path, 0) }},
		{"folder", func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o755)) }},
		{"longer", func(path string) error { return appendLine(path, "more") }},
	} {
		t.Run(damage.name, func(t *testing.T) {
			endings := []string{".commit", ".dirtree", ".dirmeta", ".filez"}
			if damage.name != "flip" {
				endings = []string{".dirtree", ".filez"}
			}
			for _, ending := range endings {
				testDamage(t, dir, keys, ending, damage.apply, damage.name != "longer" || ending != ".filez")
			}
		})
	}
}

func testDamage(t *testing.T, dir string, keys []Key, ending string, damage func(string) error, fsckFinds bool) {
	from, c := openCommits(t, dir, kernel{}), openCommits(t, t.TempDir(), kernel{})
	for _, key := range keys {
		if _, err := c.CopyFrom(t.Context(), from, key); err != nil {
			t.Fatal(err)
		}
	}
	unlinkAll(t, c)
	path := ""
	for _, o := range allObjects(t, c.files.content.path) {
		// Of each kind one that the first commit needs.
		if strings.HasSuffix(o, ending) && (ending != ".commit" || strings.HasSuffix(o, keys[0].String()[2:]+ending)) && usedByBoth(t, c, keys, o, ending) {
			path = o
		}
	}
	if err := damage(path); err != nil {
		t.Fatal(err)
	}
	if fsckFinds && ending != ".commit" {
		copied := filepath.Join(t.TempDir(), "copied") // ostree leaves marks in what it finds damaged
		if err := os.CopyFS(copied, os.DirFS(filepath.Join(c.files.content.path, repoName))); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("ostree", "fsck", "--repo="+copied).CombinedOutput(); err == nil {
			t.Errorf("%s: ostree finds nothing: %s", path, out)
		}
	}
	var corrupt *CorruptError
	err := c.Verify(t.Context(), keys[0])
	if gone := errors.Is(err, fs.ErrNotExist) && ending == ".commit"; !gone {
		if !errors.As(err, &corrupt) || corrupt.Path != path {
			t.Fatalf("%s: Verify: %v", path, err)
		}
		if err := c.Remove(t.Context(), keys[0]); err != nil {
			t.Fatal(err)
		}
	}
	wantPresent(t, c, false, keys[0])
	if ending != ".commit" {
		wantPresent(t, c, false, keys[1]) // it needs the same object
	}
	for _, key := range keys {
		if _, err := c.CopyFrom(t.Context(), from, key); err != nil && !errors.Is(err, ErrExists) {
			t.Errorf("%s: %v", path, err)
		}
	}
	wantPresent(t, c, true, keys...)
	ostreeRun(t, "fsck", "--repo="+filepath.Join(c.files.content.path, repoName))
	wantNothingStaged(t, c.files)
}

// usedByBoth tells whether an object is one of those that all commits share.
func usedByBoth(t testing.TB, c *Commits, keys []Key, path, ending string) bool {
	t.Helper()
	if ending == ".commit" {
		return true
	}
	r, err := c.repo()
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	for _, key := range keys {
		found := false
		visit := func(o ostree.Object) ([]ostree.Object, error) {
			found = found || strings.HasSuffix(path, o.String())
			return r.check(t.Context(), o)
		}
		if err := walk(t.Context(), key.text, visit); err != nil {
			t.Fatal(err)
		}
		if !found {
			return false
		}
	}
	return true
}

func flipBit(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	data[len(data)/2] ^= 4
	return os.WriteFile(path, data, 0o644)
}

// unlinkAll gives every object a file of its own.
func unlinkAll(t testing.TB, c *Commits) {
	t.Helper()
	for _, path := range allObjects(t, c.files.content.path) {
		data, err := os.ReadFile(path)
		if err := errors.Join(err, os.Remove(path), os.WriteFile(path, data, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPartialCommit fetches a commit that an old source left half pulled.
func TestPartialCommit(t *testing.T) {
	from, keys := newStoreOf(t, 1)
	source, c := openCommits(t, from, kernel{}), openCommits(t, t.TempDir(), kernel{})
	if _, err := c.CopyFrom(t.Context(), source, keys[0]); err != nil {
		t.Fatal(err)
	}
	mark := filepath.Join(c.files.content.path, repoName, stateName, keys[0].String()+partialSuffix)
	if err := os.WriteFile(mark, []byte("f"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range allObjects(t, c.files.content.path) {
		if strings.HasSuffix(path, ".filez") {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
	}
	wantPresent(t, c, false, keys[0])
	if _, err := c.CopyFrom(t.Context(), source, keys[0]); err != nil {
		t.Fatal(err)
	}
	wantSound(t, c, keys...)
	if _, err := os.Stat(mark); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the mark is still there: %v", err)
	}
}

// TestStageCommit has a program pull into the stage, which sees what the store has.
func TestStageCommit(t *testing.T) {
	from, keys := newStoreOf(t, 2)
	remote := filepath.Join(from, commitType, repoName)
	dir := filepath.Join(t.TempDir(), `a store\with "odd" name`)
	c := openCommits(t, dir, kernel{})
	var sizes []int64
	for _, key := range keys {
		s, err := c.Stage(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		repo := filepath.Join(s.Dir(), repoName)
		ostreeRun(t, "remote", "add", "--no-gpg-verify", "--repo="+repo, "origin", "file://"+remote)
		var missing *CommitError
		if err := s.Verify(t.Context()); !errors.As(err, &missing) || !missing.Missing {
			t.Errorf("Verify before the pull: %v", err)
		}
		ostreeRun(t, "pull", "--repo="+repo, "origin", key.String())
		if err := errors.Join(s.Verify(t.Context()), s.Commit(t.Context())); err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, s.Size())
	}
	if sizes[1] > sizes[0]/2 {
		t.Errorf("sizes %d: what the store has was loaded again", sizes)
	}
	wantSound(t, c, keys...)
	wantNothingStaged(t, c.files)
	data, err := os.ReadFile(filepath.Join(c.files.content.path, repoName, configName))
	if err != nil || strings.Contains(string(data), "remote") {
		t.Errorf("the config of the store's repository is %s, %v", data, err)
	}
}

// TestStageRefusesWrongObjects puts wrong bytes into the scratch repository.
//
// adversary: A12d
func TestStageRefusesWrongObjects(t *testing.T) {
	from, keys := newStoreOf(t, 1)
	source := openCommits(t, from, kernel{})
	for _, ending := range []string{".commit", ".dirtree", ".dirmeta", ".filez"} {
		c := openCommits(t, t.TempDir(), kernel{})
		s, err := c.Stage(t.Context(), keys[0])
		if err != nil {
			t.Fatal(err)
		}
		r, err := source.repo()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.fill(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		r.close()
		for _, path := range allObjects(t, s.Dir()) {
			if strings.HasSuffix(path, ending) {
				data, _ := os.ReadFile(path)
				if err := errors.Join(os.Remove(path), os.WriteFile(path, data, 0o600), flipBit(path)); err != nil {
					t.Fatal(err)
				}
			}
		}
		var wrong *CommitError
		if err := s.Commit(t.Context()); !errors.As(err, &wrong) || !wrong.Mismatch() {
			t.Errorf("%s: %v", ending, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		wantPresent(t, c, false, keys...)
		left, _ := filepath.Glob(filepath.Join(c.files.content.path, repoName, objectsName, "*", "*"))
		if len(left) > 0 {
			t.Errorf("%s: in the store are %q", ending, left)
		}
		wantNothingStaged(t, c.files)
	}
}

// TestCommitModes refuses a repository of another mode, and completes one whose
// making was interrupted.
//
// adversary: C11
func TestCommitModes(t *testing.T) {
	from, keys := newStoreOf(t, 1)
	source := openCommits(t, from, kernel{})
	bare, half := openCommits(t, t.TempDir(), kernel{}), openCommits(t, t.TempDir(), kernel{})
	ostreeRun(t, "init", "--mode=bare-user", "--repo="+filepath.Join(bare.files.content.path, repoName))
	if _, err := bare.CopyFrom(t.Context(), source, keys[0]); err == nil || !strings.Contains(err.Error(), "bare-user") {
		t.Errorf("into a bare repository: %v", err)
	}
	if err := os.MkdirAll(filepath.Join(half.files.content.path, repoName, objectsName), 0o755); err != nil {
		t.Fatal(err)
	}
	wantPresent(t, half, false, keys...)
	if _, err := half.CopyFrom(t.Context(), source, keys[0]); err != nil {
		t.Fatal(err)
	}
	wantSound(t, half, keys...)
}

// TestCommitsLookOnly looks at stores that cannot be written to.
func TestCommitsLookOnly(t *testing.T) {
	from, keys := newStoreOf(t, 1)
	for dir, want := range map[string]bool{from: true, filepath.Join(t.TempDir(), "none"): false} {
		s, err := OpenExisting(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		c, err := s.Commits(commitType)
		if err != nil {
			t.Fatal(err)
		}
		wantPresent(t, c, want, keys...)
		if want {
			if err := c.Verify(t.Context(), keys[0]); err != nil {
				t.Error(err)
			}
		}
		other, err := ParseCommit(strings.Repeat("ab", 32))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Stage(t.Context(), other); !errors.Is(err, ErrLookOnly) {
			t.Errorf("Stage: %v", err)
		}
		if err := c.Verify(t.Context(), other); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Verify of none: %v", err)
		}
	}
}
