package main

import (
	"errors"
	"slices"
	"strconv"
	"strings"
)

// parseMirrorlist reads a list with one base URL in a line. What follows the URL, a
// comment most likely, lines that begin with "#", and such that are no http or https
// URL count for nothing.
func parseMirrorlist(text string) []string {
	var bases []string
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		fields := strings.Fields(line)
		if len(fields) > 0 && isWeb(fields[0]) {
			bases = append(bases, fields[0])
		}
	}
	return bases
}

// isWeb reports whether a URL is of the kind that a server may send us to: a list
// from the network must not name files of this machine.
func isWeb(url string) bool {
	scheme, rest, found := strings.Cut(url, "://")
	return found && rest != "" && rest[0] != '/' && (strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https"))
}

// repodata is where repositories have their metadata, of which a metalink tells.
const repodata = "repodata/"

// link is a url element of a metalink.
type link struct {
	base       string
	preference int
}

// parseMetalink reads a metalink of version 3 and returns the base URLs, those with
// the highest preference first. What it says of other files than repomd.xml, and
// other protocols than http and https, counts for nothing.
func parseMetalink(data []byte) ([]string, error) {
	x := &xmlReader{data: string(data)}
	var links []link
	wanted, seen := false, false // within the file repomd.xml; within a metalink
	var at *element              // the url element
	text := ""
	for {
		tok, err := x.next()
		switch {
		case err != nil:
			return nil, err
		case tok.kind == xmlEOF && !seen:
			return nil, errors.New("it is no metalink")
		case tok.kind == xmlEOF:
			slices.SortStableFunc(links, func(a, b link) int { return b.preference - a.preference })
			bases := make([]string, len(links))
			for i := range links {
				bases[i] = links[i].base
			}
			return bases, nil
		case tok.kind == xmlText:
			if at != nil {
				text += tok.text
			}
		case tok.kind == xmlStart:
			switch tok.element.name {
			case "metalink":
				seen = true
			case "file":
				wanted = tok.element.attr("name") == "repomd.xml"
			case "url":
				at, text = tok.element, ""
			}
		case tok.element.name == "file":
			wanted = false
		case tok.element.name == "url" && at != nil:
			if l, ok := linkOf(at, text); ok && wanted && seen {
				links = append(links, l)
			}
			at = nil
		}
	}
}

// linkOf reads a url element.
func linkOf(e *element, text string) (link, bool) {
	url := strings.TrimSpace(text)
	end := strings.LastIndex(url, "/"+repodata)
	if end < 0 || !isWeb(url[:end+1]) {
		return link{}, false
	}
	preference, _ := strconv.Atoi(strings.TrimSpace(e.attr("preference")))
	return link{base: url[:end+1], preference: max(-1000, min(preference, 1000))}, true
}
