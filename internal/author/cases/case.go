// Package cases tests a plugin with case files: each says which items a hook
// gets, how the host answers what the plugin asks for, and what must come of it.
// The plugin runs as it does in the host; only the answers are made up. What it
// asks for is judged by the host's own rules.
package cases

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
	"github.com/sourcehost/sourcehost/internal/regular"
)

// Case is a case file. docs/plugins.md describes each field.
type Case struct {
	// Path is the file that the case was read from.
	Path string `json:"-"`
	text text

	// Summary says what the case is about.
	Summary string `json:"summary,omitempty"`
	// Hooks are called in this order; none means all that the plugin has.
	Hooks []abi.Hook `json:"hooks,omitempty"`
	// Source is the name of the source; empty means the first that the plugin
	// serves, or DefaultSource.
	Source string `json:"source,omitempty"`
	// Options and Config are handed to the hooks.
	Options json.RawMessage `json:"options,omitempty"`
	Config  json.RawMessage `json:"config,omitempty"`
	// Format is the form in which images are to be stored.
	Format string `json:"format,omitempty"`
	// Items are the page.
	Items []Item `json:"items"`
	// Grant is what the plugin is granted; nil means all that it requests.
	Grant map[string]any `json:"grant,omitempty"`
	// Host is what the host answers.
	Host Answers `json:"host,omitzero"`
	// Expect is what must come of it.
	Expect Expect `json:"expect"`
}

// DefaultSource is the source of cases of plugins that serve none themselves.
const DefaultSource = "org.osbuild.curl"

// Item is one item of the page.
type Item struct {
	Key  string          `json:"key"`
	Desc json.RawMessage `json:"desc"`
}

// Answers are what the host has and knows.
type Answers struct {
	// Files are the contents of files by absolute path. Folders are implied.
	Files map[string]string `json:"files,omitempty"`
	// Env are the variables that are set.
	Env map[string]string `json:"env,omitempty"`
	// Secrets are the names of the secrets that are configured; nil means all
	// that the plugin requests.
	Secrets []string `json:"secrets,omitempty"`
	// Exec are the programs.
	Exec []Program `json:"exec,omitempty"`
	// HTTP are the answers of servers.
	HTTP []Response `json:"http,omitempty"`
	// Calls are answers for any operation; they come before the others.
	Calls []Answer `json:"calls,omitempty"`
}

// Program is how a program behaves.
type Program struct {
	Program string `json:"program"`
	// Args, when not nil, are the arguments that it must have.
	Args []string `json:"args,omitempty"`
	// Stdout is what it writes.
	Stdout string `json:"stdout,omitempty"`
	// Error makes it fail.
	Error string `json:"error,omitempty"`
}

// Answer is how the host answers an operation.
type Answer struct {
	Op string `json:"op"`
	// Request, when there, must be contained in the request: its fields must have
	// these values, others may have any.
	Request json.RawMessage `json:"request,omitempty"`
	// Status is the name of the status; empty means ok.
	Status string `json:"status,omitempty"`
	// Result is the JSON of the result, Text its bytes.
	Result json.RawMessage `json:"result,omitempty"`
	Text   string          `json:"text,omitempty"`
}

// Expect is what must come of a case.
type Expect struct {
	// Error is that of the whole page.
	Error *Failure `json:"error,omitempty"`
	// Items are those that a hook has changed, skipped or failed.
	Items []Outcome `json:"items,omitempty"`
	// Calls are the operations that were asked for, in order; nil means that they
	// are not compared.
	Calls []Call `json:"calls,omitzero"`
	// Log are the lines that were logged; nil means that they are not compared.
	Log []string `json:"log,omitzero"`
}

// Outcome is what became of an item.
type Outcome struct {
	Key   string          `json:"key"`
	Desc  json.RawMessage `json:"desc,omitempty"`
	Skip  string          `json:"skip,omitempty"`
	Error *Failure        `json:"error,omitempty"`
}

// Failure is the error of an item or a page. Of what is expected, empty fields
// are not compared.
type Failure struct {
	Hook    abi.Hook `json:"hook,omitempty"`
	Kind    abi.Kind `json:"kind,omitempty"`
	Message string   `json:"message,omitempty"`
	Hint    string   `json:"hint,omitempty"`
}

// Call is an operation that was asked for.
type Call struct {
	Op      string          `json:"op"`
	Request json.RawMessage `json:"request,omitempty"`
	// Content is what follows the request of put/v1, or its length and digest.
	Content string `json:"content,omitempty"`
	// Status is the name of the status; empty means ok.
	Status string `json:"status,omitempty"`
}

// Load reads the case file, or all files *.json of the folder, in the order of
// their names.
func Load(path string) ([]*Case, error) {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("there are no case files at %s: name a case file, or a folder of them, after the plugin", path)
	}
	if err != nil {
		return nil, err
	}
	paths := []string{path}
	if info.IsDir() {
		if paths, err = filepath.Glob(filepath.Join(escapeGlob(path), "*.json")); err != nil {
			return nil, err
		}
		if len(paths) == 0 {
			return nil, fmt.Errorf("the folder %s has no case files, *.json", path)
		}
	}
	var all []*Case
	var errs []error
	for _, p := range paths {
		c, err := read(p)
		all, errs = append(all, c), append(errs, err)
	}
	return all, errors.Join(errs...)
}

// escapeGlob makes a path stand for itself in a pattern.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// MaxBytes is the largest case file.
const MaxBytes = 64 << 20

func read(path string) (*Case, error) {
	data, err := regular.ReadFile(path, MaxBytes)
	if err != nil {
		return nil, err
	}
	return Parse(path, data)
}

// grant is what the plugin is granted in this case.
func (c *Case) grant(m *plugin.Manifest) (host.Grant, error) {
	g := host.GrantAll(m)
	if c.Grant != nil {
		g = host.Grant{}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Grant)) {
		values, err := grantValues(c.Grant[name])
		if err == nil && (values != nil || c.Grant[name] == true) {
			err = g.Add(name, values...)
		}
		if err != nil {
			return g, fmt.Errorf("grant/%s: %w", name, err)
		}
	}
	if c.Host.Secrets != nil {
		g.Secrets = slices.DeleteFunc(g.Secrets, func(name string) bool { return !slices.Contains(c.Host.Secrets, name) })
	}
	return g, nil
}

// howToGrant says what a case has to say for a plugin to be allowed something.
func (c *Case) howToGrant(capability, value string) string {
	if c.Grant == nil && capability == plugin.CapSecrets { // all is granted but secrets that there are not
		return fmt.Sprintf("add %q to host/secrets of the case", value)
	}
	return fmt.Sprintf("add %q to grant/%s of the case", value, capability)
}

// grantValues reads a value as [plugin.NAME.grant] of the configuration has it.
func grantValues(value any) ([]string, error) {
	switch v := value.(type) {
	case bool:
		return nil, nil
	case []any:
		var list []string
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				return nil, errors.New("expected an array of strings")
			}
			list = append(list, s)
		}
		return list, nil
	}
	return nil, errors.New("expected an array of strings, or true")
}

// statuses are the names of the statuses, in the order of their numbers.
var statuses = []abi.Status{abi.OK, abi.Unsupported, abi.Denied, abi.Invalid, abi.Failed, abi.Limit, abi.NotFound}

// statusOf returns the status of a name.
func statusOf(name string) (abi.Status, bool) {
	if name == "" {
		return abi.OK, true
	}
	for _, s := range statuses {
		if s.String() == name {
			return s, true
		}
	}
	return 0, false
}

// statusName is the name that case files have for a status.
func statusName(s abi.Status) string {
	if s == abi.OK {
		return ""
	}
	return s.String()
}
