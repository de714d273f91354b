package main

import (
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/sdk"
	"github.com/sourcehost/sourcehost/sdk/sdktest"
)

const config = `{"rule": [
	{"prefix": "https://dl.example/pub/", "mirrors": ["https://m1.example/", "https://m2.example/pub/"]},
	{"pattern": "https?://cdn[0-9]+\\.example/(?P<release>[0-9]+)/(.*)", "mirrors": ["https://cache.example/r${release}/$2"], "original": "never"},
	{"prefix": "https://dl.example/", "mirrors": ["file:///srv/dl/"]}
]}`

func configured(t *testing.T, config string) error {
	t.Helper()
	_, err := sdktest.Try(plugin, &sdktest.Host{}, sdk.Setup, sdktest.Page{Config: config})
	return err
}

func TestRules(t *testing.T) {
	if err := configured(t, config); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ desc, want string }{
		{`"https://dl.example/pub/a.rpm"`, `{"urls":["https://m1.example/a.rpm","https://m2.example/pub/a.rpm","https://dl.example/pub/a.rpm"]}`},
		{`{"url":"http://cdn7.example/39/a/b?c","secrets":{"name":"org.osbuild.mtls"}}`, `{"url":"https://cache.example/r39/a/b?c","secrets":{"name":"org.osbuild.mtls"}}`},
		{`{"url":"https://dl.example/other"}`, `{"urls":["file:///srv/dl/other","https://dl.example/other"]}`},
		{`{"urls":["https://x.example/1","https://dl.example/1","https://m1.example/a","https://dl.example/pub/a"]}`,
			`{"urls":["https://x.example/1","file:///srv/dl/1","https://dl.example/1","https://m1.example/a","https://m2.example/pub/a","https://dl.example/pub/a"]}`},
		{`{"url":"https://not.example/https://dl.example/pub/a"}`, `{"url":"https://not.example/https://dl.example/pub/a"}`},
		{`"http://evil.example/?http://cdn7.example/39/a"`, `"http://evil.example/?http://cdn7.example/39/a"`},
		{`{"path":"a.rpm","mirror":"x"}`, `{"path":"a.rpm","mirror":"x"}`},
		{`null`, `null`},
	} {
		got := sdktest.Prepare(t, plugin, &sdktest.Host{}, sdktest.Item{Key: "sha256:0", Desc: tt.desc})
		if got.Err != nil || got.Desc != tt.want {
			t.Errorf("%s:\n got %s, %v\nwant %s", tt.desc, got.Desc, got.Err, tt.want)
		}
	}
}

func TestWrongPattern(t *testing.T) {
	err := configured(t, `{"rule": [{"prefix": "a", "mirrors": ["http://b"]}, {"pattern": "(a", "mirrors": ["http://b"]}]}`)
	if err == nil || !strings.Contains(err.Error(), "rule 2, pattern: ") {
		t.Errorf("got %v", err)
	}
}
