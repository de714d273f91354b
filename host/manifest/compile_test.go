package manifest

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

func TestSchemaErrors(t *testing.T) {
	for schema, want := range map[string]string{
		``:                                      `expected a value, found the end of the text`,
		`[]`:                                    `expected an object, found an array`,
		`{"type":"object"`:                      `expected ',' or '}', found the end of the text`,
		`{"type":1,"type":2}`:                   `/type: the name stands twice in this object`,
		`{"type":"strin"}`:                      `/type: expected "array", "boolean", "integer", "null", "number", "object" or "string", found the string "strin"; did you mean "string"?`,
		`{"required":"url"}`:                    `/required: expected an array, found the string "url"`,
		`{"required":[]}`:                       `/required: expected at least 1 element, found 0`,
		`{"properties":{"a":{"minLength":-1}}}`: `/properties/a/minLength: expected a number of at least 0, found -1`,
		`{"maximum":1e99999999}`:                `/maximum: the number 1e99999999 is out of range`,
		`{"pattern":"(?=a)"}`:                   `/pattern: the string "(?=a)" is not valid as "regex"`,
		`{"patternProperties":{"(":{}}}`:        `/patternProperties/(: "(" is not a regular expression of RE2 syntax`,
		`{"$schema":"http://json-schema.org/draft-07/schema#"}`:                                          `/$schema: expected draft 4 ("http://json-schema.org/draft-04/schema#"), found "http://json-schema.org/draft-07/schema#"`,
		`{"properties":{"a":{"$ref":"#/definitions/nowhere"}}}`:                                          `#/definitions/nowhere not found`,
		`{"properties":{"a":{"$ref":"#"}}}`:                                                              `it refers to itself in a circle of "$ref"`,
		`{"definitions":{"a":{"$ref":"#/definitions/a"}},"properties":{"x":{"$ref":"#/definitions/a"}}}`: `infinite loop`,
		`{"$ref":"#"}`: `infinite loop`,
		doubling(20):   `too complex: one value could need more than 10000 schemas`,
		`{"title":"` + strings.Repeat("x", maxSchemaBytes) + `"}`: `larger than 1048576 bytes, the limit`,
	} {
		_, err := CompileSchema("acme", []byte(schema))
		var se *SchemaError
		if !errors.As(err, &se) || se.Name != "acme" || len(se.Problems) == 0 {
			t.Errorf("%.100s: %v", schema, err)
			continue
		}
		if !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "the JSON Schema of acme is wrong: ") {
			t.Errorf("%.100s\n got  %s\n want %s", schema, err, want)
		}
		if strings.Contains(err.Error(), "sourcehost:///") {
			t.Errorf("%.100s: the error shows an internal name: %s", schema, err)
		}
	}
}

// doubling returns a schema of n definitions each of which uses the next one
// twice.
func doubling(n int) string {
	var b strings.Builder
	b.WriteString(`{"definitions":{"d0":{"type":"string"}`)
	for i := range n {
		fmt.Fprintf(&b, `,"d%d":{"anyOf":[{"$ref":"#/definitions/d%d"},{"$ref":"#/definitions/d%d"}]}`, i+1, i, i)
	}
	fmt.Fprintf(&b, `},"properties":{"x":{"$ref":"#/definitions/d%d"}}}`, n)
	return b.String()
}

func TestAllSchemaProblemsAtOnce(t *testing.T) {
	_, err := CompileSchema("acme", []byte(`{"type":7,"required":[1],"title":2}`))
	var se *SchemaError
	if !errors.As(err, &se) || len(se.Problems) != 3 {
		t.Fatalf("got %v", err)
	}
}

// TestReferencesLoadNothing tries each way in which a schema could make the
// library fetch something.
func TestReferencesLoadNothing(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		fmt.Fprint(w, `{}`)
	}))
	defer server.Close()
	file := filepath.Join(t.TempDir(), "other.json")
	if err := os.WriteFile(file, []byte(`{}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, schema := range []string{
		`{"$ref":"` + server.URL + `/x.json"}`,
		`{"properties":{"a":{"$ref":"` + server.URL + `/x.json#/definitions/y"}}}`,
		`{"id":"` + server.URL + `/base/","properties":{"a":{"$ref":"other.json"}}}`,
		`{"$schema":"` + server.URL + `/meta.json"}`,
		`{"properties":{"a":{"$ref":"file://` + file + `"}}}`,
		`{"id":"file://` + filepath.Dir(file) + `/","properties":{"a":{"$ref":"other.json"}}}`,
		`{"properties":{"a":{"$ref":"other.json"}}}`,
	} {
		if _, err := CompileSchema("acme", []byte(schema)); err == nil {
			t.Errorf("%s compiles", schema)
		} else if !strings.Contains(schema, "$schema") && !strings.Contains(err.Error(), "only references within the schema") {
			t.Errorf("%s: %v", schema, err)
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("the server was asked %d times", n)
	}
}

func TestSchemaForManyGoroutines(t *testing.T) {
	s := curlSchema(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				if p := s.Check("", []byte(`{"items":{"`+sha256+`":5}}`)); len(p) != 1 {
					t.Errorf("got %v", p)
				}
			}
		})
	}
	wg.Wait()
}

func TestCostOfARealSchemaIsSmall(t *testing.T) {
	if cost, err := (&meter{known: map[*jsonschema.Schema]int{}}).cost(curlSchema(t).root); err != nil || cost > 50 {
		t.Errorf("cost %d, %v", cost, err)
	}
}
