package guest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// engine is a plugin ready to be instantiated: a WebAssembly runtime of its own
// and the compiled module in it. One runtime for each plugin costs about a
// millisecond; it lets each have its own limits and its own place in the disk
// cache, and keeps the faults of one from the others.
type engine struct {
	runtime  wazero.Runtime
	cache    wazero.CompilationCache
	compiled wazero.CompiledModule

	mu     sync.Mutex
	users  int           // calls that run, also abandoned ones
	closed bool          // no more users
	unused chan struct{} // closed when closed and users is 0
}

// startMu serializes the start of runtimes and caches: the runtime stores its
// own version in a variable at first use, without a lock.
var startMu sync.Mutex

// newEngine compiles a module. With a directory compiled code is read from there
// and written to it. A failed engine leaves nothing behind.
func newEngine(ctx context.Context, wasm []byte, dir string) (*engine, error) {
	e := &engine{unused: make(chan struct{})}
	if err := e.start(dir); err != nil {
		e.free()
		return nil, err
	}
	if err := e.compile(ctx, wasm); err != nil {
		e.free()
		return nil, err
	}
	return e, nil
}

func (e *engine) start(dir string) (err error) {
	startMu.Lock()
	defer startMu.Unlock()
	e.cache = wazero.NewCompilationCache()
	if dir != "" {
		if e.cache, err = wazero.NewCompilationCacheWithDir(dir); err != nil {
			return &cacheError{err}
		}
	}
	// There are no checks for termination: what is built in is given up at its
	// deadline, and the process of anything else killed. Debug information would
	// be decoded at each start, to add line numbers to stacks; the memory limit is
	// the allocator's.
	config := wazero.NewRuntimeConfig().
		WithCompilationCache(e.cache).
		WithCloseOnContextDone(false).
		WithDebugInfoEnabled(false).
		WithCustomSections(false)
	ctx := context.Background()
	e.runtime = wazero.NewRuntimeWithConfig(ctx, config)
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, e.runtime); err != nil {
		return fmt.Errorf("offering the functions of WASI: %w", err)
	}
	if err := instantiateImports(ctx, e.runtime); err != nil {
		return fmt.Errorf("offering the functions of the contract: %w", err)
	}
	return nil
}

// compile turns a panic of the compiler into an error: what it is given comes
// from a plugin.
func (e *engine) compile(ctx context.Context, wasm []byte) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("compiling: the compiler failed: %v", r)
		}
	}()
	ctx = experimental.WithCompilationWorkers(ctx, runtime.GOMAXPROCS(0))
	e.compiled, err = e.runtime.CompileModule(ctx, wasm)
	if err != nil {
		return fmt.Errorf("compiling: %w", err)
	}
	return nil
}

// enter notes a user of the compiled code. It returns false after close.
func (e *engine) enter() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return false
	}
	e.users++
	return true
}

func (e *engine) leave() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.users--
	if e.closed && e.users == 0 {
		close(e.unused)
	}
}

// close frees the engine once nobody uses it. Code that still runs when ctx is
// done stays in memory, because unmapping it would end the process.
func (e *engine) close(ctx context.Context) error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	if e.users == 0 {
		close(e.unused)
	}
	e.mu.Unlock()
	select {
	case <-e.unused:
		return e.free()
	default:
	}
	select {
	case <-e.unused:
		return e.free()
	case <-ctx.Done():
		return errors.New("a call that was given up still runs: its memory is not freed")
	}
}

func (e *engine) free() error {
	ctx := context.Background()
	var errs []error
	if e.runtime != nil {
		errs = append(errs, e.runtime.Close(ctx))
	}
	if e.cache != nil {
		errs = append(errs, e.cache.Close(ctx))
	}
	return errors.Join(errs...)
}
