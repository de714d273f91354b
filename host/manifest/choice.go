package manifest

import (
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// combined checks the keywords that apply further schemas to the same value.
func (e *explainer) combined(s *jsonschema.Schema, v any, at string) {
	if s.Not != nil && len(violations(s.Not, v, at)) == 0 {
		e.add(at, other, "%s is what is not allowed here", describe(v))
	}
	for _, sub := range s.AllOf {
		e.walk(sub, v, at)
	}
	if len(s.AnyOf) > 0 {
		e.choice(s.AnyOf, v, at, len(s.AnyOf))
	}
	if len(s.OneOf) > 0 {
		e.choice(s.OneOf, v, at, 1)
	}
}

// violations returns how a value violates a schema.
func violations(s *jsonschema.Schema, v any, at string) []finding {
	e := &explainer{}
	e.walk(s, v, at)
	return e.findings
}

// choice checks a value that must match at least one of several schemas, and at
// most the given number of them.
func (e *explainer) choice(subs []*jsonschema.Schema, v any, at string, most int) {
	var matched []*jsonschema.Schema
	branches := make([][]finding, 0, len(subs))
	for _, sub := range subs {
		found := violations(sub, v, at)
		if len(found) > 0 {
			branches = append(branches, found)
			continue
		}
		if matched = append(matched, sub); len(matched) > most {
			e.tooMany(subs, v, at)
			return
		}
	}
	if len(matched) > 0 {
		return
	}
	if e.oneOfTypes(branches, v, at) || e.oneOfNames(branches, at) {
		return
	}
	e.nearestBranch(branches, at)
}

// tooMany records that several alternatives match where one must.
func (e *explainer) tooMany(subs []*jsonschema.Schema, v any, at string) {
	var names []string
	if m, ok := v.(map[string]any); ok {
		for _, sub := range subs {
			for _, name := range sub.Required {
				if _, there := m[name]; there && !slices.Contains(names, show(name)) {
					names = append(names, show(name))
				}
			}
		}
	}
	if len(names) > 1 {
		e.add(at, other, "%s exclude each other; keep one", andList(names))
		return
	}
	e.add(at, other, "matches several of the %d allowed forms, but must match exactly one", len(subs))
}

// oneOfTypes handles alternatives that all want a value of another type.
func (e *explainer) oneOfTypes(branches [][]finding, v any, at string) bool {
	var types []string
	for _, b := range branches {
		if len(b) != 1 || b[0].kind != wrongType || b[0].pointer != at {
			return false
		}
		for _, t := range b[0].types {
			if !slices.Contains(types, t) {
				types = append(types, t)
			}
		}
	}
	e.add(at, wrongType, "expected %s, found %s", orList(articles(types)), describe(v))
	if e.count <= MaxProblems {
		e.findings[len(e.findings)-1].types = types
	}
	return true
}

// oneOfNames handles alternatives that differ in which member must be there.
func (e *explainer) oneOfNames(branches [][]finding, at string) bool {
	var names []string
	for _, b := range branches {
		name, ok := strings.CutSuffix(b[0].message, " is missing")
		if len(b) != 1 || b[0].kind != missing || b[0].pointer != at || !ok {
			return false
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	e.add(at, missing, "%s is missing", orList(names))
	return true
}

// nearestBranch records the findings of the alternative that was most likely
// meant: the one whose findings weigh least. When several weigh the same, and
// differ, each is told in short.
func (e *explainer) nearestBranch(branches [][]finding, at string) {
	least := -1
	var best [][]finding
	for _, b := range branches {
		w := weight(b, at)
		if least < 0 || w < least {
			least, best = w, nil
		}
		if w == least && !slices.ContainsFunc(best, func(o []finding) bool { return slices.EqualFunc(o, b, sameFinding) }) {
			best = append(best, b)
		}
	}
	if len(best) == 1 || len(best[0]) > 1 {
		for _, f := range best[0] {
			e.take(f)
		}
		return
	}
	const most = 4
	var ways []string
	for _, b := range best[:min(most, len(best))] {
		where := ""
		if b[0].pointer != at {
			where = showPointer(strings.TrimPrefix(b[0].pointer, at)) + ": "
		}
		ways = append(ways, where+b[0].message)
	}
	if len(best) > most {
		ways = append(ways, strconv.Itoa(len(best)-most)+" more")
	}
	e.add(at, other, "matches none of the allowed forms: %s", strings.Join(ways, "; or "))
}

func sameFinding(a, b finding) bool { return a.pointer == b.pointer && a.message == b.message }

// take records a finding that was made elsewhere.
func (e *explainer) take(f finding) {
	e.count++
	if len(e.findings) < MaxProblems {
		e.findings = append(e.findings, f)
	}
}

// weight tells how far a value is from an alternative.
func weight(found []finding, at string) int {
	sum := 0
	for _, f := range found {
		w := int(f.kind)
		if f.kind == wrongType && f.pointer == at {
			w = 1000
		}
		sum += w
	}
	return sum
}
