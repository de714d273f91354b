package guest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/sourcehost/sourcehost/internal/abi"
)

// adversary: A5c
func TestInstancesAreReusedAndDiscarded(t *testing.T) {
	everywhere(t, testInstancesAreReusedAndDiscarded)
}

func testInstancesAreReusedAndDiscarded(t *testing.T, newPool poolMaker) {
	pool := newPool(t, "counter", Limits{})
	for i := range 3 {
		if out := mustCall(t, pool, abi.Prepare, "", nil); out[0] != 1 || int(out[1]) != i+1 {
			t.Errorf("call %d: set up %d times, called %d times", i+1, out[0], out[1])
		}
	}
	// It traps, and must not be used again.
	_, err := pool.Call(context.Background(), abi.Prepare, []byte("x"), nil)
	wantError(t, err, Trap, abi.Prepare, "unreachable")
	if out := mustCall(t, pool, abi.Prepare, "", nil); out[0] != 1 || out[1] != 1 {
		t.Errorf("after a trap: set up %d times, called %d times", out[0], out[1])
	}
}

func TestStart(t *testing.T) { everywhere(t, testStart) }

func testStart(t *testing.T, newPool poolMaker) {
	pool := newPool(t, "counter", Limits{})
	for range 2 {
		if err := pool.Start(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if out := mustCall(t, pool, abi.Prepare, "", nil); out[0] != 1 || out[1] != 1 {
		t.Errorf("set up %d times, called %d times", out[0], out[1])
	}
}

func TestReportedErrorKeepsInstance(t *testing.T) { everywhere(t, testReportedErrorKeepsInstance) }

func testReportedErrorKeepsInstance(t *testing.T, newPool poolMaker) {
	pool := newPool(t, "ask", Limits{})
	for range 2 {
		_, err := pool.Call(context.Background(), abi.Prepare, nil, nil)
		wantError(t, err, Reported, abi.Prepare, "the hook returned 1")
		if len(pool.idle) != 1 {
			t.Fatalf("%d instances are idle, want 1", len(pool.idle))
		}
	}
}

// blocked is a host whose operation ends when the test says so, whatever its
// context says.
type blocked struct {
	fakeHost
	entered chan struct{}
	release chan struct{}
}

func newBlocked() *blocked {
	b := &blocked{entered: make(chan struct{}, 100), release: make(chan struct{})}
	b.call = func(context.Context, string, []byte) (abi.Status, []byte) {
		b.entered <- struct{}{}
		<-b.release
		return abi.OK, nil
	}
	return b
}

func askPool(t *testing.T, instances int, trusted bool, l Limits) *Pool {
	t.Helper()
	wasm := pack(t, assemble(t, "ask"), hooksOf(t, "ask"), instances)
	pool := load(t, newRuntime(t, Config{}), Source{Wasm: wasm, Trusted: trusted, Limits: &l}).Pool(nil, nil)
	t.Cleanup(pool.Close)
	return pool
}

// adversary: A14a
func TestConcurrentCalls(t *testing.T) {
	t.Parallel()
	pool := askPool(t, 3, true, Limits{})
	host := newBlocked()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := pool.Call(context.Background(), abi.Prepare, nil, host); err != nil {
				t.Error(err)
			}
		})
	}
	for range 3 {
		<-host.entered
	}
	// No more than three can work; a fourth would wait for an instance.
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := pool.Call(ctx, abi.Prepare, nil, host); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for an instance: %v", err)
	}
	if n := host.called(); n != 3 {
		t.Errorf("%d instances work, want 3", n)
	}
	close(host.release)
	wg.Wait()
	if host.called() != 8 {
		t.Errorf("%d calls arrived, want 8", host.called())
	}
}

// A call of a trusted plugin cannot be interrupted: it is given up.
//
// adversary: A1d
func TestTrustedCallIsGivenUp(t *testing.T) {
	t.Parallel()
	pool := askPool(t, 1, true, Limits{HookTime: hookTime})
	host := newBlocked()
	_, err := pool.Call(context.Background(), abi.Prepare, nil, host)
	wantError(t, err, Deadline, abi.Prepare, "longer than 1s")
	pool.plugin.limits.HookTime = testTime // what follows is to be in time
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-host.entered; <-host.entered; cancel() }()
	if _, err = pool.Call(ctx, abi.Prepare, nil, host); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if n := pool.plugin.abandoned.Load(); n != 2 {
		t.Errorf("%d calls were given up, want 2", n)
	}
	// The rest of the plugin's calls are not affected.
	if _, err := pool.Call(context.Background(), abi.Prepare, nil, nil); err == nil {
		t.Error("want the status of a call without a host")
	} else {
		wantError(t, err, Reported, abi.Prepare, "")
	}
	close(host.release)
}

func TestTooManyGivenUp(t *testing.T) {
	t.Parallel()
	pool := askPool(t, 1, true, Limits{})
	if err := pool.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	// The time for compiling is not to be so short.
	pool.plugin.limits.HookTime = 20 * time.Millisecond
	host := newBlocked()
	defer close(host.release)
	for range maxAbandoned {
		_, err := pool.Call(context.Background(), abi.Prepare, nil, host)
		wantError(t, err, Deadline, abi.Prepare, "longer than")
	}
	_, err := pool.Call(context.Background(), abi.Prepare, nil, host)
	wantError(t, err, Deadline, "", "no more are begun")
}

// adversary: A14b
func TestCloseDuringCall(t *testing.T) {
	t.Parallel()
	for _, trusted := range []bool{true, false} {
		pool := askPool(t, 2, trusted, Limits{})
		host := newBlocked()
		errs := make(chan error, 4)
		for range 4 {
			go func() {
				_, err := pool.Call(context.Background(), abi.Prepare, nil, host)
				errs <- err
			}()
		}
		<-host.entered
		<-host.entered
		pool.Close()
		for range 4 {
			if err := <-errs; !errors.Is(err, ErrClosed) {
				t.Errorf("got %v, want ErrClosed", err)
			}
		}
		if _, err := pool.Call(context.Background(), abi.Prepare, nil, host); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
		close(host.release)
	}
}

// Closing the runtime must not free code that runs.
//
// adversary: A14b
func TestRuntimeCloseDuringCall(t *testing.T) {
	t.Parallel()
	r := NewRuntime(Config{})
	pool := load(t, r, Source{Wasm: build(t, "ask"), Trusted: true}).Pool(nil, nil)
	host := newBlocked()
	errs := make(chan error, 1)
	go func() {
		_, err := pool.Call(context.Background(), abi.Prepare, nil, host)
		errs <- err
	}()
	<-host.entered
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if err := r.Close(ctx); err == nil {
		t.Error("Close freed code that runs")
	}
	if err := <-errs; !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
	close(host.release)
}

// adversary: A5c, A14a
func TestManyCallsAndTraps(t *testing.T) {
	t.Parallel()
	wasm := pack(t, assemble(t, "counter"), hooksOf(t, "counter"), 4)
	p := load(t, newRuntime(t, Config{}), Source{Wasm: wasm})
	var wg sync.WaitGroup
	for range 4 {
		pool := p.Pool(nil, nil)
		defer pool.Close()
		for g := range 4 {
			wg.Go(func() {
				for i := range 50 {
					input := make([]byte, (g+i)%2)
					_, err := pool.Call(context.Background(), abi.Prepare, input, nil)
					if (err != nil) != (len(input) == 1) {
						t.Errorf("input of %d bytes: %v", len(input), err)
					}
				}
			})
		}
	}
	wg.Wait()
}

// Whatever ends an instance, its memory is given back.
func TestInstanceMemoryIsFreed(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"sleep", "streams", "memory_bomb", "world"} {
		r := newRuntime(t, Config{Limits: Limits{HookTime: hookTime, MemoryBytes: 8 << 20}})
		p := load(t, r, Source{Name: name, Wasm: build(t, name), Clock: true, Trusted: true})
		eng, err := p.compile()
		if err != nil {
			t.Fatal(err)
		}
		in, err := newInstance(context.Background(), p, eng, nil)
		if err != nil {
			t.Fatal(err)
		}
		if in.alloc.data == nil {
			t.Fatal("the instance has no memory")
		}
		_, _ = in.call(context.Background(), abi.Prepare, nil, nil)
		in.close()
		in.close()
		if in.alloc.data != nil {
			t.Errorf("%s: the memory is still there", name)
		}
		if err := eng.close(context.Background()); err != nil {
			t.Error(err)
		}
	}
}
