// Package guest loads, checks and calls plugins: WebAssembly modules that speak
// the contract of internal/abi. It is the only package that knows the
// WebAssembly runtime.
package guest

import (
	"context"
	"errors"
	"log/slog"

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
	// Trusted is for plugins that are part of this program. Their code runs
	// without checks for termination, which makes it several times faster; a
	// call that exceeds its deadline is abandoned, not stopped.
	Trusted bool
	// Clock and Random give the plugin the real time and real random numbers.
	// Without them it gets fixed ones.
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
type Runtime struct{ cfg Config }

// NewRuntime returns a Runtime. It costs nothing: the WebAssembly runtime is
// started when the first plugin runs.
func NewRuntime(cfg Config) *Runtime { return &Runtime{cfg: cfg} }

// Close ends the runtime and frees what its plugins hold.
func (r *Runtime) Close(ctx context.Context) error { return nil }

// Load checks a plugin without running or compiling it.
func (r *Runtime) Load(src Source) (*Plugin, error) { return nil, errors.ErrUnsupported }

// Plugin is a plugin that has passed the checks.
type Plugin struct{}

// Manifest returns what the plugin says about itself. It must not be modified.
func (p *Plugin) Manifest() *plugin.Manifest { return nil }

// Hash returns the SHA-256 of the plugin's file in hexadecimal.
func (p *Plugin) Hash() string { return "" }

// Pool returns a pool of instances for one run of one source.
func (p *Plugin) Pool(setup []byte, newCaller func() Caller) *Pool { return nil }

// Pool holds the instances of a plugin for one run of one source.
type Pool struct{}

// Call calls a hook in one of the pool's instances.
func (p *Pool) Call(ctx context.Context, hook abi.Hook, input []byte, c Caller) ([]byte, error) {
	return nil, errors.ErrUnsupported
}

// Close ends the pool.
func (p *Pool) Close() {}
