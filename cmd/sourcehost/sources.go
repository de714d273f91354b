package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/sourcehost/sourcehost/cmd/sourcehost/internal/text"
	"github.com/sourcehost/sourcehost/host"
)

// sourceDocument is one element of `sources --output json`.
type sourceDocument struct {
	Source  string           `json:"source"`
	Plugin  pluginDocument   `json:"plugin"`
	Prepare []pluginDocument `json:"prepare"`
}

type pluginDocument struct {
	Name         string               `json:"name"`
	Version      string               `json:"version"`
	Summary      string               `json:"summary,omitempty"`
	Origin       string               `json:"origin"`
	Builtin      bool                 `json:"builtin"`
	SHA256       string               `json:"sha256"`
	Hooks        []string             `json:"hooks"`
	Produces     string               `json:"produces,omitempty"`
	ContentType  string               `json:"content_type,omitempty"`
	Capabilities []capabilityDocument `json:"capabilities"`
	Unrequested  []string             `json:"unrequested,omitempty"`
	Isolation    []isolationDocument  `json:"isolation,omitempty"`
}

type isolationDocument struct {
	Name    string `json:"name"`
	Applied bool   `json:"applied"`
	Detail  string `json:"detail,omitempty"`
}

type capabilityDocument struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	Reason  string `json:"reason"`
	Granted bool   `json:"granted"`
	// Verdict is granted, partly or denied.
	Verdict string `json:"verdict"`
}

func (a *app) sourcesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sources",
		Short: "List the known sources, their plugins and what these may do",
		Long: `Sources lists the names of sources that this program can fetch, the plugin that
serves each, the plugins that prepare its items before, and the capabilities that
the plugins request: those that are granted, and those that are denied. Plugins
that are part of the program are granted what they request. Others run in a process
of their own; how it is confined on this machine is shown by -v.`,
		Example: `  sourcehost sources
  sourcehost sources -v
  sourcehost sources --output json | jq '.[].source'`,
		Args: cobra.NoArgs,
	}
	output := outputFlag(cmd)
	verbose := cmd.Flags().BoolP("verbose", "v", false, "also print each capability with its reason, and where the plugins came from")
	cmd.RunE = func(*cobra.Command, []string) error {
		cfg, err := a.hostConfig()
		if err != nil {
			return err
		}
		h, err := a.newHost(cfg)
		if err != nil {
			return err
		}
		defer h.Close()
		switch {
		case *output == formatJSON:
			return writeJSON(a.stdout, sourceDocuments(h.Sources()))
		case *verbose:
			printSources(a.stdout, h.Sources())
			return nil
		}
		return tabulateSources(a.stdout, h.Sources())
	}
	return cmd
}

func sourceDocuments(sources []host.SourceInfo) []sourceDocument {
	docs := []sourceDocument{}
	for _, s := range sources {
		doc := sourceDocument{Source: s.Name, Plugin: newPluginDocument(s.Plugin), Prepare: []pluginDocument{}}
		for _, p := range s.Prepare {
			doc.Prepare = append(doc.Prepare, newPluginDocument(p))
		}
		docs = append(docs, doc)
	}
	return docs
}

func newPluginDocument(p host.PluginInfo) pluginDocument {
	doc := pluginDocument{
		Name: p.Name, Version: p.Version, Summary: p.Summary, Origin: p.Origin, Builtin: p.Builtin, SHA256: p.SHA256,
		Hooks: hookNames(p), Produces: p.Produces, ContentType: p.ContentType,
		Capabilities: []capabilityDocument{}, Unrequested: p.Unrequested,
	}
	for _, c := range p.Capabilities {
		doc.Capabilities = append(doc.Capabilities, capabilityDocument{Name: c.Name, Value: c.Value, Reason: c.Reason, Granted: c.Granted, Verdict: verdict(c)})
	}
	for _, i := range p.Isolation {
		doc.Isolation = append(doc.Isolation, isolationDocument(i))
	}
	return doc
}

// verdict says how much of what is requested the plugin may use.
func verdict(c host.CapabilityInfo) string {
	switch {
	case c.Partly:
		return "partly"
	case c.Granted:
		return "granted"
	}
	return "denied"
}

func hookNames(p host.PluginInfo) []string {
	names := []string{}
	for _, h := range p.Hooks {
		names = append(names, string(h))
	}
	return names
}

// tabulateSources writes one line per source.
func tabulateSources(w io.Writer, sources []host.SourceInfo) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SOURCE\tPLUGIN\tVERSION\tHOOKS\tPREPARED BY\tGRANTED\tDENIED")
	for _, s := range sources {
		var chain []string
		granted, denied := count(s.Plugin)
		for _, p := range s.Prepare {
			chain = append(chain, p.Name)
			g, d := count(p)
			granted, denied = granted+g, denied+d
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\t%d\n", text.Clean(s.Name), text.Clean(s.Plugin.Name),
			text.Clean(s.Plugin.Version), orDash(hookNames(s.Plugin)), orDash(chain), granted, denied)
	}
	return t.Flush()
}

// count returns how many of the plugin's capabilities are granted, be it partly,
// and denied.
func count(p host.PluginInfo) (granted, denied int) {
	for _, c := range p.Capabilities {
		if c.Granted || c.Partly {
			granted++
		} else {
			denied++
		}
	}
	return granted, denied
}

func orDash(words []string) string {
	if len(words) == 0 {
		return "-"
	}
	return text.Clean(strings.Join(words, ","))
}

// printSources writes a paragraph per source, or per several ones that are served
// alike: under an old name a source is the same.
func printSources(w io.Writer, sources []host.SourceInfo) {
	var printed []string
	first := map[string]string{} // under which source a plugin is described
	for i, s := range sources {
		if slices.Contains(printed, s.Name) {
			continue
		}
		if i > 0 {
			fmt.Fprintln(w)
		}
		names := []string{text.Clean(s.Name)}
		for _, other := range sources[i+1:] {
			if alike(s, other) {
				names, printed = append(names, text.Clean(other.Name)), append(printed, other.Name)
			}
		}
		fmt.Fprintln(w, strings.Join(names, ", "))
		describe := func(role string, p host.PluginInfo) {
			if above := first[p.Name]; above != "" {
				fmt.Fprintf(w, "  %s %s %s, as above under %s\n", role, text.Clean(p.Name), text.Clean(p.Version), text.Clean(above))
				return
			}
			first[p.Name] = s.Name
			printPlugin(w, role, p)
		}
		for _, p := range s.Prepare {
			describe("prepared by", p)
		}
		describe("served by", s.Plugin)
	}
}

// alike reports whether two sources differ in their names only.
func alike(a, b host.SourceInfo) bool {
	return a.Plugin.Name == b.Plugin.Name && slices.EqualFunc(a.Prepare, b.Prepare, func(p, q host.PluginInfo) bool { return p.Name == q.Name })
}

func printPlugin(w io.Writer, role string, p host.PluginInfo) {
	fmt.Fprintf(w, "  %s %s %s, %s\n", role, text.Clean(p.Name), text.Clean(p.Version), text.Clean(p.Summary))
	fmt.Fprintf(w, "    from     %s\n    sha256   %s\n    hooks    %s\n", text.Clean(p.Origin), p.SHA256, orDash(hookNames(p)))
	if p.ContentType != "" {
		fmt.Fprintf(w, "    makes    %s in %s\n", text.Clean(p.Produces), text.Clean(p.ContentType))
	}
	for _, c := range grouped(p.Capabilities) {
		word := verdict(c)
		if word == "denied" {
			word = "DENIED"
		}
		fmt.Fprintf(w, "    %-8s %s %s: %s\n", word, text.Clean(c.Name), text.Clean(c.Value), text.Clean(c.Reason))
	}
	for _, u := range p.Unrequested {
		fmt.Fprintf(w, "    unused   the grant %s: the plugin does not request it\n", text.Clean(u))
	}
	for _, i := range p.Isolation {
		verdict := "confined"
		if !i.Applied {
			verdict = "NOT CONFINED"
		}
		fmt.Fprintf(w, "    %s %s%s\n", verdict, i.Name, after(": ", text.Clean(i.Detail)))
	}
}

// after puts a separator in front of text, unless there is none.
func after(separator, text string) string {
	if text == "" {
		return ""
	}
	return separator + text
}

// grouped puts values in one line that have the name, the reason and the
// verdict in common.
func grouped(all []host.CapabilityInfo) []host.CapabilityInfo {
	var groups []host.CapabilityInfo
	for _, c := range all {
		if n := len(groups) - 1; n >= 0 && groups[n].Name == c.Name && groups[n].Reason == c.Reason && verdict(groups[n]) == verdict(c) {
			groups[n].Value += ", " + c.Value
			continue
		}
		groups = append(groups, c)
	}
	return groups
}
