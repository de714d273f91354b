package host_test

import (
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/host/secret"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

// A plugin that has come to know a secret does not get it into the results as the
// reason why an item is skipped, nor as an error.
func TestReasonsAreRedacted(t *testing.T) {
	server := site(t)
	const value = "marked-secret-value"
	call := `http/v1 {"url":"` + server.URL + `/api/echo","headers":[{"name":"x-token","secret":"token"}]}`
	for said, state := range map[string]host.State{`"skip":"`: host.Skipped, `"error":{"kind":"failed","message":"`: host.Failed} {
		outcome := `{"key":"$KEY",` + said + value + `"` + strings.Repeat("}", strings.Count(said, "{")+1)
		m := source("filter")
		m.Capabilities = append(m.Capabilities, plugin.Capability{Name: "http", Values: []string{"*"}, Reason: "x"},
			plugin.Capability{Name: "secrets", Values: []string{"token"}, Reason: "x"})
		h := newHost(t, func(cfg *host.Config) {
			cfg.Environ = func(name string) (string, bool) { return map[string]string{"TOKEN": value}[name], name == "TOKEN" }
			cfg.Secrets = []secret.Spec{{Name: "token", Env: "TOKEN", Hosts: []string{server.URL}}}
		}, scripted(t, m, `{"filter":{"calls":[`+quoted(call)+`],"each":`+quoted(outcome)+`}}`))
		res := run(t, h, t.TempDir(), []host.Item{{Key: keyOf("x"), Desc: []byte(`"` + server.URL + `/x"`)}})
		wantStates(t, res, state)
		it := res.Items[0]
		text := it.Reason
		if it.Err != nil {
			text = it.Err.Error()
		}
		if !strings.Contains(text, "[secret token]") || strings.Contains(text, value) {
			t.Errorf("%s: the result says %q", said, text)
		}
	}
}

// How long connecting takes tells whether somebody listens: an address that is not
// granted is not connected to.
//
// adversary: A10d
func TestProbesAreHeldToAddresses(t *testing.T) {
	server := site(t)
	call := `probe/v1 {"urls":["` + server.URL + `"]}`
	for grant, want := range map[string]string{"*": `"millis":[-1]`, server.URL: `"millis":[0`, "http://elsewhere.example": "-> denied"} {
		log := saying(t, nil, asking(t, host.Grant{HTTP: []string{grant}}, call))
		if want == `"millis":[0` { // or more
			if !strings.Contains(log, "probe/v1 -> ok") || strings.Contains(log, "[-1]") {
				t.Errorf("granted %s: the log lacks a time:\n%s", grant, log)
			}
			continue
		}
		if !strings.Contains(log, want) {
			t.Errorf("granted %s: the log lacks %q:\n%s", grant, want, log)
		}
	}
}
