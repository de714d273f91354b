package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// landlocked skips a test where the kernel cannot confine where programs write.
func landlocked(t *testing.T) {
	t.Helper()
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno == 0 && version >= 2 {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatal("the kernel has no Landlock of version 2 (Linux 5.19)")
	}
	t.Skip("the kernel has no Landlock of version 2 (Linux 5.19)")
}

// TestConfinedSkopeo: skopeo copies from a registry when it may write nowhere but to its
// scratch folder.
//
// adversary: A10k
func TestConfinedSkopeo(t *testing.T) {
	t.Parallel()
	landlocked(t)
	s := imageSandbox(t)
	s.configure(quick + fmt.Sprintf("[program.skopeo]\npath = %q\nwritable = []\n", need(t, "skopeo", "skopeo")))
	image, other := newImage(t, "confined", content("confined", 100_000), []byte("shared")), newImage(t, "other", []byte("shared"))
	repository, _ := serveImages(t, nil, image, other)
	s.fetch(s.images(repository, image, other), "--container-engine", "skopeo").ends(0).counts(2, 0, 0)
	s.hasImage(image)
	s.hasImage(other)
}

// TestConfinedOstree: ostree pulls, with keys too, when it may write to its scratch folder
// and to folders for temporary files. Without the latter it cannot, which shows that it
// is confined.
//
// adversary: A10k
func TestConfinedOstree(t *testing.T) {
	t.Parallel()
	landlocked(t)
	s := newSandbox(t)
	gpg := newSigner(t)
	r := newOstreeRepo(t, filepath.Join(t.TempDir(), "repo"))
	before, commit := r.commit("before"), r.commit("one", gpg.sign()...)
	s.fetch(s.commits(items{before: "file://" + r.dir})).ends(0) // so that the store has a repository
	m := s.commits(items{commit: map[string]any{"url": "file://" + r.dir, "gpgkeys": []string{gpg.public()}}})
	rule := fmt.Sprintf("[program.ostree]\npath = %q\nwritable = ", need(t, "ostree", "ostree"))
	s.configure(quick + rule + "[]\n")
	s.fetch(m).ends(1).counts(0, 0, 1).failed(commit, "denied", "Permission denied")
	if _, err := os.Lstat(filepath.Join(s.repo(), "objects", commit[:2], commit[2:]+".commit")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the commit is there: %v", err)
	}
	s.configure(quick + rule + fmt.Sprintf("[%q, \"/var/tmp\"]\n", filepath.Join(s.dir, "tmp")))
	s.fetch(m).ends(0).counts(1, 0, 0)
	s.soundRepo(before, commit)
}
