package sdk

import (
	"encoding/json"
	"reflect"
	"testing"
)

// remoteOf decodes a description as an item's.
func remoteOf(t *testing.T, desc string) *Remote {
	t.Helper()
	it := Item{desc: Value(desc)}
	r, err := it.Remote()
	if err != nil {
		t.Fatalf("%s: %v", desc, err)
	}
	return r
}

func TestRemote(t *testing.T) {
	for _, tt := range []struct {
		desc string
		want Remote
		out  string
	}{
		{`"http://a"`, Remote{URLs: []string{"http://a"}}, `{"url":"http://a"}`},
		{`{}`, Remote{}, `{}`},
		{`{"url":"a","urls":["b","c"]}`, Remote{URLs: []string{"b", "c", "a"}}, `{"urls":["b","c","a"]}`},
		{`{"urls":["b","a"],"url":"a"}`, Remote{URLs: []string{"b", "a"}}, `{"urls":["b","a"]}`},
		{`{"insecure":true,"secrets":{"name":"s"},"proxy_env":"P"}`, Remote{Insecure: true, Secrets: "s", ProxyEnv: "P"},
			`{"insecure":true,"secrets":{"name":"s"},"proxy_env":"P"}`},
		{`{"headers":[{"name":"A","value":"b"},{"name":"C","secret":"d","prefix":"e"}],"tls":{"ca":"1","cert":"2","key":"3"}}`,
			Remote{Headers: []Header{{Name: "A", Value: "b"}, {Name: "C", Secret: "d", Prefix: "e"}}, TLS: TLS{CA: "1", Cert: "2", Key: "3"}},
			`{"headers":[{"name":"A","value":"b"},{"name":"C","secret":"d","prefix":"e"}],"tls":{"ca":"1","cert":"2","key":"3"}}`},
		{`{"path":"p/\u00e9", "url":"a", "o":{"x":[1, 2]}}`,
			Remote{URLs: []string{"a"}, rest: []byte(`"path":"p/\u00e9","o":{"x":[1, 2]},`)}, `{"url":"a","path":"p/\u00e9","o":{"x":[1, 2]}}`},
	} {
		it := Item{desc: Value(tt.desc)}
		r, err := it.Remote()
		if err != nil {
			t.Errorf("%s: %v", tt.desc, err)
			continue
		}
		if !reflect.DeepEqual(*r, tt.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", tt.desc, *r, tt.want)
		}
		it.SetRemote(r)
		if string(it.Desc()) != tt.out {
			t.Errorf("%s: encoded as\n     %s\nwant %s", tt.desc, it.Desc(), tt.out)
		}
	}
}

func TestRemoteHelpers(t *testing.T) {
	r := remoteOf(t, `"http://origin/x"`)
	r.AddURLFirst("http://mirror/x")
	r.AddHeader("Accept", "a/b")
	r.AddSecretHeader("Authorization", "Bearer ", "token")
	want := Remote{
		URLs:    []string{"http://mirror/x", "http://origin/x"},
		Headers: []Header{{Name: "Accept", Value: "a/b"}, {Name: "Authorization", Prefix: "Bearer ", Secret: "token"}},
	}
	if !reflect.DeepEqual(*r, want) || r.URL() != "http://mirror/x" || (&Remote{}).URL() != "" {
		t.Errorf("got %+v, want %+v", *r, want)
	}
	r.TLS, r.Insecure, r.ProxyEnv = TLS{CA: "/ca"}, true, "P"
	wantDownload := Download{Key: "k", URLs: want.URLs, Headers: want.Headers, TLS: TLS{CA: "/ca"}, Insecure: true, ProxyEnv: "P"}
	if d := r.Download("k"); !reflect.DeepEqual(*d, wantDownload) {
		t.Errorf("download %+v, want %+v", *d, wantDownload)
	}
}

func TestWrongRemote(t *testing.T) {
	for desc, want := range map[string]string{
		`5`:                        "expected an object, found a number (byte 0)",
		`{"url":null}`:             "/url: expected a string, found null (byte 7)",
		`{"urls":"a"}`:             "/urls: expected an array, found a string (byte 8)",
		`{"urls":["a",1]}`:         "/urls/1: expected a string, found a number (byte 13)",
		`{"secrets":{"name":{}}}`:  "/secrets/name: expected a string, found an object (byte 19)",
		`{"tls":{"ca":0}}`:         "/tls/ca: expected a string, found a number (byte 13)",
		`{"insecure":0}`:           "/insecure: expected true or false, found a number (byte 12)",
		`{"proxy_env":[]}`:         "/proxy_env: expected a string, found an array (byte 13)",
		`{"headers":[{"name":0}]}`: "/headers/0/name: expected a string, found a number (byte 20)",
		`{"headers":{"name":"A"}}`: "/headers: expected an array, found an object (byte 11)",
	} {
		it := Item{desc: Value(desc)}
		if _, err := it.Remote(); err == nil || err.Error() != want || KindOf(err) != ErrInvalid {
			t.Errorf("%s: %v (%s)\nwant %s", desc, err, KindOf(err), want)
		}
	}
}

func FuzzRemote(f *testing.F) {
	f.Add([]byte(`"u"`))
	f.Add([]byte(`{"url":"a","urls":["b"],"insecure":true,"secrets":{"name":"s"},"headers":[{"name":"n","value":"v"}],"tls":{"ca":"c"},"proxy_env":"p","other":[{}]}`))
	f.Fuzz(func(t *testing.T, desc []byte) {
		it := Item{desc: desc}
		r, err := it.Remote()
		if err != nil || !json.Valid(desc) {
			return
		}
		first := string(r.append(nil))
		if !json.Valid([]byte(first)) {
			t.Fatalf("%q is encoded as %q, which is not JSON", desc, first)
		}
		again := Item{desc: Value(first)}
		r2, err := again.Remote()
		if err != nil {
			t.Fatalf("%q is encoded as %q: %v", desc, first, err)
		}
		if second := string(r2.append(nil)); second != first {
			t.Fatalf("%q is not stable: %q, then %q", desc, first, second)
		}
	})
}
