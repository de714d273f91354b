package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

// TestOstree pulls commits from a real server: plain ones, signed ones, and one whose
// content is at another place. The second run starts no program.
func TestOstree(t *testing.T) {
	t.Parallel()
	n := startNginx(t, newCA(t, "ca"))
	r := newOstreeRepo(t, filepath.Join(n.root, "repo"))
	gpg := newSigner(t)
	s := newSandbox(t)
	plain, signed := r.commit("plain"), r.commit("signed", gpg.sign()...)
	split := newOstreeRepo(t, filepath.Join(n.root, "split"))
	apart := split.commit("apart")
	if err := os.MkdirAll(filepath.Join(n.root, "content"), 0o755); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(split.dir, "objects", "*", "*"))
	for _, path := range files {
		moved := filepath.Join(n.root, "content", strings.TrimPrefix(path, split.dir))
		if err := os.MkdirAll(filepath.Dir(moved), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path, moved); err != nil {
			t.Fatal(err)
		}
	}
	m := s.commits(items{
		plain:  n.url(n.plain, "repo"),
		signed: map[string]any{"url": n.url(n.plain, "repo"), "gpgkeys": []string{newSigner(t).public(), gpg.public()}},
		apart:  map[string]any{"url": n.url(n.plain, "split"), "contenturl": n.url(n.plain, "content")},
	})
	s.fetch(m, "--workers", "1").ends(0).counts(3, 0, 0)
	s.soundRepo(plain, signed, apart)
	contains(t, ostreeOn(t, s.repo(), "show", signed), "Found 1 signature") // it comes along
	tool := 0
	for _, q := range n.log(1) {
		if strings.HasSuffix(q.uri, ".filez") {
			tool++
		}
	}
	if tool > 7 { // of 15
		t.Errorf("%d files were loaded: those that the store had are among them", tool)
	}
	seen := len(n.log(0))
	log := filepath.Join(t.TempDir(), "strace")
	argv := []string{need(t, "strace", "strace"), "-f", "-e", "trace=execve", "-o", log, built.program, "fetch", "--store", s.store, "--output", "json", m}
	s.start(argv...).wait().ends(0).counts(0, 3, 0)
	if data, err := os.ReadFile(log); err != nil || strings.Count(string(data), "execve(") != 1 {
		t.Errorf("programs were started: %s, %v", data, err)
	}
	if more := len(n.log(0)); more != seen {
		t.Errorf("%d requests for what is in the store", more-seen)
	}
	s.fetch(m, "--verify").ends(0).counts(0, 3, 0)
}

// TestOstreeFile pulls from a repository of this machine, whose files become links.
func TestOstreeFile(t *testing.T) {
	t.Parallel()
	r := newOstreeRepo(t, filepath.Join(t.TempDir(), "a repo"))
	commit := r.commit("one")
	s := newSandbox(t)
	s.store = "store" // relative to the working folder
	m := s.commits(items{commit: "file://" + r.dir})
	s.fetch(m).ends(0).counts(1, 0, 0)
	s.store = filepath.Join(s.dir, "cwd", "store")
	s.soundRepo(commit)
	if err := os.Rename(s.store, filepath.Join(s.dir, "store")); err != nil {
		t.Fatal(err)
	}
}

// TestOstreeTLS needs a client certificate, a private authority, or no verification.
func TestOstreeTLS(t *testing.T) {
	t.Parallel()
	ca := newCA(t, "ca")
	n := startNginx(t, ca)
	commit := newOstreeRepo(t, filepath.Join(n.root, "repo")).commit("tls")
	client := issue(t, ca, hosttest.Leaf{Name: "builder"})
	var env []string
	for _, v := range mtls(ca, client) {
		env = append(env, strings.Replace(v, "_CURL_", "_OSTREE_", 1))
	}
	secret := map[string]any{"name": "org.osbuild.mtls"}
	needed, open := n.url(n.tls1, "repo"), n.url(n.open, "repo")
	for name, c := range map[string]struct {
		url     string
		secrets bool
		env     []string
		kind    string
		says    []string
	}{
		"certificate":         {needed, true, env, "", nil},
		"no variables":        {needed, true, nil, "not found", []string{"org.osbuild.mtls needs both", "neither is set"}},
		"key alone":           {needed, true, env[2:], "not found", []string{"OSBUILD_SOURCES_OSTREE_SSL_CLIENT_CERT is not set"}},
		"relative path":       {needed, true, []string{"OSBUILD_SOURCES_OSTREE_SSL_CLIENT_KEY=key"}, "invalid", []string{"relative path"}},
		"without certificate": {needed, false, []string{"OSBUILD_SOURCES_OSTREE_INSECURE=1"}, "*", []string{n.url(n.tls1, "repo")}},
		"unknown authority":   {open, false, nil, "tls", []string{"certificate"}},
		"insecure":            {open, false, []string{"OSBUILD_SOURCES_OSTREE_INSECURE=Yes"}, "", nil},
		"not insecure":        {open, false, []string{"OSBUILD_SOURCES_OSTREE_INSECURE=0"}, "tls", nil},
		"private authority":   {open, true, env, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSandbox(t)
			s.env = append(s.env, c.env...)
			remote := map[string]any{"url": c.url}
			if c.secrets {
				remote["secrets"] = secret
			}
			o := s.fetch(s.commits(items{commit: remote}))
			switch c.kind {
			case "":
				o.ends(0).counts(1, 0, 0)
				s.soundRepo(commit)
			case "*":
				o.ends(1)
				contains(t, o.out, c.says...)
			default:
				o.ends(1).failed(commit, c.kind, c.says...)
			}
			s.nothingStaged()
		})
	}
}

// TestOstreeProxy goes through a proxy that wants a password, for every item.
func TestOstreeProxy(t *testing.T) {
	t.Parallel()
	p := startTinyproxy(t)
	n := startNginx(t, newCA(t, "ca"))
	commit := newOstreeRepo(t, filepath.Join(n.root, "repo")).commit("proxy")
	s := newSandbox(t)
	m := s.commits(items{commit: n.url(n.plain, "repo")})
	wrong := s.env
	s.env = append(wrong[:len(wrong):len(wrong)], "OSBUILD_SOURCES_OSTREE_PROXY="+p.url("wrong-password"))
	o := s.fetch(m).ends(1)
	o.hides("wrong-password")
	s.env = append(wrong[:len(wrong):len(wrong)], "OSBUILD_SOURCES_OSTREE_PROXY="+p.url(password))
	s.fetch(m).ends(0).counts(1, 0, 0).hides(password)
	s.soundRepo(commit)
	if p.requests(fmt.Sprintf("127.0.0.1:%d", n.plain)) == 0 && p.requests("/repo/objects/") == 0 {
		t.Error("the proxy has seen nothing")
	}
}

// TestOstreeErrors says what went wrong, with the URL and without its credentials.
func TestOstreeErrors(t *testing.T) {
	t.Parallel()
	n := startNginx(t, newCA(t, "ca"))
	r := newOstreeRepo(t, filepath.Join(n.root, "repo"))
	gpg := newSigner(t)
	unsigned, signed := r.commit("unsigned"), r.commit("signed", gpg.sign()...)
	broken := newOstreeRepo(t, filepath.Join(n.root, "broken"))
	incomplete, damaged := broken.commit("incomplete"), ""
	files, _ := filepath.Glob(filepath.Join(broken.dir, "objects", "*", "*.filez"))
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	other := newOstreeRepo(t, filepath.Join(n.root, "damaged"))
	damaged = other.commit("damaged")
	files, _ = filepath.Glob(filepath.Join(other.dir, "objects", "*", "*.dirtree"))
	if err := os.WriteFile(files[0], []byte("something else"), 0o644); err != nil {
		t.Fatal(err)
	}
	url := strings.Replace(n.url(n.plain, "repo"), "http://", "http://me:hidden-word@", 1)
	absent, nowhere, junk := strings.Repeat("ab", 32), strings.Repeat("cd", 32), strings.Repeat("ef", 32)
	noRepo, newline := strings.Repeat("12", 32), strings.Repeat("34", 32)
	s := newSandbox(t)
	o := s.fetch(s.commits(items{
		absent:     url,
		nowhere:    strings.Replace("http://me:hidden-word@ADDR/repo", "ADDR", hosttest.Refused(t), 1),
		junk:       map[string]any{"url": url, "gpgkeys": []string{"junk"}},
		noRepo:     "file:///nowhere/at/all",
		newline:    "http://127.0.0.1/\n[core]\nmode=bare",
		unsigned:   map[string]any{"url": url, "gpgkeys": []string{gpg.public()}},
		signed:     map[string]any{"url": url, "gpgkeys": []string{newSigner(t).public()}},
		incomplete: n.url(n.plain, "broken"),
		damaged:    n.url(n.plain, "damaged"),
	})).ends(1).counts(0, 0, 9)
	shown := n.url(n.plain, "repo")
	o.failed(absent, "not found", shown, "404", "no such commit")
	o.failed(nowhere, "network", "/repo", "connect")
	o.failed(junk, "invalid", "gpgkeys")
	o.failed(noRepo, "not found", "file:///nowhere/at/all", "no ostree repository")
	o.failed(newline, "invalid", "control character")
	o.failed(unsigned, "denied", "no signatures found", "not signed")
	o.failed(signed, "denied", "not among the item's gpgkeys")
	o.failed(incomplete, "not found", "404")
	if it := o.items[damaged]; it.State != "failed" || it.Error == nil {
		t.Errorf("the damaged commit is %+v", it)
	}
	o.hides("hidden-word")
	s.nothingStaged()
	ostreeOn(t, s.repo(), "fsck")
	if commits, _ := filepath.Glob(filepath.Join(s.repo(), "objects", "*", "*")); len(commits) > 0 {
		t.Errorf("objects got into the store: %q", commits)
	}
}

// gate is a server of a repository that keeps a file back until it is opened.
type gate struct {
	*httptest.Server
	reached, open chan struct{}
	once          sync.Once
}

func newGate(t *testing.T, dir string) *gate {
	t.Helper()
	g := &gate{reached: make(chan struct{}), open: make(chan struct{})}
	files := http.FileServer(http.Dir(dir))
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, ".filez") {
			g.once.Do(func() { close(g.reached) })
			select {
			case <-g.open:
			case <-r.Context().Done():
				return
			}
		}
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(g.Close)
	return g
}

// running counts the processes of a program, "" meaning any, whose arguments hold the text.
func running(t *testing.T, program, text string) (n int) {
	t.Helper()
	found, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range found {
		data, err := os.ReadFile(path)
		name, args, _ := strings.Cut(string(data), "\x00")
		if err == nil && (program == "" || filepath.Base(name) == program) && strings.Contains(args, text) {
			n++
		}
	}
	return n
}

// TestOstreeStopped kills and stops the program in the midst of a pull: no process and
// no remote is left, and the next run completes.
//
// adversary: C1e
func TestOstreeStopped(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			r := newOstreeRepo(t, filepath.Join(t.TempDir(), "repo"))
			commit := r.commit("stopped")
			g := newGate(t, r.dir)
			s := newSandbox(t)
			m := s.commits(items{commit: strings.Replace(g.URL, "http://", "http://me:in-the-arguments@", 1)})
			p := s.fetching(m)
			select {
			case <-g.reached:
			case <-time.After(patience):
				t.Fatal("nothing was asked for")
			}
			if n := running(t, "", "in-the-arguments"); n > 0 {
				t.Errorf("%d processes show the password in their arguments", n)
			}
			if n := running(t, "ostree", s.dir); n != 1 {
				t.Errorf("ostree runs %d times", n)
			}
			begun := time.Now()
			p.signal(sig)
			o := p.wait()
			if sig == syscall.SIGINT {
				o.ends(130).hides("in-the-arguments")
				promptly(t, begun)
				s.nothingStaged()
			}
			eventually(t, "no process is left", func() bool { return running(t, "", s.dir) == 0 })
			close(g.open)
			s.fetch(m).ends(0).counts(1, 0, 0)
			s.soundRepo(commit)
		})
	}
}

// TestOstreeProcesses has several processes pull the same commits, and others that
// share their objects, into one store at once.
//
// adversary: C4
func TestOstreeProcesses(t *testing.T) {
	t.Parallel()
	r := newOstreeRepo(t, filepath.Join(t.TempDir(), "repo"))
	g := newGate(t, r.dir)
	remotes, commits := items{}, []string{}
	for i := range 4 {
		commits = append(commits, r.commit(fmt.Sprint(i)))
		remotes[commits[i]] = g.URL
	}
	s := newSandbox(t)
	m := s.commits(remotes)
	var all []*process
	for range 3 {
		all = append(all, s.fetching(m, "--workers", "3"))
	}
	<-g.reached
	close(g.open)
	fetched := 0
	for _, p := range all {
		c := p.wait().ends(0).doc.Counts
		fetched += c.Fetched
	}
	if fetched != len(commits) {
		t.Errorf("%d commits were fetched %d times", len(commits), fetched)
	}
	s.soundRepo(commits...)
}

// TestOstreeOldStore works in a store that osbuild's own source has made, and left in
// the midst of a pull: with a remote, and a commit that is not whole.
func TestOstreeOldStore(t *testing.T) {
	t.Parallel()
	r := newOstreeRepo(t, filepath.Join(t.TempDir(), "repo"))
	whole, partial, fresh := r.commit("whole"), r.commit("partial"), r.commit("fresh")
	s := newSandbox(t)
	old := newOstreeRepo(t, s.repo())
	old.run("config", "set", "repo.locking", "true")
	old.run("remote", "add", "--no-gpg-verify", "leftover", "file://"+r.dir)
	old.run("pull", "leftover", whole)
	old.run("pull", "--commit-metadata-only", "leftover", partial)
	if marks, _ := filepath.Glob(filepath.Join(s.repo(), "state", "*.commitpartial")); len(marks) != 1 {
		t.Fatalf("the fixture has %q", marks)
	}
	m := s.commits(items{whole: "file:///nowhere", partial: "file://" + r.dir, fresh: "file://" + r.dir})
	s.fetch(m).ends(0).counts(2, 1, 0)
	old.run("remote", "delete", "leftover")
	s.soundRepo(whole, partial, fresh)
	// The reverse: osbuild's own source finds ours.
	last := r.commit("last")
	old.run("remote", "add", "--no-gpg-verify", "temporary", "file://"+r.dir)
	old.run("pull", "temporary", last)
	old.run("pull", "temporary", fresh)
	old.run("remote", "delete", "temporary")
	s.fetch(s.commits(items{last: "file:///nowhere", fresh: "file:///nowhere"})).ends(0).counts(0, 2, 0)
	s.soundRepo(last, fresh)
}

// TestOstreeReadOnly finds commits in a store that cannot be written to.
//
// adversary: C3c
func TestOstreeReadOnly(t *testing.T) {
	t.Parallel()
	r := newOstreeRepo(t, filepath.Join(t.TempDir(), "repo"))
	there, missing := r.commit("there"), r.commit("missing")
	s := newSandbox(t)
	s.mount("32m")
	s.fetch(s.commits(items{there: "file://" + r.dir})).ends(0)
	s.remount(unix.MS_RDONLY, "")
	o := s.fetch(s.commits(items{there: "file://" + r.dir, missing: "file://" + r.dir})).ends(1).counts(0, 1, 1)
	o.failed(missing, "disk", "read-only file system")
}
