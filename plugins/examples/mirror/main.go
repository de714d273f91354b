// Mirror is a plugin that has mirrors tried before the servers that a manifest
// names, by rules of its configuration. See README.md.
package main

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sourcehost/sourcehost/sdk"
)

var plugin = sdk.Register(sdk.Plugin{Setup: setup, Prepare: prepare})

func main() {} // never runs: a plugin is a WASI reactor

// rule is a table [[plugin.NAME.config.rule]].
type rule struct {
	prefix  string
	pattern *regexp.Regexp // in place of prefix
	mirrors []string
	never   bool // the original server is not asked
}

var rules []rule

func setup(ctx *sdk.Context) error {
	field, err := ctx.Config.Field("rule")
	if err != nil || len(field) == 0 {
		return err
	}
	rules = nil
	r := sdk.Value(field).Reader()
	return r.Array(func(i int) error {
		var one rule
		err := r.Object(func(key []byte) error { return one.read(r, string(key), i) })
		rules = append(rules, one)
		return err
	})
}

func (u *rule) read(r *sdk.Reader, name string, i int) (err error) {
	switch name {
	case "prefix":
		u.prefix, err = r.String()
	case "pattern":
		var text string
		if text, err = r.String(); err != nil {
			return err
		}
		// Anchored: a pattern that fits somewhere in a URL fits too much.
		if u.pattern, err = regexp.Compile("^(?:" + text + ")$"); err != nil {
			return &sdk.Error{Kind: sdk.ErrInvalid, Message: "rule " + strconv.Itoa(i+1) + ", pattern: " + err.Error(), Hint: "it is a regular expression of RE2"}
		}
	case "mirrors":
		return r.Array(func(int) error {
			mirror, err := r.String()
			u.mirrors = append(u.mirrors, mirror)
			return err
		})
	case "original":
		var original string
		original, err = r.String()
		u.never = original == "never"
	}
	return err
}

// prepare puts mirrors in front of each URL that a rule covers.
func prepare(_ *sdk.Context, item *sdk.Item) error {
	if kind := item.Desc().Reader().Kind(); kind != '"' && kind != '{' {
		return nil
	}
	remote, err := item.Remote()
	if err != nil {
		return err
	}
	var urls []string
	add := func(list ...string) {
		for _, url := range list {
			if !slices.Contains(urls, url) {
				urls = append(urls, url)
			}
		}
	}
	changed := false
	for _, url := range remote.URLs {
		mirrors, never := mirrorsOf(url)
		add(mirrors...)
		if !never {
			add(url)
		}
		changed = changed || len(mirrors) > 0
	}
	if changed {
		remote.URLs = urls
		item.SetRemote(remote)
	}
	return nil
}

// mirrorsOf returns what the first rule that covers a URL makes of it.
func mirrorsOf(url string) (mirrors []string, never bool) {
	for i := range rules {
		if mirrors := rules[i].apply(url); mirrors != nil {
			return mirrors, rules[i].never
		}
	}
	return nil, false
}

// apply returns a URL for each mirror, or nil when the rule does not cover the URL.
func (u *rule) apply(url string) []string {
	list := make([]string, len(u.mirrors))
	if u.pattern == nil {
		rest, ours := strings.CutPrefix(url, u.prefix)
		if !ours {
			return nil
		}
		for i, mirror := range u.mirrors {
			list[i] = mirror + rest
		}
		return list
	}
	match := u.pattern.FindStringSubmatchIndex(url)
	if match == nil {
		return nil
	}
	for i, mirror := range u.mirrors {
		list[i] = string(u.pattern.ExpandString(nil, mirror, url, match))
	}
	return list
}
