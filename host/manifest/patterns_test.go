package manifest

import (
	"fmt"
	"strings"
	"testing"
)

func TestExpensivePatternsAreRefused(t *testing.T) {
	var many strings.Builder
	for i := range 300 {
		fmt.Fprintf(&many, `%s"^[\\pL\\pN]{900}%d$":{}`, map[bool]string{true: ","}[i > 0], i)
	}
	for name, schema := range map[string]string{
		"many":  `{"patternProperties":{` + many.String() + `}}`,
		"class": `{"items":[{"pattern":"[\\pL]{1000}"}]}`,
		"long":  `{"pattern":"` + strings.Repeat("a", maxPatternBytes+1) + `"}`,
	} {
		_, err := CompileValueSchema("test", []byte(schema))
		if err == nil || !strings.Contains(err.Error(), "regular expression") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, schema := range map[string]string{
		"digests": `{"patternProperties":{"^(md5:[0-9a-f]{32}|sha512:[0-9a-f]{128})$":{},"^sha384:[0-9a-f]{96}$":{}}}`,
		"data":    `{"properties":{"pattern":{"type":"string"}}}`,
	} {
		if _, err := CompileValueSchema("test", []byte(schema)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What a schema does counts each time that it is reached, by whatever way.
func TestSteps(t *testing.T) {
	steps := func(schema string) int64 {
		t.Helper()
		s, err := CompileValueSchema("test", []byte(schema))
		if err != nil {
			t.Fatal(err)
		}
		return s.Steps(10)
	}
	const definitions = `{"definitions":{"p":{"pattern":"^[ab]{100}$"}},`
	plain := steps(`{"type":"string"}`)
	one := steps(definitions + `"properties":{"a":{"$ref":"#/definitions/p"}}}`)
	if one < plain+1000 {
		t.Errorf("one pattern takes %d steps, and none %d", one, plain)
	}
	fifty := strings.Repeat(`,{"$ref":"#/definitions/p"}`, 50)
	if many := steps(definitions + `"allOf":[{}` + fifty + `]}`); many < 50*(one-3*plain) {
		t.Errorf("one pattern takes %d steps, 50 take %d", one, many)
	}
	for _, many := range []string{
		`{"patternProperties":{"^[ab]{1000}$":{}}}`, `{"enum":[1` + names(50) + `]}`,
		`{"required":["a"` + names(50) + `]}`,
		`{"dependencies":{"a":["b"` + names(50) + `]}}`, `{"items":{"allOf":[{}` + strings.Repeat(",{}", 50) + `]}}`,
	} {
		if got := steps(many); got < 50*plain {
			t.Errorf("%.40s takes %d steps", many, got)
		}
	}
}

// names are different strings, each after a comma.
func names(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"n%d"`, i)
	}
	return b.String()
}
