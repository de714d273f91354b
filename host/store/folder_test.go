package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMakeOrder watches a folder that is made under umask 077: it has its mode
// before it has its name.
func TestMakeOrder(t *testing.T) {
	root, err := openPath(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.close()
	watch, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(watch)
	if _, err := unix.InotifyAddWatch(watch, root.path, unix.IN_CREATE|unix.IN_ATTRIB|unix.IN_MOVE); err != nil {
		t.Fatal(err)
	}
	old := unix.Umask(0o077)
	sub, err := root.makeSub("sub", kernel{}.syncDir)
	unix.Umask(old)
	if err != nil {
		t.Fatal(err)
	}
	sub.close()
	wantMode(t, sub.path, os.ModeDir|folderMode)
	buf := make([]byte, 4096)
	n, err := unix.Read(watch, buf)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for p := buf[:n]; len(p) > 0; {
		mask, size := binary.NativeEndian.Uint32(p[4:]), binary.NativeEndian.Uint32(p[12:])
		end := unix.SizeofInotifyEvent + int(size)
		name := strings.TrimRight(string(p[unix.SizeofInotifyEvent:end]), "\x00")
		got, p = append(got, fmt.Sprintf("%x %s", mask&^unix.IN_ISDIR, name)), p[end:]
	}
	want := []string{
		fmt.Sprintf("%x %ssub", unix.IN_CREATE, newPrefix), fmt.Sprintf("%x %ssub", unix.IN_ATTRIB, newPrefix),
		fmt.Sprintf("%x %ssub", unix.IN_MOVED_FROM, newPrefix), fmt.Sprintf("%x sub", unix.IN_MOVED_TO),
	}
	if !slices.Equal(got, want) {
		t.Errorf("the folder was made in the order %q, want %q", got, want)
	}
}

// TestHalfMadeFolder: what a process with umask 077 leaves that dies while it makes
// a folder is used and put right by the next one.
func TestHalfMadeFolder(t *testing.T) {
	half := func(parent, name string) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(parent, newPrefix+name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	half(dir, "sources")
	s, err := Open(filepath.Join(dir, "sources"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	half(s.root.path, contentType)
	f, err := s.Files(contentType)
	if err != nil {
		t.Fatal(err)
	}
	half(f.content.path, stagingName)
	mustPut(t, f, []byte("content"))
	for _, path := range []string{s.root.path, f.content.path, f.staging.path} {
		wantMode(t, path, os.ModeDir|folderMode)
		noneNew(t, filepath.Dir(path))
	}
	half(f.content.path, stagingName) // of one that was slower
	if err := f.Clean(t.Context()); err != nil {
		t.Error(err)
	}
	noneNew(t, f.content.path)
}

func noneNew(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), newPrefix) {
			t.Errorf("left behind: %s/%s", dir, e.Name())
		}
	}
}

// TestFoldersOfOthers: a folder that is there keeps its mode.
func TestFoldersOfOthers(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, contentType)
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	_, f := openStore(t, dir, kernel{})
	mustPut(t, f, []byte("content"))
	wantMode(t, path, os.ModeDir|0o700)
}

// TestMakeTogether makes the same folder from many goroutines, each with its own
// descriptors: all of them get the same one.
func TestMakeTogether(t *testing.T) {
	for range 50 {
		root, err := openPath(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		inodes := make([]uint64, 8)
		for i := range inodes {
			wg.Go(func() {
				sub, err := root.makeSub("sub", kernel{}.syncDir)
				if err != nil {
					t.Error(err)
					return
				}
				var st unix.Stat_t
				if err := unix.Fstat(sub.fd, &st); err != nil {
					t.Error(err)
				}
				inodes[i] = st.Ino
				sub.close()
			})
		}
		wg.Wait()
		for _, ino := range inodes {
			if ino != inodes[0] {
				t.Fatalf("different folders: %v", inodes)
			}
		}
		noneNew(t, root.path)
		root.close()
	}
}

// TestPlantedFolder: a folder of another user under the name that is used for
// making is not taken.
func TestPlantedFolder(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("giving a folder to another user needs root: run this test as root")
	}
	root, err := openPath(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.close()
	planted := filepath.Join(root.path, newPrefix+"sub")
	if err := errors.Join(os.Mkdir(planted, 0o755), os.Chown(planted, 65534, 65534)); err != nil {
		t.Fatal(err)
	}
	sub, err := root.makeSub("sub", kernel{}.syncDir)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.close()
	var st unix.Stat_t
	if err := unix.Fstat(sub.fd, &st); err != nil || st.Uid != 0 {
		t.Errorf("the folder belongs to %d, %v", st.Uid, err)
	}
	noneNew(t, root.path)
}
