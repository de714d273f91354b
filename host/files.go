package host

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
	"github.com/sourcehost/sourcehost/internal/regular"
)

// The capabilities that look at files. A path is resolved beneath the folder
// that was requested for it, so that no symbolic link leads out of that folder.

// within opens the folder that path must not leave and returns it with the
// path's name inside it.
func (p *policy) within(capability, path string) (*os.Root, string, error) {
	entry := p.pathEntry(capability, path)
	dir := strings.TrimSuffix(entry, "/")
	if dir == entry {
		dir = filepath.Dir(entry)
	}
	root, err := p.openRoot(dir)
	if err != nil {
		return nil, "", err
	}
	name, err := filepath.Rel("/"+dir, filepath.Clean("/"+path))
	if err != nil {
		root.Close()
		return nil, "", err
	}
	return root, name, nil
}

// openRoot opens a granted folder. Beneath another root than "/" no link leads
// out of that either; at "/" the folder is opened as the operator has named it.
func (p *policy) openRoot(dir string) (*os.Root, error) {
	if p.root == "/" {
		return os.OpenRoot("/" + dir)
	}
	top, err := os.OpenRoot(p.root)
	if err != nil {
		return nil, err
	}
	defer top.Close()
	inside := strings.Trim(dir, "/")
	if inside == "" {
		inside = "."
	}
	return top.OpenRoot(inside)
}

// rooted is where an absolute path of a plugin lies in the host's file system.
func (p *policy) rooted(path string) string { return filepath.Join(p.root, path) }

// readFile returns the content of a regular file of at most limit bytes.
func (p *policy) readFile(path string, limit int64) ([]byte, error) {
	root, name, err := p.within(plugin.CapRead, path)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	data, err := regular.ReadFileIn(root, name, limit)
	switch {
	case errors.Is(err, regular.ErrNotRegular):
		return nil, fmt.Errorf("%s is %w", path, regular.ErrNotRegular)
	case errors.Is(err, regular.ErrTooLarge):
		return nil, errTooLarge
	}
	return data, err
}

var errTooLarge = errors.New("the file is larger than the limit on results")

// stat tells what lies at a path. A path that does not exist is not an error.
func (p *policy) stat(path string) (abi.FileInfo, error) {
	root, name, err := p.within(plugin.CapStat, path)
	if errors.Is(err, fs.ErrNotExist) {
		return abi.FileInfo{Type: abi.TypeNone}, nil
	}
	if err != nil {
		return abi.FileInfo{}, err
	}
	defer root.Close()
	info, err := root.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return abi.FileInfo{Type: abi.TypeNone}, nil
	case err != nil:
		return abi.FileInfo{}, err
	case info.Mode().IsRegular():
		return abi.FileInfo{Type: abi.TypeFile, Size: info.Size()}, nil
	case info.IsDir():
		return abi.FileInfo{Type: abi.TypeDir}, nil
	}
	return abi.FileInfo{Type: abi.TypeOther}, nil
}

// maxNames bounds how many entries of a folder a plugin gets to see.
const maxNames = 100_000

// list returns the sorted names in a folder.
func (p *policy) list(path string) ([]string, error) {
	root, name, err := p.within(plugin.CapStat, path)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	dir, err := root.OpenFile(name, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(maxNames + 1)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if len(names) > maxNames {
		return nil, fmt.Errorf("%s holds more than %d names", path, maxNames)
	}
	sort.Strings(names)
	return names, nil
}
