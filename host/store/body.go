package store

import (
	"fmt"

	"golang.org/x/sys/unix"
)

const (
	// bufferSize is how much of a body is collected in memory before it is
	// written, so that a body of ordinary size is written once, after it was verified.
	bufferSize = 64 << 10
	// writeBackStep is after how many bytes their way to the disk is begun, so
	// that the sync of a large file finds little left to do.
	writeBackStep = 8 << 20
	// startMin is from how many bytes on a body is sent to the disk ahead of its
	// sync: one by one, small files cost their process more than the sync of them all.
	startMin = 1 << 20
	// besideMin is from how many bytes on a write is hashed beside the writing: a
	// large body that comes alone would keep only one processor busy.
	besideMin = 128 << 10
	// reserveMost bounds how much of the disk is reserved ahead of the bytes that
	// came: the size of a body is only what a server says.
	reserveMost = 16 << 20
)

// Offset returns how many bytes the Stage has, from this or an earlier run.
func (s *Stage) Offset() int64 { return s.written + int64(s.fill) }

// Validator returns what Reset was given for those bytes; "" means that nothing
// can tell whether the rest of a body belongs to them.
func (s *Stage) Validator() string { return s.validator }

// Reset forgets all bytes: a new body of size bytes (-1: unknown) starts, which the
// validator (a strong ETag or a Last-Modified date, in a form of the caller's
// choice; "" for none) tells from other versions of itself. The size is not
// trusted: nothing fails because it is too large for the disk.
func (s *Stage) Reset(size int64, validator string) error {
	if s.ended {
		return fmt.Errorf("reset %s: %w", s.key, ErrClosed)
	}
	if err := s.drop(); err != nil {
		return err
	}
	s.size, s.validator = max(size, -1), validator
	if len(validator) > maxValidator {
		s.validator = ""
	}
	if s.size < resumeMin {
		return nil
	}
	return s.note()
}

// drop forgets all bytes and what is known about them.
func (s *Stage) drop() error {
	s.hash.Reset()
	if s.used {
		if err := unix.Ftruncate(s.fd, 0); err != nil {
			s.broken = s.fail("truncate", err)
			return s.broken
		}
		s.used = false
	}
	s.hashed, s.fill, s.written, s.begun, s.reserved = 0, 0, 0, 0, 0
	s.size, s.validator = -1, ""
	s.noted, s.resumed, s.verified, s.broken = false, false, false, nil
	return nil
}

// reserve allocates blocks ahead of a body that has grown to end bytes, as many
// again as came already, so that a file that grows beside others is not scattered.
// It changes no size and may fail: whether there is space shows in the writing.
func (s *Stage) reserve(end int64) {
	if end <= s.reserved || end >= s.size || end < resumeMin {
		return
	}
	ahead := min(end, reserveMost, s.size-end)
	_ = retry(func() error { return unix.Fallocate(s.fd, unix.FALLOC_FL_KEEP_SIZE, s.written, end-s.written+ahead) })
	s.reserved = end + ahead
}

// Write appends to the body. An error is a *DiskError, or the context's that Stage
// was given when that ended while a partial was read. After an error the bytes in
// the file may be kept for a later run (see Close), but only Reset makes this Stage
// usable again.
func (s *Stage) Write(p []byte) (int, error) {
	if s.ended {
		return 0, fmt.Errorf("write %s: %w", s.key, ErrClosed)
	}
	if s.broken != nil {
		return 0, s.broken
	}
	if err := s.catchUp(); err != nil {
		return 0, err
	}
	s.verified = false
	hashed := s.digest(p)
	err := s.store(p)
	hashed()
	s.hashed += int64(len(p))
	if err != nil {
		s.broken = err
		return 0, err
	}
	return len(p), nil
}

// digest makes the hash see p, for a long p while its caller goes on. The result
// waits for that.
func (s *Stage) digest(p []byte) (wait func()) {
	if len(p) < besideMin {
		s.hash.Write(p)
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		s.hash.Write(p)
		close(done)
	}()
	return func() { <-done }
}

// catchUp makes the hash see the bytes of an earlier run. It is put off until the
// first use, since a server may turn out to have another version of the file.
func (s *Stage) catchUp() error {
	if s.hashed == s.Offset() {
		return nil
	}
	n, err := s.files.store.sum(s.ctx, s.hash, s.fd, s.hashed, s.written)
	s.hashed += n
	if err != nil {
		return s.files.readError("read partial", s.staging, s.part(), err)
	}
	return nil
}

// store puts bytes into the buffer and, when that is full, into the file.
func (s *Stage) store(p []byte) error {
	if s.fill == 0 && len(p) >= bufferSize {
		return s.append(p)
	}
	for len(p) > 0 {
		if s.buf == nil {
			s.buf = s.files.store.buffers.Get().(*[bufferSize]byte)
		}
		n := copy(s.buf[s.fill:], p)
		s.fill, p = s.fill+n, p[n:]
		if s.fill == bufferSize {
			if err := s.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Stage) flush() error {
	p := s.buf[:s.fill]
	s.fill = 0
	return s.append(p)
}

// append writes bytes at the end of the file.
func (s *Stage) append(p []byte) error {
	end := s.written + int64(len(p))
	if end >= resumeMin {
		// Before the file is large enough to be kept: see offer.
		if err := s.note(); err != nil {
			return err
		}
	}
	s.used = true
	s.reserve(end)
	if err := s.files.store.disk.write(s.fd, p, s.written); err != nil {
		return s.fail("write", err)
	}
	s.written = end
	if s.written-s.begun >= writeBackStep {
		s.files.store.disk.startSync(s.fd, s.begun, s.written-s.begun)
		s.begun = s.written
	}
	return nil
}

// Verify compares the body with its key. A *MismatchError says what came instead,
// and the bytes are thrown away, so that Offset is 0 afterwards. Other errors are
// those of Write.
func (s *Stage) Verify() error {
	if s.ended {
		return fmt.Errorf("verify %s: %w", s.key, ErrClosed)
	}
	if s.broken != nil {
		return s.broken
	}
	if err := s.catchUp(); err != nil {
		return err
	}
	if got := s.key.digest(s.hash); got != s.key.text {
		mismatch := &MismatchError{Key: s.key, Got: got, Size: s.Offset(), Resumed: s.resumed}
		if err := s.drop(); err != nil {
			return err
		}
		return mismatch
	}
	if s.fill > 0 {
		if err := s.flush(); err != nil {
			s.broken = err
			return err
		}
	}
	s.freeBuffer() // the commit may have to wait
	s.verified = true
	return nil
}
