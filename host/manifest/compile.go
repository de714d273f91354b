package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

const (
	// schemaURL is what a schema is called while it is compiled. It leads nowhere.
	schemaURL = "sourcehost:///schema"
	// metaURL is the schema of schemas, which package jsonschema carries along.
	metaURL = "http://json-schema.org/draft-04/schema"
	// maxSchemaBytes is the largest schema that is compiled.
	maxSchemaBytes = 1 << 20
)

// SchemaError says what is wrong with a schema.
type SchemaError struct {
	// Name is the name that the schema was compiled under.
	Name string
	// Problems are at least one, with pointers into the schema.
	Problems Problems
}

// Error names the schema and lists its problems.
func (e *SchemaError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return fmt.Sprintf("the JSON Schema of %s is wrong: %s", e.Name, strings.Join(lines, "; "))
}

// Schema is a compiled JSON Schema, draft 4. It is safe for use by many
// goroutines.
type Schema struct {
	root *jsonschema.Schema
	// blind are the names of the members that need not be looked at as a whole:
	// see itemwise.
	blind map[string]*jsonschema.Schema
	// steps is what it takes for each byte; see Steps.
	steps int64
}

// CompileSchema compiles the schema of a source object. As osbuild does, it
// forbids properties that the schema does not name, unless the schema has
// "additionalProperties" of its own. The name, usually the plugin's, is for
// errors, which are *SchemaError.
//
// References may lead to other places of the same schema only; nothing is ever
// loaded. A schema that refers to itself in a circle, or that applies more than
// MaxSchemaCost schemas to one value, is refused, because a small manifest could
// keep it busy for ever.
func CompileSchema(name string, schema []byte) (*Schema, error) {
	s, err := compile(name, schema, true)
	if err != nil {
		return nil, err
	}
	s.blind = itemwise(s.root)
	return s, nil
}

// CompileValueSchema compiles a schema as it stands, for any other value: the
// description of a single item, a plugin's configuration. What CompileSchema
// says about references holds for it, too.
func CompileValueSchema(name string, schema []byte) (*Schema, error) {
	return compile(name, schema, false)
}

func compile(name string, schema []byte, closed bool) (*Schema, error) {
	fail := func(p ...Problem) (*Schema, error) {
		return nil, &SchemaError{Name: name, Problems: p}
	}
	if len(schema) > maxSchemaBytes {
		return fail(Problem{Message: fmt.Sprintf("larger than %d bytes, the limit", maxSchemaBytes)})
	}
	v, err := decode(schema)
	if err != nil {
		return fail(malformed(schema, err))
	}
	m, ok := v.(map[string]any)
	if !ok {
		return fail(Problem{Message: "expected an object, found " + describe(v)})
	}
	if problems := append(checkDraft(m), checkPatterns(m)...); len(problems) > 0 {
		return fail(problems...)
	}
	if _, own := m["additionalProperties"]; closed && !own {
		m["additionalProperties"] = false
	}
	root, err := compileRoot(m)
	if err != nil {
		return fail(Problem{Message: err.Error()})
	}
	if err := checkCost(root); err != nil {
		return fail(Problem{Message: err.Error()})
	}
	return &Schema{root: root, steps: steps(root, map[*jsonschema.Schema]int64{})}, nil
}

// checkDraft checks a schema against the schema of draft 4.
func checkDraft(m map[string]any) Problems {
	if id, ok := m["$schema"].(string); ok && !isDraft4(id) {
		return Problems{{Pointer: "/$schema", Message: "expected draft 4 (\"" + metaURL + "#\"), found " + show(id)}}
	}
	meta, err := newCompiler().Compile(metaURL)
	if err != nil { // cannot be: the library carries it along
		return Problems{{Message: "no schema of draft 4 at hand: " + err.Error()}}
	}
	if meta.Validate(m) == nil {
		return nil
	}
	e := &explainer{}
	e.value(meta, m, "")
	return e.result("", "")
}

func isDraft4(id string) bool {
	id = strings.TrimSuffix(id, "#")
	return id == metaURL || id == strings.Replace(metaURL, "http:", "https:", 1)
}

// compileRoot hands a schema to the library.
func compileRoot(m map[string]any) (root *jsonschema.Schema, err error) {
	defer func() {
		if p := recover(); p != nil { // the library's way with some bad input
			err = fmt.Errorf("it cannot be compiled: %v", p)
		}
	}()
	text, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	c := newCompiler()
	if err := c.AddResource(schemaURL, bytes.NewReader(text)); err != nil {
		return nil, err
	}
	root, err = c.Compile(schemaURL)
	if err != nil {
		var se *jsonschema.SchemaError
		if errors.As(err, &se) {
			err = se.Err
		}
		return nil, errors.New(strings.TrimPrefix(strings.ReplaceAll(err.Error(), schemaURL, ""), "jsonschema: "))
	}
	return root, nil
}

// newCompiler returns a compiler for draft 4 that loads nothing.
func newCompiler() *jsonschema.Compiler {
	c := jsonschema.NewCompiler()
	c.Draft = jsonschema.Draft4
	c.LoadURL = func(url string) (io.ReadCloser, error) {
		return nil, fmt.Errorf("a $ref leads to %s; only references within the schema (\"#/...\") are followed", show(url))
	}
	return c
}
