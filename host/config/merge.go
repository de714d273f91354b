package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxDropIns bounds how many drop-in files are read.
const maxDropIns = 1000

// DropInDir returns the folder of the drop-in files of a configuration file:
// beside it, with ".d" in place of ".toml".
func DropInDir(path string) string { return strings.TrimSuffix(path, ".toml") + ".d" }

// dropIns returns the paths of the drop-in files in the order in which they
// apply. A folder that is not there has none; hidden files, and those that do not
// end in ".toml", are left alone.
func dropIns(path string) ([]string, error) {
	dir := DropInDir(path)
	entries, err := os.ReadDir(dir) // sorted by name
	switch {
	case os.IsNotExist(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading the configuration's drop-in files: %w", err)
	}
	var paths []string
	for _, e := range entries {
		if isDropIn(e.Name()) {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	if len(paths) > maxDropIns {
		return nil, fmt.Errorf("reading the configuration's drop-in files: %s has %d, but at most %d are read", dir, len(paths), maxDropIns)
	}
	return paths, nil
}

func isDropIn(name string) bool {
	return strings.HasSuffix(name, ".toml") && !strings.HasPrefix(name, ".")
}

// Belongs reports whether a file, there or not, is one that LoadFound reads when main
// is what Find finds: the file itself or a drop-in file.
func Belongs(file, main string) bool {
	file, main = absolute(file), absolute(main)
	return file == main || filepath.Dir(file) == DropInDir(main) && isDropIn(filepath.Base(file))
}

// absolute makes a path comparable: without the links that lead to its folder.
func absolute(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(abs)); err == nil {
		return filepath.Join(dir, filepath.Base(abs))
	}
	return abs
}

// merge puts the values of a later document over those of earlier ones: tables
// are merged, anything else replaces what was there.
func merge(into, from map[string]any, way []string, places, later Places) {
	way = slices.Clip(way)
	if len(way) == 2 && way[0] == "secret" {
		otherSource(into, from)
	}
	for key, v := range from {
		way := append(way, key)
		old, isTable := into[key].(map[string]any)
		if new, both := v.(map[string]any); isTable && both {
			merge(old, new, way, places, later)
			continue
		}
		places.replace(later, way, into[key], v)
		into[key] = v
	}
}

// otherSource lets a later file take a secret's value from elsewhere: there can
// be one source only, and a key cannot be taken back otherwise.
func otherSource(into, from map[string]any) {
	for _, key := range secretSources() {
		if from[key] == nil {
			continue
		}
		for _, other := range secretSources() {
			if from[other] == nil {
				delete(into, other)
			}
		}
	}
}
