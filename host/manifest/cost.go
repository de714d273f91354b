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

// Steps is roughly how many steps checking a value of so many bytes can take, a hundred
// million of them to a second. A schema and its regular expression count each time that
// they are reached, as if every byte were a value of its own.
func (s *Schema) Steps(bytes int) int64 { return s.steps * int64(bytes) }

const (
	// schemaSteps is what applying a schema, or comparing with one element of a list in
	// it, takes beside regular expressions.
	schemaSteps = 64
	// maxSteps is enough: larger sums are not told apart.
	maxSteps = 1 << 30
)

// steps adds up what a schema takes for each byte. checkCost was called before, so that
// there are no circles.
func steps(s *jsonschema.Schema, known map[*jsonschema.Schema]int64) int64 {
	if sum, ok := known[s]; ok {
		return sum
	}
	lists := len(s.Enum) + len(s.Required)
	for _, x := range s.Dependencies {
		if names, ok := x.([]string); ok {
			lists += len(names)
		}
	}
	sum := int64(1+lists) * schemaSteps
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
		sum = min(sum+steps(child, known), maxSteps)
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
