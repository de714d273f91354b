package libdir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// Uninstall puts back what was there before, and completes an Uninstall or takes
// back an Install that was interrupted. What somebody else has put in place of
// our files stays. A shadow is removed. Where nothing is installed nothing
// happens.
func Uninstall(dir string) ([]Change, error) {
	f, err := open(dir)
	if err != nil {
		return nil, err
	}
	if err := f.take(); err != nil {
		return nil, explain(f.dir, err)
	}
	defer f.release()
	s, err := f.load()
	if err != nil || s == nil {
		return nil, err
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
		return c, remove(f.saved(entry.Name))
	case entry.Original == nil:
		c.Action = "removed"
		return c, remove(f.sources(entry.Name))
	case entry.Original.is(kept):
		c.Action = "restored"
		if err := os.Rename(f.saved(entry.Name), f.sources(entry.Name)); err != nil {
			return c, err
		}
		return c, remove(f.saved(entry.Name)) // still there when both were one file
	case now.is(entry.Original):
		c.Action = "restored"
		return c, nil
	}
	return c, f.checkSaved(entry, now)
}

// removeOwn removes what we have beside sources/, and nothing that is not ours.
func (f *folder) removeOwn() error {
	for _, path := range []string{f.own("new"), f.own("keep"), f.own(stateName + ".new"), f.own(binaryName), f.saved(""), f.own(stateName)} {
		if err := remove(path); err != nil {
			return err
		}
	}
	if err := remove(f.own("")); err != nil && !errors.Is(err, unix.ENOTEMPTY) {
		return err
	}
	return syncDir(f.dir)
}

// removeShadow removes what was made for a shadow.
func (f *folder) removeShadow(s *state) ([]Change, error) {
	if s.Phase != uninstalling {
		s.Phase = uninstalling
		if err := f.store(s); err != nil {
			return nil, explain(f.dir, err)
		}
	}
	// Folders come after what is in them.
	made := slices.Clone(s.Made)
	slices.Sort(made)
	slices.Reverse(made)
	var left []string
	for _, name := range made {
		if !filepath.IsLocal(name) {
			return nil, fmt.Errorf("the journal %s names the file %q, which cannot be", f.own(stateName), name)
		}
		if err := remove(filepath.Join(f.dir, name)); err != nil {
			left = append(left, name)
		}
	}
	if err := f.removeOwn(); err != nil {
		return nil, explain(f.dir, err)
	}
	changes := []Change{{File: f.dir, Action: "removed", Note: "a shadow of " + s.Shadow}}
	if err := remove(f.dir); err != nil {
		changes[0].Action = "kept"
		changes[0].Note = fmt.Sprintf("there are files in it that are not ours (%d folders are left)", len(left))
	}
	return changes, nil
}
