package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sourcehost/sourcehost/sdk"
	"github.com/sourcehost/sourcehost/sdk/sdktest"
)

const key = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

func TestFetchOne(t *testing.T) {
	h := &sdktest.Host{}
	out := sdktest.FetchOne(t, newPlugin(), h, sdktest.Item{Key: key, Desc: `{"image":{"name":"quay.io/a","tls-verify":false}}`})
	if out.Err != nil {
		t.Fatal(out.Err)
	}
	want := []sdk.CopyImage{{Key: key, Name: "quay.io/a", Index: true, Insecure: true}}
	if diff := cmp.Diff(want, h.Images); diff != "" {
		t.Error(diff)
	}
	if out := sdktest.FetchOne(t, newPlugin(), &sdktest.Host{}, sdktest.Item{Key: key, Desc: `{}`}); out.Err == nil {
		t.Error("an item without an image is accepted")
	}
}
