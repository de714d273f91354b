package libdir

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// fingerprint describes what lies at a path, so that it can be recognised.
type fingerprint struct {
	Type   string `json:"type"` // "file", "link", "dir" or "other"
	Mode   uint32 `json:"mode,omitempty"`
	SHA256 string `json:"sha256,omitempty"` // of a file's content
	Target string `json:"target,omitempty"` // of a link
}

// examine returns nil for a path at which there is nothing.
func examine(path string) (*fingerprint, error) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	p := &fingerprint{Mode: uint32(info.Mode().Perm()) | uint32(info.Mode()&(fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky))}
	switch {
	case info.Mode().IsRegular():
		p.Type = "file"
		p.SHA256, err = hashFile(path)
	case info.Mode()&fs.ModeSymlink != 0:
		p.Type, p.Mode = "link", 0
		p.Target, err = os.Readlink(path)
	case info.IsDir():
		p.Type = "dir"
	default:
		p.Type = "other"
	}
	return p, err
}

func (p *fingerprint) is(q *fingerprint) bool {
	if p == nil || q == nil {
		return p == q
	}
	return *p == *q
}

func hashFile(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0) // a FIFO would block
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// writeFile makes a file with exactly this mode, durable, under a name that must
// be free.
func writeFile(path string, content io.Reader, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncDir makes the names in a folder durable.
func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// mkdir makes a folder with the mode 0755, whatever the umask.
func mkdir(path string) error {
	if err := os.Mkdir(path, 0o755); err != nil {
		if errors.Is(err, fs.ErrExist) && isDir(path) {
			return nil
		}
		return err
	}
	return os.Chmod(path, 0o755)
}

func isDir(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.IsDir()
}

func isFile(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode().IsRegular()
}

// remove removes what may not be there.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// explain adds what to do to an error of the file system.
func explain(libdir string, err error) error {
	if errors.Is(err, unix.EROFS) {
		return fmt.Errorf("%s is on a read-only file system: use --shadow to make a library folder elsewhere (%w)", libdir, err)
	}
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w; run it as the owner of %s, or use --shadow to make a library folder elsewhere", err, libdir)
	}
	return err
}

// resolve makes the path of an existing folder absolute and free of links.
func resolve(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	abs, err = filepath.EvalSymlinks(abs)
	if err != nil {
		return "", err
	}
	if !isDir(abs) {
		return "", fmt.Errorf("%s is not a folder", abs)
	}
	return abs, nil
}

func hashBytes(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}
