package config

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Setting is the effective value of one key.
type Setting struct {
	// Table are the names of the key's table, none for the file itself.
	Table []string
	Key   string
	// Value is the value: a string, an int64, a bool, a []string, or what Config
	// of a Plugin holds. A duration is a string, a size an int64. It is nil when
	// nothing is set and there is no default value; Unset then says what holds.
	Value any
	Unset string
	// TOML is the value as the file has it.
	TOML   string
	Origin Origin
}

// Origin says where a value comes from.
type Origin struct {
	Kind OriginKind
	// Place is set for FromFile.
	Place Place
	// Name is that of the variable or of the flag.
	Name string
}

// OriginKind is the kind of an Origin.
type OriginKind string

// The kinds of an Origin.
const (
	FromDefault     OriginKind = "default"
	FromFile        OriginKind = "file"
	FromEnvironment OriginKind = "environment"
	FromFlag        OriginKind = "flag"
)

// String returns the origin for people: "default", "file:line", "$NAME" or
// "--name".
func (o Origin) String() string {
	switch o.Kind {
	case FromFile:
		return Place{File: o.Place.File, Line: o.Place.Line}.String()
	case FromEnvironment:
		return "$" + o.Name
	case FromFlag:
		return "--" + o.Name
	}
	return string(FromDefault)
}

// Settings are in the order of the documentation.
type Settings []Setting

// Settings returns the effective value of every key of the tables with fixed
// names, and of the keys that are set in the others. Of what has no value in f it
// shows the value in defaults, which has those of the packages that use them.
// What looks like a secret among the values of a plugin's config, and in the
// arguments of programs, is hidden.
func (f *File) Settings(defaults *File) Settings {
	s := &settings{file: f}
	s.fixed(nil, rootKeys(f), rootKeys(defaults))
	s.fixed([]string{"download"}, downloadKeys(&f.Download), downloadKeys(&defaults.Download))
	s.fixed([]string{"limits"}, limitsKeys(&f.Limits), limitsKeys(&defaults.Limits))
	s.fixed([]string{"container"}, containerKeys(&f.Container), containerKeys(&defaults.Container))
	for _, name := range slices.Sorted(maps.Keys(f.Source)) {
		t := f.Source[name]
		s.set([]string{"source", name}, sourceKeys(&t))
	}
	for _, name := range slices.Sorted(maps.Keys(f.Plugin)) {
		t := f.Plugin[name]
		s.set([]string{"plugin", name}, pluginKeys(&t))
		s.set([]string{"plugin", name, "grant"}, grantKeys(&t.Grant))
		s.free([]string{"plugin", name, "config"}, t.Config)
	}
	for _, name := range slices.Sorted(maps.Keys(f.Program)) {
		t := f.Program[name]
		s.set([]string{"program", name}, programKeys(&t))
	}
	for _, name := range slices.Sorted(maps.Keys(f.Secret)) {
		t := f.Secret[name]
		s.set([]string{"secret", name}, secretKeys(&t))
	}
	return s.all
}

type settings struct {
	file *File
	all  Settings
}

// fixed adds all keys of a table.
func (s *settings) fixed(table []string, keys, defaults []key) {
	for i, k := range keys {
		if !s.one(table, k) {
			d := Setting{Table: table, Key: k.name, Unset: k.unset, Origin: Origin{Kind: FromDefault}}
			d.Value, d.TOML = defaults[i].value()
			s.all = append(s.all, d)
		}
	}
}

// set adds those keys of a table that are set.
func (s *settings) set(table []string, keys []key) {
	for _, k := range keys {
		s.one(table, k)
	}
}

// one adds a key if it is set.
func (s *settings) one(table []string, k key) bool {
	at, ok := s.file.Places.Of(append(slices.Clone(table), k.name)...)
	if !ok {
		return false
	}
	value, text := k.value()
	if k.kind == kindCommand {
		list := hideArguments(value.([]string))
		value, text = list, tomlValue(list)
	}
	s.all = append(s.all, Setting{Table: table, Key: k.name, Value: value, TOML: text, Origin: Origin{Kind: FromFile, Place: at}})
	return true
}

// free adds the keys of a table that is a plugin's own.
func (s *settings) free(table []string, values map[string]any) {
	for _, name := range keys(values) {
		at, _ := s.file.Places.Nearest(append(slices.Clone(table), name)...)
		value := s.file.hide(name, values[name])
		s.all = append(s.all, Setting{Table: table, Key: name, Value: value, TOML: tomlValue(value), Origin: Origin{Kind: FromFile, Place: at}})
	}
}

// value returns the value of the key's field, and as TOML. It is nil for a zero
// value, which means that nothing is set, unless the key is a boolean.
func (k key) value() (any, string) {
	switch v := k.field.(type) {
	case *int:
		if *v != 0 {
			return int64(*v), tomlValue(int64(*v))
		}
	case *int64:
		if *v != 0 {
			return *v, tomlSize(*v)
		}
	case *time.Duration:
		if *v != 0 {
			text := durationText(*v)
			return text, tomlValue(text)
		}
	case *bool:
		return *v, tomlValue(*v)
	case *string:
		if *v != "" {
			return *v, tomlValue(*v)
		}
	case *[]string:
		if *v != nil {
			return *v, tomlValue(*v)
		}
	}
	return nil, ""
}

// durationText writes a duration without the units that are zero at its end.
func durationText(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Find returns the setting of a key, or nil.
func (all Settings) Find(key string, table ...string) *Setting {
	for i := range all {
		if all[i].Key == key && slices.Equal(all[i].Table, table) {
			return &all[i]
		}
	}
	return nil
}

// Put sets the value, a string or an int64.
func (s *Setting) Put(value any, origin Origin) {
	s.Value, s.TOML, s.Origin = value, tomlValue(value), origin
}

// Text writes settings as a configuration file, each with its origin in a
// comment.
func (all Settings) Text() string {
	var b strings.Builder
	var table []string
	for _, s := range all {
		if !slices.Equal(s.Table, table) {
			table = s.Table
			b.WriteString("\n[" + tomlKey(table...) + "]\n")
		}
		switch {
		case s.Value != nil:
			b.WriteString(tomlKey(s.Key) + " = " + s.TOML + " # " + s.Origin.String() + "\n")
		case s.Unset != "":
			b.WriteString("# " + s.Key + ": " + strings.ReplaceAll(s.Unset, "`", ""))
			if s.Origin.Kind != FromDefault {
				b.WriteString(" # " + s.Origin.String())
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}
