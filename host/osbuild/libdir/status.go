package libdir

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sourcehost/sourcehost/host/osbuild"
)

// Status is what was found in a library folder.
type Status struct {
	Libdir string `json:"libdir"`
	// Phase is "not installed", "installed", or what was interrupted:
	// "installing" or "uninstalling".
	Phase  string `json:"phase"`
	Shadow string `json:"shadow_of,omitempty"`
	// Osbuild is the version found now, InstalledFor the one that the modules
	// were made for; 0 if not known.
	Osbuild      int            `json:"osbuild"`
	InstalledFor int            `json:"installed_for"`
	Binary       string         `json:"binary,omitempty"`
	Link         Link           `json:"link,omitempty"`
	Modules      []ModuleStatus `json:"modules"`
	// Missing are sources that the program serves and that are not installed.
	Missing []string `json:"missing"`
	// Problems are all that is wrong, those of modules included.
	Problems []string `json:"problems"`
}

// ModuleStatus is what was found of one module.
type ModuleStatus struct {
	Name     string   `json:"name"`
	Problems []string `json:"problems"`
}

// Inspect looks at a library folder and changes nothing. Known are the sources
// that the program serves now, and version the osbuild that uses the folder.
func Inspect(dir string, known []Module, version osbuild.Version) (*Status, error) {
	f, err := open(dir)
	if err != nil {
		return nil, err
	}
	s, err := f.load()
	if err != nil {
		return nil, err
	}
	st := &Status{Libdir: f.dir, Phase: "not installed", Osbuild: int(version), Modules: []ModuleStatus{}, Missing: []string{}, Problems: []string{}}
	if s == nil {
		return st, nil
	}
	st.Phase, st.Shadow, st.InstalledFor, st.Binary, st.Link = s.Phase, s.Shadow, s.Osbuild, s.Binary, s.Link
	if s.Phase != installed {
		what := map[string]string{installing: "install", uninstalling: "uninstall"}[s.Phase]
		st.problem("an %sation was interrupted: run %s again", what, what)
	}
	st.binary(s)
	if s.Shadow != "" {
		st.shadow(f, s)
	}
	for _, name := range s.Modules {
		st.module(f, s, name, known)
	}
	for _, m := range known {
		if !slices.Contains(s.Modules, m.Name) {
			st.Missing = append(st.Missing, m.Name)
		}
	}
	st.foreign(f)
	return st, nil
}

func (st *Status) problem(format string, args ...any) {
	st.Problems = append(st.Problems, fmt.Sprintf(format, args...))
}

// binary checks the program that the modules lead to.
func (st *Status) binary(s *state) {
	sum, err := hashFile(s.Binary)
	switch {
	case err != nil && s.Link != Symlink && s.Osbuild != 0 && !osbuild.Version(s.Osbuild).ReadsMeta():
		st.problem("the program is gone: %v", err)
	case err != nil && s.Link == Symlink:
		st.problem("the program is gone: %v", err)
	case err != nil: // the library folder has its own
	case sum != s.SHA256 && s.Link == Symlink:
		st.problem("the program %s has changed since the installation: run install again, so that its schemas do too", s.Binary)
	case sum != s.SHA256:
		st.problem("the program %s has changed since the installation, and the modules are still the old one: run install again", s.Binary)
	}
}

func (st *Status) module(f *folder, s *state, name string, known []Module) {
	m := ModuleStatus{Name: name, Problems: []string{}}
	add := func(format string, args ...any) { m.Problems = append(m.Problems, fmt.Sprintf(format, args...)) }
	meta := false
	for _, entry := range s.Files {
		if entry.Module != name {
			continue
		}
		meta = meta || entry.Name == name+metaSuffix
		now, err := examine(f.sources(entry.Name))
		switch {
		case err != nil:
			add("%v", err)
		case now == nil:
			add("%s is missing", entry.Name)
		case !now.is(entry.Ours):
			add("%s was replaced by somebody else, perhaps by an upgrade of osbuild: run install again", entry.Name)
		}
	}
	if _, err := os.Stat(f.sources(name)); err != nil && len(m.Problems) == 0 {
		add("%s leads nowhere: %v", name, err)
	}
	if meta && !osbuild.Version(st.Osbuild).ReadsMeta() {
		add("osbuild %d takes %s for a module: run install again", st.Osbuild, name+metaSuffix)
	}
	i := slices.IndexFunc(known, func(k Module) bool { return k.Name == name })
	if i < 0 {
		add("the program does not serve this source any more")
	} else if text, err := known[i].meta(); meta && len(m.Problems) == 0 && (err != nil || !sameFile(f.sources(name+metaSuffix), text)) {
		add("the plugin's schema has changed since the installation: run install again")
	}
	st.Modules = append(st.Modules, m)
	for _, p := range m.Problems {
		st.problem("%s: %s", name, p)
	}
}

func sameFile(path string, content []byte) bool {
	data, err := os.ReadFile(path)
	return err == nil && bytes.Equal(data, content)
}

// foreign finds files that osbuild would take for modules although they cannot
// be.
func (st *Status) foreign(f *folder) {
	entries, err := os.ReadDir(f.sources(""))
	if err != nil {
		st.problem("%v", err)
		return
	}
	for _, e := range entries {
		name := e.Name()
		module, isMeta := strings.CutSuffix(name, metaSuffix)
		switch info, err := os.Stat(f.sources(name)); {
		case isMeta && !osbuild.Version(st.Osbuild).ReadsMeta():
			if !st.has(module) || st.InstalledFor != 0 && !osbuild.Version(st.InstalledFor).ReadsMeta() {
				st.problem("osbuild %d takes %s/%s for a module", st.Osbuild, sourcesName, name)
			}
		case isMeta:
			if _, err := os.Lstat(f.sources(module)); err != nil {
				st.problem("%s/%s describes a module that is not there", sourcesName, name)
			}
		case e.IsDir() || err == nil && info.IsDir():
			if name != "__pycache__" {
				st.problem("%s/%s is a folder, which osbuild takes for a module", sourcesName, name)
			}
		case err != nil:
			if !st.has(name) {
				st.problem("%s/%s: %v", sourcesName, name, err)
			}
		case info.Mode()&0o111 == 0 || strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~") || slices.Contains(noModule, filepath.Ext(name)):
			st.problem("%s/%s is no module, but osbuild takes it for one: move it away", sourcesName, name)
		}
	}
}

// has reports whether a module of ours has this name.
func (st *Status) has(name string) bool {
	return slices.ContainsFunc(st.Modules, func(m ModuleStatus) bool { return m.Name == name })
}

// noModule are endings of files that package managers, editors and people leave.
var noModule = []string{".bak", ".orig", ".old", ".rpmnew", ".rpmsave", ".rpmorig", ".dpkg-new", ".dpkg-old", ".dpkg-dist", ".swp", ".wasm", ".toml"}

// VersionFor finds the version of the osbuild that a library folder belongs to:
// of the Python package in it, or of the one that is installed beside it, as in
// /usr/lib/osbuild and /usr/lib/python3.12/site-packages. A shadow belongs to the
// osbuild of the folder that it is a shadow of. It is 0 when there is none, or when
// there are several of different versions.
func VersionFor(dir string) osbuild.Version {
	if abs, err := resolve(dir); err == nil {
		dir = abs
	}
	if s, err := (&folder{dir: dir}).load(); err == nil && s != nil && s.Shadow != "" {
		dir = s.Shadow
	}
	if v := osbuild.VersionAt(dir); v != 0 {
		return v
	}
	var found osbuild.Version
	for _, pattern := range []string{"python3*/site-packages", "python3/dist-packages", "../local/lib/python3*/site-packages", "../local/lib/python3*/dist-packages"} {
		// The pattern is well formed.
		places, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), pattern))
		for _, place := range places {
			v := osbuild.VersionAt(place)
			if v != 0 && found != 0 && v != found {
				return 0
			}
			found = max(found, v)
		}
	}
	return found
}
