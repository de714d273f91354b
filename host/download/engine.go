package download

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// copyBytes is the size of the buffers between network and target: large
	// enough that the calls on both sides cost little per byte, and small enough
	// that what was read is in the processor's cache when it is written.
	copyBytes = 256 << 10
	// mostFull is how many transfers have a buffer of that size at once; further ones
	// have one of mediumBytes. Far servers have more than a hundred, whose buffers
	// would be most of the process.
	mostFull    = 24
	mediumBytes = 64 << 10
	// smallBytes is their size for bodies that fit.
	smallBytes = 32 << 10
)

// Engine fetches files. It is safe for use by many goroutines, which share its
// connections.
type Engine struct {
	cfg      Config
	trans    transports
	watch    watchdog
	health   health
	buffers  sync.Pool    // of *[]byte, copyBytes long
	full     atomic.Int32 // how many of those are in use
	mediums  sync.Pool    // mediumBytes long
	smalls   sync.Pool    // smallBytes long
	proxyEnv func() proxyEnv
	// The clock, for tests: sleep returns early, with false, when ctx is done.
	now    func() time.Time
	sleep  func(ctx context.Context, d time.Duration) bool
	jitter func() float64 // in [0, 1)
}

// New returns an engine. It costs nothing until the first fetch.
func New(cfg Config) *Engine {
	e := &Engine{cfg: cfg.withDefaults(), now: time.Now, sleep: sleep, jitter: rand.Float64}
	e.trans.cfg = &e.cfg
	e.health.limit = e.cfg.SetAside
	e.watch.window = e.cfg.StallTimeout
	e.watch.least = int64(float64(e.cfg.StallBytesPerSecond) * e.cfg.StallTimeout.Seconds())
	e.buffers.New = func() any { b := make([]byte, copyBytes); return &b }
	e.mediums.New = func() any { b := make([]byte, mediumBytes); return &b }
	e.smalls.New = func() any { b := make([]byte, smallBytes); return &b }
	e.proxyEnv = sync.OnceValue(func() proxyEnv { return readProxyEnv(e.cfg.Environ) })
	return e
}

// buffer returns a buffer for a body of size bytes; negative: unknown. It must be
// given back.
func (e *Engine) buffer(size int64) *[]byte {
	if size >= 0 && size < smallBytes {
		return e.smalls.Get().(*[]byte)
	}
	if e.full.Add(1) <= mostFull {
		return e.buffers.Get().(*[]byte)
	}
	e.full.Add(-1)
	return e.mediums.Get().(*[]byte)
}

func (e *Engine) giveBack(buf *[]byte) {
	switch len(*buf) {
	case smallBytes:
		e.smalls.Put(buf)
	case mediumBytes:
		e.mediums.Put(buf)
	default:
		e.full.Add(-1)
		e.buffers.Put(buf)
	}
}

// Close closes the connections that are idle. Fetches should have returned
// before; one that has not keeps its connection until it does.
func (e *Engine) Close() {
	e.trans.close()
	e.watch.close()
}

// Fetch brings the bytes of req to t. Any error is an *Error. When ctx is done
// it returns at once; only a method of t that does not return can hold it up.
func (e *Engine) Fetch(ctx context.Context, req Request, t Target) (Info, error) {
	f := newFetch(e, &req, t)
	s, flt := f.run(ctx)
	switch {
	case flt == nil && s != nil:
		e.health.passed(f.missed)
		req.Record.passed(s.mirror)
		return f.info(s), nil
	case flt == nil:
		e.health.failed(f.missed)
	}
	return Info{}, f.failure(flt)
}

// run tries source after source until one of them succeeded: that one is
// returned. It returns a fault that ended the fetch, or nil twice when nothing
// is left to try.
func (f *fetch) run(ctx context.Context) (*source, *fault) {
	for {
		s, flt := f.next(ctx)
		if s == nil || flt != nil {
			return nil, flt
		}
		flt = f.attempt(ctx, s)
		if flt == nil {
			return s, nil
		}
		if ctx.Err() != nil {
			flt = canceled(ctx)
		}
		f.note(s, flt)
		if flt.fatal {
			return nil, flt
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
