package libdir

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// The names beside sources/ in a library folder.
const (
	sourcesName = "sources"
	ownName     = "sourcehost"
	stateName   = "state.json"
	savedName   = "saved"
	binaryName  = "sourcehost"
)

// The phases of a library folder. The first and the last are passed through; who
// finds one of them finds what was interrupted.
const (
	installing   = "installing"
	installed    = "installed"
	uninstalling = "uninstalling"
)

// state is the journal of a library folder, and the record of what is installed.
type state struct {
	Format int    `json:"format"`
	Phase  string `json:"phase"`
	// Osbuild is the version that the modules were made for, 0 if not known.
	Osbuild int    `json:"osbuild"`
	Link    Link   `json:"link"`
	Binary  string `json:"binary"`
	SHA256  string `json:"sha256"` // of the binary
	// Shadow is the library folder that this one is a shadow of, or "". Made are
	// the files and folders that were made then, relative to this one.
	Shadow string   `json:"shadow,omitempty"`
	Made   []string `json:"made,omitempty"`
	// Modules are the names of sources, Files what belongs to them.
	Modules []string `json:"modules"`
	Files   []file   `json:"files"`
}

// file is one file in sources/.
type file struct {
	Name string `json:"name"`
	// Module is the source that it belongs to.
	Module string `json:"module"`
	// Original is what was there before, now in saved/; nil for nothing.
	Original *fingerprint `json:"original"`
	// Ours is what is there now.
	Ours *fingerprint `json:"ours"`
}

func (s *state) file(name string) *file {
	if s == nil {
		return nil
	}
	i := slices.IndexFunc(s.Files, func(f file) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return &s.Files[i]
}

// folder is a library folder that is locked against others of our kind.
type folder struct {
	dir  string // absolute, without links
	lock *os.File
	// step is called before each change, and what it returns prevents it. Tests
	// interrupt the work with it; it may be nil.
	step func() error
}

// rename replaces to by from, in one step.
func (f *folder) rename(from, to string) error {
	if err := f.before(); err != nil {
		return err
	}
	return os.Rename(from, to)
}

// remove removes what may not be there.
func (f *folder) remove(path string) error {
	if err := f.before(); err != nil {
		return err
	}
	return remove(path)
}

func (f *folder) before() error {
	if f.step == nil {
		return nil
	}
	return f.step()
}

func (f *folder) sources(name string) string { return filepath.Join(f.dir, sourcesName, name) }
func (f *folder) own(name string) string     { return filepath.Join(f.dir, ownName, name) }
func (f *folder) saved(name string) string   { return filepath.Join(f.dir, ownName, savedName, name) }

// open finds a library folder. To change it, it must be locked.
func open(dir string) (*folder, error) {
	abs, err := resolve(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("there is no library folder of osbuild at %s: install osbuild, or name the folder with --libdir", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("the library folder: %w", err)
	}
	f := &folder{dir: abs}
	if _, err := os.Lstat(f.own(stateName)); err != nil && !isDir(f.sources("")) {
		return nil, fmt.Errorf("%s is not a library folder of osbuild: it has no folder %s", abs, sourcesName)
	}
	return f, nil
}

// take locks the folder, until release.
func (f *folder) take() error {
	lock, err := os.Open(f.dir)
	if err != nil {
		return err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		lock.Close()
		return fmt.Errorf("%s is being changed by another process: %w", f.dir, err)
	}
	f.lock = lock
	return nil
}

func (f *folder) release() {
	if f.lock != nil {
		f.lock.Close()
		f.lock = nil
	}
}

// load returns nil for a folder in which nothing is installed.
func (f *folder) load() (*state, error) {
	data, err := os.ReadFile(f.own(stateName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, f.checkStray()
	}
	if err != nil {
		return nil, err
	}
	s := &state{}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("the journal %s cannot be read: %w; what was there before the installation is in %s", f.own(stateName), err, f.saved(""))
	}
	if s.Format != 1 {
		return nil, fmt.Errorf("the journal %s has format %d, which this version does not know: use the version that wrote it", f.own(stateName), s.Format)
	}
	for _, file := range s.Files {
		if checkName(file.Module) != nil || file.Name != file.Module && file.Name != file.Module+metaSuffix {
			return nil, fmt.Errorf("the journal %s names the file %q, which cannot be", f.own(stateName), file.Name)
		}
	}
	return s, nil
}

// checkStray refuses saved files without a journal: nobody knows what they were.
func (f *folder) checkStray() error {
	names, err := os.ReadDir(f.saved(""))
	if err == nil && len(names) > 0 {
		return fmt.Errorf("%s has files, but there is no journal %s: move them where they belong", f.saved(""), f.own(stateName))
	}
	return nil
}

// store replaces the journal.
func (f *folder) store(s *state) error {
	s.Format = 1
	data, err := encode(s)
	if err != nil {
		return err
	}
	for _, dir := range []string{f.own(""), f.saved("")} {
		if err := mkdir(dir); err != nil {
			return err
		}
	}
	next := f.own(stateName + ".new")
	if err := f.remove(next); err != nil {
		return err
	}
	if err := writeFile(next, bytes.NewReader(data), 0o644); err != nil {
		return err
	}
	if err := f.rename(next, f.own(stateName)); err != nil {
		return err
	}
	return errors.Join(syncDir(f.own("")), syncDir(f.dir))
}
