package main

import (
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/sdk"
	"github.com/sourcehost/sourcehost/sdk/sdktest"
)

const config = `{"rule": [
	{"algorithms": ["md5", "sha1"], "reason": "md5 and sha1 can be forged"},
	{"hosts": ["Old.Example", "*.evil.example"], "reason": "no such hosts"},
	{"keys": ["sha256:bad"], "reason": "CVE-2026-0001", "action": "skip"},
	{"urls": ["https://acme.example/testing/"], "reason": "not released", "action": "skip"},
	{"insecure": true, "reason": "certificates matter"},
	{"other_hosts_than": ["acme.example", "*.acme.example", "docker.io", "[::1]"], "reason": "only our own servers"}
]}`

func run(t *testing.T, hook sdk.Hook, key, desc string) sdktest.Outcome {
	t.Helper()
	host := &sdktest.Host{}
	page := sdktest.Page{Config: config, Options: `{"mirrors": {"ours": {"url": "https://m.acme.example/metalink"}, "theirs": {"url": "https://x.evil.example/"}}}`}
	if _, err := sdktest.Try(plugin, host, sdk.Setup, page); err != nil {
		t.Fatal(err)
	}
	page.Items = []sdktest.Item{{Key: key, Desc: desc}}
	return sdktest.Run(t, plugin, host, hook, page)[0]
}

func TestRules(t *testing.T) {
	const good = "sha256:good"
	for _, tt := range []struct{ key, desc, refused, skipped string }{
		{key: good, desc: `"https://acme.example/a.rpm"`},
		{key: good, desc: `{"url": "https://rpms.ACME.example.:8443/a.rpm"}`},
		{key: good, desc: `{"path": "a.rpm", "mirror": "ours"}`},
		{key: good, desc: `{"image": {"name": "library/debian", "digest": "sha256:1"}}`},
		{key: good, desc: `"http://[::1]:80/a"`},
		{key: good, desc: `{"encoding": "base64", "data": "aHR0cHM6Ly9vbGQuZXhhbXBsZQ=="}`},
		{key: good, desc: `{}`},
		{key: "md5:1", desc: `"https://acme.example/a.rpm"`, refused: "md5 and sha1 can be forged: its checksum is md5"},
		{key: "sha1:1", desc: `{}`, refused: "its checksum is sha1"},
		{key: good, desc: `"https://old.example/a"`, refused: "no such hosts: it comes from the host old.example"},
		{key: good, desc: `"https://acme.example@old.example/a"`, refused: "the host old.example"},
		{key: good, desc: `"https://old.example\\@acme.example/a"`, refused: "the host old.example"},
		{key: good, desc: `{"urls": ["https://acme.example/a", "https://a.b.evil.example/a"]}`, refused: "a.b.evil.example"},
		{key: good, desc: `{"path": "a.rpm", "mirror": "theirs"}`, refused: "x.evil.example"},
		{key: good, desc: `{"remote": {"url": "https://acme.example/repo", "contenturl": "mirrorlist=https://x.evil.example/"}}`, refused: "x.evil.example"},
		{key: good, desc: `{"image": {"name": "quay.evil.example:5000/a/b"}}`, refused: "quay.evil.example"},
		{key: good, desc: `"https://elsewhere.example/"`, refused: "only our own servers: it comes from the host elsewhere.example"},
		{key: good, desc: `"https://notacme.example/"`, refused: "notacme.example"},
		{key: good, desc: `{"url": "https://acme.example/a", "insecure": true}`, refused: "certificates matter"},
		{key: good, desc: `{"image": {"name": "docker.io/a", "tls-verify": false}}`, refused: "certificates matter"},
		{key: "sha256:bad", desc: `"https://acme.example/a.rpm"`, skipped: "CVE-2026-0001: it is on the deny list"},
		{key: good, desc: `"https://acme.example/testing/a.rpm?token=x"`, skipped: "not released: it comes from https://acme.example/testing/a.rpm"},
	} {
		got := run(t, sdk.Filter, tt.key, tt.desc)
		refused := got.Err != nil && got.Err.Kind == sdk.ErrDenied && strings.Contains(got.Err.Message, tt.refused)
		if refused != (tt.refused != "") || got.Skip != tt.skipped {
			t.Errorf("%s %s:\n got skip %q, error %v\nwant skip %q, error %q", tt.key, tt.desc, got.Skip, got.Err, tt.skipped, tt.refused)
		}
	}
}

// Skipping is over when items are prepared: what is forbidden fails then.
func TestPrepareRefuses(t *testing.T) {
	if got := run(t, sdk.Prepare, "sha256:bad", `"https://acme.example/a.rpm"`); got.Err == nil || got.Err.Kind != sdk.ErrDenied || got.Skip != "" {
		t.Errorf("got %+v", got)
	}
	if got := run(t, sdk.Prepare, "sha256:1", `"https://acme.example/a.rpm"`); got.Err != nil {
		t.Errorf("got %v", got.Err)
	}
}
