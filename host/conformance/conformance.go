// Package conformance is the kit that tells whether a guest and this host
// understand each other: it drives a guest with the behaviour of
// docs/conformance.md through each import and operation, and compares.
package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sourcehost/sourcehost/host/guest"
	"github.com/sourcehost/sourcehost/internal/abi"
)

// Result is what became of one case.
type Result struct {
	// Hook is the hook that the case calls.
	Hook abi.Hook
	// Name says what the case is about.
	Name string
	// Err says what the guest did otherwise than specified; nil when it passed.
	Err error
}

// Run drives the conformance guest in wasm, a file with its plugin manifest,
// through all cases, each with a new instance, in a runtime of this configuration.
// The name stands for it in errors. The error is that of a guest that does not load;
// it has no results then.
func Run(ctx context.Context, cfg guest.Config, name string, wasm []byte) ([]Result, error) {
	runtime := guest.NewRuntime(cfg)
	defer func() {
		// A guest that hangs is left to its own deadlines.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = runtime.Close(ctx)
	}()
	p, err := runtime.Load(guest.Source{Name: name, Wasm: wasm, Clock: true, Random: true})
	if err != nil {
		return nil, err
	}
	for _, hook := range abi.Hooks {
		if !p.Manifest().Has(hook) {
			return nil, fmt.Errorf("%s: the plugin manifest of a conformance guest declares the hook %s", name, hook)
		}
	}
	var results []Result
	for _, c := range cases() {
		err := c.run(ctx, p)
		results = append(results, Result{Hook: c.hook, Name: c.name, Err: err})
		if ctx.Err() != nil {
			return results, context.Cause(ctx)
		}
	}
	return results, nil
}

// item is an item of a case, with what the guest is to say about it.
type item struct {
	desc string
	want outcome
}

// outcome is what a guest says about an item; zero for nothing at all. Desc is
// compared as JSON.
type outcome struct {
	desc, skip          string
	kind, message, hint string
	// anyMessage accepts every message that is not empty, and any hint.
	anyMessage bool
	// like accepts descriptions that nobody knows in advance.
	like likeness
}

// likeness is what a description must be like.
type likeness int

const (
	likeTime   likeness = iota + 1 // {"time": N}, which is now
	likeRandom                     // {"bytes": [...]}, of which there are randomBytes
)

const randomBytes = 32

// testCase is a page for one hook, with what the host answers and what is to
// come of it.
type testCase struct {
	hook abi.Hook
	name string
	// page is the page without its items; the zero value stands for plainPage.
	page  abi.Page
	items []item
	// calls are the operations that the guest asks for, in order.
	calls []exchange
	// logs are the lines it logs, each with its level in front.
	logs []string
	// fails is the error of the whole page; its zero value means none.
	fails outcome
	// traps says that the guest does.
	traps bool
	// differs says that another instance says something else.
	differs bool
}

const source = "org.osbuild.curl"

func (c *testCase) run(ctx context.Context, p *guest.Plugin) error {
	page := c.page
	if page.Source == "" {
		page.Source = source
	}
	setup := page
	h := &answering{exchanges: c.calls}
	pool := p.Pool(setup.Append(nil), func() guest.Caller { return &h.setup })
	defer pool.Close()
	if c.hook == abi.Setup {
		return errors.Join(c.failed(pool.Start(ctx)), same("the log", h.setup.lines, c.logs))
	}
	for i, it := range c.items {
		page.Items = append(page.Items, abi.Item{Key: key(i), Desc: []byte(it.desc)})
	}
	out, err := pool.Call(ctx, c.hook, page.Append(nil), h)
	if c.traps { // which some languages log in their own way
		return errors.Join(c.failed(err), h.check())
	}
	if err := errors.Join(c.failed(err), h.check(), same("the log", h.lines, c.logs)); err != nil {
		return err
	}
	if err := c.compare(out); err != nil || !c.differs {
		return err
	}
	other := p.Pool(setup.Append(nil), func() guest.Caller { return &h.setup })
	defer other.Close()
	again, err := other.Call(ctx, c.hook, page.Append(nil), h)
	if err == nil && bytes.Equal(again, out) {
		return fmt.Errorf("another instance says the same: %s", show(string(out)))
	}
	return err
}

// failed compares the error of a whole page.
func (c *testCase) failed(err error) error {
	var e *guest.Error
	switch wanted := c.traps || c.fails.kind != ""; {
	case err == nil && !wanted:
		return nil
	case err == nil:
		return errors.New("expected the hook to fail, but it returned 0")
	case !wanted || !errors.As(err, &e):
		return err
	case c.traps:
		if e.Cause != guest.Trap {
			return fmt.Errorf("expected a trap, got: %w", err)
		}
		return nil
	}
	var said *abi.Error
	if !errors.As(e.Err, &said) {
		return fmt.Errorf("expected an Error through error_set, got: %w", err)
	}
	return c.fails.compareError(said)
}

// key names the item at this place of a page.
func key(i int) string { return fmt.Sprintf("sha256:%064x", i) }
