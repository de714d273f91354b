package main

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/host/manifest"
	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/author/cases"
	"github.com/sourcehost/sourcehost/internal/nearest"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

// trialFlags are the flags of fetch that try plugins without a configuration.
type trialFlags struct {
	plugins []string // FILE, or NAME=FILE
	sources []string
	grants  []string // CAPABILITY=VALUE, CAPABILITY, or all
	config  string   // a JSON object
	names   []string // of the plugins, once they are read
}

func (t *trialFlags) add(a *app, cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&t.plugins, "plugin", nil, "try a plugin, `[NAME=]FILE`, a .wasm file, oci://REF or the folder of one, which is built; may be repeated")
	cmd.Flags().StringArrayVar(&t.sources, "plugin-for", nil, "put the --plugin in front of the source `NAME` (default: all that it fits); may be repeated")
	cmd.Flags().StringArrayVar(&t.grants, "grant", nil, "allow --plugin something, `CAPABILITY[=VALUE]`, as [plugin.NAME.grant] does, or \"all\" that it requests; may be repeated")
	cmd.Flags().StringVar(&t.config, "plugin-config", "", "the configuration of --plugin, a `JSON` object")
	must(cmd.RegisterFlagCompletionFunc("plugin-for", a.completeSources))
	must(cmd.RegisterFlagCompletionFunc("grant", completeGrants))
}

func completeGrants(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	names := []string{grantAll}
	for _, c := range host.Capabilities() {
		if c != plugin.CapClock && c != plugin.CapRandom {
			c += "="
		}
		names = append(names, c)
	}
	return names, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// grantAll is the value of --grant for all that a plugin requests.
const grantAll = "all"

// apply adds the plugins to the configuration.
func (t *trialFlags) apply(ctx context.Context, a *app, cfg *host.Config) error {
	if len(t.plugins) == 0 {
		if len(t.sources)+len(t.grants) > 0 || t.config != "" {
			return usagef("--plugin-for, --grant and --plugin-config are for plugins that are tried with --plugin FILE")
		}
		return nil
	}
	if t.config != "" && !isObject(t.config) {
		return usagef("--plugin-config: expected a JSON object, found %s", t.config)
	}
	var all []*plugin.Manifest
	for _, arg := range t.plugins {
		p, m, err := t.load(ctx, a, arg)
		if err != nil {
			return err
		}
		if err := t.insert(cfg, p, m); err != nil {
			return err
		}
		all, t.names = append(all, m), append(t.names, p.Name)
	}
	return t.checkGrants(all)
}

// warnIdle says which plugins are tried in vain: no source of the manifest uses them.
func (t *trialFlags) warnIdle(cfg host.Config, m *manifest.Manifest) {
	for _, name := range t.names {
		uses := func(source string) bool {
			return cfg.Serve[source] == name || slices.Contains(cfg.Prepare[source], name)
		}
		if slices.ContainsFunc(m.Sources, func(s manifest.Source) bool { return uses(s.Name) }) {
			continue
		}
		all := slices.Concat(slices.Sorted(maps.Keys(cfg.Serve)), slices.Sorted(maps.Keys(cfg.Prepare)))
		slices.Sort(all)
		all = slices.DeleteFunc(slices.Compact(all), func(s string) bool { return !uses(s) })
		cfg.Logger.Warn("the plugin is not used: it is for other sources than the manifest has; --plugin-for NAME puts it in front of one",
			"plugin", name, "for", strings.Join(all, ", "))
	}
}

// checkGrants refuses grants that none of the plugins requests.
func (t *trialFlags) checkGrants(all []*plugin.Manifest) error {
	for _, text := range t.grants {
		name, _, _ := strings.Cut(text, "=")
		requested := slices.ContainsFunc(all, func(m *plugin.Manifest) bool { return requestsCapability(m, name) })
		switch {
		case text == grantAll || requested:
		case len(all) == 1:
			return usagef("--grant %s: the plugin %s does not request %s, so that the grant has no effect", text, all[0].Name, name)
		default:
			return usagef("--grant %s: none of the plugins requests %s, so that the grant has no effect", text, name)
		}
	}
	return nil
}

func requestsCapability(m *plugin.Manifest, name string) bool {
	return slices.ContainsFunc(m.Capabilities, func(c plugin.Capability) bool { return c.Name == name })
}

func isObject(text string) bool {
	var v map[string]json.RawMessage
	return json.Unmarshal([]byte(text), &v) == nil && v != nil
}

// load reads one plugin and grants it what the flags say.
func (t *trialFlags) load(ctx context.Context, a *app, arg string) (host.Plugin, *plugin.Manifest, error) {
	name, path := "", arg
	if before, after, named := strings.Cut(arg, "="); named && !isThere(arg) {
		name, path = before, after
	}
	wasm, err := a.trialBytes(ctx, path)
	if err != nil {
		return host.Plugin{}, nil, err
	}
	m, err := cases.Manifest(wasm)
	if err != nil {
		return host.Plugin{}, nil, usagef("%s: %w", path, err)
	}
	if wrong := host.CheckSchemas(m); len(wrong) > 0 {
		return host.Plugin{}, nil, usagef("%s: the plugin's manifest is wrong: %s", path, wrong[0])
	}
	if name == "" {
		name = m.Name
	}
	p := host.Plugin{Name: name, Path: path, Wasm: wasm, HowToGrant: howToGrant}
	if t.config != "" {
		p.Config = json.RawMessage(t.config)
	}
	p.Grant, err = t.grant(m)
	return p, m, err
}

// howToGrant says what a plugin that is tried is granted by.
func howToGrant(capability, value string) string {
	if plain := regexp.MustCompile(`^[\w@%+=:,./-]+$`); !plain.MatchString(value) {
		value = "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
	}
	return "add --grant " + capability + "=" + value
}

func isThere(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// trialBytes reads a plugin, or builds the one in a folder.
func (a *app) trialBytes(ctx context.Context, path string) ([]byte, error) {
	if !isReference(path) && isDir(path) {
		b, err := a.build(ctx, path, "", false, a.stderr)
		if err != nil {
			return nil, err
		}
		return b.wasm, nil
	}
	return a.pluginBytes(ctx, path, registryFlags{})
}

// grant reads --grant, as far as a plugin requests it.
func (t *trialFlags) grant(m *plugin.Manifest) (host.Grant, error) {
	var g host.Grant
	for _, text := range t.grants {
		if text == grantAll {
			g = host.GrantAll(m)
		}
	}
	for _, text := range t.grants {
		if text == grantAll {
			continue
		}
		name, value, has := strings.Cut(text, "=")
		var values []string
		if has {
			values = []string{value}
		}
		if near := nearest.Name(name, append([]string{grantAll}, host.Capabilities()...)); near == grantAll && !has {
			return g, usagef("--grant %s: there is no capability %q; did you mean %q?", text, name, near)
		}
		to := &g
		if !requestsCapability(m, name) { // of another plugin's; what is wrong with it is an error all the same
			to = &host.Grant{}
		}
		if err := to.Add(name, values...); err != nil {
			return g, usagef("--grant %s: %w", manifest.WithoutUserinfo(text), err)
		}
	}
	return g, nil
}

// insert puts a plugin into the configuration. One that the configuration has under
// the same name is replaced where it is, and keeps its grants and settings.
func (t *trialFlags) insert(cfg *host.Config, p host.Plugin, m *plugin.Manifest) error {
	at := slices.IndexFunc(cfg.Plugins, func(o host.Plugin) bool { return o.Name == p.Name })
	switch {
	case at >= 0 && cfg.Plugins[at].Builtin:
		return usagef("--plugin %s: a plugin named %q is part of this program: give it another name, --plugin NAME=%s", p.Path, p.Name, p.Path)
	case at >= 0:
		old := cfg.Plugins[at]
		p.Grant = joinGrants(old.Grant, p.Grant)
		if p.Config == nil {
			p.Config = old.Config
		}
		cfg.Plugins[at] = p
	default:
		cfg.Plugins = append(slices.Clip(cfg.Plugins), p)
	}
	return t.place(cfg, p, m)
}

// place lets a plugin serve the sources that its manifest names, or puts it behind
// the plugins that prepare the sources already.
func (t *trialFlags) place(cfg *host.Config, p host.Plugin, m *plugin.Manifest) error {
	for _, s := range m.Sources {
		cfg.Serve[s] = p.Name
	}
	if len(m.Sources) > 0 && len(t.sources) == 0 {
		return nil
	}
	sources := t.sources
	if len(sources) == 0 {
		var err error
		if sources, err = fitting(*cfg, m); err != nil {
			return err
		}
	}
	for _, s := range sources {
		if !slices.Contains(cfg.Prepare[s], p.Name) {
			cfg.Prepare[s] = append(slices.Clip(cfg.Prepare[s]), p.Name)
		}
	}
	return nil
}

// fitting are the sources that a plugin fits which names none: those of images
// when it requests images, else those of files.
func fitting(cfg host.Config, m *plugin.Manifest) ([]string, error) {
	h, err := host.New(cfg)
	if err != nil {
		return nil, err
	}
	defer h.Close()
	want := plugin.ProducesFile
	if requestsCapability(m, plugin.CapImage) {
		want = plugin.ProducesImage
	}
	var names []string
	for _, s := range h.Sources() {
		if s.Plugin.Produces == want && requests(s.Plugin, want) {
			names = append(names, s.Name)
		}
	}
	return names, nil
}

// requests reports whether a source's plugin fetches its items itself.
func requests(p host.PluginInfo, produces string) bool {
	capability := plugin.CapDownload
	if produces == plugin.ProducesImage {
		capability = plugin.CapImage
	}
	return slices.Contains(p.Hooks, abi.FetchOne) &&
		slices.ContainsFunc(p.Capabilities, func(c host.CapabilityInfo) bool { return c.Name == capability })
}

// joinGrants is what either grants.
func joinGrants(a, b host.Grant) host.Grant {
	return host.Grant{
		Download: append(a.Download, b.Download...), HTTP: append(a.HTTP, b.HTTP...), Read: append(a.Read, b.Read...),
		Stat: append(a.Stat, b.Stat...), TLS: append(a.TLS, b.TLS...), Env: append(a.Env, b.Env...),
		Secrets: append(a.Secrets, b.Secrets...), Exec: append(a.Exec, b.Exec...), Image: append(a.Image, b.Image...),
		Clock: a.Clock || b.Clock, Random: a.Random || b.Random,
	}
}
