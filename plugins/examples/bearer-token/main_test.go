package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/sdk"
	"github.com/sourcehost/sourcehost/sdk/sdktest"
)

const oauth = `{"urls": ["https://repo.example/"], "token_url": "https://login.example/token", "client_id": "build",
	"client_secret": "acme", "scope": "a b", "parameters": {"audience": "https://repo.example/"}}`

// issuer answers like a token service, and counts.
type issuer struct {
	t      *testing.T
	asked  int
	status int64
	body   string
	err    error
}

func (s *issuer) answer(q sdk.HTTPRequest) (*sdk.HTTPResponse, error) {
	s.asked++
	if q.Method != "POST" || q.URL != "https://login.example/token" || q.Auth != (sdk.Auth{User: "build", Secret: "acme"}) ||
		q.Body != "grant_type=client_credentials&scope=a%20b&audience=https%3A%2F%2Frepo.example%2F" {
		s.t.Errorf("the request is %+v", q)
	}
	if s.err != nil {
		return nil, s.err
	}
	body := s.body
	if body == "" {
		body = fmt.Sprintf(`{"access_token":"t%d","token_type":"bearer","expires_in":300,"more":{}}`, s.asked)
	}
	if s.status == 0 {
		s.status = 200
	}
	return &sdk.HTTPResponse{HTTPResponse: abi.HTTPResponse{Status: s.status}, Body: []byte(body)}, nil
}

func start(t *testing.T, config string, s *issuer) *sdktest.Host {
	t.Helper()
	host := &sdktest.Host{}
	if s != nil {
		s.t, host.HTTP = t, s.answer
	}
	if _, err := sdktest.Try(plugin, host, sdk.Setup, sdktest.Page{Config: config}); err != nil {
		t.Fatal(err)
	}
	return host
}

func prepared(t *testing.T, host *sdktest.Host, desc string) sdktest.Outcome {
	t.Helper()
	return sdktest.Prepare(t, plugin, host, sdktest.Item{Key: "sha256:0", Desc: desc})
}

func clock(t *testing.T) *time.Time {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	now = func() time.Time { return at }
	t.Cleanup(func() { now = time.Now })
	return &at
}

func TestTokenIsKeptUntilItExpires(t *testing.T) {
	at, s := clock(t), &issuer{}
	host := start(t, oauth, s)
	for _, step := range []struct {
		after time.Duration
		token string
	}{{0, "t1"}, {0, "t1"}, {239 * time.Second, "t1"}, {2 * time.Second, "t2"}, {100 * time.Second, "t2"}} {
		*at = at.Add(step.after)
		got := prepared(t, host, `"https://repo.example/a"`)
		want := `{"url":"https://repo.example/a","headers":[{"name":"Authorization","value":"Bearer ` + step.token + `"}]}`
		if got.Err != nil || got.Desc != want {
			t.Errorf("after %v: %s, %v", step.after, got.Desc, got.Err)
		}
	}
}

func TestNeedsTheTime(t *testing.T) {
	now = func() time.Time { return time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC) }
	t.Cleanup(func() { now = time.Now })
	_, err := sdktest.Try(plugin, &sdktest.Host{}, sdk.Setup, sdktest.Page{Config: oauth})
	if err == nil || !strings.Contains(err.Error(), "clock = true") {
		t.Errorf("got %v", err)
	}
}

func TestSealedToken(t *testing.T) {
	host := start(t, `{"urls": ["https://repo.example/"], "token": "acme-token", "header": "X-Token", "prefix": ""}`, nil)
	got := prepared(t, host, `{"url":"https://repo.example/a","x":1}`)
	if want := `{"url":"https://repo.example/a","headers":[{"name":"X-Token","secret":"acme-token"}],"x":1}`; got.Err != nil || got.Desc != want {
		t.Errorf("got %s, %v", got.Desc, got.Err)
	}
}

func TestOnlyToConfiguredServers(t *testing.T) {
	s := &issuer{}
	host := start(t, oauth, s)
	for _, desc := range []string{`"https://elsewhere.example/a"`, `"http://repo.example/a"`, `"https://repo.example.evil/"`, `{"path":"a","mirror":"b"}`, `null`} {
		if got := prepared(t, host, desc); got.Err != nil || got.Desc != desc {
			t.Errorf("%s became %s, %v", desc, got.Desc, got.Err)
		}
	}
	got := prepared(t, host, `{"urls":["https://repo.example/a","https://u:p@mirror.example:8443/a?x"]}`)
	if got.Err == nil || got.Err.Kind != sdk.ErrDenied || !strings.Contains(got.Err.Message, "also go to mirror.example:8443,") {
		t.Errorf("got %v", got.Err)
	}
	if s.asked != 0 {
		t.Errorf("the service was asked %d times", s.asked)
	}
}

func TestFailures(t *testing.T) {
	for name, tt := range map[string]struct {
		s    issuer
		kind sdk.Kind
		text string
	}{
		"refused":      {issuer{status: 401, body: `{"error":"invalid_client","error_description":"who?"}`}, sdk.ErrDenied, "status 401: invalid_client, who?"},
		"no JSON":      {issuer{status: 503, body: `<html>`}, sdk.ErrFailed, "status 503"},
		"no token":     {issuer{body: `{"token_type":"Bearer"}`}, sdk.ErrFailed, "without a usable access_token"},
		"a broken one": {issuer{body: `{"access_token":"a\r\nX: y"}`}, sdk.ErrFailed, "without a usable access_token"},
		"other type":   {issuer{body: `{"access_token":"a","token_type":"mac"}`}, sdk.ErrFailed, `of the type "mac"`},
		"not JSON":     {issuer{body: `hello`}, sdk.ErrFailed, "did not answer with a token"},
		"unreachable":  {issuer{err: errors.New("no route")}, sdk.ErrFailed, "no route"},
	} {
		t.Run(name, func(t *testing.T) {
			at, s := clock(t), tt.s
			host := start(t, oauth, &s)
			for range 5 {
				got := prepared(t, host, `"https://repo.example/a"`)
				if got.Err == nil || got.Err.Kind != tt.kind || !strings.Contains(got.Err.Message, tt.text) {
					t.Errorf("got %v", got.Err)
				}
			}
			if s.asked != 1 {
				t.Errorf("the service was asked %d times for items of one moment", s.asked)
			}
			*at = at.Add(time.Minute)
			s.status, s.body, s.err = 200, "", nil
			if got := prepared(t, host, `"https://repo.example/a"`); got.Err != nil {
				t.Errorf("later: %v", got.Err)
			}
		})
	}
}

func TestLifetimes(t *testing.T) {
	for text, want := range map[string]time.Duration{`3600`: time.Hour, `"90"`: 90 * time.Second, `1.5`: 1500 * time.Millisecond, `null`: defaultLifetime, `-1`: defaultLifetime, `"soon"`: defaultLifetime} {
		if _, got, err := decode([]byte(`{"access_token":"a","expires_in":` + text + `}`)); got != want || err != nil {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}
