package manifest

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

func one(re *regexp.Regexp) []*regexp.Regexp { return []*regexp.Regexp{re} }

func sortedNames(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

// count writes a number and a noun in its singular or plural.
func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return strconv.Itoa(n) + " " + noun
}

// articles writes JSON Schema types as words.
func articles(types []string) []string {
	words := make([]string, len(types))
	for i, t := range types {
		switch t {
		case "object", "array", "integer":
			words[i] = "an " + t
		case "boolean":
			words[i] = "true or false"
		case "null":
			words[i] = "null"
		default:
			words[i] = "a " + t
		}
	}
	return words
}

func orList(words []string) string  { return list(words, " or ") }
func andList(words []string) string { return list(words, " and ") }

func list(words []string, last string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	const most = 12
	if len(words) > most {
		words = append(slices.Clone(words[:most]), strconv.Itoa(len(words)-most)+" more")
	}
	n := len(words) - 1
	return strings.Join(words[:n], ", ") + last + words[n]
}

// digestLength is the number of hexadecimal digits of each digest that keys of
// osbuild sources may have.
func digestLength(algorithm string) int {
	switch algorithm {
	case "md5":
		return 32
	case "sha1":
		return 40
	case "sha256":
		return 64
	case "sha384":
		return 96
	case "sha512":
		return 128
	}
	return 0
}

// algorithms returns which digests the patterns are made for, found by trying a
// digest of each.
func algorithms(res []*regexp.Regexp) []string {
	var found []string
	for _, a := range []string{"md5", "sha1", "sha256", "sha384", "sha512"} {
		if matchAny(res, a+":"+strings.Repeat("0a", digestLength(a)/2)) {
			found = append(found, a)
		}
	}
	return found
}

func matchAny(res []*regexp.Regexp, s string) bool {
	return slices.ContainsFunc(res, func(re *regexp.Regexp) bool { return re.MatchString(s) })
}

// mismatch says, for a text that matches none of the patterns, in what it
// differs: in terms of digests where the patterns are about those.
func mismatch(res []*regexp.Regexp, s string) string {
	accepted := algorithms(res)
	if len(accepted) > 0 && !matchAny(res, "a") { // names of mirrors may look like digests, too
		return "is not ALGO:HEX: " + digestFault(accepted, s)
	}
	if matchAny(res, strings.Repeat("0a", 32)) && !matchAny(res, "0a") {
		return "is not a digest of 64 hexadecimal digits: " + hexFault(s, 64, "it")
	}
	if len(res) == 1 {
		return "does not match the pattern " + show(res[0].String())
	}
	all := make([]string, len(res))
	for i, re := range res {
		all[i] = show(re.String())
	}
	return "matches none of the patterns " + andList(all)
}

// digestFault says what is wrong with a text as a digest.
func digestFault(accepted []string, s string) string {
	algorithm, hex, ok := strings.Cut(s, ":")
	if !ok {
		example := accepted[len(accepted)/2]
		return "expected for example " + show(example+":") + " and " + strconv.Itoa(digestLength(example)) + " hexadecimal digits"
	}
	if !slices.Contains(accepted, algorithm) {
		return "the algorithm is " + show(algorithm) + ", expected " + orList(accepted)
	}
	return hexFault(hex, digestLength(algorithm), algorithm)
}

// hexFault says what is wrong with the digits of a digest.
func hexFault(hex string, want int, what string) string {
	for _, r := range hex {
		if !strings.ContainsRune("0123456789abcdef", r) {
			return strconv.QuoteRune(r) + " is no hexadecimal digit (0-9, a-f)"
		}
	}
	if len(hex) != want {
		return what + " takes " + strconv.Itoa(want) + " hexadecimal digits, found " + strconv.Itoa(len(hex))
	}
	return "something stands before or after it that does not belong there"
}
