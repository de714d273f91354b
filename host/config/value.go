package config

import (
	"encoding"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// quote shortens and quotes a string for a message. The userinfo of URLs in it,
// which may be a password, is hidden.
func quote(s string) string {
	const longest = 80
	s = userinfo().ReplaceAllString(s, "${1}"+hidden+"@")
	if r := []rune(s); len(r) > longest {
		return strconv.Quote(string(r[:longest])) + "..."
	}
	return strconv.Quote(s)
}

// describe names a value and its kind for a message.
func describe(v any) string {
	switch v := v.(type) {
	case string:
		return "the string " + quote(v)
	case int64:
		return "the integer " + strconv.FormatInt(v, 10)
	case float64:
		return "the number " + strconv.FormatFloat(v, 'g', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	case []any:
		return "an array"
	case map[string]any:
		return "a table"
	}
	return "a date or time"
}

// dotted writes the name of a table as TOML does.
func dotted(names []string) string {
	parts := make([]string, len(names))
	for i, n := range names {
		if parts[i] = n; !bareKey().MatchString(n) {
			parts[i] = quote(n)
		}
	}
	return strings.Join(parts, ".")
}

// bareKey is a key that TOML takes without quotes.
var bareKey = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
})

// units of sizes, as factors of bytes.
func unit(name string) (int64, bool) {
	switch strings.ToLower(name) {
	case "", "b":
		return 1, true
	case "k", "kib":
		return 1 << 10, true
	case "m", "mib":
		return 1 << 20, true
	case "g", "gib":
		return 1 << 30, true
	case "kb":
		return 1e3, true
	case "mb":
		return 1e6, true
	case "gb":
		return 1e9, true
	}
	return 0, false
}

// parseSize reads a size: an integer, or a string of digits and a unit (B, KB,
// MB, GB for powers of 1000; KiB, MiB, GiB, or K, M, G, for powers of 1024).
func parseSize(v any) (int64, bool) {
	if n, ok := v.(int64); ok {
		return n, true
	}
	s, ok := v.(string)
	if !ok {
		return 0, false
	}
	digits := strings.TrimRight(s, "BKMGIbkmgi ")
	n, err := strconv.ParseUint(digits, 10, 62)
	factor, known := unit(strings.TrimSpace(s[len(digits):]))
	if err != nil || !known || int64(n) > math.MaxInt64/factor {
		return 0, false
	}
	return int64(n) * factor, true
}

// json returns the table's values with nothing in them but what JSON knows.
func (t *table) json() map[string]any {
	t.known = append(t.known, keys(t.values)...)
	v, err := toJSON(t.values)
	if err != nil {
		t.fail("", "[%s] cannot be handed to the plugin: %v", dotted(t.at), err)
		return nil
	}
	return v.(map[string]any)
}

func keys(m map[string]any) []string {
	all := make([]string, 0, len(m))
	for k := range m {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}

// toJSON copies a TOML value.
func toJSON(v any) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		m := make(map[string]any, len(v))
		for _, k := range keys(v) {
			x, err := toJSON(v[k])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", k, err)
			}
			m[k] = x
		}
		return m, nil
	case []any:
		list := make([]any, len(v))
		for i := range v {
			x, err := toJSON(v[i])
			if err != nil {
				return nil, fmt.Errorf("entry %d: %w", i+1, err)
			}
			list[i] = x
		}
		return list, nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("JSON has no number %v", v)
		}
	case time.Time:
		return v.Format(time.RFC3339Nano), nil
	case encoding.TextMarshaler: // the dates and times without a zone
		text, err := v.MarshalText()
		return string(text), err
	}
	return v, nil
}
