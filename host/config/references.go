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
	plugins := slices.Sorted(maps.Keys(f.Plugin))
	for _, name := range b.builtin {
		if !slices.Contains(plugins, name) {
			plugins = append(plugins, name)
		}
	}
	secrets := slices.Sorted(maps.Keys(f.Secret))
	for _, name := range slices.Sorted(maps.Keys(f.Source)) {
		s, t := f.Source[name], b.table([]string{"source", name}, nil)
		for i, p := range s.Prepare {
			t.refer("prepare", i, "plugin", p, plugins)
		}
		if s.Plugin != "" && len(b.builtin) > 0 {
			t.refer("plugin", -1, "plugin", s.Plugin, plugins)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Plugin)) {
		t := b.table([]string{"plugin", name, "grant"}, nil)
		for i, s := range f.Plugin[name].Grant.Secrets {
			if !strings.HasPrefix(s, providerPrefix) {
				t.refer("secrets", i, "secret", s, secrets)
			}
		}
	}
}

// refer records a mistake at an entry of a key, or at the key when entry is -1,
// unless name is one of the known ones.
func (t *table) refer(key string, entry int, what, name string, known []string) {
	if name == "" || slices.Contains(known, name) { // an empty one is a mistake that was recorded
		return
	}
	list := strings.Join(known, ", ")
	if list == "" {
		list = "none"
	}
	if near := nearest.Name(name, known); near != "" {
		t.failIn(key, entry, "%s: there is no %s %s; did you mean %q?", key, what, quote(name), near)
		return
	}
	t.failIn(key, entry, "%s: there is no %s %s: no table [%s]; known are: %s", key, what, quote(name), dotted([]string{what, name}), list)
}
