package config

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sourcehost/sourcehost/internal/nearest"
)

// binder carries what reading needs everywhere.
type binder struct {
	path    string // of the main file, for what stands in no file
	places  Places
	builtin []string // plugins that are known beside the file's own
	// alone says that a single file of several is read: what it leaves out may
	// stand in another one.
	alone    bool
	mistakes Mistakes
}

// table takes the values of one TOML table apart. Each method takes one key,
// leaves dst alone when the key is absent, and records a mistake when its value
// is of the wrong kind. Keys that no method asked for are found by done.
type table struct {
	b      *binder
	at     []string // the names that lead here
	values map[string]any
	known  []string
	failed map[string]bool
}

func (b *binder) table(at []string, values map[string]any) *table {
	return &table{b: b, at: at, values: values, failed: map[string]bool{}}
}

// fail records a mistake at a key of the table, or at the table when the key is
// empty or absent.
func (t *table) fail(key, format string, args ...any) {
	t.failIn(key, -1, format, args...)
}

// failIn records a mistake at an entry of an array, counted from 0.
func (t *table) failIn(key string, entry int, format string, args ...any) {
	way := append(slices.Clone(t.at), key)
	if entry >= 0 {
		way = append(way, strconv.Itoa(entry))
	}
	t.failed[key] = true
	t.b.fail(way, format, args...)
}

// fail records a mistake at the place that the way leads to.
func (b *binder) fail(way []string, format string, args ...any) {
	at, ok := b.places.Nearest(way...)
	if !ok {
		at.File = b.path
	}
	b.mistakes = append(b.mistakes, Mistake{Place: at, Message: fmt.Sprintf(format, args...)})
}

// name is the last of the names that lead here, quoted.
func (t *table) name() string { return quote(t.at[len(t.at)-1]) }

func (t *table) has(key string) bool { return t.values[key] != nil }

// bad reports whether a mistake was recorded for a key.
func (t *table) bad(key string) bool { return t.failed[key] }

// get notes that a key is known and returns its value.
func (t *table) get(key string) (any, bool) {
	t.known = append(t.known, key)
	v, ok := t.values[key]
	return v, ok
}

// wrong records a value of the wrong kind.
func (t *table) wrong(key, want string, v any) {
	t.fail(key, "%s: expected %s, found %s", key, want, describe(v))
}

// done records the keys that nobody asked for.
func (t *table) done() {
	for _, key := range slices.Sorted(maps.Keys(t.values)) {
		if slices.Contains(t.known, key) {
			continue
		}
		where := ""
		if len(t.at) > 0 {
			where = " in [" + dotted(t.at) + "]"
		}
		if near := nearest.Name(key, t.known); near != "" {
			t.fail(key, "unknown key %s%s; did you mean %q?", quote(key), where, near)
		} else {
			t.fail(key, "unknown key %s%s; known are: %s", quote(key), where, strings.Join(slices.Sorted(slices.Values(t.known)), ", "))
		}
	}
}

// sub reads a table within this one.
func (t *table) sub(key string, read func(*table)) {
	v, ok := t.get(key)
	if !ok {
		return
	}
	values, ok := v.(map[string]any)
	if !ok {
		t.wrong(key, "a table", v)
		return
	}
	s := t.b.table(append(slices.Clone(t.at), key), values)
	read(s)
	s.done()
}

// named reads a table of tables, one for each name.
func named[T any](t *table, key string, read func(*table) T) map[string]T {
	var all map[string]T
	t.sub(key, func(names *table) {
		for _, name := range slices.Sorted(maps.Keys(names.values)) {
			if !validName().MatchString(name) {
				names.known = append(names.known, name)
				names.fail(name, "%s: the name %s is not made of letters, digits and . _ - only", key, quote(name))
				continue
			}
			names.sub(name, func(s *table) {
				if all == nil {
					all = map[string]T{}
				}
				all[name] = read(s)
			})
		}
	})
	return all
}

// validName is what the tables under source, plugin and secret may be called.
var validName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[A-Za-z0-9._-]{1,200}$`)
})

func (t *table) text(key string, dst *string) {
	v, ok := t.get(key)
	if !ok {
		return
	}
	s, ok := v.(string)
	switch {
	case !ok:
		t.wrong(key, "a string", v)
	case s == "":
		t.fail(key, "%s is empty; leave it out instead", key)
	case strings.ContainsRune(s, 0):
		t.fail(key, "%s contains a NUL character", key)
	default:
		*dst = s
	}
}

// path reads a path and resolves it against the folder of the file that has it.
func (t *table) path(key string, dst *string) {
	t.text(key, dst)
	if strings.HasPrefix(*dst, RegistryScheme) {
		return // a plugin in a registry; whatever else has it fails where it is opened
	}
	if *dst == "" || filepath.IsAbs(*dst) {
		return
	}
	at, ok := t.b.places.Of(append(slices.Clone(t.at), key)...)
	if !ok {
		at.File = t.b.path
	}
	if abs, err := filepath.Abs(at.File); err == nil {
		*dst = filepath.Join(filepath.Dir(abs), *dst)
	}
}

// texts reads an array of strings. If want is not nil it says what is expected
// of each that is not as it should be.
func (t *table) texts(key string, dst *[]string, want func(string) string) {
	v, ok := t.get(key)
	if !ok {
		return
	}
	list, ok := v.([]any)
	if !ok {
		t.wrong(key, "an array of strings", v)
		return
	}
	all := make([]string, 0, len(list))
	for i, v := range list {
		s, ok := v.(string)
		if !ok {
			t.failIn(key, i, "%s: entry %d: expected a string, found %s", key, i+1, describe(v))
		} else if s == "" || strings.ContainsRune(s, 0) {
			t.failIn(key, i, "%s: entry %d is empty or contains a NUL character", key, i+1)
			s = ""
		} else if want != nil && want(s) != "" {
			t.failIn(key, i, "%s: expected %s, found %s", key, want(s), quote(s))
			s = ""
		}
		all = append(all, s) // empty in place of a wrong one, so that the others keep their number
	}
	*dst = all
}

// command checks what is to be run.
func (t *table) command(key string, command []string) {
	switch {
	case !t.has(key) || t.bad(key):
	case len(command) == 0:
		t.fail(key, "%s is empty; give a program and its arguments", key)
	case wantAbsolute(command[0]) != "":
		t.failIn(key, 0, "%s: expected the absolute path of a program, found %s", key, quote(command[0]))
	}
}

// choice reads one of several words.
func (t *table) choice(key string, dst *string, words []string) {
	var s string
	t.text(key, &s)
	switch {
	case s == "":
	case slices.Contains(words, s):
		*dst = s
	default:
		quoted := make([]string, len(words))
		for i, w := range words {
			quoted[i] = quote(w)
		}
		text := fmt.Sprintf("%s: expected %s, found %s", key, strings.Join(quoted, " or "), quote(s))
		t.fail(key, "%s%s", text, nearest.Hint(s, words))
	}
}

func (t *table) boolean(key string, dst *bool) {
	v, ok := t.get(key)
	if !ok {
		return
	}
	if b, ok := v.(bool); ok {
		*dst = b
	} else {
		t.wrong(key, "true or false", v)
	}
}

// count reads an integer of at least 1.
func (t *table) count(k key, dst *int) {
	v, ok := t.get(k.name)
	if !ok {
		return
	}
	n, ok := v.(int64)
	switch {
	case !ok:
		t.wrong(k.name, "an integer", v)
	case n < 1 || n > k.bound():
		t.fail(k.name, "%s: expected at least 1 and at most %s, found %d", k.name, k.boundText(), n)
	default:
		*dst = int(n)
	}
}

func (t *table) duration(k key, dst *time.Duration) {
	v, ok := t.get(k.name)
	if !ok {
		return
	}
	const want = `a duration as a string with its unit, for example "30s" or "1m30s"`
	s, ok := v.(string)
	if !ok {
		t.wrong(k.name, want, v)
		return
	}
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		t.wrong(k.name, want, v)
	case d <= 0:
		t.fail(k.name, "%s: expected more than zero, found %q; leave the key out for the default", k.name, s)
	case int64(d) > k.bound():
		t.fail(k.name, "%s: expected at most %s, found %q", k.name, k.boundText(), s)
	default:
		*dst = d
	}
}

func (t *table) size(k key, dst *int64) {
	v, ok := t.get(k.name)
	if !ok {
		return
	}
	n, ok := parseSize(v)
	switch {
	case !ok:
		t.wrong(k.name, `a size in bytes, as an integer or a string such as "256MiB"`, v)
	case n < 1:
		t.fail(k.name, "%s: expected at least 1 byte, found %v; leave the key out for the default", k.name, v)
	case n > k.bound():
		t.fail(k.name, "%s: expected at most %s, found %s", k.name, k.boundText(), describe(v))
	default:
		*dst = n
	}
}

// digest reads a SHA-256 digest.
func (t *table) digest(key string, dst *string) {
	var s string
	t.text(key, &s)
	if s == "" {
		return
	}
	hex := strings.ToLower(strings.TrimPrefix(s, "sha256:"))
	if len(hex) != 64 || strings.Trim(hex, "0123456789abcdef") != "" {
		t.fail(key, "%s: expected 64 hexadecimal digits, found %s (%d characters)", key, quote(s), len(s))
		return
	}
	*dst = hex
}
