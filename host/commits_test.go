package host_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

// withFiles is a call of run/v1 whose script finds the files.
func withFiles(key, script string, files ...abi.RunFile) string {
	r := abi.Run{Key: key, Files: files, Steps: []abi.Exec{{Program: "sh", Args: []string{"-c", script, "sh", abi.ScratchDir, abi.ContentDir}}}}
	return abi.OpRun + " " + string(r.Append(nil))
}

// TestRunFiles writes files for programs, which nobody else can read.
func TestRunFiles(t *testing.T) {
	content := "one\ntwo\n"
	item := host.Item{Key: keyOf(content)}
	script := `test "$(stat -c %a secret)" = 600 && cat secret > output`
	h := calling(t, plugin.ProducesFile, shell, nil, withFiles(item.Key, script, abi.RunFile{Path: "secret", Content: "one\n"}, abi.RunFile{Path: "secret", Content: "two\n"}))
	wantStates(t, run(t, h, t.TempDir(), []host.Item{item}), host.Fetched)
	h = calling(t, plugin.ProducesFile, shell, nil, withFiles(item.Key, "true", abi.RunFile{Path: "no/folder", Content: "x"}))
	wantError(t, run(t, h, t.TempDir(), []host.Item{item}).Items[0], "failed", "no/folder")
	for name, files := range map[string][]abi.RunFile{
		"outside": {{Path: "../x"}}, "absolute": {{Path: "/tmp/x"}}, "none": {{}}, "NUL": {{Path: "a\x00"}}, "many": make([]abi.RunFile, 17),
	} {
		log := &lockedBuffer{}
		h := calling(t, plugin.ProducesFile, shell, logTo(log), withFiles(item.Key, "true", files...))
		run(t, h, t.TempDir(), []host.Item{item})
		if !strings.Contains(log.String(), "run/v1 -> invalid") {
			t.Errorf("%s: %s", name, log.String())
		}
	}
}

// TestHostileCommits has a plugin leave something else than the commit that the key
// names: nothing of it gets into the store.
//
// adversary: A12d
func TestHostileCommits(t *testing.T) {
	sum := sha256.Sum256([]byte("no commit"))
	fake := hex.EncodeToString(sum[:])
	put := func(content string) string {
		return `cd "$1/repo/objects" && mkdir -p ` + fake[:2] + ` && printf '` + content + `' > ` + fake[:2] + `/` + fake[2:] + `.commit`
	}
	for name, c := range map[string]struct {
		script, kind string
		parts        []string
	}{
		"nothing":           {"true", "not found", []string{fake, "did not arrive"}},
		"other bytes":       {put("else"), "mismatch", []string{fake[2:] + ".commit", "its digest is"}},
		"not a commit":      {put("no commit"), "mismatch", []string{"GVariant"}},
		"no repository":     {`rm -r "$1/repo"`, "disk", []string{"repo", "no such file"}},
		"linked repository": {`rm -r "$1/repo" && ln -s / "$1/repo"`, "disk", []string{"repo"}},
		"linked object":     {put("x") + ` && ln -sf /etc/passwd ` + fake[:2] + `/` + fake[2:] + `.commit`, "mismatch", []string{"symbolic link"}},
		"pipe":              {put("x") + ` && rm ` + fake[:2] + `/* && mkfifo ` + fake[:2] + `/` + fake[2:] + `.commit`, "mismatch", []string{"not a regular file"}},
		"failure":           {"echo error: GPG signatures found, but none are in trusted keyring >&2; exit 1", "denied", []string{"https://example.org/x", "none are in trusted keyring", "gpgkeys"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			h := calling(t, plugin.ProducesCommit, shell, nil, runCall(fake, "", c.script))
			res := run(t, h, dir, []host.Item{{Key: fake}})
			wantError(t, res.Items[0], c.kind, c.parts...)
			if strings.Contains(res.Items[0].Err.Error(), "user:secret") {
				t.Errorf("credentials are shown: %v", res.Items[0].Err)
			}
			stored, _ := filepath.Glob(filepath.Join(dir, testType, "repo", "objects", "*", "*"))
			staged, _ := filepath.Glob(filepath.Join(dir, testType, ".sourcehost", "*"))
			if len(stored)+len(staged) > 0 {
				t.Errorf("left are %q and %q", stored, staged)
			}
		})
	}
}

// TestCommitKeys refuses keys that are no commits before anything runs.
func TestCommitKeys(t *testing.T) {
	key := keyOf("x")
	h := calling(t, plugin.ProducesCommit, shell, nil, runCall(key, "", "exit 1"))
	dir := t.TempDir()
	wantError(t, run(t, h, dir, []host.Item{{Key: key}}).Items[0], "invalid", "64 lower-case hexadecimal digits")
	if _, err := os.Stat(filepath.Join(dir, testType, "repo")); err == nil {
		t.Error("a repository was made for nothing")
	}
}

// TestCopyRequests checks what Copy and Verify are asked for.
func TestCopyRequests(t *testing.T) {
	srv := serve(t)
	items := srv.many(3)
	h := newHost(t, nil, scripted(t, source(), `{"fetch_one":{"fetch":true}}`))
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "new")
	run(t, h, from, items[:2])
	res, err := h.Copy(t.Context(), host.CopyRequest{Source: testSource, Items: items, From: from, To: to})
	if err != nil {
		t.Fatal(err)
	}
	wantStates(t, res, host.Fetched, host.Fetched, host.Failed)
	wantError(t, res.Items[2], "not found", "not in the store "+from, "fetch it into that store first")
	if c := res.Counts(); c.Bytes == 0 {
		t.Errorf("counts %+v", c)
	}
	for name, req := range map[string]host.CopyRequest{
		"no source": {From: from, To: to}, "no from": {Source: testSource, To: to}, "no to": {Source: testSource, From: from},
		"twice": {Source: testSource, From: from, To: to, Items: append(items[:1:1], items[0])},
	} {
		if res, err := h.Copy(t.Context(), req); err == nil || res != nil {
			t.Errorf("%s: %v, %v", name, res, err)
		}
	}
	for _, dir := range []string{"", filepath.Join(from, "missing")} {
		if res, err := h.Verify(t.Context(), host.VerifyRequest{Store: dir}); err == nil || res != nil {
			t.Errorf("verify %q: %v, %v", dir, res, err)
		}
	}
	verified, err := h.Verify(t.Context(), host.VerifyRequest{Store: to})
	if err != nil || verified.Left() != 0 || len(verified.Types) != 1 || verified.Types[0].Entries != 2 {
		t.Errorf("verified %+v, %v", verified, err)
	}
}
