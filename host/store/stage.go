package store

import (
	"context"
	"errors"
	"fmt"
	"hash"

	"golang.org/x/sys/unix"
)

// Suffixes of the names in the staging folder.
const (
	partSuffix    = ".part"
	resumeSuffix  = ".resume"
	corruptSuffix = ".corrupt"
)

// Stage is an entry in the making: the place for the bytes of one key. Its holder
// has the key to itself, across goroutines and processes. A Stage must be closed,
// and must be used by one goroutine at a time.
type Stage struct {
	ctx     context.Context // bounds the reading of a partial
	files   *Files
	staging *folder
	key     Key
	fd      int // the lock and the content

	hash    hash.Hash
	hashed  int64             // how many bytes hash has seen
	buf     *[bufferSize]byte // bytes that are not in the file yet
	fill    int               // how many
	written int64             // bytes in the file
	begun   int64             // bytes whose way to the disk has begun

	reserved  int64 // up to where blocks were reserved
	size      int64 // as announced; -1 unknown
	validator string
	noted     bool // the .resume file describes this body, or there is none
	kept      bool // there is a .resume file
	resumed   bool // some bytes came from an earlier Stage
	verified  bool
	used      bool  // the file may have bytes or reserved blocks
	broken    error // a failed write: only Reset helps
	ended     bool  // committed or closed
}

// Stage starts the entry of a key. While another goroutine or process has the
// key, Stage waits, and then either finds the entry or takes over. A large partial
// of an earlier run is offered through Offset and Validator.
//
// The error is ErrExists when the entry is there and its name on the disk, although
// another process may have given that name just now. It is the context's when that ended
// first, or a *CorruptError (something that is no entry stands under the name),
// *DiskError or *KeyError. ctx also bounds the reading of a partial by later calls
// of Write and Verify. Staging a key twice in one goroutine waits for ever.
func (f *Files) Stage(ctx context.Context, key Key) (*Stage, error) {
	if err := f.store.enter(); err != nil {
		return nil, err
	}
	s, err := f.stage(ctx, key)
	if err != nil {
		f.store.leave()
		return nil, err
	}
	return s, nil
}

func (f *Files) stage(ctx context.Context, key Key) (*Stage, error) {
	if err := f.vacant(key); err != nil {
		return nil, f.settled(ctx, key, err)
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("stage %s: %w", key, context.Cause(ctx))
	}
	staging, err := f.stagingFolder()
	if err != nil {
		return nil, err
	}
	fd, st, err := staging.lock(ctx, key.text+partSuffix)
	if err != nil {
		return nil, fmt.Errorf("stage %s: %w", key, err)
	}
	s := &Stage{ctx: ctx, files: f, staging: staging, key: key, fd: fd, hash: key.New(), size: -1}
	if err = f.vacant(key); err != nil { // whoever had the lock may have finished
		if left := s.remove(); left != nil {
			return nil, errors.Join(err, left)
		}
		return nil, f.settled(ctx, key, err)
	}
	if st.Mode&0o7777 != fileMode { // the umask
		if err := unix.Fchmod(fd, fileMode); err != nil {
			return nil, errors.Join(s.fail("set mode of", err), s.remove())
		}
	}
	if st.Size > 0 || st.Blocks > 0 {
		if err := s.offer(st.Size); err != nil {
			return nil, errors.Join(err, s.remove())
		}
	}
	return s, nil
}

// settled returns err, after the names in the content folder were put on the disk
// when it is ErrExists: whoever asks for a key to be staged did not find its entry
// before. Those who ask at the same time share the syncs, with commits too.
func (f *Files) settled(ctx context.Context, key Key, err error) error {
	if err != ErrExists || f.store.lookOnly {
		return err
	}
	if err := f.store.enter(); err != nil {
		return err
	}
	done := make(chan error, 1)
	f.store.committer.add(&entry{files: f, finish: func(err error) {
		f.store.leave()
		done <- err
	}})
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("stage %s: %w", key, context.Cause(ctx))
	}
}

// vacant returns nil when nothing stands under the key's name.
func (f *Files) vacant(key Key) error {
	there, err := f.lookup(key)
	if there {
		return ErrExists
	}
	return err
}

func (s *Stage) part() string { return s.key.text + partSuffix }

func (s *Stage) fail(op string, err error) error { return s.staging.fail(op, s.part(), err) }

// Commit makes the body the entry of its key. It returns nil once content and name
// are on the disk, so that neither a crash nor a power loss can take them back; that
// an entry is there already is success. A body that was not verified yet is
// verified first, and when that fails the Stage can be reset and used again.
//
// Commits that run at the same time share their syncs: call Commit from many
// goroutines. When ctx ends while the body waits for a sync, Commit returns the
// context's error, and the commit is finished in the background. The Stage is
// closed from then on; when Commit fails before that, Close is still due.
func (s *Stage) Commit(ctx context.Context) error {
	if s.ended {
		return fmt.Errorf("commit %s: %w", s.key, ErrClosed)
	}
	if !s.verified {
		if err := s.Verify(); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return fmt.Errorf("commit %s: %w", s.key, context.Cause(ctx))
	}
	if s.size > s.written { // blocks that were reserved and not needed
		if err := unix.Ftruncate(s.fd, s.written); err != nil {
			return s.fail("truncate", err)
		}
	}
	if s.written >= startMin {
		s.files.store.disk.startSync(s.fd, s.begun, 0)
	}
	s.ended = true
	done := make(chan error, 1)
	s.files.store.committer.add(&entry{
		files: s.files, staging: s.staging, fd: s.fd, staged: s.part(), final: s.key.text,
		finish: func(err error) { done <- s.finish(err) },
	})
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("commit %s: %w", s.key, context.Cause(ctx))
	}
}

// finish ends the Stage after its commit. It runs in the committer.
func (s *Stage) finish(err error) error {
	defer s.files.store.leave()
	if err != nil && err != ErrExists {
		// After a failed sync nobody knows what the file holds: it is not kept.
		return errors.Join(err, s.remove())
	}
	if err == ErrExists {
		if err := s.vacantOrSound(); err != nil {
			return errors.Join(err, s.remove())
		}
		return s.remove()
	}
	defer s.release()
	if s.kept {
		return s.staging.unlink(s.key.text + resumeSuffix)
	}
	return nil
}

// vacantOrSound looks at the entry that another program made while this one was staged.
func (s *Stage) vacantOrSound() error {
	_, err := s.files.lookup(s.key)
	return err
}

// Close gives the Stage up. Without a commit before, a large partial is kept so
// that a later Stage of the key can go on with it, unless the disk is full: others
// need the space. Anything else is removed.
// Closing a closed Stage does nothing.
func (s *Stage) Close() error {
	if s.ended {
		return nil
	}
	s.ended = true
	defer s.files.store.leave()
	if s.broken == nil && s.fill > 0 && s.resumable() {
		s.broken = s.flush()
	}
	if !s.resumable() || errors.Is(s.broken, unix.ENOSPC) || errors.Is(s.broken, unix.EDQUOT) {
		return s.remove()
	}
	defer s.release()
	// Blocks reserved for the rest of the body would stay allocated.
	if err := unix.Ftruncate(s.fd, s.written); err != nil {
		return s.fail("truncate", err)
	}
	return nil
}

// remove deletes what is staged while the lock is still held, then releases it.
func (s *Stage) remove() error {
	defer s.release()
	err := s.staging.unlink(s.part())
	if s.kept {
		err = errors.Join(err, s.staging.unlink(s.key.text+resumeSuffix))
	}
	return err
}

func (s *Stage) release() {
	s.freeBuffer()
	unlock(s.fd)
	s.fd = -1
}

func (s *Stage) freeBuffer() {
	if s.buf != nil {
		s.files.store.buffers.Put(s.buf)
		s.buf = nil
	}
}
