package abi

import "github.com/sourcehost/sourcehost/internal/rawjson"

// Append encodes the page.
func (p *Page) Append(dst []byte) []byte {
	dst = appendText(append(dst, '{'), "source", p.Source)
	dst = appendRaw(dst, "options", p.Options)
	dst = appendRaw(dst, "config", p.Config)
	dst = appendText(dst, "format", p.Format)
	if len(p.Items) > 0 {
		dst = append(appendName(dst, "items"), '[')
		for i := range p.Items {
			if i > 0 {
				dst = append(dst, ',')
			}
			it := &p.Items[i]
			dst = appendText(append(dst, '{'), "key", it.Key)
			dst = append(appendRaw(dst, "desc", it.Desc), '}')
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// DecodePage decodes a page.
func DecodePage(data []byte) (Page, error) {
	var p Page
	err := p.Decode(data)
	return p, err
}

// Decode is DecodePage into p, whose items are overwritten and their memory
// used again.
func (p *Page) Decode(data []byte) error {
	*p = Page{Items: p.Items[:0]}
	return decode(data, p)
}

func (p *Page) read(r *rawjson.Reader) error {
	return r.Object(func(key []byte) error {
		switch string(key) {
		case "source":
			return readText(r, &p.Source)
		case "options":
			return readRaw(r, &p.Options)
		case "config":
			return readRaw(r, &p.Config)
		case "format":
			return readText(r, &p.Format)
		case "items":
			return r.Array(func(int) error {
				p.Items = append(p.Items, Item{})
				return p.Items[len(p.Items)-1].read(r)
			})
		}
		return r.Skip()
	})
}

func (it *Item) read(r *rawjson.Reader) error {
	return r.Object(func(key []byte) error {
		switch string(key) {
		case "key":
			return readText(r, &it.Key)
		case "desc":
			return readRaw(r, &it.Desc)
		}
		return r.Skip()
	})
}

// Append encodes the output.
func (o *Output) Append(dst []byte) []byte {
	dst = append(dst, '{')
	if len(o.Items) > 0 {
		dst = append(appendName(dst, "items"), '[')
		for i := range o.Items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = o.Items[i].append(dst)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

func (o *Outcome) append(dst []byte) []byte {
	dst = appendText(append(dst, '{'), "key", o.Key)
	dst = appendRaw(dst, "desc", o.Desc)
	dst = appendText(dst, "skip", o.Skip)
	if o.Error != nil {
		dst = o.Error.Append(appendName(dst, "error"))
	}
	return append(dst, '}')
}

// DecodeOutput decodes an output. No data at all is an output that changes
// nothing.
func DecodeOutput(data []byte) (Output, error) { return DecodeOutputOf(data, len(data)) }

// DecodeOutputOf is DecodeOutput for a page of so many items: an output that
// names more is refused before it takes memory.
func DecodeOutputOf(data []byte, items int) (Output, error) {
	var o Output
	if len(data) == 0 {
		return o, nil
	}
	err := decode(data, &boundedOutput{&o, items})
	return o, err
}

// boundedOutput is an Output that is read up to a number of items.
type boundedOutput struct {
	*Output
	most int
}

func (o *boundedOutput) read(r *rawjson.Reader) error {
	return r.Object(func(key []byte) error {
		if string(key) != "items" {
			return r.Skip()
		}
		return r.Array(func(i int) error {
			if i >= o.most {
				return r.Fail("the output names more items than the page has")
			}
			o.Items = append(o.Items, Outcome{})
			return o.Items[len(o.Items)-1].read(r)
		})
	})
}

func (o *Outcome) read(r *rawjson.Reader) error {
	return r.Object(func(key []byte) error {
		switch string(key) {
		case "key":
			return readText(r, &o.Key)
		case "desc":
			return readRaw(r, &o.Desc)
		case "skip":
			return readText(r, &o.Skip)
		case "error":
			o.Error = new(Error)
			return o.Error.read(r)
		}
		return r.Skip()
	})
}

// Append encodes the error.
func (e *Error) Append(dst []byte) []byte {
	dst = appendText(append(dst, '{'), "kind", string(e.Kind))
	dst = appendText(dst, "message", e.Message)
	dst = appendText(dst, "hint", e.Hint)
	return append(dst, '}')
}

// DecodeError decodes an error. A kind that this package does not list becomes
// ErrFailed.
func DecodeError(data []byte) (Error, error) {
	var e Error
	err := decode(data, &e)
	return e, err
}

func (e *Error) read(r *rawjson.Reader) error {
	e.Kind = ErrFailed
	return r.Object(func(key []byte) error {
		switch string(key) {
		case "kind":
			s, err := r.String()
			e.Kind = KnownKind(Kind(s))
			return err
		case "message":
			return readText(r, &e.Message)
		case "hint":
			return readText(r, &e.Hint)
		}
		return r.Skip()
	})
}
