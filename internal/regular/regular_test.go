package regular

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	err := errors.Join(os.WriteFile(at("file"), []byte("12345"), 0o600), os.WriteFile(at("large"), []byte("123456"), 0o600),
		os.WriteFile(at("sparse"), nil, 0o600), os.Truncate(at("sparse"), 1<<40), os.WriteFile(at("empty"), nil, 0o600),
		os.Symlink("file", at("link")), os.Symlink("/dev/zero", at("device")), os.Symlink("loop", at("loop")), syscall.Mkfifo(at("pipe"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	socket, err := net.Listen("unix", at("socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	for name, c := range map[string]struct{ content, want string }{
		"file": {"12345", ""}, "link": {"12345", ""}, "empty": {"", ""},
		"large": {"", "large is larger than 5 bytes"}, "sparse": {"", "sparse is larger than 5 bytes"},
		"device": {"", "device is not a regular file"}, "pipe": {"", "pipe is not a regular file"}, "socket": {"", "socket is not a regular file"},
		".": {"", "is not a regular file"}, "loop": {"", "symbolic links"}, "nothing": {"", "no such file"},
	} {
		done := make(chan struct{})
		go func() {
			defer close(done)
			data, err := ReadFile(at(name), 5)
			if string(data) != c.content || (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %q, %v", name, data, err)
			}
			if name == "nothing" && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %v is no fs.ErrNotExist", name, err)
			}
		}()
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: it takes too long", name)
		}
	}
	// What the kernel makes up says that it is empty, and may be read all the same.
	if data, err := ReadFile("/proc/self/status", 1<<20); err != nil || len(data) == 0 {
		t.Errorf("/proc/self/status: %d bytes, %v", len(data), err)
	}
	if _, err := ReadFile("/proc/self/status", 5); err == nil || !strings.Contains(err.Error(), "larger than 5") {
		t.Errorf("/proc/self/status with 5 bytes: %v", err)
	}
}

// TestOpen tells links apart, and what leads out of a folder.
func TestOpen(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	err := errors.Join(os.WriteFile(at("file"), []byte("12345"), 0o600), os.Symlink("file", at("link")), os.Symlink("/etc/passwd", at("out")), os.Mkdir(at("dir"), 0o700))
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	open := func(f *os.File, info fs.FileInfo, err error) error {
		if err == nil {
			defer f.Close()
			if _, err := Read(f, info, 4); !errors.Is(err, ErrTooLarge) && info.Size() > 4 {
				t.Errorf("%s: four bytes of it: %v", f.Name(), err)
			}
		}
		return err
	}
	for name, want := range map[string]struct{ path, unlinked, root string }{
		"file": {"", "", ""}, "link": {"", "is not a regular file", ""}, "out": {"", "is not a regular file", "escapes"}, "dir": {"is not a regular file", "is not a regular file", "is not a regular file"},
	} {
		for what, c := range map[string]struct {
			err  error
			want string
		}{
			"Open": {open(Open(at(name))), want.path}, "OpenUnlinked": {open(OpenUnlinked(at(name))), want.unlinked}, "OpenIn": {open(OpenIn(root, name)), want.root},
		} {
			if (c.err == nil) != (c.want == "") || c.err != nil && !strings.Contains(c.err.Error(), c.want) || errors.Is(c.err, ErrNotRegular) != strings.Contains(c.want, "regular") {
				t.Errorf("%s of %s: %v, want %q", what, name, c.err, c.want)
			}
		}
	}
}
