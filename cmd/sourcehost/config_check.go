package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sourcehost/sourcehost/cmd/sourcehost/internal/text"
	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/host/config"
	"github.com/sourcehost/sourcehost/host/secret"
)

// configCheckDocument is the document of `config check --output json`.
type configCheckDocument struct {
	Valid    bool           `json:"valid"`
	Files    []string       `json:"files"`
	Problems []fileDocument `json:"problems"`
	Warnings []fileDocument `json:"warnings"`
}

// fileDocument is something to be said about a place in a file.
type fileDocument struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Message string `json:"message"`
}

func (a *app) configCheckCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration and what it names",
		Long: `Check reads the configuration file and its drop-in files and reports every
mistake with its line and column. When there is none it checks what they name:
that the plugins are there, are plugins, match their digests and accept their
config, and that each source is known and each plugin of its chain can prepare. No
plugin is run and no secret is read. Warnings are about what may be meant: grants
that a plugin does not request, plugins that no source uses, secrets that cannot
be had from here.

The exit status is 2 when something is wrong, and 0 when there are warnings only.`,
		Example: `  sourcehost config check
  sourcehost --config new.toml config check --output json | jq .problems`,
		Args: cobra.NoArgs,
	}
	output := outputFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		warnings, err := a.checkConfig()
		if *output == formatJSON {
			return a.configCheckJSON(warnings, err)
		}
		return a.configCheckText(warnings, err)
	}
	return cmd
}

// checkConfig reads everything that the configuration names.
func (a *app) checkConfig() (warnings config.Mistakes, err error) {
	cfg, err := a.hostConfig()
	if err != nil {
		return nil, err
	}
	h, err := a.newHost(cfg)
	if err != nil {
		return nil, err
	}
	if err := h.CheckSchemas(); err != nil {
		mistakes := a.locate(err)
		if h.Close(); len(mistakes) > 0 {
			return nil, &usageError{err: mistakes}
		}
		return nil, err
	}
	warnings = append(a.idle(h), a.unreachable(cfg)...)
	return warnings.Sorted(a.file.Files), h.Close()
}

// warning is a mistake at a place of the configuration that need not be one.
func (a *app) warning(message string, way ...string) config.Mistake {
	at, _ := a.file.Places.Nearest(way...)
	return config.Mistake{Place: at, Message: message}
}

// idle finds grants and plugins that have no effect.
func (a *app) idle(h *host.Host) (warnings config.Mistakes) {
	var used []string
	for _, s := range h.Sources() {
		used = append(used, s.Plugin.Name)
		for _, p := range s.Prepare {
			used = append(used, p.Name)
		}
	}
	for _, p := range h.Plugins() {
		if p.Builtin {
			continue
		}
		if !slices.Contains(used, p.Name) {
			warnings = append(warnings, a.warning(fmt.Sprintf("no source uses the plugin %q; name it in the prepare or as the plugin of one", p.Name), "plugin", p.Name))
		}
		for _, grant := range p.Unrequested {
			capability, _, _ := strings.Cut(grant, " ")
			warnings = append(warnings, a.warning(fmt.Sprintf("the plugin %q does not request %s, so that the grant has no effect", p.Name, grant),
				"plugin", p.Name, "grant", capability))
		}
	}
	return warnings
}

// unreachable finds secrets that cannot be had, or should not be had like this.
func (a *app) unreachable(cfg host.Config) (warnings config.Mistakes) {
	for _, s := range cfg.Secrets {
		if err := secret.Inspect(s, a.env); err != nil {
			warnings = append(warnings, a.warning(fmt.Sprintf("secret %q: %v", s.Name, err), "secret", s.Name))
		}
	}
	return warnings
}

func (a *app) configCheckText(warnings config.Mistakes, err error) error {
	var mistakes config.Mistakes
	if err != nil && !errors.As(err, &mistakes) {
		return err
	}
	for _, m := range mistakes {
		fmt.Fprintln(a.stdout, text.CleanLines(m.Error()))
	}
	if err != nil {
		fmt.Fprintf(a.stdout, "%s found\n", text.Count(len(mistakes), "problem"))
		return &quietError{err: err}
	}
	for _, m := range warnings {
		fmt.Fprintln(a.stdout, text.CleanLines("warning: "+m.Error()))
	}
	for _, f := range a.file.Files {
		fmt.Fprintf(a.stdout, "%s: valid\n", text.Clean(f))
	}
	if len(a.file.Files) == 0 {
		fmt.Fprintf(a.stdout, "%s is not there: the defaults apply\n", config.DefaultPath)
	}
	return nil
}

func (a *app) configCheckJSON(warnings config.Mistakes, err error) error {
	doc := configCheckDocument{Valid: err == nil, Files: []string{}, Problems: []fileDocument{}, Warnings: fileDocuments(warnings)}
	if a.file != nil {
		doc.Files = append(doc.Files, a.file.Files...)
	}
	var mistakes config.Mistakes
	switch {
	case errors.As(err, &mistakes):
		doc.Problems = fileDocuments(mistakes)
	case err != nil:
		doc.Problems = append(doc.Problems, fileDocument{Message: err.Error()})
	}
	if failed := writeJSON(a.stdout, doc); failed != nil {
		return failed
	}
	if err != nil {
		return &quietError{err: err}
	}
	return nil
}

func fileDocuments(mistakes config.Mistakes) []fileDocument {
	docs := []fileDocument{}
	for _, m := range mistakes {
		docs = append(docs, fileDocument{File: m.File, Line: m.Line, Column: m.Column, Message: m.Message})
	}
	return docs
}
