package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// corruptions puts something under an entry's name that is not the entry.
func corruptions(outside string) map[string]func(path string) error {
	return map[string]func(path string) error{
		"bit flip":  func(p string) error { return os.WriteFile(p, []byte("sound?"), 0o644) },
		"truncated": func(p string) error { return os.WriteFile(p, []byte("soun"), 0o644) },
		"empty":     func(p string) error { return os.WriteFile(p, nil, 0o644) },
		"folder": func(p string) error {
			return errors.Join(os.MkdirAll(p+"/a/b", 0o755), os.WriteFile(p+"/a/c", nil, 0o644), os.Symlink(outside, p+"/a/link"))
		},
		"link":          func(p string) error { return os.Symlink(outside, p) },
		"dangling link": func(p string) error { return os.Symlink(p+".missing", p) },
		"socket or so":  func(p string) error { return mkfifo(p) },
	}
}

// TestCorruptEntries checks, for everything that may stand under an entry's name,
// that it is found, never taken for the entry, and can be repaired.
//
// adversary: C8a, C8b, C8c
func TestCorruptEntries(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "precious")
	if err := os.Mkdir(outside, 0o755); err != nil {
		t.Fatal(err)
	}
	sound := []byte("sound!")
	if err := os.WriteFile(outside+"/file", sound, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, corrupt := range corruptions(outside) {
		t.Run(name, func(t *testing.T) {
			f, ctx := newFiles(t), t.Context()
			key := keyOf(t, sound)
			if err := f.Verify(ctx, key); !errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("no entry: %v", err)
			}
			if err := corrupt(entryPath(f, key)); err != nil {
				t.Fatal(err)
			}
			e := wantErr[*CorruptError](t, f.Verify(ctx, key))
			if e.Key != key || !strings.Contains(e.Error(), entryPath(f, key)) || e.Hint() == "" {
				t.Errorf("got %+v", e)
			}
			if name != "bit flip" && name != "truncated" { // these need reading
				_, err := f.Stage(ctx, key)
				wantErr[*CorruptError](t, err)
			}
			if err := f.Remove(t.Context(), key); err != nil {
				t.Fatal(err)
			}
			if err := put(ctx, f, key, sound, ""); err != nil {
				t.Fatal(err)
			}
			wantEntry(t, f, key)
			wantNothingStaged(t, f)
		})
	}
	wantMode(t, outside+"/file", 0o600)
}

func TestRemoveKeepsSoundEntries(t *testing.T) {
	f := newFiles(t)
	key := mustPut(t, f, []byte("sound"))
	if err := f.Remove(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	wantEntry(t, f, key)
	if err := f.Remove(t.Context(), keyOf(t, []byte("missing"))); err != nil {
		t.Error(err)
	}
	wantNothingStaged(t, f)
}

// TestRemoveAfterCrash finds an entry that an earlier Remove has only moved aside.
func TestRemoveAfterCrash(t *testing.T) {
	f := newFiles(t)
	key := keyOf(t, []byte("sound"))
	stageFolder(t, f)
	if err := os.MkdirAll(stagedPath(f, key.String()+corruptSuffix+"/full"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(entryPath(f, key), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := f.Remove(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	wantNothingStaged(t, f)
	if _, err := os.Lstat(entryPath(f, key)); err == nil {
		t.Error("the corrupt entry is still there")
	}
}

func TestPresent(t *testing.T) {
	f := newFiles(t)
	there := mustPut(t, f, []byte("there"))
	empty := mustPut(t, f, nil)
	missing := keyOf(t, []byte("missing"))
	got, err := f.Present([]Key{missing, there, empty, missing, there})
	if err != nil {
		t.Fatal(err)
	}
	if want := []bool{false, true, true, false, true}; !equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, err := f.Present(nil); err != nil || len(got) != 0 {
		t.Errorf("no keys: %v, %v", got, err)
	}
	for name, corrupt := range corruptions(t.TempDir()) {
		if name == "bit flip" || name == "truncated" {
			continue // not seen without reading
		}
		t.Run(name, func(t *testing.T) {
			key := keyOf(t, []byte(name))
			if err := corrupt(entryPath(f, key)); err != nil {
				t.Fatal(err)
			}
			got, err := f.Present([]Key{there, key, missing})
			e := wantErr[*PresentError](t, err)
			if len(e.Entries) != 1 || e.Entries[0].Key != key || e.Error() == "" {
				t.Errorf("got %+v", e)
			}
			if want := []bool{true, false, false}; !equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
			if ce := wantErr[*CorruptError](t, err); ce.Key != key {
				t.Errorf("errors.As finds %+v", ce)
			}
		})
	}
}

func equal(a, b []bool) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestVerifyCancelled(t *testing.T) {
	f := newFiles(t)
	key := mustPut(t, f, []byte("sound"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Verify(ctx, key); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
