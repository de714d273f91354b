package download

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

// fullRequest has everything that identifies a client.
func (e *env) fullRequest(client *hosttest.Pair, u string) Request {
	req := e.request(strings.Replace(u, "://", "://user:hunter2@", 1))
	req.Header = http.Header{"X-Token": {"abc"}, "Cookie": {"c=1"}}
	req.Sealed = []SealedHeader{{Name: "X-Sealed", Fill: func(u *url.URL) (string, error) { return "for " + u.Host, nil }}}
	if client != nil {
		req.Cert, req.Key = client.Cert, client.Key
	}
	return req
}

var identifying = []string{"X-Token", "Cookie", "X-Sealed", "Authorization"}

// adversary: B19
func TestCredentialsStayWithTheirOrigin(t *testing.T) {
	overProtocols(t, func(t *testing.T, e *env) {
		var client *hosttest.Pair
		first := e.server
		if e.proto != hosttest.HTTP {
			client = e.issue(hosttest.Leaf{Name: "client"})
			first = e.start(hosttest.Options{Protocol: e.proto, ClientCA: e.ca})
		}
		other := e.server
		if client == nil {
			other = e.start(hosttest.Options{})
		}
		// first -> other -> first: back home they stay away as well.
		other.Script("/away", hosttest.Redirect(302, first.URL("/back")))
		first.Script("/start", hosttest.Redirect(302, "/start2"))
		first.Script("/start2", hosttest.Redirect(307, other.URL(filePath)))
		other.Put(filePath, hosttest.File{Content: e.content})

		info, err, target := e.fetchReq(e.fullRequest(client, first.URL("/start")))
		want{attempts: 1}.check(t, info, err, target)
		if info.Final != other.URL(filePath) || info.URL != first.URL("/start") {
			t.Errorf("Info has %s and %s", info.URL, info.Final)
		}
		for _, entry := range first.Log() {
			for _, name := range identifying {
				if entry.Header.Get(name) == "" {
					t.Errorf("%s did not get %s", entry.Path, name)
				}
			}
			if client != nil && entry.Client != "client" {
				t.Errorf("%s got no client certificate", entry.Path)
			}
			if user, password, _ := (&http.Request{Header: entry.Header}).BasicAuth(); user != "user" || password != "hunter2" {
				t.Errorf("%s got the credentials %s:%s", entry.Path, user, password)
			}
		}
		for _, entry := range other.Log() {
			for _, name := range identifying {
				if value := entry.Header.Get(name); value != "" {
					t.Errorf("%s went to another origin: %q", name, value)
				}
			}
			if entry.Client != "" {
				t.Errorf("the client certificate went to another origin")
			}
		}
	})
}

// adversary: B19
func TestCredentialsDoNotComeBack(t *testing.T) {
	overProtocols(t, func(t *testing.T, e *env) {
		other := e.start(hosttest.Options{Protocol: e.proto})
		e.server.Script("/start", hosttest.Redirect(302, other.URL("/away")))
		other.Script("/away", hosttest.Redirect(302, e.server.URL(filePath)))
		info, err, target := e.fetchReq(e.fullRequest(nil, e.server.URL("/start")))
		want{attempts: 1}.check(t, info, err, target)
		log := e.server.Log()
		for _, name := range identifying {
			if last := log[len(log)-1]; last.Header.Get(name) != "" {
				t.Errorf("%s was sent after a detour through another origin", name)
			}
		}
	})
}

// TestClientCertificateNotOffered: even to a server that insists.
//
// adversary: B19
func TestClientCertificateNotOffered(t *testing.T) {
	for _, proto := range []hosttest.Protocol{hosttest.HTTPS1, hosttest.HTTPS2} {
		e := newEnv(t, proto, Config{})
		strict := e.start(hosttest.Options{Protocol: proto, ClientCA: e.ca})
		strict.Put(filePath, hosttest.File{Content: e.content})
		e.server.Script("/start", hosttest.Redirect(301, strict.URL(filePath)))
		_, err, _ := e.fetchReq(e.fullRequest(e.issue(hosttest.Leaf{Name: "client"}), e.server.URL("/start")))
		if err == nil || len(strict.Log()) != 0 {
			t.Errorf("%s: a certificate was shown to a host that the item does not name", proto)
		}
	}
}

func TestUserinfoOfRedirect(t *testing.T) {
	e := newEnv(t, hosttest.HTTP, Config{})
	to := strings.Replace(e.server.URL(filePath), "://", "://other:pw@", 1)
	e.server.Script("/start", hosttest.Redirect(302, to))
	info, err, target := e.fetch(e.server.URL("/start"))
	want{attempts: 1}.check(t, info, err, target)
	if auth := e.server.Log()[1].Header.Get("Authorization"); auth == "" {
		t.Error("the credentials that the redirect gives were not used")
	}
	if strings.Contains(info.Final, "pw") {
		t.Errorf("Info.Final shows a password: %s", info.Final)
	}
}

func TestSealedRefusal(t *testing.T) {
	e := newEnv(t, hosttest.HTTP, Config{})
	req := e.request()
	req.Sealed = []SealedHeader{{Name: "X-Sealed", Fill: func(*url.URL) (string, error) { return "", errors.New("bound to another host") }}}
	info, err, target := e.fetchReq(req)
	want{kind: KindDenied, attempts: 0, text: "bound to another host"}.check(t, info, err, target)
	if len(e.server.Log()) != 0 {
		t.Error("a request was made")
	}
}

// A value that does not come does not keep a fetch from ending.
func TestSealedValueThatTakesTime(t *testing.T) {
	e := newEnv(t, hosttest.HTTP, Config{})
	asked, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	req := e.request()
	req.Sealed = []SealedHeader{{Name: "X-Sealed", Fill: func(*url.URL) (string, error) {
		close(asked)
		<-release
		return "", errors.New("too late")
	}}}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	_, err := e.engine.Fetch(ctx, req, &hosttest.Target{})
	if typed := asError(t, err); typed == nil || typed.Kind != KindCanceled {
		t.Errorf("got %v", err)
	}
}

// TestNoSecretsInErrors: neither in the text, nor in the fields, nor in Info.
//
// adversary: B37
func TestNoSecretsInErrors(t *testing.T) {
	e := newEnv(t, hosttest.HTTP, Config{MaxAttempts: 3, Resolver: hosttest.Resolver(t, nil)})
	e.server.Script("/signed", hosttest.Redirect(302, "http://user:hunter2@nowhere.invalid/x?X-Amz-Signature=hunter2&plain=1"))
	hosts := []string{e.server.Addr() + "/404", e.server.Addr() + "/signed", hosttest.Refused(t) + "/f", "nowhere.invalid/f", "bad host/", "host:port/"}
	for _, host := range hosts {
		raw := "http://user:hunter2@" + host + "?token=hunter2"
		info, err, _ := e.fetch(raw, raw)
		if err == nil {
			t.Fatalf("%s: no error", raw)
		}
		for _, text := range []string{err.Error(), err.URL, err.Err.Error(), info.URL, err.Hint} {
			if strings.Contains(text, "hunter2") {
				t.Errorf("%s: a secret is shown: %s", host, text)
			}
		}
	}
	info, err, target := e.fetch("http://user:hunter2@" + e.server.Addr() + filePath + "?sig=hunter2")
	want{attempts: 1}.check(t, info, err, target)
	if strings.Contains(info.URL, "hunter2") {
		t.Errorf("Info.URL is %s", info.URL)
	}
}

// adversary: B18
func TestDowngrade(t *testing.T) {
	for _, allow := range []bool{false, true} {
		for _, proto := range []hosttest.Protocol{hosttest.HTTPS1, hosttest.HTTPS2} {
			e := newEnv(t, proto, Config{AllowDowngrade: allow})
			plain := e.start(hosttest.Options{})
			plain.Put(filePath, hosttest.File{Content: e.content})
			e.server.SetPeer(plain)
			info, err, target := e.fetch(e.server.FaultURL("redirect-down", 0, filePath))
			if allow {
				want{attempts: 1}.check(t, info, err, target)
				continue
			}
			want{kind: KindDenied, attempts: 3, text: "not encrypted"}.check(t, info, err, target)
			e.server.Script("/go", hosttest.Redirect(301, plain.URL(filePath)))
			info, err, target = e.fetch(e.server.URL("/go"))
			want{kind: KindDenied, attempts: 1, text: "allow_downgrade"}.check(t, info, err, target)
			secure := e.start(hosttest.Options{Protocol: proto})
			secure.Put(filePath, hosttest.File{Content: e.content})
			e.server.Script("/next", hosttest.Redirect(302, plain.URL(filePath)), hosttest.Redirect(302, secure.URL(filePath)))
			info, err, target = e.fetch(e.server.URL("/next"))
			want{attempts: 2}.check(t, info, err, target)
			if len(plain.Log()) != 0 {
				t.Error("the unencrypted server was asked")
			}
		}
	}
}

// adversary: B17
func TestRedirectLimits(t *testing.T) {
	overProtocols(t, func(t *testing.T, e *env) {
		info, err, target := e.fetch(e.server.FaultURL("redirect-endless", 0, filePath))
		want{kind: KindNetwork, attempts: 1, text: "more than 10 redirects"}.check(t, info, err, target)
		if n := len(e.server.Log()); n != 11 {
			t.Errorf("%d requests, want 11", n)
		}
		info, err, target = e.fetch(e.server.FaultURL("redirect-loop", 0, filePath))
		want{kind: KindNetwork, attempts: 1, text: "loop"}.check(t, info, err, target)
		if n := len(e.server.Log()); n != 13 {
			t.Errorf("%d requests, want 2 more than 11", n)
		}
		scheme, _, _ := strings.Cut(e.server.URL(""), ":")
		e.server.Script("/port", hosttest.Redirect(302, scheme+"://127.0.0.1:99999/f"))
		info, err, target = e.fetch(e.server.URL("/port"))
		want{kind: KindInvalid, attempts: 1, text: "127.0.0.1:99999/f, whose port"}.check(t, info, err, target)
	})
}

// TestRedirectorGetsAnotherChance: a mirror that a temporary redirect led to does
// not have the file; the next one it leads to does.
func TestRedirectorGetsAnotherChance(t *testing.T) {
	overProtocols(t, func(t *testing.T, e *env) {
		mirror := e.start(hosttest.Options{Protocol: e.proto})
		mirror.Put(filePath, hosttest.File{Content: e.content})
		e.server.Script("/go", hosttest.Redirect(302, mirror.URL("/missing")), hosttest.Redirect(302, mirror.URL(filePath)))
		info, err, target := e.fetch(e.server.URL("/go"))
		want{attempts: 2}.check(t, info, err, target)

		e.server.Script("/go", hosttest.Redirect(302, mirror.URL("/missing")))
		info, err, target = e.fetch(e.server.URL("/go"))
		want{kind: KindNotFound, attempts: 3, text: "redirected to " + mirror.URL("/missing")}.check(t, info, err, target)

		// What the policy denies is not tried again.
		mirror.Script("/on", hosttest.Redirect(302, "/denied"))
		e.server.Script("/go", hosttest.Redirect(302, mirror.URL("/on")))
		req := e.request(e.server.URL("/go"))
		req.CheckURL = func(_ string, u *url.URL) error {
			if u.Path == "/denied" {
				return errors.New("not granted")
			}
			return nil
		}
		info, err, target = e.fetchReq(req)
		want{kind: KindDenied, attempts: 1, text: "not granted"}.check(t, info, err, target)

		e.server.Script("/go", hosttest.Redirect(301, mirror.URL("/missing")))
		info, err, target = e.fetch(e.server.URL("/go"))
		want{kind: KindNotFound, attempts: 1, text: "404"}.check(t, info, err, target)
	})
}

// TestAddrPolicy: what is asked for is the address behind the name, and the
// denial is final.
//
// adversary: A10d
func TestAddrPolicy(t *testing.T) {
	var asked []netip.Addr
	e := newEnv(t, hosttest.HTTP, Config{
		Resolver: hosttest.Resolver(t, map[string][]string{"metadata.test": {"127.0.0.1"}}),
		AddrPolicy: func(ip netip.Addr) error {
			asked = append(asked, ip)
			return errors.New("link-local addresses are off limits")
		},
	})
	info, err, target := e.fetch("http://metadata.test:" + e.server.Port() + "/f")
	want{kind: KindDenied, attempts: 1, text: "127.0.0.1 is not allowed: link-local"}.check(t, info, err, target)
	if len(asked) != 1 || asked[0] != netip.MustParseAddr("127.0.0.1") || len(e.server.Log()) != 0 {
		t.Errorf("asked for %v, %d requests", asked, len(e.server.Log()))
	}
	_, err, _ = e.fetch("http://[::ffff:127.0.0.1]:" + e.server.Port() + "/f")
	if err == nil || !asked[len(asked)-1].Is4() {
		t.Errorf("an IPv4 address in IPv6 form was asked for as %v", asked)
	}
}
