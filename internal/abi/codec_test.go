package abi

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// codec is one message's pair of functions, on any.
type codec struct {
	name   string
	decode func([]byte) (any, error)
	append func(any, []byte) []byte
	// full has every field set, and text is its encoding.
	full any
	text string
}

// wire makes a codec of a message's functions.
func wire[T any, P interface {
	*T
	Append([]byte) []byte
}](decode func([]byte) (T, error), full T, text string) codec {
	return codec{
		name:   reflect.TypeFor[T]().Name(),
		decode: func(b []byte) (any, error) { m, err := decode(b); return m, err },
		append: func(m any, dst []byte) []byte { v := m.(T); return P(&v).Append(dst) },
		full:   full,
		text:   text,
	}
}

var codecs = []codec{
	wire(DecodePage, Page{
		Source: "org.osbuild.curl", Options: []byte(`{"a":[1]}`), Config: []byte(`{}`), Format: "dir",
		Items: []Item{{Key: "sha256:1", Desc: []byte(`"http://x/\u00e9"`)}, {Key: "sha256:2", Desc: []byte(`null`)}, {}},
	}, `{"source":"org.osbuild.curl","options":{"a":[1]},"config":{},"format":"dir","items":[{"key":"sha256:1","desc":"http://x/\u00e9"},{"key":"sha256:2","desc":null},{}]}`),
	wire(DecodeOutput, Output{Items: []Outcome{
		{Key: "k1", Desc: []byte(`{"url":"x"}`)}, {Key: "k2", Skip: "is there\n"},
		{Key: "k3", Error: &Error{Kind: ErrDenied, Message: "no", Hint: "ask"}},
	}}, `{"items":[{"key":"k1","desc":{"url":"x"}},{"key":"k2","skip":"is there\n"},{"key":"k3","error":{"kind":"denied","message":"no","hint":"ask"}}]}`),
	wire(DecodeError, Error{Kind: ErrNotFound, Message: `no "x"`, Hint: "look"}, `{"kind":"not found","message":"no \"x\"","hint":"look"}`),
	wire(DecodeDownload, Download{
		Key: "k", URLs: []string{"http://a/b", "file:/c"}, Mirrors: []string{"http://m/"}, Path: "p/q r", Foreign: true, Group: "g", Parallel: 3,
		Headers: []Header{{Name: "Accept", Value: "*/*"}, {Name: "Authorization", Secret: "token", Prefix: "Bearer "}},
		Auth:    Auth{User: "u", Secret: "s"}, Query: []Param{{Name: "n", Secret: "s"}, {}},
		Insecure: true, TLS: TLS{CA: "/ca", Cert: "/cert", Key: "/key", CertSecret: "c", KeySecret: "k"}, ProxyEnv: "P",
	}, `{"key":"k","urls":["http://a/b","file:/c"],"mirrors":["http://m/"],"path":"p/q r","foreign":true,"group":"g","parallel":3,"headers":[{"name":"Accept","value":"*/*"},{"name":"Authorization","secret":"token","prefix":"Bearer "}],"auth":{"user":"u","secret":"s"},"query":[{"name":"n","secret":"s"},{}],"insecure":true,"tls":{"ca":"/ca","cert":"/cert","key":"/key","cert_secret":"c","key_secret":"k"},"proxy_env":"P"}`),
	wire(DecodeHTTPRequest, HTTPRequest{
		Method: "POST", URL: "https://a/token", Body: "grant\n", Headers: []Header{{Name: "A", Value: "b"}},
		Auth: Auth{User: "u", Secret: "s"}, Query: []Param{{Name: "n", Secret: "s"}}, Insecure: true,
		TLS: TLS{CA: "/ca"}, ProxyEnv: "P", Timeout: 5000, Once: true, Start: true,
	}, `{"method":"POST","url":"https://a/token","body":"grant\n","headers":[{"name":"A","value":"b"}],"auth":{"user":"u","secret":"s"},"query":[{"name":"n","secret":"s"}],"insecure":true,"tls":{"ca":"/ca"},"proxy_env":"P","timeout":5000,"once":true,"start":true}`),
	wire(DecodeHTTPResponse, HTTPResponse{Status: 404, URL: "https://a/b", Headers: []Header{{Name: "Etag", Value: "x"}}, Millis: 12, Local: true},
		`{"status":404,"url":"https://a/b","headers":[{"name":"Etag","value":"x"}],"millis":12,"local":true}`),
	wire(DecodeHMAC, HMAC{Secret: "s", Prefix: "p", URL: "https://a/", Data: []string{"b", ""}}, `{"secret":"s","prefix":"p","url":"https://a/","data":["b",""]}`),
	wire(DecodeHMACResult, HMACResult{Digest: "00ff"}, `{"digest":"00ff"}`),
	wire(DecodeProbe, Probe{URLs: []string{"http://a/", "https://b/"}}, `{"urls":["http://a/","https://b/"]}`),
	wire(DecodeProbeResult, ProbeResult{Millis: []int64{3, -1, 0}}, `{"millis":[3,-1,0]}`),
	wire(DecodePath, Path{Path: "/etc/x"}, `{"path":"/etc/x"}`),
	wire(DecodeFileInfo, FileInfo{Type: TypeFile, Size: 1 << 40}, `{"type":"file","size":1099511627776}`),
	wire(DecodeNames, Names{Names: []string{"a", "b"}}, `{"names":["a","b"]}`),
	wire(DecodeEnvName, EnvName{Name: "HOME"}, `{"name":"HOME"}`),
	wire(DecodeCopyImage, CopyImage{
		Key: "k", Transport: TransportStorage, Name: "r/n", Digest: "sha256:1", Storage: "/s", Index: true,
		Format: FormatDockerArchive, RemoveSignatures: true, Insecure: true,
	}, `{"key":"k","transport":"containers-storage","name":"r/n","digest":"sha256:1","storage":"/s","index":true,"format":"docker-archive","remove_signatures":true,"insecure":true}`),
	wire(DecodePut, Put{Key: "k", More: true}, `{"key":"k","more":true}`),
	wire(DecodeExec, Exec{Program: "p", Args: []string{"-a", ""}, Env: []string{"HOME"}, Stdin: "in\n"},
		`{"program":"p","args":["-a",""],"env":["HOME"],"stdin":"in\n"}`),
	wire(DecodeRun, Run{Key: "k", Files: []RunFile{{Path: "p", Content: "c\n"}, {}}, Steps: []Exec{{Program: "a", Args: []string{"x"}}, {}}, Finally: []Exec{{Program: "b"}}, From: "http://x/"},
		`{"key":"k","files":[{"path":"p","content":"c\n"},{}],"steps":[{"program":"a","args":["x"]},{}],"finally":[{"program":"b"}],"from":"http://x/"}`),
	wire(DecodeEnvValue, EnvValue{Set: true, Value: "v"}, `{"set":true,"value":"v"}`),
}

func TestCodecs(t *testing.T) {
	for _, c := range codecs {
		t.Run(c.name, func(t *testing.T) {
			if got := string(c.append(c.full, []byte("before"))); got != "before"+c.text {
				t.Errorf("encoded:\n got %s\nwant before%s", got, c.text)
			}
			got, err := c.decode([]byte(" " + c.text + "\n"))
			if err != nil || !reflect.DeepEqual(got, c.full) {
				t.Errorf("decoded %+v, %v\nwant %+v", got, err, c.full)
			}
			zero := reflect.Zero(reflect.TypeOf(c.full)).Interface()
			if got := string(c.append(zero, nil)); got != "{}" {
				t.Errorf("the zero value is encoded as %s, want {}", got)
			}
			later := `{"later":{"x":[1]},` + c.text[1:len(c.text)-1] + `,"beyond":null}`
			if got, err := c.decode([]byte(later)); err != nil || !reflect.DeepEqual(got, c.full) {
				t.Errorf("with unknown fields: %+v, %v", got, err)
			}
			for _, bad := range []string{"[]", "null", "", "{", c.text + "{}", c.text[:len(c.text)-1], "{" + c.text[1:len(c.text)-1] + "," + c.text[1:]} {
				if m, err := c.decode([]byte(bad)); err == nil && (bad != "" || c.name != "Output") {
					t.Errorf("decoded %q as %+v, want an error", bad, m)
				}
			}
		})
	}
}

// TestFieldsAreTyped replaces each value of each message by values of the wrong
// types. Raw fields take any, which is why only those may be accepted.
func TestFieldsAreTyped(t *testing.T) {
	raw := map[string]bool{"options": true, "config": true, "desc": true}
	for _, c := range codecs {
		var fields map[string]json.RawMessage
		if err := json.Unmarshal([]byte(c.text), &fields); err != nil {
			t.Fatal(err)
		}
		for name, value := range fields {
			for _, wrong := range []string{`null`, `0.5`, `"s"`, `{"x":0}`, `[0]`, `true`} {
				if raw[name] || wrong[0] == value[0] || value[0] == 'f' && wrong == "true" {
					continue
				}
				if _, err := c.decode([]byte(`{"` + name + `":` + wrong + `}`)); err == nil {
					t.Errorf("%s: %s = %s is accepted", c.name, name, wrong)
				} else if !strings.HasPrefix(err.Error(), "/"+name) && value[0] != '{' && value[0] != '[' {
					t.Errorf("%s: the error %q does not point at /%s", c.name, err, name)
				}
			}
		}
	}
}

func TestDecodeErrorsPointAtTheField(t *testing.T) {
	_, err := DecodePage([]byte(`{"items":[{"key":"a"},{"key":1}]}`))
	if err == nil || err.Error() != "/items/1/key: expected a string, found a number (byte 29)" {
		t.Errorf("error = %v", err)
	}
}

func TestUnknownErrorKind(t *testing.T) {
	for _, in := range []string{`{"kind":"weird"}`, `{"kind":""}`, `{}`} {
		if e, err := DecodeError([]byte(in)); err != nil || e.Kind != ErrFailed {
			t.Errorf("%s: kind %q, %v; want %q", in, e.Kind, err, ErrFailed)
		}
	}
}

func TestPageDecodeReusesItems(t *testing.T) {
	data := []byte(`{"source":"s","items":[{"key":"a","desc":1},{"desc":2}]}`)
	p := Page{Options: []byte("{}"), Items: []Item{{Key: "old", Desc: []byte("0")}, {Key: "old"}, {}}}
	first := &p.Items[0]
	if err := p.Decode(data); err != nil {
		t.Fatal(err)
	}
	want := Page{Source: "s", Items: []Item{{Key: "a", Desc: []byte("1")}, {Desc: []byte("2")}}}
	if !reflect.DeepEqual(p, want) || &p.Items[0] != first {
		t.Errorf("decoded %+v, want %+v in the old array", p, want)
	}
}

func FuzzCodecs(f *testing.F) {
	for i, c := range codecs {
		f.Add(uint8(i), []byte(c.text))
		f.Add(uint8(i), []byte(`{"items":[{"error":{}}],"headers":[{}],"tls":{},"urls":[""]}`))
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		c := codecs[int(which)%len(codecs)]
		m, err := c.decode(data)
		if err != nil {
			return
		}
		if len(data) > 0 && !json.Valid(data) {
			t.Fatalf("%s: accepted %q, which is no JSON", c.name, data)
		}
		text := c.append(m, nil)
		again, err := c.decode(text)
		if err != nil {
			t.Fatalf("%s: %q was encoded as %q: %v", c.name, data, text, err)
		}
		if text2 := c.append(again, nil); string(text2) != string(text) {
			t.Fatalf("%s: %q is not stable: %q, then %q", c.name, data, text, text2)
		}
	})
}

func BenchmarkDecodePage(b *testing.B) {
	p := Page{Source: "org.osbuild.curl"}
	for range DefaultPageItems {
		p.Items = append(p.Items, Item{
			Key:  "sha256:" + strings.Repeat("0", 64),
			Desc: []byte(`{"url":"https://mirror.example/fedora/releases/39/Everything/x86_64/os/Packages/a/abc-1.2.3-4.fc39.x86_64.rpm"}`),
		})
	}
	data := p.Append(nil)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Decode(data); err != nil {
			b.Fatal(err)
		}
	}
}
