package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// plant makes a file or, when the name ends in a slash, a folder with a file in it,
// all last changed the given time ago.
func plant(t *testing.T, dir, name string, size int64, ago time.Duration) {
	t.Helper()
	path := filepath.Join(dir, name)
	paths := []string{path}
	file := path
	if name[len(name)-1] == '/' {
		if err := os.MkdirAll(path, 0o700); err != nil {
			t.Fatal(err)
		}
		file = filepath.Join(path, "sub", "file")
		if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		paths = []string{file, filepath.Dir(file), path}
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, size); err != nil {
		t.Fatal(err)
	}
	for _, p := range paths {
		touch(t, p, ago)
	}
}

func touch(t *testing.T, path string, ago time.Duration) {
	t.Helper()
	then := time.Now().Add(-ago)
	if err := os.Chtimes(path, then, then); err != nil {
		t.Fatal(err)
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// TestCleanForeign checks which leftovers of osbuild's own sources are removed.
func TestCleanForeign(t *testing.T) {
	f := newFiles(t)
	key := mustPut(t, f, []byte("entry"))
	dir := f.content.path
	const old, young = foreignAge + time.Hour, foreignAge - time.Hour
	gone := []string{".unverified-a", ".unverified-b/", "osbuild-unverified-file-c/", "osbuild-unverified-file-d", "tmp-download-e/", "tmp-download-f"}
	for _, name := range gone {
		plant(t, dir, name, 10, old)
	}
	kept := []string{".unverified-young", "osbuild-unverified-file-young/", "tmp-download-young", "tmp-download-future/"}
	for _, name := range kept {
		plant(t, dir, name, 10, young)
	}
	touch(t, filepath.Join(dir, "tmp-download-future"), -time.Hour)
	strangers := []string{"unverified-x", ".osbuild-x/", "tmp-x", ".hidden/", "sha256:1"}
	for _, name := range strangers {
		plant(t, dir, name, 10, 100*old)
	}
	plant(t, dir, "tmp-download-growing/", 10, old)
	touch(t, filepath.Join(dir, "tmp-download-growing", "sub"), 0)
	outside, check := precious(t)
	if err := os.Symlink(outside, filepath.Join(dir, "tmp-download-link")); err != nil {
		t.Fatal(err)
	}
	if err := f.Clean(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{stagingName, key.String(), "tmp-download-growing", "tmp-download-link"}
	for _, name := range append(kept, strangers...) {
		want = append(want, filepath.Clean(name))
	}
	slices.Sort(want)
	if got := names(t, dir); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	check()
}

// TestCleanLinksInside removes an old folder with a link in it, not what the link
// points to.
func TestCleanLinksInside(t *testing.T) {
	f := newFiles(t)
	outside, check := precious(t)
	plant(t, f.content.path, "tmp-download-a/", 10, 2*foreignAge)
	link := filepath.Join(f.content.path, "tmp-download-a", "sub", "link")
	if err := os.Symlink(outside, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Dir(link), filepath.Dir(filepath.Dir(link))} {
		touch(t, path, 2*foreignAge)
	}
	if err := f.Clean(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := names(t, f.content.path); len(got) != 0 {
		t.Errorf("still there: %q", got)
	}
	check()
}

// TestCleanStaging checks what of our own is removed.
//
// adversary: C1f
func TestCleanStaging(t *testing.T) {
	f := newFiles(t)
	key := func(n uint64) Key { return keyOf(t, content(n, 2*resumeMin)) }
	live := stage(t, f, key(1))
	fresh := leavePartial(t, f, content(2, 2*resumeMin), resumeMin)
	stale := leavePartial(t, f, content(3, 2*resumeMin), resumeMin)
	touch(t, stagedPath(f, stale.String()+partSuffix), resumeAge+time.Minute)
	dir := filepath.Join(f.content.path, stagingName)
	plant(t, dir, key(4).String()+partSuffix, 100, 0)             // small
	plant(t, dir, key(5).String()+partSuffix, 2*resumeMin, 0)     // nothing known about it
	plant(t, dir, key(6).String()+resumeSuffix, 10, 0)            // nothing to resume
	plant(t, dir, key(7).String()+corruptSuffix, 10, 0)           // Remove was killed
	plant(t, dir, key(8).String()+corruptSuffix+"/", 10, 0)       // likewise
	plant(t, dir, key(9).String()+".other", 10, 100*resumeAge)    // not ours
	plant(t, dir, "sha256:1"+partSuffix, 10, 100*resumeAge)       // not ours
	plant(t, dir, key(10).String()+partSuffix+"/", 10, resumeAge) // not ours
	if err := f.Clean(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{
		live.key.String() + partSuffix, fresh.String() + partSuffix, fresh.String() + resumeSuffix,
		key(9).String() + ".other", "sha256:1" + partSuffix, key(10).String() + partSuffix,
	}
	slices.Sort(want)
	if got := staged(t, f); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if s := stage(t, f, fresh); s.Offset() != resumeMin {
		t.Errorf("the fresh partial offers %d bytes", s.Offset())
	}
}

// TestCleanNothing makes no folder in a store in which nothing was staged.
// A large store is searched for leftovers of others once in a day only: no younger
// ones are removed anyway.
func TestCleanLargeStore(t *testing.T) {
	_, f := openStore(t, t.TempDir(), kernel{})
	f.scanMany = 3
	dir := f.content.path
	clean := func(left ...string) {
		t.Helper()
		if err := f.Clean(t.Context()); err != nil {
			t.Fatal(err)
		}
		found := slices.DeleteFunc(names(t, dir), func(name string) bool { return name == stagingName })
		if !slices.Equal(found, left) {
			t.Errorf("left are %v, want %v", found, left)
		}
	}
	old := func() { plant(t, dir, "tmp-download-1", 1, 2*foreignAge) }
	old()
	clean() // small
	plant(t, dir, "a", 1, 0)
	plant(t, dir, "b", 1, 0)
	old()
	clean("a", "b") // large
	old()
	clean("a", "b", "tmp-download-1") // searched just now
	marker := filepath.Join(dir, stagingName, scannedName)
	touch(t, marker, foreignAge+time.Hour)
	clean("a", "b")
	old()
	touch(t, marker, -time.Hour) // from the future: somebody has set the clock
	clean("a", "b")
}

func TestCleanNothing(t *testing.T) {
	f := newFiles(t)
	if err := f.Clean(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := names(t, f.content.path); len(got) != 0 {
		t.Errorf("cleaning made %q", got)
	}
}

func TestCleanCancelled(t *testing.T) {
	f := newFiles(t)
	plant(t, f.content.path, "tmp-download-a", 10, 2*foreignAge)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Clean(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
