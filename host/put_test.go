package host_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

// contextUntil ends soon after a file is there.
func contextUntil(t *testing.T, file string) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for ctx.Err() == nil {
			if _, err := os.Stat(file); err == nil {
				cancel()
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	return ctx, cancel
}

func putCall(key, content string, more bool) string {
	p := abi.Put{Key: key, More: more}
	return abi.OpPut + " " + string(p.Append(nil)) + "\n" + content
}

// adversary: A12a
func TestPut(t *testing.T) { eachKind(t, nil, testPut) }

func testPut(t *testing.T, kind func(host.Plugin, plugin.Manifest) host.Plugin) {
	large := strings.Repeat("0123456789", 30_000) // more than what stays in memory
	for name, c := range map[string]struct {
		key   string
		calls func(key string) []string
		kind  string
		parts []string
	}{
		"at once":   {keyOf("content"), func(k string) []string { return []string{putCall(k, "content", false)} }, "", nil},
		"empty":     {keyOf(""), func(k string) []string { return []string{putCall(k, "", false)} }, "", nil},
		"line feed": {keyOf("a\n\nb"), func(k string) []string { return []string{putCall(k, "a\n", true), putCall(k, "\nb", false)} }, "", nil},
		"large":     {keyOf(large + large), func(k string) []string { return []string{putCall(k, large, true), putCall(k, large, false)} }, "", nil},
		"other bytes": {keyOf("content"), func(k string) []string { return []string{putCall(k, "contents", false)} },
			"mismatch", []string{keyOf("contents")}},
		"never ended": {keyOf("content"), func(k string) []string { return []string{putCall(k, "content", true)} },
			"plugin", []string{"neither asked for the item"}},
		"too large": {keyOf("content"), func(k string) []string {
			return []string{putCall(k, large, true), putCall(k, large, true), putCall(k, large, true), putCall(k, "", false)}
		}, "plugin", []string{"neither asked for the item"}},
		"no content": {keyOf("content"), func(k string) []string { return []string{abi.OpPut + ` {"key":"` + k + `"}`} },
			"plugin", []string{"neither asked for the item"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir, log := t.TempDir(), &lockedBuffer{}
			h := callingAs(t, kind, plugin.ProducesFile, nil, func(c *host.Config) {
				logTo(log)(c)
				c.PutBytes = 700_000
			}, c.calls(c.key)...)
			res := run(t, h, dir, []host.Item{{Key: c.key}})
			names := entries(t, dir)
			if c.kind != "" {
				wantError(t, res.Items[0], c.kind, c.parts...)
				if len(names) > 0 {
					t.Errorf("the store holds %v", names)
				}
				if name == "too large" && !strings.Contains(log.String(), "put/v1 -> limit") {
					t.Errorf("no limit: %s", log.String())
				}
				return
			}
			wantStates(t, res, host.Fetched)
			if len(names) != 1 {
				t.Errorf("the store holds %v", names)
			}
		})
	}
}

// A plugin that gives each item the bytes of another one stores neither.
//
// adversary: A12b
func TestPutOfAnotherItem(t *testing.T) {
	eachKind(t, nil, func(t *testing.T, kind func(host.Plugin, plugin.Manifest) host.Plugin) {
		dir, one, two := t.TempDir(), keyOf("one"), keyOf("two")
		h := callingAs(t, kind, plugin.ProducesFile, nil, nil, putCall(one, "two", false), putCall(two, "one", false))
		res := run(t, h, dir, []host.Item{{Key: one}, {Key: two}})
		wantError(t, res.Items[0], "mismatch", two)
		wantError(t, res.Items[1], "mismatch", one)
		if names := entries(t, dir); len(names) > 0 {
			t.Errorf("the store holds %v", names)
		}
	})
}

// A dry run plans what a plugin puts, and stores nothing.
func TestPutDryRun(t *testing.T) {
	large := strings.Repeat("x", 400_000)
	key := keyOf(large)
	dir := t.TempDir() + "/store"
	h := calling(t, plugin.ProducesFile, nil, nil, putCall(key, large, false))
	res, err := h.Run(t.Context(), host.Request{Source: testSource, Items: []host.Item{{Key: key}}, Store: dir, DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	wantStates(t, res, host.Planned)
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("a store was made: %v", err)
	}
}
