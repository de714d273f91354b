package cases

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		``:                        "c.json:1:1: expected a value",
		`[]`:                      "c.json:1:1: expected an object, found an array",
		`{"items":[]} {}`:         "c.json:1:14: ",
		`{"itmes":[]}`:            `c.json:1:2: unknown field "itmes"; did you mean "items"?`,
		`{"items":[{}]}`:          "c.json:1:11: items/0: expected a key",
		`{"items":[],"aaaa":1}`:   `c.json:1:13: unknown field "aaaa"; there are config, expect, `,
		`{"items":[{"key":"k"}]}`: "c.json:1:11: items/0: expected a description",
		"{\n \"items\": [\n  {\"key\": \"k\", \"dsec\": 1}]}":                      `c.json:3:16: items/0: unknown field "dsec"; did you mean "desc"?`,
		"{\n \"items\": [\n  {\"key\": 7, \"desc\": 1}]}":                          "c.json:3:11: items/0/key: expected a string, found a number",
		`{"items":[{"key":"k","desc":1},{"key":"k","desc":1}]}`:                    `c.json:1:39: items/1/key: the key "k" is there twice`,
		`{"items":[],"items":[]}`:                                                  "c.json:1:13: items: the name stands twice in this object",
		`{"items":[],"hooks":["fetch"]}`:                                           `c.json:1:22: hooks/0: there is no hook "fetch"; there are setup, filter, prepare, fetch_one`,
		`{"items":[],"hooks":["filter","perpare"]}`:                                `c.json:1:31: hooks/1: there is no hook "perpare"; did you mean "prepare"?`,
		`{"items":[],"expect":{"items":[{"key":"k"}]}}`:                            `expect/items/0/key: the case has no item "k"`,
		`{"items":[],"host":{"files":{"etc":""}}}`:                                 "c.json:1:30: host/files/etc: expected a clean absolute path",
		`{"items":[],"host":{"files":{"/a/../b":""}}}`:                             "expected a clean absolute path",
		`{"items":[],"host":{"calls":[{"op":"x/v1","status":"deneid"}]}}`:          `host/calls/0/status: there is no status "deneid"; did you mean "denied"?`,
		`{"items":[],"host":{"calls":[{"op":"downlaod/v1"}]}}`:                     `host/calls/0/op: there is no operation "downlaod/v1"; did you mean "download/v1"?`,
		`{"items":[],"host":{"calls":[{}]}}`:                                       "expected the name of an operation",
		`{"items":[],"grant":{"env":"A"}}`:                                         "c.json:1:22: grant/env: expected an array of strings",
		`{"items":[],"grant":{"env":[1]}}`:                                         "expected an array of strings",
		`{"items":[],"grant":{"clock":["x"]}}`:                                     "takes no values",
		`{"items":[],"expect":{"error":{"hook":"prepar"}}}`:                        `c.json:1:39: expect/error/hook: there is no hook "prepar"; did you mean "prepare"?`,
		`{"items":[],"expect":{"error":{"kind":"deny"}}}`:                          `c.json:1:39: expect/error/kind: there is no kind of errors "deny"; there are failed, invalid, not found, denied,`,
		`{"items":[],"expect":{"calls":[{"op":"raed/v1"}]}}`:                       `expect/calls/0/op: there is no operation "raed/v1"; did you mean "read/v1"?`,
		`{"items":[],"expect":{"calls":[{"op":"read/v1","status":"no"}]}}`:         `expect/calls/0/status: there is no status "no"`,
		`{"items":[],"expect":{"log":["inof x"]}}`:                                 `expect/log/0: expected a level in front of the line; did you mean "info"?`,
		`{"items":[],"host":{"http":[{"url":"x","status":99999999999999999999}]}}`: "c.json: ",
	} {
		if _, err := Parse("c.json", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// All mistakes are reported, in the order in which they stand in the file.
func TestParseReportsAll(t *testing.T) {
	_, err := Parse("c.json", []byte("{\"expect\": {\"items\": [{\"key\": \"z\"}]},\n\"hooks\": [\"x\"],\n\"items\": [{}]}"))
	want := "c.json:1:31: expect/items/0/key: the case has no item \"z\": there is none\nc.json:2:11: hooks/0: there is no hook \"x\"; there are setup, filter, prepare, fetch_one\nc.json:3:11: items/0: expected a key"
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

// asked makes a fake host of a case and asks it, granted all that it takes.
func asked(t *testing.T, text string) func(op, req string) (abi.Status, string) {
	t.Helper()
	c, err := Parse("c.json", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	m := &plugin.Manifest{Name: "p", Capabilities: []plugin.Capability{
		{Name: "read", Values: []string{"/"}}, {Name: "stat", Values: []string{"/"}}, {Name: "env", Values: []string{"A", "B"}},
		{Name: "exec", Values: []string{"cat"}}, {Name: "http", Values: []string{"*"}}, {Name: "download", Values: []string{"*"}},
		{Name: "secrets", Values: []string{"s", "t"}},
	}}
	g, err := c.grant(m)
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{c: c, manifest: m, rules: host.NewRules(m, g), hook: abi.FetchOne, keys: map[string]bool{"k": true}, asked: map[string]bool{}, used: map[int]bool{}, usedHTTP: map[int]bool{}}
	return func(op, req string) (abi.Status, string) {
		status, result := f.Call(t.Context(), op, []byte(req))
		if len(f.calls) == 0 || f.calls[len(f.calls)-1].Op != op {
			t.Errorf("the call of %s is not recorded", op)
		}
		return status, string(result)
	}
}

func TestAnswers(t *testing.T) {
	ask := asked(t, `{"items":[],"host":{
		"files": {"/etc/a": "text", "/etc/d/b": ""}, "env": {"A": "1"}, "secrets": ["s"],
		"exec": [{"program": "cat", "args": ["x"], "error": "broke"}, {"program": "cat", "stdout": "out"}],
		"http": [{"url": "https://a/", "status": 503}, {"url": "https://a/", "body": "b\n", "headers": {"X": "y"}}, {"method": "POST", "url": "https://b/", "request_body": "q"},
			{"url": "https://c/", "error": "no route"}],
		"calls": [{"op": "env/v1", "request": {"name": "B"}, "status": "limit"}, {"op": "own/v1", "text": "first"}, {"op": "own/v1", "result": [2]}]
	}}`)
	for i, c := range []struct {
		op, req string
		status  abi.Status
		want    string
	}{
		{"read/v1", `{"path":"/etc/a"}`, abi.OK, "text"},
		{"read/v1", `{"path":"/etc/b"}`, abi.NotFound, "no such file"},
		{"read/v1", `{"path":"/etc/d"}`, abi.Failed, "is a directory"},
		{"stat/v1", `{"path":"/etc/a"}`, abi.OK, `{"type":"file","size":4}`},
		{"stat/v1", `{"path":"/etc/d"}`, abi.OK, `{"type":"dir"}`},
		{"stat/v1", `{"path":"/e"}`, abi.OK, `{"type":"none"}`},
		{"list/v1", `{"path":"/etc/"}`, abi.OK, `{"names":["a","d"]}`},
		{"list/v1", `{"path":"/e"}`, abi.NotFound, "no such file"},
		{"env/v1", `{"name":"A"}`, abi.OK, `{"set":true,"value":"1"}`},
		{"env/v1", `{"name":"B"}`, abi.Limit, ""},
		{"env/v1", `{"name":"C"}`, abi.Denied, "does not request env"},
		{"exec/v1", `{"program":"cat","args":["x"]}`, abi.Failed, "broke"},
		{"exec/v1", `{"program":"cat"}`, abi.OK, "out"},
		{"http/v1", `{"url":"https://a/"}`, abi.OK, `"status":503`},
		{"http/v1", `{"url":"https://a/"}`, abi.OK, "\nb\n"},
		{"http/v1", `{"url":"https://a/"}`, abi.OK, `{"name":"X","value":"y"}`},
		{"http/v1", `{"method":"POST","url":"https://b/","body":"q"}`, abi.OK, `"status":200`},
		{"http/v1", `{"method":"POST","url":"https://b/","body":"r"}`, abi.Failed, "no server"},
		{"http/v1", `{"url":"https://c/"}`, abi.Failed, `"network"`},
		{"own/v1", `x`, abi.OK, "first"},
		{"own/v1", `x`, abi.OK, "[2]"},
		{"own/v1", `x`, abi.OK, "[2]"},
		{"other/v1", `x`, abi.Unsupported, "does not know"},
		{"download/v1", `{"key":"k","urls":["https://a/"],"headers":[{"name":"X","secret":"t"}]}`, abi.Denied, "secrets"},
		{"download/v1", `{"key":"z","urls":["https://a/"]}`, abi.Invalid, "no item z"},
		{"put/v1", "{\"key\":\"k\",\"more\":true}\none", abi.OK, ""},
		{"put/v1", "{\"key\":\"k\"}\ntwo", abi.OK, ""},
		{"download/v1", `{"key":"k","urls":["https://a/"],"headers":[{"name":"X","secret":"s"}]}`, abi.Invalid, "already"},
	} {
		if status, result := ask(c.op, c.req); status != c.status || !strings.Contains(result, c.want) {
			t.Errorf("%d: %s %s: %v %q, want %v %q", i, c.op, c.req, status, result, c.status, c.want)
		}
	}
}

func TestCompare(t *testing.T) {
	const items = `"items":[{"key":"a","desc":{"url":"x"}},{"key":"b","desc":"y"}]`
	for name, c := range map[string]struct {
		expect string
		got    Expect
		differ []string
	}{
		"nothing happens": {`{}`, Expect{}, nil},
		"order of fields, space": {
			`{"items":[{"key":"a","desc":{ "b":1, "a":2 }}]}`, Expect{Items: []Outcome{{Key: "a", Desc: json.RawMessage(`{"a":2,"b":1}`)}}}, nil,
		},
		"a change that is not expected": {
			`{}`, Expect{Items: []Outcome{{Key: "a", Desc: json.RawMessage(`{"url":"z"}`)}}},
			[]string{"item a: the description differs", `    {`, `  -   "url": "x"`, `  +   "url": "z"`, `    }`},
		},
		"a skip": {
			`{"items":[{"key":"a","skip":"s"}]}`, Expect{}, []string{"item a: the reason to skip it differs", "  - s"},
		},
		"the kind alone": {
			`{"items":[{"key":"a","error":{"kind":"denied"}}]}`, Expect{Items: []Outcome{{Key: "a", Error: &Failure{Kind: "denied", Message: "m"}}}}, nil,
		},
		"another kind": {
			`{"items":[{"key":"a","error":{"kind":"denied"}}]}`, Expect{Items: []Outcome{{Key: "a", Error: &Failure{Kind: "tls"}}}},
			[]string{"item a: the error differs", "  - kind: denied", "  + kind: tls"},
		},
		"the page fails": {
			`{}`, Expect{Error: &Failure{Message: "m"}}, []string{"the page's error was not expected", "  + message: m"},
		},
		"calls, zero fields": {
			`{"calls":[{"op":"o/v1","request":{"a":1,"b":[]}}]}`, Expect{Calls: []Call{{Op: "o/v1", Request: json.RawMessage(`{"a":1,"c":""}`)}}}, nil,
		},
		"a call too few": {
			`{"calls":[{"op":"o/v1"}]}`, Expect{}, []string{"the calls differ", "  - o/v1"},
		},
		"calls are not compared": {`{}`, Expect{Calls: []Call{{Op: "o/v1"}}}, nil},
		"the log":                {`{"log":["info a"]}`, Expect{Log: []string{"info b"}}, []string{"the log differs", "  - info a", "  + info b"}},
	} {
		t.Run(name, func(t *testing.T) {
			parsed, err := Parse("c.json", []byte(`{`+items+`,"expect":`+c.expect+`}`))
			if err != nil {
				t.Fatal(err)
			}
			if got := compare(parsed, c.got); !slices.Equal(got, c.differ) {
				t.Errorf("got %q\nwant %q", got, c.differ)
			}
		})
	}
}

// What Update writes is what happens, wherever it stands in the file.
func TestUpdate(t *testing.T) {
	res := &Result{Case: &Case{}, Got: Expect{Calls: []Call{}, Log: []string{"info dropped"}, Items: []Outcome{{Key: "a", Skip: "<s>"}}}}
	for _, file := range []string{
		`{"items":[{"key":"a","desc":{"expect":{}}}],"expect":{"calls":[]},"summary":"after"}`,
		`{"items":[{"key":"a","desc":{"expect":{}}}]}`,
		"{\n  \"items\": [{\"key\": \"a\", \"desc\": \"}\"}]\n}\n",
	} {
		out, err := Update([]byte(file), res)
		if err != nil {
			t.Fatal(err)
		}
		c, err := Parse("c.json", out)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if len(c.Items) != 1 || c.Expect.Log != nil || len(c.Expect.Items) != 1 || c.Expect.Items[0].Skip != "<s>" || c.Expect.Calls == nil {
			t.Errorf("%s\nbecame\n%s", file, out)
		}
		if strings.Contains(file, "after") != strings.Contains(string(out), `"summary":"after"`) {
			t.Errorf("what follows is lost:\n%s", out)
		}
	}
	if _, err := Update([]byte(`[]`), res); err == nil {
		t.Error("an array is updated")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"items":[{"key":"a","desc":1}],"expect":{"calls":[{"op":"x"}]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("c.json", data)
		if err != nil {
			return
		}
		out, err := Update(data, &Result{Case: c, Got: c.Expect})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse("c.json", out); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	})
}
