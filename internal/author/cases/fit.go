package cases

import (
	"errors"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/nearest"
	"github.com/sourcehost/sourcehost/internal/plugin"
	"github.com/sourcehost/sourcehost/internal/rawjson"
)

// noRequests is a plugin that requests nothing.
func noRequests() *plugin.Manifest { return &plugin.Manifest{} }

// Check finds what cases say that can have no effect on this plugin: hooks that it
// does not have, sources that nobody knows, answers to what it does not request.
// Such a case would pass, or fail, for another reason than its author thinks.
func (b *Bench) Check(all []*Case) error {
	m, err := Manifest(b.Wasm)
	if err != nil {
		return errors.New(b.Name + ": " + err.Error())
	}
	var errs []error
	for _, c := range all {
		errs = append(errs, b.checkCase(c, m))
	}
	return errors.Join(errs...)
}

func (b *Bench) checkCase(c *Case, m *plugin.Manifest) error {
	f := fitting{c: c, m: m, found: c.mistakes(), rules: host.NewRules(m, host.GrantAll(m))}
	for i, h := range c.Hooks {
		if !m.Has(h) {
			f.found.add([]string{"hooks", strconv.Itoa(i)}, "the plugin has no hook %s%s", h, there(m.Hooks))
		}
	}
	f.source(slices.Concat(m.Sources, b.Sources))
	f.format()
	f.config()
	f.grants()
	f.answers()
	f.calls()
	return f.found.err()
}

// there lists what there is instead.
func there(hooks []abi.Hook) string {
	if len(hooks) == 0 {
		return ": it has none"
	}
	names := make([]string, len(hooks))
	for i, h := range hooks {
		names[i] = string(h)
	}
	return ": it has " + strings.Join(names, ", ")
}

// fitting compares a case with a plugin.
type fitting struct {
	c     *Case
	m     *plugin.Manifest
	found *mistakes
	rules *host.Rules // with all granted that is requested
}

// osbuildSources is what the names of osbuild's own sources begin with.
const osbuildSources = "org.osbuild."

// source finds a name that is misspelled. Other unknown names may be sources of
// plugins that are not here.
func (f *fitting) source(known []string) {
	name := f.c.Source
	if name == "" || slices.Contains(known, name) {
		return
	}
	slices.Sort(known)
	known = slices.Compact(known)
	if strings.HasPrefix(name, osbuildSources) || nearest.Name(name, known) != "" {
		f.found.add([]string{"source"}, "there is no source %q%s", name, nearest.HintOrList(name, known))
	}
}

func (f *fitting) format() {
	var known []string
	for _, format := range f.m.Formats {
		known = append(known, format.Name)
	}
	if f.c.Format != "" && len(known) > 0 && !slices.Contains(known, f.c.Format) {
		f.found.add([]string{"format"}, "the plugin has no format %q%s", f.c.Format, nearest.HintOrList(f.c.Format, known))
	}
}

// config finds a configuration with which a host would not call the plugin.
func (f *fitting) config() {
	problems, err := host.CheckConfig(f.m, f.c.Config)
	if err != nil {
		return // building and loading the plugin say so
	}
	for _, p := range problems {
		f.found.add(append([]string{"config"}, rawjson.Tokens(p.Pointer)...), "%s: with this configuration no host calls the plugin", p.Message)
	}
}

// requested are the values that the plugin requests of a capability, and whether it
// requests it at all.
func (f *fitting) requested(capability string) (values []string, ok bool) {
	for _, c := range f.m.Capabilities {
		if c.Name == capability {
			values, ok = append(values, c.Values...), true
		}
	}
	return values, ok
}

// named reports whether a plugin requests a capability with this name as its value.
func (f *fitting) named(capability, name string) bool {
	values, _ := f.requested(capability)
	return slices.Contains(values, name) || slices.Contains(values, "*")
}

// grants finds grants without an effect. Those of URLs and paths may be others than
// what is requested: that is how a case denies something.
func (f *fitting) grants() {
	for _, capability := range slices.Sorted(maps.Keys(f.c.Grant)) {
		way := []string{"grant", capability}
		if _, ok := f.requested(capability); !ok {
			f.found.addName(way, "the plugin does not request %s, so that the grant has no effect", capability)
			continue
		}
		if !slices.Contains([]string{plugin.CapEnv, plugin.CapSecrets, plugin.CapExec}, capability) {
			continue
		}
		values, _ := grantValues(f.c.Grant[capability]) // it was checked
		for i, v := range values {
			if !f.named(capability, v) {
				f.unrequested(append(slices.Clip(way), strconv.Itoa(i)), false, capability, v)
			}
		}
	}
}

// unrequested adds a mistake about a name that the plugin does not request.
func (f *fitting) unrequested(way []string, name bool, capability, value string) {
	values, ok := f.requested(capability)
	what := capability
	if ok {
		what += " " + value
	}
	add := f.found.add
	if name {
		add = f.found.addName
	}
	add(way, "the plugin does not request %s, so that this has no effect%s", what, nearest.Hint(value, values))
}

// answers finds answers to what the plugin does not request, and so is never given.
func (f *fitting) answers() {
	h := &f.c.Host
	for _, name := range slices.Sorted(maps.Keys(h.Env)) {
		if !f.named(plugin.CapEnv, name) {
			f.unrequested([]string{"host", "env", name}, true, plugin.CapEnv, name)
		}
	}
	for i, name := range h.Secrets {
		if !f.named(plugin.CapSecrets, name) {
			f.unrequested([]string{"host", "secrets", strconv.Itoa(i)}, false, plugin.CapSecrets, name)
		}
	}
	for i, p := range h.Exec {
		if !f.named(plugin.CapExec, p.Program) {
			f.unrequested([]string{"host", "exec", strconv.Itoa(i), "program"}, false, plugin.CapExec, p.Program)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(h.Files)) {
		if !f.sees(name) {
			f.found.addName([]string{"host", "files", name}, "the plugin requests neither read nor stat of it, so that this has no effect")
		}
	}
	for i, r := range h.HTTP {
		if err := f.denied(abi.OpHTTP, (&abi.HTTPRequest{URL: r.URL}).Append(nil)); err != nil {
			f.found.add([]string{"host", "http", strconv.Itoa(i), "url"}, "it has no effect: %v", err)
		}
	}
}

// denied is why an operation would be denied although all is granted.
func (f *fitting) denied(op string, req []byte) error {
	status, err := f.rules.Check(op, req)
	if status != abi.Denied {
		return nil
	}
	return err
}

// sees reports whether a file matters to the plugin: it may read it, look for it, or
// list a folder around it.
func (f *fitting) sees(name string) bool {
	at := (&abi.Path{Path: name}).Append(nil)
	if f.denied(abi.OpRead, at) == nil || f.denied(abi.OpStat, at) == nil {
		return true
	}
	for dir := path.Dir(name); ; dir = path.Dir(dir) {
		if f.denied(abi.OpList, (&abi.Path{Path: dir}).Append(nil)) == nil {
			return true
		}
		if dir == "/" {
			return false
		}
	}
}

// calls finds canned answers to operations that take what is not requested.
func (f *fitting) calls() {
	needs := map[string]string{
		abi.OpDownload: plugin.CapDownload, abi.OpRead: plugin.CapRead, abi.OpStat: plugin.CapStat, abi.OpList: plugin.CapStat,
		abi.OpEnv: plugin.CapEnv, abi.OpCopyImage: plugin.CapImage, abi.OpRun: plugin.CapExec, abi.OpExec: plugin.CapExec,
		abi.OpHTTP: plugin.CapHTTP, abi.OpProbe: plugin.CapHTTP, abi.OpHMAC: plugin.CapSecrets,
	}
	for i, a := range f.c.Host.Calls {
		capability := needs[a.Op]
		if _, ok := f.requested(capability); capability != "" && !ok {
			f.found.add([]string{"host", "calls", strconv.Itoa(i), "op"}, "the plugin does not request %s, so that this has no effect", capability)
		}
	}
}
