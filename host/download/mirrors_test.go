package download

import (
	"net/url"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

func TestJoinMirror(t *testing.T) {
	for _, c := range []struct{ base, path, want string }{
		{"http://m/repo", "a/b.rpm", "http://m/repo/a/b.rpm"},
		{"http://m/repo/", "a/b.rpm", "http://m/repo/a/b.rpm"},
		{"http://m/repo//", "/a/b.rpm", "http://m/repo/a/b.rpm"},
		{"http://m", "b.rpm", "http://m/b.rpm"},
		{"http://m?x=y", "b.rpm", "http://m/b.rpm?x=y"},
		{"http://m/repo/?x=/y#z", "b.rpm", "http://m/repo/b.rpm?x=/y"},
		{"http://m/", "c++-1:2~rc^1.rpm", "http://m/c%2B%2B-1%3A2~rc%5E1.rpm"},
		{"http://m/", "a?b#c d%e", "http://m/a%3Fb%23c%20d%25e"},
		{"http://m/", "a%2Bb", "http://m/a%2Bb"},
		{"http://m/", "gü\n", "http://m/g%C3%BC%0A"},
		{"http://m/a/b/", "../../pool/x.rpm", "http://m/pool/x.rpm"},
		{"http://m/a/b/", "../../../../x.rpm", "http://m/x.rpm"},
		{"http://m/a/b/", "./c/./d/..", "http://m/a/b/c/"},
		{"http://m/a/.hidden/", "..x", "http://m/a/.hidden/..x"},
		{"file:///srv/repo", "a+b", "file:///srv/repo/a%2Bb"},
		{"file:/srv/repo", "a", "file:/srv/repo/a"},
	} {
		if got := JoinMirror(c.base, c.path); got != c.want {
			t.Errorf("%s and %s: %s, want %s", c.base, c.path, got, c.want)
		}
	}
}

func FuzzJoinMirror(f *testing.F) {
	f.Add("http://m/a/", "../b c?#%41")
	f.Fuzz(func(t *testing.T, base, path string) {
		u, err := url.Parse(QuotePath(base))
		if err != nil || u.Host == "" {
			return
		}
		joined, err := url.Parse(QuotePath(JoinMirror(base, path)))
		if err != nil {
			t.Fatalf("%q and %q: %v", base, path, err)
		}
		if joined.Host != u.Host || joined.Scheme != u.Scheme || joined.User.String() != u.User.String() {
			t.Fatalf("%q and %q lead to %s", base, path, joined)
		}
		for part := range strings.SplitSeq(joined.EscapedPath(), "/") {
			if part == "." || part == ".." {
				t.Fatalf("%q and %q: %s has a part %s", base, path, joined, part)
			}
		}
	})
}

// mirrored is a request for the file from mirrors that are folders of one server.
func (e *env) mirrored(record *MirrorRecord, mirrors ...string) Request {
	req := Request{Name: "sha256:abc", CA: e.ca.Path, Path: "file.rpm", Record: record}
	for _, m := range mirrors {
		e.server.Put("/"+m+"/file.rpm", hosttest.File{Content: e.content})
		req.Mirrors = append(req.Mirrors, e.server.URL("/"+m+"/"))
	}
	return req
}

// TestMirrorsAreSetAside: two mirrors share a host, one of them is bad; other runs,
// which have records of their own, are not affected.
func TestMirrorsAreSetAside(t *testing.T) {
	overProtocols(t, func(t *testing.T, e *env) {
		for name, behaviour := range map[string]hosttest.Behaviour{
			"404": hosttest.Status(404), "503": hosttest.Status(503), "wrong": hosttest.WrongBytes, "cut": hosttest.Truncated,
		} {
			record := e.engine.NewRecord()
			bad := name + "-bad"
			req := e.mirrored(record, bad, name+"-good")
			e.server.Script("/"+bad+"/file.rpm", behaviour)
			for i := range 6 {
				info, err, target := e.fetchReq(req)
				attempts := 2
				if i >= DefaultSetAside {
					attempts = 1
				}
				want{attempts: attempts}.check(t, info, err, target)
			}
			req.Record = e.engine.NewRecord()
			info, err, target := e.fetchReq(req)
			want{attempts: 2}.check(t, info, err, target)
		}
	})
}

// TestMirrorsComeBack: what a mirror could do in between counts, until it is set
// aside.
func TestMirrorsComeBack(t *testing.T) {
	e := newEnv(t, hosttest.HTTP, Config{})
	record := e.engine.NewRecord()
	req := e.mirrored(record, "flaky", "good")
	for range 5 {
		e.server.Script("/flaky/file.rpm", hosttest.Status(503), hosttest.Status(503), hosttest.Good)
		for _, attempts := range []int{2, 2, 1} {
			info, err, target := e.fetchReq(req)
			want{attempts: attempts}.check(t, info, err, target)
		}
	}
}

// TestEveryMirrorIsTried: also when there are more than attempts.
func TestEveryMirrorIsTried(t *testing.T) {
	e := newEnv(t, hosttest.HTTP, Config{MaxAttempts: 2})
	names := []string{"a", "b", "c", "d", "e", "f"}
	req := e.mirrored(nil, names...)
	for _, name := range names[:5] {
		e.server.Script("/"+name+"/file.rpm", hosttest.Status(503))
	}
	info, err, target := e.fetchReq(req)
	want{attempts: 6}.check(t, info, err, target)
	if !strings.HasSuffix(info.URL, "/f/file.rpm") {
		t.Errorf("it came from %s", info.URL)
	}
	req = e.mirrored(nil, "gone1", "gone2")
	req.URLs = []string{e.server.URL("/first")}
	e.server.Script("/gone1/file.rpm", hosttest.Status(404))
	e.server.Script("/gone2/file.rpm", hosttest.Status(410))
	info, err, target = e.fetchReq(req)
	want{kind: KindNotFound, attempts: 3, text: "/gone1/file.rpm"}.check(t, info, err, target)
}
