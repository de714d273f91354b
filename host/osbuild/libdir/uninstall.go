package libdir

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// Uninstall puts back what was there before, and completes an Uninstall or takes
// back an Install that was interrupted. What somebody else has put in place of
// our files stays. A shadow is removed. Where nothing is installed nothing
// happens.
func Uninstall(dir string) ([]Change, error) { return uninstall(dir, nil) }

func uninstall(dir string, step func() error) ([]Change, error) {
	f, err := open(dir)
	if err != nil {
		return nil, err
	}
	if err := f.take(); err != nil {
		return nil, explain(f.dir, err)
	}
	defer f.release()
	f.step = step
	s, err := f.load()
	if err != nil {
		return nil, err
	}
	if s == nil {
		if isDir(f.own("")) { // from before there was a journal
			return nil, f.removeOwn()
		}
		return nil, nil
	}
	if s.Shadow != "" {
		return f.removeShadow(s)
	}
	changes, err := f.uninstall(s)
	return changes, explain(f.dir, err)
}

func (f *folder) uninstall(s *state) ([]Change, error) {
	for _, entry := range s.Files { // before anything is changed
		now, err := examine(f.sources(entry.Name))
		if err != nil {
			return nil, err
		}
		if now == nil || now.is(entry.Ours) {
			if err := f.checkSaved(entry, now); err != nil {
				return nil, err
			}
		}
	}
	s.Phase = uninstalling
	if err := f.store(s); err != nil {
		return nil, err
	}
	var changes []Change
	// The program goes before the description that osbuild needs for it.
	for _, entry := range slices.Backward(s.Files) {
		c, err := f.restore(entry)
		if err != nil {
			return nil, fmt.Errorf("restoring %s: %w", entry.Name, err)
		}
		changes = append(changes, c)
	}
	if err := syncDir(f.sources("")); err != nil {
		return nil, err
	}
	return changes, f.removeOwn()
}

// restore puts back what was there before one of our files.
func (f *folder) restore(entry file) (Change, error) {
	c := Change{File: entry.Name}
	now, err := examine(f.sources(entry.Name))
	if err != nil {
		return c, err
	}
	kept, err := examine(f.saved(entry.Name))
	if err != nil {
		return c, err
	}
	switch {
	case now != nil && !now.is(entry.Ours) && !now.is(entry.Original):
		c.Action, c.Note = "kept", "it is not ours any more"
		return c, f.remove(f.saved(entry.Name))
	case entry.Original == nil:
		c.Action = "removed"
		return c, f.remove(f.sources(entry.Name))
	case entry.Original.is(kept):
		c.Action = "restored"
		if err := f.rename(f.saved(entry.Name), f.sources(entry.Name)); err != nil {
			return c, err
		}
		return c, f.remove(f.saved(entry.Name)) // still there when both were one file
	case now.is(entry.Original):
		c.Action = "restored"
		return c, nil
	}
	return c, f.checkSaved(entry, now)
}

// removeOwn removes what we have beside sources/, and nothing that is not ours.
func (f *folder) removeOwn() error {
	for _, path := range []string{f.own("new"), f.own("keep"), f.own(stateName + ".new"), f.own(binaryName), f.saved(""), f.own(stateName)} {
		if err := f.remove(path); err != nil {
			return err
		}
	}
	if err := f.remove(f.own("")); err != nil && !errors.Is(err, unix.ENOTEMPTY) {
		return err
	}
	return syncDir(f.dir)
}

// removeShadow removes a shadow in one step. When there are files in it that are
// not ours, they stay, and the rest is removed file by file.
func (f *folder) removeShadow(s *state) ([]Change, error) {
	c := Change{File: f.dir, Action: "removed", Note: "a shadow of " + s.Shadow}
	if foreign := f.foreign(s); len(foreign) > 0 {
		c.Action = "kept"
		c.Note = fmt.Sprintf("it has files that are not ours, such as %s; all others were removed", foreign[0])
		return []Change{c}, explain(f.dir, f.removeMade(s))
	}
	if err := clearShadow(beside(f.dir)); err != nil {
		return nil, explain(f.dir, err)
	}
	if err := f.rename(f.dir, beside(f.dir)); err != nil {
		return nil, explain(filepath.Dir(f.dir), err)
	}
	return []Change{c}, clearShadow(beside(f.dir))
}

// removeMade removes what was made for a shadow, the journal last.
func (f *folder) removeMade(s *state) error {
	s.Phase = uninstalling
	if err := f.store(s); err != nil {
		return err
	}
	// Folders come after what is in them.
	made := slices.Clone(s.Made)
	slices.Sort(made)
	for _, name := range slices.Backward(made) {
		if !filepath.IsLocal(name) {
			return fmt.Errorf("the journal %s names the file %q, which cannot be", f.own(stateName), name)
		}
		if err := f.remove(filepath.Join(f.dir, name)); err != nil && !errors.Is(err, unix.ENOTEMPTY) {
			return err
		}
	}
	return f.removeOwn()
}
