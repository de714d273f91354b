//go:build !wasip1

package main

import (
	"os"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/host/manifest"
	pluginfile "github.com/sourcehost/sourcehost/internal/plugin"
)

func TestManifest(t *testing.T) {
	data, err := os.ReadFile("plugin.json")
	if err != nil {
		t.Fatal(err)
	}
	m, err := pluginfile.ParseManifest(data)
	if err != nil {
		t.Fatal(err)
	}
	if m.ServesVersion(1) || !m.ServesVersion(2) {
		t.Error("the source has no schema for manifests of version 1")
	}
	schema, err := manifest.CompileSchema("librepo", m.Schema)
	if err != nil {
		t.Fatal(err)
	}
	key := "sha256:" + strings.Repeat("0", 64)
	for source, good := range map[string]bool{
		`{"items":{"KEY":{"path":"p","mirror":"m"}},"options":{"mirrors":{"m":{"url":"u","type":"metalink"}}}}`:                                                                                                                 true,
		`{"items":{"KEY":{"path":"p","mirror":"m","size":1}},"options":{"mirrors":{"a-1.x_y:Z":{"url":"u","type":"baseurl","max-parallels":1.5,"fastest-mirror":true,"insecure":true,"secrets":{"name":"n","more":1},"x":1}}}}`: true,
		`{"items":{}}`:                                  true,
		`{"items":{"KEY":{"path":"p"}}}`:                false,
		`{"items":{"KEY":{"mirror":"p"}}}`:              false,
		`{"items":{"KEY":"http://a/b"}}`:                false,
		`{"items":{"md5:0":{"path":"p","mirror":"m"}}}`: false,
		`{"options":{"mirrors":{}}}`:                    false,
		`{"items":{},"more":1}`:                         false,
		`{"items":{},"options":{"mirrors":{"a/b":{"url":"u","type":"baseurl"}}}}`:            false,
		`{"items":{},"options":{"mirrors":{"a":{"url":"u","type":"ftp"}}}}`:                  false,
		`{"items":{},"options":{"mirrors":{"a":{"type":"baseurl"}}}}`:                        false,
		`{"items":{},"options":{"mirrors":{"a":{"url":"u","type":"baseurl","secrets":{}}}}}`: false,
	} {
		if problems := schema.Check("", []byte(strings.ReplaceAll(source, "KEY", key))); (len(problems) == 0) != good {
			t.Errorf("%s: %v, want accepted: %v", source, problems, good)
		}
	}
	if _, err := manifest.CompileValueSchema("librepo", m.Prepared); err != nil {
		t.Error(err)
	}
}
