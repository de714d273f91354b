package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

// mtls makes the variables of the provider org.osbuild.mtls.
func mtls(ca *hosttest.CA, client *hosttest.Pair) []string {
	return []string{
		"OSBUILD_SOURCES_CURL_SSL_CA_CERT=" + ca.Path,
		"OSBUILD_SOURCES_CURL_SSL_CLIENT_CERT=" + client.Cert,
		"OSBUILD_SOURCES_CURL_SSL_CLIENT_KEY=" + client.Key,
	}
}

// withMTLS is the description of a file that needs a client certificate.
func withMTLS(url string) any {
	return map[string]any{"url": url, "secrets": map[string]string{"name": "org.osbuild.mtls"}}
}

// TestNginxFiles fetches files of all sizes over http, HTTP/1.1 with TLS and
// HTTP/2 at once, a third of them each.
func TestNginxFiles(t *testing.T) {
	t.Parallel()
	ca := newCA(t, "ca")
	n := startNginx(t, ca)
	s := newSandbox(t)
	s.env = append(s.env, mtls(ca, issue(t, ca, hosttest.Leaf{Name: "builder"}))...)
	all := items{}
	var keys []string
	for i, size := range []int{0, 1, 2, 511, 512, 4095, 4096, 65_535, 65_537, 1_000_000, 1 << 20, 20 << 20} {
		for _, port := range []int{n.plain, n.tls1, n.tls2} {
			if size == 0 && port != n.tls2 {
				continue // all empty files have the same key
			}
			name := fmt.Sprintf("files/%d-%d", port, size)
			k := n.put(name, content(name, size))
			keys = append(keys, k)
			all[k] = n.url(port, name)
			if port != n.plain || i%2 == 0 {
				all[k] = withMTLS(n.url(port, name)) // certificates do not matter to http
			}
		}
	}
	m := s.manifest(all)
	s.fetch(m).ends(0).counts(len(all), 0, 0)
	s.holds(keys...)
	s.nothingStaged()
	for _, r := range n.log(len(all)) {
		if secure := r.client != "-"; secure != (r.protocol == "HTTP/2.0" || strings.Contains(r.uri, fmt.Sprintf("/%d-", n.tls1))) {
			t.Errorf("%s of %s: the client was %q", r.protocol, r.uri, r.client)
		}
	}
	seen := len(n.log(0))
	s.fetch(m).ends(0).counts(0, len(all), 0)
	if more := len(n.log(0)); more != seen {
		t.Errorf("%d requests for what is in the store", more-seen)
	}
}

// TestNginxKeepAlive counts connections.
func TestNginxKeepAlive(t *testing.T) {
	t.Parallel()
	ca := newCA(t, "ca")
	n := startNginx(t, ca)
	client := issue(t, ca, hosttest.Leaf{Name: "builder"})
	const files = 40
	for _, c := range []struct {
		name         string
		port         int
		workers, max int
	}{{"http in turn", n.plain, 1, 1}, {"http at once", n.plain, 16, 2}, {"https in turn", n.tls1, 1, 1}, {"HTTP2 at once", n.tls2, 16, 2}} {
		s := newSandbox(t)
		s.env = append(s.env, mtls(ca, client)...)
		s.configure(strings.Replace(quick, "per_host = 64", "per_host = 2", 1))
		all := items{}
		before := len(n.log(0))
		for i := range files {
			name := fmt.Sprintf("%s/%d", strings.ReplaceAll(c.name, " ", "-"), i)
			all[n.put(name, content(name, 3000))] = withMTLS(n.url(c.port, name))
		}
		s.fetch(s.manifest(all), "--workers", fmt.Sprint(c.workers)).ends(0).counts(files, 0, 0)
		connections := map[string]bool{}
		for _, r := range n.log(before + files)[before:] {
			connections[r.connection] = true
		}
		if len(connections) > c.max {
			t.Errorf("%s: %d connections for %d files, want at most %d", c.name, len(connections), files, c.max)
		}
	}
}

// TestNginxNames fetches names that need quotes in a URL, written in several
// ways.
func TestNginxNames(t *testing.T) {
	t.Parallel()
	ca := newCA(t, "ca")
	n := startNginx(t, ca)
	s := newSandbox(t)
	all := items{}
	for i, c := range []struct{ file, url string }{
		{"with space.rpm", "with space.rpm"},
		{"quoted space.rpm", "quoted%20space.rpm"},
		{"gcc-c++-13.2.rpm", "gcc-c++-13.2.rpm"},
		{"libstdc++.rpm", "libstdc%2B%2B.rpm"},
		{"1.0~rc1^git.rpm", "1.0~rc1^git.rpm"},
		{"grün-日本.rpm", "grün-日本.rpm"},
		{"grau-ü.rpm", "grau-%C3%BC.rpm"},
		{"100%.rpm", "100%25.rpm"},
		{"50% off.rpm", "50% off.rpm"},
		{"is%20literal.rpm", "is%2520literal.rpm"},
		{"hash#mark.rpm", "hash%23mark.rpm"},
		{"question?mark.rpm", "question%3Fmark.rpm"},
		{"[brackets]{}|.rpm", "[brackets]{}|.rpm"},
		{"colon:semi;comma,=&.rpm", "colon:semi;comma,=&.rpm"},
	} {
		k := n.put("names/"+c.file, content(c.file, 100+i))
		all[k] = n.url(n.plain, "names/"+c.url)
	}
	o := s.fetch(s.manifest(all)).ends(0).counts(len(all), 0, 0)
	if o.code != 0 {
		t.Log(o.failures())
	}
}

// TestNginxRedirects follows redirects, also from http to https, where the
// private CA still counts.
func TestNginxRedirects(t *testing.T) {
	t.Parallel()
	ca := newCA(t, "ca")
	n := startNginx(t, ca)
	s := newSandbox(t)
	s.env = append(s.env, mtls(ca, issue(t, ca, hosttest.Leaf{Name: "builder"}))...)
	here, up, missing := n.put("a/here", content("here", 5000)), n.put("a/up", content("up", 5000)), key([]byte("missing"))
	o := s.fetch(s.manifest(items{
		here:    n.url(n.plain, "moved/a/here"),
		up:      withMTLS(n.url(n.plain, "secure/a/up")),
		missing: n.url(n.plain, "moved/a/missing"),
	})).ends(1).counts(2, 0, 1)
	o.failed(missing, "not found", n.url(n.plain, "moved/a/missing"), n.url(n.plain, "a/missing"), "404", "1 attempt")
	s.holds(here, up)
}

// TestNginxWantsCertificate: without the item's secrets no certificate is sent,
// although the variables are set.
func TestNginxWantsCertificate(t *testing.T) {
	t.Parallel()
	ca := newCA(t, "ca")
	n := startNginx(t, ca)
	s := newSandbox(t)
	s.env = append(s.env, mtls(ca, issue(t, ca, hosttest.Leaf{Name: "builder"}))...)
	s.env = append(s.env, "SSL_CERT_FILE="+ca.Path) // stands for the system's pool
	with, without := n.put("with", content("with", 100)), n.put("without", content("without", 100))
	o := s.fetch(s.manifest(items{with: withMTLS(n.url(n.tls1, "with")), without: n.url(n.tls1, "without")})).ends(1).counts(1, 0, 1)
	o.failed(without, "network", "400 Bad Request", "1 attempt")
	s.holds(with)
}
