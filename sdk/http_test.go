package sdk_test

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/sdk"
	"github.com/sourcehost/sourcehost/sdk/sdktest"
)

func TestHTTP(t *testing.T) {
	h := &sdktest.Host{
		HTTP: func(q sdk.HTTPRequest) (*sdk.HTTPResponse, error) {
			if q.URL == "https://down/" {
				return nil, errors.New("no such host")
			}
			return &sdk.HTTPResponse{
				HTTPResponse: abi.HTTPResponse{Status: 201, URL: q.URL, Headers: []sdk.Header{{Name: "Content-Type", Value: "text/plain"}}, Millis: 5},
				Body:         []byte(q.Method + "\n" + q.Body + "\n"),
			}, nil
		},
		Probe: func(url string) int64 { return int64(len(url)) },
		Deny:  func(_, what string) bool { return what == "https://denied/" },
	}
	inHook(t, h, func(ctx *sdk.Context) {
		r, err := ctx.HTTP(&sdk.HTTPRequest{Method: "POST", URL: "https://a/", Body: "b"})
		again, err2 := ctx.HTTP(&sdk.HTTPRequest{Method: "GET", URL: "https://b/"})
		if err != nil || err2 != nil || r.Status != 201 || r.URL != "https://a/" || string(r.Body) != "POST\nb\n" || r.Millis != 5 ||
			r.Header("Content-Type") != "text/plain" || r.Header("Etag") != "" || string(again.Body) != "GET\n\n" {
			t.Errorf("%+v %q, %v; %v", r, r.Body, err, err2)
		}
		if r, err := ctx.HTTP(&sdk.HTTPRequest{URL: "https://a/", Once: true, Start: true}); err != nil || r.Status != 0 {
			t.Errorf("start: %+v, %v", r, err)
		}
		if _, err := ctx.HTTP(&sdk.HTTPRequest{URL: "https://denied/"}); sdk.KindOf(err) != sdk.ErrDenied {
			t.Errorf("denied: %v", err)
		}
		if _, err := ctx.HTTP(&sdk.HTTPRequest{URL: "https://down/"}); err == nil || err.Error() != "no such host" {
			t.Errorf("down: %v", err)
		}
		millis, err := ctx.Probe([]string{"a", "bbb"})
		if err != nil || !slices.Equal(millis, []int64{1, 3}) {
			t.Errorf("Probe = %v, %v", millis, err)
		}
	})
}

// TestRemoteCredentials: what a description says about credentials comes out again,
// and goes into the download.
func TestRemoteCredentials(t *testing.T) {
	const desc = `{"url":"https://a/b","auth":{"user":"u","secret":"s"},"query":[{"name":"t","secret":"s2"}],"tls":{"cert_secret":"c","key_secret":"k"},"more":1}`
	h := &sdktest.Host{}
	p := sdk.Plugin{Prepare: func(_ *sdk.Context, item *sdk.Item) error {
		r, err := item.Remote()
		if err == nil {
			item.SetRemote(r)
		}
		return err
	}, FetchOne: func(ctx *sdk.Context, item *sdk.Item) error {
		r, err := item.Remote()
		if err != nil {
			return err
		}
		return ctx.Download(r.Download(item.Key))
	}}
	if got := sdktest.Prepare(t, p, h, sdktest.Item{Key: "k", Desc: desc}); got.Err != nil || got.Desc != desc {
		t.Errorf("it became %s, %v", got.Desc, got.Err)
	}
	if out := sdktest.FetchOne(t, p, h, sdktest.Item{Key: "k", Desc: desc}); out.Err != nil {
		t.Fatal(out.Err)
	}
	want := sdk.Download{Key: "k", URLs: []string{"https://a/b"}, Auth: sdk.Auth{User: "u", Secret: "s"},
		Query: []sdk.Param{{Name: "t", Secret: "s2"}}, TLS: sdk.TLS{CertSecret: "c", KeySecret: "k"}}
	if !reflect.DeepEqual(h.Downloads, []sdk.Download{want}) {
		t.Errorf("downloads %+v", h.Downloads)
	}
}
