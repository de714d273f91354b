package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sourcehost/sourcehost/cmd/sourcehost/internal/text"
	"github.com/sourcehost/sourcehost/host/config"
	"github.com/sourcehost/sourcehost/host/osbuild"
	"github.com/sourcehost/sourcehost/host/osbuild/libdir"
)

// installDocument is the document of `osbuild install` and `uninstall` with
// --output json.
type installDocument struct {
	Libdir  string          `json:"libdir"`
	Shadow  string          `json:"shadow,omitempty"`
	Osbuild int             `json:"osbuild,omitempty"`
	Binary  string          `json:"binary,omitempty"`
	Changes []libdir.Change `json:"changes"`
}

type installFlags struct {
	libdir, shadow, binary, link string
	sources                      []string
	version                      func(dir string) (osbuild.Version, error)
	output                       *format
}

func (a *app) osbuildInstallCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Put this program in place of osbuild's sources",
		Long: `Install puts a link to this program and a NAME.meta.json into the folder sources/
of a library folder, for each source that the program serves, those of configured
plugins included. What was there is kept in sourcehost/ beside sources/, and
uninstall puts it back. Install can be repeated: after an upgrade of osbuild, of
this program, or of a plugin it should be.

With --shadow the library folder is left alone. DIR becomes another one with the
same content and with our sources, for osbuild --libdir DIR.

For osbuild before version 113, which reads no meta.json, the modules are small
Python programs that become this one.`,
		Example: `  sourcehost osbuild install
  sourcehost osbuild install --libdir /usr/lib/osbuild --source org.osbuild.curl
  sourcehost osbuild install --shadow /var/lib/sourcehost/libdir
  sourcehost osbuild install --link copy --libdir ./osbuild`,
		Args: cobra.NoArgs,
	}
	f := &installFlags{}
	dir := libdirFlag(cmd)
	cmd.Flags().StringArrayVar(&f.sources, "source", nil, "install only the source `NAME`, and leave others as they are, in a shadow as in the library folder; may be repeated")
	cmd.Flags().StringVar(&f.shadow, "shadow", "", "make the library folder `DIR` and change nothing else")
	cmd.Flags().StringVar(&f.link, "link", string(libdir.Symlink), "how a module becomes the program, a `KIND`: symlink, hard (a hard link), or copy (symlinks to one copy in the library folder)")
	cmd.Flags().StringVar(&f.binary, "binary", "", "the program, a `FILE` (default this one)")
	f.version = versionFlag(cmd)
	f.output = outputFlag(cmd)
	completeWords(cmd, "link", string(libdir.Symlink), string(libdir.Hard), string(libdir.Copy))
	must(cmd.MarkFlagDirname("shadow"))
	must(cmd.RegisterFlagCompletionFunc("source", a.completeSources))
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		f.libdir = *dir
		if cmd.Flags().Changed("shadow") && f.shadow == "" {
			return usagef("--shadow is empty: name a folder")
		}
		return a.osbuildInstall(*f)
	}
	return cmd
}

func (a *app) osbuildInstall(f installFlags) error {
	plan, err := a.installPlan(f)
	if err != nil {
		return err
	}
	var changes []libdir.Change
	if f.shadow != "" {
		changes, err = libdir.Shadow(plan, f.shadow)
	} else {
		changes, err = libdir.Install(plan)
	}
	if err != nil {
		return err
	}
	a.warnConfig()
	doc := installDocument{Libdir: f.libdir, Shadow: f.shadow, Osbuild: int(plan.Osbuild), Binary: plan.Binary, Changes: changes}
	if *f.output == formatJSON {
		return writeJSON(a.stdout, doc)
	}
	a.printChanges(changes)
	where := f.libdir
	if f.shadow != "" {
		where = f.shadow
	}
	fmt.Fprintf(a.stdout, "%s in %s, for osbuild of version %s\n", text.Count(len(plan.Modules), "source"), text.Clean(where), newest(plan.Osbuild))
	return nil
}

// newest writes a version; an unknown one is taken for the newest.
func newest(v osbuild.Version) string {
	if v == 0 {
		return fmt.Sprintf("%s (taken for the newest; --osbuild-version tells)", v)
	}
	return v.String()
}

func (a *app) installPlan(f installFlags) (libdir.Plan, error) {
	plan := libdir.Plan{Dir: f.libdir, Binary: f.binary, Only: len(f.sources) > 0}
	var err error
	if plan.Link, err = libdir.ParseLink(f.link); err != nil {
		return plan, &usageError{err: err}
	}
	if plan.Osbuild, err = f.version(f.libdir); err != nil {
		return plan, err
	}
	if plan.Binary == "" {
		plan.Binary, err = ownPath(os.Args[0])
	} else {
		plan.Binary, err = filepath.Abs(plan.Binary)
	}
	if err != nil {
		return plan, err
	}
	if plan.Modules, err = a.modules(); err != nil {
		return plan, err
	}
	plan.Modules, err = chosen(plan.Modules, f.sources)
	return plan, err
}

// ownPath is the path of this program: the one that it was called by, so that a
// link such as /usr/bin/sourcehost goes on to lead to the newest version.
func ownPath(called string) (string, error) {
	own, err := os.Executable()
	if err != nil {
		return "", err
	}
	path, err := exec.LookPath(called)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return own, nil
	}
	one, err := os.Stat(path)
	if err != nil {
		return own, nil
	}
	two, err := os.Stat(own)
	if err != nil || !os.SameFile(one, two) {
		return own, nil
	}
	return path, nil
}

// chosen keeps the modules that are named, all of them when none is.
func chosen(all []libdir.Module, names []string) ([]libdir.Module, error) {
	if len(names) == 0 {
		return all, nil
	}
	var kept []libdir.Module
	var have []string
	for _, m := range all {
		have = append(have, m.Name)
		if slices.Contains(names, m.Name) {
			kept = append(kept, m)
		}
	}
	for _, n := range names {
		if !slices.Contains(have, n) {
			return nil, usagef("--source %s: no plugin serves this source; known are: %s", n, strings.Join(have, ", "))
		}
	}
	return kept, nil
}

// warnConfig tells who has named a configuration file on the command line that
// osbuild will not do so.
func (a *app) warnConfig() {
	if a.configPath != "" && a.configPath != config.DefaultPath && a.configPath != a.getenv(config.EnvPath) {
		fmt.Fprintf(a.stderr, "sourcehost: started by osbuild, the program reads %s, or what %s names in osbuild's environment, and not %s\n",
			config.DefaultPath, config.EnvPath, text.Clean(a.configPath))
	}
}

func (a *app) printChanges(changes []libdir.Change) {
	for _, c := range changes {
		note := ""
		if c.Note != "" {
			note = ": " + c.Note
		}
		fmt.Fprintf(a.stdout, "%-10s%s%s\n", c.Action, text.Clean(c.File), text.Clean(note))
	}
}

func (a *app) osbuildUninstallCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "Put back what osbuild install has replaced",
		Long: `Uninstall puts back what was in a library folder before install, and removes
what install has added. Files that somebody else has put in place of ours, an
upgrade of osbuild for example, stay. A shadow is removed as a whole, unless there
are files in it that are not ours.`,
		Example: `  sourcehost osbuild uninstall
  sourcehost osbuild uninstall --libdir /var/lib/sourcehost/libdir`,
		Args: cobra.NoArgs,
	}
	dir := libdirFlag(cmd)
	output := outputFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		changes, err := libdir.Uninstall(*dir)
		if err != nil {
			return err
		}
		if *output == formatJSON {
			if changes == nil {
				changes = []libdir.Change{}
			}
			return writeJSON(a.stdout, installDocument{Libdir: *dir, Changes: changes})
		}
		a.printChanges(changes)
		if len(changes) == 0 {
			fmt.Fprintf(a.stdout, "nothing is installed in %s\n", text.Clean(*dir))
		}
		return nil
	}
	return cmd
}
