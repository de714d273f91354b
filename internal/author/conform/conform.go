// Package conform is the kit that every guest must pass, whatever it does: it
// calls the hooks of a plugin in ways that the contract allows and that a guest may
// not expect, and looks for what the contract forbids. What a plugin makes of its
// items is for its own case files; here it may fail any item and any page, as long
// as it says so in order.
package conform

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/host/guest"
	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/author/cases"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

// Kit is a plugin under test.
type Kit struct {
	// Name and Wasm are the plugin.
	Name string
	Wasm []byte
	// Limits bound each call.
	Limits guest.Limits
	// CacheDir is the folder for compiled plugins; empty means none.
	CacheDir string
	// Sample is a page that the plugin works with: its source, options, config and
	// items are what the kit's own pages are made of. It may be nil.
	Sample *cases.Case
}

// Result is what became of one check.
type Result struct {
	// Hook is the hook that was called; empty for checks of the plugin as a whole.
	Hook abi.Hook
	// Name says what must hold.
	Name string
	// Err says what did not; nil when it passed.
	Err error
}

// Run makes all checks, until ctx is done. The error says that the plugin could not
// be loaded at all.
func (k *Kit) Run(ctx context.Context) ([]Result, error) {
	r := guest.NewRuntime(guest.Config{Limits: k.Limits, CacheDir: k.CacheDir})
	defer func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = r.Close(ending) // a call that was given up: its check says so
	}()
	p, err := r.Load(guest.Source{Name: k.Name, Wasm: k.Wasm})
	if err != nil {
		return nil, err
	}
	b := &bench{kit: k, plugin: p, manifest: p.Manifest()}
	var results []Result
	for _, c := range b.checks() {
		err := c.run(ctx)
		if ctx.Err() != nil {
			return results, context.Cause(ctx)
		}
		results = append(results, Result{Hook: c.hook, Name: c.name, Err: err})
	}
	return results, nil
}

// check is one thing that must hold.
type check struct {
	hook abi.Hook
	name string
	run  func(ctx context.Context) error
}

// bench calls the plugin.
type bench struct {
	kit      *Kit
	plugin   *guest.Plugin
	manifest *plugin.Manifest
}

// pool makes instances with the world that h answers for.
func (b *bench) pool(h *answers) *guest.Pool {
	return b.plugin.Pool(b.page(nil), func() guest.Caller { return h })
}

// call calls a hook once with a new instance.
func (b *bench) call(ctx context.Context, hook abi.Hook, input []byte, items []abi.Item, h *answers) error {
	pool := b.pool(h)
	defer pool.Close()
	return b.callOn(ctx, pool, hook, input, items, h)
}

// callOn calls a hook and checks what the contract says about its output. That the
// hook reports an error is in order.
func (b *bench) callOn(ctx context.Context, pool *guest.Pool, hook abi.Hook, input []byte, items []abi.Item, h *answers) error {
	_, err := b.output(ctx, pool, hook, input, items, h)
	return err
}

func (b *bench) output(ctx context.Context, pool *guest.Pool, hook abi.Hook, input []byte, items []abi.Item, h *answers) ([]byte, error) {
	h.hook, h.items = hook, items
	if input == nil {
		input = b.page(items)
	}
	out, err := pool.Call(ctx, hook, input, h)
	if err != nil {
		return nil, inOrder(err)
	}
	outcomes, err := host.CheckOutput(out, hook, items)
	if err != nil {
		return nil, err
	}
	for _, o := range outcomes {
		if o.Error != nil && o.Error.Message == "" {
			return nil, fmt.Errorf("the error of the item %s has no message", o.Key)
		}
	}
	return out, nil
}

// BrokenError is a hook that did not come to an end by itself.
type BrokenError struct{ Err *guest.Error }

// Error says how, without the plugin and the hook.
func (e *BrokenError) Error() string {
	return fmt.Sprintf("the hook broke off (%s): %v", e.Err.Cause, e.Err.Err)
}

// Unwrap returns the error of the runtime.
func (e *BrokenError) Unwrap() error { return e.Err }

// inOrder returns nil for an error that the hook itself has reported.
func inOrder(err error) error {
	var e *guest.Error
	if !errors.As(err, &e) {
		return err
	}
	if e.Cause != guest.Reported {
		return &BrokenError{Err: e}
	}
	var said *abi.Error
	if errors.As(e.Err, &said) && said.Message == "" {
		return errors.New("the error of the page has no message")
	}
	return nil
}

// page is a page as the host writes it.
func (b *bench) page(items []abi.Item) []byte {
	p := b.frame()
	p.Items = items
	return p.Append(nil)
}

// frame is a page without its items.
func (b *bench) frame() abi.Page {
	p := abi.Page{Source: cases.DefaultSource, Options: []byte("{}"), Config: []byte("{}")}
	if len(b.manifest.Sources) > 0 {
		p.Source = b.manifest.Sources[0]
	}
	if len(b.manifest.Formats) > 0 {
		p.Format = b.manifest.Formats[0].Name
	}
	s := b.kit.Sample
	if s == nil {
		return p
	}
	if s.Source != "" {
		p.Source = s.Source
	}
	if len(s.Options) > 0 {
		p.Options = s.Options
	}
	if len(s.Config) > 0 {
		p.Config = s.Config
	}
	return p
}
