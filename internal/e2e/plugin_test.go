package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

const vault = "correct-horse-0815"

// tokenPlugin builds the plugin in testdata/token, once, and packs it with the
// program. It returns its path and the digest of the file.
var tokenPlugin = sync.OnceValues(func() (path string, err error) {
	raw, path := filepath.Join(built.dir, "token-raw.wasm"), filepath.Join(built.dir, "token.wasm")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-buildmode=c-shared", "-o", raw, "./testdata/token")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	pack := exec.Command(built.program, "plugin", "pack", raw, "--manifest", "testdata/token/plugin.json", "-o", path)
	if out, err := pack.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

func fileDigest(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// chain is a sandbox with the plugin in front of the source, an origin whose
// files want the token, and a mirror that lacks some of them.
type chain struct {
	*sandbox
	origin, mirror *hosttest.Server
	keys           []string
	manifest       string
	plugin, pin    string
	// reach are further servers that the plugin is granted, for redirects.
	reach []string
	// times are quick or hasty.
	times string
}

func newChain(t *testing.T) *chain {
	t.Helper()
	path, err := tokenPlugin()
	if err != nil {
		t.Fatalf("cannot build the plugin: %v", err)
	}
	c := &chain{sandbox: newSandbox(t), plugin: path, pin: fileDigest(t, path), times: quick}
	c.origin, c.mirror = hosttest.Start(t, hosttest.Options{}), hosttest.Start(t, hosttest.Options{})
	demanding := func(x *hosttest.Exchange) {
		if x.R.Header.Get("X-Token") != "Token "+vault {
			hosttest.Status(403)(x)
			return
		}
		hosttest.Good(x)
	}
	all := items{}
	for i := range 6 {
		path := fmt.Sprintf("/pool/%d.rpm", i)
		data := content("chain"+path, 4000)
		c.origin.Put(path, hosttest.File{Content: data})
		c.origin.Script(path, demanding)
		if i%2 == 0 {
			c.mirror.Put(path, hosttest.File{Content: data})
			c.mirror.Script(path, demanding)
		}
		all[key(data)] = c.origin.URL(path)
		c.keys = append(c.keys, key(data))
	}
	c.manifest = c.sandbox.manifest(all)
	c.write("vault.txt", []byte(vault+"\n"))
	return c
}

// wire writes the configuration, with the grant and the hosts that the secret
// may be sent to.
func (c *chain) wire(pin, grant string, hosts ...string) {
	c.t.Helper()
	for i := range hosts {
		hosts[i] = "http://" + hosts[i] // the servers of these tests do not encrypt
	}
	c.configure(c.times + fmt.Sprintf(`
[source."org.osbuild.curl"]
prepare = ["token"]
[plugin.token]
path = %q
sha256 = %q
[plugin.token.config]
prefix = %q
mirror = %q
%s
[secret.vault]
file = "vault.txt"
hosts = ["%s"]
`, c.plugin, pin, c.origin.URL("/"), c.mirror.URL("/"), c.grant(grant), strings.Join(hosts, `", "`)))
}

// grant is a table of what the plugin is granted, with an entry for each word of
// what.
func (c *chain) grant(what string) string {
	table := "[plugin.token.grant]\n"
	if strings.Contains(what, "secrets") {
		table += "secrets = [\"vault\"]\n"
	}
	if strings.Contains(what, "mirror") {
		servers := append([]string{c.mirror.URL("/")}, c.reach...)
		table += fmt.Sprintf("download = [\"%s\"]\n", strings.Join(servers, `", "`))
	}
	return table
}

const granted = "secrets and mirror"

// TestChainedPlugin has a plugin of somebody else add a header and a mirror.
func TestChainedPlugin(t *testing.T) {
	t.Parallel()
	c := newChain(t)
	c.wire(c.pin, granted, c.origin.Addr(), c.mirror.Addr())
	o := c.fetch(c.manifest, "--log-level", "debug").ends(0).counts(len(c.keys), 0, 0)
	o.hides(vault)
	c.holds(c.keys...)
	for i, k := range c.keys {
		from, attempts := c.mirror, 1
		if i%2 == 1 { // which the mirror lacks
			from, attempts = c.origin, 2
		}
		if it := o.items[k]; it.Attempts != attempts || !strings.HasPrefix(it.URL, from.URL("/")) {
			t.Errorf("item %d came from %s in %d attempts, want %s in %d", i, it.URL, it.Attempts, from.URL("/"), attempts)
		}
	}
	if n := len(c.mirror.Log()); n != 6 {
		t.Errorf("%d requests of the mirror, want each item once", n)
	}
	if n := len(c.origin.Log()); n != 3 {
		t.Errorf("%d requests of the origin, want those that the mirror lacks", n)
	}
}

// TestPluginDenied: what is not granted is denied, and nothing is asked for.
//
// adversary: A10a
func TestPluginDenied(t *testing.T) {
	t.Parallel()
	c := newChain(t)
	for _, v := range []struct {
		name, grant string
		hosts       []string
		parts       []string
	}{
		{"no secret", "mirror", []string{c.origin.Addr(), c.mirror.Addr()}, []string{"token", "not granted secrets", "vault", "[plugin.token.grant]"}},
		{"no mirror", "secrets", []string{c.origin.Addr(), c.mirror.Addr()}, []string{"token", "not granted download", c.mirror.URL("/pool/"), "[plugin.token.grant]"}},
		{"nothing", "", []string{c.origin.Addr(), c.mirror.Addr()}, []string{"token", "not granted", "[plugin.token.grant]"}},
		{"another host", granted, []string{"vault.example"}, []string{"X-Token", "vault"}},
	} {
		c.wire(c.pin, v.grant, v.hosts...)
		o := c.fetch(c.manifest, "--log-level", "debug").ends(1).counts(0, 0, len(c.keys))
		for _, k := range c.keys {
			o.failed(k, "denied", v.parts...)
		}
		o.hides(vault)
		c.holds()
		c.nothingStaged()
	}
	if n := len(c.origin.Log()) + len(c.mirror.Log()); n != 0 {
		t.Errorf("%d requests were made", n)
	}
}

// TestProviderIsDenied: the provider of client certificates stands for what the
// source's own plugin is granted (tls, env, read). A chained plugin that is
// granted none of it must not be able to have certificates sent.
func TestProviderIsDenied(t *testing.T) {
	t.Parallel()
	c := newChain(t)
	v := newVendor(t, "acme", hosttest.HTTPS1)
	data := content("provider", 1000)
	v.server.Put("/file", hosttest.File{Content: data})
	c.env = append(c.env, mtls(v.ca, v.client)...)
	c.wire(c.pin, granted, c.origin.Addr())
	text, err := os.ReadFile(c.config)
	if err != nil {
		t.Fatal(err)
	}
	c.configure(strings.Replace(string(text), "prefix = ", "provider = \"org.osbuild.mtls\"\nprefix = ", 1))
	o := c.fetch(c.sandbox.manifest(items{key(data): v.server.URL("/file")})).ends(1)
	o.failed(key(data), "denied", "token")
	if log := v.server.Log(); len(log) != 0 {
		t.Errorf("%d requests with the certificate of %q", len(log), log[0].Client)
	}
}

// TestPluginPin: a file that differs from its pin is a mistake of the
// configuration, and is not run.
func TestPluginPin(t *testing.T) {
	t.Parallel()
	c := newChain(t)
	c.wire(strings.Repeat("ab", 32), granted, c.origin.Addr())
	o := c.fetch(c.manifest).ends(2)
	contains(t, o.errOut, c.plugin, c.pin, strings.Repeat("ab", 32), "pin")
	o.hides(vault)

	data, err := os.ReadFile(c.plugin)
	if err != nil {
		t.Fatal(err)
	}
	right := c.pin
	c.plugin = c.write("changed.wasm", append(data, 0, 1, 0)) // an empty custom section more
	c.wire(right, granted, c.origin.Addr())
	c.fetch(c.manifest).ends(2)
	if n := len(c.origin.Log()) + len(c.mirror.Log()); n != 0 {
		t.Errorf("%d requests were made", n)
	}
}

// TestPluginConfig: the section of the configuration is checked against the
// plugin's schema before anything happens.
func TestPluginConfig(t *testing.T) {
	t.Parallel()
	c := newChain(t)
	c.wire(c.pin, granted, c.origin.Addr())
	text, err := os.ReadFile(c.config)
	if err != nil {
		t.Fatal(err)
	}
	c.configure(strings.Replace(string(text), "mirror = ", "miror = ", 1))
	o := c.fetch(c.manifest).ends(2)
	contains(t, o.errOut, "token", "miror", "mirror")
}
