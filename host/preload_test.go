package host_test

import (
	"path/filepath"
	"testing"

	"github.com/sourcehost/sourcehost/host"
)

// A plugin is loaded ahead only when something is missing, and nothing is made
// where the store is to be.
func TestPreload(t *testing.T) {
	h, items, dir := stored(t, 20)
	empty := filepath.Join(t.TempDir(), "none")
	for _, req := range []host.Request{
		{Source: curlSource, Items: items, Store: dir},
		{Source: curlSource, Items: items, Store: empty},
		{Source: curlSource, Items: items[:1], Store: empty},
		{Source: curlSource, Items: []host.Item{{Key: "../x"}}, Store: empty},
		{Source: curlSource, Store: empty},
		{Source: "org.example.unknown", Items: items, Store: empty},
		{Source: curlSource, Items: items},
	} {
		h.Preload(req)
	}
	if found, _ := filepath.Glob(empty + "*"); len(found) > 0 {
		t.Errorf("Preload has made %v", found)
	}
	res, err := h.Run(t.Context(), host.Request{Source: curlSource, Items: items, Store: empty})
	if err != nil || res.Counts().Fetched != len(items) {
		t.Fatalf("%+v, %v", res.Counts(), err)
	}
}
