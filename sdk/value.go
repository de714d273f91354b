package sdk

import "github.com/sourcehost/sourcehost/internal/rawjson"

// Value is JSON as it stands. An empty Value stands for nothing at all.
type Value []byte

// Reader returns a reader of the value, for a value of some depth.
func (v Value) Reader() *Reader { return rawjson.NewReader(v) }

// Text returns the string in the field of this name of an object. It is empty,
// without an error, when the value is empty or has no such field.
func (v Value) Text(name string) (text string, err error) {
	err = v.field(name, func(r *Reader) (err error) {
		text, err = r.String()
		return err
	})
	return text, err
}

// Bool is Text for true and false.
func (v Value) Bool(name string) (is bool, err error) {
	err = v.field(name, func(r *Reader) (err error) {
		is, err = r.Bool()
		return err
	})
	return is, err
}

// Field returns the field of this name of an object, or an empty Value.
func (v Value) Field(name string) (field Value, err error) {
	err = v.field(name, func(r *Reader) error {
		raw, err := r.Raw()
		field = raw
		return err
	})
	return field, err
}

func (v Value) field(name string, read func(*Reader) error) error {
	if len(v) == 0 {
		return nil
	}
	r := rawjson.NewReader(v)
	err := r.Object(func(key []byte) error {
		if string(key) == name {
			return read(r)
		}
		return r.Skip()
	})
	return invalid(err)
}

// Quote returns text as a JSON string.
func Quote(text string) Value { return rawjson.AppendString(nil, text) }
