package libdir

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/sourcehost/sourcehost/host/osbuild"
)

// Link is how a module becomes the program.
type Link string

// The kinds of links.
const (
	// Symlink points at the program's path: an upgrade of it is followed.
	Symlink Link = "symlink"
	// Hard is a further name of the program's file, for library folders that are
	// mounted where the program's path is not.
	Hard Link = "hard"
	// Copy is one copy of the program in the library folder, with symlinks to
	// it: for those that also lie on another file system than the program.
	Copy Link = "copy"
)

// ParseLink reads the name of a kind.
func ParseLink(s string) (Link, error) {
	switch l := Link(s); l {
	case Symlink, Hard, Copy:
		return l, nil
	}
	return "", fmt.Errorf("unknown kind of link %q: use %s, %s or %s", s, Symlink, Hard, Copy)
}

// Plan says what is to be installed.
type Plan struct {
	// Dir is the library folder.
	Dir string
	// Modules are the sources. Those that are installed already are replaced.
	Modules []Module
	// Only says that other installed modules stay. Otherwise they are taken away.
	Only bool
	// Binary is the absolute path of the program.
	Binary string
	// Link is how the modules become the program; empty means Symlink.
	Link Link
	// Osbuild is the version that will use the folder; 0 means the newest.
	Osbuild osbuild.Version

	step func() error // for folder.step
}

// Change is what happened to one file of a library folder.
type Change struct {
	// File is the name in sources/.
	File string `json:"file"`
	// Action is "installed", "unchanged", "restored", "removed", or "kept" for a
	// file that is not ours any more.
	Action string `json:"action"`
	// Note says more, or is empty.
	Note string `json:"note,omitempty"`
}

// Install puts modules in place. It can be repeated, and completes an Install
// that was interrupted. Each file is replaced in one step, so that an osbuild
// that starts meanwhile finds the old or the new one.
func Install(p Plan) ([]Change, error) {
	f, err := open(p.Dir)
	if err != nil {
		return nil, err
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	if err := f.take(); err != nil {
		return nil, explain(f.dir, err)
	}
	defer f.release()
	f.step = p.step
	old, err := f.load()
	if err != nil {
		return nil, err
	}
	switch {
	case old != nil && old.Phase == uninstalling:
		return nil, fmt.Errorf("an uninstallation of %s was interrupted: complete it first, with uninstall", f.dir)
	case old != nil && old.Shadow != "":
		return nil, fmt.Errorf("%s is a shadow of %s: to renew it, name that one with --libdir, and this one with --shadow", f.dir, old.Shadow)
	}
	changes, err := f.install(p, old)
	return changes, explain(f.dir, err)
}

func (p *Plan) check() error {
	if p.Link == "" {
		p.Link = Symlink
	}
	if _, err := ParseLink(string(p.Link)); err != nil {
		return err
	}
	if len(p.Modules) == 0 {
		return errors.New("there is no source to install")
	}
	for _, m := range p.Modules {
		if err := checkName(m.Name); err != nil {
			return err
		}
	}
	info, err := os.Stat(p.Binary)
	switch {
	case err != nil:
		return fmt.Errorf("the program: %w", err)
	case !filepath.IsAbs(p.Binary) || !info.Mode().IsRegular() || info.Mode()&0o111 == 0:
		return fmt.Errorf("the program %q is not the absolute path of an executable file", p.Binary)
	}
	return nil
}

// install plans, notes the plan, carries it out, and notes that it is done.
func (f *folder) install(p Plan, old *state) ([]Change, error) {
	sum, err := hashFile(p.Binary)
	if err != nil {
		return nil, err
	}
	next := &state{Phase: installing, Osbuild: int(p.Osbuild), Link: p.Link, Binary: p.Binary, SHA256: sum}
	var todo []wanted
	for _, m := range p.Modules {
		files, err := p.files(f, m, sum)
		if err != nil {
			return nil, err
		}
		todo = append(todo, files...)
		next.Modules = append(next.Modules, m.Name)
	}
	for _, w := range todo {
		entry, err := f.plan(w, old.file(w.name))
		if err != nil {
			return nil, err
		}
		next.Files = append(next.Files, entry)
	}
	gone := f.leftOver(p, old, next)
	journal := *next
	journal.Files = slices.Concat(next.Files, gone)
	if err := f.store(&journal); err != nil {
		return nil, err
	}
	changes, err := f.carryOut(p, todo, next.Files, gone)
	if err != nil {
		return nil, err
	}
	next.Phase = installed
	slices.Sort(next.Modules)
	return changes, f.store(next)
}

// leftOver keeps in next the files of other modules, when they are to stay, and
// returns those that are to go.
func (f *folder) leftOver(p Plan, old, next *state) (gone []file) {
	if old == nil {
		return nil
	}
	for _, entry := range old.Files {
		switch {
		case next.file(entry.Name) != nil:
		case p.Only && !slices.ContainsFunc(p.Modules, func(m Module) bool { return m.Name == entry.Module }):
			next.Files = append(next.Files, entry)
			if !slices.Contains(next.Modules, entry.Module) {
				next.Modules = append(next.Modules, entry.Module)
			}
		default:
			gone = append(gone, entry)
		}
	}
	return gone
}

func (f *folder) carryOut(p Plan, todo []wanted, entries, gone []file) ([]Change, error) {
	if p.Link == Copy {
		if err := f.copyBinary(p.Binary); err != nil {
			return nil, err
		}
	}
	var changes []Change
	for i, w := range todo {
		c, err := f.put(w, entries[i])
		if err != nil {
			return nil, fmt.Errorf("installing %s: %w", w.name, err)
		}
		changes = append(changes, c)
	}
	for _, entry := range gone {
		c, err := f.restore(entry)
		if err != nil {
			return nil, fmt.Errorf("restoring %s: %w", entry.Name, err)
		}
		changes = append(changes, c)
	}
	if p.Link != Copy && len(entries) == len(todo) { // no module of an earlier installation is left
		if err := f.remove(f.own(binaryName)); err != nil {
			return nil, err
		}
	}
	return changes, errors.Join(syncDir(f.sources("")), syncDir(f.saved("")), syncDir(f.own("")))
}

// wanted is a file that is to be in sources/.
type wanted struct {
	name, module string
	content      []byte // of a file with the mode
	mode         os.FileMode
	target       string // of a symbolic link
	hard         string // the file to link to
	print        fingerprint
}

// files are those of one module.
func (p Plan) files(f *folder, m Module, sum string) ([]wanted, error) {
	if !p.Osbuild.ReadsMeta() {
		binary := p.Binary
		if p.Link == Copy {
			binary = filepath.Join("..", ownName, binaryName)
		}
		text, err := m.launcher(binary)
		if err != nil {
			return nil, err
		}
		return []wanted{written(m.Name, m.Name, text, 0o755)}, nil
	}
	meta, err := m.meta()
	if err != nil {
		return nil, err
	}
	entry := wanted{name: m.Name, module: m.Name}
	switch p.Link {
	case Hard:
		info, err := os.Stat(p.Binary)
		if err != nil {
			return nil, err
		}
		entry.hard, entry.print = p.Binary, fingerprint{Type: "file", Mode: uint32(info.Mode().Perm()), SHA256: sum}
	case Copy:
		entry.target = filepath.Join("..", ownName, binaryName)
	default:
		entry.target = p.Binary
	}
	if entry.target != "" {
		entry.print = fingerprint{Type: "link", Target: entry.target}
	}
	// The description comes first: osbuild cannot use the program without it.
	return []wanted{written(m.Name+metaSuffix, m.Name, meta, 0o644), entry}, nil
}

func written(name, module string, content []byte, mode os.FileMode) wanted {
	return wanted{name: name, module: module, content: content, mode: mode,
		print: fingerprint{Type: "file", Mode: uint32(mode), SHA256: hashBytes(content)}}
}

// plan finds out what was there before a file of ours. Known is what the journal
// says, or nil.
func (f *folder) plan(w wanted, known *file) (file, error) {
	entry := file{Name: w.name, Module: w.module, Ours: &w.print}
	now, err := examine(f.sources(w.name))
	if err != nil {
		return entry, err
	}
	if now != nil && now.Type != "file" && now.Type != "link" {
		return entry, fmt.Errorf("%s is neither a file nor a link: move it away", f.sources(w.name))
	}
	if known == nil {
		entry.Original = now
		return entry, nil
	}
	if now != nil && !now.is(known.Ours) && !now.is(&w.print) {
		// Somebody has replaced ours, most likely with a new version of osbuild.
		entry.Original = now
		return entry, nil
	}
	entry.Original = known.Original
	return entry, f.checkSaved(entry, now)
}

// checkSaved makes sure that what was there before is still to be had.
func (f *folder) checkSaved(entry file, now *fingerprint) error {
	if entry.Original == nil || entry.Original.is(now) {
		return nil
	}
	kept, err := examine(f.saved(entry.Name))
	if err != nil {
		return err
	}
	if !entry.Original.is(kept) {
		return fmt.Errorf("%s is not what was in %s before the installation: put that there, or reinstall osbuild and remove %s",
			f.saved(entry.Name), sourcesName, f.own(""))
	}
	return nil
}

// put replaces a file in sources/ in one step, after it has kept the original.
func (f *folder) put(w wanted, entry file) (Change, error) {
	now, err := examine(f.sources(w.name))
	if err != nil {
		return Change{}, err
	}
	if now.is(&w.print) && !(entry.Original != nil && now.is(entry.Original) && !f.hasSaved(entry)) {
		return Change{File: w.name, Action: "unchanged"}, nil
	}
	change := Change{File: w.name, Action: "installed"}
	if entry.Original != nil {
		change.Note = "in place of what was there, which is kept"
	}
	if now != nil && now.is(entry.Original) {
		if err := f.save(w.name); err != nil {
			return Change{}, err
		}
	}
	next := f.own("new")
	if err := f.remove(next); err != nil {
		return Change{}, err
	}
	switch {
	case w.hard != "":
		err = hardLink(w.hard, next)
	case w.target != "":
		err = os.Symlink(w.target, next)
	default:
		err = writeFile(next, bytes.NewReader(w.content), w.mode)
	}
	if err != nil {
		return Change{}, err
	}
	return change, f.rename(next, f.sources(w.name))
}

func (f *folder) hasSaved(entry file) bool {
	kept, err := examine(f.saved(entry.Name))
	return err == nil && entry.Original.is(kept)
}

// save gives the original a second name, so that there is always something under
// the first. Where the file system has no hard links it is moved.
func (f *folder) save(name string) error {
	next := f.own("keep")
	if err := f.remove(next); err != nil {
		return err
	}
	if err := unix.Linkat(unix.AT_FDCWD, f.sources(name), unix.AT_FDCWD, next, 0); err != nil {
		return f.rename(f.sources(name), f.saved(name))
	}
	if err := f.rename(next, f.saved(name)); err != nil {
		return err
	}
	// Two names of one file: rename does nothing and leaves the other.
	return f.remove(next)
}

func hardLink(from, to string) error {
	err := os.Link(from, to)
	if errors.Is(err, unix.EXDEV) || errors.Is(err, unix.EPERM) {
		return fmt.Errorf("%w: use --link %s or %s", err, Symlink, Copy)
	}
	return err
}

// copyBinary puts the program into the library folder.
func (f *folder) copyBinary(path string) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	next := f.own("new")
	if err := f.remove(next); err != nil {
		return err
	}
	if err := writeFile(next, io.Reader(in), 0o755); err != nil {
		return err
	}
	return f.rename(next, f.own(binaryName))
}
