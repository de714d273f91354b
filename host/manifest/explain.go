package manifest

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/sourcehost/sourcehost/internal/nearest"
	"github.com/sourcehost/sourcehost/internal/rawjson"
)

// The library's errors mirror the schema: a tree with a branch for each keyword
// on the way. People need the leaf and a sentence about it. So a value that the
// library refused is walked here a second time, by the rules of draft 4 and with
// the library's compiled schema, and each violation becomes a finding.

// finding is one violation.
type finding struct {
	pointer string
	kind    kind
	message string
	types   []string // the expected types, of a wrongType
}

// kind tells findings apart where a choice among alternatives is explained. Its
// number is the weight in that choice: the larger it is, the less likely was
// this alternative meant.
type kind int

const (
	missing   kind = 2
	other     kind = 3
	unknown   kind = 4
	wrongEnum kind = 20
	wrongType kind = 10
)

// maxCounted is how many findings are counted at all.
const maxCounted = 10_000

// explainer collects findings.
type explainer struct {
	findings []finding
	count    int // also of those beyond MaxProblems
}

func (e *explainer) full() bool { return e.count >= maxCounted }

func (e *explainer) add(pointer string, k kind, format string, args ...any) {
	e.count++
	if len(e.findings) < MaxProblems {
		e.findings = append(e.findings, finding{pointer: pointer, kind: k, message: fmt.Sprintf(format, args...)})
	}
}

// append takes over the findings of another explainer.
func (e *explainer) append(o *explainer) {
	e.count += o.count
	room := max(0, MaxProblems-len(e.findings))
	e.findings = append(e.findings, o.findings[:min(room, len(o.findings))]...)
}

// malformed records that a value is not JSON, or more of it than is checked.
func (e *explainer) malformed(prefix string, value []byte, err error) {
	var re *rawjson.Error
	if !errors.As(err, &re) {
		e.add(prefix, other, "%s", err.Error())
		return
	}
	e.add(prefix+re.Pointer, other, "%s (byte %d of %d)", re.Msg, re.Offset, len(value))
}

// result returns the findings as problems of a source.
func (e *explainer) result(source, pointer string) Problems {
	if e.count == 0 {
		return nil
	}
	problems := make(Problems, 0, len(e.findings)+1)
	for _, f := range e.findings {
		problems = append(problems, Problem{Source: source, Pointer: f.pointer, Message: f.message})
	}
	beyond := min(e.count, maxCounted) - len(e.findings)
	switch {
	case e.full():
		problems = append(problems, Problem{Source: source, Pointer: pointer,
			Message: fmt.Sprintf("more than %d further problems, which are not listed", beyond-1)})
	case beyond > 0:
		problems = append(problems, Problem{Source: source, Pointer: pointer,
			Message: fmt.Sprintf("%d further problems, which are not listed", beyond)})
	}
	return problems
}

// walk records how v violates s.
func (e *explainer) walk(s *jsonschema.Schema, v any, at string) {
	if s.Ref != nil { // in draft 4 nothing beside a $ref counts
		e.walk(s.Ref, v, at)
		return
	}
	if len(s.Types) > 0 && !slices.ContainsFunc(s.Types, func(t string) bool { return hasType(v, t) }) {
		e.add(at, wrongType, "expected %s, found %s", orList(articles(s.Types)), describe(v))
		if e.count <= MaxProblems {
			e.findings[len(e.findings)-1].types = s.Types
		}
		return
	}
	e.enum(s, v, at)
	if check := jsonschema.Formats[s.Format]; check != nil && !check(v) {
		e.add(at, other, "%s is not valid as %q", describe(v), s.Format)
	}
	switch v := v.(type) {
	case map[string]any:
		e.object(s, v, at)
	case []any:
		e.array(s, v, at)
	case string:
		e.text(s, v, at)
	case number:
		e.number(s, v, at)
	}
	e.combined(s, v, at)
}

func (e *explainer) enum(s *jsonschema.Schema, v any, at string) {
	if len(s.Enum) == 0 || slices.ContainsFunc(s.Enum, func(x any) bool { return equal(x, v) }) {
		return
	}
	known, text := []string{}, []string{}
	for _, x := range s.Enum {
		d := describe(x)
		if str, ok := x.(string); ok {
			known = append(known, str)
			d = show(str)
		}
		text = append(text, d)
	}
	hint := ""
	if str, ok := v.(string); ok {
		hint = didYouMean(str, known)
	}
	e.add(at, wrongEnum, "expected %s, found %s%s", orList(text), describe(v), hint)
}

func didYouMean(name string, known []string) string {
	if near := nearest.Name(name, known); near != "" {
		return "; did you mean " + show(near) + "?"
	}
	return ""
}

func (e *explainer) object(s *jsonschema.Schema, v map[string]any, at string) {
	if n := len(v); s.MinProperties != -1 && n < s.MinProperties {
		e.add(at, other, "expected at least %s, found %d", count(s.MinProperties, "member"), n)
	}
	if n := len(v); s.MaxProperties != -1 && n > s.MaxProperties {
		e.add(at, other, "expected at most %s, found %d", count(s.MaxProperties, "member"), n)
	}
	e.required(s, v, at)
	for _, name := range slices.Sorted(maps.Keys(v)) {
		if e.full() {
			return
		}
		e.property(s, name, v, join(at, name))
	}
	for _, name := range slices.Sorted(maps.Keys(s.Dependencies)) {
		if _, ok := v[name]; !ok {
			continue
		}
		switch d := s.Dependencies[name].(type) {
		case *jsonschema.Schema:
			e.walk(d, v, at)
		case []string:
			for _, need := range d {
				if _, ok := v[need]; !ok {
					e.add(at, missing, "%s is missing; it goes with %s", show(need), show(name))
				}
			}
		}
	}
}

func (e *explainer) required(s *jsonschema.Schema, v map[string]any, at string) {
	var absent []string
	for _, name := range s.Required {
		if _, ok := v[name]; !ok {
			absent = append(absent, show(name))
		}
	}
	if len(absent) > 0 {
		verb := " is missing"
		if len(absent) > 1 {
			verb = " are missing"
		}
		e.add(at, missing, "%s", andList(absent)+verb)
	}
}

// property checks one member of an object.
func (e *explainer) property(s *jsonschema.Schema, name string, v map[string]any, at string) {
	known := false
	if sub, ok := s.Properties[name]; ok {
		known = true
		e.walk(sub, v[name], at)
	}
	if s.RegexProperties {
		if _, err := regexp.Compile(name); err != nil {
			e.add(at, other, "%s is not a regular expression of RE2 syntax", show(name))
		}
	}
	for _, p := range patterns(s) {
		if p.MatchString(name) {
			known = true
			e.walk(s.PatternProperties[p], v[name], at)
		}
	}
	switch extra := s.AdditionalProperties.(type) {
	case bool:
		if !known && !extra {
			e.add(at, unknown, "%s", unknownName(s, name, v))
		}
	case *jsonschema.Schema:
		if !known {
			e.walk(extra, v[name], at)
		}
	}
}

// patterns are the expressions of patternProperties in a fixed order.
func patterns(s *jsonschema.Schema) []*regexp.Regexp {
	if len(s.PatternProperties) == 0 {
		return nil
	}
	return slices.SortedFunc(maps.Keys(s.PatternProperties), func(a, b *regexp.Regexp) int {
		return strings.Compare(a.String(), b.String())
	})
}

// unknownName says why a name is not allowed in an object.
func unknownName(s *jsonschema.Schema, name string, v map[string]any) string {
	known := slices.Sorted(maps.Keys(s.Properties))
	free := slices.DeleteFunc(slices.Clone(known), func(k string) bool { _, ok := v[k]; return ok })
	if hint := didYouMean(name, free); hint != "" {
		return "unknown property " + show(name) + hint
	}
	if len(s.PatternProperties) > 0 {
		return "key " + show(name) + " " + mismatch(patterns(s), name)
	}
	if len(known) == 0 {
		return "unknown property " + show(name) + "; none are allowed here"
	}
	const most = 12
	if len(known) > most {
		known = append(known[:most], "...")
	}
	return "unknown property " + show(name) + "; known are " + strings.Join(known, ", ")
}

func (e *explainer) array(s *jsonschema.Schema, v []any, at string) {
	if s.MinItems != -1 && len(v) < s.MinItems {
		e.add(at, other, "expected at least %s, found %d", count(s.MinItems, "element"), len(v))
	}
	if s.MaxItems != -1 && len(v) > s.MaxItems {
		e.add(at, other, "expected at most %s, found %d", count(s.MaxItems, "element"), len(v))
	}
	if s.UniqueItems {
		e.unique(v, at)
	}
	for i, x := range v {
		if e.full() {
			return
		}
		if sub := elementSchema(s, i); sub != nil {
			e.walk(sub, x, join(at, strconv.Itoa(i)))
		}
	}
	first, isList := s.Items.([]*jsonschema.Schema)
	if allowed, ok := s.AdditionalItems.(bool); ok && isList && !allowed && len(v) > len(first) {
		e.add(at, other, "expected at most %s, found %d", count(len(first), "element"), len(v))
	}
}

// elementSchema returns the schema of an array's element, or nil.
func elementSchema(s *jsonschema.Schema, i int) *jsonschema.Schema {
	switch items := s.Items.(type) {
	case *jsonschema.Schema:
		return items
	case []*jsonschema.Schema:
		if i < len(items) {
			return items[i]
		}
		sub, _ := s.AdditionalItems.(*jsonschema.Schema)
		return sub
	}
	return nil
}

// unique names the first element that stands twice. Elements are compared by
// their canonical text, so that long arrays take no time out of proportion.
func (e *explainer) unique(v []any, at string) {
	seen := make(map[string]int, len(v))
	for i, x := range v {
		text := canonical(x)
		if j, ok := seen[text]; ok {
			e.add(at, other, "elements %d and %d are the same; each may stand here once", j, i)
			return
		}
		seen[text] = i
	}
}
