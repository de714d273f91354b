package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/sdk"
	"github.com/sourcehost/sourcehost/sdk/sdktest"
)

const aws = `{"urls": ["https://rhui.example/pulp/"], "cert": "/etc/pki/rhui/c.crt", "key": "/etc/pki/rhui/c.key", "ca": "/etc/pki/rhui/ca.crt"}`

// metadata is a metadata service that may want a token.
type metadata struct {
	token string
	asked []string
	err   error
}

func (m *metadata) answer(q sdk.HTTPRequest) (*sdk.HTTPResponse, error) {
	m.asked = append(m.asked, q.Method+" "+q.URL)
	if m.err != nil {
		return nil, m.err
	}
	reply := func(status int64, body string) (*sdk.HTTPResponse, error) {
		return &sdk.HTTPResponse{HTTPResponse: abi.HTTPResponse{Status: status}, Body: []byte(body)}, nil
	}
	path, ours := strings.CutPrefix(q.URL, "http://169.254.169.254/latest/")
	switch {
	case !ours:
		return reply(404, "")
	case path == "api/token" && q.Method == "PUT" && m.token != "" && len(q.Headers) == 1:
		return reply(200, m.token)
	case path == "api/token":
		return reply(405, "")
	case m.token != "" && (len(q.Headers) != 1 || q.Headers[0] != sdk.Header{Name: "X-aws-ec2-metadata-token", Value: m.token}):
		return reply(401, "")
	case path == "dynamic/instance-identity/document":
		return reply(200, "{\n  \"region\" : \"é?>~\"\n}")
	case path == "dynamic/instance-identity/signature":
		return reply(200, "c2ln\n??>")
	}
	return reply(404, "")
}

func start(t *testing.T, config string, m *metadata) *sdktest.Host {
	t.Helper()
	host := &sdktest.Host{HTTP: m.answer}
	if _, err := sdktest.Try(plugin, host, sdk.Setup, sdktest.Page{Config: config}); err != nil {
		t.Fatal(err)
	}
	return host
}

func prepared(t *testing.T, host *sdktest.Host, desc string) sdktest.Outcome {
	t.Helper()
	return sdktest.Prepare(t, plugin, host, sdktest.Item{Key: "sha256:0", Desc: desc})
}

func TestIdentity(t *testing.T) {
	const want = `{"url":"https://rhui.example/pulp/a","headers":[{"name":"X-RHUI-ID","value":"ewogICJyZWdpb24iIDogIsOpPz5-Igp9"},` +
		`{"name":"X-RHUI-SIGNATURE","value":"YzJsbgo_Pz4="}],"tls":{"ca":"/etc/pki/rhui/ca.crt","cert":"/etc/pki/rhui/c.crt","key":"/etc/pki/rhui/c.key"}}`
	for _, token := range []string{"", "a-token"} {
		m := &metadata{token: token}
		host := start(t, aws, m)
		for range 3 {
			got := prepared(t, host, `{"url":"https://rhui.example/pulp/a","secrets":{"name":"org.osbuild.rhsm"}}`)
			if got.Err != nil || got.Desc != want {
				t.Errorf("token %q:\n got %s, %v\nwant %s", token, got.Desc, got.Err, want)
			}
		}
		if len(m.asked) != 3 {
			t.Errorf("the service was asked for %q, want each once", m.asked)
		}
	}
}

func TestOtherClouds(t *testing.T) {
	m := &metadata{}
	host := start(t, strings.Replace(aws, `"ca"`, `"cloud": "none", "ca"`, 1), m)
	got := prepared(t, host, `"https://rhui.example/pulp/a"`)
	const want = `{"url":"https://rhui.example/pulp/a","tls":{"ca":"/etc/pki/rhui/ca.crt","cert":"/etc/pki/rhui/c.crt","key":"/etc/pki/rhui/c.key"}}`
	if got.Err != nil || got.Desc != want || len(m.asked) != 0 {
		t.Errorf("got %s, %v, after %q", got.Desc, got.Err, m.asked)
	}
}

func TestOnlyToTheRHUI(t *testing.T) {
	m := &metadata{}
	host := start(t, aws, m)
	for _, desc := range []string{`"https://rhui.example/other"`, `"http://rhui.example/pulp/a"`, `{"path":"a","mirror":"b"}`, `null`} {
		if got := prepared(t, host, desc); got.Err != nil || got.Desc != desc {
			t.Errorf("%s became %s, %v", desc, got.Desc, got.Err)
		}
	}
	if got := prepared(t, host, `{"urls":["https://rhui.example/pulp/a","https://elsewhere.example/"]}`); got.Err == nil || got.Err.Kind != sdk.ErrDenied {
		t.Errorf("got %v", got.Err)
	}
	if len(m.asked) != 0 {
		t.Errorf("asked for %q", m.asked)
	}
}

func TestFailures(t *testing.T) {
	m := &metadata{err: errors.New("no route to host")}
	host := start(t, aws, m)
	for range 3 {
		got := prepared(t, host, `"https://rhui.example/pulp/a"`)
		if got.Err == nil || !strings.Contains(got.Err.Message, "no route to host") || !strings.Contains(got.Err.Hint, "none") {
			t.Errorf("got %v", got.Err)
		}
	}
	if len(m.asked) != 1 {
		t.Errorf("the service was asked %d times", len(m.asked))
	}
	host = start(t, strings.Replace(aws, `"ca"`, `"metadata_url": "http://127.0.0.1:1", "ca"`, 1), &metadata{})
	if got := prepared(t, host, `"https://rhui.example/pulp/a"`); got.Err == nil || !strings.Contains(got.Err.Message, "status 404") {
		t.Errorf("got %v", got.Err)
	}
}
