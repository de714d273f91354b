package conformance

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sourcehost/sourcehost/internal/abi"
)

// cases are what docs/conformance.md says, in its order.
func cases() []testCase {
	return slices.Concat(setupCases(), filterCases(), pageCases(), jsonCases(), operationCases(), serverCases(), worldCases(), failureCases(), fetchCases())
}

func setupCases() []testCase {
	return []testCase{
		{hook: abi.Setup, name: "setup logs the source", logs: []string{"1 setup " + source}},
		{
			hook: abi.Setup, name: "setup fails", page: abi.Page{Config: []byte(`{"fail":"not \u0074oday"}`)}, logs: []string{"1 setup " + source},
			fails: outcome{kind: "invalid", message: "not today", hint: "remove it"},
		},
	}
}

func filterCases() []testCase {
	return []testCase{
		{hook: abi.Filter, name: "an empty page"},
		{hook: abi.Filter, name: "items are skipped, fail, or stay", items: []item{
			{`{"do":"skip","reason":"we have \"it\""}`, outcome{skip: `we have "it"`}},
			{`{"do":"nothing that filter knows"}`, outcome{}},
			{`"https://host.example/a"`, outcome{}},
			{`{"do":"fail","kind":"denied","message":"not that one","hint":"ask"}`, outcome{kind: "denied", message: "not that one", hint: "ask"}},
			{`{"do":"echo","value":1}`, outcome{}},
		}},
	}
}

func pageCases() []testCase {
	var many []item
	for i := range 256 {
		text := fmt.Sprintf(`"item %d"`, i)
		switch i % 4 {
		case 0:
			many = append(many, item{`{"do":"echo","value":` + text + `}`, outcome{desc: `{"echo":` + text + `}`}})
		case 1:
			many = append(many, item{`{"do":"keep"}`, outcome{}})
		case 2:
			many = append(many, item{`{"do":"fail","kind":"timeout","message":` + text + `}`, outcome{kind: "timeout", message: fmt.Sprintf("item %d", i)}})
		default:
			many = append(many, item{`{"do":"count"}`, outcome{desc: fmt.Sprintf(`{"count":%d}`, i/4+1)}})
		}
	}
	large := strings.Repeat("x", 3<<20)
	return []testCase{
		{hook: abi.Prepare, name: "an empty page"},
		{hook: abi.Prepare, name: "a page of 256 items", items: many},
		{
			hook: abi.Prepare, name: "what a page has", page: abi.Page{Source: "org.example.ü\"", Options: []byte(`{"a":[1,{"b":null}]}`), Config: []byte(`{"c":true}`), Format: "dir"},
			items: []item{{`{"do":"page"}`, outcome{desc: `{"source":"org.example.ü\"","format":"dir","options":{"a":[1,{"b":null}]},"config":{"c":true},"key":"` + key(0) + `"}`}}},
			logs:  nil,
		},
		{
			hook: abi.Prepare, name: "what a page has not",
			items: []item{{`{"do":"page"}`, outcome{desc: `{"source":"org.osbuild.curl","format":"","options":{},"config":{},"key":"` + key(0) + `"}`}}},
		},
		{hook: abi.Prepare, name: "output of 3 MiB", items: []item{{`{"do":"large","size":3145728}`, outcome{desc: `{"text":"` + large + `"}`}}}},
		{hook: abi.Prepare, name: "input of 3 MiB", items: []item{{`{"do":"text","text":"` + large + `"}`, outcome{desc: `{"bytes":3145728,"text":"` + large + `"}`}}}},
		{hook: abi.Prepare, name: "log lines at each level", logs: []string{"0 debug", "1 info", "2 wärn", "3 error"}, items: []item{
			{`{"do":"log","level":0,"text":"debug"}`, outcome{}}, {`{"do":"log","level":1,"text":"info"}`, outcome{}},
			{`{"do":"log","level":2,"text":"wärn"}`, outcome{}}, {`{"do":"log","level":3,"text":"error"}`, outcome{}},
		}},
	}
}

// texts are strings as they may stand in JSON, and as they are to come back.
func jsonCases() []testCase {
	var texts []item
	for _, t := range []struct {
		json string
		n    int
	}{
		{`""`, 0}, {`"plain"`, 5}, {`"\"\\\/\b\f\n\r\t"`, 8}, {`"\u0000\u001f\u007f"`, 3}, {`"\u00e9\u00E9é"`, 6},
		{`"\u20ac€"`, 6}, {`"\ud83d\ude00😀"`, 8}, {`"\ud800\udc00\uDBFF\uDFFF"`, 8}, {`"\ufffd\uffff\u2028"`, 9}, {`"a\u0062c"`, 3},
		{`"{\"do\":[1,2]}],}"`, 15}, {`"\\u0041"`, 6}, {`"\\"`, 1},
	} {
		texts = append(texts, item{`{"do":"text","text":` + t.json + `}`, outcome{desc: fmt.Sprintf(`{"text":%s,"bytes":%d}`, t.json, t.n)}})
	}
	texts = append(texts, item{`{"do":"text"}`, outcome{desc: `{"text":"","bytes":0}`}})
	var values []item
	deep := strings.Repeat("[", 100) + strings.Repeat("]", 100)
	for _, v := range []string{
		"null", "true", "false", "0", "-0", "-12.5e-3", "123456789012345678901234567890", "1.0", `""`, "[]", "{}", "[ 1 , 2 ]",
		`{"a":{"b":[{"c":"}]\""}]}}`, `"\ud83d\ude00"`, `{"\u0064o":"x","":1}`, deep,
	} {
		values = append(values, item{`{"do":"echo","value":` + v + `}`, outcome{desc: `{"echo":` + v + `}`}})
	}
	return []testCase{
		{hook: abi.Prepare, name: "strings, both ways", items: texts},
		{hook: abi.Prepare, name: "values as they stand", items: values},
		{hook: abi.Prepare, name: "space, escaped names, other members", items: []item{
			{" { \"x\" : [ { } , \"\\\"\" ] ,\n\t\"d\\u006f\" : \"te\\u0078t\" ,\r \"text\" : \"t\" } ", outcome{desc: `{"text":"t","bytes":1}`}},
			{`{"x":{"do":"trap"},"do":"count"}`, outcome{desc: `{"count":1}`}},
		}},
		{hook: abi.Prepare, name: "descriptions that are not for the guest", items: []item{
			{`null`, outcome{}}, {`"do"`, outcome{}}, {`7`, outcome{}}, {`[]`, outcome{}}, {`["do","trap"]`, outcome{}}, {`{}`, outcome{}}, {`{"do":"what is this"}`, outcome{}}, {`true`, outcome{}},
		}},
		{hook: abi.Prepare, name: "a wrong type is the item's error", items: []item{
			{`{"do":"text","text":5}`, outcome{kind: "invalid", anyMessage: true}},
			{`{"do":"text","text":["a"]}`, outcome{kind: "invalid", anyMessage: true}},
			{`{"do":"text","text":"b"}`, outcome{desc: `{"text":"b","bytes":1}`}},
		}},
	}
}

// one is a case of prepare with one item and one operation.
func one(name, desc string, want outcome, x exchange) testCase {
	return testCase{hook: abi.Prepare, name: name, items: []item{{desc, want}}, calls: []exchange{x}}
}

func answers(desc string) outcome { return outcome{desc: desc} }

func operationCases() []testCase {
	reading := `{"do":"read","path":"/etc/\u0061"}`
	return []testCase{
		one("read/v1", reading, answers(`{"read":"line 1\nü\t\u0001\u0000\""}`), exchange{op: abi.OpRead, request: `{"path":"/etc/a"}`, result: "line 1\nü\t\x01\x00\""}),
		one("read/v1 of nothing", reading, answers(`{"read":""}`), exchange{op: abi.OpRead, request: `{"path":"/etc/a"}`}),
		one("read/v1 of 1 MiB", reading, answers(`{"read":"`+strings.Repeat("ab", 1<<19)+`"}`), exchange{op: abi.OpRead, request: `{"path":"/etc/a"}`, result: strings.Repeat("ab", 1<<19)}),
		{
			hook: abi.Prepare, name: "each call has a result of its own", items: []item{
				{reading, answers(`{"read":"first, which is longer"}`)}, {reading, answers(`{"read":"second"}`)}, {reading, answers(`{"read":""}`)},
			},
			calls: []exchange{
				{op: abi.OpRead, request: `{"path":"/etc/a"}`, result: "first, which is longer"},
				{op: abi.OpRead, request: `{"path":"/etc/a"}`, result: "second"}, {op: abi.OpRead, request: `{"path":"/etc/a"}`},
			},
		},
		one("stat/v1", `{"do":"stat","path":"/a"}`, answers(`{"type":"file","size":5000000000}`), exchange{op: abi.OpStat, request: `{"path":"/a"}`, result: `{"later":[1],"size":5000000000,"type":"file"}`}),
		one("stat/v1 of what is not there", `{"do":"stat","path":"/a"}`, answers(`{"type":"none","size":0}`), exchange{op: abi.OpStat, request: `{"path":"/a"}`, result: `{"type":"none"}`}),
		one("list/v1", `{"do":"list","path":"/d/"}`, answers(`{"names":["a","b \"c\"","ü"]}`), exchange{op: abi.OpList, request: `{"path":"/d/"}`, result: `{"names":["a","b \"c\"","\u00fc"]}`}),
		one("list/v1 of an empty folder", `{"do":"list","path":"/d/"}`, answers(`{"names":[]}`), exchange{op: abi.OpList, request: `{"path":"/d/"}`, result: `{}`}),
		one("env/v1", `{"do":"env","name":"TOKEN"}`, answers(`{"set":true,"value":"a=\"b\""}`), exchange{op: abi.OpEnv, request: `{"name":"TOKEN"}`, result: `{"set":true,"value":"a=\"b\""}`}),
		one("env/v1 of an unset variable", `{"do":"env","name":"TOKEN"}`, answers(`{"set":false,"value":""}`), exchange{op: abi.OpEnv, request: `{"name":"TOKEN"}`, result: `{}`}),
		one("exec/v1", `{"do":"exec","program":"cat","args":["-n","\"x\""],"env":["HOME"],"stdin":"in\n"}`, answers(`{"output":"1 in\n"}`),
			exchange{op: abi.OpExec, request: `{"program":"cat","args":["-n","\"x\""],"env":["HOME"],"stdin":"in\n"}`, result: "1 in\n"}),
		one("call as it stands", `{"do":"call","op":"own/v3","request":"not \"JSON\"\n"}`, answers(`{"status":0,"result":"nor this"}`),
			exchange{op: "own/v3", request: "not \"JSON\"\n", exact: true, result: "nor this"}),
		one("call with a status that nobody knows", `{"do":"call","op":"own/v3","request":""}`, answers(`{"status":4000000000,"result":""}`),
			exchange{op: "own/v3", exact: true, status: 4000000000}),
	}
}

// serverCases are about servers and secrets that are bound to them.
func serverCases() []testCase {
	hmac := `"secret":"s","prefix":"AWS4","url":"https://s3.example/","data":["20260101","eu\u0022","","line\nline"]}`
	probe := `"urls":["https://a.example/","http://b.example/\"x\"","https://c.example:8443/"]}`
	return []testCase{
		one("http/v1", `{"do":"http","method":"POST","url":"https://login.example/t","headers":[{"name":"Accept","value":"a/b"},{"name":"Authorization","secret":"s","prefix":"Basic "}],"body":"a=b&c=d"}`,
			answers(`{"status":201,"headers":[{"name":"X","value":"y"}],"body":"line\nline"}`),
			exchange{
				op: abi.OpHTTP, request: `{"method":"POST","url":"https://login.example/t","headers":[{"name":"Accept","value":"a/b"},{"name":"Authorization","secret":"s","prefix":"Basic "}],"body":"a=b&c=d"}`,
				result: `{"status":201,"url":"https://login.example/t","headers":[{"name":"X","value":"y"}],"millis":3}` + "\nline\nline",
			}),
		one("hmac/v1", `{"do":"hmac",`+hmac, answers(`{"digest":"00ff"}`), exchange{op: abi.OpHMAC, request: `{` + hmac, result: `{"later":1,"digest":"00ff"}`}),
		one("hmac/v1 that is denied", `{"do":"hmac",`+hmac, outcome{kind: "denied", message: "not bound", hint: "bind it"},
			exchange{op: abi.OpHMAC, request: `{` + hmac, status: abi.Denied, result: `{"kind":"denied","message":"not bound","hint":"bind it"}`}),
		one("probe/v1", `{"do":"probe",`+probe, answers(`{"millis":[12,-1,4000]}`), exchange{op: abi.OpProbe, request: `{` + probe, result: `{"millis":[12, -1 ,4000]}`}),
		one("probe/v1 of nothing", `{"do":"probe","urls":[]}`, answers(`{"millis":[]}`), exchange{op: abi.OpProbe, request: `{}`, result: `{"millis":[]}`}),
		one("probe/v1 that is denied", `{"do":"probe",`+probe, outcome{kind: "denied", message: "no"},
			exchange{op: abi.OpProbe, request: `{` + probe, status: abi.Denied, result: `{"kind":"denied","message":"no"}`}),
	}
}

// worldCases are about what a plugin has by WASI, with the capabilities clock and random.
func worldCases() []testCase {
	random := item{fmt.Sprintf(`{"do":"random","size":%d}`, randomBytes), outcome{like: likeRandom}}
	return []testCase{
		{hook: abi.Prepare, name: "the time", items: []item{{`{"do":"time"}`, outcome{like: likeTime}}, {`{"do":"time"}`, outcome{like: likeTime}}}},
		{hook: abi.Prepare, name: "random numbers", items: []item{random, random}, differs: true},
		{hook: abi.Prepare, name: "no random numbers", items: []item{{`{"do":"random","size":0}`, answers(`{"bytes":[]}`)}}},
	}
}

func failureCases() []testCase {
	failing := func(name string, status abi.Status, result string, want outcome) testCase {
		return one("an operation fails: "+name, `{"do":"read","path":"/a"}`, want, exchange{op: abi.OpRead, request: `{"path":"/a"}`, status: status, result: result})
	}
	kind := func(kind string) outcome { return outcome{kind: kind, anyMessage: true} }
	return []testCase{
		failing("with an Error", abi.Failed, `{"kind":"network","message":"it \"broke\"","hint":"mend it"}`, outcome{kind: "network", message: `it "broke"`, hint: "mend it"}),
		failing("denied", abi.Denied, `{"kind":"denied","message":"no"}`, outcome{kind: "denied", message: "no"}),
		failing("the status says more than the kind", abi.NotFound, `{"kind":"failed","message":"gone"}`, outcome{kind: "not found", message: "gone"}),
		failing("the kind is not known", abi.Denied, `{"kind":"later","message":"no","hint":"h"}`, outcome{kind: "denied", message: "no", hint: "h"}),
		failing("unsupported, without an Error", abi.Unsupported, ``, kind("failed")),
		failing("denied, without an Error", abi.Denied, ``, kind("denied")),
		failing("invalid, with something else", abi.Invalid, `not JSON`, kind("invalid")),
		failing("not found, without an Error", abi.NotFound, `{}`, kind("not found")),
		failing("limit, without an Error", abi.Limit, ``, kind("failed")),
		failing("a status that nobody knows", 77, ``, kind("failed")),
		{
			hook: abi.Prepare, name: "an item's error leaves the others alone", items: []item{
				{`{"do":"fail","kind":"mismatch","message":"wrong \u20ac","hint":"h\u0069nt"}`, outcome{kind: "mismatch", message: "wrong €", hint: "hint"}},
				{`{"do":"count"}`, answers(`{"count":1}`)},
			},
		},
		{hook: abi.Prepare, name: "a trap", items: []item{{desc: `{"do":"trap"}`}}, traps: true},
	}
}

func fetchCases() []testCase {
	k := func(i int, rest string) string { return `{"key":"` + key(i) + `",` + rest }
	download := `"urls":["https://a.example/x","http://b.example/\"y\""],"headers":[{"name":"A","value":"b"},{"name":"C","secret":"d","prefix":"e "}],"insecure":true,"tls":{"ca":"/ca","cert":"/c","key":"/k"},"proxy_env":"P"}`
	image := `"name":"registry.example/a","digest":"sha256:1","transport":"docker","format":"dir","remove_signatures":true}`
	run := `"steps":[{"program":"a","args":["{scratch}/output"]},{"program":"b","stdin":"x"}],"finally":[{"program":"c"}],"from":"there"}`
	return []testCase{
		{hook: abi.FetchOne, name: "an empty page"},
		{hook: abi.FetchOne, name: "download/v1", items: []item{{`{"do":"download",` + download, outcome{}}, {`{"do":"download","urls":["file:///a"]}`, outcome{}}},
			calls: []exchange{{op: abi.OpDownload, request: k(0, download)}, {op: abi.OpDownload, request: k(1, `"urls":["file:///a"]}`)}}},
		{hook: abi.FetchOne, name: "copy-image/v1", items: []item{{`{"do":"copy-image",` + image, outcome{}}}, calls: []exchange{{op: abi.OpCopyImage, request: k(0, image)}}},
		{hook: abi.FetchOne, name: "run/v1", items: []item{{`{"do":"run",` + run, outcome{}}}, calls: []exchange{{op: abi.OpRun, request: k(0, run)}}},
		{hook: abi.FetchOne, name: "put/v1", items: []item{{`{"do":"put","parts":["one\n","two \u00fc","\u0000"]}`, outcome{}}, {`{"do":"put","parts":[""]}`, outcome{}}}, calls: []exchange{
			{op: abi.OpPut, request: k(0, `"more":true}`), content: "one\n"}, {op: abi.OpPut, request: k(0, `"more":true}`), content: "two ü"},
			{op: abi.OpPut, request: `{"key":"` + key(0) + `"}`, content: "\x00"}, {op: abi.OpPut, request: `{"key":"` + key(1) + `"}`},
		}},
		{hook: abi.FetchOne, name: "what is denied fails its item", items: []item{
			{`{"do":"download","urls":["file:///a"]}`, outcome{kind: "denied", message: "not granted", hint: "ask"}},
			{`{"do":"fail","kind":"invalid","message":"m"}`, outcome{kind: "invalid", message: "m"}},
			{`{"do":"nothing"}`, outcome{}},
		}, calls: []exchange{{op: abi.OpDownload, request: k(0, `"urls":["file:///a"]}`), status: abi.Denied, result: `{"kind":"denied","message":"not granted","hint":"ask"}`}}},
	}
}
