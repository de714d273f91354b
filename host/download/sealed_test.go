package download

import (
	"errors"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

const marked = "marked secret&value"

// TestSealedQuery: the parameter goes to the origin, over its redirects too, never to
// another one, and is seen by nobody else.
func TestSealedQuery(t *testing.T) {
	overProtocols(t, func(t *testing.T, e *env) {
		other := e.start(hosttest.Options{Protocol: e.proto})
		other.Put("/end", hosttest.File{Content: e.content})
		e.server.Script("/start", hosttest.Redirect(302, "/next?b=c"))
		e.server.Script("/next", hosttest.Redirect(302, other.URL("/end")))
		req := e.request(e.server.URL("/start?a=b"))
		req.Query = []SealedHeader{{Name: "t", Fill: func(u *url.URL) (string, error) {
			if u.Host != e.server.Addr() {
				return "", errors.New("another host")
			}
			return marked, nil
		}}, {Name: "a", Fill: func(*url.URL) (string, error) { return "not this", nil }}}
		info, err, target := e.fetchReq(req)
		want{attempts: 1}.check(t, info, err, target)
		if strings.Contains(info.URL+info.Final, "marked") {
			t.Errorf("Info shows the secret: %+v", info)
		}
		var queries []string
		for _, entry := range e.server.Log() {
			_, query, _ := strings.Cut(entry.URI, "?")
			queries = append(queries, query)
		}
		if got := strings.Join(queries, " "); got != "a=b&t=marked+secret%26value b=c&t=marked+secret%26value&a=not+this" {
			t.Errorf("the server got %s", got)
		}
		for _, entry := range other.Log() {
			if strings.Contains(entry.URI, "?") {
				t.Errorf("another server got %s", entry.URI)
			}
		}
		e.server.Script("/start", hosttest.Status(404))
		_, err, _ = e.fetchReq(req)
		if err == nil || strings.Contains(err.Error(), "marked") {
			t.Errorf("the error shows the secret: %v", err)
		}
		req.Query[0].Fill = func(*url.URL) (string, error) { return "", errors.New("not bound") }
		info, err, target = e.fetchReq(req)
		want{kind: KindDenied, attempts: 0, text: "the parameter t cannot be filled in: not bound"}.check(t, info, err, target)
	})
}

// TestSealedValueInRedirect: a server that repeats what it was sent in the Location
// of a redirect does not make the client pass it on, also not in a quoted form.
func TestSealedValueInRedirect(t *testing.T) {
	e := newEnv(t, hosttest.HTTP, Config{})
	other := e.start(hosttest.Options{Protocol: e.proto})
	other.Put("/end", hosttest.File{Content: e.content})
	header := func(req *Request, h SealedHeader) { req.Sealed = []SealedHeader{h} }
	query := func(req *Request, h SealedHeader) { req.Query = []SealedHeader{h} }
	for _, c := range []struct {
		value, location string
		put             func(*Request, SealedHeader)
		denied          bool
	}{
		{"s3cret/va+lue", "/end?t=" + url.QueryEscape("s3cret/va+lue"), query, true},
		{"s3cret/va+lue", "/end?t=s3cret/va+lue", query, true},
		{"Bearer s3cret/va+lue", "/end?auth=" + url.QueryEscape("Bearer s3cret/va+lue"), header, true},
		{"Bearer s3cret/va+lue", "/s3cret%2fva%2blue/end", header, true},
		{"end", "/end?t=end", query, false},
		{"Bearer s3cret/va+lue", "/end?t=Bearer", header, false},
	} {
		before := len(other.Log())
		e.server.Script("/start", hosttest.Redirect(302, other.URL(c.location)))
		req := e.request(e.server.URL("/start"))
		c.put(&req, SealedHeader{Name: "t", Fill: func(*url.URL) (string, error) { return c.value, nil }})
		info, err, target := e.fetchReq(req)
		if !c.denied {
			want{attempts: 1}.check(t, info, err, target)
			continue
		}
		want{kind: KindDenied, attempts: 1, text: "with a secret in the URL"}.check(t, info, err, target)
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("the error shows the secret: %v", err)
		}
		if log := other.Log()[before:]; len(log) > 0 {
			t.Errorf("%s: the other server got %s", c.location, log[0].URI)
		}
	}
}

// TestSealedCertificate: certificate and key come from secrets, or one of them does,
// and stay with their origin.
func TestSealedCertificate(t *testing.T) {
	for _, proto := range []hosttest.Protocol{hosttest.HTTPS1, hosttest.HTTPS2} {
		e := newEnv(t, proto, Config{})
		client := e.issue(hosttest.Leaf{Name: "client"})
		closed := e.start(hosttest.Options{Protocol: proto, ClientCA: e.ca})
		closed.Put("/direct", hosttest.File{Content: e.content})
		closed.Script("/moved", hosttest.Redirect(302, e.server.URL(filePath)))
		text := func(path string) func(*url.URL) (string, error) {
			return func(*url.URL) (string, error) {
				data, err := os.ReadFile(path)
				return string(data), err
			}
		}
		certText, err1 := text(client.Cert)(nil)
		keyText, err2 := text(client.Key)(nil)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		both := func(*url.URL) (string, error) { return certText + keyText, nil }
		for name, change := range map[string]func(*Request){
			"both":            func(r *Request) { r.SealedCert, r.SealedKey = text(client.Cert), text(client.Key) },
			"the key":         func(r *Request) { r.Cert, r.SealedKey = client.Cert, text(client.Key) },
			"the certificate": func(r *Request) { r.Key, r.SealedCert = client.Key, text(client.Cert) },
			"one for both":    func(r *Request) { r.SealedKey = both },
			"the other":       func(r *Request) { r.SealedCert = both },
		} {
			req := e.request(closed.URL("/direct"))
			change(&req)
			info, err, target := e.fetchReq(req)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			want{attempts: 1}.check(t, info, err, target)
		}
		req := e.request(closed.URL("/moved"))
		req.SealedCert, req.SealedKey = text(client.Cert), text(client.Key)
		info, err, target := e.fetchReq(req)
		want{attempts: 1}.check(t, info, err, target)
		for _, entry := range e.server.Log() {
			if entry.Client != "" {
				t.Errorf("the certificate of %q went to another server", entry.Client)
			}
		}
		req.SealedKey = func(*url.URL) (string, error) { return marked, nil }
		info, err, target = e.fetchReq(req)
		want{kind: KindTLS, attempts: 0, text: "the key of a secret cannot be used"}.check(t, info, err, target)
		if strings.Contains(err.Error(), "marked") {
			t.Errorf("the error shows the key: %v", err)
		}
		req.SealedKey = func(*url.URL) (string, error) { return "", errors.New("not bound") }
		info, err, target = e.fetchReq(req)
		want{kind: KindDenied, attempts: 0, text: "not bound"}.check(t, info, err, target)
	}
}

// TestAddrRules: each hop is asked about; after a redirect by a server that is
// elsewhere the second rule decides.
func TestAddrRules(t *testing.T) {
	overProtocols(t, func(t *testing.T, e *env) {
		other := e.start(hosttest.Options{Protocol: e.proto})
		other.Put(filePath, hosttest.File{Content: e.content})
		e.server.Script("/away", hosttest.Redirect(302, other.URL(filePath)))
		refuse := func(server *hosttest.Server) *AddrRule {
			return &AddrRule{Allow: func(at netip.AddrPort) error {
				if at.String() == server.Addr() {
					return errors.New("not there")
				}
				return nil
			}}
		}
		all := &AddrRule{Allow: func(netip.AddrPort) error { return nil }}
		fetch := func(first, redirected *AddrRule) (Info, *Error, *hosttest.Target) {
			req := e.request(e.server.URL("/away"))
			req.AddrRules = func(string) (*AddrRule, *AddrRule) { return first, redirected }
			return e.fetchReq(req)
		}
		info, err, target := fetch(all, refuse(other)) // this machine redirects to itself
		want{attempts: 1}.check(t, info, err, target)
		info, err, target = fetch(refuse(other), nil)
		want{kind: KindDenied, attempts: 1, text: "not there"}.check(t, info, err, target)
		info, err, target = fetch(refuse(e.server), nil)
		want{kind: KindDenied, attempts: 1, text: "not there"}.check(t, info, err, target)
		if err != nil && !err.Policy {
			t.Error("the error does not say that a rule refused")
		}
		// The connection is open; from now on its server counts as one elsewhere.
		e.engine.trans.note(e.server.Addr(), false)
		info, err, target = fetch(all, refuse(other))
		want{kind: KindDenied, attempts: 1, text: "not there"}.check(t, info, err, target)
	})
}

// TestProbe measures each server once.
func TestProbe(t *testing.T) {
	e := newEnv(t, hosttest.HTTP, Config{Resolver: hosttest.Resolver(t, map[string][]string{"mirror.test": {"127.0.0.1"}})})
	refuse := &AddrRule{Allow: func(at netip.AddrPort) error {
		if at.String() == e.server.Addr() {
			return errors.New("not there")
		}
		return nil
	}}
	other := e.start(hosttest.Options{})
	urls := []string{e.server.URL("/a"), "http://" + hosttest.Refused(t) + "/", e.server.URL("/b"), "ftp://127.0.0.1/", "::", "file:///x",
		other.URL("/"), "http://nowhere.test/", strings.Replace(other.URL("/"), "127.0.0.1", "mirror.test", 1)}
	good := []bool{true, false, true, false, false, false, true, false, true}
	for i, d := range e.engine.Probe(t.Context(), urls, nil) {
		if (d >= 0) != good[i] {
			t.Errorf("%s: %v, want reached: %v", urls[i], d, good[i])
		}
	}
	if d := e.engine.Probe(t.Context(), []string{urls[0], urls[6]}, refuse); d[0] >= 0 || d[1] < 0 {
		t.Errorf("with a rule: %v", d)
	}
	if got := e.engine.Probe(t.Context(), nil, nil); len(got) != 0 {
		t.Errorf("no server: %v", got)
	}
	proxied, _ := newEngine(t, Config{Environ: func(name string) string {
		return map[string]string{"http_proxy": other.URL("")}[name]
	}})
	if d := proxied.Probe(t.Context(), []string{e.server.URL("/")}, nil); d[0] >= 0 {
		t.Errorf("through a proxy: %v", d)
	}
}
