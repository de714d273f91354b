package host

import (
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/internal/plugin"
)

// What becomes of a use: allowed, or denied because one of the two is missing.
const (
	allowed      = ""
	notRequested = "does not request"
	notGranted   = "is not granted"
)

// grantTable is the whole of what requests and grants mean: what a plugin's
// manifest requests, what the configuration grants, and what comes of a use.
var grantTable = []struct{ capability, request, grant, use, want string }{
	{"download", "https://a.example/", "https://a.example/", "https://a.example/x", allowed},
	{"download", "*", "https://a.example/pub/", "https://a.example/pub/x", allowed},
	{"download", "*", "https://a.example/pub/", "https://a.example/private", notGranted},
	{"download", "*", "https://a.example/pub/", "https://a.example/pub/../private", notGranted},
	{"download", "*", "https://a.example/", "http://a.example/x", notGranted},
	{"download", "*", "https://a.example/", "https://a.example:444/x", notGranted},
	{"download", "*", "https://a.example/", "https://a.example.evil.example/", notGranted},
	{"download", "*", "https://a.example/", "file:///etc/passwd", notGranted},
	{"download", "https://a.example/", "*", "https://b.example/x", notRequested},
	{"download", "*", "", "https://a.example/x", notGranted},
	{"download", "", "*", "https://a.example/x", notRequested},
	{"http", "https://login.example/", "https://login.example/token", "https://login.example/token", allowed},
	{"http", "https://login.example/", "https://login.example/token", "https://login.example/token/x", allowed},
	{"http", "https://login.example/", "https://login.example/token", "https://login.example/tokens", notGranted},
	{"http", "https://login.example/", "", "https://login.example/", notGranted},
	{"http", "", "https://login.example/", "https://login.example/", notRequested},
	{"image", "docker://quay.io/team", "docker://quay.io", "docker://quay.io/team/app", allowed},
	{"image", "docker://quay.io", "docker://quay.io/team", "docker://quay.io/team-b/app", notGranted},
	{"image", "docker://quay.io", "*", "containers-storage:", notRequested},
	{"image", "*", "docker://quay.io", "containers-storage:", notGranted},
	{"image", "*", "containers-storage:", "containers-storage:", allowed},
	{"exec", "gpg", "gpg", "gpg", allowed},
	{"exec", "gpg", "gpg", "/usr/bin/gpg", notRequested},
	{"exec", "gpg", "gpg", "gpg2", notRequested},
	{"exec", "gpg", "*", "gpg", notGranted},
	{"exec", "*", "gpg", "gpg", notRequested},
	{"exec", "gpg", "", "gpg", notGranted},
	{"secrets", "token", "token", "token", allowed},
	{"secrets", "token", "other", "token", notGranted},
	{"secrets", "token", "*", "token", notGranted},
	{"secrets", "other", "token", "token", notRequested},
	{"env", "A_PROXY", "A_PROXY", "A_PROXY", allowed},
	{"env", "A_PROXY", "A_PROXY", "A_PROXY_2", notRequested},
	{"env", "A_PROXY", "", "A_PROXY", notGranted},
	{"env", "A_PROXY", "*", "A_PROXY", notGranted},
	{"read", "/etc/pki/", "/etc/", "/etc/pki/a.pem", allowed},
	{"read", "/etc/", "/etc/pki/", "/etc/passwd", notGranted},
	{"read", "/etc/pki/", "/etc/", "/etc/passwd", notRequested},
	{"read", "/etc/pki/", "/etc/pki/", "/etc/pki/../passwd", notRequested},
	{"read", "/etc/pki/", "/etc/pki/", "/etc/pki/a\x00.pem", notRequested},
	{"read", "/etc/pki/", "/etc/pki/", "etc/pki/a.pem", notRequested},
	{"read", "/etc/pki", "/etc/pki", "/etc/pki/a.pem", notRequested},
	{"stat", "/etc/pki/", "/etc/pki/", "/etc/pki", allowed},
	{"stat", "/etc/pki/", "", "/etc/pki", notGranted},
	{"stat", "", "/etc/pki/", "/etc/pki", notRequested},
	{"tls", "/etc/pki/", "/etc/pki/a.pem", "/etc/pki/a.pem", allowed},
	{"tls", "/etc/pki/", "/etc/pki/a.pem", "/etc/pki/b.pem", notGranted},
	{"tls", "/etc/pki/a.pem", "/etc/pki/", "/etc/pki/b.pem", notRequested},
	{"clock", "*", "*", "*", allowed},
	{"clock", "*", "", "*", notGranted},
	{"clock", "", "*", "*", notRequested},
	{"random", "*", "*", "*", allowed},
	{"random", "*", "", "*", notGranted},
	{"random", "", "*", "*", notRequested},
}

// TestGrants: a use needs the request and the grant, of every capability. Reading
// is never taken for asking, nor using a certificate for reading it: a grant of one
// capability allows nothing of another.
//
// adversary: A10a, A10g, A11a, A11b, A11c
func TestGrants(t *testing.T) {
	seen := map[string]map[string]bool{}
	for _, row := range grantTable {
		p := newPolicy(Plugin{Name: "p", Grant: grantOf(row.capability, row.grant)}, "/")
		var caps []plugin.Capability
		if row.request != "" {
			caps = []plugin.Capability{{Name: row.capability, Values: []string{row.request}}}
		}
		p.request(caps)
		err := p.allow(row.capability, row.use)
		if row.want == allowed && err != nil || row.want != allowed && (err == nil || !strings.Contains(err.Error(), row.want)) {
			t.Errorf("%s: request %q, grant %q, use %q: %v, want %q", row.capability, row.request, row.grant, row.use, err, row.want)
		}
		for _, other := range slices.Sorted(maps.Keys(Grant{}.lists())) {
			if other != row.capability && p.allow(other, row.use) == nil {
				t.Errorf("a grant of %s %q allows %s %q", row.capability, row.grant, other, row.use)
			}
		}
		// What sources shows says the same, and names grants that nobody asked for.
		if granted, _ := p.granting(row.capability, row.use); row.want == notGranted && granted && row.request != "" && row.use == row.request {
			t.Errorf("%s %q is shown as granted", row.capability, row.use)
		}
		if unused := p.unrequested(); row.request == "" && len(unused) != 1 {
			t.Errorf("%s: the grant %q without a request: %v", row.capability, row.grant, unused)
		}
		if seen[row.capability] == nil {
			seen[row.capability] = map[string]bool{}
		}
		seen[row.capability][row.want] = true
	}
	for capability := range (Grant{}).lists() {
		if len(seen[capability]) != 3 {
			t.Errorf("the table has no row for each outcome of %s", capability)
		}
	}
}

// grantOf grants one value of a capability, or nothing.
func grantOf(capability, value string) (g Grant) {
	if value == "" {
		return g
	}
	list := []string{value}
	switch capability {
	case plugin.CapDownload:
		g.Download = list
	case plugin.CapHTTP:
		g.HTTP = list
	case plugin.CapRead:
		g.Read = list
	case plugin.CapStat:
		g.Stat = list
	case plugin.CapTLS:
		g.TLS = list
	case plugin.CapEnv:
		g.Env = list
	case plugin.CapSecrets:
		g.Secrets = list
	case plugin.CapExec:
		g.Exec = list
	case plugin.CapImage:
		g.Image = list
	case plugin.CapClock:
		g.Clock = true
	case plugin.CapRandom:
		g.Random = true
	}
	return g
}

// TestReadOfStrangeFiles: what only looks like a file in a granted folder is not
// read, and not opened either where that could have an effect. The links in /proc
// lead anywhere without being links to a path.
//
// adversary: A10h
func TestReadOfStrangeFiles(t *testing.T) {
	dir := t.TempDir()
	socket, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	open, err := os.Open(secret)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	for name, target := range map[string]string{"zero": "/dev/zero", "fd": filepath.Join("/proc/self/fd", filepath.Base(open.Name()))} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	p := newPolicy(Plugin{Name: "p", Grant: Grant{Read: []string{dir + "/", "/dev/", "/proc/self/"}}}, "/")
	p.request([]plugin.Capability{{Name: "read", Values: []string{"/"}}})
	for path, status := range map[string]string{
		dir + "/socket": "failed", dir + "/zero": "denied", dir + "/fd": "denied", "/dev/zero": "failed", "/dev/null": "failed",
		"/proc/self/root" + secret: "denied", "/proc/self/cwd/files.go": "denied", "/proc/self/exe": "denied",
		"/proc/self/fd/" + fdName(open): "denied", "/proc/self/root/proc/self/root" + secret: "denied",
	} {
		data, err := p.readFile(path, 1<<20)
		if err == nil {
			t.Errorf("%s was read: %d bytes", path, len(data))
		} else if got := statusOfFile(err).String(); got != status {
			t.Errorf("%s: %s, want %s (%v)", path, got, status, err)
		}
	}
	// A link that is replaced while files are read never leads out either.
	if err := os.WriteFile(filepath.Join(dir, "good"), []byte("good"), 0o600); err != nil {
		t.Fatal(err)
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			link := filepath.Join(dir, "new")
			_ = os.Symlink([]string{"good", secret}[i%2], link)
			_ = os.Rename(link, filepath.Join(dir, "swapped"))
		}
	}()
	for range 2000 {
		if data, err := p.readFile(dir+"/swapped", 100); err == nil && string(data) != "good" {
			t.Errorf("read %q through a link", data)
			break
		}
	}
	close(stop)
	<-done
}

// fdName is the name of an open file in /proc/self/fd.
func fdName(f *os.File) string {
	names, _ := os.ReadDir("/proc/self/fd")
	for _, n := range names {
		if to, err := os.Readlink("/proc/self/fd/" + n.Name()); err == nil && to == f.Name() {
			return n.Name()
		}
	}
	return "none"
}
