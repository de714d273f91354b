package store

import (
	"context"
	"encoding/hex"
	"math/rand/v2"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// scratchPrefix starts the stem of a Scratch, which no key does.
const scratchPrefix = "run-"

// Scratch is a folder on the file system of the store for its holder's own use.
// What is in it goes with Close, or with the Clean of a later run.
type Scratch struct {
	files   *Files
	staging *folder
	stem    string
	lockFD  int
	dev     uint64
	ended   bool
}

// Scratch makes an empty folder beside the staged entries. It must be closed.
func (t *Trees) Scratch(ctx context.Context) (*Scratch, error) {
	if err := t.files.store.enter(); err != nil {
		return nil, err
	}
	s, err := t.files.scratch(ctx)
	if err != nil {
		t.files.store.leave()
	}
	return s, err
}

func (f *Files) scratch(ctx context.Context) (*Scratch, error) {
	staging, err := f.stagingFolder()
	if err != nil {
		return nil, err
	}
	var id [8]byte
	for i := range id {
		id[i] = byte(rand.Uint32())
	}
	s := &Scratch{files: f, staging: staging, stem: scratchPrefix + hex.EncodeToString(id[:])}
	fd, st, err := staging.lock(ctx, s.stem+lockSuffix)
	if err != nil {
		return nil, err
	}
	s.lockFD, s.dev = fd, st.Dev
	if err := staging.emptySub(s.stem+treeSuffix, st.Dev); err != nil {
		unlock(fd)
		return nil, err
	}
	return s, nil
}

// isScratch tells the stem of a Scratch.
func isScratch(stem string) bool {
	id, ok := strings.CutPrefix(stem, scratchPrefix)
	return ok && len(id) == 16 && strings.Trim(id, "0123456789abcdef") == ""
}

// Dir returns the folder's absolute path.
func (s *Scratch) Dir() string { return absolute(filepath.Join(s.staging.path, s.stem+treeSuffix)) }

// Close removes the folder. Closing a closed Scratch does nothing.
func (s *Scratch) Close() error {
	if s.ended {
		return nil
	}
	s.ended = true
	defer s.files.store.leave()
	defer unlock(s.lockFD)
	if err := s.staging.removeAll(s.stem+treeSuffix, s.dev); err != nil {
		return err
	}
	return s.staging.unlink(s.stem + lockSuffix)
}

// Spool returns an open file without a name on the file system of the store,
// which vanishes when its descriptor is closed. The caller owns the descriptor.
func (f *Files) Spool() (fd int, err error) {
	if err := f.store.enter(); err != nil {
		return -1, err
	}
	defer f.store.leave()
	staging, err := f.stagingFolder()
	if err != nil {
		return -1, err
	}
	fd, err = unix.Openat(staging.fd, ".", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return fd, nil
	}
	// Not every file system has files without a name (NFS has none).
	var id [8]byte
	for i := range id {
		id[i] = byte(rand.Uint32())
	}
	name := scratchPrefix + hex.EncodeToString(id[:]) + treeSuffix
	fd, err = unix.Openat(staging.fd, name, unix.O_CREAT|unix.O_EXCL|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return -1, staging.fail("open", name, err)
	}
	if err := staging.unlink(name); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}
