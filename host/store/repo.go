package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sourcehost/sourcehost/host/store/internal/ostree"
)

// Names in an ostree repository.
const (
	repoName      = "repo" // of the repository in its content type's folder
	configName    = "config"
	objectsName   = "objects"
	stateName     = "state"
	partialSuffix = ".commitpartial" // marks a commit of which objects may be missing
)

// repoFolders are the folders that "ostree init" makes, parents first.
func repoFolders() []string {
	return []string{"extensions", objectsName, "refs", "refs/heads", "refs/mirrors", "refs/remotes", stateName, "tmp", "tmp/cache"}
}

const (
	coreSection = "[core]\nrepo_version=1\nmode=archive-z2\n"
	// lockingSection is what osbuild's own source sets.
	lockingSection = "\n[repo]\nlocking=true\n"
)

// repo is an open ostree repository in archive mode.
type repo struct{ top, objects, state *folder }

// openRepo opens the repository of that name; the error is ENOENT itself when it
// is missing, or not complete.
func (d *folder) openRepo(name string) (*repo, error) {
	top, err := d.sub(name)
	if err == unix.ENOENT {
		return nil, err
	}
	if err != nil {
		return nil, d.fail("open folder", name, err)
	}
	r := &repo{top: top}
	for _, sub := range []struct {
		name string
		to   **folder
	}{{objectsName, &r.objects}, {stateName, &r.state}} {
		if *sub.to, err = top.sub(sub.name); err != nil {
			r.close()
			if err == unix.ENOENT {
				return nil, err
			}
			return nil, top.fail("open folder", sub.name, err)
		}
	}
	return r, nil
}

func (r *repo) close() {
	for _, d := range []*folder{r.top, r.objects, r.state} {
		if d != nil {
			_ = d.close() // nothing was written through it
		}
	}
}

// checkMode refuses a repository in another mode: its objects have other formats.
func (r *repo) checkMode() error {
	fd, err := r.top.open(configName, unix.O_RDONLY)
	if err != nil {
		return r.top.fail("open", configName, err)
	}
	f := os.NewFile(uintptr(fd), configName)
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		return r.top.fail("read", configName, errnoOf(err))
	}
	section, mode := "", ""
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			section = line
		}
		if name, value, ok := strings.Cut(line, "="); ok && section == "[core]" && strings.TrimSpace(name) == "mode" {
			mode = strings.TrimSpace(value)
		}
	}
	if mode != "archive" && mode != "archive-z2" {
		return fmt.Errorf("the ostree repository %s is in the mode %s, but must be in archive mode: move it out of the way", r.top.path, quote(mode))
	}
	return nil
}

// fillRepo makes what a repository lacks. The config comes from the file of that
// name in aside, where it is written first, and is the last.
func fillRepo(top, aside *folder, config string, sync func(fd int) error) error {
	for _, path := range repoFolders() {
		if err := top.makeBelow(path, sync); err != nil {
			return err
		}
	}
	if _, err := top.lstat(configName); err != unix.ENOENT {
		return top.orFail("stat", configName, err)
	}
	if err := aside.writeFile(configName, config); err != nil {
		return err
	}
	err := kernel{}.rename(aside, configName, top, configName)
	if err != nil && err != unix.EEXIST {
		return top.fail("name", configName, err)
	}
	return top.orFail("sync folder", "", sync(top.fd))
}

// makeBelow makes the last folder of a path.
func (d *folder) makeBelow(path string, sync func(fd int) error) error {
	parent, name := filepath.Split(path)
	if parent == "" {
		sub, err := d.makeSub(name, sync)
		if err != nil {
			return err
		}
		return sub.close()
	}
	return d.within(filepath.Clean(parent), func(sub *folder) error { return sub.makeBelow(name, sync) })
}

// writeFile writes a new file, in the place of one that is there, and puts its
// content on the disk.
func (d *folder) writeFile(name, content string) error {
	if err := d.unlink(name); err != nil {
		return err
	}
	fd, err := d.open(name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL)
	if err != nil {
		return d.fail("open", name, err)
	}
	defer unix.Close(fd)
	err = kernel{}.write(fd, []byte(content), 0)
	if err == nil {
		err = unix.Fchmod(fd, fileMode)
	}
	if err == nil {
		err = kernel{}.syncFile(fd)
	}
	return d.orFail("write", name, err)
}

// has tells whether the repository holds the object, and fails when something else
// stands under its name.
func (r *repo) has(o ostree.Object) (bool, error) {
	dir, err := r.objects.sub(o.Dir())
	if err == unix.ENOENT {
		return false, nil
	}
	if err != nil {
		return false, r.objects.fail("open folder", o.Dir(), err)
	}
	defer dir.close()
	st, err := dir.lstat(o.Name())
	switch {
	case err == unix.ENOENT:
		return false, nil
	case err != nil:
		return false, dir.fail("stat", o.Name(), err)
	}
	if reason := wrongObject(&st); reason != "" {
		return false, r.corrupt(o, reason)
	}
	return true, nil
}

// wrongObject says what an object's status shows to be wrong with it.
func wrongObject(st *unix.Stat_t) string {
	switch {
	case st.Mode&unix.S_IFMT == unix.S_IFLNK:
		return "it is a symbolic link, which is not followed"
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return "it is not a regular file"
	case st.Size == 0:
		return "it is empty" // what a power loss leaves of a file that was not synced
	}
	return ""
}

// objectError says that an object of a repository is wrong or missing.
type objectError struct {
	object ostree.Object
	path   string
	reason string
}

func (e *objectError) Error() string { return e.path + ": " + e.reason }

func (r *repo) corrupt(o ostree.Object, reason string) error {
	return &objectError{object: o, path: filepath.Join(r.objects.path, o.String()), reason: reason}
}

// missingObject is the reason of an objectError for an object that is not there.
const missingObject = "it is missing"

// open opens an object. The error is an *objectError when it is missing or no
// regular file.
func (r *repo) open(o ostree.Object) (fd int, st unix.Stat_t, err error) {
	dir, err := r.objects.sub(o.Dir())
	if err == unix.ENOENT {
		return -1, st, r.corrupt(o, missingObject)
	}
	if err != nil {
		return -1, st, r.objects.fail("open folder", o.Dir(), err)
	}
	defer dir.close()
	if st, err = dir.lstat(o.Name()); err == nil { // before it is opened: that can have effects
		if reason := wrongObject(&st); reason != "" {
			return -1, st, r.corrupt(o, reason)
		}
		fd, err = dir.open(o.Name(), unix.O_RDONLY)
	}
	if err == unix.ENOENT {
		return -1, st, r.corrupt(o, missingObject)
	}
	if err != nil {
		return -1, st, dir.fail("open", o.Name(), err)
	}
	if err = unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return -1, st, dir.fail("stat", o.Name(), err)
	}
	if reason := wrongObject(&st); reason != "" {
		unix.Close(fd)
		return -1, st, r.corrupt(o, reason)
	}
	return fd, st, nil
}

// withObject calls fn with an open object.
func (r *repo) withObject(o ostree.Object, fn func(fd int, st *unix.Stat_t) error) error {
	fd, st, err := r.open(o)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return fn(fd, &st)
}

// lockObjects keeps objects from being deleted (unix.LOCK_SH), or others from relying
// on their being there (unix.LOCK_EX), until the repository is closed. It waits until
// ctx is done. Where the file system knows no such locks there is none.
func (r *repo) lockObjects(ctx context.Context, how int) error {
	for pause := firstPoll; ; pause = min(2*pause, lastPoll) {
		err := retry(func() error { return unix.Flock(r.objects.fd, how|unix.LOCK_NB) })
		if err != unix.EWOULDBLOCK {
			return nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("waiting for another process: %w", context.Cause(ctx))
		}
	}
}

// partial tells whether a commit is marked as one of which objects may be missing.
func (r *repo) partial(commit string) (bool, error) {
	_, err := r.state.lstat(commit + partialSuffix)
	if err == unix.ENOENT {
		return false, nil
	}
	return err == nil, r.state.orFail("stat", commit+partialSuffix, err)
}

// markPartial marks a commit so.
func (r *repo) markPartial(commit string, sync func(fd int) error) error {
	name := commit + partialSuffix
	fd, err := r.state.open(name, unix.O_WRONLY|unix.O_CREAT)
	if err != nil {
		return r.state.fail("open", name, err)
	}
	unix.Close(fd)
	return r.state.orFail("sync folder", "", sync(r.state.fd))
}

// isMissing tells the error for an object that is not there.
func isMissing(err error) bool {
	var oe *objectError
	return errors.As(err, &oe) && oe.reason == missingObject
}
