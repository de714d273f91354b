package guest

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/internal/abi"
)

// TestFromTheContract runs the guest that was written from docs/abi.md alone.
func TestFromTheContract(t *testing.T) {
	t.Parallel()
	wasm := build(t, "from_the_contract")
	r := newRuntime(t, Config{})
	var requests []string
	var status abi.Status
	var result string
	h := &fakeHost{call: func(_ context.Context, op string, req []byte) (abi.Status, []byte) {
		requests = append(requests, op+" "+string(req))
		return status, []byte(result)
	}}
	p := load(t, r, Source{Wasm: wasm})
	setup := `{"source":"s","options":{"a":["]\"}"]},"config":{ }}`
	pool := p.Pool([]byte(setup), func() Caller { return h })
	defer pool.Close()
	page := func(descs ...string) string {
		in := abi.Page{Source: "s", Config: []byte(`{}`)}
		for i, d := range descs {
			in.Items = append(in.Items, abi.Item{Key: fmt.Sprint("k", i), Desc: []byte(d)})
		}
		return string(in.Append(nil))
	}
	gives := func(hook abi.Hook, input, want string) {
		t.Helper()
		same(t, string(mustCall(t, pool, hook, input, h)), want)
	}
	url := `"http://a.example/\"x\\"`
	gives(abi.Prepare, page(), "")
	gives(abi.Prepare, page(`{"url":"http://a.example/"}`, url, ` [ "http://" , {"}":1} ] `, `"ftp://b"`, `null`, `"https://c"`, `12`),
		`{"items":[{"key":"k1","desc":"https://a.example/\"x\\"},{"key":"k3","error":{"kind":"denied","message":"ftp is not allowed"}}]}`)

	// As a later host, or the manifest of a user, may write it.
	gives(abi.Prepare, ` { "later" : [ { } , null ] , "items" : [ { "more" : 1 , "desc" : "http:\/\u002fd" , "key" : "\u006b" } ] } `,
		`{"items":[{"key":"k","desc":"https:\/\u002fd"}]}`)

	status, result = abi.OK, `{"value":"1","set":true}`
	gives(abi.Filter, page(url, `{}`), `{"items":[{"key":"k0","skip":"OFFLINE is set"},{"key":"k1","skip":"OFFLINE is set"}]}`)
	status, result = abi.OK, `{"set":false}`
	gives(abi.Filter, page(url), "")
	status, result = abi.Denied, `{"kind":"denied","message":"no"}`
	gives(abi.Filter, page(url), "")
	gives(abi.FetchOne, page(url, `{}`), `{"items":[{"key":"k0","error":{"kind":"denied","message":"no"}},
		{"key":"k1","error":{"kind":"invalid","message":"the description of the item is not a string"}}]}`)
	status, result = abi.Failed, ""
	gives(abi.FetchOne, page(url), `{"items":[{"key":"k0","error":{"kind":"failed","message":"the host refused the download without saying why"}}]}`)
	status = abi.OK
	long := `"` + strings.Repeat("x", 200_000) + `"`
	gives(abi.FetchOne, page(long), "")

	env, get := `env/v1 {"name":"OFFLINE"}`, `download/v1 {"key":"k0","urls":[`+url+`]}`
	want := []string{env, env, env, get, get, `download/v1 {"key":"k0","urls":[` + long + `]}`}
	if !reflect.DeepEqual(requests, want) {
		t.Errorf("the requests are %.1000q", requests)
	}
	if got := fmt.Sprint(h.logged()); got != fmt.Sprintf("[0 setup sees a page of %07d bytes]", len(setup)) {
		t.Errorf("logged %s", got)
	}

	wrong := p.Pool([]byte(`{"config":{"a":1}}`), func() Caller { return h })
	defer wrong.Close()
	wantError(t, wrong.Start(context.Background()), Reported, abi.Setup, "this plugin has no configuration (remove it)")
}

// same compares two texts of JSON, or two empty ones.
func same(t *testing.T, got, want string) {
	t.Helper()
	var g, w any
	if got != "" {
		if err := json.Unmarshal([]byte(got), &g); err != nil {
			t.Fatalf("%s: %v", got, err)
		}
	}
	if want != "" {
		if err := json.Unmarshal([]byte(want), &w); err != nil {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(g, w) {
		t.Errorf("got %s, want %s", got, want)
	}
}
