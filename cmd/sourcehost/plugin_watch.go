package main

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// lookEvery is how often files are looked at: often enough for a person who has
// just saved one.
const lookEvery = 300 * time.Millisecond

// watch runs the test whenever a file of the plugin or a case changes, until ctx is
// done.
func (a *app) watch(ctx context.Context, args []string, f testFlags) error {
	var seen map[string]stamp
	for {
		if now := look(args); !same(seen, now) {
			if err := a.testPlugin(ctx, args, f); err != nil && ctx.Err() == nil {
				a.complain(err)
			}
			seen = afterRun(now, look(args), isDir(args[0]), f.update)
			fmt.Fprintf(a.stderr, "waiting for a change; end with Ctrl-C\n")
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(lookEvery):
		}
	}
}

// afterRun is the state that a run has taken notice of: what was there before it,
// since a change meanwhile is a reason to run again, but for what the run itself
// writes, which is none: the plugin where it builds one and, with update, cases.
func afterRun(before, after map[string]stamp, builds, update bool) map[string]stamp {
	for path, s := range after {
		if builds && strings.HasSuffix(path, ".wasm") || update && strings.HasSuffix(path, ".json") {
			before[path] = s
		}
	}
	return before
}

// stamp is what tells one state of a file from another.
type stamp struct {
	size int64
	time time.Time
}

// unwatched are folders that toolchains fill.
func unwatched(name string) bool {
	return slices.Contains([]string{".git", "dist", "target", "node_modules", "build"}, name)
}

// look returns the state of all files beneath the paths. What cannot be read is
// not there.
func look(paths []string) map[string]stamp {
	files := map[string]stamp{}
	for _, root := range paths {
		_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return nil
			}
			if d.IsDir() {
				if path != root && unwatched(d.Name()) {
					return filepath.SkipDir
				}
				return nil
			}
			if info, err := d.Info(); err == nil {
				files[path] = stamp{info.Size(), info.ModTime()}
			}
			return nil
		})
		// The cases of a .wasm file.
		if !isDir(root) && len(paths) == 1 {
			for path, s := range look([]string{casesOf(root), root}) {
				files[path] = s
			}
		}
	}
	return files
}

func same(a, b map[string]stamp) bool {
	if a == nil || len(a) != len(b) {
		return false
	}
	for path, s := range b {
		if a[path] != s {
			return false
		}
	}
	return true
}
