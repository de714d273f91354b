package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// stagingName is the folder beneath a content type in which entries are made. It
// is hidden because osbuild takes every other name there for an entry.
const stagingName = ".sourcehost"

// Store is an open store. Its methods may be called from many goroutines.
type Store struct {
	root      *folder
	disk      disk
	committer *committer
	buffers   sync.Pool // of *[bufferSize]byte
	lookOnly  bool

	mu     sync.Mutex
	files  map[string]*Files
	users  int // open stages and running calls: the folders stay open for them
	closed bool
}

// Open opens the store whose content types are folders of dir, for osbuild
// <osbuild store>/sources. It is made, mode 0755, when it is missing. Errors are
// of type *DiskError.
func Open(dir string) (*Store, error) { return open(dir, system()) }

// OpenExisting opens a store to look at it: Present and Verify work as usual,
// nothing is made or changed, and Stage, Remove and Clean fail with ErrLookOnly. A
// store or content type that is missing is an empty one.
func OpenExisting(dir string) (*Store, error) {
	if dir == "" {
		return nil, errNoName
	}
	dir = filepath.Clean(dir)
	root, err := openPath(dir)
	if err == unix.ENOENT {
		root, err = missingFolder(dir), nil
	}
	if err != nil {
		return nil, &DiskError{Op: "open folder", Path: dir, Err: err}
	}
	s := newStore(root, system())
	s.lookOnly = true
	return s, nil
}

// ErrLookOnly says that a store was opened by OpenExisting and cannot be changed.
var ErrLookOnly = errors.New("the store was opened to be looked at only")

var errNoName = errors.New("the store's folder has an empty name")

func open(dir string, d disk) (*Store, error) {
	if dir == "" {
		return nil, errNoName
	}
	root, err := makePath(filepath.Clean(dir), d.syncDir)
	if err != nil {
		return nil, err
	}
	return newStore(root, d), nil
}

func newStore(root *folder, d disk) *Store {
	s := &Store{root: root, disk: d, files: make(map[string]*Files)}
	s.committer = &committer{disk: d}
	s.buffers.New = func() any { return new([bufferSize]byte) }
	return s
}

// closeWait is how long Close waits for commits that nobody waits for any more. A
// slow disk may take minutes for a sync, and no sync can be interrupted.
const closeWait = 500 * time.Millisecond

// Close ends the use of the store. Commits whose callers were cancelled get half
// a second to end; after that they go on in the background until the process ends.
// Wherever that stops them, the store is sound: an entry gets its name after its
// content is on the disk, and until then it is a staged file of a dead run. Stages
// that are still open stay usable until they are closed. Closing a closed store
// does nothing.
func (s *Store) Close() error {
	s.Hurry()
	s.committer.wait(closeWait)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	return s.closeUnused()
}

// Hurry says that few commits are to come. Where many come at a time, a sync waits a
// moment for others to share it; from now on none does.
func (s *Store) Hurry() { s.committer.hurry() }

// enter keeps the folders open until leave is called. Without it a descriptor
// could be closed, and its number reused for another folder, in the midst of a call.
func (s *Store) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fmt.Errorf("store %s: %w", s.root.path, ErrClosed)
	}
	s.users++
	return nil
}

func (s *Store) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users--
	_ = s.closeUnused() // nothing was written through a folder's descriptor
}

// closeUnused closes the folders of a closed store that nobody uses any more.
func (s *Store) closeUnused() error {
	if !s.closed || s.users > 0 {
		return nil
	}
	err := s.root.close()
	for _, f := range s.files {
		err = errors.Join(err, f.closeFolders())
	}
	return err
}

// Files are the entries of one content type. Its methods may be called from many
// goroutines.
type Files struct {
	store    *Store
	content  *folder
	whole    bool // one syncfs may stand for many syncs
	scanMany int

	mu      sync.Mutex
	staging *folder // nil until something is staged: a full store may be read-only
}

// Files returns the entries of one content type, for example org.osbuild.files.
// Its folder is made, mode 0755, when it is missing. The type must be a plain name
// of ASCII letters, digits, '.', '_' and '-' that starts with a letter or digit.
func (s *Store) Files(contentType string) (*Files, error) {
	if err := checkContentType(contentType); err != nil {
		return nil, err
	}
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.files[contentType]; f != nil {
		return f, nil
	}
	content, err := s.contentFolder(contentType)
	if err != nil {
		return nil, err
	}
	f := &Files{store: s, content: content, whole: wholeSync(content.fd), scanMany: scanMany}
	s.files[contentType] = f
	return f, nil
}

// contentFolder opens the folder of a content type and, unless the store is only
// looked at, makes it when it is missing.
func (s *Store) contentFolder(name string) (*folder, error) {
	if !s.lookOnly {
		return s.root.makeSub(name, s.disk.syncDir)
	}
	content, err := s.root.sub(name)
	if err == unix.ENOENT {
		return missingFolder(filepath.Join(s.root.path, name)), nil
	}
	return content, s.root.orFail("open folder", name, err)
}

// maxContentType is NAME_MAX of the usual file systems.
const maxContentType = 255

func checkContentType(name string) error {
	ok := name != "" && len(name) <= maxContentType
	for i := 0; ok && i < len(name); i++ {
		c := name[i]
		alnum := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		ok = alnum || i > 0 && (c == '.' || c == '_' || c == '-')
	}
	if !ok {
		return fmt.Errorf("content type %s is refused: it must be ASCII letters, digits, '.', '_' and '-', and start with a letter or digit", quote(name))
	}
	return nil
}

// stagingFolder opens the staging folder and makes it when it is missing.
func (f *Files) stagingFolder() (*folder, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.store.lookOnly {
		return nil, fmt.Errorf("%s: %w", f.content.path, ErrLookOnly)
	}
	if f.staging == nil {
		staging, err := f.content.makeSub(stagingName, f.store.disk.syncDir)
		if err != nil {
			return nil, err
		}
		f.staging = staging
	}
	return f.staging, nil
}

func (f *Files) closeFolders() error {
	err := f.content.close()
	if f.staging != nil {
		err = errors.Join(err, f.staging.close())
	}
	return err
}
