package main

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// xmlReader reads what metalinks consist of: elements, attributes, text, CDATA, and
// comments, instructions and document types, which it skips. It checks that elements
// are closed in order, so that a document that was cut off is an error. It knows no
// entities but the five of XML itself, and so has nothing that could be expanded.
type xmlReader struct {
	data string
	pos  int
	open []string // names of the elements around pos
	self bool     // the element that was read last closes itself
	root bool     // the outermost element was there
}

// The kinds of tokens.
const (
	xmlStart = iota
	xmlEnd
	xmlText
	xmlEOF
)

// maxDepth bounds how deep elements may be nested.
const maxDepth = 100

type token struct {
	kind    int
	element *element // of xmlStart and xmlEnd; only the name of the latter
	text    string   // of xmlText
}

// element is the beginning of an element. Prefixes of namespaces are left away.
type element struct {
	name  string
	attrs []struct{ name, value string }
}

// attr returns an attribute, "" when there is none.
func (e *element) attr(name string) string {
	for _, a := range e.attrs {
		if a.name == name {
			return a.value
		}
	}
	return ""
}

// next returns the next token.
func (x *xmlReader) next() (token, error) {
	for {
		if x.self {
			x.self = false
			return x.end(x.open[len(x.open)-1])
		}
		rest := x.data[x.pos:]
		switch {
		case rest == "" && len(x.open) > 0:
			return token{}, errors.New("it ends within the element " + cut(x.open[len(x.open)-1]))
		case rest == "":
			return token{kind: xmlEOF}, nil
		case rest[0] != '<':
			return x.text(rest)
		case strings.HasPrefix(rest, "<![CDATA["):
			inside, err := x.until("<![CDATA[", "]]>")
			return token{kind: xmlText, text: inside}, err
		case strings.HasPrefix(rest, "</"):
			name, err := x.until("</", ">")
			if err != nil {
				return token{}, err
			}
			return x.end(local(strings.TrimSpace(name)))
		case strings.HasPrefix(rest, "<!--"), strings.HasPrefix(rest, "<?"), strings.HasPrefix(rest, "<!"):
			if err := x.skip(rest); err != nil {
				return token{}, err
			}
		default:
			return x.start()
		}
	}
}

// skip leaves out what is no content.
func (x *xmlReader) skip(rest string) (err error) {
	switch {
	case strings.HasPrefix(rest, "<!--"):
		_, err = x.until("<!--", "-->")
	case strings.HasPrefix(rest, "<?"):
		_, err = x.until("<?", "?>")
	case strings.Contains(strings.SplitN(rest, ">", 2)[0], "["):
		_, err = x.until("<!", "]>") // a document type with declarations of its own
	default:
		_, err = x.until("<!", ">")
	}
	return err
}

// until takes what stands between two marks.
func (x *xmlReader) until(begin, end string) (string, error) {
	rest := x.data[x.pos+len(begin):]
	inside, _, found := strings.Cut(rest, end)
	if !found {
		return "", errors.New(begin + " at byte " + strconv.Itoa(x.pos) + " has no end")
	}
	x.pos += len(begin) + len(inside) + len(end)
	return inside, nil
}

// text takes everything up to the next tag.
func (x *xmlReader) text(rest string) (token, error) {
	raw := rest
	if i := strings.IndexByte(rest, '<'); i >= 0 {
		raw = rest[:i]
	}
	if len(x.open) == 0 && strings.Trim(raw, " \t\r\n\ufeff") != "" {
		return token{}, errors.New("there is text outside of any element")
	}
	text, err := unescape(raw)
	x.pos += len(raw)
	return token{kind: xmlText, text: text}, err
}

// end closes an element.
func (x *xmlReader) end(name string) (token, error) {
	if len(x.open) == 0 || x.open[len(x.open)-1] != name {
		return token{}, errors.New("the end of an element " + strconv.Quote(cut(name)) + " does not belong there")
	}
	x.open = x.open[:len(x.open)-1]
	return token{kind: xmlEnd, element: &element{name: name}}, nil
}

// start takes the beginning of an element with its attributes.
func (x *xmlReader) start() (token, error) {
	x.pos++
	e := &element{name: local(x.name())}
	switch {
	case e.name == "":
		return token{}, errors.New("there is no name after < at byte " + strconv.Itoa(x.pos-1))
	case len(x.open) == 0 && x.root:
		return token{}, errors.New("there is a second outermost element, " + cut(e.name))
	case len(x.open) >= maxDepth:
		return token{}, errors.New("its elements are nested too deep")
	}
	x.root = true
	for {
		x.space()
		rest := x.data[x.pos:]
		switch {
		case strings.HasPrefix(rest, "/>"):
			x.pos += 2
			x.self = true
		case strings.HasPrefix(rest, ">"):
			x.pos++
		default:
			if err := x.attribute(e); err != nil {
				return token{}, err
			}
			continue
		}
		x.open = append(x.open, e.name)
		return token{kind: xmlStart, element: e}, nil
	}
}

// attribute takes name="value".
func (x *xmlReader) attribute(e *element) error {
	bad := errors.New("the element " + cut(e.name) + " has a malformed attribute at byte " + strconv.Itoa(x.pos))
	name := x.name()
	x.space()
	if name == "" || !strings.HasPrefix(x.data[x.pos:], "=") {
		return bad
	}
	x.pos++
	x.space()
	if x.pos >= len(x.data) || x.data[x.pos] != '"' && x.data[x.pos] != '\'' {
		return bad
	}
	quote := x.data[x.pos : x.pos+1]
	raw, err := x.until(quote, quote)
	if err != nil {
		return bad
	}
	value, err := unescape(raw)
	e.attrs = append(e.attrs, struct{ name, value string }{local(name), value})
	return err
}

// name takes a name, "" when there is none.
func (x *xmlReader) name() string {
	rest := x.data[x.pos:]
	end := strings.IndexAny(rest, " \t\r\n<>/=\"'&")
	if end < 0 {
		end = len(rest)
	}
	x.pos += end
	return rest[:end]
}

func (x *xmlReader) space() {
	for x.pos < len(x.data) && strings.IndexByte(" \t\r\n", x.data[x.pos]) >= 0 {
		x.pos++
	}
}

// local returns a name without the prefix of its namespace.
func local(name string) string {
	return name[strings.LastIndexByte(name, ':')+1:]
}

// unescape replaces references to characters.
func unescape(s string) (string, error) {
	if !strings.Contains(s, "&") {
		return s, nil
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, "&")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		name, after, closed := strings.Cut(rest, ";")
		r, known := character(name)
		if !closed || !known {
			return "", errors.New("it has the unknown entity &" + cut(name))
		}
		b.WriteRune(r)
		s = after
	}
}

// character returns what a reference stands for.
func character(name string) (rune, bool) {
	switch name {
	case "amp":
		return '&', true
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "quot":
		return '"', true
	case "apos":
		return '\'', true
	}
	digits, numeric := strings.CutPrefix(name, "#")
	base := 10
	if hex, ok := strings.CutPrefix(digits, "x"); ok {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, 31)
	if !numeric || err != nil || n == 0 || !utf8.ValidRune(rune(n)) {
		return 0, false
	}
	return rune(n), true
}

// cut shortens what came from a server, for errors.
func cut(s string) string {
	const most = 40
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
