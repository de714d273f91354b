package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/sdk"
	"github.com/sourcehost/sourcehost/sdk/sdktest"
)

const options = `{"mirrors":{
	"meta":{"url":"https://lists.example/metalink?repo=a","type":"metalink","other":{"x":[1]}},
	"list":{"url":"https://user:word@lists.example/list?token=t#x","type":"mirrorlist","insecure":true,"max-parallels":3},
	"base":{"url":"https://base.example/repo","type":"baseurl","max-parallels":2.5,"fastest-mirror":true},
	"fast":{"url":"https://lists.example/fast","type":"mirrorlist","fastest-mirror":true},
	"mtls":{"url":"https://lists.example/mtls","type":"mirrorlist","secrets":{"name":"org.osbuild.mtls"}},
	"none":{"url":"https://lists.example/none","type":"metalink"},
	"gone":{"url":"https://lists.example/gone","type":"metalink"}
}}`

// answers are what the servers of the lists say.
var answers = map[string]string{
	"https://lists.example/metalink?repo=a":          fedora,
	"https://user:word@lists.example/list?token=t#x": "http://one/\nhttp://two/\n",
	"https://lists.example/fast":                     "http://slow/\nhttp://dead/\nhttp://quick/\nhttp://same/\n",
	"https://lists.example/mtls":                     "https://one/\n",
	"https://lists.example/none":                     "<metalink/>",
}

var variables = map[string]string{
	"OSBUILD_SOURCES_CURL_SSL_CLIENT_KEY": "/k", "OSBUILD_SOURCES_CURL_SSL_CLIENT_CERT": "/c", "OSBUILD_SOURCES_CURL_SSL_CA_CERT": "/ca",
}

// newHost is a host with these servers.
func newHost() *sdktest.Host {
	return &sdktest.Host{
		Env: variables,
		HTTP: func(q sdk.HTTPRequest) (*sdk.HTTPResponse, error) {
			if !q.Once || q.ProxyEnv != proxyEnv {
				return nil, errors.New("the request is not shared, or has no proxy")
			}
			body, known := answers[q.URL]
			if !known {
				return &sdk.HTTPResponse{HTTPResponse: abi.HTTPResponse{Status: 404}}, nil
			}
			return &sdk.HTTPResponse{HTTPResponse: abi.HTTPResponse{Status: 200}, Body: []byte(body)}, nil
		},
		Probe: func(url string) int64 {
			return map[string]int64{"http://slow/": 90, "http://quick/": 4, "http://same/": 4, "http://dead/": -1}[url]
		},
	}
}

// fetch runs the hook on descriptions.
func fetch(t *testing.T, h *sdktest.Host, descs ...string) []sdktest.Outcome {
	t.Helper()
	page := sdktest.Page{Source: "org.osbuild.librepo", Options: options}
	for i, desc := range descs {
		page.Items = append(page.Items, sdktest.Item{Key: "sha256:" + string(rune('a'+i)), Desc: desc})
	}
	return sdktest.Run(t, newPlugin(), h, sdk.FetchOne, page)
}

func TestFetchOne(t *testing.T) {
	fedoraBases, err := parseMetalink([]byte(fedora))
	if err != nil {
		t.Fatal(err)
	}
	mtls := sdk.TLS{CA: "/ca", Cert: "/c", Key: "/k"}
	for _, tt := range []struct {
		desc string
		want sdk.Download
	}{
		{`{"path":"a/b c","mirror":"meta"}`, sdk.Download{Path: "a/b c", Mirrors: fedoraBases, Foreign: true, Group: "meta"}},
		{`{"path":"p","mirror":"list","size":5}`, sdk.Download{Path: "p", Mirrors: []string{"http://one/", "http://two/"}, Foreign: true, Group: "list", Parallel: 3, Insecure: true}},
		{`{"path":"p","mirror":"base"}`, sdk.Download{Path: "p", Mirrors: []string{"https://base.example/repo"}, Group: "base", Parallel: 2}},
		{`{"path":"p","mirror":"fast"}`, sdk.Download{Path: "p", Mirrors: []string{"http://quick/", "http://same/", "http://slow/", "http://dead/"}, Foreign: true, Group: "fast"}},
		{`{"path":"p","mirror":"mtls"}`, sdk.Download{Path: "p", Mirrors: []string{"https://one/"}, Foreign: true, Group: "mtls", TLS: mtls}},
		// What plugins that ran before have put in:
		{`{"path":"p","mirror":"base","urls":["https://cache/p"],"headers":[{"name":"A","value":"b"}],"auth":{"user":"u","secret":"s"},"query":[{"name":"t","secret":"s"}],"proxy_env":"P"}`,
			sdk.Download{Path: "p", URLs: []string{"https://cache/p"}, Mirrors: []string{"https://base.example/repo"}, Group: "base", Parallel: 2,
				Headers: []sdk.Header{{Name: "A", Value: "b"}}, Auth: sdk.Auth{User: "u", Secret: "s"}, Query: []sdk.Param{{Name: "t", Secret: "s"}}, ProxyEnv: "P"}},
		{`{"path":"p","mirror":"mtls","tls":{"cert_secret":"c","key_secret":"k"}}`,
			sdk.Download{Path: "p", Mirrors: []string{"https://one/"}, Foreign: true, Group: "mtls", TLS: sdk.TLS{CertSecret: "c", KeySecret: "k"}}},
		{`{"path":"p","mirror":"mtls","tls":{"ca":"/own"}}`,
			sdk.Download{Path: "p", Mirrors: []string{"https://one/"}, Foreign: true, Group: "mtls", TLS: sdk.TLS{CA: "/own", Cert: "/c", Key: "/k"}}},
		{`{"path":"p","mirror":"base","secrets":{"name":"org.osbuild.mtls"}}`,
			sdk.Download{Path: "p", Mirrors: []string{"https://base.example/repo"}, Group: "base", Parallel: 2, TLS: mtls}},
	} {
		h := newHost()
		if out := fetch(t, h, tt.desc); out[0].Err != nil {
			t.Errorf("%s: %v", tt.desc, out[0].Err)
			continue
		}
		tt.want.Key = "sha256:a"
		if tt.want.ProxyEnv == "" {
			tt.want.ProxyEnv = proxyEnv
		}
		if diff := cmp.Diff([]sdk.Download{tt.want}, h.Downloads, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", tt.desc, diff)
		}
	}
}

func TestFailures(t *testing.T) {
	for _, tt := range []struct {
		desc  string
		kind  sdk.Kind
		parts []string
	}{
		{`{"mirror":"base"}`, sdk.ErrInvalid, []string{"no path"}},
		{`{"path":"p"}`, sdk.ErrInvalid, []string{"names no mirror"}},
		{`{"path":5,"mirror":"base"}`, sdk.ErrInvalid, []string{"/path"}},
		{`[]`, sdk.ErrInvalid, []string{"expected an object"}},
		{`{"path":"p","mirror":"nowhere"}`, sdk.ErrInvalid, []string{`"nowhere" is not in options.mirrors`, "known are base, fast, gone, list, meta, mtls, none"}},
		{`{"path":"p","mirror":"none"}`, sdk.ErrNotFound, []string{`mirror "none"`, "lists no mirror", "https://lists.example/none"}},
		{`{"path":"p","mirror":"gone"}`, sdk.ErrNotFound, []string{`mirror "gone"`, "https://lists.example/gone", "404"}},
		{`{"path":"p","mirror":"base","secrets":{"name":"x"}}`, sdk.ErrInvalid, []string{`unknown provider of secrets "x"`}},
	} {
		err := fetch(t, newHost(), tt.desc)[0].Err
		if err == nil || err.Kind != tt.kind {
			t.Errorf("%s: %v, want kind %q", tt.desc, err, tt.kind)
			continue
		}
		for _, part := range tt.parts {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: the error does not say %q: %v", tt.desc, part, err)
			}
		}
	}
	h := newHost()
	h.HTTP = nil
	err := fetch(t, h, `{"path":"p","mirror":"list"}`)[0].Err
	if err == nil || !strings.Contains(err.Error(), `mirror "list"`) {
		t.Errorf("a server that cannot be reached: %v", err)
	}
	if got := shown("https://user:word@lists.example/list?token=t#x"); got != "https://lists.example/list?..." {
		t.Errorf("a URL is shown as %s", got)
	}
}

func TestWrongOptions(t *testing.T) {
	for options, want := range map[string]string{
		`{}`:                                   "there are none",
		`{"mirrors":5}`:                        "options.mirrors",
		`{"mirrors":{"m":{"type":"baseurl"}}}`: `mirror "m": it has no url`,
		`{"mirrors":{"m":{"url":"u","type":"ftp"}}}`:                        `its type is "ftp"`,
		`{"mirrors":{"m":{"url":"u","type":"baseurl","insecure":1}}}`:       "insecure",
		`{"mirrors":{"m":{"url":"u","type":"baseurl","max-parallels":{}}}}`: "max-parallels",
	} {
		page := sdktest.Page{Options: options, Items: []sdktest.Item{{Key: "k", Desc: `{"path":"p","mirror":"m"}`}}}
		out := sdktest.Run(t, newPlugin(), newHost(), sdk.FetchOne, page)
		if err := out[0].Err; err == nil || err.Kind != sdk.ErrInvalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want it to say %q", options, err, want)
		}
	}
}

// TestListsAreAskedForTogether: the first item that needs a list has all of them
// begun, and each is then waited for once, whatever comes of it.
func TestListsAreAskedForTogether(t *testing.T) {
	h := newHost()
	fetch(t, h, `{"path":"a","mirror":"base"}`, `{"path":"b","mirror":"list"}`, `{"path":"c","mirror":"gone"}`,
		`{"path":"d","mirror":"list"}`, `{"path":"e","mirror":"gone"}`)
	want := []string{
		"start https://lists.example/fast", "start https://lists.example/gone", "start https://user:word@lists.example/list?token=t#x",
		"start https://lists.example/metalink?repo=a", "start https://lists.example/mtls", "start https://lists.example/none",
		"https://user:word@lists.example/list?token=t#x", "https://lists.example/gone",
	}
	var got []string
	for _, c := range h.Calls {
		if url, ok := strings.CutPrefix(c, "http/v1 "); ok {
			got = append(got, url)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestMirrorsAreToldOnce: until the host has accepted them.
func TestMirrorsAreToldOnce(t *testing.T) {
	h := newHost()
	denied := 0
	h.Deny = func(op, _ string) bool {
		if op == "download/v1" {
			denied++
		}
		return op == "download/v1" && denied == 1
	}
	fetch(t, h, `{"path":"a","mirror":"list"}`, `{"path":"b","mirror":"list"}`, `{"path":"c","mirror":"list"}`)
	if len(h.Downloads) != 2 || len(h.Downloads[0].Mirrors) != 2 || len(h.Downloads[1].Mirrors) != 0 || h.Downloads[1].Group != "list" {
		t.Errorf("%+v", h.Downloads)
	}
}

// TestListsOfThisMachine may name servers on this machine.
func TestListsOfThisMachine(t *testing.T) {
	h := newHost()
	h.HTTP = func(sdk.HTTPRequest) (*sdk.HTTPResponse, error) {
		return &sdk.HTTPResponse{HTTPResponse: abi.HTTPResponse{Status: 200, Local: true}, Body: []byte("http://localhost/")}, nil
	}
	fetch(t, h, `{"path":"p","mirror":"list"}`)
	if h.Downloads[0].Foreign {
		t.Error("its mirrors are treated as those of a server elsewhere")
	}
}

// TestFastestThroughAProxy: how long connecting takes says nothing then.
func TestFastestThroughAProxy(t *testing.T) {
	h := newHost()
	h.Env = map[string]string{proxyEnv: "http://proxy:3128"}
	fetch(t, h, `{"path":"p","mirror":"fast"}`)
	if got := h.Downloads[0].Mirrors[0]; got != "http://slow/" {
		t.Errorf("the first mirror is %s", got)
	}
}
