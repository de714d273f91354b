package plugin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/rawjson"
)

// MaxManifestBytes is the largest plugin manifest.
const MaxManifestBytes = 1 << 20

// ParseManifest decodes and checks a plugin manifest. It is strict: unknown,
// missing, repeated and wrong fields are errors, all of them reported at once
// (errors.Join), each saying what was expected and what was found.
func ParseManifest(data []byte) (*Manifest, error) {
	if len(data) > MaxManifestBytes {
		return nil, fmt.Errorf("plugin manifest: expected at most %d bytes, found %d", MaxManifestBytes, len(data))
	}
	p := &problems{}
	m := &Manifest{}
	p.object("", data, p.manifestFields(m))
	if len(p.list) == 0 {
		p.check(m)
	}
	if len(p.list) > 0 {
		return nil, errors.Join(p.list...)
	}
	return m, nil
}

// Compact returns the manifest without white space, as it is put into a plugin.
// It checks it first.
func Compact(data []byte) ([]byte, error) {
	if _, err := ParseManifest(data); err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	if err := json.Compact(&buf, data); err != nil {
		return nil, fmt.Errorf("plugin manifest: %w", err)
	}
	return buf.Bytes(), nil
}

func (p *problems) manifestFields(m *Manifest) map[string]func([]byte) {
	return map[string]func([]byte){
		"abi":               p.number("abi", &m.ABI),
		"name":              p.text("name", &m.Name),
		"version":           p.text("version", &m.Version),
		"summary":           p.text("summary", &m.Summary),
		"description":       p.texts("description", &m.Description),
		"sources":           p.texts("sources", &m.Sources),
		"items_alias":       p.texts("items_alias", &m.ItemsAlias),
		"hooks":             p.hooks(&m.Hooks),
		"produces":          p.text("produces", &m.Produces),
		"content_type":      p.text("content_type", &m.ContentType),
		"formats":           p.formats(&m.Formats),
		"schema":            p.schema("schema", &m.Schema),
		"manifest_versions": p.numbers("manifest_versions", &m.ManifestVersions),
		"prepared":          p.schema("prepared", &m.Prepared),
		"config":            p.schema("config", &m.Config),
		"capabilities":      p.capabilities(&m.Capabilities),
		"max_instances":     p.number("max_instances", &m.MaxInstances),
	}
}

func (p *problems) hooks(to *[]abi.Hook) func([]byte) {
	return func(raw []byte) {
		var names []string
		p.texts("hooks", &names)(raw)
		for _, name := range names {
			*to = append(*to, abi.Hook(name))
		}
	}
}

func (p *problems) capabilities(to *[]Capability) func([]byte) {
	return objects(p, "capabilities", to, func(where string, c *Capability) map[string]func([]byte) {
		return map[string]func([]byte){
			"name":   p.text(where+".name", &c.Name),
			"values": p.texts(where+".values", &c.Values),
			"reason": p.text(where+".reason", &c.Reason),
		}
	})
}

func (p *problems) formats(to *[]Format) func([]byte) {
	return objects(p, "formats", to, func(where string, f *Format) map[string]func([]byte) {
		return map[string]func([]byte){
			"name": p.text(where+".name", &f.Name),
			"part": p.text(where+".part", &f.Part),
		}
	})
}

// objects reads an array of objects; fields says what the fields of one are.
func objects[T any](p *problems, field string, to *[]T, fields func(where string, one *T) map[string]func([]byte)) func([]byte) {
	return func(raw []byte) {
		r := rawjson.NewReader(raw)
		if k := r.Kind(); k != '[' {
			p.add(field, "expected an array of objects, found %s", kindName(k))
			return
		}
		// The reader has validated raw already, so that Array cannot fail.
		_ = r.Array(func(i int) error {
			where := fmt.Sprintf("%s[%d]", field, i)
			data, err := r.Raw()
			if err != nil {
				return err
			}
			var one T
			p.object(where, data, fields(where, &one))
			*to = append(*to, one)
			return nil
		})
	}
}

// Marshal returns the manifest as JSON, for tools that make plugins.
func (m *Manifest) Marshal() ([]byte, error) {
	data, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("plugin manifest: %w", err)
	}
	return data, nil
}

// duplicate returns the first value that is there twice.
func duplicate[T comparable](values []T) (T, bool) {
	for i, v := range values {
		if slices.Contains(values[:i], v) {
			return v, true
		}
	}
	var none T
	return none, false
}
