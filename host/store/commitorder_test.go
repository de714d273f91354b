package store

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestCommitOrder checks that content is synced before names, and all names before
// that of the commit.
//
// adversary: C2
func TestCommitOrder(t *testing.T) {
	from, keys := newStoreOf(t, 1)
	source := openCommits(t, from, kernel{})
	for _, whole := range []bool{true, false} {
		r := &recorder{}
		c := openCommits(t, t.TempDir(), r)
		c.files.whole = whole
		if _, err := c.CopyFrom(t.Context(), source, keys[0]); err != nil {
			t.Fatal(err)
		}
		final := "rename " + keys[0].String()[2:] + ".commit"
		at := slices.IndexFunc(r.events, func(e string) bool { return strings.HasPrefix(e, final) })
		repoAt := slices.Index(r.events, "rename new repo")
		if at < 0 || repoAt < 0 {
			t.Fatalf("events %q", r.events)
		}
		renamed, synced := map[string]int{}, map[string]int{}
		for i, e := range r.events[repoAt+1:] {
			i += repoAt + 1
			kind, rest, _ := strings.Cut(e, " ")
			name, _, _ := strings.Cut(rest, " ")
			switch kind {
			case "rename":
				if synced[name] == 0 {
					t.Errorf("%s was named before its content was synced", name)
				}
				renamed[name] = i
			case "syncFile", "checkFile":
				synced[name] = i
			}
			if kind == "checkFile" && !slices.Contains(r.events[repoAt:i], "syncFS") {
				t.Error("content was only looked at")
			}
		}
		for _, path := range allObjects(t, c.files.content.path) {
			name, dir := filepath.Base(path), filepath.Base(filepath.Dir(path))
			if strings.HasSuffix(name, ".commit") {
				if !slices.Contains(r.events[at:], "syncDir "+dir) {
					t.Error("the commit's name was not synced")
				}
				continue
			}
			if renamed[name] == 0 || renamed[name] > at || !slices.Contains(r.events[renamed[name]:at], "syncDir "+dir) {
				t.Errorf("whole %v: %s/%s has no name on the disk before the commit", whole, dir, name)
			}
		}
		if !slices.Contains(r.events[repoAt:at], "syncDir "+objectsName) {
			t.Error("the folders of objects were not synced")
		}
	}
}

// TestCommitFaults has each operation of the disk fail.
func TestCommitFaults(t *testing.T) {
	from, keys := newStoreOf(t, 1)
	source := openCommits(t, from, kernel{})
	for _, prefix := range []string{"syncFS", "syncFile", "checkFile", "rename new repo", "rename ", "syncDir objects", "syncDir "} {
		r := &recorder{}
		failed := false
		r.fail = func(event string) error {
			if strings.HasPrefix(event, prefix) {
				failed = true
				return unix.EIO
			}
			return nil
		}
		c := openCommits(t, t.TempDir(), kernel{})
		c.files.store.disk = r
		_, err := c.CopyFrom(t.Context(), source, keys[0])
		if !failed {
			continue // where the file system is not synced as a whole
		}
		if prefix == "syncFS" { // each file was synced instead
			if err != nil {
				t.Errorf("%s: %v", prefix, err)
			}
			continue
		}
		if !errors.Is(err, unix.EIO) {
			t.Errorf("%s: %v", prefix, err)
		}
		wantNothingStaged(t, c.files)
		r.fail = nil
		if _, err := c.CopyFrom(t.Context(), source, keys[0]); err != nil && !errors.Is(err, ErrExists) {
			t.Errorf("%s, again: %v", prefix, err)
		}
		wantSound(t, c, keys...)
	}
}

// TestNamesOnDisk has the sync of names fail after objects were named: the commit must
// not get its name then.
//
// adversary: C2
func TestNamesOnDisk(t *testing.T) {
	from, keys := newStoreOf(t, 1)
	source := openCommits(t, from, kernel{})
	r := &recorder{}
	named := false
	r.fail = func(event string) error {
		named = named || strings.HasPrefix(event, "rename ") && strings.Contains(event, ".dirtree")
		if named && strings.HasPrefix(event, "syncDir ") {
			named = false // that one sync only
			r.fail = nil
			return unix.EIO
		}
		return nil
	}
	c := openCommits(t, t.TempDir(), kernel{})
	c.files.store.disk = r
	if _, err := c.CopyFrom(t.Context(), source, keys[0]); !errors.Is(err, unix.EIO) {
		t.Errorf("CopyFrom: %v", err)
	}
	wantPresent(t, c, false, keys...)
}

// TestCommitCancel stops a copy before it begins to change anything.
func TestCommitCancel(t *testing.T) {
	from, keys := newStoreOf(t, 1)
	source, c := openCommits(t, from, kernel{}), openCommits(t, t.TempDir(), kernel{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.CopyFrom(ctx, source, keys[0]); !errors.Is(err, context.Canceled) {
		t.Errorf("CopyFrom: %v", err)
	}
	if err := source.Verify(ctx, keys[0]); !errors.Is(err, context.Canceled) {
		t.Errorf("Verify: %v", err)
	}
	wantNothingStaged(t, c.files)
}

// TestRemoveWaits keeps a repair from deleting what a commit relies on that is about
// to be stored.
func TestRemoveWaits(t *testing.T) {
	from, keys := newStoreOf(t, 2)
	source, c := openCommits(t, from, kernel{}), openCommits(t, t.TempDir(), kernel{})
	if _, err := c.CopyFrom(t.Context(), source, keys[0]); err != nil {
		t.Fatal(err)
	}
	unlinkAll(t, c)
	s, err := c.Stage(t.Context(), keys[1])
	if err != nil {
		t.Fatal(err)
	}
	r, err := source.repo()
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	if err := errors.Join(s.fill(t.Context(), r), s.Verify(t.Context())); err != nil {
		t.Fatal(err)
	}
	for _, path := range allObjects(t, c.files.content.path) {
		if strings.HasSuffix(path, ".filez") && usedByBoth(t, source, keys, path, ".filez") {
			must(t, flipBit(path))
			break
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := c.Remove(ctx, keys[0]); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Remove did not wait: %v", err)
	}
	must(t, s.Commit(t.Context()))
	must(t, c.Remove(t.Context(), keys[0]))
	wantPresent(t, c, false, keys...) // both need what was corrupt
}
