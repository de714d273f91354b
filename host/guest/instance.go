package guest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/sourcehost/sourcehost/internal/abi"
)

// instance is one running copy of a plugin, in this process or, seen from here
// no different, in another one. Its methods are called by one goroutine at a
// time.
type instance interface {
	// call calls a hook. It returns soon after ctx is done, whatever the guest
	// does. After an error other than a Reported one the instance must be
	// closed and not be called again.
	call(ctx context.Context, hook abi.Hook, input []byte, c Caller) ([]byte, error)
	// close frees the instance. It does not wait for a call that was given up.
	close()
}

// grace is how long a guest that is being stopped may take before it is given up,
// or its process killed: a host function that waits returns at once.
const grace = 100 * time.Millisecond

// wasmInstance is an instance in this process.
type wasmInstance struct {
	plugin *Plugin
	engine *engine
	mod    api.Module
	alloc  *allocator
	funcs  map[abi.Hook]api.Function
	state  *callState // of the call that runs; used by its goroutine only

	mu      sync.Mutex
	running bool
	closed  bool
}

// initHook stands for the initialization function among the hooks.
const initHook abi.Hook = abi.InitExport

// newInstance makes an instance and initializes it. The setup hook is the
// pool's affair.
func newInstance(ctx context.Context, p *Plugin, eng *engine, c Caller) (*wasmInstance, error) {
	in, err := newIdle(p, eng)
	if err != nil {
		return nil, err
	}
	if err := initialize(ctx, in, in.funcs[initHook] != nil, c); err != nil {
		return nil, err
	}
	return in, nil
}

// initialize calls the initialization function of an instance, if it has one, and
// closes the instance when that fails.
func initialize(ctx context.Context, in instance, has bool, c Caller) error {
	if !has {
		return nil
	}
	_, err := in.call(ctx, initHook, nil, c)
	if err != nil {
		in.close()
	}
	return err
}

// newIdle makes an instance of which no code has run.
func newIdle(p *Plugin, eng *engine) (*wasmInstance, error) {
	in := &wasmInstance{plugin: p, engine: eng, alloc: &allocator{limit: uint64(p.limits.MemoryBytes / pageBytes * pageBytes)}}
	if !eng.enter() {
		return nil, &Error{Plugin: p.src.Name, Cause: Refused, Err: ErrClosed}
	}
	err := in.instantiate()
	eng.leave()
	if err != nil {
		return nil, &Error{Plugin: p.src.Name, Cause: Refused, Err: err}
	}
	in.funcs = map[abi.Hook]api.Function{initHook: in.mod.ExportedFunction(abi.InitExport)}
	for _, h := range p.manifest.Hooks {
		in.funcs[h] = in.mod.ExportedFunction(string(h))
	}
	return in, nil
}

// instantiate makes the wasm instance. No code of the guest runs: the module
// has no start section, and start functions are off.
func (in *wasmInstance) instantiate() (err error) {
	defer func() {
		if r := recover(); r != nil {
			in.alloc.Free()
			err = fmt.Errorf("instantiating: %v", r)
		}
	}()
	ctx := experimental.WithMemoryAllocator(context.Background(), in.alloc)
	in.mod, err = in.engine.runtime.InstantiateModule(ctx, in.engine.compiled, in.moduleConfig())
	if err != nil {
		in.alloc.Free()
		return fmt.Errorf("instantiating: %w", err)
	}
	return nil
}

// outcome is what a call came to.
type outcome struct {
	code uint32
	err  error
}

func (in *wasmInstance) call(ctx context.Context, hook abi.Hook, input []byte, c Caller) ([]byte, error) {
	name := in.plugin.src.Name
	if !in.engine.enter() {
		return nil, &Error{Plugin: name, Hook: hook, Cause: Refused, Err: ErrClosed}
	}
	limits := &in.plugin.limits
	limited, cancel := context.WithTimeoutCause(ctx, limits.HookTime, errHookTime)
	defer cancel()
	st := newCallState(limited, limits, in.alloc, input, c)
	done := make(chan outcome, 1)
	in.setRunning(true)
	go in.run(limited, hook, st, done)
	out, ended := await(limited, done)
	in.plugin.noteMemory(in.alloc.size.Load())
	if !ended {
		st.abandon()
		in.plugin.abandoned.Add(1)
		go func() { <-done; in.plugin.abandoned.Add(-1) }()
	}
	switch {
	case ended && out.err == nil && out.code == 0:
		return st.output, nil
	case ended && out.err == nil:
		return nil, in.plugin.failed(hook, st.failed(out.code))
	case limited.Err() != nil:
		return nil, in.plugin.late(ctx, hook)
	}
	return nil, in.plugin.failed(hook, trapError(out.err, st))
}

// failed completes the error of a hook.
func (p *Plugin) failed(hook abi.Hook, e *Error) *Error {
	e.Plugin, e.Hook = p.src.Name, hook
	return e
}

// late is the error of a call that was not over at its deadline, or when ctx, that
// of who called, ended.
func (p *Plugin) late(ctx context.Context, hook abi.Hook) error {
	if ctx.Err() != nil {
		return fmt.Errorf("plugin %s: %s: %w", p.src.Name, hook, context.Cause(ctx))
	}
	return p.failed(hook, &Error{Cause: Deadline, Err: fmt.Errorf("the call took longer than %v", p.limits.HookTime)})
}

// errHookTime is the cause of a context that ended at the deadline of a hook.
var errHookTime = errors.New("the deadline of the hook")

// await waits for the outcome, and for a short while longer when ctx is done.
func await[T any](ctx context.Context, done <-chan T) (out T, ended bool) {
	select {
	case out = <-done:
		return out, true
	case <-ctx.Done():
	}
	t := time.NewTimer(grace)
	defer t.Stop()
	select {
	case out = <-done:
		return out, true
	case <-t.C:
		return out, false
	}
}

// run executes the hook in a goroutine of its own, because code without checks
// for termination cannot be interrupted.
func (in *wasmInstance) run(ctx context.Context, hook abi.Hook, st *callState, done chan<- outcome) {
	var out outcome
	defer func() {
		// The runtime recovers what happens inside the guest; this is for faults
		// of the runtime itself, which must not end the process.
		if r := recover(); r != nil {
			out = outcome{err: fmt.Errorf("the WebAssembly runtime failed: %v", r)}
		}
		in.state = nil
		in.setRunning(false)
		in.engine.leave()
		done <- out
	}()
	in.state = st
	var args []uint64
	if hook != initHook {
		args = []uint64{uint64(uint32(len(st.input)))}
	}
	results, err := in.funcs[hook].Call(context.WithValue(ctx, stateKey{}, st), args...)
	st.logs.end()
	out.err = err
	if err == nil && len(results) == 1 {
		out.code = uint32(results[0])
	}
}

// setRunning notes whether a call runs, and closes the module after the last.
func (in *wasmInstance) setRunning(running bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.running = running
	if in.closed && !running {
		in.closeModule()
	}
}

func (in *wasmInstance) close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return
	}
	in.closed = true
	if !in.running && in.engine.enter() {
		in.closeModule()
		in.engine.leave()
	}
}

// closeModule frees the module. An instance has no files, so that there is no
// error to report. The runtime does not free the memory of a module that trapped
// while its context ended, hence Free, which may be called twice.
func (in *wasmInstance) closeModule() {
	_ = in.mod.Close(context.Background())
	in.alloc.Free()
}
