package sdk

import (
	"runtime"

	"github.com/sourcehost/sourcehost/internal/abi"
)

// Runner calls a plugin's hooks as the host does, page by page. The wasm build
// has one behind its exports; package sdktest has one in tests. Its buffers are
// used again from call to call.
type Runner struct {
	plugin Plugin
	ctx    Context
	page   abi.Page
	item   Item
	out    abi.Output
	buf    []byte
}

// NewRunner returns a Runner of p that asks host for what the hooks need.
func NewRunner(p Plugin, host Host) *Runner {
	return &Runner{plugin: p, ctx: Context{host: host}}
}

// Run calls a hook with a page, which is not used any more after the return,
// and returns its output, which is valid until the next Run. The error concerns the
// whole page; a hook that the plugin does not have is one.
func (r *Runner) Run(hook Hook, input []byte) ([]byte, *Error) {
	// A Go guest whose exports never yield gives the garbage collector no turn.
	runtime.Gosched()
	each := r.hook(hook)
	if each == nil && (hook != Setup || r.plugin.Setup == nil) {
		return nil, absent(hook)
	}
	if err := r.page.Decode(input); err != nil {
		return nil, &Error{Kind: ErrPlugin, Message: "the page from the host could not be read: " + err.Error()}
	}
	r.ctx.Source, r.ctx.Options, r.ctx.Config, r.ctx.Format = r.page.Source, r.page.Options, r.page.Config, r.page.Format
	if hook == Setup {
		if err := r.plugin.Setup(&r.ctx); err != nil {
			return nil, reported(err)
		}
		return nil, nil
	}
	r.out.Items = r.out.Items[:0]
	for i := range r.page.Items {
		r.one(hook, each, &r.page.Items[i])
	}
	if len(r.out.Items) == 0 {
		return nil, nil
	}
	r.buf = r.out.Append(r.buf[:0])
	return r.buf, nil
}

// absent is the error of a hook that the plugin manifest declares and the code does
// not have. Modules of other languages lack the export then, and are refused at load;
// one in Go exports all hooks, since its exports cannot depend on a value.
func absent(hook Hook) *Error {
	return &Error{
		Kind: ErrPlugin, Message: "the plugin does not implement the hook " + string(hook),
		Hint: "hand a function for it to sdk.Register, or take it out of \"hooks\" in plugin.json",
	}
}

// hook returns the plugin's function that is called for each item.
func (r *Runner) hook(h Hook) func(*Context, *Item) error {
	switch h {
	case Filter:
		return r.plugin.Filter
	case Prepare:
		return r.plugin.Prepare
	case FetchOne:
		return r.plugin.FetchOne
	}
	return nil
}

// one calls the hook for an item and notes what it said.
func (r *Runner) one(hook Hook, each func(*Context, *Item) error, in *abi.Item) {
	it := &r.item
	it.Key, it.desc, it.skip, it.changed = in.Key, in.Desc, "", false
	out := abi.Outcome{Key: in.Key}
	switch err := each(&r.ctx, it); {
	case err != nil:
		out.Error = reported(err)
	case it.skip != "":
		if out.Skip = it.skip; hook != Filter {
			out = misused(in.Key, "only Filter may skip an item")
		}
	case it.changed:
		if out.Desc = it.desc; hook != Prepare {
			out = misused(in.Key, "only Prepare may change the description of an item")
		}
	default:
		return
	}
	r.out.Items = append(r.out.Items, out)
}

// misused is the outcome of an item for which a hook did what is another hook's
// to do. The host would refuse the whole page.
func misused(key, rule string) abi.Outcome {
	return abi.Outcome{Key: key, Error: &Error{Kind: ErrPlugin, Message: rule}}
}
