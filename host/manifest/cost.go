package manifest

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// MaxSchemaCost is how many schemas may be applied to one value and what is in
// it, counting a schema each time that it is reached. Those of osbuild's
// sources stay below 50.
const MaxSchemaCost = 10_000

// checkCost refuses schemas that take a time out of proportion to the value:
// references double the work with each step when a schema names another twice.
func checkCost(root *jsonschema.Schema) error {
	cost, err := (&meter{known: map[*jsonschema.Schema]int{}}).cost(root)
	if err == nil && cost > MaxSchemaCost {
		err = fmt.Errorf("too complex: one value could need more than %d schemas", MaxSchemaCost)
	}
	return err
}

// meter remembers the cost of each schema; -1 means that it is being counted.
type meter struct{ known map[*jsonschema.Schema]int }

func (m *meter) cost(s *jsonschema.Schema) (int, error) {
	switch c, ok := m.known[s]; {
	case c < 0:
		return 0, errors.New("it refers to itself in a circle of \"$ref\"")
	case ok:
		return c, nil
	}
	m.known[s] = -1
	sum := 1
	for _, child := range children(s) {
		c, err := m.cost(child)
		if err != nil {
			return 0, err
		}
		sum = min(sum+c, MaxSchemaCost+1)
	}
	m.known[s] = sum
	return sum, nil
}

// Matching is roughly how many steps comparing a value of so many bytes with the
// schema's regular expressions can take, a hundred million of them to a second. An
// expression counts each time that it is reached.
func (s *Schema) Matching(bytes int) int64 { return s.matching * int64(bytes) }

// maxMatching is enough: larger sums are not told apart.
const maxMatching = 1 << 30

// matching adds up the cost of the regular expressions. checkCost was called before, so
// that there are no circles.
func matching(s *jsonschema.Schema, known map[*jsonschema.Schema]int64) int64 {
	if sum, ok := known[s]; ok {
		return sum
	}
	var sum int64
	add := func(re *regexp.Regexp) {
		if re == nil {
			return
		}
		if tree, err := syntax.Parse(re.String(), syntax.Perl); err == nil {
			sum += int64(patternCost(tree, maxPatternCost))
		}
	}
	add(s.Pattern)
	for re := range s.PatternProperties {
		add(re)
	}
	for _, child := range children(s) {
		sum = min(sum+matching(child, known), maxMatching)
	}
	known[s] = sum
	return sum
}

// children are the schemas that a schema of draft 4 may apply.
func children(s *jsonschema.Schema) []*jsonschema.Schema {
	var all []*jsonschema.Schema
	add := func(x any) {
		switch x := x.(type) {
		case *jsonschema.Schema:
			if x != nil {
				all = append(all, x)
			}
		case []*jsonschema.Schema:
			all = append(all, x...)
		}
	}
	for _, x := range []any{s.Ref, s.Not, s.AllOf, s.AnyOf, s.OneOf, s.Items, s.AdditionalItems, s.AdditionalProperties} {
		add(x)
	}
	for _, x := range s.Properties {
		add(x)
	}
	for _, x := range s.PatternProperties {
		add(x)
	}
	for _, x := range s.Dependencies {
		add(x)
	}
	return all
}
