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

// An expression counts each time that it is reached, by whatever way.
func TestMatching(t *testing.T) {
	compile := func(schema string) *Schema {
		t.Helper()
		s, err := CompileValueSchema("test", []byte(schema))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	const definitions = `{"definitions":{"p":{"pattern":"^[ab]{100}$"}},`
	one := compile(definitions + `"properties":{"a":{"$ref":"#/definitions/p"}}}`).Matching(10)
	if one < 1000 {
		t.Errorf("one pattern takes %d steps", one)
	}
	many := compile(definitions + `"allOf":[{}` + strings.Repeat(`,{"$ref":"#/definitions/p"}`, 50) + `]}`).Matching(10)
	names := compile(`{"patternProperties":{"^[ab]{100}$":{}}}`).Matching(10)
	if many != 50*one || names != one {
		t.Errorf("one pattern takes %d steps, 50 take %d, and of names %d", one, many, names)
	}
	if got := compile(`{"type":"string"}`).Matching(1 << 20); got != 0 {
		t.Errorf("no pattern takes %d steps", got)
	}
}
