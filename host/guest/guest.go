// Package guest loads, checks and calls plugins: WebAssembly modules that speak
// the contract of internal/abi. It is the only package that knows the
// WebAssembly runtime. Plugins that are part of the program run in this process,
// all others in workers: processes that ServeWorker is the main function of.
package guest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/sourcehost/sourcehost/host/guest/confine"
	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

// Config configures a Runtime. Its zero value is usable.
type Config struct {
	// Limits are the limits for plugins that bring none of their own.
	Limits Limits
	// CacheDir is a folder for compiled plugins; empty means that nothing is
	// kept on disk. It is made when missing, and not used unless it belongs to
	// this user alone.
	CacheDir string
	// Logger receives what concerns the runtime itself; nil discards it. What
	// plugins log goes to their Caller.
	Logger *slog.Logger
}

// Source is a plugin's file and how far it is trusted.
type Source struct {
	// Name stands for the plugin in errors, for example its path.
	Name string
	// Wasm is the file's content. It must not change afterwards.
	Wasm []byte
	// Trusted is for plugins that are part of this program: they run in this
	// process. A call that exceeds its deadline is given up, not stopped; if it
	// loops without ever asking the host for something, Go's garbage collector
	// waits for it, and with it the process. Any other plugin is compiled and run
	// in processes of its own, which are killed; see ServeWorker.
	Trusted bool
	// Clock and Random give the plugin the real time and real random numbers, if its
	// manifest requests them or it is trusted. Otherwise it gets fixed ones.
	Clock, Random bool
	// Limits, when not nil, take precedence over Config.Limits field by field.
	Limits *Limits
}

// Caller is what a hook may ask of the host. Its methods are called one at a
// time, and no call of them begins after Pool.Call has returned; one that runs
// at that moment has its context cancelled.
type Caller interface {
	// Call performs an operation. The request is valid during the call only. The
	// result of a status other than abi.OK should be a JSON abi.Error.
	Call(ctx context.Context, op string, req []byte) (abi.Status, []byte)
	// Log receives one line without its end, valid UTF-8, cut to the limit.
	Log(level abi.Level, line string)
}

// Runtime loads plugins. Its methods may be called concurrently.
type Runtime struct {
	cfg  Config
	log  *slog.Logger
	life context.Context
	end  context.CancelFunc // of life; called by Close

	workers  workers
	measures func() ([]confine.Measure, error)

	mu      sync.Mutex
	closed  bool
	plugins []*Plugin
}

// NewRuntime returns a Runtime. It costs nothing: plugins are compiled when they
// are called for the first time.
func NewRuntime(cfg Config) *Runtime {
	log := cfg.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	life, end := context.WithCancel(context.Background())
	r := &Runtime{cfg: cfg, log: log, life: life, end: end}
	r.measures = sync.OnceValues(r.probe)
	return r
}

// Close ends all calls of the runtime's plugins and frees what they hold. It
// waits until ctx is done for calls that cannot be interrupted; then the error
// says which plugins keep their memory.
func (r *Runtime) Close(ctx context.Context) error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil
	}
	r.closed = true
	r.end()
	plugins := r.plugins
	r.mu.Unlock()
	errs := []error{r.workers.close(ctx)}
	for _, p := range plugins {
		if err := p.close(ctx); err != nil {
			errs = append(errs, fmt.Errorf("plugin %s: %w", p.src.Name, err))
		}
	}
	return errors.Join(errs...)
}

// Load checks a plugin without running or compiling it. The error is an *Error
// with the cause Refused that says everything that was expected and not found.
func (r *Runtime) Load(src Source) (*Plugin, error) {
	p := &Plugin{runtime: r, src: src, compile1: make(chan struct{}, 1)}
	if src.Limits != nil {
		p.limits = *src.Limits
	}
	p.limits = p.limits.withDefaults(r.cfg.Limits)
	if err := p.check(); err != nil {
		return nil, p.refused(err)
	}
	if !src.Trusted && !serves.Load() {
		return nil, p.refused(errCannotServe)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, p.refused(ErrClosed)
	}
	r.plugins = append(r.plugins, p)
	return p, nil
}

// Plugin is a plugin that has passed the checks. Its methods may be called
// concurrently.
type Plugin struct {
	runtime   *Runtime
	src       Source
	limits    Limits
	manifest  *plugin.Manifest
	module    *module
	hash      func() string
	code      func() code
	abandoned atomic.Int32 // calls that were given up and still run
	memory    atomic.Int64 // see Memory

	// compile1 holds an element while the code of a worker is compiled.
	compile1 chan struct{}

	mu        sync.Mutex
	closed    bool
	compiling *compiling // in this process
	unusable  *Error     // why no worker can load it
}

func (p *Plugin) check() error {
	if size := int64(len(p.src.Wasm)); size > p.limits.ModuleBytes {
		return fmt.Errorf("expected a file of at most %d bytes, found %d", p.limits.ModuleBytes, size)
	}
	data, err := plugin.Section(p.src.Wasm, abi.ManifestSection)
	if errors.Is(err, plugin.ErrNoSection) {
		return fmt.Errorf("it has no plugin manifest: put one in with `sourcehost plugin pack FILE --manifest plugin.json` (%w)", err)
	}
	if err != nil {
		return err
	}
	if p.manifest, err = plugin.ParseManifest(data); err != nil {
		return err
	}
	p.hash = sync.OnceValue(func() string {
		sum := sha256.Sum256(p.src.Wasm)
		return hex.EncodeToString(sum[:])
	})
	p.code = sync.OnceValue(func() code { return newCode(p) })
	p.src.Clock = p.src.Clock && p.mayHave(plugin.CapClock)
	p.src.Random = p.src.Random && p.mayHave(plugin.CapRandom)
	if p.src.Trusted {
		return nil // its code is checked when it is compiled: a start reads no more of it than it must
	}
	return p.checkCode()
}

// mayHave reports whether a plugin asks for a capability; one that is trusted need not.
func (p *Plugin) mayHave(capability string) bool {
	return p.src.Trusted || slices.ContainsFunc(p.manifest.Capabilities, func(c plugin.Capability) bool { return c.Name == capability })
}

// checkCode checks everything but the manifest, without running anything.
func (p *Plugin) checkCode() (err error) {
	if p.module, err = readModule(p.src.Wasm); err != nil {
		return err
	}
	return checkModule(p.module, p.manifest, p.limits)
}

// Manifest returns what the plugin says about itself. It must not be modified.
func (p *Plugin) Manifest() *plugin.Manifest { return p.manifest }

// Hash returns the SHA-256 of the plugin's file in hexadecimal.
func (p *Plugin) Hash() string { return p.hash() }

// Interface returns what the module imports, each as "module.name", and what it
// exports, both sorted.
func (p *Plugin) Interface() (imports, exports []string) {
	for _, i := range p.module.imports {
		imports = append(imports, i.module+"."+i.name)
	}
	for name := range p.module.exports {
		exports = append(exports, name)
	}
	slices.Sort(imports)
	slices.Sort(exports)
	return imports, exports
}

// Memory returns the largest linear memory, in bytes, that an instance had after a
// call since Memory was called last; 0 when there was no call.
func (p *Plugin) Memory() int64 { return p.memory.Swap(0) }

// noteMemory is told how much memory an instance has.
func (p *Plugin) noteMemory(size int64) {
	for {
		most := p.memory.Load()
		if size <= most || p.memory.CompareAndSwap(most, size) {
			return
		}
	}
}

// close frees the compiled plugin.
func (p *Plugin) close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	c := p.compiling
	p.mu.Unlock()
	if c == nil {
		return nil
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		return errors.New("it is still being compiled")
	}
	if c.eng == nil {
		return nil
	}
	return c.eng.close(ctx)
}
