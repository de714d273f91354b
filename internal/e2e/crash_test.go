package e2e

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// trigger serves files and calls fire when it has sent so many bytes.
type trigger struct {
	files map[string][]byte

	mu    sync.Mutex
	left  int
	fire  func()
	holds bool
	cut   int           // how much it sends of files that are larger; 0 means all
	gate  chan struct{} // what it holds back waits for it
}

// arm sets what happens after so many bytes, and whether the server holds the rest back
// then: who has not got it by chance cannot end before it is killed.
func (s *trigger) arm(bytes int, holds bool, fire func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left, s.holds, s.fire = bytes, holds, fire
	s.open()
}

// armCut has the server send so much of files that are larger and hold the rest back.
func (s *trigger) armCut(cut int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut, s.fire = cut, nil
	s.gate = make(chan struct{})
}

// release lets go what is held back, and disarms.
func (s *trigger) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fire, s.cut = nil, 0
	s.open()
}

func (s *trigger) open() {
	if s.gate != nil {
		close(s.gate)
		s.gate = nil
	}
}

// sent counts bytes, and waits when the rest is held back.
func (s *trigger) sent(n int) {
	s.mu.Lock()
	if s.left -= n; s.left <= 0 && s.fire != nil {
		go s.fire()
		if s.fire = nil; s.holds {
			s.gate = make(chan struct{})
		}
	}
	gate := s.gate
	if s.cut > 0 {
		gate = nil
	}
	s.mu.Unlock()
	if gate != nil {
		<-gate
	}
}

func (s *trigger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	data, ok := s.files[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("ETag", `"1"`)
	s.mu.Lock()
	cut, gate := s.cut, s.gate
	s.mu.Unlock()
	if cut > 0 && len(data) > cut {
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		w.Write(data[:cut])
		http.NewResponseController(w).Flush()
		<-gate
		return
	}
	http.ServeContent(&counting{w, s}, r, "", time.Time{}, strings.NewReader(string(data)))
}

// counting tells the trigger of each write.
type counting struct {
	http.ResponseWriter
	s *trigger
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.s.sent(n)
	return n, err
}

// ReadFrom keeps the server from handing files to the kernel in one piece.
func (c *counting) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{c}, r)
}

// crashing is a manifest of 60 files, some of several megabytes, and a server
// that knows how much of them it has sent.
func crashing(t *testing.T, s *sandbox) (files *trigger, manifest string, keys []string, total int) {
	t.Helper()
	files = &trigger{files: map[string][]byte{}}
	server := httptest.NewServer(files)
	t.Cleanup(func() { files.release(); server.Close() })
	all := items{}
	for i := range 60 {
		size := 500 + i*700
		switch {
		case i%20 == 7:
			size = 2<<20 + i
		case i%10 == 3:
			size = 1<<20 + i<<8
		}
		path := fmt.Sprintf("/f%d", i)
		data := content("crash"+path, size)
		files.files[path] = data
		all[key(data)] = server.URL + path
		keys = append(keys, key(data))
		total += size
	}
	return files, s.manifest(all), keys, total
}

// TestCrash kills the program at random points: after a random number of bytes
// that the server has sent, and a random delay, so that downloads, commits and
// the clean-up of earlier runs are all hit. After each, every entry must match
// its key; every few points, and at the end, a run completes what is there. Some
// runs in between are interrupted in order instead. In every second run the server holds
// back what comes after, so that there are always runs that are killed, and the first one is
// killed with half of a large file.
//
// adversary: C1a
func TestCrash(t *testing.T) {
	t.Parallel()
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-seed=%d", *seed)
	const lanes = 2
	for lane := range lanes {
		t.Run(fmt.Sprint(lane), func(t *testing.T) {
			t.Parallel()
			crash(t, rand.New(rand.NewPCG(*seed, uint64(lane))), (*crashPoints+lane)/lanes)
		})
	}
}

// crash kills as often as points says.
func crash(t *testing.T, random *rand.Rand, points int) {
	s := newSandbox(t)
	files, manifest, keys, total := crashing(t, s)
	complete := func() {
		s.fetch(manifest).ends(0)
		s.holds(keys...)
		s.nothingStaged()
		if err := os.RemoveAll(s.store); err != nil {
			t.Fatal(err)
		}
	}
	s.killedHalfway(files, manifest)
	hits, large := 1, 1
	for runs := 1; hits < points && !t.Failed(); runs++ {
		after, delay := 1+random.IntN(total/2), time.Duration(random.Int64N(int64(15*time.Millisecond)))
		sig := []syscall.Signal{syscall.SIGKILL, syscall.SIGKILL, syscall.SIGKILL, syscall.SIGKILL, syscall.SIGINT, syscall.SIGTERM}[random.IntN(6)]
		held := runs%2 == 0
		if held {
			sig = syscall.SIGKILL
		}
		o := s.killed(files, manifest, sig, after, held, delay, 1+random.IntN(16))
		if s.partial() > 1<<20 {
			large++
		}
		if o.code == -1 {
			hits++
		}
		s.entries()
		if o.code == 0 || hits%10 == 0 {
			complete()
		}
	}
	complete()
	t.Logf("%d kills, %d of them with a large partial", hits, large)
}

// killedHalfway kills a fetch that has half of a large file.
func (s *sandbox) killedHalfway(files *trigger, manifest string) {
	s.t.Helper()
	files.armCut(3 << 19)
	p := s.fetching(manifest)
	eventually(s.t, "half of a large file is staged", func() bool { return s.partial() > 1<<20 })
	p.signal(syscall.SIGKILL)
	p.wait().ends(-1)
	files.release()
	s.entries()
}

// killed runs a fetch and sends it a signal when the server has sent so many bytes and
// the delay is over. It may have ended by then, unless the rest is held back.
func (s *sandbox) killed(files *trigger, manifest string, sig syscall.Signal, after int, held bool, delay time.Duration, workers int) *outcome {
	s.t.Helper()
	var p *process
	started := make(chan struct{})
	files.arm(after, held, func() {
		<-started
		time.Sleep(delay)
		p.signal(sig)
	})
	p = s.fetching(manifest, "--workers", fmt.Sprint(workers))
	close(started)
	o := p.wait()
	files.release()
	if o.code != 0 {
		o.ends(map[syscall.Signal]int{syscall.SIGKILL: -1, syscall.SIGINT: 130, syscall.SIGTERM: 143}[sig])
	}
	return o
}

// TestCrashLeftovers: what a killed run has left is gone after a run that needs
// none of it, foreign files aside.
//
// adversary: C1f
func TestCrashLeftovers(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	files, manifest, keys, total := crashing(t, s)
	s.killed(files, manifest, syscall.SIGKILL, total/3, true, 0, 16).ends(-1)
	small := 0
	for name, size := range s.staged() {
		if strings.HasSuffix(name, ".part") && size < 1<<20 {
			small++
		}
	}
	other := content("other", 10)
	path := s.write("other", other)
	unrelated := s.write("unrelated.json", manifestOf(items{key(other): "file:" + path}))
	strange := filepath.Join(s.files(), ".somebody-elses")
	s.write(strange, []byte("x"))
	s.fetch(unrelated).ends(0).counts(1, 0, 0)
	for name, size := range s.staged() {
		if strings.HasSuffix(name, ".part") && size < 1<<20 {
			t.Errorf("%s of %d bytes is left (of %d)", name, size, small)
		}
	}
	if _, err := os.Stat(strange); err != nil {
		t.Errorf("a file of somebody else is gone: %v", err)
	}
	if err := os.Remove(strange); err != nil {
		t.Error(err)
	}
	s.fetch(manifest).ends(0)
	s.holds(append(keys, key(other))...)
	s.nothingStaged()
}
