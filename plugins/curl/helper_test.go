package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/sdk"
	"github.com/sourcehost/sourcehost/sdk/sdktest"
)

const key = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

// hostAt is a host whose files are those of a folder of testdata.
func hostAt(t *testing.T, root string) *sdktest.Host {
	t.Helper()
	dir := filepath.Join("testdata", root)
	if _, err := os.Stat(dir); err != nil {
		t.Fatal(err)
	}
	return &sdktest.Host{FS: os.DirFS(dir)}
}

// prepared runs prepare on one description and returns the new one.
func prepared(t *testing.T, h *sdktest.Host, desc string) string {
	t.Helper()
	out := sdktest.Prepare(t, newPlugin(), h, sdktest.Item{Key: key, Desc: desc})
	if out.Err != nil {
		t.Fatalf("prepare of %s: %v", desc, out.Err)
	}
	return out.Desc
}

// refused runs prepare on one description and checks its error.
func refused(t *testing.T, h *sdktest.Host, desc string, kind sdk.Kind, parts ...string) {
	t.Helper()
	err := sdktest.Prepare(t, newPlugin(), h, sdktest.Item{Key: key, Desc: desc}).Err
	if err == nil {
		t.Errorf("prepare accepts %s", desc)
		return
	}
	if err.Kind != kind {
		t.Errorf("%s: error of kind %q, want %q", desc, err.Kind, kind)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%s: the error does not say %q:\n%v", desc, part, err)
		}
	}
}
