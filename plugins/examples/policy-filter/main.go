// Policy-filter is a plugin that refuses or skips items by rules: by the algorithm
// of their key, the hosts they come from, or a deny list. See README.md.
package main

import "github.com/sourcehost/sourcehost/sdk"

var plugin = sdk.Register(sdk.Plugin{Setup: setup, Filter: filter, Prepare: prepare})

func main() {} // never runs: a plugin is a WASI reactor

var rules []rule

func setup(ctx *sdk.Context) (err error) {
	rules, err = readRules(ctx.Config)
	return err
}

// filter judges what the manifest says.
func filter(ctx *sdk.Context, item *sdk.Item) error {
	r, why, err := broken(ctx, item)
	switch {
	case err != nil || r == nil:
		return err
	case r.skip:
		item.Skip(r.reason + ": " + why)
		return nil
	}
	return r.refusal(why)
}

// prepare judges what plugins before this one have made of it. It is too late to
// skip an item.
func prepare(ctx *sdk.Context, item *sdk.Item) error {
	r, why, err := broken(ctx, item)
	if err != nil || r == nil {
		return err
	}
	return r.refusal(why)
}

// broken returns the first rule that the item breaks, or nil, and what breaks it.
func broken(ctx *sdk.Context, item *sdk.Item) (*rule, string, error) {
	o, err := originOf(ctx.Options, item)
	if err != nil {
		return nil, "", err
	}
	for i := range rules {
		if why := rules[i].breaks(item.Key, o); why != "" {
			return &rules[i], why, nil
		}
	}
	return nil, "", nil
}
