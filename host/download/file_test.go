package download

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

func TestFileURLs(t *testing.T) {
	e := newEnv(t, hosttest.HTTP, Config{})
	dir := t.TempDir()
	path := filepath.Join(dir, "a b+100% é.rpm")
	if err := os.WriteFile(path, e.content, 0o644); err != nil {
		t.Fatal(err)
	}
	quoted := strings.NewReplacer(" ", "%20", "%", "%25", "é", "%c3%a9").Replace(path)
	for _, u := range []string{"file:" + path, "file://" + path, "FILE:" + quoted, "file://localhost" + quoted} {
		info, err, target := e.fetch(u)
		want{attempts: 1}.check(t, info, err, target)
		if target.Sizes[0] != int64(len(e.content)) {
			t.Errorf("%s: the target was told the size %d", u, target.Sizes[0])
		}
	}
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(dir, "other")
	if err := os.WriteFile(other, []byte("other"), 0o644); err != nil {
		t.Fatal(err)
	}
	for u, w := range map[string]want{
		"file:" + dir + "/none": {kind: KindNotFound, attempts: 1, text: "no such file"},
		"file:" + dir:           {kind: KindInvalid, attempts: 1, text: "not a regular file"},
		"file:" + fifo:          {kind: KindInvalid, attempts: 1, text: "not a regular file"},
		"file:" + other:         {kind: KindMismatch, attempts: 2, text: "other bytes"},
	} {
		info, err, target := e.fetch(u)
		w.check(t, info, err, target)
	}
	info, err, target := e.fetch("file:"+dir+"/none", e.server.URL(filePath))
	want{attempts: 2}.check(t, info, err, target)
}

// TestFileIsNotTouched: what is not a regular file is not even opened, since that can
// have effects: here a writer would believe that somebody reads.
func TestFileIsNotTouched(t *testing.T) {
	e := newEnv(t, hosttest.HTTP, Config{})
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	opened := make(chan error, 1)
	go func() {
		f, err := os.OpenFile(fifo, os.O_WRONLY, 0)
		f.Close()
		opened <- err
	}()
	info, err, target := e.fetch("file:" + fifo)
	want{kind: KindInvalid, attempts: 1, text: "not a regular file"}.check(t, info, err, target)
	select {
	case <-opened:
		t.Error("the FIFO was opened")
	case <-time.After(50 * time.Millisecond):
		in, err := os.OpenFile(fifo, os.O_RDONLY|syscall.O_NONBLOCK, 0) // lets the writer go
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		<-opened
	}
}

func TestFileUnreadable(t *testing.T) {
	e := newEnv(t, hosttest.HTTP, Config{})
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, e.content, 0); err != nil {
		t.Fatal(err)
	}
	asNobody(t, func() {
		info, err, target := e.fetch("file:" + path)
		want{kind: KindDenied, attempts: 1, text: "must be able to read"}.check(t, info, err, target)
	})
}

// asNobody does something in a thread that permissions bind, if the process is root:
// it looks at files as another user, and ends with what it does.
func asNobody(t *testing.T, do func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		do()
		return
	}
	done := make(chan error)
	go func() {
		var err error
		defer func() { done <- err }() // also when the test ends in do
		runtime.LockOSThread()         // and never unlocked
		if _, err = unix.SetfsuidRetUid(65534); err == nil {
			do()
		}
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestFileCancel(t *testing.T) {
	e := newEnv(t, hosttest.HTTP, Config{})
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, make([]byte, 4*copyBytes), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	target := &hosttest.Target{OnWrite: func(int) { cancel() }}
	_, err := e.engine.Fetch(ctx, e.request("file:"+path), target)
	if typed := asError(t, err); typed == nil || typed.Kind != KindCanceled || len(target.Bytes) > 2*copyBytes {
		t.Errorf("got %v after %d bytes", err, len(target.Bytes))
	}
}

func TestProgress(t *testing.T) {
	overProtocols(t, func(t *testing.T, e *env) {
		type step struct{ done, total int64 }
		var steps []step
		req := e.request()
		e.engine.cfg.ProgressInterval = time.Hour
		req.Progress = func(done, total int64) { steps = append(steps, step{done, total}) }
		e.server.Script(filePath, hosttest.Truncated, hosttest.Good)
		info, err, target := e.fetchReq(req)
		want{attempts: 2, resumed: true}.check(t, info, err, target)
		// Each body tells its start, and the last one its end: the interval between
		// is longer than the test.
		if len(steps) != 3 || steps[0] != (step{0, 60_000}) || steps[1] != (step{30_000, 60_000}) || steps[2] != (step{60_000, 60_000}) {
			t.Errorf("progress was %v", steps)
		}
		steps = nil
		e.server.Script(filePath, hosttest.NoLength)
		e.fetchReq(req)
		if last := steps[len(steps)-1]; last != (step{60_000, -1}) {
			t.Errorf("without a length the last progress was %v", last)
		}
	})
}

// TestConnectionsAreReused: also after errors and redirects with small bodies.
func TestConnectionsAreReused(t *testing.T) {
	overProtocols(t, func(t *testing.T, e *env) {
		for _, u := range []string{"/fault/404/x", "/fault/503:1" + filePath, "/fault/redirect" + filePath, filePath} {
			e.fetch(e.server.URL(u))
		}
		remotes := map[string]bool{}
		for _, entry := range e.server.Log() {
			remotes[entry.Remote] = true
		}
		if len(remotes) != 1 || len(e.server.Log()) != 6 {
			t.Errorf("%d connections for %d requests, want 1 for 6", len(remotes), len(e.server.Log()))
		}
	})
}

// TestPerHostCap: as many connections at once as configured, and no more.
func TestPerHostCap(t *testing.T) {
	for _, proto := range []hosttest.Protocol{hosttest.HTTP, hosttest.HTTPS1} {
		e := newEnv(t, proto, Config{PerHost: 2})
		crowd := hosttest.NewCrowd(2)
		e.server.Script(filePath, func(x *hosttest.Exchange) {
			defer crowd.Enter(x.R.Context())()
			hosttest.Good(x)
		})
		var wg sync.WaitGroup
		for range 12 {
			wg.Go(func() {
				if _, err := e.engine.Fetch(context.Background(), e.request(), e.target()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if most := crowd.Most(); most != 2 {
			t.Errorf("%s: %d requests at once, want 2", proto, most)
		}
	}
}

func TestUserAgentAndHeader(t *testing.T) {
	e := newEnv(t, hosttest.HTTP, Config{})
	req := e.request()
	req.Header = http.Header{"x-lower": {"1", "2"}, "Host": {"virtual.test"}}
	e.fetchReq(req)
	got := e.server.Log()[0].Header
	if host := e.server.Log()[0].Host; host != "virtual.test" {
		t.Errorf("Host is %q", host)
	}
	if agent := got.Get("User-Agent"); !strings.Contains(agent, "sourcehost") || !strings.Contains(agent, "osbuild") {
		t.Errorf("User-Agent is %q", agent)
	}
	if values := got.Values("X-Lower"); len(values) != 2 {
		t.Errorf("X-Lower is %q", values)
	}
	e.engine, _ = newEngine(t, Config{UserAgent: "mine/1"})
	e.fetch()
	req.Header.Set("User-Agent", "item/1")
	e.fetchReq(req)
	if a, b := e.server.Log()[1].Header.Get("User-Agent"), e.server.Log()[2].Header.Get("User-Agent"); a != "mine/1" || b != "item/1" {
		t.Errorf("User-Agents are %q and %q", a, b)
	}
}

func TestReceiverSuite(t *testing.T) {
	hosttest.TestReceiver(t, func(_ *testing.T, content []byte) hosttest.Receiver {
		return &hosttest.Target{Want: content}
	})
}

// TestMemoryIsFlat: a large body passes through without being held.
func TestMemoryIsFlat(t *testing.T) {
	const size = 64 << 20
	content := make([]byte, size)
	for _, proto := range hosttest.Protocols { // not in parallel: the count is the process's
		e := newEnv(t, proto, Config{})
		e.server.Put("/large", hosttest.File{Content: content})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		target := &hosttest.Discard{}
		if _, err := e.engine.Fetch(context.Background(), e.request(e.server.URL("/large")), target); err != nil || target.N != size {
			t.Fatalf("%s: %d bytes, %v", proto, target.N, err)
		}
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown >= size {
			t.Errorf("%s: %d bytes were allocated for %d", proto, grown, size)
		}
	}
}

// TestWatchdogEnds: its goroutine lives no longer than there is something to
// watch.
func TestWatchdogEnds(t *testing.T) {
	e := newEnv(t, hosttest.HTTP, Config{StallTimeout: 50 * time.Millisecond})
	running := func() bool {
		e.engine.watch.mu.Lock()
		defer e.engine.watch.mu.Unlock()
		return e.engine.watch.running
	}
	e.fetch()
	for deadline := time.Now().Add(patience); running(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the watchdog is still running")
		}
	}
	e.fetch()
	e.engine.Close()
	if running() {
		t.Error("the watchdog runs after Close")
	}
	info, err, target := e.fetch()
	want{attempts: 1}.check(t, info, err, target)
}
