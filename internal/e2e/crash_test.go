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

	mu   sync.Mutex
	left int
	fire func()
}

// arm sets what happens after so many bytes.
func (s *trigger) arm(bytes int, fire func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left, s.fire = bytes, fire
}

func (s *trigger) sent(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left -= n; s.left <= 0 && s.fire != nil {
		go s.fire()
		s.fire = nil
	}
}

func (s *trigger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	data, ok := s.files[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("ETag", `"1"`)
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
	t.Cleanup(server.Close)
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
// runs in between are interrupted in order instead.
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
		files.arm(0, nil)
		s.fetch(manifest).ends(0)
		s.holds(keys...)
		s.nothingStaged()
		if err := os.RemoveAll(s.store); err != nil {
			t.Fatal(err)
		}
	}
	hits, large := 0, 0
	for runs := 0; hits < points && !t.Failed(); runs++ {
		if runs > 4*points+20 {
			t.Fatalf("only %d of %d runs were killed before their end", hits, runs)
		}
		after, delay := 1+random.IntN(total/2), time.Duration(random.Int64N(int64(15*time.Millisecond)))
		sig := []syscall.Signal{syscall.SIGKILL, syscall.SIGKILL, syscall.SIGKILL, syscall.SIGKILL, syscall.SIGINT, syscall.SIGTERM}[random.IntN(6)]
		o := s.killed(files, manifest, sig, after, delay, 1+random.IntN(16))
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
	if points > 5 && large == 0 {
		t.Error("no kill has met a large partial: the test does not test resuming")
	}
}

// killed runs a fetch and sends it a signal when the server has sent so many bytes and
// the delay is over. It may have ended by then.
func (s *sandbox) killed(files *trigger, manifest string, sig syscall.Signal, after int, delay time.Duration, workers int) *outcome {
	s.t.Helper()
	var p *process
	started := make(chan struct{})
	files.arm(after, func() {
		<-started
		time.Sleep(delay)
		p.signal(sig)
	})
	p = s.fetching(manifest, "--workers", fmt.Sprint(workers))
	close(started)
	o := p.wait()
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
	s.killed(files, manifest, syscall.SIGKILL, total/3, 0, 16).ends(-1)
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
