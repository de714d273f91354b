package osbuild

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
)

// Version is the number of an osbuild release. 0 means that it is not known and
// is taken for the newest.
type Version int

// The releases that changed what a source has to know.
const (
	// metaFiles is the first that reads NAME.meta.json beside a source.
	metaFiles Version = 113
	// imageFolders is the first that stores container images in the dir format,
	// and not as docker-archive.
	imageFolders Version = 83
	// structuredResults is the first that reads failures from the reply. Up to
	// then only an exception counts as a failure.
	structuredResults Version = 186
)

// Before reports whether v is known and older than w.
func (v Version) Before(w Version) bool { return v != 0 && v < w }

// ReadsMeta reports whether this osbuild reads NAME.meta.json. An older one
// takes such a file for a module.
func (v Version) ReadsMeta() bool { return !v.Before(metaFiles) }

func (v Version) structured() bool { return !v.Before(structuredResults) }

// imageFormat is the host.Request.Format of container images.
func (v Version) imageFormat() string {
	if v.Before(imageFolders) {
		return "docker-archive"
	}
	return ""
}

// String writes the number, or "unknown".
func (v Version) String() string {
	if v == 0 {
		return "unknown"
	}
	return strconv.Itoa(int(v))
}

// ParseVersion reads a release such as "185", "185.dev" or "185-1".
func ParseVersion(s string) (Version, error) {
	digits := s
	for i, r := range s {
		if r < '0' || r > '9' {
			digits = s[:i]
			break
		}
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 || n > 1<<20 {
		return 0, errors.New("expected the number of an osbuild release, such as 185")
	}
	return Version(n), nil
}

// VersionAt reads the version of the Python package "osbuild" in a folder, or 0.
func VersionAt(dir string) Version {
	f, err := os.Open(filepath.Join(dir, "osbuild", "__init__.py"))
	if err != nil {
		return 0
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return 0
	}
	data, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		return 0
	}
	return versionIn(data)
}

// VersionFromPath reads the version from the first folder of a PYTHONPATH that
// has one, or 0. osbuild sets the variable for its sources.
func VersionFromPath(pythonpath string) Version {
	for _, dir := range filepath.SplitList(pythonpath) {
		if dir == "" {
			continue
		}
		if v := VersionAt(dir); v != 0 {
			return v
		}
	}
	return 0
}

// versionIn finds the assignment in Python source.
func versionIn(source []byte) Version {
	assignment := regexp.MustCompile(`^__version__\s*(?::\s*str\s*)?=\s*["']([^"']*)["']`)
	for line := range bytes.Lines(source) {
		if m := assignment.FindSubmatch(line); m != nil {
			v, err := ParseVersion(string(m[1]))
			if err != nil {
				return 0
			}
			return v
		}
	}
	return 0
}
