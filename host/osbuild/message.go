package osbuild

import (
	"bytes"
	"encoding/json"

	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/internal/rawjson"
)

// The types of messages, and the methods of a source.
const (
	typeMethod    = "method"
	typeReply     = "reply"
	typeException = "exception"
	typeSignal    = "signal"

	methodDownload = "download"
	methodCopy     = "copy"
)

// call is a request.
type call struct {
	kind   string // typeMethod or typeSignal
	method string
	args   []byte // an object, for methods
}

// decodeCall reads a message. Members that are not known are ignored.
func decodeCall(message []byte) (*call, error) {
	c := &call{}
	found := false
	r := rawjson.NewReader(message)
	err := r.Object(func(key []byte) (err error) {
		switch name := string(key); {
		case name == "type":
			c.kind, err = r.String()
		case name == "data" && r.Kind() == '{':
			found = true
			err = c.readData(r)
		}
		return err
	})
	if err == nil {
		err = r.End()
	}
	switch {
	case err != nil:
		return nil, protocolErrorf("the message cannot be read: %v", err)
	case c.kind == typeSignal:
		return c, nil
	case c.kind != typeMethod:
		return nil, protocolErrorf("the message has the type %.40q; expected %q", c.kind, typeMethod)
	case !found:
		return nil, protocolErrorf("the message has no \"data\" that is an object")
	}
	return c, nil
}

func (c *call) readData(r *rawjson.Reader) error {
	return r.Object(func(key []byte) (err error) {
		switch name := string(key); {
		case name == "name" && r.Kind() == '"':
			c.method, err = r.String()
		case name == "args":
			c.args, err = r.Raw()
		}
		return err
	})
}

// arguments are those of both methods.
type arguments struct {
	items        []host.Item
	options      []byte
	cache, other string // folders; other is the destination of copy
}

// decodeArguments reads them. The items stand in the arguments, or in the first
// descriptor as osbuild 38 to 128 send them.
func decodeArguments(c *call, fds []int) (*arguments, error) {
	a := &arguments{}
	found := false
	r := rawjson.NewReader(c.args)
	err := r.Object(func(key []byte) (err error) {
		switch name := string(key); {
		case name == "items" && r.Kind() != 'n':
			found = true
			err = a.readItems(r)
		case name == "options" && r.Kind() != 'n':
			a.options, err = r.Raw()
		case name == "cache":
			a.cache, err = r.String()
		case name == "dst_cache":
			a.other, err = r.String()
		}
		return err
	})
	switch {
	case err != nil:
		return nil, protocolErrorf("the arguments of %s cannot be read: %v", c.method, err)
	case a.cache == "":
		return nil, protocolErrorf("the arguments of %s name no \"cache\"", c.method)
	case c.method == methodCopy && a.other == "":
		return nil, protocolErrorf("the arguments of %s name no \"dst_cache\"", c.method)
	case found:
		return a, nil
	case len(fds) == 0:
		return nil, protocolErrorf("%s has neither \"items\" nor a file descriptor that holds them", c.method)
	}
	return a, a.itemsFrom(c.method, fds[0])
}

func (a *arguments) itemsFrom(method string, fd int) error {
	text, err := readDescriptor(fd)
	if err != nil {
		return protocolErrorf("the items of %s in a file descriptor: %v", method, err)
	}
	r := rawjson.NewReader(text)
	if err = a.readItems(r); err == nil {
		err = r.End()
	}
	if err != nil {
		return protocolErrorf("the items of %s in a file descriptor cannot be read: %v", method, err)
	}
	return nil
}

// readItems keeps the order of the text.
func (a *arguments) readItems(r *rawjson.Reader) error {
	return r.Object(func(key []byte) error {
		desc, err := r.Raw()
		a.items = append(a.items, host.Item{Key: string(key), Desc: desc})
		return err
	})
}

// encodeReply makes the reply to a method that was carried out.
func encodeReply(v any) []byte {
	return encode(typeReply, map[string]any{"reply": v})
}

// encodeException makes the reply to a method that was not. Osbuild shows all
// three.
func encodeException(name, value, backtrace string) []byte {
	return encode(typeException, map[string]string{"name": name, "value": value, "backtrace": backtrace})
}

func encode(kind string, data any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	// Strings, numbers and booleans can always be encoded.
	_ = enc.Encode(map[string]any{"type": kind, "data": data})
	return bytes.TrimRight(b.Bytes(), "\n")
}
