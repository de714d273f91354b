package store

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// mount mounts a tmpfs of its own for the test.
func mount(t *testing.T, options string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system needs root: run this test as root")
	}
	dir := t.TempDir()
	if err := unix.Mount("sourcehost-test", dir, "tmpfs", 0, options); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("mount a tmpfs on %s: %v", dir, err)
		}
		t.Skipf("mount a tmpfs on %s: %v (needs CAP_SYS_ADMIN)", dir, err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestDiskFull fills a small file system: a body fails when the disk is full,
// whatever size was announced, and leaves neither a name nor a file, which would
// take the space from others.
//
// adversary: C3a
func TestDiskFull(t *testing.T) {
	dir := mount(t, "size=4m")
	_, f := openStore(t, dir, kernel{})
	sound := mustPut(t, f, content(1, 100_000))
	data := content(2, 8<<20)
	key := keyOf(t, data)

	for _, size := range []int64{-1, int64(len(data)), 1 << 40} {
		s := stage(t, f, key)
		if err := s.Reset(size, "v1"); err != nil {
			t.Fatal(err)
		}
		var err error
		for rest := data; len(rest) > 0 && err == nil; rest = rest[resumeMin/4:] {
			_, err = s.Write(rest[:resumeMin/4])
		}
		wantErrno(t, err, unix.ENOSPC)
		if e := wantErr[*DiskError](t, err); !strings.Contains(e.Hint(), "full") || !strings.Contains(e.Error(), dir) {
			t.Errorf("error %q with the hint %q", e, e.Hint())
		}
		if s.Offset() < 3<<20 {
			t.Errorf("full after %d bytes", s.Offset())
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		wantNothingStaged(t, f)
	}

	// Many small ones: whatever has a name is sound, the others fail alone.
	failed := 0
	for i := range 100 {
		small := content(uint64(100+i), 60_000)
		if err := put(t.Context(), f, keyOf(t, small), small, ""); err != nil {
			wantErrno(t, err, unix.ENOSPC)
			failed++
		}
	}
	if n := verifyAll(t, f); n != 101-failed || failed == 0 {
		t.Errorf("%d entries, %d failed", n, failed)
	}
	wantNothingStaged(t, f)
	wantEntry(t, f, sound)
}

// TestQuota has each operation meet a quota that is used up, as file systems tell it
// when they write, when they sync (NFS) or when they name: the error says what and
// where, nothing is left under a name or in the way, and with space all is well.
//
// adversary: C3b
func TestQuota(t *testing.T) {
	for _, broken := range []string{"write", "syncFile", "rename"} {
		t.Run(broken, func(t *testing.T) {
			r := &recorder{fail: func(e string) error {
				if strings.HasPrefix(e, broken) {
					return unix.EDQUOT
				}
				return nil
			}}
			_, f := openStore(t, t.TempDir(), r)
			data := content(1, bufferSize)
			err := put(t.Context(), f, keyOf(t, data), data, "")
			wantErrno(t, err, unix.EDQUOT)
			if e := wantErr[*DiskError](t, err); !strings.Contains(e.Hint(), "quota") || !strings.Contains(e.Error(), f.content.path) {
				t.Errorf("error %q with the hint %q", e, e.Hint())
			}
			if n := verifyAll(t, f); n != 0 {
				t.Errorf("%d entries have a name", n)
			}
			wantNothingStaged(t, f)
			r.mu.Lock()
			r.fail = nil
			r.mu.Unlock()
			wantEntry(t, f, mustPut(t, f, data))
		})
	}
}

// readOnly makes a folder that cannot be changed, with what prepare puts in it.
func readOnly(t *testing.T, prepare func(dir string)) string {
	t.Helper()
	if os.Geteuid() == 0 { // permissions do not bind root
		dir := mount(t, "size=4m")
		prepare(dir)
		if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	dir := t.TempDir()
	prepare(dir)
	for _, sub := range []string{filepath.Join(dir, contentType), dir} {
		if err := os.Chmod(sub, 0o555); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Chmod(sub, 0o755) })
	}
	return dir
}

// TestReadOnly uses what is in a read-only store, and says what cannot be done.
//
// adversary: C3c
func TestReadOnly(t *testing.T) {
	data := []byte("there")
	key := keyOf(t, data)
	dir := readOnly(t, func(dir string) {
		os.Mkdir(filepath.Join(dir, contentType), 0o755)
		if err := os.WriteFile(filepath.Join(dir, contentType, key.String()), data, 0o644); err != nil {
			t.Fatal(err)
		}
	})
	s, f := openStore(t, dir, kernel{})
	missing := keyOf(t, []byte("missing"))
	if got, err := f.Present([]Key{key, missing}); err != nil || !got[0] || got[1] {
		t.Errorf("got %v, %v", got, err)
	}
	wantEntry(t, f, key)
	if _, err := f.Stage(t.Context(), key); !errors.Is(err, ErrExists) {
		t.Errorf("stage of an entry: %v", err)
	}
	if err := f.Clean(t.Context()); err != nil {
		t.Errorf("clean: %v", err)
	}
	_, stageErr := f.Stage(t.Context(), missing)
	_, filesErr := s.Files("org.osbuild.other")
	_, openErr := Open(filepath.Join(dir, "sub"))
	for _, err := range []error{stageErr, filesErr, openErr} {
		e := wantErr[*DiskError](t, err)
		if !errors.Is(e, unix.EROFS) && !errors.Is(e, unix.EACCES) || e.Hint() == "" || !strings.Contains(e.Error(), dir) {
			t.Errorf("got %v with the hint %q", e, e.Hint())
		}
	}
}

// TestMountedFolder does not delete what is mounted inside a leftover.
func TestMountedFolder(t *testing.T) {
	mounted := mount(t, "size=1m")
	if err := os.WriteFile(filepath.Join(mounted, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f := newFiles(t)
	inner := filepath.Join(f.content.path, "tmp-download-a", "inner")
	if err := os.MkdirAll(inner, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(mounted, inner, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(inner, unix.MNT_DETACH) })
	touch(t, inner, 2*foreignAge)
	touch(t, filepath.Dir(inner), 2*foreignAge)
	wantErr[*DiskError](t, f.Clean(t.Context()))
	if _, err := os.Stat(filepath.Join(mounted, "file")); err != nil {
		t.Error(err)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// TestNoLeak counts open files before and after all operations, failing ones
// included.
func TestNoLeak(t *testing.T) {
	dir := t.TempDir()
	useEverything(t, dir) // the first time the runtime opens files for itself
	before := openFiles(t)
	for range 3 {
		useEverything(t, dir)
	}
	if after := openFiles(t); after > before {
		t.Errorf("%d files were open before, %d after", before, after)
	}
}

func useEverything(t *testing.T, dir string) {
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	f, err := s.Files(contentType)
	if err != nil {
		t.Fatal(err)
	}
	runSuite(t, f)
	ctx, cancel := context.WithCancel(t.Context())
	held, err := f.Stage(ctx, keyOf(t, []byte("held")))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	f.Stage(ctx, held.key)
	held.Close()
	key := keyOf(t, []byte("folder"))
	os.MkdirAll(entryPath(f, key)+"/a/b", 0o755)
	f.Stage(t.Context(), key)
	f.Verify(t.Context(), key)
	f.Remove(t.Context(), key)
	os.RemoveAll(dir + "/link")
	os.Symlink(dir, dir+"/link")
	s.Files("link")
	f.Clean(t.Context())
	for _, name := range names(t, f.content.path) { // the suite wants a fresh store
		if name != stagingName {
			os.Remove(filepath.Join(f.content.path, name))
		}
	}
}

// TestClose checks that a closed store refuses everything, and that a stage that
// was open then can be finished.
func TestClose(t *testing.T) {
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	f, err := s.Files(contentType)
	if err != nil {
		t.Fatal(err)
	}
	data := []byte("late")
	key := keyOf(t, data)
	late := stage(t, f, key)
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	_, filesErr := s.Files(contentType)
	_, presentErr := f.Present(nil)
	_, stageErr := f.Stage(t.Context(), key)
	for _, err := range []error{filesErr, presentErr, stageErr, f.Verify(t.Context(), key), f.Remove(t.Context(), key), f.Clean(t.Context())} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("got %v, want ErrClosed", err)
		}
	}
	late.Write(data)
	if err := late.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(entryPath(f, key)); err != nil || !bytes.Equal(got, data) {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestFlatMemory stages large bodies without keeping them in memory.
func TestFlatMemory(t *testing.T) {
	f := newFiles(t)
	piece := content(1, 32<<10)
	s := stage(t, f, keyOf(t, []byte("never matches")))
	if err := s.Reset(-1, ""); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(500, func() { s.Write(piece) }); n > 0 {
		t.Errorf("a write allocates %v times", n)
	}
}

// TestOpenExisting looks at stores that are there, in part or not at all, and
// makes nothing.
func TestOpenExisting(t *testing.T) {
	dir := t.TempDir()
	sound, missing := []byte("sound"), keyOf(t, []byte("missing"))
	key := keyOf(t, sound)
	look := func(path string) *Files {
		t.Helper()
		s, err := OpenExisting(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		f, err := s.Files(contentType)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	for _, f := range []*Files{look(dir), look(dir + "/sub")} {
		if got, err := f.Present([]Key{key}); err != nil || got[0] {
			t.Errorf("in an empty store: %v, %v", got, err)
		}
		if err := f.Verify(t.Context(), key); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("in an empty store: %v", err)
		}
		_, stageErr := f.Stage(t.Context(), key)
		for _, err := range []error{stageErr, f.Remove(t.Context(), key), f.Clean(t.Context())} {
			if !errors.Is(err, ErrLookOnly) {
				t.Errorf("got %v, want ErrLookOnly", err)
			}
		}
	}
	if got := names(t, dir); len(got) > 0 {
		t.Errorf("looking made %q", got)
	}
	_, f := openStore(t, dir, kernel{})
	mustPut(t, f, sound)
	f = look(dir)
	if got, err := f.Present([]Key{key, missing}); err != nil || !got[0] || got[1] {
		t.Errorf("got %v, %v", got, err)
	}
	wantEntry(t, f, key)
	_, err := OpenExisting(entryPath(f, key))
	wantErrno(t, err, unix.ENOTDIR)
}
