package host

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sourcehost/sourcehost/host/store"
	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

// VerifyRequest asks for all that a store holds to be verified.
type VerifyRequest struct {
	// Store is a folder as Request.Store.
	Store string
	// Repair are sources whose items replace what is corrupt: those of their items
	// that are, are removed and fetched again. Only Source, Items, Options and
	// Checked count. Objects of ostree repositories that are corrupt and that no
	// commit needs are deleted when it is not nil.
	Repair []Request
}

// VerifyResult is the outcome of a VerifyRequest.
type VerifyResult struct {
	// Types are the content types that the store has, by name.
	Types []VerifiedType
	// Bad are the entries that are corrupt or could not be read.
	Bad []BadEntry
	// Unknown are paths of what is in the folder of a content type and is no entry.
	Unknown []string
	// Repairs are the outcomes of VerifyRequest.Repair.
	Repairs  []*Result
	Duration time.Duration
}

// VerifiedType counts the entries of one content type, in each form that they have.
type VerifiedType struct {
	ContentType string
	Entries     int
	// Bytes is the size of the files, 0 for content types that do not consist of some.
	Bytes int64
}

// BadEntry is an entry that is not what its key names.
type BadEntry struct {
	ContentType string
	// Key is empty for an object of an ostree repository that no commit needs.
	Key string
	// Part is the name of the form in the entry's folder, of images only.
	Part string
	// Path is what is wrong, an entry or a file in one.
	Path string
	// Err says what is wrong. Its kind is abi.ErrMismatch for corrupt entries.
	Err *Error
	// Repaired says that the entry was fetched again, or deleted.
	Repaired bool
}

// Left returns how many bad entries were not repaired.
func (r *VerifyResult) Left() int {
	left := 0
	for _, b := range r.Bad {
		if !b.Repaired {
			left++
		}
	}
	return left
}

// Verify compares every entry of every content type in a store with its key, also
// those that no manifest names. It changes nothing unless it is asked to repair. The
// error says that the store as a whole could not be read or that ctx has ended; then
// there is a result as well.
func (h *Host) Verify(ctx context.Context, req VerifyRequest) (*VerifyResult, error) {
	if req.Store == "" {
		return nil, usagef("the request names no store")
	}
	if _, err := os.Stat(req.Store); err != nil {
		return nil, usagef("the store cannot be verified: %w", err)
	}
	s, err := store.OpenExisting(req.Store)
	if err != nil {
		return nil, h.verifyError("", err)
	}
	defer s.Close()
	types, err := s.ContentTypes()
	if err != nil {
		return nil, h.verifyError("", err)
	}
	start := time.Now()
	v := &verification{host: h, store: s, root: req.Store, result: &VerifyResult{}}
	for _, name := range types {
		if err := v.contentType(ctx, name); err != nil {
			v.result.Duration = time.Since(start)
			return v.result, err
		}
	}
	slices.SortStableFunc(v.result.Bad, func(a, b BadEntry) int {
		return cmp.Or(strings.Compare(a.ContentType, b.ContentType), strings.Compare(a.Path, b.Path))
	})
	if req.Repair != nil {
		err = v.repair(ctx, req.Repair)
	}
	v.result.Duration = time.Since(start)
	return v.result, errors.Join(err, context.Cause(ctx))
}

// verification is the state of a VerifyRequest.
type verification struct {
	host  *Host
	store *store.Store
	root  string

	mu     sync.Mutex
	result *VerifyResult
}

func (h *Host) verifyError(contentType string, err error) *Error {
	return &Error{Kind: abi.ErrDisk, Source: contentType, Message: h.secrets.Redact(err.Error()), Err: err}
}

// unit is one thing that is verified by itself.
type unit struct {
	key   store.Key
	part  string
	path  string
	check func(ctx context.Context) error
}

// contentType verifies all entries of one content type.
func (v *verification) contentType(ctx context.Context, name string) error {
	m := v.host.storing(name)
	if m != nil && m.Produces == plugin.ProducesCommit {
		return v.commits(ctx, name)
	}
	units, err := v.units(ctx, name, m)
	if err != nil {
		return v.host.verifyError(name, err)
	}
	counts := VerifiedType{ContentType: name, Entries: len(units)}
	v.host.notify(Event{Kind: EventSource, Source: name, Items: len(units)})
	next := make(chan unit)
	var wg sync.WaitGroup
	for range min(v.host.cfg.Workers, 2*runtime.GOMAXPROCS(0), len(units)) {
		wg.Go(func() {
			for u := range next {
				n := v.verify(ctx, name, u)
				v.mu.Lock()
				counts.Bytes += n
				v.mu.Unlock()
			}
		})
	}
	for _, u := range units {
		if ctx.Err() != nil {
			break
		}
		next <- u
	}
	close(next)
	wg.Wait()
	v.result.Types = append(v.result.Types, counts)
	v.host.notify(Event{Kind: EventSourceDone, Source: name})
	return context.Cause(ctx)
}

// storing returns the manifest of a plugin whose items are of a content type, or nil.
func (h *Host) storing(contentType string) *plugin.Manifest {
	for _, l := range h.plugins {
		if l.manifest.ContentType == contentType {
			return l.manifest
		}
	}
	return nil
}

// units lists what there is to verify. What a content type that no plugin knows
// consists of is taken for files where it can be.
func (v *verification) units(ctx context.Context, name string, m *plugin.Manifest) ([]unit, error) {
	trees, err := v.store.Trees(name)
	if err != nil {
		return nil, err
	}
	keys, others, err := trees.Keys(ctx)
	if err != nil {
		return nil, err
	}
	for _, other := range others {
		v.result.Unknown = append(v.result.Unknown, filepath.Join(trees.Dir(), other))
	}
	if m != nil && m.Produces == plugin.ProducesImage {
		return v.imageUnits(trees, keys, m)
	}
	files, err := v.store.Files(name)
	if err != nil {
		return nil, err
	}
	units := make([]unit, len(keys))
	for i, key := range keys {
		units[i] = unit{key: key, path: filepath.Join(trees.Dir(), key.String()), check: func(ctx context.Context) error {
			return files.Verify(ctx, key)
		}}
	}
	return units, nil
}

// imageUnits lists images in each form that is there.
func (v *verification) imageUnits(trees *store.Trees, keys []store.Key, m *plugin.Manifest) ([]unit, error) {
	var units []unit
	for _, key := range keys {
		found := false
		for _, format := range m.Formats {
			present, err := trees.Present([]store.Key{key}, format.Part)
			if err != nil && !errors.As(err, new(*store.PresentError)) {
				return nil, err
			}
			if err == nil && !present[0] {
				continue
			}
			found = true
			entries := imageEntries{trees, format.Part}
			units = append(units, unit{
				key: key, part: format.Part, path: filepath.Join(trees.Dir(), key.String(), format.Part),
				check: func(ctx context.Context) error { return entries.Verify(ctx, key) },
			})
		}
		if !found {
			v.result.Unknown = append(v.result.Unknown, filepath.Join(trees.Dir(), key.String()))
		}
	}
	return units, nil
}

// verify verifies one entry and returns its size, 0 when that is not known.
func (v *verification) verify(ctx context.Context, contentType string, u unit) int64 {
	key := u.key.String()
	v.host.notify(Event{Kind: EventStart, Source: contentType, Key: key, Total: -1})
	start := time.Now()
	err := u.check(ctx)
	if ctx.Err() != nil || errors.Is(err, fs.ErrNotExist) { // stopped, or removed meanwhile
		return 0
	}
	size := int64(0)
	if info, err := os.Lstat(u.path); err == nil && info.Mode().IsRegular() {
		size = info.Size()
	}
	result := &ItemResult{Key: key, State: Cached, Bytes: size, Duration: time.Since(start)}
	if err != nil {
		result.State, result.Err = Failed, v.bad(contentType, u, err)
	}
	v.host.notify(Event{Kind: EventItem, Source: contentType, Key: key, Result: result})
	return size
}

// bad notes an entry that is not as it should be.
func (v *verification) bad(contentType string, u unit, err error) *Error {
	e := v.host.verifyError(contentType, err)
	e.Key = u.key.String()
	var corrupt *store.CorruptError
	if errors.As(err, &corrupt) {
		e.Kind, u.path = abi.ErrMismatch, corrupt.Path
		e.Message = v.host.secrets.Redact(corrupt.Error())
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.result.Bad = append(v.result.Bad, BadEntry{ContentType: contentType, Key: e.Key, Part: u.part, Path: u.path, Err: e})
	return e
}

// commits verifies an ostree repository.
func (v *verification) commits(ctx context.Context, name string) error {
	commits, err := v.store.Commits(name)
	if err != nil {
		return v.host.verifyError(name, err)
	}
	keys, others, err := commits.Keys(ctx)
	if err != nil {
		return v.host.verifyError(name, err)
	}
	for _, other := range others {
		v.result.Unknown = append(v.result.Unknown, filepath.Join(v.root, name, other))
	}
	v.host.notify(Event{Kind: EventSource, Source: name, Items: len(keys)})
	v.result.Types = append(v.result.Types, VerifiedType{ContentType: name, Entries: len(keys)})
	start := time.Now()
	err = commits.VerifyAll(ctx, keys, func(key store.Key, err error) {
		result := &ItemResult{Key: key.String(), State: Cached, Duration: time.Since(start)}
		start = time.Now()
		if err != nil {
			result.State, result.Err = Failed, v.bad(name, unit{key: key}, err)
		}
		if key != (store.Key{}) {
			v.host.notify(Event{Kind: EventItem, Source: name, Key: result.Key, Result: result})
		}
	})
	v.host.notify(Event{Kind: EventSourceDone, Source: name})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return v.host.verifyError(name, err)
	}
	return nil
}

// repair fetches what is corrupt again, as far as the requests name it.
func (v *verification) repair(ctx context.Context, requests []Request) error {
	var failed []error
	for _, req := range requests {
		l, err := v.host.serving(req.Source)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		for _, format := range formatsOf(l.manifest) {
			failed = append(failed, v.repairSource(ctx, req, l.manifest, format))
		}
	}
	failed = append(failed, v.discard(ctx))
	return errors.Join(failed...)
}

// formatsOf returns the forms of a plugin's items; one without a name when they have
// but one.
func formatsOf(m *plugin.Manifest) []plugin.Format {
	if len(m.Formats) == 0 {
		return []plugin.Format{{}}
	}
	return m.Formats
}

// repairSource repairs the entries of one source in one form.
func (v *verification) repairSource(ctx context.Context, req Request, m *plugin.Manifest, format plugin.Format) error {
	bad := map[string]*BadEntry{}
	for i := range v.result.Bad {
		b := &v.result.Bad[i]
		if b.ContentType == m.ContentType && b.Part == format.Part && !b.Repaired {
			bad[b.Key] = b
		}
	}
	req.Items = slices.DeleteFunc(slices.Clone(req.Items), func(it Item) bool { return bad[it.Key] == nil })
	if len(req.Items) == 0 {
		return nil
	}
	req.Store, req.Format, req.Verify, req.DryRun = v.root, format.Name, true, false
	result, err := v.host.Run(ctx, req)
	if result == nil {
		return err
	}
	v.result.Repairs = append(v.result.Repairs, result)
	for _, it := range result.Items {
		if it.State == Fetched || it.State == Cached {
			bad[it.Key].Repaired = true
		}
	}
	return err
}

// discard deletes the corrupt objects that no commit needs.
func (v *verification) discard(ctx context.Context) error {
	var failed []error
	s := (*store.Store)(nil)
	for i := range v.result.Bad {
		b := &v.result.Bad[i]
		if b.Key != "" || b.Err.Kind != abi.ErrMismatch {
			continue
		}
		if s == nil {
			var err error
			if s, err = store.Open(v.root); err != nil {
				return v.host.verifyError(b.ContentType, err)
			}
			defer s.Close()
		}
		commits, err := s.Commits(b.ContentType)
		if err == nil {
			err = commits.Discard(ctx, b.Path)
		}
		b.Repaired = err == nil
		if err != nil {
			failed = append(failed, v.host.verifyError(b.ContentType, err))
		}
	}
	return errors.Join(failed...)
}
