package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sourcehost/sourcehost/sdk"
	"github.com/sourcehost/sourcehost/sdk/sdktest"
)

const key = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

func TestFetchOne(t *testing.T) {
	for _, test := range []struct {
		format, desc string
		want         sdk.CopyImage
	}{
		{"dir", `{"image":{"name":"quay.io/a","digest":"d"}}`,
			sdk.CopyImage{Key: key, Name: "quay.io/a", Digest: "d", Format: "dir"}},
		{"docker-archive", `{"image":{"name":"quay.io/a","digest":"d","tls-verify":false}}`,
			sdk.CopyImage{Key: key, Name: "quay.io/a", Digest: "d", Format: "docker-archive", RemoveSignatures: true, Insecure: true}},
		{"dir", `{"image":{"name":"a","digest":"d","containers-transport":"containers-storage","storage-location":"/s"}}`,
			sdk.CopyImage{Key: key, Name: "a", Digest: "d", Format: "dir", Transport: sdk.TransportStorage, Storage: "/s"}},
	} {
		h := &sdktest.Host{Format: test.format}
		out := sdktest.FetchOne(t, newPlugin(), h, sdktest.Item{Key: key, Desc: test.desc})
		if out.Err != nil {
			t.Fatal(out.Err)
		}
		if diff := cmp.Diff([]sdk.CopyImage{test.want}, h.Images); diff != "" {
			t.Errorf("%s: %s", test.desc, diff)
		}
	}
	if out := sdktest.FetchOne(t, newPlugin(), &sdktest.Host{}, sdktest.Item{Key: key, Desc: `{}`}); out.Err == nil {
		t.Error("an item without an image is accepted")
	}
}
