package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/sourcehost/sourcehost/internal/nearest"
)

// providerPrefix begins the names of osbuild's own providers of certificates,
// for example "org.osbuild.rhsm". They can be granted but are not configured.
const providerPrefix = "org.osbuild."

// references checks the names by which tables refer to each other.
func (b *binder) references(f *File) {
	plugins := append(slices.Sorted(maps.Keys(f.Plugin)), b.builtin...)
	secrets := slices.Sorted(maps.Keys(f.Secret))
	for _, name := range slices.Sorted(maps.Keys(f.Source)) {
		s, t := f.Source[name], b.table([]string{"source", name}, nil)
		for _, p := range s.Prepare {
			t.refer("prepare", "plugin", p, plugins)
		}
		if s.Plugin != "" && len(b.builtin) > 0 {
			t.refer("plugin", "plugin", s.Plugin, plugins)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Plugin)) {
		t := b.table([]string{"plugin", name, "grant"}, nil)
		for _, s := range f.Plugin[name].Grant.Secrets {
			if !strings.HasPrefix(s, providerPrefix) {
				t.refer("secrets", "secret", s, secrets)
			}
		}
	}
}

// refer records a mistake unless name is one of the known ones.
func (t *table) refer(key, what, name string, known []string) {
	if slices.Contains(known, name) {
		return
	}
	list := strings.Join(known, ", ")
	if list == "" {
		list = "none"
	}
	if near := nearest.Name(name, known); near != "" {
		t.fail(key, "%s: there is no %s %s; did you mean %q?", key, what, quote(name), near)
		return
	}
	t.fail(key, "%s: there is no %s %s: no table [%s]; known are: %s", key, what, quote(name), dotted([]string{what, name}), list)
}
