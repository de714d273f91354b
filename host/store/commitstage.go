package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sourcehost/sourcehost/host/store/internal/ostree"
)

// CommitStage is a commit in the making: a repository of its own, in which a
// program, or this package, puts the objects that the store lacks. Its holder has
// the commit to itself, across goroutines and processes. It must be closed, and must
// be used by one goroutine at a time.
type CommitStage struct {
	commits *Commits
	key     Key
	tree    *TreeStage
	scratch *folder
	into    *repo // of the store

	incoming []ostree.Object // verified objects that the store lacks, the commit not among them
	touched  map[string]bool // the folders beneath "objects" that hold what the commit consists of
	own      bool            // the commit object itself is in the scratch repository
	bytes    int64
	verified bool
	ended    bool
}

// Stage starts a commit. While another goroutine or process has it, Stage waits,
// and then either finds the commit or takes over, with an empty repository. The
// error is ErrExists when the commit is there, the context's when that ended first,
// or a *CorruptError, *DiskError or *KeyError.
func (c *Commits) Stage(ctx context.Context, key Key) (*CommitStage, error) {
	if err := c.vacant(key); err != nil {
		return nil, err
	}
	tree, err := c.trees.Stage(ctx, key, PartScratch)
	if err != nil {
		return nil, err
	}
	s := &CommitStage{commits: c, key: key, tree: tree}
	if err = c.vacant(key); err == nil { // whoever had the lock may have finished
		err = s.begin()
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// vacant returns nil when the commit is not there, ErrExists when it is.
func (c *Commits) vacant(key Key) error {
	if err := c.files.store.enter(); err != nil {
		return err
	}
	defer c.files.store.leave()
	r, err := c.repo()
	if err != nil || r == nil {
		return err
	}
	defer r.close()
	there, err := r.lookup(key)
	if there {
		return ErrExists
	}
	if ce := asCorrupt(key, err); ce != nil {
		return ce
	}
	return err
}

// begin makes the store's repository, where it is missing, and the scratch one.
func (s *CommitStage) begin() (err error) {
	content := s.commits.files.content
	if s.scratch, err = s.tree.staging.sub(s.tree.stem() + treeSuffix); err != nil {
		return content.fail("open folder", s.tree.stem(), err)
	}
	if err = s.commits.makeRepo(s.scratch); err != nil {
		return err
	}
	if s.into, err = content.openRepo(repoName); err != nil {
		return content.orFail("open folder", repoName, err)
	}
	if err = s.into.checkMode(); err != nil {
		return err
	}
	return s.makeScratchRepo()
}

// makeRepo makes the store's repository, or what it lacks.
func (c *Commits) makeRepo(scratch *folder) error {
	content, d := c.files.content, c.files.store.disk
	top, err := content.sub(repoName)
	if err == nil {
		defer top.close()
		return fillRepo(top, scratch, coreSection+lockingSection, d.syncDir)
	}
	if err != unix.ENOENT {
		return content.fail("open folder", repoName, err)
	}
	const made = "new"
	none := func(int) error { return nil } // synced as a whole
	if err := scratch.makeBelow(made, none); err != nil {
		return err
	}
	err = scratch.within(made, func(top *folder) error {
		if err := fillRepo(top, scratch, coreSection+lockingSection, none); err != nil {
			return err
		}
		return (&treeWalk{ctx: context.Background(), disk: d}).sync(top)
	})
	if err != nil {
		return err
	}
	err = d.rename(scratch, made, content, repoName)
	if err != nil && err != unix.EEXIST && err != unix.ENOTEMPTY { // another process was faster
		return content.fail("name", repoName, err)
	}
	return content.orFail("sync folder", "", d.syncDir(content.fd))
}

// makeScratchRepo makes the repository that is worked in. What the store has it sees
// through its parent. The commit is marked as partial there: otherwise ostree would
// take one that is partial in the store for whole.
func (s *CommitStage) makeScratchRepo() error {
	none := func(int) error { return nil }
	if err := s.scratch.makeBelow(repoName, none); err != nil {
		return err
	}
	parent, err := filepath.Abs(s.into.top.path)
	if err != nil {
		return err
	}
	if strings.ContainsAny(parent, "\r\n") {
		return fmt.Errorf("the path %s of the store holds a line break, which ostree's configuration cannot: rename it", quote(parent))
	}
	return s.scratch.within(repoName, func(top *folder) error {
		// The host syncs what it takes from here.
		config := coreSection + "fsync=false\nparent=" + parent + "\n"
		if err := fillRepo(top, s.scratch, config, none); err != nil {
			return err
		}
		return top.within(stateName, func(state *folder) error {
			return (&repo{state: state}).markPartial(s.key.text, none)
		})
	})
}

// Dir returns the path of the scratch folder. In it is the repository "repo", whose
// parent is that of the store, and in which the commit must be when the stage is
// verified.
func (s *CommitStage) Dir() string { return s.tree.Dir() }

// Size returns how many bytes the verified objects have that the store lacks.
func (s *CommitStage) Size() int64 { return s.bytes }

// Verify checks every object that the store lacks against its name, and that the
// commit has all the objects that it consists of. What the store has is taken as it
// is, except folders, which have to be read. The error is a *MismatchError or
// *CommitError when something is wrong or missing, and a *CorruptError when that is
// in the store.
func (s *CommitStage) Verify(ctx context.Context) error {
	if s.ended {
		return fmt.Errorf("verify %s: %w", s.key, ErrClosed)
	}
	from, err := s.scratch.openRepo(repoName)
	if err != nil {
		return s.scratch.orFail("open folder", repoName, err)
	}
	defer from.close()
	// Until the commit is there, nobody would know that it needs what is there.
	if err := s.into.lockObjects(ctx, unix.LOCK_SH); err != nil {
		return err
	}
	s.incoming, s.touched, s.own, s.bytes = nil, map[string]bool{}, false, 0
	var files []ostree.Object
	err = walk(ctx, s.key.text, func(o ostree.Object) ([]ostree.Object, error) {
		if o.Kind != ostree.Commit { // whose name comes last
			s.touched[o.Dir()] = true
		}
		stored, err := s.into.has(o)
		switch {
		case err != nil:
			return nil, storedError(s.key, err)
		case stored && o.Kind == ostree.File:
			return nil, nil
		case stored:
			refs, err := s.into.check(ctx, o)
			return refs, storedError(s.key, err)
		case o.Kind == ostree.File:
			files = append(files, o)
			return nil, nil
		}
		s.take(o)
		return s.checkOne(ctx, from, o)
	})
	if err != nil {
		return err
	}
	for _, o := range files {
		s.take(o)
	}
	if err := each(ctx, files, func(o ostree.Object) error { _, err := s.checkOne(ctx, from, o); return err }); err != nil {
		return err
	}
	if err := s.measure(ctx, from); err != nil {
		return err
	}
	s.verified = true
	return nil
}

// take notes an object that is to be stored.
func (s *CommitStage) take(o ostree.Object) {
	if o.Kind == ostree.Commit {
		s.own = true
		return
	}
	s.incoming = append(s.incoming, o)
}

// checkOne checks an object of the scratch repository, once nobody else can change it.
func (s *CommitStage) checkOne(ctx context.Context, from *repo, o ostree.Object) (refs []ostree.Object, err error) {
	if err = from.settle(ctx, o); err == nil {
		refs, err = from.check(ctx, o)
	}
	var oe *objectError
	if errors.As(err, &oe) {
		return nil, &CommitError{Key: s.key, Object: o.String(), Reason: oe.reason, Missing: oe.reason == missingObject}
	}
	return refs, err
}

// settle gives an object the mode that it must have. One that others can change, or
// that is also an object of the repository which it was fetched from, is copied.
func (r *repo) settle(ctx context.Context, o ostree.Object) error {
	foreign := false
	err := r.withObject(o, func(fd int, st *unix.Stat_t) error {
		if sharable(st) {
			return nil
		}
		if foreign = st.Nlink > 1 || st.Uid != uint32(os.Geteuid()); foreign {
			return nil
		}
		return r.objects.orFail("set mode of", o.String(), unix.Fchmod(fd, fileMode))
	})
	if err != nil || !foreign {
		return err
	}
	return r.objects.within(o.Dir(), func(dir *folder) error { return dir.replaceByCopy(ctx, o.Name()) })
}

// measure adds up the sizes, and adds what was attached to the commit.
func (s *CommitStage) measure(ctx context.Context, from *repo) error {
	meta := ostree.Object{Sum: s.key.text, Kind: ostree.CommitMeta}
	if there, err := from.has(meta); err != nil || there {
		if err == nil {
			_, err = s.checkOne(ctx, from, meta)
		}
		if err != nil {
			return err
		}
		s.incoming = append(s.incoming, meta)
	}
	for _, o := range s.incoming {
		err := from.withObject(o, func(_ int, st *unix.Stat_t) error {
			s.bytes += st.Size
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// storedError is for an object of the store.
func storedError(key Key, err error) error {
	if ce := asCorrupt(key, err); ce != nil {
		return ce
	}
	return err
}

// CommitError says that an object which a commit needs did not arrive as it should.
type CommitError struct {
	Key     Key
	Object  string // its path beneath the repository's folder "objects"
	Reason  string // a clause
	Missing bool   // it did not arrive at all
}

// Error names the object and what is wrong with it.
func (e *CommitError) Error() string {
	if e.Missing && e.Object == (ostree.Object{Sum: e.Key.text, Kind: ostree.Commit}).String() {
		return "the commit " + e.Key.text + " did not arrive"
	}
	return fmt.Sprintf("the object %s of the commit %s did not arrive as it should: %s", e.Object, e.Key, e.Reason)
}

// Mismatch reports whether something else came. It lets packages that do not know
// this one tell the error.
func (e *CommitError) Mismatch() bool { return !e.Missing }

// Close gives the commit up, unless Commit succeeded, and removes what is staged.
// Closing a closed CommitStage does nothing.
func (s *CommitStage) Close() error {
	if s.ended {
		return nil
	}
	s.ended = true
	if s.into != nil {
		s.into.close()
	}
	if s.scratch != nil {
		_ = s.scratch.close() // nothing was written through it
	}
	return s.tree.Close()
}
