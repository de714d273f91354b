package store

import (
	"encoding/json"
	"errors"

	"golang.org/x/sys/unix"
)

const (
	// resumeMin is from how many bytes on a partial is kept: fetching less anew
	// costs less than keeping books about it.
	resumeMin = 1 << 20
	// maxValidator bounds the validator, which a server chooses, in bytes.
	maxValidator = 4 << 10
	// maxSidecar bounds how much of a .resume file is read, in bytes.
	maxSidecar = 2*maxValidator + 256
	// sidecarFormat is the version of the .resume file; others are not read.
	sidecarFormat = 1
)

// sidecar is the content of a .resume file, as JSON.
type sidecar struct {
	Format    int    `json:"format"`
	Size      int64  `json:"size"`      // of the whole body; -1 unknown
	Validator []byte `json:"validator"` // any bytes, so base64
}

func (sc sidecar) encode() []byte {
	data, err := json.Marshal(sc)
	if err != nil {
		panic(err) // numbers and bytes always have a JSON form
	}
	return data
}

// parseSidecar reads a .resume file; false when nothing can be resumed with it.
func parseSidecar(data []byte) (sidecar, bool) {
	var sc sidecar
	if err := json.Unmarshal(data, &sc); err != nil {
		return sidecar{}, false
	}
	if sc.Format != sidecarFormat || sc.Size < -1 || len(sc.Validator) == 0 || len(sc.Validator) > maxValidator {
		return sidecar{}, false
	}
	return sc, true
}

// offer takes the partial of an earlier run over, or throws it away.
//
// A partial of resumeMin bytes or more always belongs to the .resume file beside
// it: note replaces or removes that file before a body grows so large, and drop
// empties the partial before another body starts.
func (s *Stage) offer(size int64) error {
	s.written, s.begun, s.used, s.kept = size, size, true, true
	sc, ok := s.staging.readSidecar(s.key.text + resumeSuffix)
	if !ok || size < resumeMin || sc.Size >= 0 && size > sc.Size {
		return s.drop()
	}
	s.size, s.validator = sc.Size, string(sc.Validator)
	s.noted, s.resumed = true, true
	return nil
}

func (d *folder) readSidecar(name string) (sidecar, bool) {
	fd, err := d.open(name, unix.O_RDONLY)
	if err != nil {
		return sidecar{}, false
	}
	defer unix.Close(fd)
	buf := make([]byte, maxSidecar)
	n, err := unix.Pread(fd, buf, 0) // a device or pipe fails or gives no JSON
	if err != nil {
		return sidecar{}, false
	}
	return parseSidecar(buf[:n])
}

// note makes the .resume file describe the body, or removes it when the body has
// no validator.
func (s *Stage) note() error {
	if s.noted {
		return nil
	}
	name := s.key.text + resumeSuffix
	if err := s.staging.unlink(name); err != nil {
		return err
	}
	s.noted, s.kept = true, false
	if s.validator == "" {
		return nil
	}
	s.kept = true
	return s.staging.create(name, sidecar{Format: sidecarFormat, Size: s.size, Validator: []byte(s.validator)}.encode())
}

// create makes a file that must not exist yet.
func (d *folder) create(name string, data []byte) error {
	fd, err := d.open(name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL)
	if err != nil {
		return d.fail("create", name, err)
	}
	err = kernel{}.write(fd, data, 0)
	if err = errors.Join(err, unix.Close(fd)); err != nil {
		return d.fail("write", name, err)
	}
	return nil
}

// resumable tells whether what is in the file is worth keeping.
func (s *Stage) resumable() bool {
	return s.written >= resumeMin && s.noted && s.validator != ""
}
