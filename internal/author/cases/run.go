package cases

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/host/guest"
	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

// Bench is a plugin that is under test.
type Bench struct {
	// Name and Wasm are the plugin.
	Name string
	Wasm []byte
	// Limits bound each call.
	Limits guest.Limits
	// CacheDir is the folder for compiled plugins; empty means none.
	CacheDir string
	// Sources are the sources that are known beside the plugin's own, for Check.
	Sources []string
	// Prepared returns the schema that descriptions of a source must satisfy when
	// the plugin under test does not serve it, or nothing. It may be nil.
	Prepared func(source string) []byte
}

// Result is what became of a case.
type Result struct {
	Case *Case
	// Got is what happened, in the form of what is expected.
	Got Expect
	// Differs says, line by line, where the two differ; empty when they do not.
	Differs []string
	// Calls are the operations that the plugin asked for.
	Calls []Traced
	// Hooks is how long each hook took, in the order of the calls.
	Hooks []HookTime
	// Memory is the largest linear memory of an instance, in bytes; 0 when that is
	// not known.
	Memory int64
	// Stack is where a hook trapped, one function per line.
	Stack string
}

// HookTime is how long a call of a hook took.
type HookTime struct {
	Hook     abi.Hook
	Duration time.Duration
}

// Run runs cases one after the other, each with an instance of its own, until ctx
// is done. The error says that the plugin could not be used at all.
func (b *Bench) Run(ctx context.Context, all []*Case, done func(*Result)) error {
	r := guest.NewRuntime(guest.Config{Limits: b.Limits, CacheDir: b.CacheDir})
	defer func() {
		ending, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = r.Close(ending) // a call that was given up: its case says so
	}()
	plugins := map[[2]bool]*guest.Plugin{}
	for _, c := range all {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		p, g, err := b.load(r, plugins, c)
		if err != nil {
			return err
		}
		res := newRun(b, c, p, g).run(ctx)
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		done(res)
	}
	return nil
}

// load returns the plugin with the world that the case grants.
func (b *Bench) load(r *guest.Runtime, plugins map[[2]bool]*guest.Plugin, c *Case) (*guest.Plugin, host.Grant, error) {
	m, err := Manifest(b.Wasm)
	if err != nil {
		return nil, host.Grant{}, fmt.Errorf("%s: %w", b.Name, err)
	}
	g, err := c.grant(m)
	if err != nil {
		return nil, g, fmt.Errorf("%s: %w", c.Path, err)
	}
	world := [2]bool{g.Clock, g.Random}
	if p := plugins[world]; p != nil {
		return p, g, nil
	}
	p, err := r.Load(guest.Source{Name: b.Name, Wasm: b.Wasm, Clock: g.Clock, Random: g.Random})
	plugins[world] = p
	return p, g, err
}

// Manifest reads the plugin manifest of a plugin's file.
func Manifest(wasm []byte) (*plugin.Manifest, error) {
	data, err := plugin.Section(wasm, abi.ManifestSection)
	if errors.Is(err, plugin.ErrNoSection) {
		return nil, fmt.Errorf("it has no plugin manifest: put one in with `sourcehost plugin pack FILE --manifest plugin.json` (%w)", err)
	}
	if err != nil {
		return nil, err
	}
	return plugin.ParseManifest(data)
}

// running is one run of a case.
type running struct {
	bench  *Bench
	c      *Case
	plugin *guest.Plugin
	fake   *fake
	items  []*state
	res    *Result
}

// state is an item on its way.
type state struct {
	key  string
	desc json.RawMessage
	out  *Outcome // what a hook said last
	done bool     // failed or skipped
}

func newRun(b *Bench, c *Case, p *guest.Plugin, g host.Grant) *running {
	m := p.Manifest()
	r := &running{bench: b, c: c, plugin: p, res: &Result{Case: c}}
	r.fake = &fake{c: c, manifest: m, rules: host.NewRules(m, g), keys: map[string]bool{}, asked: map[string]bool{}, used: map[int]bool{}, usedHTTP: map[int]bool{}}
	r.fake.rules.HowToGrant(c.howToGrant)
	for _, it := range c.Items {
		r.items = append(r.items, &state{key: it.Key, desc: it.Desc})
	}
	return r
}

// run takes the items through the hooks.
func (r *running) run(ctx context.Context) *Result {
	pool := r.plugin.Pool(r.page(nil), func() guest.Caller { return r.fake })
	defer pool.Close()
	r.plugin.Memory()
	err := r.start(ctx, pool)
	for _, hook := range r.hooks() {
		if err == nil {
			err = r.hook(ctx, pool, hook)
		}
	}
	r.res.Memory = r.plugin.Memory()
	r.res.Calls = r.fake.calls
	r.res.Got = r.got(err)
	r.res.Differs = compare(r.c, r.res.Got)
	return r.res
}

// start makes the instance, which runs the setup hook.
func (r *running) start(ctx context.Context, pool *guest.Pool) error {
	r.fake.hook = abi.Setup
	start := time.Now()
	err := pool.Start(ctx)
	if r.plugin.Manifest().Has(abi.Setup) {
		r.res.Hooks = append(r.res.Hooks, HookTime{abi.Setup, time.Since(start)})
	}
	return err
}

// hooks are the hooks of the case, setup aside.
func (r *running) hooks() []abi.Hook {
	hooks := r.c.Hooks
	if len(hooks) == 0 {
		hooks = slices.Clone(abi.Hooks)
	}
	return slices.DeleteFunc(slices.Clone(hooks), func(h abi.Hook) bool {
		return h == abi.Setup || !r.plugin.Manifest().Has(h)
	})
}

// hook calls one hook with the items that are still open.
func (r *running) hook(ctx context.Context, pool *guest.Pool, hook abi.Hook) error {
	var open []abi.Item
	byKey := map[string]*state{}
	r.fake.hook, r.fake.keys = hook, map[string]bool{}
	for _, it := range r.items {
		if !it.done {
			open = append(open, abi.Item{Key: it.key, Desc: it.desc})
			byKey[it.key], r.fake.keys[it.key] = it, true
		}
	}
	if len(open) == 0 {
		return nil
	}
	start := time.Now()
	out, err := pool.Call(ctx, hook, r.page(open), r.fake)
	r.res.Hooks = append(r.res.Hooks, HookTime{hook, time.Since(start)})
	if err != nil {
		return err
	}
	outcomes, err := host.CheckOutput(out, hook, open)
	if err != nil {
		return &guest.Error{Plugin: r.bench.Name, Hook: hook, Cause: guest.Contract, Err: err}
	}
	for _, o := range outcomes {
		r.apply(byKey[o.Key], hook, o)
	}
	if hook == abi.FetchOne {
		r.unasked()
	}
	return nil
}

// page is the input of a hook.
func (r *running) page(items []abi.Item) []byte {
	p := abi.Page{Source: r.source(), Options: r.c.Options, Config: r.c.Config, Format: r.c.Format, Items: items}
	if len(p.Options) == 0 {
		p.Options = []byte("{}")
	}
	if len(p.Config) == 0 {
		p.Config = []byte("{}")
	}
	return p.Append(nil)
}

func (r *running) source() string {
	m := r.plugin.Manifest()
	switch {
	case r.c.Source != "":
		return r.c.Source
	case len(m.Sources) > 0:
		return m.Sources[0]
	}
	return DefaultSource
}

// apply does what a hook said about an item, as the host does.
func (r *running) apply(it *state, hook abi.Hook, o abi.Outcome) {
	switch {
	case o.Error != nil:
		it.fail(hook, abi.KnownKind(o.Error.Kind), o.Error.Message, o.Error.Hint)
	case o.Skip != "":
		it.out, it.done = &Outcome{Key: it.key, Skip: o.Skip}, true
	case o.Desc != nil:
		m := r.plugin.Manifest()
		own := slices.Contains(m.Sources, r.source())
		schema := []byte(m.Prepared)
		if !own && r.bench.Prepared != nil {
			schema = r.bench.Prepared(r.source())
		}
		if kind, err := r.fake.rules.Prepared(it.desc, o.Desc, schema, !own); err != nil {
			it.fail(hook, kind, err.Error(), "")
			return
		}
		it.desc = slices.Clone(o.Desc)
		it.out = &Outcome{Key: it.key, Desc: it.desc}
	}
}

// unasked fails the items that fetch_one has forgotten.
func (r *running) unasked() {
	for _, it := range r.items {
		if !it.done && !r.fake.asked[it.key] {
			it.fail(abi.FetchOne, abi.ErrPlugin, "the plugin neither asked for the item nor said why not", "")
		}
	}
}

func (it *state) fail(hook abi.Hook, kind abi.Kind, message, hint string) {
	it.out = &Outcome{Key: it.key, Error: &Failure{Hook: hook, Kind: kind, Message: message, Hint: hint}}
	it.done = true
}

// got puts together what happened.
func (r *running) got(err error) Expect {
	got := Expect{Error: r.failure(err), Calls: []Call{}, Log: r.fake.log}
	for _, it := range r.items {
		if it.out != nil {
			got.Items = append(got.Items, *it.out)
		}
	}
	for _, c := range r.fake.calls {
		got.Calls = append(got.Calls, c.Call)
	}
	return got
}

// failure is the error of a whole page, as the host reports it.
func (r *running) failure(err error) *Failure {
	var e *guest.Error
	var said *abi.Error
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &e):
		return &Failure{Kind: abi.ErrFailed, Message: err.Error()}
	}
	r.res.Stack = e.Stack
	switch {
	case e.Cause == guest.Reported && errors.As(e.Err, &said):
		return &Failure{Hook: e.Hook, Kind: abi.KnownKind(said.Kind), Message: said.Message, Hint: said.Hint}
	case e.Cause == guest.Deadline:
		return &Failure{Hook: e.Hook, Kind: abi.ErrTimeout, Message: e.Err.Error()}
	}
	return &Failure{Hook: e.Hook, Kind: abi.ErrPlugin, Message: e.Err.Error()}
}
