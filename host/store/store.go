package store

import "context"

// Store is an open store. Its methods may be called from many goroutines.
type Store struct{}

// Open opens the store whose content types are folders of dir.
func Open(dir string) (*Store, error) { return nil, nil }

// Files returns the entries of one content type.
func (s *Store) Files(contentType string) (*Files, error) { return nil, nil }

// Close ends the use of the store.
func (s *Store) Close() error { return nil }

// Files are the entries of one content type.
type Files struct{}

// Present tells which keys have an entry.
func (f *Files) Present(keys []Key) ([]bool, error) { return nil, nil }

// Stage starts a new entry.
func (f *Files) Stage(ctx context.Context, key Key) (*Stage, error) { return nil, nil }

// Clean removes what dead runs have left.
func (f *Files) Clean(ctx context.Context) error { return nil }

// Verify reads an entry and compares it with its key.
func (f *Files) Verify(ctx context.Context, key Key) error { return nil }

// Remove removes a corrupt entry.
func (f *Files) Remove(key Key) error { return nil }

// Stage is an entry in the making.
type Stage struct{}

// Offset returns how many bytes the stage has.
func (s *Stage) Offset() int64 { return 0 }

// Validator returns what Reset was given for those bytes.
func (s *Stage) Validator() string { return "" }

// Reset starts a new body.
func (s *Stage) Reset(size int64, validator string) error { return nil }

// Write appends to the body.
func (s *Stage) Write(p []byte) (int, error) { return 0, nil }

// Verify compares the body with the key.
func (s *Stage) Verify() error { return nil }

// Commit makes the body an entry.
func (s *Stage) Commit(ctx context.Context) error { return nil }

// Close gives the stage up.
func (s *Stage) Close() error { return nil }
