package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

// mount puts the store on a small file system of its own until the test ends.
func (s *sandbox) mount(size string) {
	s.t.Helper()
	if err := os.Mkdir(s.store, 0o755); err != nil {
		s.t.Fatal(err)
	}
	err := unix.Mount("tmpfs", s.store, "tmpfs", 0, "mode=755,size="+size)
	if errors.Is(err, unix.EPERM) {
		s.t.Skip("only root can mount a small file system")
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := unix.Unmount(s.store, unix.MNT_DETACH); err != nil {
			s.t.Error(err)
		}
	})
}

func (s *sandbox) remount(flags uintptr, options string) {
	s.t.Helper()
	if err := unix.Mount("tmpfs", s.store, "tmpfs", unix.MS_REMOUNT|flags, options); err != nil {
		s.t.Fatal(err)
	}
}

// someFiles serves n small files.
func someFiles(t *testing.T, n int) (server *hosttest.Server, all items, keys []string) {
	t.Helper()
	server, all = hosttest.Start(t, hosttest.Options{}), items{}
	for i := range n {
		path := fmt.Sprintf("/small/%d", i)
		data := content(t.Name()+path, 100_000+i)
		server.Put(path, hosttest.File{Content: data, ETag: `"1"`})
		all[key(data)] = server.URL(path)
		keys = append(keys, key(data))
	}
	return server, all, keys
}

// TestDiskFull has one file that is larger than the disk, with and without an
// announced size: only that one fails. When there is space, the next run completes.
//
// adversary: C3a
func TestDiskFull(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		behavior hosttest.Behaviour
	}{{"announced", hosttest.Good}, {"not announced", hosttest.NoLength}} {
		t.Run(c.name, func(t *testing.T) {
			s := newSandbox(t)
			s.mount("8m")
			server, all, keys := someFiles(t, 10)
			data := content("too large", 12<<20)
			server.Put("/too-large", hosttest.File{Content: data, ETag: `"1"`})
			server.Script("/too-large", c.behavior)
			all[key(data)] = server.URL("/too-large")
			m := s.manifest(all)
			o := s.fetch(m, "--workers", "1").ends(1).counts(10, 0, 1)
			o.failed(key(data), "disk", server.URL("/too-large"), s.files(), "no space left", "free some space")
			if n := server.Count("/too-large"); n != 1 {
				t.Errorf("%d requests: a full disk does not pass", n)
			}
			if slices.Contains(s.entries(), key(data)) {
				t.Error("the file that did not fit is in the store")
			}
			s.remount(0, "size=32m")
			s.fetch(m).ends(0)
			s.holds(append(keys, key(data))...)
			s.nothingStaged()
		})
	}
}

// TestReadOnlyStore: what is there counts as cached, everything else is said
// to be impossible, with the path.
//
// adversary: C3c
func TestReadOnlyStore(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	s.mount("8m")
	_, all, keys := someFiles(t, 4)
	first := items{keys[0]: all[keys[0]]}
	s.fetch(s.manifest(first)).ends(0)
	s.remount(unix.MS_RDONLY, "")
	s.fetch(s.manifest(first)).ends(0).counts(0, 1, 0)
	o := s.fetch(s.manifest(all)).ends(1)
	contains(t, o.out+o.errOut, "read-only file system", s.store, "remount it or choose another store")
	s.holds(keys[0])
}

// TestStoreIsFile: the path of the store, or of a folder in it, is a file.
func TestStoreIsFile(t *testing.T) {
	t.Parallel()
	_, all, _ := someFiles(t, 1)
	for _, in := range []string{"", "sources", "sources/org.osbuild.files"} {
		s := newSandbox(t)
		path := s.write(filepath.Join(s.store, in), []byte("a file"))
		o := s.fetch(s.manifest(all)).ends(1)
		contains(t, o.out+o.errOut, path, "not a directory")
		if data, err := os.ReadFile(path); err != nil || string(data) != "a file" {
			t.Errorf("the file is %q, %v", data, err)
		}
	}
}

// TestUmask: modes do not depend on the umask.
//
// adversary: C11
func TestUmask(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	_, all, keys := someFiles(t, 3)
	p := s.start("/bin/sh", "-c", `umask 077; exec "$@"`, "sh", built.program, "fetch", "--store", s.store, "--output", "json", s.manifest(all))
	p.wait().ends(0)
	s.holds(keys...) // which checks the modes of files
	for _, dir := range []string{s.store, filepath.Join(s.store, "sources"), s.files()} {
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o755 {
			t.Errorf("%s has mode %v, want 0755 (%v)", dir, info.Mode(), err)
		}
	}
}

// TestCorruptEntries breaks entries in several ways. fetch --verify repairs
// them and asks for no others.
//
// adversary: C8a, C8b, C8c
func TestCorruptEntries(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	server, all, keys := someFiles(t, 6)
	m := s.manifest(all)
	s.fetch(m).ends(0)
	entry := func(i int) string { return filepath.Join(s.files(), keys[i]) }
	data, err := os.ReadFile(entry(0))
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(data)
	flipped[len(flipped)/2] ^= 1
	remove := func(i int) {
		if err := os.Remove(entry(i)); err != nil {
			t.Fatal(err)
		}
	}
	s.write(entry(0), flipped)
	if err := os.Truncate(entry(1), 1000); err != nil {
		t.Fatal(err)
	}
	remove(2)
	s.write(filepath.Join(entry(2), "file"), []byte("in a folder"))
	remove(3)
	if err := os.Symlink(entry(4), entry(3)); err != nil {
		t.Fatal(err)
	}
	before := len(server.Log())
	o := s.fetch(m).ends(1)
	for _, i := range []int{2, 3} { // nothing that is no file is ever an entry
		o.failed(keys[i], "disk", entry(i), "--verify")
	}
	if n := len(server.Log()); n != before {
		t.Errorf("%d requests without --verify", n-before)
	}
	s.fetch(m, "--verify").ends(0).counts(4, 2, 0)
	s.holds(keys...)
	s.nothingStaged()
	if n := len(server.Log()) - before; n != 4 {
		t.Errorf("%d requests to repair 4 entries", n)
	}
}

// TestNothingOpen has many items fail in all ways while one goes on, and then
// looks at what the process has open.
func TestNothingOpen(t *testing.T) {
	t.Parallel()
	server := hosttest.Start(t, hosttest.Options{})
	behaviours := []hosttest.Behaviour{hosttest.Status(404), hosttest.Status(503), hosttest.WrongBytes, hosttest.Truncated,
		hosttest.ResetHalfway, hosttest.Hangup, hosttest.BrokenFraming, hosttest.Redirect(302, "/nowhere")}
	all := items{}
	for i := range 160 {
		path := fmt.Sprintf("/f%d", i)
		data := content("open"+path, 30_000)
		server.Put(path, hosttest.File{Content: data})
		server.Script(path, behaviours[i%len(behaviours)])
		all[key(data)] = server.URL(path)
	}
	last := content("last", 100_000)
	server.Put("/last", hosttest.File{Content: last})
	gate := make(chan struct{})
	server.Script("/last", func(x *hosttest.Exchange) { <-gate; hosttest.Good(x) })
	all[key(last)] = server.URL("/last")
	s := newSandbox(t)
	progress := filepath.Join(s.dir, "progress")
	p := s.start("/bin/sh", "-c", `exec 2>"$0"; exec "$@"`, progress,
		built.program, "fetch", "--store", s.store, "--output", "json", "--progress", "json", s.manifest(all))
	eventually(t, "all others have failed", func() bool {
		data, _ := os.ReadFile(progress)
		return bytes.Count(data, []byte(`"failed"`)) >= 160
	})
	eventually(t, "the last item alone is staged", func() bool { return p.open(".part") == 1 && len(s.staged()) == 1 })
	// Standard streams, the store's folders and locks, epoll and the like, and
	// idle connections to the one host.
	if n := p.open("(deleted)"); n != 0 {
		t.Errorf("%d deleted files are open", n)
	}
	if files, sockets := p.open("/"), p.open("socket:"); files > 20 || sockets > 64 {
		t.Errorf("%d files and %d sockets are open", files, sockets)
	}
	close(gate)
	p.wait().ends(1).counts(1, 0, 160)
	s.holds(key(last))
	s.nothingStaged()
}

// TestFewOpenFiles: a limit on open files makes a fetch slower at most.
func TestFewOpenFiles(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	all, keys := items{}, []string{}
	for i := range 1000 {
		data := content(fmt.Sprintf("few-%d", i), 300)
		all[key(data)] = "file:" + s.write(fmt.Sprintf("files/%d", i), data)
		keys = append(keys, key(data))
	}
	p := s.start("/bin/sh", "-c", `ulimit -n 256; exec "$@"`, "sh",
		built.program, "fetch", "--store", s.store, "--output", "json", "--progress", "none", s.manifest(all))
	p.wait().ends(0).counts(len(keys), 0, 0)
	s.holds(keys...)
}
