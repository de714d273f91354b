package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

// TestManyProcesses lets two and four processes fetch the same manifest into
// one store at once: each item is asked for once. The server answers only when
// all of them are at it.
//
// adversary: C4
func TestManyProcesses(t *testing.T) {
	t.Parallel()
	for _, n := range []int{2, 4} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			server := hosttest.Start(t, hosttest.Options{})
			all, keys := items{}, []string{}
			gate := make(chan struct{})
			for i := range 80 {
				path := fmt.Sprintf("/f%d", i)
				size := 2000 + i
				if i%20 == 0 {
					size = 2 << 20
				}
				data := content(path, size)
				server.Put(path, hosttest.File{Content: data, ETag: `"1"`})
				server.Script(path, func(x *hosttest.Exchange) {
					<-gate
					hosttest.Good(x)
				})
				all[key(data)] = server.URL(path)
				keys = append(keys, key(data))
			}
			s := newSandbox(t)
			m := s.manifest(all)
			var running []*process
			for range n {
				running = append(running, s.fetching(m, "--workers", "8"))
			}
			eventually(t, "all processes hold or wait for an item", func() bool {
				return !slices.ContainsFunc(running, func(p *process) bool { return p.open(".part") == 0 })
			})
			close(gate)
			fetched := 0
			for _, p := range running {
				c := p.wait().ends(0).doc.Counts
				if c.Fetched+c.Cached != len(all) || c.Failed != 0 {
					t.Errorf("a process has %+v", c)
				}
				fetched += c.Fetched
			}
			if fetched != len(all) {
				t.Errorf("%d items were fetched by all processes, want %d", fetched, len(all))
			}
			for path := range seen(server) {
				if c := server.Count(path); c != 1 {
					t.Errorf("%s was asked for %d times", path, c)
				}
			}
			s.holds(keys...)
			s.nothingStaged()
		})
	}
}

// open counts the process's open files whose path contains part; "" means all.
func (p *process) open(part string) (n int) {
	dir := fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid)
	fds, _ := os.ReadDir(dir) // none when it has ended
	for _, fd := range fds {
		if to, err := os.Readlink(filepath.Join(dir, fd.Name())); err == nil && strings.Contains(to, part) {
			n++
		}
	}
	return n
}

// seen are the paths that a server was asked for.
func seen(server *hosttest.Server) map[string]bool {
	paths := map[string]bool{}
	for _, e := range server.Log() {
		paths[e.Path] = true
	}
	return paths
}

// TestHolderDies: a process that waits for an item of another one takes over
// when that one is killed, and resumes.
//
// adversary: C4
func TestHolderDies(t *testing.T) {
	t.Parallel()
	file := hosttest.File{Content: content("large", large), ETag: `"v1"`}
	server := hosttest.Start(t, hosttest.Options{})
	server.Put(largePath, file)
	server.Script(largePath, hosttest.Stalled, hosttest.Good)
	s := newSandbox(t)
	m := s.manifest(items{key(file.Content): server.URL(largePath)})
	first := s.fetching(m)
	s.half()
	second := s.fetching(m)
	eventually(t, "the second process waits for the item", func() bool { return second.open(".part") > 0 })
	if n := len(server.Log()); n != 1 {
		t.Errorf("%d requests while the first process has the item, want 1", n)
	}
	first.cmd.Process.Kill()
	first.wait().ends(-1)
	second.wait().ends(0).counts(1, 0, 0)
	log := server.Log()
	if len(log) != 2 {
		t.Fatalf("%d requests, want 2", len(log))
	}
	resumes(t, log[1], `"v1"`)
	s.holds(key(file.Content))
	s.nothingStaged()
}

// TestWaiterInterrupted: a process that waits for an item of another one stops
// as promptly as any, and takes nothing away from that one.
//
// adversary: C4
func TestWaiterInterrupted(t *testing.T) {
	t.Parallel()
	file := hosttest.File{Content: content("large", large), ETag: `"v1"`}
	server := hosttest.Start(t, hosttest.Options{})
	server.Put(largePath, file)
	gate := make(chan struct{})
	server.Script(largePath, func(x *hosttest.Exchange) { <-gate; hosttest.Good(x) })
	s := newSandbox(t)
	m := s.manifest(items{key(file.Content): server.URL(largePath)})
	first := s.fetching(m)
	eventually(t, "the first process asks", func() bool { return server.Count(largePath) == 1 })
	second := s.fetching(m)
	eventually(t, "the second process waits for the item", func() bool { return second.open(".part") > 0 })
	second.signal(syscall.SIGINT)
	second.wait().ends(130).failed(key(file.Content), "canceled")
	close(gate)
	first.wait().ends(0).counts(1, 0, 0)
	if n := server.Count(largePath); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
	s.holds(key(file.Content))
	s.nothingStaged()
}
