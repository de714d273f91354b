//go:build !wasip1

package main

import (
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/sourcehost/sourcehost/host/manifest"
	pluginfile "github.com/sourcehost/sourcehost/internal/plugin"
	"github.com/sourcehost/sourcehost/sdk"
	"github.com/sourcehost/sourcehost/sdk/sdktest"
)

const key = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// run returns what the plugin asks for.
func run(t *testing.T, host *sdktest.Host, desc string) sdk.Run {
	t.Helper()
	out := sdktest.FetchOne(t, newPlugin(), host, sdktest.Item{Key: key, Desc: desc})
	if out.Err != nil || len(host.Runs) != 1 {
		t.Fatalf("%s: %v, %d requests", desc, out.Err, len(host.Runs))
	}
	return host.Runs[0]
}

func TestPull(t *testing.T) {
	r := run(t, &sdktest.Host{}, `{"remote":{"url":"http://h/repo"}}`)
	if r.Key != key || r.From != "http://h/repo" || len(r.Steps) != 1 || len(r.Finally) != 0 {
		t.Errorf("request %+v", r)
	}
	want := []string{"pull", "--repo={scratch}/repo", "source", key}
	if s := r.Steps[0]; s.Program != "ostree" || !slices.Equal(s.Args, want) {
		t.Errorf("step %+v, want %q", s, want)
	}
	config := "\n[remote \"source\"]\nurl=http://h/repo\ngpg-verify=false\n"
	if f := r.Files; len(f) != 1 || f[0].Path != "repo/config" || f[0].Content != config {
		t.Errorf("files %q", f)
	}
}

func TestKeysAndSettings(t *testing.T) {
	host := &sdktest.Host{Env: map[string]string{
		"OSBUILD_SOURCES_OSTREE_SSL_CLIENT_KEY": "/k", "OSBUILD_SOURCES_OSTREE_SSL_CLIENT_CERT": "/c", "OSBUILD_SOURCES_OSTREE_SSL_CA_CERT": "/ca",
		"OSBUILD_SOURCES_OSTREE_PROXY": "http://u:secret@p:1", "OSBUILD_SOURCES_OSTREE_INSECURE": "TRUE",
	}}
	r := run(t, host, `{"remote":{"url":"https://h/r","contenturl":"https://c/r","gpgkeys":["one","two"],"secrets":{"name":"org.osbuild.mtls"}}}`)
	for _, line := range []string{
		"url=https://h/r", "contenturl=https://c/r", "gpg-verify=true", "tls-client-key-path=/k", "tls-client-cert-path=/c",
		"tls-ca-path=/ca", "proxy=http://u:secret@p:1", "tls-permissive=true",
	} {
		if !strings.Contains(r.Files[0].Content, "\n"+line+"\n") {
			t.Errorf("the config lacks %s:\n%s", line, r.Files[0].Content)
		}
	}
	if len(r.Steps) != 3 || r.Steps[0].Stdin != "one" || r.Steps[1].Stdin != "two" || !slices.Contains(r.Steps[1].Args, "--stdin") {
		t.Errorf("steps %+v", r.Steps)
	}
	for _, step := range r.Steps {
		if strings.Contains(strings.Join(step.Args, " "), "secret") {
			t.Errorf("a secret is in the arguments: %q", step.Args)
		}
	}
}

// TestEnvironmentCounts has proxy and insecure count for every item.
func TestEnvironmentCounts(t *testing.T) {
	for value, want := range map[string]bool{"1": true, "yes": true, "true": true, "Yes": true, "0": false, "": false, "no": false} {
		host := &sdktest.Host{Env: map[string]string{"OSBUILD_SOURCES_OSTREE_INSECURE": value, "OSBUILD_SOURCES_OSTREE_PROXY": "http://p:1"}}
		config := run(t, host, `{"remote":{"url":"http://h/r"}}`).Files[0].Content
		if strings.Contains(config, "tls-permissive=true\n") != want || !strings.Contains(config, "\nproxy=http://p:1\n") {
			t.Errorf("%q: %s", value, config)
		}
	}
}

func TestConsumer(t *testing.T) {
	const desc = `{"remote":{"url":"https://h/r","secrets":{"name":"org.osbuild.rhsm.consumer"}}}`
	files := fstest.MapFS{"etc/pki/consumer/key.pem": {}, "etc/pki/consumer/cert.pem": {}}
	config := run(t, &sdktest.Host{FS: files}, desc).Files[0].Content
	if !strings.Contains(config, "tls-client-key-path=/etc/pki/consumer/key.pem\ntls-client-cert-path=/etc/pki/consumer/cert.pem\n") {
		t.Errorf("config %s", config)
	}
	delete(files, "etc/pki/consumer/cert.pem")
	refused(t, &sdktest.Host{FS: files}, desc, sdk.ErrNotFound, "/etc/pki/consumer/cert.pem", "subscription-manager")
}

func refused(t *testing.T, host *sdktest.Host, desc string, kind sdk.Kind, parts ...string) {
	t.Helper()
	err := sdktest.FetchOne(t, newPlugin(), host, sdktest.Item{Key: key, Desc: desc}).Err
	if err == nil || err.Kind != kind {
		t.Errorf("%s: %v", desc, err)
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v does not say %q", desc, err, part)
		}
	}
}

func TestRefused(t *testing.T) {
	refused(t, &sdktest.Host{}, `{"remote":{"url":"http://h/\nproxy=http://evil"}}`, sdk.ErrInvalid, "control character")
	refused(t, &sdktest.Host{}, `{"remote":{"url":"http://h/","contenturl":"a\rb"}}`, sdk.ErrInvalid, "contenturl")
	refused(t, &sdktest.Host{}, `{"remote":{}}`, sdk.ErrInvalid, "no url")
	refused(t, &sdktest.Host{}, `{"remote":{"url":"u","secrets":{"name":"x"}}}`, sdk.ErrInvalid, `"x"`, "org.osbuild.rhsm.consumer")
	refused(t, &sdktest.Host{}, `{"remote":{"url":"u","secrets":{"name":"org.osbuild.mtls"}}}`, sdk.ErrNotFound, "neither is set")
	deny := &sdktest.Host{Deny: func(op, _ string) bool { return strings.HasPrefix(op, "run") }}
	refused(t, deny, `{"remote":{"url":"u"}}`, sdk.ErrDenied)
}

// TestNotInstalled says what to install.
func TestNotInstalled(t *testing.T) {
	err := explain(&sdk.Error{Kind: sdk.ErrNotFound, Message: "ostree: there is no such program"})
	if err == nil || !strings.Contains(err.Error(), "install the package ostree") {
		t.Error(err)
	}
}

func TestSchema(t *testing.T) {
	data, err := os.ReadFile("plugin.json")
	if err != nil {
		t.Fatal(err)
	}
	m, err := pluginfile.ParseManifest(data)
	if err != nil {
		t.Fatal(err)
	}
	schema, err := manifest.CompileSchema("ostree", m.Schema)
	if err != nil {
		t.Fatal(err)
	}
	for text, valid := range map[string]bool{
		`{"items":{"` + key + `":{"remote":{"url":"u"}}}}`:                                                true,
		`{"commits":{"` + key + `":{"remote":{"url":"u","gpgkeys":[],"contenturl":"c"}}}}`:                true,
		`{"items":{"` + key + `":{"remote":{"url":"u","secrets":{"name":"org.osbuild.rhsm.consumer"}}}}}`: true,
		`{"items":{"` + key + `":{"remote":{"url":"u","secrets":{"name":"org.osbuild.rhsm"}}}}}`:          false,
		`{"items":{"../` + key + `":{"remote":{"url":"u"}}}}`:                                             false,
		`{"items":{"` + key[:40] + `":{"remote":{"url":"u"}}}}`:                                           false,
		`{"items":{"` + key + `":{"remote":{"url":""}}}}`:                                                 false,
		`{"items":{"` + key + `":{}}}`:                                                                    false,
		`{}`:                                                                                              false,
	} {
		if problems := schema.Check("", []byte(text)); (len(problems) == 0) != valid {
			t.Errorf("%s: %v", text, problems)
		}
	}
}
