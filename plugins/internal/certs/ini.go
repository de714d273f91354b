package certs

import "strings"

// parseINI reads the sections of a repository file, in their order. It takes
// what dnf takes: "name = value" or "name: value", names in any case, lines
// that begin with # or ; as comments, and lines that are indented further than
// the name as the continuation of its value, after a line break. What is none
// of these is skipped, and of a name given twice the last value counts.
func parseINI(data string) []map[string]string {
	var sections []map[string]string
	var section map[string]string
	name, nameIndent := "", 0
	for line := range strings.Lines(strings.TrimPrefix(data, "\ufeff")) {
		text := strings.TrimSpace(line)
		indent := len(line) - len(strings.TrimLeft(line, " \t"))
		switch {
		case text == "" || text[0] == '#' || text[0] == ';':
		case name != "" && indent > nameIndent:
			section[name] = strings.TrimPrefix(section[name]+"\n"+text, "\n")
		case text[0] == '[':
			// A heading without its end begins a section all the same, so that
			// what follows does not count as part of the one before.
			section, name = map[string]string{}, ""
			if strings.Contains(text, "]") {
				sections = append(sections, section)
			}
		default:
			key, value, found := cutAny(text, "=:")
			if name = ""; section != nil && found && key != "" {
				name, nameIndent = strings.ToLower(key), indent
				section[name] = value
			}
		}
	}
	return sections
}

// cutAny cuts text at the first of the separators.
func cutAny(text, separators string) (before, after string, found bool) {
	i := strings.IndexAny(text, separators)
	if i < 0 {
		return text, "", false
	}
	return strings.TrimSpace(text[:i]), strings.TrimSpace(text[i+1:]), true
}
