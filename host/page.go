package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/sourcehost/sourcehost/host/guest"
	"github.com/sourcehost/sourcehost/internal/abi"
)

// page is some items on their way through the hooks together.
type page struct {
	items []*item
	byKey map[string]*item
	// jobs are what the plugin asked for.
	jobs map[*item]*job
}

func newPage(items []*item) *page {
	p := &page{items: items, byKey: make(map[string]*item, len(items)), jobs: map[*item]*job{}}
	for _, it := range items {
		p.byKey[it.result.Key] = it
	}
	return p
}

// find returns an item of the page by its key, or nil.
func (p *page) find(key string) *item { return p.byKey[key] }

// open returns the items that have neither failed nor been dropped so far.
func (p *page) open() []*item {
	var open []*item
	for _, it := range p.items {
		if !it.done {
			open = append(open, it)
		}
	}
	return open
}

// maxSplits bounds how often a run halves a page that made a plugin trap: each
// time costs an instance.
const maxSplits = 64

// splits counts them.
type splits struct{ n atomic.Int32 }

// worth reports whether the items of a failed call should be tried again in two
// halves, so that one bad item does not take its page with it. What took too
// long would take too long again, and an error that the hook reported for the
// whole page is meant for the whole page.
func (s *splits) worth(err error) bool {
	var e *guest.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Cause {
	case guest.Trap, guest.MemoryLimit, guest.OutputLimit, guest.CallLimit, guest.BadPointer, guest.Contract:
		return s.n.Add(1) <= maxSplits
	}
	return false
}

// callHook calls a hook with the open items of a page and does what it says.
func (r *run) callHook(ctx context.Context, l *loaded, hook abi.Hook, p *page) {
	if open := p.open(); len(open) > 0 {
		r.callItems(ctx, l, hook, p, open)
	}
}

func (r *run) callItems(ctx context.Context, l *loaded, hook abi.Hook, p *page, items []*item) {
	part := newPage(items)
	err := r.callPart(ctx, l, hook, part)
	if err == nil {
		for it, j := range part.jobs {
			p.jobs[it] = j
		}
		return
	}
	if ctx.Err() != nil {
		return // the items are reported as canceled
	}
	if len(items) > 1 && r.splits.worth(err) {
		r.callItems(ctx, l, hook, p, items[:len(items)/2])
		r.callItems(ctx, l, hook, p, items[len(items)/2:])
		return
	}
	r.logStack(l, hook, err)
	for _, it := range items {
		e := r.itemError(it, l, hook, abi.ErrPlugin, err)
		r.describeHookError(e, l, hook, err)
		r.fail(it, e)
	}
}

// callPart makes one call. It changes nothing unless the whole output is right.
func (r *run) callPart(ctx context.Context, l *loaded, hook abi.Hook, part *page) (err error) {
	in := abi.Page{Source: r.req.Source, Options: r.req.Options, Config: l.Config, Format: r.format, Items: make([]abi.Item, len(part.items))}
	for i, it := range part.items {
		in.Items[i] = abi.Item{Key: it.result.Key, Desc: it.desc}
	}
	if err := r.timeouts.check(l); err != nil {
		return err
	}
	c := &caller{run: r, plugin: l, hook: hook, page: part}
	defer func() { c.endPuts(err != nil) }()
	out, err := r.pool(l).Call(ctx, hook, in.Append(nil), c)
	if err != nil {
		r.timeouts.note(l, err)
		return err
	}
	outcomes, err := decodeOutput(out, hook, len(part.items), func(key string) bool { return part.find(key) != nil })
	if err != nil {
		return &guest.Error{Plugin: l.Name, Hook: hook, Cause: guest.Contract, Err: err}
	}
	return r.applyAll(ctx, l, hook, part, outcomes)
}

// applyAll does what a hook said. Comparing descriptions with a schema takes time, too:
// no more than the call itself may take.
func (r *run) applyAll(ctx context.Context, l *loaded, hook abi.Hook, part *page, outcomes []abi.Outcome) error {
	limit := r.host.cfg.Limits.Effective().HookTime
	for start, i := time.Now(), 0; i < len(outcomes); i++ {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if time.Since(start) > limit {
			err := &guest.Error{Plugin: l.Name, Hook: hook, Cause: guest.Deadline, Err: fmt.Errorf("checking what it returned took longer than %v", limit)}
			r.timeouts.note(l, err)
			return err
		}
		r.apply(l, hook, part, outcomes[i])
	}
	return nil
}

// decodeOutput reads what a hook wrote and refuses what no hook may say: items
// that were not asked for, the same item twice, more than one outcome of an
// item, an outcome that belongs to another hook.
func decodeOutput(out []byte, hook abi.Hook, items int, known func(key string) bool) ([]abi.Outcome, error) {
	if len(out) == 0 {
		return nil, nil
	}
	o, err := abi.DecodeOutputOf(out, items)
	if err != nil {
		return nil, fmt.Errorf("the output is wrong: %w", err)
	}
	seen := make(map[string]bool, len(o.Items))
	for _, it := range o.Items {
		key := plain(it.Key, 160)
		said := 0
		for _, set := range []bool{it.Desc != nil, it.Skip != "", it.Error != nil} {
			if set {
				said++
			}
		}
		switch {
		case !known(it.Key):
			return nil, fmt.Errorf("the output names the item %s, which the hook was not called with", key)
		case seen[it.Key]:
			return nil, fmt.Errorf("the output names the item %s twice", key)
		case said > 1:
			return nil, fmt.Errorf("the output says more than one thing about the item %s", key)
		case it.Desc != nil && hook != abi.Prepare:
			return nil, fmt.Errorf("only %s may change the description of an item, but the output changes that of %s", abi.Prepare, key)
		case it.Skip != "" && hook != abi.Filter:
			return nil, fmt.Errorf("only %s may skip an item, but the output skips %s", abi.Filter, key)
		}
		seen[it.Key] = true
	}
	return o.Items, nil
}

// apply does what a hook said about one item.
func (r *run) apply(l *loaded, hook abi.Hook, p *page, o abi.Outcome) {
	it := p.find(o.Key)
	switch {
	case o.Error != nil:
		r.fail(it, r.reported(it, l, hook, o.Error))
	case o.Skip != "":
		it.result.Reason = plain(r.host.secrets.Redact(o.Skip), maxText)
		r.end(it, Skipped)
	case o.Desc != nil:
		if err := r.describe(it, l, o.Desc); err != nil {
			kind := abi.ErrPlugin
			if errors.As(err, new(*deniedError)) {
				kind = abi.ErrDenied
			}
			r.fail(it, r.itemError(it, l, hook, kind, err))
		}
	}
}

// describe replaces the description of an item by what a prepare hook made of
// it, which must satisfy the schema of the source's plugin.
func (r *run) describe(it *item, l *loaded, desc []byte) error {
	if len(desc) > maxDescription {
		return fmt.Errorf("the description that it returned has %d bytes, but may have %d", len(desc), maxDescription)
	}
	if problems := r.plugin.checkPrepared(desc); len(problems) > 0 {
		return fmt.Errorf("the description that it returned is wrong: %w", problems)
	}
	if l != r.plugin {
		if err := r.adopt(it, l, desc); err != nil {
			return err
		}
	}
	r.host.passwords.ofJSON(desc)
	// A copy, so that one description does not keep the whole output in memory.
	it.desc = bytes.Clone(desc)
	return nil
}

// reported is the error of an item that a plugin reported itself. What a
// built-in plugin says needs no mark of where it came from.
func (r *run) reported(it *item, l *loaded, hook abi.Hook, in *abi.Error) *Error {
	said := &abi.Error{
		Kind: abi.KnownKind(in.Kind), Message: plain(r.host.secrets.Redact(in.Message), maxText), Hint: plain(r.host.secrets.Redact(in.Hint), maxText),
	}
	e := r.itemError(it, l, hook, said.Kind, said)
	e.Message, e.Hint = said.Message, said.Hint
	if !l.Builtin {
		e.Message = fmt.Sprintf("plugin %s, %s: %s", l.Name, hook, e.Message)
	}
	return e
}

// maxText is where messages, hints and reasons of plugins are cut, in bytes.
const maxText = 4000

// maxDescription is the largest description that a prepare hook may return, in
// bytes: the host keeps it until the item is fetched.
const maxDescription = 64 << 10

// describeHookError fills in what is known about the failure of a whole call.
func (r *run) describeHookError(e *Error, l *loaded, hook abi.Hook, err error) {
	var g *guest.Error
	if !errors.As(err, &g) {
		return
	}
	// What a guest says may hold anything, also what it was sent.
	defer func() {
		e.Message = plain(r.host.secrets.Redact(e.Message), maxText)
		e.Hint = plain(r.host.secrets.Redact(e.Hint), maxText)
	}()
	var said *abi.Error
	switch {
	case g.Cause == guest.Reported && errors.As(g.Err, &said):
		e.Kind = abi.KnownKind(said.Kind)
		e.Message, e.Hint = said.Message, said.Hint
		if !l.Builtin {
			e.Message = fmt.Sprintf("plugin %s, %s: %s", l.Name, hook, said.Message)
		}
	case g.Cause == guest.Deadline:
		e.Kind = abi.ErrTimeout
		e.Message = fmt.Sprintf("plugin %s, %s: %v", l.Name, hook, g.Err)
	default:
		e.Message = fmt.Sprintf("plugin %s, %s: %v", l.Name, hook, g.Err)
	}
}

// logStack shows plugin authors where their plugin failed.
func (r *run) logStack(l *loaded, hook abi.Hook, err error) {
	var g *guest.Error
	if !errors.As(err, &g) || g.Stack == "" {
		return
	}
	attrs := []any{"plugin", l.Name, "hook", string(hook), "error", g.Error(), "stack", g.Stack}
	if guest.Nameless(g.Stack) && !l.Builtin {
		attrs = append(attrs, "hint", "`sourcehost plugin build --debug` keeps the names of functions")
	}
	r.host.log.Error("a plugin failed", attrs...)
}
