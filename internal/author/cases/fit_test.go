package cases

import (
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

// What a case says that can have no effect on a plugin is refused with its place.
func TestFit(t *testing.T) {
	m := &plugin.Manifest{Name: "p", Hooks: []abi.Hook{abi.Prepare}, Config: []byte(`{"properties":{"n":{"type":"integer"}}}`), Capabilities: []plugin.Capability{
		{Name: "read", Values: []string{"/etc/acme/"}}, {Name: "stat", Values: []string{"/srv/d"}}, {Name: "env", Values: []string{"ACME_TOKEN"}},
		{Name: "http", Values: []string{"https://login.example/"}}, {Name: "exec", Values: []string{"acme-tool"}}, {Name: "secrets", Values: []string{"acme"}},
		{Name: "download", Values: []string{"https://a.example/"}},
	}}
	b := &Bench{Sources: []string{"org.osbuild.curl", "org.osbuild.files", "com.example.rpms"}}
	for text, want := range map[string]string{
		`"hooks":["filter"]`:                                                  "c.json:1:22: hooks/0: the plugin has no hook filter: it has prepare",
		`"source":"org.osbuild.crul"`:                                         `c.json:1:22: source: there is no source "org.osbuild.crul"; did you mean "org.osbuild.curl"?`,
		`"source":"org.osbuild.something"`:                                    `source: there is no source "org.osbuild.something"; there are com.example.rpms, org.osbuild.curl, org.osbuild.files`,
		`"source":"com.example.rmps"`:                                         `did you mean "com.example.rpms"?`,
		`"source":"net.elsewhere"`:                                            "",
		`"source":"org.osbuild.files"`:                                        "",
		`"grant":{"image":["*"]}`:                                             "c.json:1:22: grant/image: the plugin does not request image, so that the grant has no effect",
		`"grant":{"env":["ACME_TOEKN"]}`:                                      `c.json:1:29: grant/env/0: the plugin does not request env ACME_TOEKN, so that this has no effect; did you mean "ACME_TOKEN"?`,
		`"grant":{"download":["https://elsewhere.example/"]}`:                 "",
		`"config":{"n":[]}`:                                                   "c.json:1:27: config/n: expected an integer, found an array: with this configuration no host calls the plugin",
		`"config":{"n":1}`:                                                    "",
		`"grant":{}`:                                                          "",
		`"host":{"env":{"ACME_TOKEN":"x"}}`:                                   "",
		`"host":{"env":{"OTHER":"x"}}`:                                        "c.json:1:28: host/env/OTHER: the plugin does not request env OTHER, so that this has no effect",
		`"host":{"secrets":["other"]}`:                                        "host/secrets/0: the plugin does not request secrets other, so that this has no effect",
		`"host":{"exec":[{"program":"acme-tol"}]}`:                            `host/exec/0/program: the plugin does not request exec acme-tol, so that this has no effect; did you mean "acme-tool"?`,
		`"host":{"files":{"/etc/acme/a":"","/srv/d/e/f":"","/srv/d":""}}`:     "",
		`"host":{"files":{"/etc/acne/a":""}}`:                                 "c.json:1:30: host/files//etc/acne/a: the plugin requests neither read nor stat of it, so that this has no effect",
		`"host":{"http":[{"url":"https://login.example/x"}]}`:                 "",
		`"host":{"http":[{"url":"https://logon.example/x"}]}`:                 "c.json:1:36: host/http/0/url: it has no effect: ",
		`"host":{"calls":[{"op":"copy-image/v1"}]}`:                           "host/calls/0/op: the plugin does not request image, so that this has no effect",
		`"host":{"calls":[{"op":"put/v1"},{"op":"read/v1"},{"op":"own/v1"}]}`: "",
	} {
		c, err := Parse("c.json", []byte(`{"items":[],`+text+`}`))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		err = b.checkCase(c, m)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\ngot  %v\nwant %s", text, err, want)
		}
	}
	m.Config = []byte(`{"required":["n"]}`)
	c, err := Parse("c.json", []byte(`{"items":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.checkCase(c, m); err == nil || !strings.HasPrefix(err.Error(), `c.json:1:1: config: "n" is missing: `) {
		t.Errorf("a configuration that is missing: %v", err)
	}
}
