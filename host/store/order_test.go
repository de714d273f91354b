package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// recorder is a disk that writes down what it is asked for, with the names of the
// files, and fails where it is told to.
type recorder struct {
	kernel
	mu     sync.Mutex
	events []string
	fail   func(event string) error
	gate   chan struct{} // when set, every sync waits for it
}

func (r *recorder) note(format string, args ...any) error {
	event := fmt.Sprintf(format, args...)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, event)
	if r.fail == nil {
		return nil
	}
	return r.fail(event)
}

func (r *recorder) waitGate() {
	if r.gate != nil {
		<-r.gate
	}
}

func (r *recorder) count(prefix string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, e := range r.events {
		if strings.HasPrefix(e, prefix) {
			n++
		}
	}
	return n
}

// nameOf returns the name that a descriptor's file has now.
func nameOf(fd int) string {
	path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return err.Error()
	}
	return filepath.Base(path)
}

func (r *recorder) write(fd int, p []byte, off int64) error {
	if err := r.note("write %s", nameOf(fd)); err != nil {
		return err
	}
	return r.kernel.write(fd, p, off)
}

func (r *recorder) syncFile(fd int) error {
	r.waitGate()
	return errors.Join(r.kernel.syncFile(fd), r.note("syncFile %s", nameOf(fd)))
}

func (r *recorder) syncFS(fd int) error {
	r.waitGate()
	return errors.Join(r.kernel.syncFS(fd), r.note("syncFS"))
}

func (r *recorder) checkFile(fd int) error {
	return errors.Join(r.kernel.checkFile(fd), r.note("checkFile %s", nameOf(fd)))
}

func (r *recorder) rename(from *folder, staged string, to *folder, final string) error {
	if err := r.note("rename %s %s", staged, final); err != nil {
		return err
	}
	return r.kernel.rename(from, staged, to, final)
}

func (r *recorder) syncDir(fd int) error {
	return errors.Join(r.kernel.syncDir(fd), r.note("syncDir %s", nameOf(fd)))
}

// commitGroup commits n items so that all but the first share one sync, and
// returns each item's error.
func commitGroup(t *testing.T, f *Files, r *recorder, n int) (keys []Key, errs []error) {
	t.Helper()
	r.gate = make(chan struct{})
	errs = make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		data := content(uint64(i), 500)
		keys = append(keys, keyOf(t, data))
		s := stage(t, f, keys[i])
		s.Write(data)
		if err := s.Verify(); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			errs[i] = s.Commit(context.Background())
			if errs[i] == nil {
				_ = r.note("success %s", keys[i])
			}
		})
		f.store.waitQueued(i)
	}
	close(r.gate)
	wg.Wait()
	return keys, errs
}

// waitQueued returns once the committer is at work and n more entries are queued.
func (s *Store) waitQueued(n int) {
	for deadline := time.Now().Add(patience); ; {
		s.committer.mu.Lock()
		ok := s.committer.running != nil && len(s.committer.queue) == n
		s.committer.mu.Unlock()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			panic(fmt.Sprintf("%d entries were never queued", n))
		}
		time.Sleep(100 * time.Microsecond)
	}
}

// TestOrder proves, for single and for grouped syncs, that an entry is written,
// then synced, then named, then its name is synced, and only then is it a success.
//
// adversary: C2
func TestOrder(t *testing.T) {
	for _, test := range []struct {
		n     int
		whole bool
	}{{1, true}, {3, true}, {40, true}, {40, false}} {
		t.Run(fmt.Sprintf("%d,whole=%t", test.n, test.whole), func(t *testing.T) {
			r := &recorder{}
			_, f := openStore(t, t.TempDir(), r)
			f.whole = test.whole
			keys, errs := commitGroup(t, f, r, test.n)
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
			for _, key := range keys {
				wantOrder(t, r.events, key)
			}
			if syncs := r.count("sync"); test.whole && test.n == 40 && syncs > 10 {
				t.Errorf("%d syncs for %d entries", syncs, test.n)
			}
		})
	}
}

func wantOrder(t *testing.T, events []string, key Key) {
	t.Helper()
	part := key.String() + partSuffix
	write := lastIndex(events, "write "+part)
	rename := slices.Index(events, "rename "+part+" "+key.String())
	success := slices.Index(events, "success "+key.String())
	if write < 0 || rename < write || success < rename {
		t.Fatalf("write %d, rename %d, success %d", write, rename, success)
	}
	synced := slices.ContainsFunc(events[write:rename], func(e string) bool { return e == "syncFile "+part })
	if i := slices.Index(events[write:rename], "syncFS"); i >= 0 {
		synced = synced || slices.Contains(events[write+i:rename], "checkFile "+part)
	}
	if !synced {
		t.Errorf("%s was named before its content was synced", key)
	}
	if !slices.Contains(events[rename:success], "syncDir "+contentType) {
		t.Errorf("success of %s was told before its name was synced", key)
	}
}

func lastIndex(events []string, event string) int {
	for i := len(events) - 1; i >= 0; i-- {
		if events[i] == event {
			return i
		}
	}
	return -1
}

// TestSyncFails breaks one operation for one item, or for all, and checks who fails.
//
// adversary: C2
func TestSyncFails(t *testing.T) {
	const n = 20
	victim := keyOf(t, content(7, 500)).String()
	for _, test := range []struct {
		name   string
		whole  bool
		broken func(event string) bool
		failed int
		errno  unix.Errno
	}{
		{"one file", false, func(e string) bool { return e == "syncFile "+victim+partSuffix }, 1, unix.EIO},
		{"one file in a group", true, func(e string) bool { return e == "checkFile "+victim+partSuffix }, 1, unix.EIO},
		{"another program's file", true, func(e string) bool { return e == "syncFS" }, 0, unix.EIO},
		{"naming", true, func(e string) bool { return e == "rename "+victim+partSuffix+" "+victim }, 1, unix.ENOSPC},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := &recorder{}
			_, f := openStore(t, t.TempDir(), r)
			f.whole = test.whole
			stageFolder(t, f)
			r.fail = func(e string) error {
				if test.broken(e) {
					return test.errno
				}
				return nil
			}
			keys, errs := commitGroup(t, f, r, n)
			failed := 0
			for i, err := range errs {
				if err == nil {
					wantEntry(t, f, keys[i])
					continue
				}
				failed++
				wantErrno(t, err, test.errno)
				if keys[i].String() != victim {
					t.Errorf("%s fails: %v", keys[i], err)
				}
				if _, err := os.Lstat(entryPath(f, keys[i])); err == nil {
					t.Error("what was not synced has a name")
				}
			}
			if failed != test.failed {
				t.Errorf("%d items failed, want %d", failed, test.failed)
			}
			wantNothingStaged(t, f)
		})
	}
}

// stageFolder makes the staging folder, so that a test sees only commits.
func stageFolder(t *testing.T, f *Files) {
	t.Helper()
	if _, err := f.stagingFolder(); err != nil {
		t.Fatal(err)
	}
}

func TestFolderSyncFails(t *testing.T) {
	r := &recorder{}
	_, f := openStore(t, t.TempDir(), r)
	stageFolder(t, f)
	r.fail = func(e string) error {
		if strings.HasPrefix(e, "syncDir") {
			return unix.EIO
		}
		return nil
	}
	_, errs := commitGroup(t, f, r, 10)
	for _, err := range errs {
		wantErrno(t, err, unix.EIO)
	}
	wantNothingStaged(t, f)
}

func TestWriteFails(t *testing.T) {
	r := &recorder{fail: func(e string) error {
		if strings.HasPrefix(e, "write") {
			return unix.ENOSPC
		}
		return nil
	}}
	_, f := openStore(t, t.TempDir(), r)
	data := content(1, bufferSize)
	s := stage(t, f, keyOf(t, data))
	_, err := s.Write(data)
	wantErrno(t, err, unix.ENOSPC)
	if e := wantErr[*DiskError](t, err); e.Hint() == "" || !strings.Contains(e.Error(), stagedPath(f, s.part())) {
		t.Errorf("error %q with the hint %q", e, e.Hint())
	}
	// It stays broken, since bytes are missing, until everything starts anew.
	wantErrno(t, s.Verify(), unix.ENOSPC)
	wantErrno(t, s.Commit(t.Context()), unix.ENOSPC)
	r.mu.Lock()
	r.fail = nil
	r.mu.Unlock()
	if _, err := s.Write(data); err == nil {
		t.Error("a broken stage takes bytes")
	}
	if err := s.Reset(-1, ""); err != nil {
		t.Fatal(err)
	}
	s.Write(data)
	if err := s.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantEntry(t, f, s.key)
}

// TestCommitCancelled leaves a commit while its sync hangs: the caller gets its
// answer at once, and the entry gets its name all the same.
func TestCommitCancelled(t *testing.T) {
	r := &recorder{gate: make(chan struct{})}
	s, f := openStore(t, t.TempDir(), r)
	data := content(1, 100)
	st := stage(t, f, keyOf(t, data))
	st.Write(data)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- st.Commit(ctx) }()
	s.waitQueued(0)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := st.Close(); err != nil {
		t.Error(err)
	}
	close(r.gate)
	s.committer.wait(patience)
	wantEntry(t, f, st.key)
	wantNothingStaged(t, f)
}

// TestCloseWhileSyncHangs closes a store whose disk does not come back from a sync
// that nobody waits for any more: Close does not wait for it, nothing has a name
// until then, and the commit is in order when the disk comes back.
func TestCloseWhileSyncHangs(t *testing.T) {
	r := &recorder{gate: make(chan struct{})}
	s, err := open(t.TempDir(), r)
	if err != nil {
		t.Fatal(err)
	}
	f, err := s.Files(contentType)
	if err != nil {
		t.Fatal(err)
	}
	data := content(1, 100)
	st := stage(t, f, keyOf(t, data))
	st.Write(data)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- st.Commit(ctx) }()
	s.waitQueued(0)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	go func() { done <- s.Close() }()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("Close waits for the sync")
	}
	if _, err := os.Lstat(entryPath(f, st.key)); err == nil {
		t.Error("the entry has its name before its content was synced")
	}
	if f.content.fd < 0 {
		t.Error("the folder was closed while the commit needs it")
	}
	close(r.gate)
	s.committer.wait(patience)
	if f.content.fd >= 0 || s.root.fd >= 0 {
		t.Error("the folders stay open after the last commit")
	}
	_, f = openStore(t, s.root.path, kernel{})
	wantEntry(t, f, st.key)
	wantNothingStaged(t, f)
}

// TestExistsIsOnDisk waits for another process's entry, many times at once: before
// ErrExists is told the folder was synced, since the other one may die before it
// does so, and the waiters share that sync.
func TestExistsIsOnDisk(t *testing.T) {
	const waiters = 20
	for _, broken := range []bool{false, true} {
		t.Run(fmt.Sprintf("broken=%t", broken), func(t *testing.T) {
			dir := t.TempDir()
			_, other := openStore(t, dir, kernel{})
			r := &recorder{gate: make(chan struct{})}
			s, f := openStore(t, dir, r)
			stageFolder(t, f)
			data, busy := content(1, 100), content(2, 100)
			key := keyOf(t, data)
			st := stage(t, other, key)
			errs, done := make(chan error, waiters), make(chan error, 1)
			for range waiters {
				go func() {
					_, err := f.Stage(t.Context(), key)
					errs <- err
				}()
			}
			time.Sleep(20 * time.Millisecond) // most of them wait now
			go func() { done <- put(t.Context(), f, keyOf(t, busy), busy, "") }()
			s.waitQueued(0) // at work, until the gate opens
			st.Write(data)
			if err := st.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.waitQueued(waiters)
			if len(errs) > 0 {
				t.Errorf("told before the sync: %v", <-errs)
			}
			syncs := 0
			r.fail = func(event string) error {
				if event != "syncDir "+contentType {
					return nil
				}
				if syncs++; broken && syncs > 1 {
					return unix.EIO
				}
				return nil
			}
			close(r.gate)
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			for range waiters {
				if err := <-errs; broken {
					wantErrno(t, err, unix.EIO)
				} else if err != ErrExists {
					t.Errorf("got %v, want ErrExists", err)
				}
			}
			if syncs != 2 {
				t.Errorf("%d syncs of the folder, want one for the commit and one for all who waited", syncs)
			}
			if present, err := f.Present([]Key{key}); err != nil || !present[0] || syncs != 2 {
				t.Errorf("Present: %v, %v, %d syncs", present, err, syncs)
			}
		})
	}
}
