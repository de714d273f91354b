package store

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestTreeOrder proves that all content is synced before anything is named, and the
// name before success is told.
//
// adversary: C2
func TestTreeOrder(t *testing.T) {
	r := &recorder{}
	trees := openTrees(t, t.TempDir(), r)
	key := treeKey(t, 1)
	for _, part := range []string{PartImage, PartArchive} {
		if _, err := trees.files.stagingFolder(); err != nil {
			t.Fatal(err)
		}
		r.events = nil
		if err := produceTree(t.Context(), trees, key, part, 1); err != nil {
			t.Fatal(err)
		}
		tree := key.String() + "." + part + treeSuffix
		named := slices.Index(r.events, "rename "+tree+" "+key.String())
		last := []string{"syncDir " + treeType}
		before := []string{"syncDir image", "syncDir sub", "syncFile blob", "syncFile empty", "syncFile manifest.json", "syncFile version", "syncDir " + tree}
		if part == PartArchive {
			before = []string{"syncFile " + PartArchive, "syncDir " + tree}
			// The entry is there, so the first name is refused.
			named = slices.Index(r.events, "rename "+PartArchive+" "+PartArchive)
			last = append(last, "syncDir "+key.String())
		}
		if named < 0 {
			t.Fatalf("no naming: %q", r.events)
		}
		for _, e := range before {
			if i := slices.Index(r.events, e); i < 0 || i > named {
				t.Errorf("%s: %q is not before the naming: %q", part, e, r.events)
			}
		}
		if slices.Index(before, "syncDir sub") >= 0 && slices.Index(r.events, "syncDir sub") > slices.Index(r.events, "syncDir image") {
			t.Errorf("a folder was synced before what is in it: %q", r.events)
		}
		for _, e := range last {
			if !slices.Contains(r.events[named:], e) {
				t.Errorf("%s: %q is not after the naming: %q", part, e, r.events)
			}
		}
	}
}

// TestTreeDiskFails breaks each operation in turn.
func TestTreeDiskFails(t *testing.T) {
	for _, broken := range []string{"syncFile blob", "syncDir sub", "syncDir image", "rename "} {
		r := &recorder{}
		trees := openTrees(t, t.TempDir(), r)
		key := treeKey(t, 1)
		s := stageTree(t, trees, key, PartImage)
		if err := fillTree(s.Dir(), treeContent(1, PartImage)); err != nil {
			t.Fatal(err)
		}
		failed := false
		r.fail = func(e string) error {
			if strings.HasPrefix(e, broken) && !failed { // as the kernel does: once
				failed = true
				return unix.EIO
			}
			return nil
		}
		wantErrno(t, s.Commit(t.Context()), unix.EIO)
		if strings.HasPrefix(broken, "sync") {
			wantErrno(t, s.Commit(t.Context()), unix.EIO)
		}
		if got, err := trees.Present([]Key{key}, PartImage); err != nil || got[0] {
			t.Errorf("%s: the entry is there: %v", broken, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		wantNothingStaged(t, trees.files)
	}
}

// adversary: C3a
func TestTreeDiskFull(t *testing.T) {
	dir := mount(t, "size=256k,mode=755")
	trees := openTrees(t, dir, kernel{})
	key := treeKey(t, 1)
	s := stageTree(t, trees, key, PartArchive)
	if err := os.WriteFile(s.Dir()+"/"+PartArchive, make([]byte, 1<<20), 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wantNothingStaged(t, trees.files)
	if err := produceTree(t.Context(), trees, key, PartArchive, 1); err != nil { // there is room again
		t.Fatal(err)
	}
}

// adversary: C3c
func TestTreeReadOnly(t *testing.T) {
	key, missing := treeKey(t, 1), treeKey(t, 2)
	dir := readOnly(t, func(dir string) {
		s, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		trees, err := s.Trees(treeType)
		if err == nil {
			err = produceTree(t.Context(), trees, key, PartImage, 1)
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	trees := openTreesOnly(t, dir)
	if got, err := trees.Present([]Key{key, missing}, PartImage); err != nil || !got[0] || got[1] {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := trees.Stage(t.Context(), key, PartImage); !errors.Is(err, ErrExists) {
		t.Errorf("got %v", err)
	}
	_, err := trees.Stage(t.Context(), missing, PartImage)
	wantErrno(t, err, unix.EROFS)
}

// openTreesOnly opens no other content type, which could not be made.
func openTreesOnly(t *testing.T, dir string) *Trees {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	trees, err := s.Trees(treeType)
	if err != nil {
		t.Fatal(err)
	}
	return trees
}
