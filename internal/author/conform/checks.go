package conform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sourcehost/sourcehost/internal/abi"
)

// checks are all checks, hook by hook.
func (b *bench) checks() []check {
	all := []check{{name: "an instance starts, or setup says why not", run: b.starts}}
	if b.manifest.Has(abi.Setup) {
		all = append(all, b.implemented(abi.Setup))
		for _, w := range worlds() {
			all = append(all, check{abi.Setup, w.name, func(ctx context.Context) error { return b.start(ctx, w.world()) }})
		}
	}
	for _, hook := range []abi.Hook{abi.Filter, abi.Prepare, abi.FetchOne} {
		if b.manifest.Has(hook) {
			all = slices.Concat(all, []check{b.implemented(hook)}, b.pageChecks(hook), b.worldChecks(hook), b.lifeChecks(hook))
		}
	}
	return all
}

func (b *bench) starts(ctx context.Context) error { return b.start(ctx, denying()) }

func (b *bench) start(ctx context.Context, h *answers) error {
	pool := b.pool(h)
	defer pool.Close()
	h.hook = abi.Setup
	if err := pool.Start(ctx); err != nil {
		return inOrder(err)
	}
	return nil
}

// implemented finds a hook that the plugin manifest declares and the code does not
// have. Where a language exports it all the same, its SDK reports an error of the
// kind "plugin", for which an empty page gives no other reason.
func (b *bench) implemented(hook abi.Hook) check {
	return check{hook, "the hook that is declared is implemented", func(ctx context.Context) error {
		h := denying()
		pool := b.pool(h)
		defer pool.Close()
		h.hook = abi.Setup
		err := pool.Start(ctx)
		if err == nil && hook != abi.Setup {
			h.hook = hook
			_, err = pool.Call(ctx, hook, b.page(nil), h)
		}
		var said *abi.Error
		if errors.As(err, &said) && said.Kind == abi.ErrPlugin {
			return said
		}
		return nil // anything else is for the other checks
	}}
}

// pageChecks call a hook with pages of every form.
func (b *bench) pageChecks(hook abi.Hook) []check {
	page := func(name string, items []abi.Item, input func([]abi.Item) []byte) check {
		return check{hook, name, func(ctx context.Context) error {
			var raw []byte
			if input != nil {
				raw = input(items)
			}
			return b.call(ctx, hook, raw, items, denying())
		}}
	}
	few := b.items(3)
	return []check{
		page("an empty page changes nothing", nil, nil),
		page("a page without any field is an empty page", nil, func([]abi.Item) []byte { return []byte("{}") }),
		page("a page of one item", b.items(1), nil),
		page("a page of 256 items", b.items(256), nil),
		page("fields that are not known are ignored", few, b.later),
		page("fields that are absent have their zero value", few, sparse),
		page("field names and keys may be written with escapes", few, b.escaped),
		page("descriptions of every kind", strange(), nil),
		page("strings with escapes, surrogate pairs and control characters", texts(), nil),
		page("descriptions of 64 KiB and more", large(), nil),
		{hook, "an input of 8 MiB", func(ctx context.Context) error {
			return b.call(ctx, hook, nil, padded(b.items(256), 32<<10), denying())
		}},
	}
}

// padded adds a long field to each description that is an object, and makes an
// object of others.
func padded(items []abi.Item, size int) []abi.Item {
	pad := `"padding":"` + string(bytes.Repeat([]byte("x"), size)) + `"`
	for i := range items {
		desc := bytes.TrimSpace(items[i].Desc)
		if len(desc) > 2 && desc[0] == '{' {
			items[i].Desc = fmt.Appendf(nil, "{%s,%s", pad, desc[1:])
			continue
		}
		items[i].Desc = fmt.Appendf(nil, `{"value":%s,%s}`, desc, pad)
	}
	return items
}

// worldChecks call a hook while the host answers in ways that a guest may not
// expect.
func (b *bench) worldChecks(hook abi.Hook) []check {
	var all []check
	for _, w := range worlds() {
		all = append(all, check{hook, w.name, func(ctx context.Context) error {
			return b.call(ctx, hook, nil, b.items(4), w.world())
		}})
	}
	return all
}

// repeats is how often an instance is called to see whether it lasts.
const repeats = 60

// lifeChecks look at more than one call.
func (b *bench) lifeChecks(hook abi.Hook) []check {
	return []check{
		{hook, "the same page has the same output in each new instance", func(ctx context.Context) error { return b.deterministic(ctx, hook) }},
		{hook, "an instance lasts for many calls, pages of every size", func(ctx context.Context) error { return b.lasts(ctx, hook) }},
		{hook, "an instance works after pages that it cannot make sense of", func(ctx context.Context) error { return b.recovers(ctx, hook) }},
		{hook, "memory does not grow from call to call", func(ctx context.Context) error { return b.leaks(ctx, hook) }},
	}
}

func (b *bench) deterministic(ctx context.Context, hook abi.Hook) error {
	var first []byte
	for i := range 3 {
		h := denying()
		pool := b.pool(h)
		out, err := b.output(ctx, pool, hook, nil, b.items(64), h)
		pool.Close()
		if err != nil {
			return err
		}
		if i > 0 && !bytes.Equal(out, first) {
			return errors.New("without the clock and random numbers two instances say different things about the same page")
		}
		first = out
	}
	return nil
}

func (b *bench) lasts(ctx context.Context, hook abi.Hook) error {
	h := denying()
	pool := b.pool(h)
	defer pool.Close()
	for i := range repeats {
		if err := b.callOn(ctx, pool, hook, nil, b.items(i*37%257), h); err != nil {
			return fmt.Errorf("call %d: %w", i+1, err)
		}
	}
	return nil
}

func (b *bench) recovers(ctx context.Context, hook abi.Hook) error {
	h := denying()
	pool := b.pool(h)
	defer pool.Close()
	before, err := b.output(ctx, pool, hook, nil, b.items(3), h)
	if err != nil {
		return err
	}
	for _, items := range [][]abi.Item{strange(), texts(), large()} {
		if err := b.callOn(ctx, pool, hook, nil, items, h); err != nil {
			return err
		}
	}
	after, err := b.output(ctx, pool, hook, nil, b.items(3), h)
	if err != nil {
		return err
	}
	if (before == nil) != (after == nil) {
		return errors.New("the page that it could make sense of before has another outcome after")
	}
	return nil
}

// slack is by how much memory may have grown between the tenth and the last call:
// a garbage collector frees when it likes.
const slack = 32 << 20

func (b *bench) leaks(ctx context.Context, hook abi.Hook) error {
	h := denying()
	pool := b.pool(h)
	defer pool.Close()
	var early int64
	for i := range repeats {
		if err := b.callOn(ctx, pool, hook, nil, padded(b.items(128), 1<<10), h); err != nil {
			return fmt.Errorf("call %d: %w", i+1, err)
		}
		size := b.plugin.Memory()
		if i == 10 {
			early = size
		}
		if i > 10 && size > early+slack {
			return fmt.Errorf("the memory of the instance has grown from %d to %d bytes between call 11 and call %d, with the same page", early, size, i+1)
		}
	}
	return nil
}
