package main

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sourcehost/sourcehost/sdk"
	"github.com/sourcehost/sourcehost/sdk/sdktest"
)

func TestPrepareLeavesPlainItems(t *testing.T) {
	for _, desc := range []string{
		`"http://a/b"`, `{"url":"file:/a/b"}`, `{"url":"https://a/b","insecure":true}`,
		`{"urls":["https://m/b","https://a/b"],"headers":[{"name":"A","secret":"s"}],"tls":{"ca":"/ca"}}`,
	} {
		h := &sdktest.Host{}
		if got := prepared(t, h, desc); got != desc || len(h.Calls) > 0 {
			t.Errorf("%s became %s, and %q was asked for", desc, got, h.Calls)
		}
	}
}

func TestWrongDescriptions(t *testing.T) {
	for desc, want := range map[string]string{
		`{}`:                           "no url",
		`{"insecure":true}`:            "no url",
		`{"urls":[]}`:                  "no url",
		`""`:                           "no url",
		`{"urls":["http://a",""]}`:     "empty url",
		`{"url":5}`:                    "/url: expected a string, found a number",
		`{"url":"u","insecure":"yes"}`: "/insecure: expected true or false, found a string",
		`[]`:                           "expected an object, found an array",
		`{"url":"u","secrets":{}}`:     "",
		`{"url":"u","secrets":"rhsm"}`: "/secrets: expected an object, found a string",
		`{"url":"u","headers":[{"x":1},{"name":2}]}`: "/headers/1/name: expected a string, found a number",
	} {
		if want == "" {
			prepared(t, &sdktest.Host{}, desc)
			continue
		}
		refused(t, &sdktest.Host{}, desc, sdk.ErrInvalid, want)
		out := sdktest.FetchOne(t, newPlugin(), &sdktest.Host{}, sdktest.Item{Key: key, Desc: desc})
		if out.Err == nil {
			t.Errorf("fetch_one accepts %s", desc)
		}
	}
}

func TestOneWrongItemFailsAlone(t *testing.T) {
	h := &sdktest.Host{}
	page := sdktest.Page{Items: []sdktest.Item{{Key: "sha1:1", Desc: `"http://a"`}, {Key: "sha1:2", Desc: `{}`}, {Key: "sha1:3", Desc: `{"url":"http://c"}`}}}
	out := sdktest.Run(t, newPlugin(), h, sdk.FetchOne, page)
	if out[0].Err != nil || out[1].Err == nil || out[2].Err != nil || len(h.Downloads) != 2 {
		t.Errorf("outcomes %+v, downloads %+v", out, h.Downloads)
	}
}

func TestFetchOne(t *testing.T) {
	for _, tt := range []struct {
		desc string
		want sdk.Download
	}{
		{`"http://a/b"`, sdk.Download{URLs: []string{"http://a/b"}}},
		{`{"url":"file:/a/b"}`, sdk.Download{URLs: []string{"file:/a/b"}}},
		{`{"url":"https://a/b","insecure":true}`, sdk.Download{URLs: []string{"https://a/b"}, Insecure: true}},
		{`{"url":"https://a/b","insecure":false}`, sdk.Download{URLs: []string{"https://a/b"}}},
		{`{"urls":["https://m/b"],"url":"https://a/b"}`, sdk.Download{URLs: []string{"https://m/b", "https://a/b"}}},
		{`{"url":"https://a/b","urls":["https://a/b","https://m/b"]}`, sdk.Download{URLs: []string{"https://a/b", "https://m/b"}}},
		{`{"url":"u","headers":[{"name":"A","value":"b"},{"name":"C","secret":"s","prefix":"p "}]}`,
			sdk.Download{URLs: []string{"u"}, Headers: []sdk.Header{{Name: "A", Value: "b"}, {Name: "C", Secret: "s", Prefix: "p "}}}},
		{`{"url":"u","tls":{"ca":"/a","cert":"/b","key":"/c"}}`, sdk.Download{URLs: []string{"u"}, TLS: sdk.TLS{CA: "/a", Cert: "/b", Key: "/c"}}},
		{`{"url":"u","proxy_env":"OTHER"}`, sdk.Download{URLs: []string{"u"}, ProxyEnv: "OTHER"}},
		// Without prepare, which a host need not have called:
		{`{"url":"https://two.example/repo/a","secrets":{"name":"org.osbuild.rhsm"}}`, sdk.Download{URLs: []string{"https://two.example/repo/a"},
			TLS: sdk.TLS{CA: "/etc/rhsm/ca/several.pem", Cert: "/etc/pki/entitlement/several.pem", Key: "/etc/pki/entitlement/several-key.pem"}}},
	} {
		h := hostAt(t, "host")
		out := sdktest.FetchOne(t, newPlugin(), h, sdktest.Item{Key: key, Desc: tt.desc})
		if out.Err != nil {
			t.Errorf("%s: %v", tt.desc, out.Err)
			continue
		}
		tt.want.Key = key
		if tt.want.ProxyEnv == "" {
			tt.want.ProxyEnv = "OSBUILD_SOURCES_CURL_PROXY"
		}
		if diff := cmp.Diff([]sdk.Download{tt.want}, h.Downloads); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", tt.desc, diff)
		}
	}
}

func TestItemsDoNotShareSettings(t *testing.T) {
	h := &sdktest.Host{}
	page := sdktest.Page{Items: []sdktest.Item{
		{Key: "sha1:1", Desc: `{"urls":["a","b"],"insecure":true,"headers":[{"name":"A","value":"b"}],"tls":{"ca":"/a"},"proxy_env":"P","more":1}`},
		{Key: "sha1:2", Desc: `"c"`},
	}}
	sdktest.Run(t, newPlugin(), h, sdk.FetchOne, page)
	want := sdk.Download{Key: "sha1:2", URLs: []string{"c"}, ProxyEnv: proxyEnv}
	if diff := cmp.Diff(want, h.Downloads[1]); diff != "" {
		t.Errorf("the second item (-want +got)\n%s", diff)
	}
}

func TestDeniedDownload(t *testing.T) {
	h := &sdktest.Host{Deny: func(op, _ string) bool { return op == "download/v1" }}
	out := sdktest.FetchOne(t, newPlugin(), h, sdktest.Item{Key: key, Desc: `"http://a"`})
	if out.Err == nil || out.Err.Kind != sdk.ErrDenied {
		t.Errorf("error = %+v, want one of the kind %q", out.Err, sdk.ErrDenied)
	}
}

func TestMTLS(t *testing.T) {
	const (
		keyVar  = "OSBUILD_SOURCES_CURL_SSL_CLIENT_KEY"
		certVar = "OSBUILD_SOURCES_CURL_SSL_CLIENT_CERT"
		caVar   = "OSBUILD_SOURCES_CURL_SSL_CA_CERT"
		desc    = `{"url":"https://a/b","secrets":{"name":"org.osbuild.mtls"}}`
	)
	h := &sdktest.Host{Env: map[string]string{keyVar: "/k", certVar: "/c"}}
	if got, want := prepared(t, h, desc), `{"url":"https://a/b","tls":{"cert":"/c","key":"/k"}}`; got != want {
		t.Errorf("prepared %s, want %s", got, want)
	}
	h.Env[caVar] = "/ca"
	if got, want := prepared(t, h, desc), `{"url":"https://a/b","tls":{"ca":"/ca","cert":"/c","key":"/k"}}`; got != want {
		t.Errorf("prepared %s, want %s", got, want)
	}
	both := []string{keyVar, certVar}
	for _, tt := range []struct {
		env  map[string]string
		want string
	}{
		{nil, "neither is set"},
		{map[string]string{caVar: "/ca"}, "neither is set"},
		{map[string]string{keyVar: "/k"}, certVar + " is not set"},
		{map[string]string{certVar: "/c", keyVar: ""}, keyVar + " is not set"},
	} {
		refused(t, &sdktest.Host{Env: tt.env}, desc, sdk.ErrNotFound, slices.Concat(both, []string{tt.want})...)
	}
	refused(t, &sdktest.Host{Deny: func(string, string) bool { return true }}, desc, sdk.ErrDenied)
}

func TestUnknownSecrets(t *testing.T) {
	refused(t, &sdktest.Host{}, `{"url":"u","secrets":{"name":"org.osbuild.rsm"}}`, sdk.ErrInvalid,
		`"org.osbuild.rsm"`, "org.osbuild.mtls", "org.osbuild.rhsm")
}

func TestCertificatesOfAnEarlierPluginStay(t *testing.T) {
	h := hostAt(t, "host")
	got := prepared(t, h, `{"url":"u","secrets":{"name":"org.osbuild.rhsm"},"tls":{"cert":"/c","key":"/k"}}`)
	if want := `{"url":"u","tls":{"cert":"/c","key":"/k"}}`; got != want || len(h.Calls) > 0 {
		t.Errorf("prepared %s, want %s; asked for %q", got, want, h.Calls)
	}
	got = prepared(t, h, `{"url":"https://two.example/repo/a","secrets":{"name":"org.osbuild.rhsm"},"tls":{"ca":"/ca"}}`)
	if want := `{"url":"https://two.example/repo/a","tls":{"ca":"/ca","cert":"/etc/pki/entitlement/several.pem","key":"/etc/pki/entitlement/several-key.pem"}}`; got != want {
		t.Errorf("prepared %s, want %s", got, want)
	}
}
