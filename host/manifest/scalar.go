package manifest

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// number is what decode makes of a JSON number.
type number = json.Number

// rat returns the exact value. Numbers were bounded when they were decoded.
func rat(n number) *big.Rat {
	r, ok := new(big.Rat).SetString(n.String())
	if !ok { // cannot be: decode took it for a number
		return new(big.Rat)
	}
	return r
}

// hasType reports whether a value is of a JSON Schema type.
func hasType(v any, t string) bool {
	switch v := v.(type) {
	case nil:
		return t == "null"
	case bool:
		return t == "boolean"
	case string:
		return t == "string"
	case []any:
		return t == "array"
	case map[string]any:
		return t == "object"
	case number:
		return t == "number" || t == "integer" && rat(v).IsInt()
	}
	return false
}

// canonical returns a text that two values share when JSON Schema takes them
// for equal.
func canonical(v any) string {
	switch v := v.(type) {
	case number:
		return rat(v).RatString()
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			parts[i] = canonical(v[i])
		}
		return "[" + strings.Join(parts, ",") + "]"
	case map[string]any:
		var b strings.Builder
		for _, name := range sortedNames(v) {
			fmt.Fprintf(&b, "%q:%s,", name, canonical(v[name]))
		}
		return "{" + b.String() + "}"
	case string:
		return fmt.Sprintf("%q", v)
	}
	return fmt.Sprint(v)
}

// equal reports whether JSON Schema takes two values for equal.
func equal(a, b any) bool {
	switch a := a.(type) {
	case string:
		b, ok := b.(string)
		return ok && a == b
	case nil, bool:
		return a == b
	}
	return canonical(a) == canonical(b)
}

func (e *explainer) text(s *jsonschema.Schema, v string, at string) {
	if s.MinLength != -1 || s.MaxLength != -1 {
		n := utf8.RuneCountInString(v)
		if s.MinLength != -1 && n < s.MinLength {
			e.add(at, other, "expected at least %s, found %s", count(s.MinLength, "character"), describe(v))
		}
		if s.MaxLength != -1 && n > s.MaxLength {
			e.add(at, other, "expected at most %s, found %d in %s", count(s.MaxLength, "character"), n, describe(v))
		}
	}
	if s.Pattern != nil && !s.Pattern.MatchString(v) {
		e.add(at, other, "%s %s", show(v), mismatch(one(s.Pattern), v))
	}
}

func (e *explainer) number(s *jsonschema.Schema, v number, at string) {
	n := rat(v)
	bound := func(limit *big.Rat, words string, bad func(cmp int) bool) {
		if limit != nil && bad(n.Cmp(limit)) {
			e.add(at, other, "expected a number %s %s, found %s", words, decimal(limit), showNumber(v.String()))
		}
	}
	bound(s.Minimum, "of at least", func(c int) bool { return c < 0 })
	bound(s.ExclusiveMinimum, "greater than", func(c int) bool { return c <= 0 })
	bound(s.Maximum, "of at most", func(c int) bool { return c > 0 })
	bound(s.ExclusiveMaximum, "less than", func(c int) bool { return c >= 0 })
	if s.MultipleOf != nil && !new(big.Rat).Quo(n, s.MultipleOf).IsInt() {
		e.add(at, other, "expected a multiple of %s, found %s", decimal(s.MultipleOf), showNumber(v.String()))
	}
}

// decimal writes a bound of a schema.
func decimal(r *big.Rat) string {
	if r.IsInt() {
		return showNumber(r.Num().String())
	}
	f, _ := r.Float64()
	return fmt.Sprint(f)
}
