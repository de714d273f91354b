package sdktest

import (
	"testing"

	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/sdk"
)

// Item is an item to call a hook with.
type Item struct {
	Key string
	// Desc is the description, in JSON.
	Desc string
}

// Outcome is what a hook said about an item.
type Outcome struct {
	Key string
	// Desc is the item's description after the hook, in JSON; the one it was
	// called with where the hook changed nothing.
	Desc string
	// Skip is Filter's reason to skip the item.
	Skip string
	// Err is the item's error, or nil.
	Err *sdk.Error
}

// Page is what a hook is called with.
type Page struct {
	// Source is the name of the source; empty stands for "org.osbuild.curl".
	Source string
	// Options and Config are JSON objects, or empty.
	Options, Config string
	Items           []Item
}

// Run calls a hook with a page, through the encoding and decoding that a plugin
// meets in the real host, and returns one outcome for each item, in order. A
// failure of the whole page ends the test.
func Run(t testing.TB, p sdk.Plugin, host *Host, hook sdk.Hook, page Page) []Outcome {
	t.Helper()
	outcomes, err := Try(p, host, hook, page)
	if err != nil {
		t.Fatalf("%s failed for the whole page: %v", hook, err)
	}
	return outcomes
}

// Try is Run for a page that may fail as a whole, as by Setup's error.
func Try(p sdk.Plugin, host *Host, hook sdk.Hook, page Page) ([]Outcome, error) {
	in := abi.Page{Source: page.Source, Options: []byte(page.Options), Config: []byte(page.Config), Format: host.Format}
	if in.Source == "" {
		in.Source = "org.osbuild.curl"
	}
	outcomes := make([]Outcome, len(page.Items))
	index := make(map[string]int, len(page.Items))
	for i, it := range page.Items {
		in.Items = append(in.Items, abi.Item{Key: it.Key, Desc: []byte(it.Desc)})
		outcomes[i] = Outcome{Key: it.Key, Desc: it.Desc}
		index[it.Key] = i
	}
	raw, failed := sdk.NewRunner(p, host).Run(hook, in.Append(nil))
	if failed != nil {
		return nil, failed
	}
	out, err := abi.DecodeOutput(raw)
	if err != nil {
		return nil, err
	}
	for _, o := range out.Items {
		at := &outcomes[index[o.Key]]
		at.Skip, at.Err = o.Skip, o.Error
		if o.Desc != nil {
			at.Desc = string(o.Desc)
		}
	}
	return outcomes, nil
}

// Prepare calls Prepare with one item.
func Prepare(t testing.TB, p sdk.Plugin, host *Host, it Item) Outcome {
	t.Helper()
	return Run(t, p, host, sdk.Prepare, Page{Items: []Item{it}})[0]
}

// FetchOne calls FetchOne with one item; what it asked for is in host.Downloads,
// Images, Runs or Puts.
func FetchOne(t testing.TB, p sdk.Plugin, host *Host, it Item) Outcome {
	t.Helper()
	return Run(t, p, host, sdk.FetchOne, Page{Items: []Item{it}})[0]
}
