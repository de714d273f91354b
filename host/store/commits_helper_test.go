package store

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const commitType = "org.osbuild.ostree"

// ostreeRun runs the real ostree.
func ostreeRun(t testing.TB, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("ostree"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("ostree is missing: install the package ostree")
		}
		t.Skip("ostree is missing: install the package ostree")
	}
	cmd := exec.Command("ostree", args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("ostree %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// tree makes what is committed; two trees of different seeds share most of it.
func tree(t testing.TB, seed uint64) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range map[string][]byte{
		"usr/bin/hello":    []byte("#!/bin/sh\necho hello\n"),
		"usr/lib/a/b/c/d":  content(1, 300_000),
		"usr/lib/empty":    nil,
		"usr/share/größe":  []byte("unicode"),
		"usr/etc/seed":     content(seed, 5000),
		"usr/etc/own/seed": content(seed+1, 100),
	} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink("hello", filepath.Join(dir, "usr/bin/link")), os.MkdirAll(filepath.Join(dir, "var/nothing"), 0o700)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// newStoreOf makes a store as osbuild's old source does, with n commits.
func newStoreOf(t testing.TB, n int) (dir string, keys []Key) {
	t.Helper()
	dir = t.TempDir()
	repo := filepath.Join(dir, commitType, repoName)
	if err := os.MkdirAll(repo, 0o755); err != nil {
		t.Fatal(err)
	}
	ostreeRun(t, "init", "--mode=archive", "--repo="+repo)
	ostreeRun(t, "config", "set", "repo.locking", "true", "--repo="+repo)
	for i := range n {
		sum := ostreeRun(t, "commit", "--repo="+repo, "--orphan", "-s", "commit", "--add-metadata-string=version=1", tree(t, uint64(100*i)))
		key, err := ParseCommit(sum)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	return dir, keys
}

func openCommits(t testing.TB, dir string, d disk) *Commits {
	t.Helper()
	s, _ := openStore(t, dir, d)
	c, err := s.Commits(commitType)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func wantPresent(t testing.TB, c *Commits, want bool, keys ...Key) {
	t.Helper()
	present, err := c.Present(keys)
	if err != nil {
		t.Fatal(err)
	}
	for i, got := range present {
		if got != want {
			t.Errorf("Present(%s) = %v", keys[i], got)
		}
	}
}

// wantSound has both us and ostree look at every commit.
func wantSound(t testing.TB, c *Commits, keys ...Key) {
	t.Helper()
	wantPresent(t, c, true, keys...)
	for _, key := range keys {
		if err := c.Verify(t.Context(), key); err != nil {
			t.Error(err)
		}
	}
	repo := filepath.Join(c.files.content.path, repoName)
	ostreeRun(t, "fsck", "--repo="+repo)
	for _, key := range keys {
		if out := ostreeRun(t, "ls", "-R", "--repo="+repo, key.String()); !strings.Contains(out, "/usr/bin/hello") {
			t.Errorf("ostree ls shows %s", out)
		}
		other := filepath.Join(t.TempDir(), "other")
		ostreeRun(t, "init", "--mode=bare-user", "--repo="+other)
		ostreeRun(t, "pull-local", "--repo="+other, repo, key.String())
		ostreeRun(t, "fsck", "--repo="+other)
	}
}
