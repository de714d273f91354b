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
	var data []byte
	r := rawjson.NewReader(message)
	err := r.Object(func(key []byte) (err error) {
		switch string(key) {
		case "type":
			c.kind, err = r.String()
		case "data":
			data, err = r.Raw()
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
	case data == nil:
		return nil, protocolErrorf("the message has no \"data\"")
	}
	r.Reset(data)
	err = r.Object(func(key []byte) (err error) {
		switch string(key) {
		case "name":
			c.method, err = r.String()
		case "args":
			c.args, err = r.Raw()
		}
		return err
	})
	if err != nil {
		return nil, protocolErrorf("the \"data\" of the message cannot be read: %v", err)
	}
	return c, nil
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
	var items []byte
	r := rawjson.NewReader(c.args)
	err := r.Object(func(key []byte) (err error) {
		switch string(key) {
		case "items":
			items, err = r.Raw()
		case "options":
			a.options, err = r.Raw()
		case "cache":
			a.cache, err = r.String()
		case "dst_cache":
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
	}
	if string(a.options) == "null" {
		a.options = nil
	}
	if items == nil || string(items) == "null" {
		if len(fds) == 0 {
			return nil, protocolErrorf("%s has neither \"items\" nor a file descriptor that holds them", c.method)
		}
		if items, err = readDescriptor(fds[0]); err != nil {
			return nil, protocolErrorf("the items of %s in a file descriptor: %v", c.method, err)
		}
	}
	return a, a.decodeItems(items)
}

// decodeItems keeps the order of the text.
func (a *arguments) decodeItems(text []byte) error {
	r := rawjson.NewReader(text)
	err := r.Object(func(key []byte) error {
		desc, err := r.Raw()
		a.items = append(a.items, host.Item{Key: string(key), Desc: desc})
		return err
	})
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return protocolErrorf("the items cannot be read: %v", err)
	}
	return nil
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
