package e2e

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestManyVerify lets three processes repair the same store at once. None may
// take away what another has just repaired.
func TestManyVerify(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	server, all, keys := someFiles(t, 30)
	m := s.manifest(all)
	s.fetch(m).ends(0)
	for _, k := range keys[:20] {
		if err := os.Truncate(filepath.Join(s.files(), k), 10); err != nil {
			t.Fatal(err)
		}
	}
	before := len(server.Log())
	var running []*process
	for range 3 {
		running = append(running, s.fetching(m, "--verify"))
	}
	for _, p := range running {
		p.wait().ends(0)
	}
	s.holds(keys...)
	s.nothingStaged()
	if n := len(server.Log()) - before; n != 20 {
		t.Errorf("%d requests to repair 20 entries", n)
	}
}

// TestVerifyInterrupted: a process that wants to repair an entry waits for the
// one that has the item, here the test, but not when it is interrupted.
func TestVerifyInterrupted(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	server, all, keys := someFiles(t, 1)
	m := s.manifest(all)
	entry := s.write(filepath.Join(s.files(), keys[0]), []byte("corrupt"))
	lock := s.write(filepath.Join(s.files(), ".sourcehost", keys[0]+".part"), nil)
	holder, err := os.Open(lock)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	if err := unix.Flock(int(holder.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	p := s.fetching(m, "--verify")
	eventually(t, "it waits for the item", func() bool { return p.open(".part") > 0 })
	p.signal(syscall.SIGINT)
	select {
	case err := <-p.done:
		p.done <- err
	case <-time.After(patience):
		t.Error("the process that waits does not stop")
		p.signal(syscall.SIGKILL)
	}
	p.wait().ends(130)
	if data, err := os.ReadFile(entry); err != nil || string(data) != "corrupt" {
		t.Errorf("the entry of which another has the item is %q, %v", data, err)
	}
	holder.Close()
	s.fetch(m, "--verify").ends(0).counts(1, 0, 0)
	s.holds(keys...)
	s.nothingStaged()
	if n := len(server.Log()); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}
