package host

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/nearest"
)

// assign finds the plugin of each source: what Serve says, else the one plugin
// whose manifest names it. A built-in plugin is replaced only by what Serve says:
// a plugin that was configured for its prepare hook must not take a source over.
func (h *Host) assign(byName map[string]*loaded) (errs []error) {
	for _, l := range h.plugins {
		for _, source := range l.manifest.Sources {
			other := h.serves[source]
			switch {
			case other == nil:
				h.serves[source] = l
			case other.Builtin != l.Builtin:
				h.keepBuiltin(source, other, l)
			case h.cfg.Serve[source] == "":
				errs = append(errs, settingf([]string{"plugin", l.Name}, "the plugins %q and %q both serve %s: name one as its plugin in the configuration", other.Name, l.Name, source))
			}
		}
	}
	for _, source := range slices.Sorted(maps.Keys(h.cfg.Serve)) {
		name := h.cfg.Serve[source]
		l, there := byName[name]
		setting := []string{"source", source, "plugin"}
		switch {
		case !there:
			errs = append(errs, settingf(setting, "the source %s is to be served by the plugin %q, which does not exist; there are: %s", source, name, h.pluginNames()))
		case l == nil: // which was reported
		case len(l.manifest.Sources) == 0:
			errs = append(errs, settingf(setting, "the source %s is to be served by the plugin %q, which can only prepare the items of other sources", source, name))
		default:
			h.serves[source] = l
		}
	}
	return errs
}

// keepBuiltin lets the built-in one of two plugins serve a source.
func (h *Host) keepBuiltin(source string, a, b *loaded) {
	builtin, configured := a, b
	if b.Builtin {
		builtin, configured = b, a
	}
	h.serves[source] = builtin
	if h.cfg.Serve[source] == "" {
		h.log.Warn("a plugin names a source that a built-in plugin serves; it serves it only when the source's configuration says so",
			"plugin", configured.Name, "source", source)
	}
}

// checkChains makes sure that every chained plugin exists and can filter or prepare.
func (h *Host) checkChains(byName map[string]*loaded) (errs []error) {
	for _, source := range slices.Sorted(maps.Keys(h.cfg.Prepare)) {
		// A plugin that could not be loaded might have served it.
		whole := len(h.plugins) == len(h.cfg.Plugins) || h.nearSource(source) != ""
		if h.serves[source] == nil && h.cfg.Serve[source] == "" && whole {
			errs = append(errs, settingf([]string{"source", source}, "%s", h.unknownSource(source)))
		}
		for i, name := range h.cfg.Prepare[source] {
			l, there := byName[name]
			setting := []string{"source", source, "prepare", strconv.Itoa(i)}
			switch {
			case !there:
				errs = append(errs, settingf(setting, "the plugin %q that is to prepare the items of %s does not exist; there are: %s", name, source, h.pluginNames()))
			case l != nil && !l.manifest.Has(abi.Prepare) && !l.manifest.Has(abi.Filter):
				errs = append(errs, settingf(setting, "the plugin %q that is to prepare the items of %s has neither a %s nor a %s hook", name, source, abi.Filter, abi.Prepare))
			}
		}
	}
	return errs
}

// chain returns the plugins whose prepare hook runs before the source's own.
func (h *Host) chain(source string) []*loaded {
	var chain []*loaded
	for _, name := range h.cfg.Prepare[source] {
		i := slices.IndexFunc(h.plugins, func(l *loaded) bool { return l.Name == name })
		chain = append(chain, h.plugins[i])
	}
	return chain
}

func (h *Host) pluginNames() string {
	names := make([]string, len(h.plugins))
	for i, l := range h.plugins {
		names[i] = l.Name
	}
	sort.Strings(names)
	return strings.Join(names, ", ")
}

// sourceNames are the names of all sources that are served, sorted.
func (h *Host) sourceNames() []string {
	names := make([]string, 0, len(h.serves))
	for name := range h.serves {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// serving returns the plugin of a source, or an error that lists the known ones.
func (h *Host) serving(source string) (*loaded, error) {
	if l := h.serves[source]; l != nil {
		return l, nil
	}
	return nil, usagef("%s", h.unknownSource(source))
}

func (h *Host) unknownSource(source string) string {
	message := fmt.Sprintf("no plugin serves the source %q; known sources: %s", shorten(source, 100), strings.Join(h.sourceNames(), ", "))
	if near := h.nearSource(source); near != "" {
		message += fmt.Sprintf("; did you mean %q?", near)
	}
	return message
}

// nearSource returns the known source that was probably meant. Much of their
// names is alike in all of them, so the last part must be near, too.
func (h *Host) nearSource(source string) string {
	last := func(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }
	near := nearest.Name(source, h.sourceNames())
	if last(near) == last(source) || nearest.Name(last(source), []string{last(near)}) != "" {
		return near
	}
	return ""
}

// Aliases returns the old names that "items" has in manifests of the source. It
// fits manifest.Options.
func (h *Host) Aliases(source string) []string {
	if l := h.serves[source]; l != nil {
		return l.manifest.ItemsAlias
	}
	return nil
}
