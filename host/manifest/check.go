package manifest

import (
	"github.com/santhosh-tekuri/jsonschema/v5"
)

// Check returns all problems of a value, with pointers that begin with prefix.
// It is cheap enough to be called for each item.
func (s *Schema) Check(prefix string, value []byte) Problems {
	e := &explainer{}
	s.check(e, prefix, value)
	return e.result("", prefix)
}

// CheckSource returns all problems of a source object, in the order of its
// items.
func (s *Schema) CheckSource(src *Source) Problems {
	e := &explainer{}
	s.check(e, src.Pointer, src.Raw)
	return e.result(src.Name, src.Pointer)
}

// check decodes and checks a value. Where the schema allows it the members of
// its members, which are a source's items, are taken one by one.
func (s *Schema) check(e *explainer, prefix string, value []byte) {
	d := newDecoder(value)
	if len(s.blind) == 0 || d.Kind() != '{' {
		v, err := decode(value)
		if err != nil {
			e.malformed(prefix, value, err)
			return
		}
		e.value(s.root, v, prefix)
		return
	}
	// What is found in the items is listed after what is wrong with the object.
	inner := &explainer{}
	shell := map[string]any{}
	err := d.Object(func(key []byte) error {
		name := string(key)
		member := s.blind[name]
		if member == nil || d.Kind() != '{' {
			v, err := d.value()
			shell[name] = v
			return err
		}
		shell[name] = map[string]any{}
		return inner.members(d, member, join(prefix, name))
	})
	if err == nil {
		err = d.End()
	}
	if err != nil {
		e.malformed(prefix, value, err)
		return
	}
	e.value(s.root, shell, prefix)
	e.append(inner)
}

// members checks the members of an object one by one. They are decoded here and
// checked on all processors: where everything is in the store already, that is
// most of what a run does.
func (e *explainer) members(d *decoder, s *jsonschema.Schema, pointer string) error {
	c := &crew{schema: s, pointer: pointer}
	err := d.Object(func(key []byte) error {
		if c.count.Load() >= maxCounted {
			return d.Skip()
		}
		d.left = maxValues
		v, err := d.value()
		if err != nil {
			return err
		}
		c.add(string(key), v)
		return nil
	})
	c.finish(e)
	return err
}

// value checks a decoded value. The library says whether it is valid; only when
// it is not is it taken apart again for sentences.
func (e *explainer) value(s *jsonschema.Schema, v any, pointer string) {
	err := s.Validate(v)
	if err == nil {
		return
	}
	before := e.count
	e.walk(s, v, pointer)
	if e.count == before { // cannot be, as the fuzz test shows
		e.add(pointer, other, "%s", err.Error())
	}
}
