package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/sourcehost/sourcehost/cmd/sourcehost/internal/text"
)

// format is the value of --output.
type format string

const (
	formatText format = "text"
	formatJSON format = "json"
)

// String, Set and Type make format a flag.
func (f *format) String() string { return string(*f) }

func (f *format) Set(s string) error {
	if s != string(formatText) && s != string(formatJSON) {
		return fmt.Errorf("use %s or %s", formatText, formatJSON)
	}
	*f = format(s)
	return nil
}

func (f *format) Type() string { return "FORMAT" }

// outputFlag adds --output to a command.
func outputFlag(cmd *cobra.Command) *format {
	f := formatText
	cmd.Flags().Var(&f, "output", "form of the result: text, or json for machines")
	completeWords(cmd, "output", string(formatText), string(formatJSON))
	return &f
}

// jsonFlag adds --json, which is short for --output json.
func jsonFlag(cmd *cobra.Command, f *format) {
	cmd.Flags().BoolFunc("json", "the same as --output json", func(value string) error {
		on, err := strconv.ParseBool(value)
		if err == nil && on {
			*f = formatJSON
		}
		return err
	})
}

// writeJSON writes one indented document.
func writeJSON(w io.Writer, v any) error {
	var doc bytes.Buffer
	enc := json.NewEncoder(&doc)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(text.JSON(doc.Bytes()))
	return err
}
