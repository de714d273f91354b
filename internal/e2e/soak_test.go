package e2e

import (
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

var (
	soakTime  = flag.Duration("soaktime", 0, "how long TestSoak takes; 0 leaves it out")
	soakItems = flag.Int("soakitems", 20_000, "how many items TestSoak fetches in that time")
)

// soakFaults are answers after which the same server may be asked again.
var soakFaults = map[string]hosttest.Behaviour{
	"429": hosttest.Status(429), "500": hosttest.Status(500), "502": hosttest.Status(502), "503": hosttest.Status(503), "504": hosttest.Status(504),
	"503-retry-after": hosttest.RetryAfter(503, "1"), "429-date": hosttest.RetryAfterDate(429, 2*time.Second),
	"hangup": hosttest.Hangup, "reset": hosttest.ResetHalfway, "truncated": hosttest.Truncated, "stalled": hosttest.Stalled, "drip": hosttest.Drip,
	"framing": hosttest.BrokenFraming, "no-http": hosttest.NotHTTP, "too-much": hosttest.Announced(1 << 50),
	"range-ignored": hosttest.RangeIgnored, "range-wrong": hosttest.WrongRange, "wrong-bytes": hosttest.WrongBytes,
}

// soak is a server that fails 5 of 100 requests, each in a way chosen at random,
// and takes its time.
type soak struct {
	delay time.Duration

	mu       sync.Mutex
	random   *rand.Rand
	requests int
	faults   map[string]int
}

func soakContent(i int) []byte {
	size := 500 + i*7919%20_000
	if i%500 == 0 {
		size = 1<<20 + i
	}
	return content(fmt.Sprint("soak", i), size)
}

// answer makes the content when it is asked for, so that this process stays small
// too.
func (s *soak) answer(x *hosttest.Exchange) {
	time.Sleep(s.delay)
	i, err := strconv.Atoi(strings.TrimPrefix(x.Path, "/"))
	if err != nil {
		hosttest.Status(404)(x)
		return
	}
	x.File = hosttest.File{Content: soakContent(i), ETag: `"1"`}
	s.choose(x.N)(x)
}

func (s *soak) choose(earlier int) hosttest.Behaviour {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	if s.random.IntN(100) >= 5 {
		return hosttest.Good
	}
	names := make([]string, 0, len(soakFaults))
	for name := range soakFaults {
		// Wrong bytes twice are an error: the file is not what its checksum says.
		if name != "wrong-bytes" || earlier == 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	name := names[s.random.IntN(len(names))]
	s.faults[name]++
	return soakFaults[name]
}

// TestSoak fetches many items over a long time from servers of which 5 of 100
// requests fail. All items must arrive, and the memory and the files that are open
// must not grow. `make soak` runs it.
func TestSoak(t *testing.T) {
	if *soakTime == 0 {
		t.Skip("run it with make soak")
	}
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-seed=%d", *seed)
	const workers = 32
	server := hosttest.Start(t, hosttest.Options{DripEvery: 100 * time.Millisecond})
	load := &soak{delay: *soakTime * workers / time.Duration(*soakItems), random: rand.New(rand.NewPCG(*seed, 7)), faults: map[string]int{}}
	all, keys := items{}, make([]string, *soakItems)
	for i := range keys {
		path := fmt.Sprint("/", i)
		server.Script(path, load.answer)
		keys[i] = key(soakContent(i))
		all[keys[i]] = server.URL(path)
	}
	s := newSandbox(t)
	s.configure("[download]\nbackoff_base = \"100ms\"\nbackoff_max = \"2s\"\nstall_timeout = \"3s\"\nper_host = 64\n")
	p := s.start(built.program, "fetch", "--store", s.store, "--workers", fmt.Sprint(workers), "--output", "json", "--progress", "none", s.manifest(all))
	start := time.Now()
	measures := p.watch(time.Second)
	o := p.waitFor(2**soakTime+patience).ends(0).counts(*soakItems, 0, 0)
	took := time.Since(start)
	s.holds(keys...)
	s.nothingStaged()
	retried := 0
	for _, it := range o.items {
		if it.Attempts > 1 {
			retried++
		}
	}
	faults := 0
	for _, n := range load.faults {
		faults += n
	}
	t.Logf("%d items in %v; %d requests, of which %d failed (%.1f%%) in %d ways; %d items were tried again",
		len(o.items), took.Round(time.Second), load.requests, faults, 100*float64(faults)/float64(load.requests), len(load.faults), retried)
	flat(t, measures())
	s.fetch(s.manifest(all), "--progress", "none").ends(0).counts(0, *soakItems, 0)
}

// measure is what a process uses at a moment.
type measure struct{ memory, files, threads int }

// watch measures a process until it ends.
func (p *process) watch(every time.Duration) func() []measure {
	var all []measure
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for tick := time.NewTicker(every); ; {
			select {
			case <-stop:
				tick.Stop()
				return
			case <-tick.C:
			}
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
			files, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
			if m := (measure{statusField(string(status), "VmRSS:") >> 10, len(files), statusField(string(status), "Threads:")}); err == nil && m.memory > 0 {
				all = append(all, m)
			}
		}
	}()
	return func() []measure { close(stop); <-done; return all }
}

// statusField is a number of /proc/PID/status; of memory in KiB.
func statusField(status, name string) int {
	for _, line := range lines(status) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == name {
			n, _ := strconv.Atoi(f[1])
			return n
		}
	}
	return 0
}

// flat compares the second fifth of all measures with the last.
func flat(t *testing.T, all []measure) {
	t.Helper()
	fifth := len(all) / 5
	if fifth < 3 {
		t.Fatalf("only %d measures: take more time", len(all))
	}
	for _, c := range []struct {
		what  string
		of    func(measure) int
		slack int
	}{
		{"MiB of memory", func(m measure) int { return m.memory }, 16},
		{"open files", func(m measure) int { return m.files }, 16},
		{"threads", func(m measure) int { return m.threads }, 8},
	} {
		early, late, most := median(all[fifth:2*fifth], c.of), median(all[4*fifth:], c.of), 0
		for _, m := range all {
			most = max(most, c.of(m))
		}
		t.Logf("%s: %d early, %d late, %d at most", c.what, early, late, most)
		if late > early+early/5+c.slack {
			t.Errorf("%s grew from %d to %d", c.what, early, late)
		}
	}
}

func median(all []measure, of func(measure) int) int {
	var values []int
	for _, m := range all {
		values = append(values, of(m))
	}
	return middle(values)
}

// middle sorts values, and returns the one in the middle.
func middle[T cmp.Ordered](values []T) T {
	slices.Sort(values)
	return values[len(values)/2]
}
