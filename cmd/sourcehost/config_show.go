package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sourcehost/sourcehost/cmd/sourcehost/internal/text"
	"github.com/sourcehost/sourcehost/host/config"
)

// configDocument is the document of `config show --output json`.
type configDocument struct {
	Files    []string          `json:"files"`
	Settings []settingDocument `json:"settings"`
	// CommandLine are settings that the file has no key for.
	CommandLine []settingDocument `json:"command_line"`
}

// settingDocument is the value of one key. Durations are strings, sizes are in
// bytes, and null means that nothing is set and there is no default value.
type settingDocument struct {
	Table    []string `json:"table"`
	Key      string   `json:"key"`
	Value    any      `json:"value"`
	Origin   string   `json:"origin"`
	File     string   `json:"file,omitempty"`
	Line     int      `json:"line,omitempty"`
	Column   int      `json:"column,omitempty"`
	Variable string   `json:"variable,omitempty"`
	Flag     string   `json:"flag,omitempty"`
}

func (a *app) configShowCommand() *cobra.Command {
	var f fetchFlags
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show the effective configuration and where each value comes from",
		Long: `Show reads the configuration file, its drop-in files, the environment and the
flags, and prints the value of each key with its origin: "default", the file and
its line, "$VARIABLE" or "--flag". The text is a valid configuration file. Values
of secrets are not read, and what looks like one in a plugin's config is hidden.

The flags about the store, workers and containers are those of fetch.`,
		Example: `  sourcehost config show
  sourcehost config show --output json | jq '.settings[] | select(.origin != "default")'`,
		Args: cobra.NoArgs,
	}
	output := outputFlag(cmd)
	a.settingFlags(cmd, &f)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		settings, line, err := a.effective(cmd, &f)
		if err != nil {
			return err
		}
		if *output == formatJSON {
			return writeJSON(a.stdout, configDocument{
				Files: append([]string{}, a.file.Files...), Settings: settingDocuments(settings), CommandLine: settingDocuments(line),
			})
		}
		a.printSettings(settings, line)
		return nil
	}
	return cmd
}

// effective returns the settings that fetch would use, and those of the command
// line that no file has.
func (a *app) effective(cmd *cobra.Command, f *fetchFlags) (settings, line config.Settings, err error) {
	cfg, err := a.fetchConfig(cmd, f)
	if err != nil {
		return nil, nil, err
	}
	settings = a.file.Settings(defaults())
	if a.getenv(envWorkers) != "" {
		settings.Find("workers").Put(int64(cfg.Workers), fromVariable(envWorkers))
	}
	a.effectiveCache(settings.Find("cache_dir"), cfg.CacheDir)
	for _, foreign := range []struct{ key, name string }{{"auth_file", envRegistryAuth}, {"registries_conf", envRegistries}} {
		if s := settings.Find(foreign.key, "container"); s.Value == nil && a.getenv(foreign.name) != "" {
			s.Put(a.getenv(foreign.name), fromVariable(foreign.name))
		}
	}
	for _, flag := range []struct {
		name    string
		setting *config.Setting
		value   any
	}{
		{"workers", settings.Find("workers"), int64(cfg.Workers)},
		{"container-engine", settings.Find("engine", "container"), f.engine},
		{"container-format", settings.Find("format", "container"), f.format},
	} {
		if cmd.Flags().Changed(flag.name) && flag.value != "" {
			flag.setting.Put(flag.value, config.Origin{Kind: config.FromFlag, Name: flag.name})
		}
	}
	return settings, a.commandLine(cmd, f), nil
}

func fromVariable(name string) config.Origin {
	return config.Origin{Kind: config.FromEnvironment, Name: name}
}

// commandLine are the settings that no file has.
func (a *app) commandLine(cmd *cobra.Command, f *fetchFlags) config.Settings {
	store, level := config.Setting{Key: "store"}, config.Setting{Key: "log-level"}
	store.Put(f.store, config.Origin{Kind: config.FromDefault})
	if a.getenv(envStore) != "" {
		store.Origin = fromVariable(envStore)
	}
	level.Put(a.logLevel, config.Origin{Kind: config.FromDefault})
	line := config.Settings{store, level}
	for i := range line {
		if cmd.Flags().Changed(line[i].Key) {
			line[i].Origin = config.Origin{Kind: config.FromFlag, Name: line[i].Key}
		}
	}
	return line
}

// effectiveCache fills in the folder for compiled plugins, which depends on the
// machine.
func (a *app) effectiveCache(s *config.Setting, dir string) {
	origin := s.Origin
	if _, ok := a.env(envCache); ok {
		origin = config.Origin{Kind: config.FromEnvironment, Name: envCache}
	}
	if s.Put(dir, origin); dir == "" {
		s.Value, s.Unset = nil, "none, plugins are compiled in each process that uses them"
	}
}

func settingDocuments(settings config.Settings) []settingDocument {
	docs := []settingDocument{}
	for _, s := range settings {
		d := settingDocument{Table: append([]string{}, s.Table...), Key: s.Key, Value: s.Value, Origin: string(s.Origin.Kind)}
		switch o := s.Origin; o.Kind {
		case config.FromFile:
			d.File, d.Line, d.Column = o.Place.File, o.Place.Line, o.Place.Column
		case config.FromEnvironment:
			d.Variable = o.Name
		case config.FromFlag:
			d.Flag = o.Name
		}
		docs = append(docs, d)
	}
	return docs
}

// printSettings writes a configuration file. Its first comments say what has no
// key there.
func (a *app) printSettings(settings, line config.Settings) {
	for _, f := range a.file.Files {
		fmt.Fprintf(a.stdout, "# read from %s\n", text.Clean(f))
	}
	if len(a.file.Files) == 0 {
		fmt.Fprintf(a.stdout, "# %s is not there\n", config.DefaultPath)
	}
	for _, s := range line {
		fmt.Fprintf(a.stdout, "# %s: %s # %s\n", s.Key, text.Clean(fmt.Sprint(s.Value)), s.Origin)
	}
	fmt.Fprintf(a.stdout, "\n%s", text.CleanLines(settings.Text()))
}
