package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// settingSchema is the part of a JSON Schema that a line about a setting needs.
type settingSchema struct {
	Type        any                      `json:"type"`
	Enum        []json.RawMessage        `json:"enum"`
	Default     json.RawMessage          `json:"default"`
	Description string                   `json:"description"`
	Required    []string                 `json:"required"`
	Properties  map[string]settingSchema `json:"properties"`
	Additional  json.RawMessage          `json:"additionalProperties"`
}

// settingLines describes what a plugin takes as its config: one line for each
// property, "name (type, required): description". What a schema says beyond that
// is in the JSON document.
func settingLines(schema json.RawMessage) []string {
	if len(schema) == 0 {
		return nil
	}
	var s settingSchema
	if err := json.Unmarshal(schema, &s); err != nil { // of an unusual but valid form
		return []string{"a JSON Schema, which --output json shows"}
	}
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		lines = append(lines, name+s.Properties[name].summary(slices.Contains(s.Required, name)))
	}
	switch {
	case string(s.Additional) == "false" && len(lines) == 0:
		return []string{"none is taken"}
	case string(s.Additional) != "false":
		lines = append(lines, "other keys (see the JSON Schema with --output json)")
	}
	return lines
}

// summary is what stands behind the name of a setting.
func (s settingSchema) summary(required bool) string {
	var notes []string
	switch t := s.Type.(type) {
	case string:
		notes = append(notes, t)
	case []any:
		notes = append(notes, strings.ReplaceAll(strings.Trim(fmt.Sprint(t), "[]"), " ", " or "))
	}
	if len(s.Enum) > 0 {
		words := make([]string, len(s.Enum))
		for i, e := range s.Enum {
			words[i] = string(e)
		}
		notes = append(notes, strings.Join(words, " or "))
	}
	if required {
		notes = append(notes, "required")
	}
	if len(s.Default) > 0 {
		notes = append(notes, "default "+string(s.Default))
	}
	text := ""
	if len(notes) > 0 {
		text = " (" + strings.Join(notes, ", ") + ")"
	}
	if s.Description != "" {
		text += ": " + s.Description
	}
	return text
}
