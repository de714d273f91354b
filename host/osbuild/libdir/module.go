package libdir

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Module is a source that is to be installed.
type Module struct {
	// Name is the source's name, for example "org.osbuild.curl".
	Name string
	// Summary is one line, and Description further text, one line each.
	Summary     string
	Description []string
	// Schema is the JSON Schema (draft 4) of the source object, with its keys at
	// the top as a plugin's manifest has it.
	Schema json.RawMessage
}

const metaSuffix = ".meta.json"

// checkName refuses what cannot be the name of a file that osbuild takes for a
// module.
func checkName(name string) error {
	switch {
	case name == "" || len(name) > 200:
		return fmt.Errorf("%.40q cannot be the name of a source", name)
	case strings.HasPrefix(name, ".") || strings.HasSuffix(name, metaSuffix):
		return fmt.Errorf("%q cannot be the name of a source: it begins with a dot or ends in %s", name, metaSuffix)
	}
	for _, r := range name {
		if r <= ' ' || r >= utf8.RuneSelf || r == '/' || r == '\\' || r == 0x7f || r == '"' {
			return fmt.Errorf("%q cannot be the name of a source: %q is not allowed in it", name, r)
		}
	}
	return nil
}

// schema returns the schema without what osbuild sets itself, and the key under
// which osbuild looks for it. A source with options has no form in manifests of
// version 1, where the whole source object stands for the options; so its schema
// is for version 2 only.
func (m Module) schema() (key string, schema map[string]json.RawMessage, err error) {
	schema = map[string]json.RawMessage{}
	if len(m.Schema) > 0 {
		if err := json.Unmarshal(m.Schema, &schema); err != nil {
			return "", nil, fmt.Errorf("the schema of %s is not an object: %w", m.Name, err)
		}
	}
	delete(schema, "$schema")
	var properties map[string]json.RawMessage
	if raw := schema["properties"]; raw != nil {
		if err := json.Unmarshal(raw, &properties); err != nil {
			return "", nil, fmt.Errorf("the properties in the schema of %s are not an object: %w", m.Name, err)
		}
	}
	if properties["options"] != nil {
		return "schema_2", schema, nil
	}
	return "schema", schema, nil
}

func (m Module) summary() string {
	if m.Summary == "" {
		return m.Name
	}
	return m.Summary
}

// meta returns the content of NAME.meta.json.
func (m Module) meta() ([]byte, error) {
	key, schema, err := m.schema()
	if err != nil {
		return nil, err
	}
	description := m.Description
	if description == nil {
		description = []string{}
	}
	return encode(map[string]any{"summary": m.summary(), "description": description, key: schema})
}

// encode writes indented JSON with sorted keys: the same bytes for the same
// module.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return b.Bytes(), err
}

// launcher returns a Python program that becomes the binary. Osbuild before
// version 113 parses it, without running it, for the docstring and the string
// SCHEMA, which is the inside of a JSON object. Binary is a path, which may be
// relative to the folder of the launcher.
func (m Module) launcher(binary string) ([]byte, error) {
	key, schema, err := m.schema()
	if err != nil {
		return nil, err
	}
	text, err := encode(schema)
	if err != nil {
		return nil, err
	}
	inside := strings.TrimSpace(string(text))
	inside = strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(inside, "{"), "}"))
	doc := m.summary() + "\n"
	if len(m.Description) > 0 {
		doc += "\n" + strings.Join(m.Description, "\n") + "\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "#!/usr/bin/python3 -IS\n%s\n\nimport os\nimport sys\n\n", pythonText(doc))
	fmt.Fprintf(&b, "%s = %s\n\n", strings.ToUpper(key), pythonText("\n"+inside+"\n"))
	// A program that is started has descriptors closed, but not one that is
	// become: the socket stays.
	fmt.Fprintf(&b, "here = os.path.dirname(os.path.realpath(__file__))\nbinary = os.path.join(here, %s)\n", pythonString(binary))
	fmt.Fprintf(&b, "os.execv(binary, [%s] + sys.argv[1:])\n", pythonString(m.Name))
	return []byte(b.String()), nil
}

// pythonText makes a string literal of several lines, in ASCII.
func pythonText(s string) string {
	return `"""` + strings.ReplaceAll(pythonEscape(s), `"""`, `\"\"\"`) + `"""`
}

func pythonString(s string) string {
	return `"` + strings.NewReplacer(`"`, `\"`, "\n", `\n`).Replace(pythonEscape(s)) + `"`
}

// pythonEscape escapes backslashes and what is not ASCII. Old versions of osbuild
// read modules in the encoding of the locale.
func pythonEscape(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\\':
			b.WriteString(`\\`)
		case r == '\n' || r >= ' ' && r < 0x7f:
			b.WriteRune(r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	return b.String()
}
