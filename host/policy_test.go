package host

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/internal/plugin"
)

// adversary: A10b, A10g
func TestCovers(t *testing.T) {
	for _, c := range []struct {
		capability, entry, value string
		want                     bool
	}{
		{"download", "*", "https://any.example/x", true},
		{"download", "https://a.example", "https://a.example/x/y", true},
		{"download", "https://a.example/", "https://a.example:443/x", true},
		{"download", "https://a.example", "https://A.Example/x", true},
		{"download", "https://a.example", "http://a.example/x", false},
		{"download", "https://a.example", "https://a.example:8443/x", false},
		{"download", "https://a.example", "https://a.example.evil.example/x", false},
		{"download", "https://a.example", "https://a.example@evil.example/x", false},
		{"download", "https://a.example/dir/", "https://a.example/dir/x", true},
		{"download", "https://a.example/dir", "https://a.example/dir/x", true},
		{"download", "https://a.example/dir", "https://a.example/directory", false},
		{"download", "https://a.example/dir/", "https://a.example/dir/../x", false},
		{"download", "file:///srv/", "file:///srv/link/../x", false},
		{"download", "file:///srv/", "file:/srv/link/../x", false},
		{"download", "https://a.example/dir/", "https://a.example/dir//x", false},
		{"download", "https://a.example/dir/", "https://a.example/dir/x/", true},
		{"download", "https://a.example/dir/", "https://a.example/dir/%2e%2e/x", false},
		{"download", "https://a.example/dir/", "https://a.example/dir/..%2fx", false},
		{"download", "https://a.example/dir/", `https://a.example/dir/a\..\..\x`, false},
		{"download", "https://a.example/dir/", "https://a.example/dir/a%5C..%5C..%5Cx", false},
		{"download", "https://a.example/dir/", "https://a.example/dir/..;/x", false},
		{"download", "https://a.example/dir/", "https://a.example/dir/..%3Bp=1/x", false},
		{"download", "https://a.example/dir/", "https://a.example/dir/%252e%252e/x", false},
		{"download", "https://a.example/dir/", "https://a.example/dir/..%255cx", false},
		{"download", "https://a.example/dir/", "https://a.example/dir/100%25/a;b/..c", true},
		{"download", "file:///srv/", "file:///srv/x", true},
		{"download", "file:///srv/", "file:///etc/x", false},
		{"download", "https://a.example", "::not a url", false},
		{"read", "/etc/a", "/etc/a", true},
		{"read", "/etc/a", "/etc/ab", false},
		{"read", "/etc/a", "/etc/a/b", false},
		{"read", "/etc/a/", "/etc/a/b/c", true},
		{"read", "/etc/a/", "/etc/a", true},
		{"read", "/etc/a/", "/etc/a/../b", false},
		{"read", "/etc/a/", "/etc/ab", false},
		{"read", "/etc/a/", "etc/a/b", false},
		{"read", "/", "/anything", true},
		{"read", "/etc/a/", "/etc/a/b\x00c", false},
		{"env", "HOME", "HOME", true},
		{"env", "HOME", "HOME2", false},
		{"secrets", "token", "token", true},
		{"secrets", "*", "token", false},
		{"exec", "/usr/bin/skopeo", "/usr/bin/skopeo2", false},
		{"exec", "*", "/usr/bin/skopeo", false},
	} {
		if got := covers(c.capability, []string{c.entry}, c.value); got != c.want {
			t.Errorf("%s %q covers %q: %v, want %v", c.capability, c.entry, c.value, got, c.want)
		}
	}
}

// A use needs both the request and the grant.
func TestRequestMeetsGrant(t *testing.T) {
	request := []plugin.Capability{
		{Name: "read", Values: []string{"/etc/a", "/etc/dir/"}},
		{Name: "download", Values: []string{"*"}},
		{Name: "clock"},
	}
	grant := Grant{Read: []string{"/etc/a", "/etc/other"}, Download: []string{"https://a.example"}, Clock: true}
	p := newPolicy(Plugin{Name: "p", Grant: grant}, "/")
	p.request(request)
	for _, c := range []struct{ capability, value, want string }{
		{"read", "/etc/a", ""},
		{"read", "/etc/dir/x", "not granted"},
		{"read", "/etc/other", "does not request"},
		{"download", "https://a.example/x", ""},
		{"download", "https://b.example/x", `add download = ["https://b.example/"] to [plugin.p.grant]`},
		{"read", "/etc/dir/x", `add read = ["/etc/dir/x"] to [plugin.p.grant]`},
		{"env", "HOME", "does not request"},
	} {
		err := p.allow(c.capability, c.value)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s %s: %v", c.capability, c.value, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s %s: got %v, want %q", c.capability, c.value, err, c.want)
		}
	}
	if got := p.unrequested(); len(got) != 1 || got[0] != "read /etc/other" {
		t.Errorf("unrequested grants: %v", got)
	}
	builtin := newPolicy(Plugin{Name: "p", Builtin: true}, "/")
	builtin.request(request)
	if err := builtin.allow("read", "/etc/dir/x"); err != nil {
		t.Errorf("a built-in plugin is granted what it requests, but: %v", err)
	}
}

// Files are resolved beneath what was granted: no link leads out of it.
//
// adversary: A10h
func TestReadStaysBeneathTheGrant(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("etc/dir/good", "good")
	write("etc/dir/large", strings.Repeat("x", 101))
	write("etc/key", "secret")
	if err := os.MkdirAll(filepath.Join(root, "out"), 0o755); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{
		"etc/leaves": t.TempDir(), "etc/dir/folder": "../../out",
		"etc/dir/inside": "good", "etc/dir/outside": "../key", "etc/dir/absolute": filepath.Join(root, "etc/key"), "etc/alias": "dir",
	} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	p := newPolicy(Plugin{Name: "p", Builtin: true}, root)
	p.request([]plugin.Capability{{Name: "read", Values: []string{"/etc/dir/", "/etc/dir2"}}, {Name: "stat", Values: []string{"/etc/dir/", "/etc/none"}}})
	for path, want := range map[string]string{"/etc/dir/good": "good", "/etc/dir/inside": "good"} {
		got, err := p.readFile(path, 100)
		if err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
	for path, status := range map[string]string{
		"/etc/dir/outside": "denied", "/etc/dir/absolute": "denied", "/etc/dir/none": "not found",
		"/etc/dir/large": "limit", "/etc/dir": "failed",
	} {
		data, err := p.readFile(path, 100)
		if err == nil {
			t.Errorf("%s was read: %q", path, data)
		} else if got := statusOfFile(err).String(); got != status {
			t.Errorf("%s: status %s, want %s (%v)", path, got, status, err)
		}
	}
	// What the plugin requests does not choose the folder: its request may name
	// a link, or a folder above the granted one.
	q := newPolicy(Plugin{Name: "q", Grant: Grant{Read: []string{"/etc/dir/", "/etc/leaves/"}}}, root)
	q.request([]plugin.Capability{{Name: "read", Values: []string{"/", "/etc/dir/folder/"}}})
	for _, path := range []string{"/etc/dir/outside", "/etc/dir/folder/x", "/etc/leaves/x"} {
		if _, err := q.readFile(path, 100); err == nil || statusOfFile(err).String() != "denied" {
			t.Errorf("%s: %v, want a denial", path, err)
		}
	}
	names, err := p.list("/etc/dir")
	if err != nil || strings.Join(names, " ") != "absolute folder good inside large outside" {
		t.Errorf("list: %v, %v", names, err)
	}
	for path, want := range map[string]string{"/etc/dir": "dir", "/etc/dir/good": "file", "/etc/dir/none": "none", "/etc/none": "none"} {
		info, err := p.stat(path)
		if err != nil || info.Type != want {
			t.Errorf("stat %s: %+v, %v; want %s", path, info, err, want)
		}
	}
}

// TestVerdicts: what a request gets of a grant, and whether the grant is of use.
func TestVerdicts(t *testing.T) {
	for _, c := range []struct {
		capability, request, grant string
		granted, partly, unused    bool
	}{
		{"download", "*", "*", true, false, false},
		{"download", "*", "https://a.example/", true, true, false},
		{"download", "https://a.example/", "*", true, false, false},
		{"download", "https://a.example/", "https://a.example/", true, false, false},
		{"download", "https://a.example/x/", "https://a.example/", true, false, false},
		{"download", "https://a.example/", "https://a.example/x/", false, true, false},
		{"download", "https://a.example/", "https://b.example/", false, false, true},
		{"read", "/etc/a/", "/etc/", true, false, false},
		{"read", "/etc/a", "/etc/", true, false, false},
		{"read", "/", "/etc/a", false, true, false},
		{"read", "/etc/", "/etc/a/", false, true, false},
		{"read", "/etc/a", "/etc/b", false, false, true},
		{"env", "A", "A", true, false, false},
		{"env", "A", "B", false, false, true},
		{"clock", "*", "*", true, false, false},
	} {
		p := &policy{granted: map[string][]string{c.capability: {c.grant}}, requested: map[string][]string{c.capability: {c.request}}}
		granted, partly := p.granting(c.capability, c.request)
		if unused := len(p.unrequested()) > 0; granted != c.granted || partly != c.partly || unused != c.unused {
			t.Errorf("%s: request %s, grant %s: granted %v, partly %v, unused %v", c.capability, c.request, c.grant, granted, partly, unused)
		}
	}
	nothing := &policy{requested: map[string][]string{"download": {"*"}}}
	if granted, partly := nothing.granting("download", "*"); granted || partly {
		t.Errorf("without a grant: %v, %v", granted, partly)
	}
}
