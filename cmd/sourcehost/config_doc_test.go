package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/host/config"
	"github.com/sourcehost/sourcehost/host/secret"
	"github.com/sourcehost/sourcehost/internal/builtin"
)

const configDoc = "../../docs/configuration.md"

// part is what is generated: the lines between two comments.
var part = regexp.MustCompile(`(?s)(<!-- (table|flags|environment) ?([A-Za-z.]*) ?-->\n)(.*?)(<!-- end -->\n)`)

// TestConfigurationDocument compares docs/configuration.md with the table of keys,
// the defaults, the environment variables and the flags. -update writes it anew.
func TestConfigurationDocument(t *testing.T) {
	data, err := os.ReadFile(configDoc)
	if err != nil {
		t.Fatal(err)
	}
	tables := map[string]config.TableDoc{}
	for _, table := range config.Document(defaults()) {
		tables[table.Name] = table
	}
	seen := map[string]int{}
	want := part.ReplaceAllStringFunc(string(data), func(all string) string {
		m := part.FindStringSubmatch(all)
		seen[m[2]]++
		switch m[2] {
		case "flags":
			return m[1] + flagRows() + m[5]
		case "environment":
			return m[1] + environmentRows() + m[5]
		}
		table, ok := tables[m[3]]
		if !ok {
			t.Errorf("there is no table %q", m[3])
		}
		delete(tables, m[3])
		return m[1] + keyRows(table) + m[5]
	})
	for name := range tables {
		t.Errorf("the document has no part for the table %q", name)
	}
	if seen["flags"] != 1 || seen["environment"] != 1 {
		t.Errorf("parts: %v", seen)
	}
	if *update && want != string(data) {
		if err := os.WriteFile(configDoc, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(data), want); diff != "" {
		t.Errorf("docs/configuration.md does not say what the code does; go test ./cmd/sourcehost -update writes it:\n%s", diff)
	}
}

func keyRows(table config.TableDoc) string {
	var b strings.Builder
	title := "outside of any table"
	if table.Name != "" {
		title = "`[" + table.Name + "]`"
	}
	fmt.Fprintf(&b, "| %s | value | default | meaning |\n|---|---|---|---|\n", title)
	for _, k := range table.Keys {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", k.Name, k.Type, k.Default, k.Meaning)
	}
	return b.String()
}

func environmentRows() string {
	var b strings.Builder
	b.WriteString("| variable | wins over the file | meaning |\n|---|---|---|\n")
	for _, v := range environment() {
		wins := "no"
		if v.own {
			wins = "yes"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", v.name, wins, v.meaning)
	}
	return b.String()
}

// flagRows are the flags that config show takes into account.
func flagRows() string {
	var b strings.Builder
	b.WriteString("| flag | meaning |\n|---|---|\n")
	root := (&app{}).rootCommand()
	var show *cobra.Command
	for _, c := range root.Commands() {
		if c.Name() == "config" {
			show, _, _ = c.Find([]string{"show"})
		}
	}
	row := func(f *pflag.Flag) {
		if f.Name == "help" || f.Name == "output" {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		fmt.Fprintf(&b, "| `--%s %s` | %s |\n", f.Name, value, usage)
	}
	root.PersistentFlags().VisitAll(row)
	show.Flags().VisitAll(row)
	return b.String()
}

// Every example in the document is a configuration.
func TestConfigurationExamples(t *testing.T) {
	data, err := os.ReadFile(configDoc)
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(data), "```toml\n")
	if len(blocks) < 5 {
		t.Fatalf("found %d examples", len(blocks)-1)
	}
	for _, b := range blocks[1:] {
		text, _, _ := strings.Cut(b, "```")
		if _, err := config.Parse("example", []byte(text), builtin.Names()...); err != nil {
			t.Errorf("%v in\n%s", err, text)
		}
	}
}

// The numbers in the document's text are those of the code.
func TestConfigurationNumbers(t *testing.T) {
	data, err := os.ReadFile(configDoc)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(string(data)), " ")
	for _, want := range []string{
		fmt.Sprintf("at least %d bytes and at most %d MiB", secret.MinLength, secret.MaxBytes>>20),
		fmt.Sprintf("for at most %d seconds", int(secret.CommandTimeout.Seconds())),
		fmt.Sprintf("at most %d unless the table says less", config.MaxCount),
		fmt.Sprintf("at most `\"%dh\"` unless the table says less", int(config.MaxDuration.Hours())),
		fmt.Sprintf("at most `\"%dGiB\"` unless the table says less", config.MaxSize>>30),
		"else `" + config.DefaultPath + "`", "`" + config.DropInDir(config.DefaultPath) + "/*.toml`",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("docs/configuration.md does not say %q", want)
		}
	}
}

// What the file may say is what the host takes.
func TestWorkersBound(t *testing.T) {
	if config.MaxWorkers != host.MaxWorkers {
		t.Errorf("the file may say %d, the host takes %d", config.MaxWorkers, host.MaxWorkers)
	}
}

// The help names the program's own variables, and the table of variables all that
// the sources of the command spell.
func TestEnvironmentIsComplete(t *testing.T) {
	known := map[string]bool{}
	for _, v := range environment() {
		known[v.name] = true
		if v.own && !strings.Contains(rootLong, "\n  "+v.name+" ") {
			t.Errorf("the help does not name %s", v.name)
		}
	}
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no sources: %v", err)
	}
	read := regexp.MustCompile(`a\.(?:env|getenv)\("([A-Za-z_]+)"\)|"(SOURCEHOST_[A-Z]+)"`)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range read.FindAllStringSubmatch(string(data), -1) {
			if v := m[1] + m[2]; !known[v] {
				t.Errorf("%s reads %s, which the table of variables lacks", name, v)
			}
		}
	}
}
