package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// leavePartial stages n bytes of data as a run would that was interrupted.
func leavePartial(t *testing.T, f *Files, data []byte, n int) Key {
	t.Helper()
	key := keyOf(t, data)
	s := stage(t, f, key)
	if err := s.Reset(int64(len(data)), "v1"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write(data[:n]); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return key
}

func TestMismatchAfterResume(t *testing.T) {
	f := newFiles(t)
	data := content(1, 3*resumeMin)
	key := leavePartial(t, f, data, 2*resumeMin)
	file, err := os.OpenFile(stagedPath(f, key.String()+partSuffix), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	file.WriteAt([]byte{data[5] ^ 1}, 5) // what a power loss may do
	file.Close()
	s := stage(t, f, key)
	s.Write(data[s.Offset():])
	e := wantErr[*MismatchError](t, s.Verify())
	if !e.Resumed || e.Size != int64(len(data)) {
		t.Errorf("got %+v", e)
	}
	if s.Offset() != 0 {
		t.Errorf("the broken partial is still offered: %d bytes", s.Offset())
	}
	if err := s.Reset(int64(len(data)), "v1"); err != nil {
		t.Fatal(err)
	}
	s.Write(data)
	if err := s.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantEntry(t, f, key)
	wantNothingStaged(t, f)
}

// TestResumeNothingLeft goes on with a partial that is the whole body already.
func TestResumeNothingLeft(t *testing.T) {
	f := newFiles(t)
	data := content(1, 2*resumeMin)
	key := leavePartial(t, f, data, len(data))
	s := stage(t, f, key)
	if s.Offset() != int64(len(data)) {
		t.Fatalf("%d bytes are offered", s.Offset())
	}
	if err := s.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantEntry(t, f, key)
	wantNothingStaged(t, f)
}

// TestResumeTwice goes on with a partial in a third run without a byte more in the
// second.
func TestResumeTwice(t *testing.T) {
	f := newFiles(t)
	data := content(1, 2*resumeMin)
	key := leavePartial(t, f, data, resumeMin)
	if err := stage(t, f, key).Close(); err != nil {
		t.Fatal(err)
	}
	if s := stage(t, f, key); s.Offset() != resumeMin || s.Validator() != "v1" {
		t.Errorf("%d bytes of %q are offered", s.Offset(), s.Validator())
	}
}

// TestUnusablePartial spoils what a run has left in every way: nothing is offered
// then, and the item can be fetched anew.
func TestUnusablePartial(t *testing.T) {
	data := content(1, 2*resumeMin)
	write := func(path, text string) error { return os.WriteFile(path, []byte(text), 0o644) }
	for name, spoil := range map[string]func(part, resume string) error{
		"no sidecar":          func(_, resume string) error { return os.Remove(resume) },
		"empty sidecar":       func(_, resume string) error { return write(resume, "") },
		"half a sidecar":      func(_, resume string) error { return write(resume, `{"format":1,"size":20`) },
		"another format":      func(_, resume string) error { return write(resume, `{"format":2,"size":-1,"validator":"YQ=="}`) },
		"no validator":        func(_, resume string) error { return write(resume, `{"format":1,"size":-1}`) },
		"more than the body":  func(part, _ string) error { return os.Truncate(part, 3*resumeMin) },
		"small":               func(part, _ string) error { return os.Truncate(part, resumeMin-1) },
		"sidecar is a folder": func(_, resume string) error { return errors.Join(os.Remove(resume), os.Mkdir(resume, 0o755)) },
		"sidecar is a link": func(part, resume string) error {
			return errors.Join(os.Rename(resume, part+".other"), os.Symlink(part+".other", resume))
		},
		"second name": func(part, _ string) error { return os.Link(part, part+".link") },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFiles(t)
			key := leavePartial(t, f, data, resumeMin+100)
			part, resume := stagedPath(f, key.String()+partSuffix), stagedPath(f, key.String()+resumeSuffix)
			if err := spoil(part, resume); err != nil {
				t.Fatal(err)
			}
			s := stage(t, f, key)
			if s.Offset() != 0 || s.Validator() != "" {
				t.Fatalf("%d bytes of %q are offered", s.Offset(), s.Validator())
			}
			err := s.Reset(int64(len(data)), "v2")
			if name == "sidecar is a folder" { // ours is not to delete it
				wantErrno(t, err, unix.EISDIR)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			s.Write(data)
			if err := s.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			wantEntry(t, f, key)
			if _, err := os.Lstat(part); err == nil {
				t.Error("the partial is still there")
			}
		})
	}
}

// TestReservedBlocks checks that a partial that is kept does not keep the space
// that was reserved for the rest.
func TestReservedBlocks(t *testing.T) {
	f := newFiles(t)
	data := content(1, 64<<20)
	key := leavePartial(t, f, data, resumeMin)
	s := stage(t, f, key)
	if used := blocks(t, s); used > resumeMin+resumeMin/8 {
		t.Errorf("a partial of %d bytes uses %d bytes of the disk", s.Offset(), used)
	}
}

// TestAnnouncedSize checks that what a server says about the size of a body, however
// absurd, makes nothing fail, and takes little space beyond what came.
func TestAnnouncedSize(t *testing.T) {
	data := content(1, 3*resumeMin)
	for name, dir := range stores(t) {
		for _, size := range []int64{64 << 20, 1 << 40, 1 << 50, math.MaxInt64} {
			t.Run(fmt.Sprintf("%s/%d", name, size), func(t *testing.T) {
				_, f := openStore(t, dir, kernel{})
				s := stage(t, f, keyOf(t, data))
				if err := s.Reset(size, "v1"); err != nil {
					t.Fatal(err)
				}
				if _, err := s.Write(data[:2*resumeMin]); err != nil {
					t.Fatal(err)
				}
				used := blocks(t, s)
				if used > 5*resumeMin {
					t.Errorf("%d bytes of the disk are used for %d", used, s.Offset())
				}
				if name == "tmpfs" && used < 4*resumeMin {
					t.Errorf("%d bytes of the disk are used for %d: nothing is reserved", used, s.Offset())
				}
				s.Write(data[2*resumeMin:])
				if err := s.Commit(t.Context()); err != nil {
					t.Fatal(err)
				}
				wantEntry(t, f, s.key)
				wantNothingStaged(t, f)
				if err := os.Remove(entryPath(f, s.key)); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}

// TestReserveMost checks the limit of what is reserved.
func TestReserveMost(t *testing.T) {
	f := newFiles(t)
	s := stage(t, f, keyOf(t, nil))
	if err := s.Reset(1<<40, "v1"); err != nil {
		t.Fatal(err)
	}
	for range 24 {
		s.Write(content(2, resumeMin))
	}
	if used := blocks(t, s); used > 24*resumeMin+reserveMost+resumeMin {
		t.Errorf("%d bytes of the disk are used for %d", used, s.Offset())
	}
}

// blocks returns how many bytes of the disk the staged file uses.
func blocks(t *testing.T, s *Stage) int64 {
	t.Helper()
	st, err := s.staging.lstat(s.part())
	if err != nil {
		t.Fatal(err)
	}
	return st.Blocks * 512
}

// TestCancelReading stops the reading of a partial.
func TestCancelReading(t *testing.T) {
	f := newFiles(t)
	data := content(1, 2*resumeMin)
	key := leavePartial(t, f, data, resumeMin)
	ctx, cancel := context.WithCancel(t.Context())
	s, err := f.Stage(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := s.Write(data[resumeMin:]); !errors.Is(err, context.Canceled) {
		t.Errorf("write: %v", err)
	}
	if err := s.Verify(); !errors.Is(err, context.Canceled) {
		t.Errorf("verify: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if s := stage(t, f, key); s.Offset() != resumeMin {
		t.Errorf("%d bytes are offered afterwards", s.Offset())
	}
}

// TestCancelWaiting stops the waiting for somebody else's item.
func TestCancelWaiting(t *testing.T) {
	f := newFiles(t)
	key := keyOf(t, nil)
	first := stage(t, f, key)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := f.Stage(ctx, key)
		done <- err
	}()
	select {
	case err := <-done:
		t.Fatalf("did not wait: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	cancel()
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	case <-time.After(patience):
		t.Fatal("still waiting after the cancel")
	}
	if _, err := f.Stage(ctx, key); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that was cancelled before: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
}

// TestLongValidator does not let a server fill the staging folder.
func TestLongValidator(t *testing.T) {
	f := newFiles(t)
	s := stage(t, f, keyOf(t, nil))
	if err := s.Reset(2*resumeMin, string(content(1, maxValidator+1))); err != nil {
		t.Fatal(err)
	}
	if s.Validator() != "" {
		t.Error("a validator beyond the limit was taken")
	}
	if err := s.Reset(2*resumeMin, string(content(1, maxValidator))); err != nil {
		t.Fatal(err)
	}
	s.Write(content(2, resumeMin))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s = stage(t, f, s.key); s.Validator() != string(content(1, maxValidator)) {
		t.Error("a validator of the limit's length did not survive")
	}
}

// TestSidecarFollowsBody starts another body, or the same item in another way, on
// top of a partial. What is offered afterwards must belong to the bytes.
func TestSidecarFollowsBody(t *testing.T) {
	for _, test := range []struct {
		name      string
		size      int64
		validator string
		n         int
		offered   int64
	}{
		{"another version", 2 * resumeMin, "v2", resumeMin, resumeMin},
		{"another version of unknown size", -1, "v2", resumeMin + 3, resumeMin + 3},
		{"no validator", -1, "", 2 * resumeMin, 0},
		{"more than was announced", 10, "v2", 2 * resumeMin, 0}, // something is wrong with it
		{"small", -1, "v2", resumeMin - 1, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFiles(t)
			data := content(1, 2*resumeMin)
			key := leavePartial(t, f, data, resumeMin+100)
			sidecar, err := os.ReadFile(stagedPath(f, key.String()+resumeSuffix))
			if err != nil {
				t.Fatal(err)
			}
			s := stage(t, f, key)
			s.Reset(test.size, test.validator)
			s.Write(data[:test.n])
			s.Close()
			s = stage(t, f, key)
			if s.Offset() != test.offered || test.offered > 0 && s.Validator() != test.validator {
				t.Errorf("%d bytes of %q are offered, want %d of %q", s.Offset(), s.Validator(), test.offered, test.validator)
			}
			s.Close()
			// The same with a sidecar that an earlier run left without its partial.
			f = newFiles(t)
			stageFolder(t, f)
			if err := os.WriteFile(stagedPath(f, key.String()+resumeSuffix), sidecar, 0o644); err != nil {
				t.Fatal(err)
			}
			s = stage(t, f, key)
			s.Reset(test.size, test.validator)
			s.Write(data[:test.n])
			s.Close()
			s = stage(t, f, key)
			if s.Offset() != test.offered || test.offered > 0 && s.Validator() != test.validator {
				t.Errorf("after a stray sidecar %d bytes of %q are offered", s.Offset(), s.Validator())
			}
		})
	}
}
