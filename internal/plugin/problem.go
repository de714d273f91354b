package plugin

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/sourcehost/sourcehost/internal/jsonplace"
	"github.com/sourcehost/sourcehost/internal/rawjson"
)

// Problem is one thing that is wrong with a plugin manifest.
type Problem struct {
	// Field is the field that is wrong, for example capabilities[0].name, or
	// "document".
	Field string
	// Element is the index of the element of Field that is wrong, -1 for the field
	// as a whole.
	Element int
	// Pointer is a JSON pointer (RFC 6901) into the value of Field, or empty.
	Pointer string
	// Message says what was expected and what was found.
	Message string
	err     error // of the reader of JSON
}

// Error returns one line.
func (p *Problem) Error() string { return "plugin manifest: " + p.text() }

func (p *Problem) text() string {
	if p.Pointer != "" {
		return p.Field + ": " + shorten(p.Pointer) + ": " + p.Message
	}
	return p.Field + ": " + p.Message
}

// way leads to what is wrong.
func (p *Problem) way() []string {
	way := wayOf(p.Field)
	if p.Element >= 0 {
		way = append(way, strconv.Itoa(p.Element))
	}
	return append(way, rawjson.Tokens(p.Pointer)...)
}

// Locate turns an error of ParseManifest into one that says for each problem where
// in the file at path it is: "path:line:column: field: message". Other errors get
// the path in front.
func Locate(path string, data []byte, err error) error {
	root, invalid := jsonplace.Parse(data)
	var syntax *rawjson.Error
	if errors.As(invalid, &syntax) {
		return errors.New(jsonplace.Mistake(path, data, syntax))
	}
	var located []string
	for _, one := range split(err) {
		var p *Problem
		if !errors.As(one, &p) || root == nil {
			located = append(located, path+": "+one.Error())
			continue
		}
		offset := root.Find(p.way()...).Offset
		if strings.HasSuffix(p.Field, `"`) { // the name is what is wrong
			offset = root.Name(p.way()...)
		}
		located = append(located, jsonplace.Of(data, offset).In(path)+": "+p.text())
	}
	return errors.New(strings.Join(located, "\n"))
}

// split returns the errors that were joined.
func split(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// wayOf takes a field apart: capabilities[0].name, or capabilities[0]."nmae" for a
// name that is not known.
func wayOf(field string) []string {
	if field == orRoot("") {
		return nil
	}
	before, unknown, quoted := strings.Cut(field, `"`)
	way := strings.FieldsFunc(before, func(r rune) bool { return strings.ContainsRune(".[]", r) })
	if !quoted {
		return way
	}
	name, err := strconv.Unquote(`"` + unknown)
	if err != nil {
		return way
	}
	return append(slices.Clip(way), name)
}
