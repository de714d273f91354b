package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// runCopies is what a child process does that copies from another store.
func (j job) runCopies(s *Store) error {
	from, err := OpenExisting(j.From)
	if err != nil {
		return err
	}
	defer from.Close()
	fmt.Println("ready")
	return j.copyAll(s, from)
}

// copyAll copies the commits and files of a store.
func (j job) copyAll(s, from *Store) error {
	ctx := context.Background()
	c, err := s.Commits(commitType)
	if err != nil {
		return err
	}
	source, err := from.Commits(commitType)
	if err == nil {
		err = c.Clean(ctx)
	}
	if err != nil {
		return err
	}
	var keys []string
	r, err := source.repo()
	if err != nil {
		return err
	}
	if err := r.eachCommit(ctx, func(commit string) error { keys = append(keys, commit); return nil }); err != nil {
		return err
	}
	r.close()
	for _, text := range keys {
		key, err := ParseCommit(text)
		if err == nil {
			_, err = c.CopyFrom(ctx, source, key)
		}
		if err != nil && !errors.Is(err, ErrExists) {
			return err
		}
	}
	return j.copyFiles(s, from)
}

func (j job) copyFiles(s, from *Store) error {
	to, err := s.Files(contentType)
	if err != nil {
		return err
	}
	source, err := from.Files(contentType)
	if err != nil {
		return err
	}
	if err := to.Clean(context.Background()); err != nil {
		return err
	}
	for _, data := range j.items() {
		if _, err := to.CopyFrom(context.Background(), source, MD5.key(data)); err != nil && !errors.Is(err, ErrExists) {
			return err
		}
	}
	return nil
}

// sourceStore makes a store of commits and of the job's files; every second file has
// a mode that keeps it from being linked.
func sourceStore(t *testing.T, j job) (dir string, keys []Key) {
	dir, keys = newStoreOf(t, 2)
	_, f := openStore(t, dir, kernel{})
	for i, data := range j.items() {
		key := MD5.key(data)
		if err := put(t.Context(), f, key, data, ""); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(entryPath(f, key), fs.FileMode(0o644-0o44*(i%2))); err != nil {
			t.Fatal(err)
		}
	}
	return dir, keys
}

// TestCopyCrash kills a process that copies at its disk operations and at random
// times. After each kill every entry that is there must be whole, and a new run must
// complete all and leave nothing behind.
//
// adversary: C1d
func TestCopyCrash(t *testing.T) {
	kills := max(6, *crashPoints/2)
	j := job{Seed: 11, Small: 4, Large: 1}
	var keys []Key
	j.From, keys = sourceStore(t, j)
	from, err := OpenExisting(j.From)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	counter := &killer{}
	s, _ := openStore(t, t.TempDir(), counter)
	if err := j.copyAll(s, from); err != nil {
		t.Fatal(err)
	}
	ops := counter.n.Load()
	for point := range kills {
		j.Dir = t.TempDir()
		j.KillAt, j.KillAfter = 1+int64(point)*ops/int64(kills), point%2 == 0
		if point%5 == 4 {
			j.KillAt = 0
		}
		c := start(t, j)
		if j.KillAt == 0 {
			c.ready(t)
			time.Sleep(time.Duration(rand.Int64N(int64(20 * time.Millisecond))))
			_ = c.cmd.Process.Kill()
		}
		if err := c.wait(); j.KillAt != 0 && !killed(err) {
			t.Errorf("point %d: %v", point, err)
		}
		checkCopied(t, j, from, keys, point%10 == 0)
		if t.Failed() {
			t.Fatalf("after %+v", j)
		}
	}
	t.Logf("%d kills", kills)
}

func checkCopied(t *testing.T, j job, from *Store, keys []Key, ostree bool) {
	t.Helper()
	s, f := openStore(t, j.Dir, kernel{})
	c, err := s.Commits(commitType)
	if err != nil {
		t.Fatal(err)
	}
	present, err := c.Present(keys)
	if err != nil {
		t.Error(err)
	}
	for i, there := range present {
		if there {
			if err := c.Verify(t.Context(), keys[i]); err != nil {
				t.Error(err)
			}
		}
	}
	verifyAll(t, f)
	if err := j.copyAll(s, from); err != nil {
		t.Error(err)
	}
	if n := verifyAll(t, f); n != j.Small+j.Large {
		t.Errorf("%d files", n)
	}
	wantNothingStaged(t, f)
	wantNothingStaged(t, c.files)
	if ostree {
		wantSound(t, c, keys...)
		return
	}
	for _, key := range keys {
		if err := c.Verify(t.Context(), key); err != nil {
			t.Error(err)
		}
	}
}

// TestCopyTwoProcesses lets processes copy into the same store.
//
// adversary: C4
func TestCopyTwoProcesses(t *testing.T) {
	j := job{Dir: t.TempDir(), Seed: 12, Small: 10, Large: 1, Umask: 0o077}
	var keys []Key
	j.From, keys = sourceStore(t, j)
	children := []*child{start(t, j), start(t, j), start(t, j)}
	for _, c := range children {
		if err := c.wait(); err != nil {
			t.Error(err)
		}
	}
	from, err := OpenExisting(j.From)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	checkCopied(t, j, from, keys, true)
	_, f := openStore(t, j.Dir, kernel{})
	for _, data := range j.items() {
		wantMode(t, entryPath(f, MD5.key(data)), fileMode)
	}
}

// TestCopyFile copies by each way that there is.
func TestCopyFile(t *testing.T) {
	data := content(5, 200_000)
	tests := []struct {
		name    string
		prepare func(t *testing.T, path string)
		into    string // a folder on another file system
		linked  bool
	}{
		{name: "link", prepare: func(*testing.T, string) {}, linked: true},
		{name: "mode", prepare: func(t *testing.T, path string) { must(t, os.Chmod(path, 0o600)) }},
		{name: "other file system", prepare: func(*testing.T, string) {}, into: "/dev/shm"},
		{name: "owner", prepare: func(t *testing.T, path string) {
			if os.Geteuid() != 0 {
				t.Skip("only root can give files away")
			}
			must(t, os.Chown(path, 1, 1))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			from := newFiles(t)
			key := mustPut(t, from, data)
			tt.prepare(t, entryPath(from, key))
			dir := t.TempDir()
			if tt.into != "" {
				var err error
				if dir, err = os.MkdirTemp(tt.into, "sourcehost-copy-"); err != nil {
					t.Skip(err)
				}
				defer os.RemoveAll(dir)
			}
			r := &recorder{}
			_, f := openStore(t, dir, r)
			r.fail = func(event string) error { // whatever is synced has no name yet
				if strings.HasPrefix(event, "syncFile") {
					if _, err := os.Lstat(entryPath(f, key)); err == nil {
						t.Error("the content got its name before it was synced")
					}
				}
				return nil
			}
			n, err := f.CopyFrom(t.Context(), from, key)
			if err != nil || n != int64(len(data)) {
				t.Fatalf("CopyFrom: %d, %v", n, err)
			}
			wantEntry(t, f, key)
			wantMode(t, entryPath(f, key), fileMode)
			wantNothingStaged(t, f)
			if r.count("syncFile") == 0 || !strings.HasPrefix(r.events[len(r.events)-1], "syncDir") {
				t.Errorf("events %q", r.events)
			}
			if linked := sameFile(t, entryPath(from, key), entryPath(f, key)); linked != tt.linked {
				t.Errorf("the entry is a link: %v", linked)
			}
			if _, err := f.CopyFrom(t.Context(), from, key); !errors.Is(err, ErrExists) {
				t.Errorf("a second copy: %v", err)
			}
		})
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestCopyRefuses copies what is not what its key names, in every form.
func TestCopyRefuses(t *testing.T) {
	for _, mode := range []fs.FileMode{0o644, 0o600} { // linked, copied
		from, f := newFiles(t), newFiles(t)
		key := mustPut(t, from, content(5, 200_000))
		path := entryPath(from, key)
		must(t, errors.Join(flipBit(path), os.Chmod(path, mode)))
		var corrupt *CorruptError
		if _, err := f.CopyFrom(t.Context(), from, key); !errors.As(err, &corrupt) || corrupt.Path != path {
			t.Errorf("wrong bytes: %v", err)
		}
		must(t, errors.Join(os.Remove(path), os.Symlink("/etc/passwd", path)))
		if _, err := f.CopyFrom(t.Context(), from, key); !errors.As(err, &corrupt) {
			t.Errorf("a link: %v", err)
		}
		must(t, os.Remove(path))
		if _, err := f.CopyFrom(t.Context(), from, key); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("nothing: %v", err)
		}
		if _, err := os.Lstat(entryPath(f, key)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("something got the name: %v", err)
		}
		wantNothingStaged(t, f)
	}
}

// mismatch is what a Check returns for a part that is not what the key names.
type mismatch struct{ error }

func (mismatch) Mismatch() bool { return true }

// TestCopyTree copies parts of entries.
func TestCopyTree(t *testing.T) {
	for _, part := range []string{PartImage, PartArchive} {
		from, to := openTrees(t, t.TempDir(), kernel{}), openTrees(t, t.TempDir(), kernel{})
		j := job{}
		key := SHA256.key(content(3, 10))
		must(t, j.makeTree(from, key, part, 3))
		refuse := func(context.Context, string) error { return mismatch{errors.New("wrong")} }
		var corrupt *CorruptError
		if _, err := to.CopyFrom(t.Context(), from, key, part, refuse); !errors.As(err, &corrupt) {
			t.Errorf("a mismatch: %v", err)
		}
		if present, err := to.Present([]Key{key}, part); err != nil || present[0] {
			t.Errorf("after a mismatch: %v, %v", present, err)
		}
		seen := ""
		accept := func(_ context.Context, dir string) error { seen = dir; return nil }
		n, err := to.CopyFrom(t.Context(), from, key, part, accept)
		if err != nil || n == 0 {
			t.Fatalf("CopyFrom: %d, %v", n, err)
		}
		if !strings.Contains(seen, stagingName) {
			t.Errorf("checked %s, and not what is stored", seen)
		}
		checkTree(t, to, key, part, treeContent(3, part))
		wantNothingStaged(t, to.files)
		if _, err := to.CopyFrom(t.Context(), from, key, part, accept); !errors.Is(err, ErrExists) {
			t.Errorf("a second copy: %v", err)
		}
		if _, err := to.CopyFrom(t.Context(), from, SHA256.key(nil), part, accept); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("nothing: %v", err)
		}
	}
}

// TestCopyTreeRefusesLinks does not follow a link out of the store.
func TestCopyTreeRefusesLinks(t *testing.T) {
	from, to := openTrees(t, t.TempDir(), kernel{}), openTrees(t, t.TempDir(), kernel{})
	key := SHA256.key(content(3, 10))
	must(t, job{}.makeTree(from, key, PartImage, 3))
	must(t, os.Symlink("/etc/passwd", filepath.Join(from.Dir(), key.String(), PartImage, "link")))
	accept := func(context.Context, string) error { return nil }
	if _, err := to.CopyFrom(t.Context(), from, key, PartImage, accept); err == nil || !strings.Contains(err.Error(), "link") {
		t.Errorf("CopyFrom: %v", err)
	}
	wantNothingStaged(t, to.files)
}

// TestCopyFull copies into a file system that is full.
//
// adversary: C3a
func TestCopyFull(t *testing.T) {
	from := newFiles(t)
	key := mustPut(t, from, content(5, 200_000))
	must(t, os.Chmod(entryPath(from, key), 0o600))
	r := &recorder{fail: func(event string) error {
		if strings.HasPrefix(event, "write") {
			return unix.ENOSPC
		}
		return nil
	}}
	_, f := openStore(t, t.TempDir(), r)
	if _, err := f.CopyFrom(t.Context(), from, key); err != nil && !errors.Is(err, unix.ENOSPC) {
		t.Errorf("CopyFrom: %v", err)
	}
	wantNothingStaged(t, f)
}
