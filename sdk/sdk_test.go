package sdk_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/sdk"
	"github.com/sourcehost/sourcehost/sdk/sdktest"
)

var twoItems = sdktest.Page{
	Source: "org.example", Options: `{"o":1}`, Config: `{"text":"t","flag":true,"sub":{"a":[1]}}`,
	Items: []sdktest.Item{{Key: "k1", Desc: `"u1"`}, {Key: "k2", Desc: `"u2"`}},
}

func TestHooksAreCalledForEachItem(t *testing.T) {
	var saw []string
	note := func(ctx *sdk.Context, it *sdk.Item) error {
		saw = append(saw, ctx.Source+" "+string(ctx.Options)+" "+it.Key+" "+string(it.Desc()))
		return nil
	}
	p := sdk.Plugin{Filter: note, Prepare: note, FetchOne: note}
	for _, hook := range []sdk.Hook{sdk.Filter, sdk.Prepare, sdk.FetchOne} {
		saw = nil
		sdktest.Run(t, p, &sdktest.Host{}, hook, twoItems)
		want := []string{`org.example {"o":1} k1 "u1"`, `org.example {"o":1} k2 "u2"`}
		if !slices.Equal(saw, want) {
			t.Errorf("%s saw %q, want %q", hook, saw, want)
		}
	}
}

// What the plugin manifest declares and the code does not have must not look like a
// hook that has nothing to say.
func TestMissingHooksFail(t *testing.T) {
	for _, hook := range abi.Hooks {
		out, err := sdk.NewRunner(sdk.Plugin{}, &sdktest.Host{}).Run(hook, (&abi.Page{}).Append(nil))
		want := "the plugin does not implement the hook " + string(hook)
		if out != nil || err == nil || err.Kind != sdk.ErrPlugin || err.Message != want || !strings.Contains(err.Hint, "plugin.json") {
			t.Errorf("%s: %q, %v, want %s", hook, out, err, want)
		}
	}
}

func TestOutputNamesOnlyWhatChanged(t *testing.T) {
	p := sdk.Plugin{Prepare: func(_ *sdk.Context, it *sdk.Item) error {
		switch it.Key {
		case "k2":
			return it.SetDesc(sdk.Value(`{"new":1}`))
		case "k3":
			return &sdk.Error{Kind: sdk.ErrDenied, Message: "no", Hint: "ask"}
		}
		return nil
	}}
	page := abi.Page{Items: []abi.Item{{Key: "k1", Desc: []byte("1")}, {Key: "k2", Desc: []byte("2")}, {Key: "k3"}, {Key: "k4"}}}
	r := sdk.NewRunner(p, &sdktest.Host{})
	for range 2 { // the second time with the memory of the first
		out, err := r.Run(sdk.Prepare, page.Append(nil))
		want := `{"items":[{"key":"k2","desc":{"new":1}},{"key":"k3","error":{"kind":"denied","message":"no","hint":"ask"}}]}`
		if err != nil || string(out) != want {
			t.Errorf("output %s, %v\nwant   %s", out, err, want)
		}
	}
	out, err := r.Run(sdk.Prepare, (&abi.Page{Items: []abi.Item{{Key: "k4"}}}).Append(nil))
	if out != nil || err != nil {
		t.Errorf("a hook that changed nothing writes %q, %v", out, err)
	}
}

func TestFilterSkips(t *testing.T) {
	p := sdk.Plugin{Filter: func(_ *sdk.Context, it *sdk.Item) error {
		if it.Key == "k2" {
			it.Skip("is there")
		}
		return nil
	}}
	got := sdktest.Run(t, p, &sdktest.Host{}, sdk.Filter, twoItems)
	if got[0].Skip != "" || got[1].Skip != "is there" {
		t.Errorf("outcomes %+v", got)
	}
}

func TestHooksKeepToTheirPart(t *testing.T) {
	skip := func(_ *sdk.Context, it *sdk.Item) error { it.Skip("x"); return nil }
	change := func(_ *sdk.Context, it *sdk.Item) error { return it.SetDesc(sdk.Value("1")) }
	for hook, p := range map[sdk.Hook]sdk.Plugin{
		sdk.Filter: {Filter: change}, sdk.Prepare: {Prepare: skip}, sdk.FetchOne: {FetchOne: change},
	} {
		for _, o := range sdktest.Run(t, p, &sdktest.Host{}, hook, twoItems) {
			if o.Err == nil || o.Err.Kind != sdk.ErrPlugin || o.Skip != "" || o.Desc == "1" {
				t.Errorf("%s: outcome %+v, want an error only", hook, o)
			}
		}
	}
}

func TestSetDescRefusesWhatIsNoJSON(t *testing.T) {
	p := sdk.Plugin{Prepare: func(_ *sdk.Context, it *sdk.Item) error {
		if err := it.SetDesc(sdk.Value(`{"a":`)); err == nil {
			t.Error("SetDesc accepts half an object")
		}
		return nil
	}}
	if got := sdktest.Prepare(t, p, &sdktest.Host{}, sdktest.Item{Key: "k", Desc: "0"}); got.Desc != "0" {
		t.Errorf("the description became %s", got.Desc)
	}
}

func TestSetup(t *testing.T) {
	var saw string
	p := sdk.Plugin{Setup: func(ctx *sdk.Context) error {
		saw, _ = ctx.Config.Text("text")
		return fmt.Errorf("setup: %w", &sdk.Error{Kind: sdk.ErrInvalid, Message: "bad", Hint: "h"})
	}}
	_, err := sdktest.Try(p, &sdktest.Host{}, sdk.Setup, twoItems)
	var e *sdk.Error
	if !errors.As(err, &e) || e.Kind != sdk.ErrInvalid || e.Message != "setup: bad (h)" || e.Hint != "h" {
		t.Errorf("error %+v", err)
	}
	if saw != "t" {
		t.Errorf("setup saw the configuration %q", saw)
	}
}

func TestBadPage(t *testing.T) {
	p := sdk.Plugin{Prepare: func(*sdk.Context, *sdk.Item) error { return nil }}
	if _, err := sdk.NewRunner(p, &sdktest.Host{}).Run(sdk.Prepare, []byte(`{"items":0}`)); err == nil || err.Kind != sdk.ErrPlugin {
		t.Errorf("error %v", err)
	}
}

func TestValue(t *testing.T) {
	v := sdk.Value(twoItems.Config)
	text, err1 := v.Text("text")
	flag, err2 := v.Bool("flag")
	sub, err3 := v.Field("sub")
	if text != "t" || !flag || string(sub) != `{"a":[1]}` || errors.Join(err1, err2, err3) != nil {
		t.Errorf("read %q, %v, %s: %v", text, flag, sub, errors.Join(err1, err2, err3))
	}
	none, err1 := v.Text("none")
	no, err2 := v.Bool("none")
	empty, err3 := sdk.Value(nil).Field("x")
	if none != "" || no || empty != nil || errors.Join(err1, err2, err3) != nil {
		t.Errorf("absent fields: %q, %v, %s: %v", none, no, empty, errors.Join(err1, err2, err3))
	}
	for _, wrong := range []error{second(v.Text("flag")), second(v.Bool("text")), second(sdk.Value(`[]`).Field("x"))} {
		if wrong == nil || sdk.KindOf(wrong) != sdk.ErrInvalid {
			t.Errorf("a field of the wrong type: %v", wrong)
		}
	}
	if n, err := sub.Reader().Raw(); err != nil || string(n) != string(sub) {
		t.Errorf("Reader reads %s, %v", n, err)
	}
	if q := sdk.Quote("a\"\n"); string(q) != `"a\"\n"` {
		t.Errorf("Quote = %s", q)
	}
}

func second[T any](_ T, err error) error { return err }

// inHook runs fn in a Prepare hook.
func inHook(t *testing.T, h *sdktest.Host, fn func(*sdk.Context)) {
	t.Helper()
	p := sdk.Plugin{Prepare: func(ctx *sdk.Context, _ *sdk.Item) error { fn(ctx); return nil }}
	sdktest.Prepare(t, p, h, sdktest.Item{Key: "k", Desc: "0"})
}

func TestHostCalls(t *testing.T) {
	h := &sdktest.Host{
		FS:  fstest.MapFS{"etc/a": {Data: []byte("first")}, "etc/b": {Data: []byte("2")}},
		Env: map[string]string{"E": "v"},
	}
	inHook(t, h, func(ctx *sdk.Context) {
		a, err1 := ctx.Read("/etc/a")
		_, err2 := ctx.Read("/etc/b")
		if string(a) != "first" || err1 != nil || err2 != nil {
			t.Errorf("Read = %q (after another one), %v, %v", a, err1, err2)
		}
		for path, want := range map[string]sdk.FileInfo{
			"/etc/a": {Type: sdk.TypeFile, Size: 5}, "/etc": {Type: sdk.TypeDir}, "/none": {Type: sdk.TypeNone},
		} {
			if info, err := ctx.Stat(path); info != want || err != nil {
				t.Errorf("Stat %s = %+v, %v; want %+v", path, info, err, want)
			}
		}
		if names, err := ctx.List("/etc"); !reflect.DeepEqual(names, []string{"a", "b"}) || err != nil {
			t.Errorf("List = %q, %v", names, err)
		}
		if v, set, err := ctx.Env("E"); v != "v" || !set || err != nil {
			t.Errorf("Env E = %q, %v, %v", v, set, err)
		}
		if v, set, err := ctx.Env("F"); v != "" || set || err != nil {
			t.Errorf("Env F = %q, %v, %v", v, set, err)
		}
		ctx.Log(sdk.LevelInfo, "hello")
	})
	if !slices.Equal(h.Logs, []string{"hello"}) {
		t.Errorf("logs %q", h.Logs)
	}
}

func TestHostCallsFail(t *testing.T) {
	h := &sdktest.Host{FS: fstest.MapFS{}, Deny: func(_, what string) bool { return strings.HasSuffix(what, "secret") }}
	inHook(t, h, func(ctx *sdk.Context) {
		for name, tt := range map[string]struct {
			err  error
			kind sdk.Kind
		}{
			"read of nothing":       {second(ctx.Read("/none")), sdk.ErrNotFound},
			"list of nothing":       {second(ctx.List("/none")), sdk.ErrNotFound},
			"read denied":           {second(ctx.Read("/secret")), sdk.ErrDenied},
			"stat denied":           {second(ctx.Stat("/secret")), sdk.ErrDenied},
			"relative path":         {second(ctx.Read("x")), sdk.ErrInvalid},
			"download without urls": {ctx.Download(&sdk.Download{Key: "k"}), sdk.ErrInvalid},
		} {
			if tt.err == nil || sdk.KindOf(tt.err) != tt.kind {
				t.Errorf("%s: %v, want kind %q", name, tt.err, tt.kind)
			}
		}
		if _, _, err := ctx.Env("secret"); sdk.KindOf(err) != sdk.ErrDenied {
			t.Errorf("variable denied: %v", err)
		}
	})
}

// oldHost knows no operation, and explains nothing.
type oldHost struct{ status abi.Status }

func (h oldHost) Call(string, []byte) (abi.Status, []byte) { return h.status, nil }
func (oldHost) Log(sdk.Level, string)                      {}

func TestStatusWithoutAnError(t *testing.T) {
	for status, want := range map[abi.Status]string{
		abi.Unsupported: "read/v1 of /x: unsupported (this plugin needs a newer sourcehost)",
		abi.Denied:      "read/v1 of /x: denied",
		abi.NotFound:    "read/v1 of /x: not found",
		abi.Limit:       "read/v1 of /x: limit",
		99:              "read/v1 of /x: unknown status",
	} {
		p := sdk.Plugin{Setup: func(ctx *sdk.Context) error { _, err := ctx.Read("/x"); return err }}
		if _, err := sdk.NewRunner(p, oldHost{status}).Run(sdk.Setup, []byte("{}")); err == nil || err.Error() != want {
			t.Errorf("status %d: %v, want %s", status, err, want)
		}
	}
}

func TestKindOf(t *testing.T) {
	inner := &sdk.Error{Kind: sdk.ErrTLS, Message: "m"}
	for _, tt := range []struct {
		err  error
		want sdk.Kind
	}{
		{inner, sdk.ErrTLS}, {fmt.Errorf("x: %w", fmt.Errorf("y: %w", inner)), sdk.ErrTLS}, {errors.New("plain"), sdk.ErrFailed},
	} {
		if got := sdk.KindOf(tt.err); got != tt.want {
			t.Errorf("KindOf(%v) = %q, want %q", tt.err, got, tt.want)
		}
	}
}

func TestRegisterReturnsThePlugin(t *testing.T) {
	called := false
	p := sdk.Register(sdk.Plugin{Setup: func(*sdk.Context) error { called = true; return nil }})
	if _, err := sdktest.Try(p, &sdktest.Host{}, sdk.Setup, sdktest.Page{}); err != nil || !called {
		t.Errorf("Setup was called: %v, %v", called, err)
	}
}
