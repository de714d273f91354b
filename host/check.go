package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/sourcehost/sourcehost/host/manifest"
	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
	"github.com/sourcehost/sourcehost/internal/rawjson"
)

// schemas are a plugin's JSON Schemas, compiled when they are first needed.
type schemas struct {
	source, prepared func() (*manifest.Schema, error)
}

// compileSchemas prepares the compilation of a plugin's schemas. A plugin
// without one accepts any value.
func (l *loaded) compileSchemas() {
	l.schemas.source = sync.OnceValues(func() (*manifest.Schema, error) {
		if len(l.manifest.Schema) == 0 {
			return nil, nil
		}
		return manifest.CompileSchema(l.Name, l.manifest.Schema)
	})
	l.schemas.prepared = sync.OnceValues(func() (*manifest.Schema, error) {
		if len(l.manifest.Prepared) == 0 {
			return nil, nil
		}
		return manifest.CompileValueSchema(l.Name, l.manifest.Prepared)
	})
}

// SchemaProblem is something that is wrong with a schema of a plugin manifest.
type SchemaProblem struct {
	// Field is the field of the plugin manifest: schema, prepared or config.
	Field string
	// Problem has a pointer into the schema.
	manifest.Problem
}

// String names the field, the place in it and what is wrong there.
func (p SchemaProblem) String() string { return p.Field + ": " + p.Problem.String() }

// CheckSchemas compiles the schemas of a plugin, which a Host does for those that it
// needs only, and returns what is wrong with them.
func CheckSchemas(m *plugin.Manifest) []SchemaProblem {
	var found []SchemaProblem
	for _, s := range []struct {
		field   string
		text    json.RawMessage
		compile func(string, []byte) (*manifest.Schema, error)
	}{
		{"schema", m.Schema, manifest.CompileSchema}, {"prepared", m.Prepared, manifest.CompileValueSchema}, {"config", m.Config, manifest.CompileValueSchema},
	} {
		if len(s.text) == 0 {
			continue
		}
		_, err := s.compile(m.Name, s.text)
		var wrong *manifest.SchemaError
		switch {
		case errors.As(err, &wrong):
			for _, p := range wrong.Problems {
				found = append(found, SchemaProblem{s.field, p})
			}
		case err != nil:
			found = append(found, SchemaProblem{s.field, manifest.Problem{Message: err.Error()}})
		}
	}
	return found
}

// CheckConfig compares a configuration of a plugin, empty for none, with the schema in
// its manifest. Pointers lead into the configuration. The error is that of a schema that
// cannot be used.
func CheckConfig(m *plugin.Manifest, config json.RawMessage) (manifest.Problems, error) {
	if len(m.Config) == 0 {
		return nil, nil
	}
	schema, err := manifest.CompileValueSchema(m.Name, m.Config)
	if err != nil {
		return nil, err
	}
	if len(config) == 0 {
		config = json.RawMessage("{}")
	}
	return schema.Check("", config), nil
}

// CheckSchemas checks the schemas of all plugins that are not built in. The error
// joins *UsageErrors.
func (h *Host) CheckSchemas() error {
	var errs []error
	for _, l := range h.plugins {
		if l.Builtin {
			continue
		}
		for _, p := range CheckSchemas(l.manifest) {
			errs = append(errs, settingf([]string{"plugin", l.Name, "path"}, "plugin %q: its manifest: %s", l.Name, p))
		}
	}
	return errors.Join(errs...)
}

// checkConfig checks the plugin's configuration section against its schema.
func (l *loaded) checkConfig() error {
	if len(l.Config) == 0 {
		l.Config = json.RawMessage("{}")
	}
	problems, err := CheckConfig(l.manifest, l.Config)
	if err != nil {
		return settingf([]string{"plugin", l.Name, "path"}, "plugin %q: %w", l.Name, err)
	}
	var errs []error
	for _, problem := range problems {
		errs = append(errs, settingf(append([]string{"plugin", l.Name, "config"}, rawjson.Tokens(problem.Pointer)...), "plugin %q: its config: %v", l.Name, problem))
	}
	return errors.Join(errs...)
}

// check runs one of the plugin's schemas. A schema that does not compile is a
// problem of its own.
func check(compiled func() (*manifest.Schema, error), run func(*manifest.Schema) manifest.Problems) manifest.Problems {
	schema, err := compiled()
	if err != nil {
		return manifest.Problems{{Message: err.Error()}}
	}
	if schema == nil {
		return nil
	}
	return run(schema)
}

// checkRequest checks a request as the manifest's source object that it stands
// for. In manifests of format version 1 the options are that object themselves.
func (l *loaded) checkRequest(req Request) manifest.Problems {
	return check(l.schemas.source, func(s *manifest.Schema) manifest.Problems {
		if l.isSource(req.Options) {
			req.Options = nil
		}
		problems := s.Check("", sourceObject(req))
		for i := range problems {
			problems[i].Source = req.Source
		}
		return problems
	})
}

// isSource reports whether options are a whole source object, items included.
func (l *loaded) isSource(options []byte) bool {
	found := false
	r := rawjson.NewReader(options)
	// Options that are no object are refused by the schema.
	_ = r.Object(func(key []byte) error {
		found = found || string(key) == "items" || slices.Contains(l.manifest.ItemsAlias, string(key))
		return r.Skip()
	})
	return found
}

// sourceObject puts a request together as a manifest has it.
func sourceObject(req Request) []byte {
	obj := []byte(`{"items":{`)
	for i, it := range req.Items {
		if i > 0 {
			obj = append(obj, ',')
		}
		obj = append(rawjson.AppendString(obj, it.Key), ':')
		if len(it.Desc) == 0 {
			obj = append(obj, "null"...)
		}
		obj = append(obj, it.Desc...)
	}
	obj = append(obj, '}')
	if len(req.Options) > 0 && string(req.Options) != "{}" {
		obj = append(append(obj, `,"options":`...), req.Options...)
	}
	return append(obj, '}')
}

// checkPrepared checks the description of an item after a prepare hook.
func (l *loaded) checkPrepared(desc []byte) manifest.Problems {
	return check(l.schemas.prepared, func(s *manifest.Schema) manifest.Problems { return checkDescription(s, desc) })
}

// maxChecking bounds the work that a plugin can make with a schema and a description of its
// own: some seconds, which nothing can interrupt. It leaves 4,096 steps for each byte
// of the largest description.
const maxChecking = 4096 * maxDescription

func checkDescription(s *manifest.Schema, desc []byte) manifest.Problems {
	if s.Steps(len(desc)) > maxChecking {
		return manifest.Problems{{Message: fmt.Sprintf("it has %d bytes, too many for what the schema does with each", len(desc))}}
	}
	return s.Check("", desc)
}

// Check validates a manifest offline: every source must be known, and satisfy
// the schema of the plugin that serves it. It returns all problems, in the
// order of the manifest, and runs no plugin.
func (h *Host) Check(m *manifest.Manifest) manifest.Problems {
	var all manifest.Problems
	for i := range m.Sources {
		src := &m.Sources[i]
		l := h.serves[src.Name]
		if l == nil {
			all = append(all, manifest.Problem{Source: src.Name, Pointer: src.Pointer, Message: h.unknownSource(src.Name)})
			continue
		}
		found := check(l.schemas.source, func(s *manifest.Schema) manifest.Problems { return s.CheckSource(src) })
		if len(found) == 0 {
			found = checkKeys(l, src)
		}
		all = append(all, found...)
		if len(all) > manifest.MaxProblems {
			return append(all[:manifest.MaxProblems], manifest.Problem{Message: "more problems were found and are not listed"})
		}
	}
	return all
}

// checkKeys refuses keys that a plugin's schema lets through although they
// cannot be names in the store.
func checkKeys(l *loaded, src *manifest.Source) manifest.Problems {
	var all manifest.Problems
	for _, it := range src.Items {
		if len(all) == manifest.MaxProblems {
			break
		}
		if _, err := parseKey(l.manifest, it.Key); err != nil {
			all = append(all, manifest.Problem{Source: src.Name, Pointer: it.Pointer(), Message: err.Error()})
		}
	}
	return all
}

// SourceInfo describes a source that the host serves.
type SourceInfo struct {
	// Name is the source's name, Plugin that of the plugin which serves it.
	Name   string
	Plugin PluginInfo
	// Prepare are the plugins that are chained in front of it.
	Prepare []PluginInfo
}

// PluginInfo describes a plugin.
type PluginInfo struct {
	Name, Version, Summary string
	// Description is further text, one paragraph or line per entry, and Schema
	// the JSON Schema (draft 4) of the source object; both as in the plugin's
	// manifest.
	Description []string
	Schema      json.RawMessage
	// Origin is the path of the file, or "builtin:NAME".
	Origin  string
	Builtin bool
	// SHA256 is the digest of the file, in hexadecimal.
	SHA256       string
	Hooks        []abi.Hook
	Produces     string
	ContentType  string
	Capabilities []CapabilityInfo
	// Unrequested are grants that the plugin does not request, each as
	// "capability value"; they have no effect.
	Unrequested []string
	// Isolation is how the process of a plugin is confined that is not built in,
	// on this machine.
	Isolation []IsolationInfo
}

// CapabilityInfo is one use of a capability that a plugin requests.
type CapabilityInfo struct {
	Name, Value, Reason string
	// Granted says whether the operator allows it. A request for any value ("*")
	// counts as granted when at least one value is.
	Granted bool
	// Partly says that some uses within the request are allowed and others not.
	Partly bool
}

// Sources describes all sources in the order of their names. It runs no plugin, but
// starts a process where there is a plugin that needs one, to see how it is confined.
func (h *Host) Sources() []SourceInfo {
	var infos []SourceInfo
	for _, name := range h.sourceNames() {
		info := SourceInfo{Name: name, Plugin: h.info(h.serves[name])}
		for _, l := range h.chain(name) {
			info.Prepare = append(info.Prepare, h.info(l))
		}
		infos = append(infos, info)
	}
	return infos
}

// Plugins describes all plugins in the order of Config.Plugins, those included
// that no source uses.
func (h *Host) Plugins() []PluginInfo {
	infos := make([]PluginInfo, len(h.plugins))
	for i, l := range h.plugins {
		infos[i] = h.info(l)
	}
	return infos
}

func (h *Host) info(l *loaded) PluginInfo {
	m := l.manifest
	info := PluginInfo{
		Name: l.Name, Version: m.Version, Summary: m.Summary, Description: m.Description, Schema: m.Schema, Origin: l.origin(), Builtin: l.Builtin,
		SHA256: l.guest.Hash(), Hooks: m.Hooks, Produces: m.Produces, ContentType: m.ContentType,
	}
	for _, c := range m.Capabilities {
		values := c.Values
		if len(values) == 0 {
			values = []string{anything}
		}
		for _, v := range values {
			granted, partly := l.policy.granting(c.Name, v)
			info.Capabilities = append(info.Capabilities, CapabilityInfo{Name: c.Name, Value: v, Reason: c.Reason, Granted: granted, Partly: partly})
		}
	}
	info.Unrequested = l.policy.unrequested()
	if !l.Builtin {
		info.Isolation = h.isolation()
	}
	return info
}
