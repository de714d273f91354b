package guest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/sourcehost/sourcehost/internal/abi"
)

// maxAbandoned is how many calls of a plugin that were given up may still run
// before no more are begun: each keeps a processor busy.
const maxAbandoned = 4

// Pool holds the instances of a plugin for one run of one source. Instances are
// made on demand, up to the number that the plugin manifest allows, and used
// again unless a call failed in a way that leaves their state undefined.
type Pool struct {
	plugin    *Plugin
	setup     []byte
	newCaller func() Caller
	make      func(ctx context.Context) (instance, error)
	slots     chan struct{} // one element for each instance that works
	life      context.Context
	end       context.CancelCauseFunc // of life; called by Close

	mu     sync.Mutex
	idle   []instance
	closed bool
	deaths int
	last   *Error // why the last process had to be ended
}

// maxDeaths is how many processes of a plugin may die or be killed in a run before
// no more are started.
const maxDeaths = 8

// Pool returns a pool. setup is the input of the setup hook, which is called
// once for each new instance if the plugin has it; newCaller makes the Caller
// for that call and for the initialization before it, and may be nil.
func (p *Plugin) Pool(setup []byte, newCaller func() Caller) *Pool {
	pool := &Pool{
		plugin:    p,
		setup:     setup,
		newCaller: newCaller,
		slots:     make(chan struct{}, p.manifest.Instances()),
	}
	pool.life, pool.end = context.WithCancelCause(p.runtime.life)
	pool.make = pool.makeInstance
	if !p.src.Trusted {
		pool.make = pool.makeWorker
	}
	return pool
}

// Call calls a hook. It waits for an instance, or makes one, as long as ctx
// allows, and returns soon after ctx is done. A hook that the plugin does not
// have has no output and costs nothing. The output belongs to the caller. Errors
// are *Error, except that ctx's own error is wrapped when ctx is done.
func (p *Pool) Call(ctx context.Context, hook abi.Hook, input []byte, c Caller) ([]byte, error) {
	if !p.plugin.manifest.Has(hook) {
		return nil, nil
	}
	var output []byte
	err := p.with(ctx, hook, func(ctx context.Context, in instance) (err error) {
		output, err = in.call(ctx, hook, input, c)
		return err
	})
	if err != nil {
		return nil, err
	}
	return output, nil
}

// Start makes an instance, and so runs the setup hook, unless the pool has an
// idle one. It is for plugins whose setup can fail a run before it begins.
func (p *Pool) Start(ctx context.Context) error {
	return p.with(ctx, abi.Setup, func(context.Context, instance) error { return nil })
}

// Close ends the pool: calls that wait or run return ErrClosed. It does not wait
// for the instances to end.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.closed = true
	p.end(ErrClosed)
	for _, in := range p.idle {
		in.close()
	}
	p.idle = nil
}

// with runs fn with an instance that nobody else uses.
func (p *Pool) with(ctx context.Context, hook abi.Hook, fn func(context.Context, instance) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(p.life, func() { cancel(ErrClosed) })
	defer stop()
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return fmt.Errorf("plugin %s: %s: waiting for an instance: %w", p.plugin.src.Name, hook, context.Cause(ctx))
	}
	err := p.try(ctx, fn)
	// A hook that has asked for nothing has changed nothing.
	var e *Error
	if errors.As(err, &e) && e.again && ctx.Err() == nil {
		err = p.try(ctx, fn)
	}
	return err
}

// try runs fn with an idle or a new instance, once.
func (p *Pool) try(ctx context.Context, fn func(context.Context, instance) error) error {
	in, err := p.take(ctx)
	if err == nil {
		err = fn(ctx, in)
		p.give(in, ctx.Err() == nil && reusable(err))
	}
	p.mourn(err)
	return err
}

// mourn counts the processes that had to be replaced.
func (p *Pool) mourn(err error) {
	var e *Error
	if p.plugin.src.Trusted || !errors.As(err, &e) || e.Cause != Process && e.Cause != Deadline || e.known {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deaths++
	p.last = e
}

// worn is the error of a plugin whose processes have died too often.
func (p *Pool) worn() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.deaths < maxDeaths {
		return nil
	}
	return &Error{
		Plugin: p.plugin.src.Name, Hook: p.last.Hook, Cause: p.last.Cause, known: true,
		Err: fmt.Errorf("%d of its processes have died in this run and no more are started; the last: %w", p.deaths, p.last.Err),
	}
}

// take returns an idle instance or makes one.
func (p *Pool) take(ctx context.Context) (instance, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, p.plugin.refused(ErrClosed)
	}
	if n := len(p.idle); n > 0 {
		in := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return in, nil
	}
	p.mu.Unlock()
	return p.make(ctx)
}

// give puts an instance back, or ends it.
func (p *Pool) give(in instance, usable bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || !usable {
		in.close()
		return
	}
	p.idle = append(p.idle, in)
}

// reusable reports whether the state of an instance is defined after a call.
func reusable(err error) bool {
	var e *Error
	return err == nil || errors.As(err, &e) && e.Cause == Reported
}

// makeInstance makes an instance in this process and runs its setup hook.
func (p *Pool) makeInstance(ctx context.Context) (instance, error) {
	if n := p.plugin.abandoned.Load(); n >= maxAbandoned {
		return nil, &Error{Plugin: p.plugin.src.Name, Cause: Deadline, Err: fmt.Errorf("%d calls that were given up at their deadline still run: no more are begun", n)}
	}
	eng, err := p.plugin.engineFor(ctx)
	if err != nil {
		return nil, err
	}
	var c Caller
	if p.newCaller != nil {
		c = p.newCaller()
	}
	in, err := newInstance(ctx, p.plugin, eng, c)
	if err != nil {
		return nil, err
	}
	return p.setUp(ctx, in, c)
}

// makeWorker makes an instance in a process of its own and runs its setup hook.
func (p *Pool) makeWorker(ctx context.Context) (instance, error) {
	if err := p.worn(); err != nil {
		return nil, err
	}
	var c Caller
	if p.newCaller != nil {
		c = p.newCaller()
	}
	w, err := p.plugin.newWorker(ctx, c)
	if err != nil {
		return nil, err
	}
	return p.setUp(ctx, w, c)
}

// setUp calls the setup hook, and closes the instance when that fails.
func (p *Pool) setUp(ctx context.Context, in instance, c Caller) (instance, error) {
	if !p.plugin.manifest.Has(abi.Setup) {
		return in, nil
	}
	if _, err := in.call(ctx, abi.Setup, p.setup, c); err != nil {
		in.close()
		return nil, err
	}
	return in, nil
}
