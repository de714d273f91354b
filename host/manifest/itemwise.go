package manifest

import "github.com/santhosh-tekuri/jsonschema/v5"

// itemwise returns the members of a source object whose own members can be
// checked one by one, with the schema to do it, because nothing in the schema
// looks at several of them together: neither the schema of the member (it has a
// type, patternProperties, additionalProperties and no more), nor anything else
// in the root (which sees an empty object in the member's place). The result is
// the same as that of checking the whole, but it comes in the order of the text,
// and in little memory.
func itemwise(root *jsonschema.Schema) map[string]*jsonschema.Schema {
	members := map[string]*jsonschema.Schema{}
	if root.Ref != nil {
		return members
	}
	for name, s := range root.Properties {
		for s.Ref != nil {
			s = s.Ref
		}
		if perMember(s) && ignores(root, name, true) {
			members[name] = s
		}
	}
	return members
}

// perMember reports whether a schema treats each member of an object by itself,
// and has no complaint about an empty object.
func perMember(s *jsonschema.Schema) bool {
	if len(s.Types) > 0 && !(len(s.Types) == 1 && s.Types[0] == "object") {
		return false
	}
	return len(s.Enum) == 0 && s.Not == nil && s.AllOf == nil && s.AnyOf == nil && s.OneOf == nil &&
		s.MinProperties <= 0 && s.MaxProperties == -1 && len(s.Required) == 0 && len(s.Properties) == 0 &&
		len(s.Dependencies) == 0 && !s.RegexProperties
}

// ignores reports whether a schema does not look into the named member of an
// object, but at most at whether it is there. At the top the member's entry in
// properties does not count.
func ignores(s *jsonschema.Schema, member string, top bool) bool {
	if len(s.Enum) > 0 {
		return false
	}
	if _, ok := s.Properties[member]; ok && !top {
		return false
	}
	for pattern := range s.PatternProperties {
		if pattern.MatchString(member) {
			return false
		}
	}
	if _, isSchema := s.AdditionalProperties.(*jsonschema.Schema); isSchema && !top {
		return false
	}
	inPlace := append([]*jsonschema.Schema{}, s.AllOf...)
	inPlace = append(append(inPlace, s.AnyOf...), s.OneOf...)
	for _, d := range s.Dependencies {
		if sub, ok := d.(*jsonschema.Schema); ok {
			inPlace = append(inPlace, sub)
		}
	}
	for _, sub := range []*jsonschema.Schema{s.Not, s.Ref} {
		if sub != nil {
			inPlace = append(inPlace, sub)
		}
	}
	for _, sub := range inPlace {
		if !ignores(sub, member, false) {
			return false
		}
	}
	return true
}
