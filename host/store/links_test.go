package store

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func mkfifo(path string) error { return unix.Mkfifo(path, 0o600) }

// precious makes a folder outside the store with a file that must stay as it is.
func precious(t *testing.T) (dir string, check func()) {
	t.Helper()
	dir = t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, func() {
		t.Helper()
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != 1 {
			t.Errorf("outside of the store: %v, %v", entries, err)
		}
		if data, err := os.ReadFile(file); err != nil || string(data) != "precious" {
			t.Errorf("the file outside of the store: %q, %v", data, err)
		}
		wantMode(t, file, 0o600)
	}
}

func TestLinkForContentFolder(t *testing.T) {
	outside, check := precious(t)
	dir := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, contentType)); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, err = s.Files(contentType)
	wantErrno(t, err, unix.ELOOP)
	if wantErr[*DiskError](t, err).Hint() == "" {
		t.Error("no hint")
	}
	check()
}

func TestLinkForStagingFolder(t *testing.T) {
	outside, check := precious(t)
	f := newFiles(t)
	if err := os.Symlink(outside, filepath.Join(f.content.path, stagingName)); err != nil {
		t.Fatal(err)
	}
	_, err := f.Stage(t.Context(), keyOf(t, nil))
	wantErrno(t, err, unix.ELOOP)
	wantErrno(t, f.Clean(t.Context()), unix.ELOOP)
	wantErrno(t, f.Remove(t.Context(), keyOf(t, nil)), unix.ELOOP)
	check()
}

func TestLinkForPartial(t *testing.T) {
	outside, check := precious(t)
	f := newFiles(t)
	stageFolder(t, f)
	key := keyOf(t, nil)
	part := stagedPath(f, key.String()+partSuffix)
	if err := os.Symlink(outside+"/file", part); err != nil {
		t.Fatal(err)
	}
	_, err := f.Stage(t.Context(), key)
	wantErrno(t, err, unix.ELOOP)
	if err := f.Clean(t.Context()); err != nil {
		t.Error(err)
	}
	check()
}

// TestSecondNameForPartial plants another file's second name: a hard link.
func TestSecondNameForPartial(t *testing.T) {
	f := newFiles(t)
	outside := filepath.Join(filepath.Dir(f.content.path), "file")
	if err := os.WriteFile(outside, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	stageFolder(t, f)
	data := []byte("content")
	key := keyOf(t, data)
	if err := os.Link(outside, stagedPath(f, key.String()+partSuffix)); err != nil {
		t.Fatal(err)
	}
	mustPut(t, f, data)
	if text, err := os.ReadFile(outside); err != nil || string(text) != "precious" {
		t.Errorf("the other file: %q, %v", text, err)
	}
	wantMode(t, outside, 0o600)
	wantEntry(t, f, key)
}

func TestStrangePartials(t *testing.T) {
	for name, test := range map[string]struct {
		plant func(path string) error
		want  error
	}{
		"folder": {func(p string) error { return os.Mkdir(p, 0o755) }, unix.EISDIR},
		"pipe":   {mkfifo, nil},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFiles(t)
			stageFolder(t, f)
			key := keyOf(t, nil)
			if err := test.plant(stagedPath(f, key.String()+partSuffix)); err != nil {
				t.Fatal(err)
			}
			_, err := f.Stage(t.Context(), key)
			if e := wantErr[*DiskError](t, err); test.want != nil && !errors.Is(e, test.want) {
				t.Errorf("got %v", err)
			}
			if err := f.Clean(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestStoreIsAFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, file + "/below"} {
		_, err := Open(path)
		wantErrno(t, err, unix.ENOTDIR)
		if wantErr[*DiskError](t, err).Hint() == "" {
			t.Error("no hint")
		}
	}
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, err = s.Files("file")
	wantErrno(t, err, unix.ENOTDIR)
	if _, err := Open(""); err == nil {
		t.Error("a store without a name was opened")
	}
}

// TestOperatorsLink follows a link that is the store itself, or above it.
func TestOperatorsLink(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{link, link + "/sources"} {
		s, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Files(contentType); err != nil {
			t.Error(err)
		}
		s.Close()
	}
	wantMode(t, dir+"/sources/"+contentType, os.ModeDir|folderMode)
}
