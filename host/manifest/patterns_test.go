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
