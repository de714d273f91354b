package main

import (
	"testing"

	"github.com/sourcehost/sourcehost/sdk/sdktest"
)

func TestPrepare(t *testing.T) {
	for desc, want := range map[string]string{
		`"https://rpms.acme.example/a/b.rpm"`:                            `{"urls":["https://mirror.acme.example/rpms/a/b.rpm","https://rpms.acme.example/a/b.rpm"],"headers":[{"name":"Authorization","secret":"acme-token","prefix":"Bearer "}]}`,
		`{"url":"https://rpms.acme.example/b.rpm","insecure":true}`:      `{"urls":["https://mirror.acme.example/rpms/b.rpm","https://rpms.acme.example/b.rpm"],"insecure":true,"headers":[{"name":"Authorization","secret":"acme-token","prefix":"Bearer "}]}`,
		`{"url":"https://elsewhere.example/b.rpm"}`:                      `{"url":"https://elsewhere.example/b.rpm"}`,
		`{"url":"https://rpms.acme.example.evil/rpms.acme.example/b"}`:   `{"url":"https://rpms.acme.example.evil/rpms.acme.example/b"}`,
		`{"path":"Packages/a.rpm","mirror":"no url, which is not ours"}`: `{"path":"Packages/a.rpm","mirror":"no url, which is not ours"}`,
	} {
		got := sdktest.Prepare(t, plugin, &sdktest.Host{}, sdktest.Item{Key: "sha256:0", Desc: desc})
		if got.Err != nil || got.Desc != want {
			t.Errorf("%s:\n got %s, %v\nwant %s", desc, got.Desc, got.Err, want)
		}
	}
}
