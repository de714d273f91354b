package guest

import (
	"bytes"
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sourcehost/sourcehost/internal/abi"
)

// cached is a disk cache under test.
type cached struct {
	dir  string
	wasm []byte
	log  bytes.Buffer
}

func newCached(t *testing.T) *cached {
	return &cached{dir: filepath.Join(t.TempDir(), "cache"), wasm: build(t, "counter")}
}

// use runs the plugin in a new runtime and returns what was logged. It must work
// whatever the cache is like.
func (c *cached) use(t *testing.T) string {
	t.Helper()
	c.log.Reset()
	r := NewRuntime(Config{CacheDir: c.dir, Logger: slog.New(slog.NewTextHandler(&c.log, nil))})
	pool := load(t, r, Source{Wasm: c.wasm}).Pool(nil, nil)
	if out := mustCall(t, pool, abi.Prepare, "", nil); out[0] != 1 || out[1] != 1 {
		t.Errorf("got the output %v", out)
	}
	if err := r.Close(context.Background()); err != nil {
		t.Error(err)
	}
	return c.log.String()
}

// entry returns the folder of the only entry.
func (c *cached) entry(t *testing.T) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(c.dir, "*", "*"))
	if err != nil || len(found) != 1 {
		t.Fatalf("found %v, %v; want one entry", found, err)
	}
	return found[0]
}

// files returns the files of the only entry except the checksums.
func (c *cached) files(t *testing.T) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(filepath.Join(c.entry(t), entryFolder), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil || len(files) != 1 {
		t.Fatalf("found %v, %v; want one file", files, err)
	}
	return files
}

func inode(t *testing.T, path string) fs.FileInfo {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func TestCacheIsUsed(t *testing.T) {
	t.Parallel()
	c := newCached(t)
	if log := c.use(t); log != "" {
		t.Errorf("logged %s", log)
	}
	for _, dir := range []string{c.dir, filepath.Dir(c.entry(t)), c.entry(t)} {
		if mode := inode(t, dir).Mode().Perm(); mode != 0o700 {
			t.Errorf("%s has mode %o", dir, mode)
		}
	}
	before := inode(t, c.files(t)[0])
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(c.entry(t), old, old); err != nil {
		t.Fatal(err)
	}
	if log := c.use(t); log != "" {
		t.Errorf("logged %s", log)
	}
	if !os.SameFile(before, inode(t, c.files(t)[0])) {
		t.Error("the plugin was compiled again")
	}
	if time.Since(inode(t, c.entry(t)).ModTime()) > 10*time.Minute {
		t.Error("the time of the last use was not noted")
	}
}

// The compiled code in the cache must be what is run: an entry that holds the
// code of another plugin, with matching checksums, shows.
//
// adversary: A13a
func TestCacheIsRead(t *testing.T) {
	t.Parallel()
	c := newCached(t)
	c.use(t)
	file := c.files(t)[0]
	code, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	// The runtime refuses it, after the checksum has accepted it.
	if err := os.WriteFile(file, append([]byte("NOTWAZ"), code[6:]...), 0o600); err != nil {
		t.Fatal(err)
	}
	sums, err := checksums(filepath.Join(c.entry(t), entryFolder))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.entry(t), checksumFile), []byte(sums), 0o600); err != nil {
		t.Fatal(err)
	}
	if log := c.use(t); !strings.Contains(log, "invalid magic number") {
		t.Errorf("logged %q", log)
	}
	if log := c.use(t); log != "" {
		t.Errorf("after the repair: logged %s", log)
	}
}

// adversary: A13a, A13b, A13c
func TestCacheDamage(t *testing.T) {
	t.Parallel()
	change := func(fn func(data []byte) []byte) func(*testing.T, *cached) {
		return func(t *testing.T, c *cached) {
			file := c.files(t)[0]
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, fn(data), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	damages := map[string]func(*testing.T, *cached){
		"empty":       change(func([]byte) []byte { return nil }),
		"cut in half": change(func(d []byte) []byte { return d[:len(d)/2] }),
		"one byte shorter": change(func(d []byte) []byte {
			return d[:len(d)-1]
		}),
		// The runtime's own checksum does not cover these: the table of functions
		// in front of the code would send calls anywhere.
		"table of functions": change(func(d []byte) []byte { d[40] ^= 0x10; return d }),
		"number of functions": change(func(d []byte) []byte {
			n := 7 + int(d[6])
			copy(d[n:], "\xff\xff\xff\x7f")
			return d
		}),
		"code":        change(func(d []byte) []byte { d[len(d)/2] ^= 1; return d }),
		"no file":     func(t *testing.T, c *cached) { remove(t, c.files(t)[0]) },
		"no checksum": func(t *testing.T, c *cached) { remove(t, filepath.Join(c.entry(t), checksumFile)) },
		"checksum is a FIFO": func(t *testing.T, c *cached) {
			sums := filepath.Join(c.entry(t), checksumFile)
			remove(t, sums)
			if err := unix.Mkfifo(sums, 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"one file more": func(t *testing.T, c *cached) { write(t, c.files(t)[0]+"x", "x") },
		"symbolic link": func(t *testing.T, c *cached) {
			file := c.files(t)[0]
			rename(t, file, file+"~")
			if err := os.Symlink(file+"~", file); err != nil {
				t.Fatal(err)
			}
		},
		"writable by others": func(t *testing.T, c *cached) {
			if err := os.Chmod(c.files(t)[0], 0o666); err != nil {
				t.Fatal(err)
			}
		},
		"a file in place of the folder": func(t *testing.T, c *cached) {
			entry := c.entry(t)
			if err := os.RemoveAll(entry); err != nil {
				t.Fatal(err)
			}
			write(t, entry, "x")
		},
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCached(t)
			c.use(t)
			damage(t, c)
			if log := c.use(t); !strings.Contains(log, "damaged: the plugin is compiled anew") {
				t.Errorf("logged %q", log)
			}
			c.files(t) // exactly one intact entry is left
			if log := c.use(t); log != "" {
				t.Errorf("after the repair: logged %s", log)
			}
		})
	}
}

// adversary: A13c
func TestCacheFolderIsRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		prepare func(t *testing.T, dir string)
		want    string
	}{
		"writable by others": {func(t *testing.T, dir string) { mkdir(t, dir, 0o770) }, "found mode 0770"},
		"symbolic link": {func(t *testing.T, dir string) {
			mkdir(t, dir+"~", 0o700)
			if err := os.Symlink(dir+"~", dir); err != nil {
				t.Fatal(err)
			}
		}, "expected a folder, found something else"},
		"file": {func(t *testing.T, dir string) { write(t, dir, "x") }, "not a directory"},
		"other owner": {func(t *testing.T, dir string) {
			mkdir(t, dir, 0o700)
			if err := os.Chown(dir, 12345, 12345); err != nil {
				t.Skip("only root can give a folder away")
			}
		}, "found 12345"},
		"folder above writable by others": {func(t *testing.T, dir string) {
			if err := os.Chmod(filepath.Dir(dir), 0o777); err != nil {
				t.Fatal(err)
			}
		}, "above it: expected a folder that others cannot write, found mode 0777"},
		"folder above of another owner": {func(t *testing.T, dir string) {
			if err := os.Chown(filepath.Dir(dir), 12345, 12345); err != nil {
				t.Skip("only root can give a folder away")
			}
		}, "found 12345"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCached(t)
			test.prepare(t, c.dir)
			log := c.use(t)
			if !strings.Contains(log, "the cache of compiled plugins is not used") || !strings.Contains(log, test.want) {
				t.Errorf("logged %q, want ...%s...", log, test.want)
			}
			if found, _ := filepath.Glob(filepath.Join(c.dir, "*")); len(found) != 0 {
				t.Errorf("%v was written", found)
			}
		})
	}
}

// Trusted and untrusted code differ, and so do builds.
func TestCacheKeys(t *testing.T) {
	t.Parallel()
	c := newCached(t)
	c.use(t)
	r := newRuntime(t, Config{CacheDir: c.dir})
	pool := load(t, r, Source{Wasm: c.wasm, Trusted: true}).Pool(nil, nil)
	mustCall(t, pool, abi.Prepare, "", nil)
	if found, _ := filepath.Glob(filepath.Join(c.dir, buildKey(), "*")); len(found) != 2 {
		t.Errorf("found %v, want two entries", found)
	}
	if !strings.HasPrefix(buildKey(), "wazero-") || buildKey() != filepath.Base(buildKey()) {
		t.Errorf("the key of the build is %q", buildKey())
	}
}

// adversary: A14a
func TestCacheConcurrently(t *testing.T) {
	t.Parallel()
	c := newCached(t)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			own := &cached{dir: c.dir, wasm: c.wasm}
			if log := own.use(t); log != "" {
				t.Errorf("logged %s", log)
			}
		})
	}
	wg.Wait()
	c.files(t)
}

// One compilation serves all pools that wait for it.
func TestCompileOnce(t *testing.T) {
	t.Parallel()
	p := load(t, newRuntime(t, Config{}), Source{Wasm: build(t, "counter"), Trusted: true})
	engines := make([]*engine, 8)
	var wg sync.WaitGroup
	for i := range engines {
		wg.Go(func() { engines[i], _ = p.engineFor(context.Background()) })
	}
	wg.Wait()
	for _, e := range engines {
		if e == nil || e != engines[0] {
			t.Fatalf("got the engines %v", engines)
		}
	}
}

func TestPrune(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := time.Now()
	age := map[string]time.Duration{
		"old/unused":           unusedFor + time.Hour,
		"new/unused":           unusedFor + time.Hour,
		"new/used":             time.Hour,
		"new/.part-left":       2 * partAge,
		"new/.part-in-the-way": time.Minute,
	}
	for name, age := range age {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, now.Add(-age), now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	prune(dir, now)
	left, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil || len(left) != 2 {
		t.Errorf("left %v, %v; want the used one and the one that is being made", left, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "old")); err == nil {
		t.Error("the empty folder of the old build is still there")
	}
}

// A cache that cannot be written costs time only.
func TestCacheCannotBeWritten(t *testing.T) {
	t.Parallel()
	c := newCached(t)
	mkdir(t, c.dir, 0o700)
	// The folder of the build cannot be made where a file has its name.
	write(t, filepath.Join(c.dir, buildKey()), "x")
	if log := c.use(t); !strings.Contains(log, "is not used") {
		t.Errorf("logged %q", log)
	}
}

func mkdir(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if err := os.Mkdir(path, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}
