package libdir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Shadow makes a library folder at dir that has all of p.Dir but its own
// sources/: files are hard links, or copies where there can be none. A shadow
// that is there already is replaced in one step. P.Dir is not changed.
func Shadow(p Plan, dir string) ([]Change, error) {
	real, err := open(p.Dir)
	if err != nil {
		return nil, err
	}
	dir, err = shadowPath(real.dir, dir)
	if err != nil {
		return nil, err
	}
	old, err := replaceable(real.dir, dir)
	if err != nil {
		return nil, err
	}
	next := beside(dir)
	if err := clearShadow(next); err != nil {
		return nil, err
	}
	changes, err := makeShadow(p, real, next)
	if err != nil {
		return nil, errors.Join(explain(filepath.Dir(dir), err), clearShadow(next))
	}
	if !old {
		return changes, unix.Rename(next, dir) // os.Rename refuses an empty folder
	}
	if err := unix.Renameat2(unix.AT_FDCWD, next, unix.AT_FDCWD, dir, unix.RENAME_EXCHANGE); err != nil {
		return nil, errors.Join(fmt.Errorf("replacing %s: %w; uninstall it first", dir, err), clearShadow(next))
	}
	return changes, clearShadow(next)
}

// beside is the name of a shadow that is not finished, or is not wanted any more.
func beside(dir string) string {
	return filepath.Join(filepath.Dir(dir), "."+filepath.Base(dir)+".sourcehost-new")
}

// shadowPath makes the path absolute. Neither folder may lie in the other.
func shadowPath(real, dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	parent, err := resolve(filepath.Dir(abs))
	if err != nil {
		return "", fmt.Errorf("the folder of the shadow: %w", err)
	}
	abs = filepath.Join(parent, filepath.Base(abs))
	if inside(abs, real) || inside(real, abs) {
		return "", fmt.Errorf("the shadow %s and the library folder %s lie in each other", abs, real)
	}
	return abs, nil
}

func inside(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// replaceable reports whether dir is a shadow of ours. It may also be missing or
// empty; anything else is refused.
func replaceable(real, dir string) (bool, error) {
	names, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case len(names) == 0:
		return false, nil
	}
	f := &folder{dir: dir}
	s, err := f.load()
	switch {
	case err != nil:
		return false, err
	case s == nil || s.Shadow == "":
		return false, fmt.Errorf("%s is there and is not a shadow: name a folder that does not exist", dir)
	case s.Shadow != real:
		return false, fmt.Errorf("%s is a shadow of %s: uninstall it first", dir, s.Shadow)
	}
	if foreign := f.foreign(s); len(foreign) > 0 {
		return false, fmt.Errorf("%s has files that are not ours, such as %s: move them away", dir, foreign[0])
	}
	return true, nil
}

// foreign lists what is in a shadow beside what was made for it.
func (f *folder) foreign(s *state) []string {
	made := map[string]bool{".": true}
	for _, name := range s.Made {
		made[name] = true
	}
	var found []string
	// What cannot be read cannot be removed either, which is found then.
	_ = filepath.WalkDir(f.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		name, err := filepath.Rel(f.dir, path)
		switch {
		case err != nil:
		case name == ownName:
			return fs.SkipDir
		case !made[name]:
			found = append(found, name)
		}
		return nil
	})
	return found
}

// clearShadow removes a shadow that has no name yet, or none any more.
func clearShadow(dir string) error {
	if !isDir(dir) {
		return nil
	}
	return os.RemoveAll(dir)
}

func makeShadow(p Plan, real *folder, dir string) ([]Change, error) {
	if err := mkdir(dir); err != nil {
		return nil, err
	}
	l := linker{from: real.dir, to: dir, ours: map[string]bool{}}
	for _, m := range p.Modules {
		l.ours[m.Name], l.ours[m.Name+metaSuffix] = true, true
	}
	if err := l.all(); err != nil {
		return nil, err
	}
	p.Dir = dir
	changes, err := Install(p)
	if err != nil {
		return nil, err
	}
	f := &folder{dir: dir}
	if err := f.program(real, l.made); err != nil {
		return nil, err
	}
	s, err := f.load()
	if err != nil {
		return nil, err
	}
	s.Shadow = real.dir
	s.Made = l.made
	for _, file := range s.Files {
		s.Made = append(s.Made, filepath.Join(sourcesName, file.Name))
	}
	slices.Sort(s.Made)
	return changes, f.store(s)
}

// program gives a shadow the copy of the program that the library folder has, when
// modules of that one are in it, which lead to the copy beside sources/.
func (f *folder) program(real *folder, made []string) error {
	from, to := real.own(binaryName), f.own(binaryName)
	others := slices.ContainsFunc(made, func(name string) bool { return filepath.Dir(name) == sourcesName })
	if !others || !isFile(from) || isFile(to) {
		return nil
	}
	if os.Link(from, to) == nil {
		return nil
	}
	return copyFile(from, to)
}

// linker repeats a library folder at another place.
type linker struct {
	from, to string
	ours     map[string]bool // files in sources/ that are left out
	made     []string
}

func (l *linker) all() error {
	err := l.walk(func(name string, d fs.DirEntry) error {
		if err := l.one(name, d); err != nil {
			return fmt.Errorf("linking %s: %w", filepath.Join(l.from, name), err)
		}
		return nil
	})
	if err == nil && !isDir(filepath.Join(l.to, sourcesName)) {
		err = fmt.Errorf("%s in %s is not a folder", sourcesName, l.from)
	}
	return err
}

// walk calls fn for all that a shadow has in common with the folder.
func (l *linker) walk(fn func(name string, d fs.DirEntry) error) error {
	return filepath.WalkDir(l.from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(l.from, path)
		if err != nil || name == "." {
			return err
		}
		top := !strings.Contains(name, "/")
		if top && (strings.HasPrefix(name, ".") || name == ownName) || filepath.Dir(name) == sourcesName && l.ours[d.Name()] {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		return fn(name, d)
	})
}

// shadow finds out whether the shadow still is what it was made of.
func (st *Status) shadow(f *folder, s *state) {
	l := linker{from: s.Shadow, to: f.dir, ours: map[string]bool{}}
	for _, file := range s.Files {
		l.ours[file.Name] = true
	}
	changed, first := 0, ""
	err := l.walk(func(name string, d fs.DirEntry) error {
		if !l.same(name) {
			if changed++; first == "" {
				first = name
			}
		}
		return nil
	})
	switch {
	case err != nil:
		st.problem("the library folder that this is a shadow of: %v", err)
	case changed > 0:
		st.problem("%d files of %s have changed since, such as %s: run install again with --shadow", changed, s.Shadow, first)
	}
}

// same compares a file with what was made of it.
func (l *linker) same(name string) bool {
	one, err := os.Lstat(filepath.Join(l.from, name))
	if err != nil {
		return false
	}
	two, err := os.Lstat(filepath.Join(l.to, name))
	switch {
	case !one.IsDir() && !one.Mode().IsRegular() && one.Mode()&fs.ModeSymlink == 0:
		return true // has no counterpart
	case err != nil || one.Mode().Type() != two.Mode().Type():
		return false
	case one.Mode().IsRegular():
		return os.SameFile(one, two) || one.Size() == two.Size() && one.ModTime().Equal(two.ModTime())
	}
	return true
}

func (l *linker) one(name string, d fs.DirEntry) error {
	from, to := filepath.Join(l.from, name), filepath.Join(l.to, name)
	var err error
	switch {
	case d.IsDir():
		err = mkdir(to)
	case d.Type()&fs.ModeSymlink != 0:
		err = l.symlink(from, to)
	case d.Type().IsRegular():
		if err = os.Link(from, to); err != nil {
			err = copyFile(from, to)
		}
	default:
		return nil // osbuild has no use for devices and sockets
	}
	if err == nil {
		l.made = append(l.made, name)
	}
	return err
}

// symlink repeats a link. One that leads out of the folder becomes absolute.
func (l *linker) symlink(from, to string) error {
	target, err := os.Readlink(from)
	if err != nil {
		return err
	}
	if !filepath.IsAbs(target) {
		if abs := filepath.Join(filepath.Dir(from), target); !inside(abs, l.from) {
			target = abs
		}
	}
	return os.Symlink(target, to)
}

// copyFile is for another file system, and for files of others, which the kernel
// does not let everybody link.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if err := writeFile(to, in, info.Mode().Perm()); err != nil {
		return err
	}
	return os.Chtimes(to, info.ModTime(), info.ModTime())
}
