package host

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A store lacks items when one of a few of them is not there; what cannot be looked
// for says nothing.
func TestLacks(t *testing.T) {
	const kind = "org.osbuild.files"
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, kind), 0o755); err != nil {
		t.Fatal(err)
	}
	key := func(c string) string { return "md5:" + strings.Repeat(c, 32) }
	for _, c := range []string{"a", "b", "c"} {
		if err := os.WriteFile(filepath.Join(dir, kind, key(c)), []byte(c), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		store, kind string
		keys        []string
		want        bool
	}{
		{dir, kind, []string{key("a")}, false},
		{dir, kind, []string{key("a"), key("b"), key("c")}, false},
		{dir, kind, []string{key("d")}, true},
		{dir, kind, []string{key("a"), key("b"), key("d")}, true},
		{dir, kind, []string{"no key"}, false},
		{dir, "", []string{key("d")}, false},
		{dir, "other", []string{key("a")}, true},
		{filepath.Join(dir, "none"), kind, []string{key("a")}, true},
		{"", kind, []string{key("a")}, false},
	} {
		req := Request{Store: c.store}
		for _, k := range c.keys {
			req.Items = append(req.Items, Item{Key: k})
		}
		if got := lacks(req, c.kind); got != c.want {
			t.Errorf("%q, %q, %v: %t, want %t", c.store, c.kind, c.keys, got, c.want)
		}
	}
}
