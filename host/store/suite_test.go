package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const contentType = "org.osbuild.files"

// patience is how long anything may take before a test gives up.
const patience = time.Minute

func openStore(t testing.TB, dir string, d disk) (*Store, *Files) {
	t.Helper()
	s, err := open(dir, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	f, err := s.Files(contentType)
	if err != nil {
		t.Fatal(err)
	}
	return s, f
}

func newFiles(t testing.TB) *Files {
	t.Helper()
	_, f := openStore(t, t.TempDir(), kernel{})
	return f
}

func mustKey(t testing.TB, s string) Key {
	t.Helper()
	k, err := ParseKey(s)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func keyOf(t testing.TB, data []byte) Key {
	t.Helper()
	return mustKey(t, fmt.Sprintf("sha256:%x", sha256.Sum256(data)))
}

// content returns n bytes that depend on seed and nothing else.
func content(seed uint64, n int) []byte {
	p := make([]byte, n)
	rand.NewChaCha8([32]byte(fmt.Appendf(nil, "%032d", seed))).Read(p)
	return p
}

func stage(t testing.TB, f *Files, key Key) *Stage {
	t.Helper()
	s, err := f.Stage(context.Background(), key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// put stages and commits data in pieces of an odd size.
func put(ctx context.Context, f *Files, key Key, data []byte, validator string) error {
	s, err := f.Stage(ctx, key)
	if err != nil {
		return err
	}
	defer s.Close()
	if s.Offset() == 0 || s.Validator() != validator {
		if err := s.Reset(int64(len(data)), validator); err != nil {
			return err
		}
	}
	for rest := data[s.Offset():]; len(rest) > 0; {
		n := min(len(rest), 32<<10-5)
		if _, err := s.Write(rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	if err := s.Verify(); err != nil {
		return err
	}
	return s.Commit(ctx)
}

func mustPut(t testing.TB, f *Files, data []byte) Key {
	t.Helper()
	key := keyOf(t, data)
	if err := put(context.Background(), f, key, data, "v1"); err != nil {
		t.Fatal(err)
	}
	return key
}

func entryPath(f *Files, key Key) string { return filepath.Join(f.content.path, key.String()) }

func stagedPath(f *Files, name string) string {
	return filepath.Join(f.content.path, stagingName, name)
}

// staged lists what is in the staging folder.
func staged(t testing.TB, f *Files) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(f.content.path, stagingName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func wantNothingStaged(t testing.TB, f *Files) {
	t.Helper()
	if names := staged(t, f); len(names) > 0 {
		t.Errorf("left in the staging folder: %q", names)
	}
}

func wantMode(t testing.TB, path string, mode fs.FileMode) {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != mode {
		t.Errorf("%s has mode %v, want %v", path, info.Mode(), mode)
	}
}

func wantEntry(t testing.TB, f *Files, key Key) {
	t.Helper()
	if err := f.Verify(context.Background(), key); err != nil {
		t.Error(err)
	}
	wantMode(t, entryPath(f, key), fileMode)
}

// wantErr asserts the type of an error and returns it.
func wantErr[E error](t testing.TB, err error) E {
	t.Helper()
	var want E
	if !errors.As(err, &want) {
		t.Fatalf("got error %v (%T), want a %T", err, err, want)
	}
	return want
}

func wantErrno(t testing.TB, err error, errno unix.Errno) {
	t.Helper()
	if !errors.Is(wantErr[*DiskError](t, err).Err, errno) {
		t.Fatalf("got %v, want %v", err, errno)
	}
}

// target is what a download engine needs of a Stage.
type target interface {
	Offset() int64
	Validator() string
	Reset(size int64, validator string) error
	Write(p []byte) (int, error)
	Verify() error
}

var _ target = (*Stage)(nil)

// stores are the file systems that the suite runs on.
func stores(t *testing.T) map[string]string {
	dirs := map[string]string{"temp": t.TempDir()}
	if shm, err := os.MkdirTemp("/dev/shm", "sourcehost-store"); err == nil {
		t.Cleanup(func() { os.RemoveAll(shm) })
		dirs["tmpfs"] = shm
	}
	return dirs
}

// TestSuite runs what every store must do, on each file system and with each way
// of syncing.
func TestSuite(t *testing.T) {
	for fsName, dir := range stores(t) {
		for _, whole := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/whole=%t", fsName, whole), func(t *testing.T) {
				_, f := openStore(t, filepath.Join(dir, fmt.Sprint(whole), "a", "b"), kernel{})
				f.whole = whole
				runSuite(t, f)
			})
		}
	}
}

func runSuite(t *testing.T, f *Files) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, *Files)
	}{
		{"algorithms", suiteAlgorithms},
		{"sizes", suiteSizes},
		{"unknown size", suiteUnknownSize},
		{"exists", suiteExists},
		{"mismatch", suiteMismatch},
		{"close removes", suiteCloseRemoves},
		{"resume", suiteResume},
		{"many", suiteMany},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.run(t, f)
			wantNothingStaged(t, f)
		})
	}
}

func suiteAlgorithms(t *testing.T, f *Files) {
	data := content(1, 1000)
	for a := MD5; a <= SHA512; a++ {
		h := a.New()
		h.Write(data)
		key := mustKey(t, fmt.Sprintf("%s:%x", a, h.Sum(nil)))
		if err := put(context.Background(), f, key, data, ""); err != nil {
			t.Fatal(err)
		}
		wantEntry(t, f, key)
	}
}

func suiteSizes(t *testing.T, f *Files) {
	for _, n := range []int{0, 1, bufferSize - 1, bufferSize, bufferSize + 1, resumeMin - 1, resumeMin, resumeMin + 1, 3*resumeMin + 17} {
		key := mustPut(t, f, content(uint64(n), n))
		wantEntry(t, f, key)
		if info, err := os.Stat(entryPath(f, key)); err != nil || info.Size() != int64(n) {
			t.Errorf("entry of %d bytes: %v, %v", n, info, err)
		}
	}
}

func suiteUnknownSize(t *testing.T, f *Files) {
	data := content(2, 2*resumeMin)
	key := keyOf(t, data)
	s := stage(t, f, key)
	if err := s.Reset(-1, "v1"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write(data); err != nil { // one write larger than any buffer
		t.Fatal(err)
	}
	if err := s.Commit(context.Background()); err != nil { // verifies by itself
		t.Fatal(err)
	}
	wantEntry(t, f, key)
}

func suiteExists(t *testing.T, f *Files) {
	data := content(3, 100)
	key := keyOf(t, data)
	s := stage(t, f, key)
	if _, err := s.Write(data); err != nil {
		t.Fatal(err)
	}
	// One of osbuild's own sources is faster.
	if err := os.WriteFile(entryPath(f, key), data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(context.Background()); err != nil {
		t.Fatalf("an existing entry is no success: %v", err)
	}
	wantMode(t, entryPath(f, key), 0o600) // left alone
	if _, err := f.Stage(context.Background(), key); !errors.Is(err, ErrExists) {
		t.Fatalf("got %v, want ErrExists", err)
	}
	if err := s.Commit(context.Background()); !errors.Is(err, ErrClosed) {
		t.Errorf("second commit: got %v, want ErrClosed", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("close after commit: %v", err)
	}
}

func suiteMismatch(t *testing.T, f *Files) {
	data := content(4, 2*resumeMin)
	key := keyOf(t, data)
	s := stage(t, f, key)
	for _, wrong := range [][]byte{data[:len(data)-1], append(data[:len(data):len(data)], 0), content(5, 10), nil} {
		if err := s.Reset(int64(len(wrong)), "v1"); err != nil {
			t.Fatal(err)
		}
		s.Write(wrong)
		e := wantErr[*MismatchError](t, s.Commit(context.Background()))
		if e.Got != keyOf(t, wrong).String() || e.Size != int64(len(wrong)) || e.Resumed || !e.Mismatch() {
			t.Errorf("got %+v", e)
		}
		if s.Offset() != 0 || s.Validator() != "" {
			t.Errorf("after a mismatch the stage offers %d bytes", s.Offset())
		}
		if _, err := os.Lstat(entryPath(f, key)); err == nil {
			t.Fatal("wrong content got a name")
		}
	}
	s.Write(data)
	if err := s.Commit(context.Background()); err != nil {
		t.Fatal(err)
	}
	wantEntry(t, f, key)
}

func suiteCloseRemoves(t *testing.T, f *Files) {
	small, large := content(6, 500), content(7, 2*resumeMin)
	for _, test := range []struct {
		data      []byte
		validator string
	}{{small, "v1"}, {large, ""}} {
		s := stage(t, f, keyOf(t, test.data))
		s.Reset(int64(len(test.data)), test.validator)
		s.Write(test.data)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		wantNothingStaged(t, f)
		if _, err := s.Write(small); !errors.Is(err, ErrClosed) {
			t.Errorf("write after close: %v", err)
		}
	}
}

func suiteResume(t *testing.T, f *Files) {
	data := content(8, 3*resumeMin+333)
	key := keyOf(t, data)
	s := stage(t, f, key)
	if err := s.Reset(int64(len(data)), "\"etag\xff\""); err != nil {
		t.Fatal(err)
	}
	s.Write(data[:2*resumeMin+77])
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = stage(t, f, key)
	if s.Offset() != 2*resumeMin+77 || s.Validator() != "\"etag\xff\"" {
		t.Fatalf("offered: %d bytes of %q", s.Offset(), s.Validator())
	}
	s.Write(data[s.Offset():])
	if err := s.Commit(context.Background()); err != nil {
		t.Fatal(err)
	}
	wantEntry(t, f, key)
}

func suiteMany(t *testing.T, f *Files) {
	errs := make(chan error)
	const n = 100
	for i := range n {
		go func() {
			data := content(uint64(1000+i), 2000+i)
			errs <- put(context.Background(), f, keyOf(t, data), data, "v1")
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	for i := range n {
		wantEntry(t, f, keyOf(t, content(uint64(1000+i), 2000+i)))
	}
}
