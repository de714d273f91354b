package e2e

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

// TestMirrorFaults: whatever is wrong with the mirror that the plugin put first,
// the origin is asked at once. When it lacks the file too, both are named.
//
// adversary: B35
func TestMirrorFaults(t *testing.T) {
	t.Parallel()
	c := newChain(t)
	c.times = hasty // for the mirror that stalls
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

// TestMirrorAnnouncesTooMuch: what a mirror says about the size of a file, however
// absurd, keeps neither the origin from being asked nor other items from the disk.
func TestMirrorAnnouncesTooMuch(t *testing.T) {
	t.Parallel()
	c := newChain(t)
	c.mount("16m")
	c.wire(c.pin, granted, c.origin.Addr(), c.mirror.Addr())
	all, keys := items{}, []string{}
	for i, size := range []int64{15 << 20, 64 << 20, 1 << 40, 1 << 50, math.MaxInt64} {
		path := fmt.Sprintf("/mirrored/%d", i)
		data := content(path, 30_000)
		for _, server := range []*hosttest.Server{c.origin, c.mirror} {
			server.Put(path, hosttest.File{Content: data, ETag: fmt.Sprintf("%q", server.Addr())})
		}
		c.mirror.Script(path, hosttest.Announced(size))
		all[key(data)] = c.origin.URL(path)
		keys = append(keys, key(data))
	}
	o := c.fetch(c.sandbox.manifest(all)).ends(0).counts(len(keys), 0, 0)
	for i, k := range keys {
		if it := o.items[k]; it.Attempts != 2 || !strings.HasPrefix(it.URL, c.origin.URL("/")) {
			t.Errorf("item %d came from %s in %d attempts, want the origin in the second", i, it.URL, it.Attempts)
		}
	}
	c.holds(keys...)
	c.nothingStaged()
}

// TestMirrorRestarts: a server that restarts under many workers, twice, costs
// attempts but no item. What makes it hard is that all workers succeed at the
// same time after a first restart that each of them has noticed.
func TestMirrorRestarts(t *testing.T) {
	t.Parallel()
	const workers = 32
	all, keys, files := items{}, []string{}, map[string]hosttest.File{}
	addr := hosttest.Free(t)
	for i := range 5 * workers {
		path := fmt.Sprintf("/f%d", i)
		data := content("restart"+path, 20_000)
		files[path] = hosttest.File{Content: data, ETag: `"1"`}
		all[key(data)] = "http://" + addr + path
		keys = append(keys, key(data))
	}
	start := func(b hosttest.Behaviour) *hosttest.Server {
		server := hosttest.Start(t, hosttest.Options{Addr: addr})
		for path, f := range files {
			server.Put(path, f)
			server.Script(path, b)
		}
		return server
	}
	// restart ends a server when so many requests have come, and gives every
	// worker the time to be refused.
	restart := func(server *hosttest.Server, requests int) {
		eventually(t, "all workers have asked", func() bool { return len(server.Log()) >= requests })
		server.Close()
		time.Sleep(500 * time.Millisecond)
	}
	s := newSandbox(t)
	// Ten attempts last until the server is back, also where starting one takes seconds.
	s.configure("[download]\nbackoff_base = \"40ms\"\nbackoff_max = \"5s\"\nper_host = 64\n")
	server := start(hosttest.Silent)
	p := s.fetching(s.manifest(all), "--workers", fmt.Sprint(workers))
	restart(server, workers)
	restart(start(together(workers)), 2*workers)
	start(hosttest.Good)
	p.wait().ends(0).counts(len(keys), 0, 0)
	s.holds(keys...)
	s.nothingStaged()
}

// together sends half of each of the first n files, waits for the others, and
// then sends the rest of them all. Further requests get no answer.
func together(n int) hosttest.Behaviour {
	var mu sync.Mutex
	came, all := 0, make(chan struct{})
	return func(x *hosttest.Exchange) {
		mu.Lock()
		came++
		nth := came
		mu.Unlock()
		if nth == n {
			close(all)
		}
		if nth > n {
			hosttest.Silent(x)
			return
		}
		size := len(x.File.Content)
		x.W.Header().Set("Content-Length", strconv.Itoa(size))
		x.W.Write(x.File.Content[:size/2])
		http.NewResponseController(x.W).Flush()
		select {
		case <-all:
			x.W.Write(x.File.Content[size/2:])
		case <-x.R.Context().Done():
		}
	}
}
