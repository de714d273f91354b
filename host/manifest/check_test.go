package manifest

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	hex64  = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	sha256 = "sha256:" + hex64
)

// curlSchema is a schema such as real sources have.
func curlSchema(t testing.TB) *Schema {
	t.Helper()
	text, err := os.ReadFile("testdata/curl.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	s, err := CompileSchema("curl", text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// valueSchema compiles a schema as it stands.
func valueSchema(t testing.TB, text string) *Schema {
	t.Helper()
	s, err := CompileValueSchema("test", []byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return s
}

// lines writes problems as "pointer: message".
func lines(p Problems) []string {
	var all []string
	for _, x := range p {
		all = append(all, x.Pointer+": "+x.Message)
	}
	return all
}

// adversary: C9i
func TestSourceProblems(t *testing.T) {
	s := curlSchema(t)
	at := "/sources/c/items/" + sha256
	for name, c := range map[string]struct {
		source string
		want   []string
	}{
		"a URL":                {`{"items":{"` + sha256 + `":"http://a/"}}`, nil},
		"an object":            {`{"items":{"` + sha256 + `":{"url":"http://a/","insecure":true,"secrets":{"name":"x"}}}}`, nil},
		"an alias":             {`{"urls":{"` + sha256 + `":"http://a/"}}`, nil},
		"no items at all":      {`{}`, []string{`/sources/c: "items" or "urls" is missing`}},
		"both":                 {`{"items":{},"urls":{}}`, []string{`/sources/c: "items" and "urls" exclude each other; keep one`}},
		"unknown at root":      {`{"items":{},"option":{}}`, []string{`/sources/c/option: unknown property "option"; known are items, urls`}},
		"misspelt at root":     {`{"itmes":{}}`, []string{`/sources/c/itmes: unknown property "itmes"; did you mean "items"?`, `/sources/c: "items" or "urls" is missing`}},
		"items of wrong type":  {`{"items":[1]}`, []string{`/sources/c/items: expected an object, found an array`}},
		"not an object":        {`7`, []string{`/sources/c: expected an object, found the number 7`}},
		"item of wrong type":   {`{"items":{"` + sha256 + `":5}}`, []string{at + `: expected a string or an object, found the number 5`}},
		"url missing":          {`{"items":{"` + sha256 + `":{}}}`, []string{at + `: "url" is missing`}},
		"url of wrong type":    {`{"items":{"` + sha256 + `":{"url":["a"]}}}`, []string{at + `/url: expected a string, found an array`}},
		"misspelt property":    {`{"items":{"` + sha256 + `":{"url":"a","insecrue":true}}}`, []string{at + `/insecrue: unknown property "insecrue"; did you mean "insecure"?`}},
		"several at once":      {`{"items":{"` + sha256 + `":{"insecure":"yes","secrets":{"nam":1}}}}`, []string{at + `: "url" is missing`, at + `/insecure: expected true or false, found the string "yes"`, at + `/secrets: "name" is missing`, at + `/secrets/nam: unknown property "nam"; did you mean "name"?`}},
		"short digest":         {`{"items":{"sha256:abc":"a"}}`, []string{`/sources/c/items/sha256:abc: key "sha256:abc" is not ALGO:HEX: sha256 takes 64 hexadecimal digits, found 3`}},
		"upper case":           {`{"items":{"sha256:` + strings.ToUpper(hex64) + `":"a"}}`, []string{`/sources/c/items/sha256:` + strings.ToUpper(hex64) + `: key "sha256:` + strings.ToUpper(hex64) + `" is not ALGO:HEX: 'A' is no hexadecimal digit (0-9, a-f)`}},
		"unknown algorithm":    {`{"items":{"crc:00":"a"}}`, []string{`/sources/c/items/crc:00: key "crc:00" is not ALGO:HEX: the algorithm is "crc", expected md5, sha1, sha256, sha384 or sha512`}},
		"no algorithm":         {`{"items":{"x":"a"}}`, []string{`/sources/c/items/x: key "x" is not ALGO:HEX: expected for example "sha256:" and 64 hexadecimal digits`}},
		"path in front":        {`{"items":{"../sha256:` + hex64 + `":"a"}}`, []string{`/sources/c/items/..~1sha256:` + hex64 + `: key "../sha256:` + hex64 + `" is not ALGO:HEX: the algorithm is "../sha256", expected md5, sha1, sha256, sha384 or sha512`}},
		"look-alike":           {"{\"items\":{\"sha256:а" + hex64[1:] + "\":\"a\"}}", []string{"/sources/c/items/sha256:а" + hex64[1:] + ": key \"sha256:а" + hex64[1:] + "\" is not ALGO:HEX: 'а' is no hexadecimal digit (0-9, a-f)"}},
		"NUL":                  {`{"items":{"sha256:\u0000":"a"}}`, []string{"/sources/c/items/sha256:\x00: key \"sha256:\\x00\" is not ALGO:HEX: '\\x00' is no hexadecimal digit (0-9, a-f)"}},
		"in the order of text": {`{"items":{"z":"a","a":"a"},"x":1}`, []string{`/sources/c/x: unknown property "x"; known are items, urls`, `/sources/c/items/z: key "z" is not ALGO:HEX: expected for example "sha256:" and 64 hexadecimal digits`, `/sources/c/items/a: key "a" is not ALGO:HEX: expected for example "sha256:" and 64 hexadecimal digits`}},
		"the same key twice":   {`{"items":{"` + sha256 + `":"a","` + sha256 + `":"b"}}`, []string{at + `: the name stands twice in this object (byte 88 of 167)`}},
		"not JSON":             {`{"items":{"` + sha256 + `":}}`, []string{at + `: expected a value, found '}' (byte 84 of 86)`}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, lines(s.Check("/sources/c", []byte(c.source)))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestOptionsAreNotAllowedUnlessNamed(t *testing.T) {
	const open = `{"properties":{"items":{"type":"object"}},"additionalProperties":true}`
	s, err := CompileSchema("open", []byte(open))
	if err != nil {
		t.Fatal(err)
	}
	if p := s.Check("", []byte(`{"items":{},"options":{}}`)); p != nil {
		t.Errorf("a schema that allows others: %v", p)
	}
	closed := strings.Replace(open, `,"additionalProperties":true`, "", 1)
	if s, err = CompileSchema("closed", []byte(closed)); err != nil {
		t.Fatal(err)
	}
	if p := s.Check("", []byte(`{"items":{},"options":{}}`)); len(p) != 1 {
		t.Errorf("a schema that says nothing: %v", p)
	}
	// An item's schema is left as it stands.
	if p := valueSchema(t, closed).Check("", []byte(`{"items":{},"options":{}}`)); p != nil {
		t.Errorf("a value schema: %v", p)
	}
}

// TestRootReference: a schema that is nothing but a reference is checked as a
// whole, and what stands beside the reference does not count in draft 4.
func TestRootReference(t *testing.T) {
	s, err := CompileSchema("ref", []byte(`{"$ref":"#/definitions/d","definitions":{"d":{"required":["items"]}}}`))
	if err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string]int{`{"items":{},"x":1}`: 0, `{}`: 1} {
		if p := s.Check("", []byte(value)); len(p) != want {
			t.Errorf("%s: %v", value, p)
		}
	}
}

func TestCheckSourceNamesTheSource(t *testing.T) {
	m, err := Parse([]byte(`{"manifest":{"version":"2","sources":{"org.x/y":{"items":{"a":1}}}}}`), Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := curlSchema(t).CheckSource(&m.Sources[0])
	if len(p) != 1 || p[0].Source != "org.x/y" || p[0].Pointer != "/manifest/sources/org.x~1y/items/a" {
		t.Errorf("got %+v", p)
	}
}

func TestManyProblemsAreCounted(t *testing.T) {
	text := func(n int) []byte {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"k%d":1`, i)
		}
		return []byte(`{"items":{` + b.String()[1:] + `}}`)
	}
	p := curlSchema(t).Check("/s", text(MaxProblems+50))
	if len(p) != MaxProblems+1 || p[MaxProblems] != (Problem{Pointer: "/s", Message: "50 further problems, which are not listed"}) {
		t.Errorf("%d problems, the last is %v", len(p), p[len(p)-1])
	}
	p = curlSchema(t).Check("/s", text(maxCounted+50))
	if len(p) != MaxProblems+1 || p[MaxProblems].Message != "more than 9899 further problems, which are not listed" {
		t.Errorf("%d problems, the last is %v", len(p), p[len(p)-1])
	}
}

// Items are checked on all processors, and what is wrong with them is listed in the
// order of the text.
func TestProblemsOfManyItemsAreInOrder(t *testing.T) {
	const items, every = 20 * batchSize, 29
	var b strings.Builder
	var want []string
	for i := range items {
		value := `"http://mirror.test/x"`
		if i%every == 0 {
			value = "1"
			want = append(want, fmt.Sprintf("/s/items/sha256:%064x", i))
		}
		fmt.Fprintf(&b, `,"sha256:%064x":%s`, i, value)
	}
	s := curlSchema(t)
	for range 20 {
		var got []string
		for _, p := range s.Check("/s", []byte(`{"items":{`+b.String()[1:]+`}}`)) {
			got = append(got, p.Pointer)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("got the problems of\n%q\nwant\n%q", got, want)
		}
	}
}

// adversary: C9i, C9j
func TestValueProblems(t *testing.T) {
	for _, c := range []struct{ schema, value, want string }{
		{`{"enum":["docker","containers-storage"]}`, `"dokcer"`, `: expected "docker" or "containers-storage", found the string "dokcer"; did you mean "docker"?`},
		{`{"enum":[1,null,{"a":1.0}]}`, `{"a":1}`, ``},
		{`{"minimum":1,"maximum":3}`, `4`, `: expected a number of at most 3, found 4`},
		{`{"minimum":1,"exclusiveMinimum":true}`, `1.0`, `: expected a number greater than 1, found 1.0`},
		{`{"maximum":1,"exclusiveMaximum":true}`, `1`, `: expected a number less than 1, found 1`},
		{`{"multipleOf":0.5}`, `0.75`, `: expected a multiple of 0.5, found 0.75`},
		{`{"type":"integer"}`, `1.5`, `: expected an integer, found the number 1.5`},
		{`{"type":"integer"}`, `1.0e2`, ``},
		{`{"type":"integer"}`, `1e999999999`, `: the number 1e999999999 is out of range (byte 11 of 11)`},
		{`{"type":"number"}`, strings.Repeat("1", 101), `: a number of 101 characters; at most 100 are allowed (byte 101 of 101)`},
		{`{"type":"string"}`, `1234567890123456789012345678901`, `: expected a string, found the number 123456789012345678901234…`},
		{`{"type":"number"}`, `null`, `: expected a number, found null`},
		{`{"enum":[true,0.5]}`, `false`, `: expected true or the number 0.5, found false`},
		{`{"minimum":0.5}`, `0`, `: expected a number of at least 0.5, found 0`},
		{`{"pattern":"^sha1:[0-9a-f]{40}$"}`, `"sha1:` + strings.Repeat("0", 40) + `\n"`, `: "sha1:` + strings.Repeat("0", 40) + `\n" is not ALGO:HEX: '\n' is no hexadecimal digit (0-9, a-f)`},
		{`{"patternProperties":{"^[0-9a-zA-Z._:-]+$":{}},"additionalProperties":false}`, `{"a b":1}`, `/a b: key "a b" does not match the pattern "^[0-9a-zA-Z._:-]+$"`},
		{`{"patternProperties":{"^x":{},"^y":{}},"additionalProperties":false}`, `{"z":1}`, `/z: key "z" matches none of the patterns "^x" and "^y"`},
		{`{"properties":{"a":{"type":"object","required":["p"]},"b":{"type":"object","required":["q"]}},"oneOf":[{"required":["a"]},{"required":["b"]}]}`, `{"a":{},"b":{"q":1}}`, "/a: \"p\" is missing\n: \"a\" and \"b\" exclude each other; keep one"},
		{`{"oneOf":[{"properties":{"a":{"minimum":1}}},{"properties":{"a":{"minimum":2}}},{"properties":{"a":{"minimum":3}}},{"properties":{"a":{"minimum":4}}},{"properties":{"a":{"minimum":5}}}]}`, `{"a":0}`,
			`: matches none of the allowed forms: /a: expected a number of at least 1, found 0; or /a: expected a number of at least 2, found 0; or /a: expected a number of at least 3, found 0; or /a: expected a number of at least 4, found 0; or 1 more`},
		{`{"minLength":2}`, `"é"`, `: expected at least 2 characters, found the string "é"`},
		{`{"maxLength":1}`, `"ab"`, `: expected at most 1 character, found 2 in the string "ab"`},
		{`{"pattern":"^[0-9a-f]{64}$"}`, `"abc"`, `: "abc" is not a digest of 64 hexadecimal digits: it takes 64 hexadecimal digits, found 3`},
		{`{"pattern":"^sha256:[0-9a-f]{64}$"}`, `"md5:x"`, `: "md5:x" is not ALGO:HEX: the algorithm is "md5", expected sha256`},
		{`{"pattern":"^x$"}`, `"y"`, `: "y" does not match the pattern "^x$"`},
		{`{"items":{"type":"string"},"minItems":1}`, `[]`, `: expected at least 1 element, found 0`},
		{`{"items":{"type":"string"},"maxItems":1}`, `["a",2]`, ": expected at most 1 element, found 2\n/1: expected a string, found the number 2"},
		{`{"uniqueItems":true}`, `[1,"1",1.0]`, `: elements 0 and 2 are the same; each may stand here once`},
		{`{"items":[{"type":"null"}],"additionalItems":false}`, `[null,1]`, `: expected at most 1 element, found 2`},
		{`{"items":[{"type":"null"}],"additionalItems":{"type":"string"}}`, `[1,1]`, "/0: expected null, found the number 1\n/1: expected a string, found the number 1"},
		{`{"not":{"type":"string"}}`, `"a"`, `: the string "a" is what is not allowed here`},
		{`{"allOf":[{"required":["a"]},{"required":["b","c"]}]}`, `{}`, ": \"a\" is missing\n: \"b\" and \"c\" are missing"},
		{`{"dependencies":{"a":["b"],"c":{"required":["d"]}}}`, `{"a":1,"c":1}`, ": \"b\" is missing; it goes with \"a\"\n: \"d\" is missing"},
		{`{"minProperties":1}`, `{}`, `: expected at least 1 member, found 0`},
		{`{"maxProperties":1}`, `{"a":1,"b":2}`, `: expected at most 1 member, found 2`},
		{`{"additionalProperties":{"type":"string"}}`, `{"a":1}`, `/a: expected a string, found the number 1`},
		{`{"additionalProperties":false}`, `{"a":1}`, `/a: unknown property "a"; none are allowed here`},
		{`{"format":"ipv4"}`, `"1.2.3"`, `: the string "1.2.3" is not valid as "ipv4"`},
		{`{"anyOf":[{"type":"string"},{"type":["null","boolean"]}]}`, `1`, `: expected a string, null or true or false, found the number 1`},
		{`{"anyOf":[{"minimum":5},{"maximum":1}]}`, `3`, `: matches none of the allowed forms: expected a number of at least 5, found 3; or expected a number of at most 1, found 3`},
		{`{"oneOf":[{"minimum":1},{"minimum":2}]}`, `3`, `: matches several of the 2 allowed forms, but must match exactly one`},
		{`{"oneOf":[{"properties":{"type":{"enum":["a"]},"x":{"type":"string"}}},{"properties":{"type":{"enum":["b"]}},"required":["y","z"]}]}`, `{"type":"b"}`, `: "y" and "z" are missing`},
		{`{}`, `"` + "\xff" + `"`, `: invalid UTF-8`},
		{`{}`, strings.Repeat("[", 600), `nested in each other`},
	} {
		got := strings.Join(lines(valueSchema(t, c.schema).Check("", []byte(c.value))), "\n")
		switch {
		case strings.HasPrefix(c.want, ": invalid") || strings.HasPrefix(c.want, "nested"):
			if !strings.Contains(strings.ToLower(got), strings.ToLower(strings.TrimPrefix(c.want, ": invalid "))) {
				t.Errorf("%s\n  value %.40s\n  got  %s\n  want something like %s", c.schema, c.value, got, c.want)
			}
		case got != c.want:
			t.Errorf("%s\n  value %s\n  got  %s\n  want %s", c.schema, c.value, got, c.want)
		}
	}
}

func TestHostileValuesAreShortened(t *testing.T) {
	value := []byte(`{"` + strings.Repeat("a", 10_000) + `\u001b[2J\u202e":1,"b":"` + strings.Repeat("x", 10_000) + `\u0007"}`)
	p := valueSchema(t, `{"properties":{"b":{"type":"null"}},"additionalProperties":false}`).Check("", value)
	if len(p) != 2 {
		t.Fatalf("got %v", p)
	}
	for _, x := range p {
		if s := x.String(); len(s) > 500 || strings.ContainsAny(s, "\x1b\x07\u202e") {
			t.Errorf("%d bytes: %q", len(s), s)
		}
	}
	if !strings.HasSuffix(p[0].Pointer, "\x1b[2J\u202e") {
		t.Error("the pointer for programs was changed")
	}
}

func TestHugeDescription(t *testing.T) {
	value := []byte("[" + strings.Repeat("0,", maxValues) + "0]")
	p := valueSchema(t, `{}`).Check("/x", value)
	if len(p) != 1 || !strings.Contains(p[0].Message, "more than 1000000 values") {
		t.Errorf("got %v", p)
	}
}
