package manifest

import (
	"strings"
	"testing"
)

// A manifest whose sources are misspelt is not one without sources.
func TestMisspeltSources(t *testing.T) {
	for text, want := range map[string]string{
		`{"version":"2","source":{}}`:                       "/source",
		`{"version":"2","Sources":{"a":{}}}`:                "/Sources",
		`{"manifest":{"version":"1","soruces":{}}}`:         "/manifest/soruces",
		`{"version":"2","pipelines":[]}`:                    "",
		`{"version":"2","sources":{},"source":{"x":{}}}`:    "",
		`{"version":"1","pipeline":{"stages":[]}}`:          "",
		`{"manifest":{"version":"2","pipelines":[]},"a":1}`: "",
	} {
		_, err := Parse([]byte(text), Options{})
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", text, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want+":") || !strings.Contains(err.Error(), `did you mean "sources"?`)):
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
