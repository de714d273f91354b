package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

// vendor is a server of content that wants a client certificate, with an
// authority of its own for both sides.
type vendor struct {
	name   string
	ca     *hosttest.CA
	client *hosttest.Pair
	server *hosttest.Server
}

func newVendor(t *testing.T, name string, proto hosttest.Protocol) *vendor {
	t.Helper()
	v := &vendor{name: name, ca: newCA(t, name+"-ca")}
	v.client = issue(t, v.ca, hosttest.Leaf{Name: name + "-client"})
	v.server = hosttest.Start(t, hosttest.Options{Protocol: proto, Certificate: serverPair(t, v.ca), ClientCA: v.ca})
	return v
}

// copyFile copies a certificate or key.
func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// subscribe writes the vendor's certificates beneath root, where a subscription
// has them, and returns its section of the repo file. The CA is another one when
// given.
func (v *vendor) subscribe(t *testing.T, root string, ca *hosttest.CA) string {
	t.Helper()
	files := map[string]string{"sslclientcert": v.client.Cert, "sslclientkey": v.client.Key, "sslcacert": v.ca.Path}
	if ca != nil {
		files["sslcacert"] = ca.Path
	}
	section := fmt.Sprintf("[%s]\nname = %s\nbaseurl = %s\nenabled = 1\n", v.name, v.name, v.server.URL("/content/$releasever/$basearch/os"))
	for key, from := range files {
		path := "/etc/pki/entitlement/" + v.name + "-" + key + ".pem"
		copyFile(t, from, filepath.Join(root, path))
		section += key + " = " + path + "\n"
	}
	return section + "\n"
}

// TestMixedCAs fetches from four servers with four authorities at once. Each
// wants a client certificate of its own; the section of the last one names the
// wrong authority.
func TestMixedCAs(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	root := filepath.Join(s.dir, "root")
	s.configure("root = \"root\"\n" + quick)
	vendors := []*vendor{newVendor(t, "red", hosttest.HTTPS1), newVendor(t, "green", hosttest.HTTPS2),
		newVendor(t, "blue", hosttest.HTTPS2), newVendor(t, "misled", hosttest.HTTPS1)}
	repos := ""
	all, good, bad := items{}, []string{}, []string{}
	for _, v := range vendors {
		var ca *hosttest.CA
		if v.name == "misled" {
			ca = vendors[0].ca
		}
		repos += v.subscribe(t, root, ca)
		for i := range 20 {
			path := fmt.Sprintf("/content/9/x86_64/os/Packages/%s-%d.rpm", v.name, i)
			data := content(path, 10_000+i)
			v.server.Put(path, hosttest.File{Content: data})
			all[key(data)] = map[string]any{"url": v.server.URL(path), "secrets": map[string]string{"name": "org.osbuild.rhsm"}}
			if ca == nil {
				good = append(good, key(data))
			} else {
				bad = append(bad, key(data))
			}
		}
	}
	s.write("root/etc/yum.repos.d/redhat.repo", []byte(repos))
	o := s.fetch(s.manifest(all)).ends(1).counts(len(good), 0, len(bad))
	s.holds(good...)
	for _, k := range bad {
		o.failed(k, "tls", "unknown authority", vendors[3].server.Addr(), "1 attempt")
	}
	for _, v := range vendors {
		log := v.server.Log()
		if v.name != "misled" && len(log) != 20 || v.name == "misled" && len(log) != 0 {
			t.Errorf("%s got %d requests", v.name, len(log))
		}
		for _, e := range log {
			if e.Client != v.name+"-client" {
				t.Errorf("%s was asked for %s with the certificate of %q", v.name, e.Path, e.Client)
			}
		}
	}
	for _, line := range lines(o.out + o.errOut) {
		if strings.Contains(line, "PRIVATE KEY") {
			t.Errorf("a key was shown: %s", line)
		}
	}
}

// TestNoSubscription says what was looked for, and fails the items alone that
// need it.
func TestNoSubscription(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	s.configure("root = \"root\"\n" + quick)
	server := hosttest.Start(t, hosttest.Options{})
	free, bound := content("free", 100), content("bound", 100)
	server.Put("/free", hosttest.File{Content: free})
	o := s.fetch(s.manifest(items{key(free): server.URL("/free"),
		key(bound): map[string]any{"url": server.URL("/bound"), "secrets": map[string]string{"name": "org.osbuild.rhsm"}}})).ends(1).counts(1, 0, 1)
	o.failed(key(bound), "not found", "/etc/yum.repos.d/redhat.repo does not exist", "/etc/pki/entitlement", "subscription-manager")
	if n := server.Count("/bound"); n != 0 {
		t.Errorf("%d requests without a certificate", n)
	}
}

// TestMTLS takes the certificates from the environment.
//
// adversary: B30
func TestMTLS(t *testing.T) {
	t.Parallel()
	v := newVendor(t, "acme", hosttest.HTTPS2)
	data := content("mtls", 5000)
	v.server.Put("/file", hosttest.File{Content: data})
	const certEnv, keyEnv = "OSBUILD_SOURCES_CURL_SSL_CLIENT_CERT", "OSBUILD_SOURCES_CURL_SSL_CLIENT_KEY"
	stranger := newCA(t, "stranger-ca")
	for _, c := range []struct {
		name  string
		env   []string
		kind  string
		parts []string
	}{
		{"all", mtls(v.ca, v.client), "", nil},
		{"system CA", append(mtls(v.ca, v.client)[1:], "SSL_CERT_FILE="+v.ca.Path), "", nil},
		{"none", nil, "not found", []string{certEnv, keyEnv, "neither is set"}},
		{"no key", mtls(v.ca, v.client)[:2], "not found", []string{certEnv, keyEnv + " is not set"}},
		{"no certificate", append(mtls(v.ca, v.client)[2:], certEnv+"="), "not found", []string{keyEnv, certEnv + " is not set"}},
		{"no such file", append(mtls(v.ca, v.client), certEnv+"=/nonexistent/cert.pem"), "tls", []string{"/nonexistent/cert.pem"}},
		{"another's certificate", mtls(v.ca, issue(t, stranger, hosttest.Leaf{Name: "stranger"})), "tls", []string{"client certificate"}},
		{"another's CA", mtls(stranger, v.client), "tls", []string{"unknown authority"}},
	} {
		s := newSandbox(t)
		s.env = append(s.env, c.env...)
		o := s.fetch(s.manifest(items{key(data): withMTLS(v.server.URL("/file"))}))
		if c.kind == "" {
			o.ends(0).fetched(key(data))
			s.holds(key(data))
			continue
		}
		o.ends(1).failed(key(data), c.kind, c.parts...)
		s.holds()
		s.nothingStaged()
	}
	if log := v.server.Log(); len(log) != 2 || log[0].Client != "acme-client" {
		t.Errorf("the server got %d requests, want 2 of acme-client: %v", len(log), log)
	}
}
