package guest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sourcehost/sourcehost/host/guest/confine"
	"github.com/sourcehost/sourcehost/host/guest/frame"
	"github.com/sourcehost/sourcehost/internal/abi"
)

// collectAlways runs the garbage collector of this process until the test ends, and
// returns how often it has run.
func collectAlways(t *testing.T) func() int {
	stop, done := make(chan struct{}), make(chan struct{})
	var mu sync.Mutex
	n := 0
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
				mu.Lock()
				n++
				mu.Unlock()
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-done })
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		return n
	}
}

// Guests that never end are killed at their deadline, while the host collects
// garbage, which waits for code that runs in its own process, and while other plugins
// are called.
//
// adversary: A1a, A1b, A1c, A1d, A2
func TestEndlessGuestsAreKilled(t *testing.T) {
	collections := collectAlways(t)
	limits := Limits{HookTime: hookTime, Calls: 1 << 30}
	other := newPool(t, "counter", Limits{})
	h := &fakeHost{call: func(context.Context, string, []byte) (abi.Status, []byte) { return abi.OK, nil }}
	for _, name := range []string{"loop", "call_tree", "memory_fill", "call_flood", "sleep"} {
		t.Run(name, func(t *testing.T) {
			p := load(t, newRuntime(t, Config{}), Source{Name: name, Wasm: build(t, name), Limits: &limits, Clock: true})
			pool := p.Pool(nil, nil)
			defer pool.Close()
			// Once, unless by chance the host's collector did not run meanwhile.
			for idle := true; idle; {
				if err := pool.Start(context.Background()); err != nil {
					t.Fatal(err)
				}
				pid := theWorker(t, pool)
				errs := make(chan error, 1)
				go func() {
					_, err := pool.Call(context.Background(), abi.Prepare, nil, h)
					errs <- err
				}()
				before := collections()
				for done := false; !done; {
					select {
					case err := <-errs:
						wantError(t, err, Deadline, abi.Prepare, "the call took longer than 1s")
						done = true
					default:
						mustCall(t, other, abi.Prepare, "", nil)
					}
				}
				gone(t, pid)
				idle = collections() == before
			}
		})
	}
}

// gone waits until a process does not exist any more.
func gone(t *testing.T, pid int) {
	t.Helper()
	for end := time.Now().Add(testTime); unix.Kill(pid, 0) == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the process %d is still there", pid)
		}
	}
}

// What a guest can fill, it fills in its own process and up to its limits.
//
// adversary: A3a, A3b, A3c
func TestBombsAreBounded(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	for _, c := range []struct {
		guest string
		cause Cause
		most  int
	}{
		{"memory_bomb", MemoryLimit, 64 * mib},
		{"table_fill", Trap, 64 * mib},
		// The runtime's own limit of the stack: 50 MB before it is doubled and copied.
		{"recursion", Trap, 256 * mib},
		{"output_flood", OutputLimit, 64 * mib},
	} {
		t.Run(c.guest, func(t *testing.T) {
			t.Parallel()
			p := load(t, newRuntime(t, Config{}), Source{Name: c.guest, Wasm: build(t, c.guest), Limits: &Limits{MemoryBytes: 64 * mib, OutputBytes: 16 * mib}})
			w, err := p.newWorker(context.Background(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer w.close()
			idle := statusRow(t, w.proc.Pid, "VmHWM")
			_, err = w.call(context.Background(), abi.Prepare, nil, nil)
			wantError(t, err, c.cause, abi.Prepare, "")
			grown := statusRow(t, w.proc.Pid, "VmHWM") - idle
			t.Logf("%d MiB, and %d MiB more at most", idle/mib, grown/mib)
			if grown > c.most+16*mib && !underRace() {
				t.Errorf("%d MiB more were in use, want at most %d", grown/mib, c.most/mib)
			}
		})
	}
}

// What the kernel refuses a process ends it, and is told.
//
// adversary: A3a
func TestProcessMemoryLimit(t *testing.T) {
	t.Parallel()
	if underRace() {
		t.Skip("the race detector maps more than any limit")
	}
	p := load(t, newRuntime(t, Config{}), Source{Name: "bomb", Wasm: pack(t, compileBomb(1000, 32<<10), []abi.Hook{abi.Prepare}, 0)})
	proc, err := confine.Start(confine.Spec{Name: workerName})
	if err != nil {
		t.Fatal(err)
	}
	w := &worker{plugin: p, proc: proc}
	j := job{Name: "bomb", Limits: p.limits, Hooks: p.manifest.Hooks, Run: true, Confine: p.processLimits(0, false)}
	j.Confine.MemoryBytes = 160 << 20
	_, err = j.send(proc, codeOf(p.src.Wasm, p.module, p.limits.TableEntries))
	if err == nil {
		t.Fatal("it was compiled with 160 MiB")
	}
	e := w.obituary(err)
	// It may also be a thread that cannot be made.
	if e.Cause != MemoryLimit && e.Cause != Process || strings.Contains(e.Error(), "\n") || e.Stack == "" {
		t.Errorf("got the cause %q: %v", e.Cause, e)
	}
	<-proc.Done()
}

// A process that is gone is replaced, and a call that had no effect made once more.
//
// adversary: A14c
func TestDeadWorkerIsReplaced(t *testing.T) {
	t.Parallel()
	pool := newPool(t, "counter", Limits{})
	for range maxDeaths {
		if out := mustCall(t, pool, abi.Prepare, "", nil); out[0] != 1 || out[1] != 1 {
			t.Errorf("got %v, want those of a new instance", out)
		}
		_ = unix.Kill(theWorker(t, pool), unix.SIGKILL)
	}
	// The last one may not be replaced.
	_, err := pool.Call(context.Background(), abi.Prepare, nil, nil)
	wantError(t, err, Process, abi.Prepare, "8 of its processes have died in this run and no more are started; the last: its process is gone: it was ended by the signal SIGKILL")
	if len(pool.idle) != 0 {
		t.Error("a process was started")
	}
	// Another run may.
	fresh := pool.plugin.Pool(nil, nil)
	defer fresh.Close()
	mustCall(t, fresh, abi.Prepare, "", nil)
}

// A call that has asked for something is not repeated.
//
// adversary: A14c
func TestDeadWorkerAfterOperation(t *testing.T) {
	t.Parallel()
	for _, hook := range []abi.Hook{abi.Prepare, abi.FetchOne} {
		pool := newPool(t, "ask_fetch", Limits{})
		if err := pool.Start(context.Background()); err != nil {
			t.Fatal(err)
		}
		pid := theWorker(t, pool)
		h := &fakeHost{call: func(context.Context, string, []byte) (abi.Status, []byte) {
			_ = unix.Kill(pid, unix.SIGKILL)
			gone(t, pid)
			return abi.OK, nil
		}}
		_, err := pool.Call(context.Background(), hook, nil, h)
		wantError(t, err, Process, hook, "it was ended by the signal SIGKILL")
		if h.called() != 1 {
			t.Errorf("%s: asked %d times", hook, h.called())
		}
	}
	// FetchOne is not repeated at all.
	pool := newPool(t, "ask_fetch", Limits{})
	if err := pool.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	pid := theWorker(t, pool)
	_ = unix.Kill(pid, unix.SIGKILL)
	gone(t, pid)
	_, err := pool.Call(context.Background(), abi.FetchOne, nil, &fakeHost{})
	wantError(t, err, Process, abi.FetchOne, "SIGKILL")
}

func TestMeasures(t *testing.T) {
	t.Parallel()
	r := newRuntime(t, Config{})
	measures, err := r.Measures()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range measures {
		names = append(names, m.Name)
		if !m.Applied {
			t.Logf("not applied here: %s: %s", m.Name, m.Detail)
		}
	}
	for _, want := range []string{"process", "no_new_privs", "landlock", "network", "limits", "seccomp"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is not reported: %v", want, names)
		}
	}
	again, err := r.Measures()
	if err != nil || len(again) == 0 || &again[0] != &measures[0] {
		t.Errorf("the second time: %v, %v", again, err)
	}
}

// A program that could not be a worker must not be started as one: it would run
// from the start again.
func TestProgramWithoutWorkerMain(t *testing.T) {
	serves.Store(false)
	defer serves.Store(true)
	r := newRuntime(t, Config{})
	wasm := build(t, "counter")
	_, err := r.Load(Source{Name: "x", Wasm: wasm})
	wantError(t, err, Refused, "", "must call host.WorkerMain before anything else")
	if _, err := r.Measures(); !errors.Is(err, errCannotServe) {
		t.Errorf("got %v", err)
	}
	load(t, r, Source{Wasm: wasm, Trusted: true})
}

// conn is a worker that says what it was told to say.
type conn struct {
	io.Reader
	io.Writer
}

func hear(says []byte, l Limits, h Caller) (said, *callState) {
	l = l.withDefaults(Limits{})
	st := newCallState(context.Background(), &l, nil, nil, h)
	return listen(conn{bytes.NewReader(says), io.Discard}, st), st
}

func says(t testing.TB, frames ...any) []byte {
	t.Helper()
	var b bytes.Buffer
	for i := 0; i < len(frames); i += 2 {
		data, ok := frames[i+1].([]byte)
		if !ok {
			data = []byte(frames[i+1].(string))
		}
		if err := frame.Write(&b, frames[i].(frame.Type), data); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// A worker is not believed more than a guest.
//
// adversary: A9d
func TestForgedFrames(t *testing.T) {
	t.Parallel()
	ask := frame.AppendAsk(nil, "env/v1")
	for name, c := range map[string]struct {
		says []byte
		want string
	}{
		"nothing":          {nil, "EOF"},
		"text":             {[]byte("fatal error: no"), "another type than 0x66"},
		"frame of host":    {says(t, frame.Call, "x"), "another type than 0x82"},
		"ready again":      {says(t, frame.Ready, "{}"), "another type than 0x91"},
		"long request":     {says(t, frame.Ask, make([]byte, 2000)), "at most 1258 bytes, found 2000"},
		"short ask":        {says(t, frame.Ask, "\xff\xff"), "a longer payload"},
		"long line":        {says(t, frame.Log, make([]byte, 100_000)), "of at most"},
		"broken line":      {says(t, frame.Log, "\x01a\nb"), "a line of UTF-8"},
		"long output":      {says(t, frame.Done, make([]byte, 2_000_000)), "of at most"},
		"longer output":    {says(t, frame.Done, make([]byte, 1010)), "an output of at most 1000 bytes, found 1001"},
		"unknown end":      {says(t, frame.Done, "\x07"), "a Done of kind 0 or 1"},
		"unknown cause":    {says(t, frame.Done, "\x01"+`{"cause":"process","message":"x"}`), `expected the cause of a failure, found "process"`},
		"report of nobody": {says(t, frame.Done, "\x01"+`{"cause":"reported","message":"x"}`), "the error that a hook has reported"},
		"log flood":        {bytes.Repeat(says(t, frame.Log, "\x01x"), 12), "at most 11 log lines"},
		"call flood":       {bytes.Repeat(says(t, frame.Ask, ask), 6), "more than 5 operations"},
	} {
		h := &fakeHost{}
		out, _ := hear(c.says, Limits{RequestBytes: 1000, OutputBytes: 1000, LogLines: 10, LogLineBytes: 100, Calls: 5}, h)
		err := out.dead
		if out.failed != nil {
			err = out.failed.Err
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || out.output != nil {
			t.Errorf("%s: got %q and %v, want ...%s...", name, out.output, err, c.want)
		}
		if h.called() > 5 || len(h.logged()) > 11 {
			t.Errorf("%s: %d operations and %d lines reached the host", name, h.called(), len(h.logged()))
		}
	}
	out, _ := hear(says(t, frame.Log, "\x01hello", frame.Ask, ask, frame.Done, "\x00\x00\x00\x01\x00\x00\x00\x00\x00out"), Limits{}, &fakeHost{})
	if string(out.output) != "out" || out.dead != nil || out.failed != nil {
		t.Errorf("got %+v", out)
	}
}

// FuzzListen holds the host's side of a call against a worker that says anything.
func FuzzListen(f *testing.F) {
	f.Add(says(f, frame.Log, "\x01hello", frame.Ask, frame.AppendAsk(nil, "env/v1"), frame.Done, "\x00\x00\x00\x01\x00\x00\x00\x00\x00out"))
	done, _ := failureOf(&Error{Cause: Trap, Err: errors.New("m"), Stack: "s"}).Append(nil)
	f.Add(says(f, frame.Done, done))
	f.Add([]byte("panic: no"))
	f.Fuzz(func(t *testing.T, data []byte) {
		h := &fakeHost{}
		limits := Limits{OutputBytes: 4096, RequestBytes: 1024, LogLines: 10, Calls: 10, LogLineBytes: 64}
		out, st := hear(data, limits, h)
		ended := 0
		for _, is := range []bool{out.dead != nil, out.failed != nil} {
			if is {
				ended++
			}
		}
		if ended > 1 || ended == 1 && out.output != nil || int64(len(out.output)) > limits.OutputBytes {
			t.Fatalf("got %+v", out)
		}
		if h.called() > limits.Calls || len(h.logged()) > limits.LogLines+1 || st.calls > limits.Calls+1 {
			t.Fatalf("%d operations, %d lines", h.called(), len(h.logged()))
		}
		if out.failed != nil && out.failed.Cause != Reported {
			again, err := errorOf(failureOf(out.failed))
			if err != nil || again.Cause != out.failed.Cause || again.Error() != out.failed.Error() {
				t.Fatalf("%v becomes %v, %v", out.failed, again, err)
			}
		}
	})
}

// A process that prints why it gives up, or speaks nonsense, is killed, and its words
// are part of the error.
//
// adversary: A9d
func TestObituary(t *testing.T) {
	t.Parallel()
	p := load(t, newRuntime(t, Config{}), Source{Wasm: build(t, "counter")})
	for text, want := range map[string]string{
		"panic: it fell":                      "its process failed: panic: it fell",
		"fatal error: runtime: out of memory": "its process needs more memory than it may have",
		"\x94\xff\xff\xff\xff":                "its process does not keep to the protocol: expected a frame of type 0x94 of at most",
		"":                                    "its process is gone: it ",
	} {
		w, err := p.newWorker(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		// What it says is read from another socket than its own.
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = unix.Write(fds[1], []byte(text))
		unix.Close(fds[1])
		w.proc.Conn.Close()
		w.proc.Conn = fileOf(fds[0])
		limits := Limits{}.withDefaults(Limits{})
		st := newCallState(context.Background(), &limits, nil, nil, nil)
		out := listen(conn{w.proc.Conn, io.Discard}, st)
		e := w.obituary(out.dead)
		if !strings.Contains(e.Error(), want) {
			t.Errorf("%q: got %v, want ...%s...", text, e, want)
		}
		<-w.proc.Done()
	}
}

// Operations of several workers at once, and closing meanwhile.
//
// adversary: A14a, A14b
func TestWorkersConcurrently(t *testing.T) {
	t.Parallel()
	wasm := pack(t, assemble(t, "ask"), hooksOf(t, "ask"), 4)
	p := load(t, newRuntime(t, Config{}), Source{Wasm: wasm})
	var wg sync.WaitGroup
	for range 3 {
		pool := p.Pool(nil, nil)
		var once sync.Once
		h := &fakeHost{}
		h.call = func(context.Context, string, []byte) (abi.Status, []byte) {
			if h.called() >= 20 {
				once.Do(func() { go pool.Close() })
			}
			return abi.OK, nil
		}
		for range 4 {
			wg.Go(func() {
				for {
					_, err := pool.Call(context.Background(), abi.Prepare, nil, h)
					if errors.Is(err, ErrClosed) {
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	wg.Wait()
	if p.compiling != nil {
		t.Error("the plugin was compiled in this process")
	}
}
