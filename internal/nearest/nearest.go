// Package nearest finds the name that somebody probably meant.
package nearest

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxLen is the length in characters from which on a name is not looked at:
// comparing costs the product of both lengths, and nobody mistypes a name that
// long.
const maxLen = 64

// Name returns the known name that name is most likely a misspelling of, or ""
// when none is near: at most a third of its characters may have to be changed,
// inserted, removed or swapped with a neighbour, but one in any case. Case does
// not count, and a single character is near to nothing. Of two names that are
// equally near the earlier one wins.
func Name(name string, known []string) string {
	n := utf8.RuneCountInString(name)
	if n < 2 || n > maxLen {
		return ""
	}
	best, limit := "", max(1, n/3)+1
	for _, k := range known {
		if d := distance(strings.ToLower(name), strings.ToLower(k)); d < limit && k != name {
			best, limit = k, d
		}
	}
	return best
}

// Hint is what a message about a word that is not known goes on with: which of the known
// words was probably meant, or nothing.
func Hint[T, K ~string](word T, known []K) string {
	words := make([]string, len(known))
	for i, k := range known {
		words[i] = string(k)
	}
	if near := Name(string(word), words); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}

// HintOrList is Hint, and where no word is near, a list of those that there are.
func HintOrList[T, K ~string](word T, known []K) string {
	hint := Hint(word, known)
	switch {
	case hint != "":
		return hint
	case len(known) == 0:
		return ": there is none"
	}
	const most = 20
	list := ""
	for i, k := range known[:min(most, len(known))] {
		if i > 0 {
			list += ", "
		}
		list += string(k)
	}
	if more := len(known) - most; more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return "; there are " + list
}

// distance is the optimal string alignment distance: Levenshtein's, with a swap
// of neighbours counted as one step.
func distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	if len(s) > maxLen || len(t) > maxLen {
		return maxLen
	}
	var before []int
	last := make([]int, len(t)+1)
	for j := range last {
		last[j] = j
	}
	for i := range s {
		row := make([]int, len(t)+1)
		row[0] = i + 1
		for j := range t {
			cost := 1
			if s[i] == t[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && s[i] == t[j-1] && s[i-1] == t[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(t)]
}
