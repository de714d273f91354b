package manifest

import (
	"fmt"
	"maps"
	"regexp/syntax"
	"slices"
	"strconv"
)

const (
	// maxPatternBytes is the longest regular expression of a schema.
	maxPatternBytes = 4096
	// maxPatternCost is how large all regular expressions of a schema may become
	// when they are compiled, roughly in ranges of characters. Those of osbuild's
	// sources stay below 3,000.
	maxPatternCost = 100_000
)

// checkPatterns refuses schemas whose regular expressions would take a memory
// out of proportion to their text: "[\pL]{900}" repeats hundreds of ranges 900
// times. It looks at the text of the schema, before anything is compiled.
func checkPatterns(schema map[string]any) Problems {
	p := &patternMeter{}
	p.walk("", schema)
	return p.problems
}

type patternMeter struct {
	cost     int
	problems Problems
}

// walk takes every "pattern" and every name in "patternProperties" for a regular
// expression, also where a schema only mentions them as data: that is stricter
// than need be and cannot be deceived.
func (p *patternMeter) walk(at string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			here := join(at, name)
			if text, ok := v[name].(string); ok && name == "pattern" {
				p.add(here, text)
			}
			if sub, ok := v[name].(map[string]any); ok && name == "patternProperties" {
				for _, text := range slices.Sorted(maps.Keys(sub)) {
					p.add(join(here, text), text)
				}
			}
			p.walk(here, v[name])
		}
	case []any:
		for i, sub := range v {
			p.walk(join(at, strconv.Itoa(i)), sub)
		}
	}
}

func (p *patternMeter) add(at, text string) {
	if len(p.problems) > 0 {
		return // one is enough to refuse the schema
	}
	if len(text) > maxPatternBytes {
		p.problems = append(p.problems, Problem{Pointer: at, Message: fmt.Sprintf("the regular expression is longer than %d bytes, the limit", maxPatternBytes)})
		return
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return // the compiler says what is wrong
	}
	p.cost += patternCost(tree, maxPatternCost)
	if p.cost > maxPatternCost {
		p.problems = append(p.problems, Problem{Pointer: at, Message: "the regular expressions up to here are too complex: use fewer repetitions or smaller classes of characters"})
	}
}

// patternCost is about how many ranges of characters the compiled expression
// has, but not much more than limit.
func patternCost(re *syntax.Regexp, limit int) int {
	cost := 1 + len(re.Rune)
	for _, sub := range re.Sub {
		cost = min(cost+patternCost(sub, limit), limit+1)
	}
	if re.Op == syntax.OpRepeat {
		cost *= max(re.Min, re.Max, 1)
	}
	return min(cost, limit+1)
}
