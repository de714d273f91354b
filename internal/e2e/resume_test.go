package e2e

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

// large is the size of the file that is broken off in the middle.
const large = 8 << 20

const largePath = "/large.iso"

// half waits until half of the file, less what may be buffered, is on the disk.
func (s *sandbox) half() {
	s.t.Helper()
	eventually(s.t, "half of the file is staged", func() bool { return s.partial() > large/2-(1<<20) })
}

// interrupted starts a fetch of old content from a server that stops in the
// middle of it, and ends it with a signal.
func interrupted(t *testing.T, sig syscall.Signal, old, want hosttest.File) (s *sandbox, server *hosttest.Server, manifest string, o *outcome) {
	t.Helper()
	server = hosttest.Start(t, hosttest.Options{})
	server.Put(largePath, old)
	server.Script(largePath, hosttest.Stalled)
	s = newSandbox(t)
	manifest = s.manifest(items{key(want.Content): server.URL(largePath)})
	p := s.fetching(manifest)
	s.half()
	p.signal(sig)
	o = p.wait()
	s.holds()
	return s, server, manifest, o
}

// second runs the fetch to its end and returns its request.
func second(t *testing.T, s *sandbox, server *hosttest.Server, manifest string, want hosttest.File) []hosttest.Entry {
	t.Helper()
	server.Put(largePath, want)
	before := len(server.Log())
	s.fetch(manifest).ends(0).counts(1, 0, 0)
	s.holds(key(want.Content))
	s.nothingStaged()
	return server.Log()[before:]
}

// resumes checks that a request asks for the rest of a file.
func resumes(t *testing.T, e hosttest.Entry, ifRange string) {
	t.Helper()
	start, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(e.Header.Get("Range"), "bytes="), "-"))
	if err != nil || start < 1<<20 || start > large/2 {
		t.Errorf("Range is %q, want the rest of the file", e.Header.Get("Range"))
	}
	if got := e.Header.Get("If-Range"); got != ifRange {
		t.Errorf("If-Range is %q, want %q", got, ifRange)
	}
}

// adversary: C1a
func TestResumeAfterKill(t *testing.T) {
	t.Parallel()
	modified := time.Now().Add(-time.Hour).UTC()
	for _, c := range []struct {
		name    string
		file    hosttest.File
		ifRange string
	}{
		{"ETag", hosttest.File{Content: content("large", large), ETag: `"v1"`}, `"v1"`},
		{"Last-Modified", hosttest.File{Content: content("large", large), Modified: modified}, modified.Format(http.TimeFormat)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, server, m, _ := interrupted(t, syscall.SIGKILL, c.file, c.file)
			server.Script(largePath, hosttest.Good)
			log := second(t, s, server, m, c.file)
			if len(log) != 1 {
				t.Fatalf("%d requests, want 1", len(log))
			}
			resumes(t, log[0], c.ifRange)
		})
	}
}

// TestResumeOfChangedFile: the first run met another file than the manifest
// names. The server has the right one by the time of the second run.
//
// adversary: B22
func TestResumeOfChangedFile(t *testing.T) {
	t.Parallel()
	old := hosttest.File{Content: content("old", large), ETag: `"v1"`}
	want := hosttest.File{Content: content("new", large), ETag: `"v2"`}
	t.Run("noticed by the server", func(t *testing.T) {
		t.Parallel()
		s, server, m, _ := interrupted(t, syscall.SIGKILL, old, want)
		server.Script(largePath, hosttest.Good)
		log := second(t, s, server, m, want)
		if len(log) != 1 {
			t.Fatalf("%d requests, want 1", len(log))
		}
		resumes(t, log[0], `"v1"`)
	})
	t.Run("not noticed", func(t *testing.T) {
		t.Parallel()
		s, server, m, _ := interrupted(t, syscall.SIGKILL, old, want)
		server.Script(largePath, func(x *hosttest.Exchange) {
			x.R.Header.Del("If-Range") // and sends the rest of the new file as asked
			x.File.ETag = ""
			hosttest.Good(x)
		})
		log := second(t, s, server, m, want)
		if len(log) != 2 {
			t.Fatalf("%d requests, want 2", len(log))
		}
		resumes(t, log[0], `"v1"`)
		if r := log[1].Header.Get("Range"); r != "" {
			t.Errorf("after a mixture came Range %q, want the whole file", r)
		}
	})
}

// TestInterrupt stops the program in mid-download, in order and promptly, and
// goes on in the next run.
//
// adversary: C5a, C5b
func TestInterrupt(t *testing.T) {
	t.Parallel()
	file := hosttest.File{Content: content("large", large), ETag: `"v1"`}
	for _, c := range []struct {
		sig  syscall.Signal
		code int
	}{{syscall.SIGINT, 130}, {syscall.SIGTERM, 143}} {
		t.Run(fmt.Sprint(c.code), func(t *testing.T) {
			t.Parallel()
			s, server, m, o := interrupted(t, c.sig, file, file)
			o.ends(c.code).failed(key(file.Content), "canceled")
			if o.doc.Stopped == "" || o.doc.Success {
				t.Errorf("the result does not say that the run was stopped: %+v", o.doc)
			}
			if n := s.partial(); n < 1<<20 {
				t.Fatalf("%d bytes were kept", n)
			}
			server.Script(largePath, hosttest.Good)
			resumes(t, second(t, s, server, m, file)[0], `"v1"`)
		})
	}
}

// TestInterruptIsPrompt interrupts a run while many transfers, waits and retries are under
// way: none of them ends sooner than in a minute. With -v it prints how long it took.
//
// adversary: C5a
func TestInterruptIsPrompt(t *testing.T) {
	t.Parallel()
	server := hosttest.Start(t, hosttest.Options{})
	all := items{}
	behaviours := []hosttest.Behaviour{hosttest.Silent, hosttest.Stalled, hosttest.Drip, hosttest.RetryAfter(503, "60")}
	for i := range 40 {
		path := fmt.Sprintf("/f%d", i)
		data := content(path, 50_000)
		server.Put(path, hosttest.File{Content: data})
		server.Script(path, behaviours[i%len(behaviours)])
		all[key(data)] = server.URL(path)
	}
	s := newSandbox(t)
	p := s.fetching(s.manifest(all), "--workers", "64")
	eventually(t, "all requests have come", func() bool { return len(server.Log()) >= len(all) })
	sent := time.Now()
	p.signal(syscall.SIGINT)
	o := p.wait().ends(130)
	t.Logf("stopped after %v", time.Since(sent))
	promptly(t, sent)
	for k := range all {
		o.failed(k, "canceled")
	}
	s.holds()
	s.nothingStaged()
}
