package artifact

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

func TestParse(t *testing.T) {
	sum := "sha256:" + strings.Repeat("a", 64)
	for _, good := range []string{
		"oci://r.example/a:1", "oci://r.example:5000/a/b@" + sum, "oci://127.0.0.1:5000/a:t@" + sum, "oci://[::1]:5000/a:t",
	} {
		r, err := Parse(good)
		if err != nil || r.String() != good {
			t.Errorf("%s: %v, %v", good, r, err)
		}
	}
	for bad, want := range map[string]string{
		"r.example/a:1":                   "does not begin with",
		"oci://r.example":                 "missing registry or repository",
		"oci://r.example/a":               "neither a tag nor a digest",
		"oci://r.example/A:1":             "invalid repository",
		"oci://u:p@r.example/a:1":         "more than a registry",
		"oci://r.example/a:1?x=y":         "more than a registry",
		"oci://r.example/a@md5:00":        "the digest is not",
		"oci://r.example/a@sha256:12":     "the digest is not",
		"oci://r.example/a@sha512:" + sum: "the digest is not",
	} {
		if _, err := Parse(bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", bad, err, want)
		}
	}
}

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "localhost:5000": true, "127.0.0.1:1": true, "127.8.8.8": true, "[::1]:5000": true, "[::1]": true,
		"r.example": false, "10.0.0.1:5000": false, "localhost.example": false, "127.0.0.1.example:80": false,
	} {
		if loopback(host) != want {
			t.Errorf("loopback(%s) = %v", host, !want)
		}
	}
}

// client reads nothing of the machine's own files.
func client(t *testing.T, env map[string]string) *Client {
	home := t.TempDir()
	return &Client{Environ: func(name string) (string, bool) {
		if name == "HOME" || name == "XDG_RUNTIME_DIR" {
			return home, true
		}
		value, ok := env[name]
		return value, ok
	}}
}

func mustParse(t *testing.T, text string) Reference {
	t.Helper()
	r, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// What is not a plugin, too large, or changed on the way is refused; so is plain
// http with anything but the loopback interface.
func TestPullRefuses(t *testing.T) {
	t.Parallel()
	addr := hosttest.StartRegistry(t, hosttest.RegistryOptions{})
	c, ctx := client(t, nil), context.Background()
	wasm := bytes.Repeat([]byte("module"), 1000)
	pinned, err := c.Push(ctx, mustParse(t, "oci://"+addr+"/a:1"), wasm, About{Title: "a.wasm"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := c.Pull(ctx, pinned)
	if err != nil || !bytes.Equal(p.Wasm, wasm) || p.Reference != pinned {
		t.Fatalf("pulled %d bytes of %v, %v", len(p.Wasm), p.Reference, err)
	}
	small := client(t, nil)
	small.MaxBytes = 5999
	if _, err := small.Pull(ctx, pinned); err == nil || !strings.Contains(err.Error(), "the plugin has 6000 bytes, but may have 5999") {
		t.Errorf("a plugin that is too large: %v", err)
	}
	other := pinned.Pinned(digest.FromString("other"))
	if _, err := c.Pull(ctx, other); err == nil || !strings.Contains(err.Error(), "no such artifact") {
		t.Errorf("another digest: %v", err)
	}
}

func TestLayerOf(t *testing.T) {
	const sum = `"digest":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"`
	for manifest, want := range map[string]string{
		`{"layers":[{"mediaType":"application/wasm","size":1,` + sum + `}]}`:                           "",
		`{"layers":[{"mediaType":"application/vnd.wasm.content.layer.v1+wasm","size":1,` + sum + `}]}`: "",
		`{"layers":[]}`: "found none",
		`{"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip"},{"mediaType":"x"}]}`: `found "application/vnd.oci.image.layer.v1.tar+gzip", "x"`,
		`{"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`:                     "an index of several images",
		`{"layers":[{"mediaType":"application/wasm","size":-1,` + sum + `}]}`:                        "may have",
		`{"layers":[{"mediaType":"application/wasm","size":99999999999,` + sum + `}]}`:               "may have 33554432",
		`{"layers":[{"mediaType":"application/wasm","size":1,"digest":"../../etc/passwd"}]}`:         "not a sha256 digest",
		`no JSON`: "not JSON",
	} {
		if _, err := new(Client).layerOf([]byte(manifest)); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", manifest, err, want)
		}
	}
}

// The layout is that of the CNCF, and the same each time.
func TestLayout(t *testing.T) {
	conf, manifest, err := pack([]byte("module"), About{Title: "a.wasm", Version: "1", Description: "d"})
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		MediaType string
		Config    struct{ MediaType, Digest string }
		Layers    []struct{ MediaType, Digest string }
	}
	var c struct {
		Architecture, OS string
		LayerDigests     []string
	}
	if json.Unmarshal(manifest, &m) != nil || json.Unmarshal(conf, &c) != nil {
		t.Fatal("not JSON")
	}
	if m.MediaType != "application/vnd.oci.image.manifest.v1+json" || m.Config.MediaType != "application/vnd.wasm.config.v0+json" ||
		len(m.Layers) != 1 || m.Layers[0].MediaType != "application/wasm" {
		t.Errorf("the manifest is %s", manifest)
	}
	if c.Architecture != "wasm" || c.OS != "wasip1" || len(c.LayerDigests) != 1 || c.LayerDigests[0] != m.Layers[0].Digest || !strings.Contains(string(conf), `"created":"1970-01-01T00:00:00Z"`) {
		t.Errorf("the configuration is %s", conf)
	}
	if _, again, _ := pack([]byte("module"), About{Title: "a.wasm", Version: "1", Description: "d"}); !bytes.Equal(manifest, again) {
		t.Error("the same plugin has another manifest")
	}
}

// A registry with a certificate of its own authority needs that in certs.d.
func TestPrivateAuthority(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca, err := hosttest.NewCA(dir, "ca")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Issue(hosttest.Leaf{Name: "registry", Hosts: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	addr := hosttest.StartRegistry(t, hosttest.RegistryOptions{Certificate: pair})
	ref := mustParse(t, "oci://"+addr+"/a:1")
	config := t.TempDir()
	c := client(t, map[string]string{"XDG_CONFIG_HOME": config})
	if _, err := c.Push(t.Context(), ref, []byte("x"), About{}); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown authority: %v", err)
	}
	certs := filepath.Join(config, "containers", "certs.d", addr)
	if err := os.MkdirAll(certs, 0o755); err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(ca.Path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(certs, "ca.crt"), pem, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Push(t.Context(), ref, []byte("x"), About{}); err != nil {
		t.Error(err)
	}
}

func TestCredentials(t *testing.T) {
	file := filepath.Join(t.TempDir(), "auth.json")
	doc := `{"auths":{"r.example":{"auth":"YTpi"},"r.example/team":{"auth":"Yzpk"},"s.example":{"identitytoken":"tok"},"t.example":{"auth":"bm8="}}}`
	if err := os.WriteFile(file, []byte(doc), 0o600); err != nil {
		t.Fatal(err)
	}
	for ref, want := range map[string]string{
		"oci://r.example/x:1": "a b ", "oci://r.example/team/x:1": "c d ", "oci://r.example/teams:1": "a b ",
		"oci://s.example/x:1": "  tok", "oci://u.example/x:1": "  ",
	} {
		got, err := lookUp(t.Context(), file, mustParse(t, ref))
		if text := got.Username + " " + got.Password + " " + got.RefreshToken; err != nil || text != want {
			t.Errorf("%s: %q, %v, want %q", ref, text, err, want)
		}
	}
	if _, err := lookUp(t.Context(), file, mustParse(t, "oci://t.example/x:1")); err == nil || !strings.Contains(err.Error(), "no user and password") {
		t.Errorf("an entry without a colon: %v", err)
	}
	// Credentials go to the registry that they are for.
	c := client(t, map[string]string{"REGISTRY_AUTH_FILE": file})
	if got, err := c.credential(mustParse(t, "oci://r.example/x:1"))(t.Context(), "elsewhere.example"); err != nil || got.Password != "" {
		t.Errorf("another server gets %v, %v", got, err)
	}
}
