// Conformance is the conformance guest of docs/conformance.md in Go.
package main

import (
	"strconv"
	"strings"

	"github.com/sourcehost/sourcehost/sdk"
)

var plugin = sdk.Register(sdk.Plugin{Setup: setup, Filter: filter, Prepare: prepare, FetchOne: fetchOne})

func main() {} // never runs: a plugin is a WASI reactor

var count int

func setup(ctx *sdk.Context) error {
	ctx.Log(sdk.LevelInfo, "setup "+ctx.Source)
	message, err := ctx.Config.Text("fail")
	if err == nil && message != "" {
		err = &sdk.Error{Kind: sdk.ErrInvalid, Message: message, Hint: "remove it"}
	}
	return err
}

// action is what a description says is to be done; "" for one that is no object.
func action(it *sdk.Item) (string, error) {
	if it.Desc().Reader().Kind() != '{' {
		return "", nil
	}
	return it.Desc().Text("do")
}

// texts returns strings of the description; the first error wins.
func texts(it *sdk.Item, names ...string) (values []string, err error) {
	for _, name := range names {
		value, e := it.Desc().Text(name)
		if values = append(values, value); err == nil {
			err = e
		}
	}
	return values, err
}

// failure is the error that a description describes.
func failure(it *sdk.Item) error {
	t, err := texts(it, "kind", "message", "hint")
	if err != nil {
		return err
	}
	return &sdk.Error{Kind: sdk.Kind(t[0]), Message: t[1], Hint: t[2]}
}

func filter(_ *sdk.Context, it *sdk.Item) error {
	what, err := action(it)
	switch {
	case err != nil:
		return err
	case what == "skip":
		reason, err := it.Desc().Text("reason")
		it.Skip(reason)
		return err
	case what == "fail":
		return failure(it)
	}
	return nil
}

// answer makes an object of members the description: names and JSON in turn.
func answer(it *sdk.Item, members ...string) error {
	for i := 0; i < len(members); i += 2 {
		members[i] = string(sdk.Quote(members[i])) + ":" + members[i+1]
		members[i+1] = ","
	}
	return it.SetDesc(sdk.Value("{" + strings.Join(members[:len(members)-1], "") + "}"))
}

func quote(text string) string { return string(sdk.Quote(text)) }

func orObject(v sdk.Value) string {
	if len(v) == 0 {
		return "{}"
	}
	return string(v)
}

func prepare(ctx *sdk.Context, it *sdk.Item) error {
	what, err := action(it)
	if err != nil {
		return err
	}
	switch what {
	case "echo":
		value, err := it.Desc().Field("value")
		if err != nil {
			return err
		}
		return answer(it, "echo", string(value))
	case "text":
		text, err := it.Desc().Text("text")
		if err != nil {
			return err
		}
		return answer(it, "text", quote(text), "bytes", strconv.Itoa(len(text)))
	case "page":
		return answer(it, "source", quote(ctx.Source), "format", quote(ctx.Format), "options", orObject(ctx.Options),
			"config", orObject(ctx.Config), "key", quote(it.Key))
	case "count":
		count++
		return answer(it, "count", strconv.Itoa(count))
	case "large":
		n, err := sizeOf(it)
		if err != nil {
			return err
		}
		return answer(it, "text", quote(strings.Repeat("x", int(n))))
	case "fail":
		return failure(it)
	case "trap":
		panic("as the item says")
	case "log":
		level, err := it.Desc().Field("level")
		if err != nil {
			return err
		}
		n, err := sdk.Value(level).Reader().Int64()
		if err != nil {
			return err
		}
		text, err := it.Desc().Text("text")
		if err == nil {
			ctx.Log(sdk.Level(n), text)
		}
		return err
	}
	return look(ctx, it, what)
}

func names(list []string) string {
	quoted := make([]string, len(list))
	for i, name := range list {
		quoted[i] = quote(name)
	}
	return "[" + strings.Join(quoted, ",") + "]"
}
