package config

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// tomlKey writes a key, or the name of a table, so that TOML reads the same.
func tomlKey(names ...string) string {
	parts := make([]string, len(names))
	for i, n := range names {
		if parts[i] = n; !bareKey().MatchString(n) {
			parts[i] = tomlString(n)
		}
	}
	return strings.Join(parts, ".")
}

// tomlValue writes a value that toJSON has returned, or a []string, in one line.
func tomlValue(v any) string {
	switch v := v.(type) {
	case string:
		return tomlString(v)
	case float64:
		s := strconv.FormatFloat(v, 'g', -1, 64)
		if !strings.ContainsAny(s, ".e") {
			s += ".0"
		}
		return s
	case []string:
		parts := make([]string, len(v))
		for i := range v {
			parts[i] = tomlString(v[i])
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			parts[i] = tomlValue(v[i])
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		if len(v) == 0 {
			return "{}"
		}
		parts := []string{}
		for _, k := range keys(v) {
			parts = append(parts, tomlKey(k)+" = "+tomlValue(v[k]))
		}
		return "{ " + strings.Join(parts, ", ") + " }"
	}
	return fmt.Sprint(v) // integers and booleans
}

// tomlString writes a basic string. What does not print is escaped.
func tomlString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == ' ' || unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, `\U%08X`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// tomlSize writes a size with the largest unit that divides it.
func tomlSize(n int64) string {
	for _, u := range []struct {
		name   string
		factor int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n%u.factor == 0 {
			return tomlString(strconv.FormatInt(n/u.factor, 10) + u.name)
		}
	}
	return strconv.FormatInt(n, 10)
}
