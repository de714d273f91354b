package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

// TestMirrorFaults: whatever is wrong with the mirror that the plugin put first,
// the origin is asked at once. When it lacks the file too, both are named.
func TestMirrorFaults(t *testing.T) {
	t.Parallel()
	c := newChain(t)
	c.wire(c.pin, granted, c.origin.Addr(), c.mirror.Addr())
	all, keys := items{}, []string{}
	for i, b := range []hosttest.Behaviour{
		hosttest.Status(404), hosttest.Status(403), hosttest.Status(503), hosttest.RetryAfter(503, "60"), hosttest.WrongBytes,
		hosttest.Truncated, hosttest.ResetHalfway, hosttest.Hangup, hosttest.Stalled, hosttest.BrokenFraming,
		hosttest.NotHTTP, hosttest.Redirect(302, "file:///etc/passwd"),
	} {
		path := fmt.Sprintf("/mirrored/%d", i)
		data := content(path, 30_000)
		for _, server := range []*hosttest.Server{c.origin, c.mirror} {
			server.Put(path, hosttest.File{Content: data, ETag: `"1"`})
		}
		c.mirror.Script(path, b)
		all[key(data)] = c.origin.URL(path)
		keys = append(keys, key(data))
	}
	lost := content("lost", 100)
	c.mirror.Script("/lost", hosttest.Status(410))
	all[key(lost)] = c.origin.URL("/lost")
	o := c.fetch(c.sandbox.manifest(all)).ends(1).counts(len(keys), 0, 1)
	for i, k := range keys {
		if it := o.items[k]; it.Attempts != 2 || !strings.HasPrefix(it.URL, c.origin.URL("/")) {
			t.Errorf("item %d came from %s in %d attempts, want the origin in the second", i, it.URL, it.Attempts)
		}
	}
	o.failed(key(lost), "not found", c.origin.URL("/lost"), "404", c.mirror.URL("/lost"), "410", "2 attempts")
	c.holds(keys...)
	c.nothingStaged()
}

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

// TestVerifyInterrupted: of two processes that find the same corrupt entry, one
// repairs it, and the other waits for that one, but not when it is interrupted.
func TestVerifyInterrupted(t *testing.T) {
	t.Parallel()
	file := hosttest.File{Content: content("large", large), ETag: `"v1"`}
	server := hosttest.Start(t, hosttest.Options{})
	server.Put(largePath, file)
	gate := make(chan struct{})
	server.Script(largePath, func(x *hosttest.Exchange) { <-gate; hosttest.Good(x) })
	s := newSandbox(t)
	s.configure(calm)
	m := s.manifest(items{key(file.Content): server.URL(largePath)})
	// So large that both read it at the same time.
	entry := s.write(filepath.Join(s.files(), key(file.Content)), nil)
	if err := os.Truncate(entry, 256<<20); err != nil {
		t.Fatal(err)
	}
	second := s.write("second.toml", []byte(calm+"user_agent = \"second\"\n"))
	both := []*process{s.fetching(m, "--verify"), s.fetching(m, "--verify", "--config", second)}
	eventually(t, "both hold or wait for the item, and neither reads the entry", func() bool {
		for _, p := range both {
			if p.open(".part") == 0 || p.open("org.osbuild.files/sha256") > 0 {
				return false
			}
		}
		return server.Count(largePath) == 1
	})
	// The agent of the one request tells which of them repairs.
	repairing, waiting := both[0], both[1]
	if server.Log()[0].Header.Get("User-Agent") == "second" {
		repairing, waiting = waiting, repairing
	}
	waiting.signal(syscall.SIGINT)
	select {
	case err := <-waiting.done:
		waiting.done <- err
	case <-time.After(10 * time.Second):
		t.Error("the process that waits does not stop")
		waiting.signal(syscall.SIGKILL)
	}
	waiting.wait().ends(130)
	close(gate)
	repairing.wait().ends(0).counts(1, 0, 0)
	s.holds(key(file.Content))
	s.nothingStaged()
}
