package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// ostreeRepo is a repository in archive mode that is somewhere else.
type ostreeRepo struct {
	t   *testing.T
	dir string
}

func newOstreeRepo(t *testing.T, dir string) *ostreeRepo {
	t.Helper()
	need(t, "ostree", "ostree")
	r := &ostreeRepo{t: t, dir: dir}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	r.run("init", "--mode=archive")
	return r
}

// run runs ostree on the repository.
func (r *ostreeRepo) run(args ...string) string {
	r.t.Helper()
	return ostreeOn(r.t, r.dir, args...)
}

func ostreeOn(t *testing.T, repo string, args ...string) string {
	t.Helper()
	cmd := exec.Command("ostree", append(args, "--repo="+repo)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("ostree %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit makes a commit; most of its content is that of any other.
func (r *ostreeRepo) commit(name string, args ...string) string {
	r.t.Helper()
	tree := r.t.TempDir()
	for path, data := range map[string][]byte{
		"usr/bin/tool": content("tool", 60_000), "usr/lib/a/b": content("b", 2000), "usr/etc/name": []byte(name), "usr/empty": nil,
	} {
		path = filepath.Join(tree, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			r.t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o755); err != nil {
			r.t.Fatal(err)
		}
	}
	if err := os.Symlink("tool", filepath.Join(tree, "usr/bin/link")); err != nil {
		r.t.Fatal(err)
	}
	return r.run(append([]string{"commit", "--orphan", "-s", name, tree}, args...)...)
}

// commits writes a manifest of ostree commits: the remote under each key.
func (s *sandbox) commits(remotes items) string {
	s.t.Helper()
	all := items{}
	for key, remote := range remotes {
		if url, ok := remote.(string); ok {
			remote = map[string]any{"url": url}
		}
		all[key] = map[string]any{"remote": remote}
	}
	data, err := json.Marshal(map[string]any{"version": "2", "sources": map[string]any{"org.osbuild.ostree": map[string]any{"items": all}}})
	if err != nil {
		s.t.Fatal(err)
	}
	return s.write("ostree.json", data)
}

func (s *sandbox) repo() string {
	return filepath.Join(s.store, "sources", "org.osbuild.ostree", "repo")
}

// soundRepo has the real ostree look at the store's repository.
func (s *sandbox) soundRepo(commits ...string) {
	s.t.Helper()
	ostreeOn(s.t, s.repo(), "fsck")
	for _, c := range commits {
		contains(s.t, ostreeOn(s.t, s.repo(), "ls", "-R", c), "/usr/bin/link -> tool")
		other := filepath.Join(s.t.TempDir(), "other")
		ostreeOn(s.t, other, "init", "--mode=bare-user")
		ostreeOn(s.t, other, "pull-local", s.repo(), c)
	}
	if remotes := ostreeOn(s.t, s.repo(), "remote", "list"); remotes != "" {
		s.t.Errorf("remotes are left: %s", remotes)
	}
	if keys, _ := filepath.Glob(filepath.Join(s.repo(), "*.gpg")); len(keys) > 0 {
		s.t.Errorf("keys are left: %v", keys)
	}
	if left, _ := filepath.Glob(filepath.Join(s.repo(), "..", ".sourcehost", "*")); len(left) > 0 {
		s.t.Errorf("left in the staging folder: %v", left)
	}
}

// signer makes throw-away keys.
type signer struct {
	t    *testing.T
	home string
}

func newSigner(t *testing.T) *signer {
	t.Helper()
	need(t, "gpg", "gnupg")
	home, err := os.MkdirTemp("", "gpg-") // paths of sockets must be short
	if err != nil {
		t.Fatal(err)
	}
	s := &signer{t, home}
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		os.RemoveAll(home)
	})
	s.gpg("--quick-generate-key", "builder@example.com", "ed25519", "sign", "never")
	return s
}

func (s *signer) gpg(args ...string) string {
	s.t.Helper()
	cmd := exec.Command("gpg", append([]string{"--homedir", s.home, "--batch", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", ""}, args...)...)
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("gpg %v: %v", args, err)
	}
	return string(out)
}

func (s *signer) public() string { return s.gpg("--armor", "--export", "builder@example.com") }

func (s *signer) sign() []string {
	return []string{"--gpg-sign=builder@example.com", "--gpg-homedir=" + s.home}
}
