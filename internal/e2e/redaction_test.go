package e2e

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

// secretPlaces are where testdata/places puts a reference to a secret, and "userinfo",
// the URLs of the manifest, and "tls", which is no place for a password.
var secretPlaces = []string{"header", "query", "auth", "http", "userinfo", "tls"}

// secretSources are the names of secrets, each after where it comes from.
var secretSources = []string{"file", "env", "command"}

// placesPlugin builds and packs the plugin, once.
var placesPlugin = sync.OnceValues(func() (path string, err error) {
	raw, path := filepath.Join(built.dir, "places-raw.wasm"), filepath.Join(built.dir, "places.wasm")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-buildmode=c-shared", "-o", raw, "./testdata/places")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	pack := exec.Command(built.program, "plugin", "pack", raw, "--manifest", "testdata/places/plugin.json", "-o", path)
	if out, err := pack.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

// secretive is a sandbox with a secret from each source and a plugin that refers to
// them.
type secretive struct {
	*sandbox
	marks marks
	// inputs are the files that hold secrets because a test put them there.
	inputs  []string
	watcher atomic.Pointer[watcher] // of the run
}

// see looks at the processes, once in a run. A server calls it that the program waits for.
func (s *secretive) see() {
	if w := s.watcher.Load(); w != nil {
		w.first.Do(w.now)
	}
}

// newSecretive makes one whose secrets may be sent to these servers.
func newSecretive(t *testing.T, servers ...*hosttest.Server) *secretive {
	t.Helper()
	plugin, err := placesPlugin()
	if err != nil {
		t.Fatalf("cannot build the plugin: %v", err)
	}
	s := &secretive{sandbox: newSandbox(t)}
	for _, name := range append(slices.Clone(secretSources), "userinfo", "proxy", "registry") {
		s.marks = append(s.marks, newMark(t, name))
	}
	s.env = append(s.env, "MARKED="+s.value("env"))
	s.input("vault.txt", s.value("file")+"\n")
	program := s.input("vault.sh", "#!/bin/sh\necho 'looked up: "+s.value("command")+"' >&2\necho '"+s.value("command")+"'\n")
	if err := os.Chmod(program, 0o755); err != nil {
		t.Fatal(err)
	}
	const once = "[container]\nmax_attempts = 1\n"
	if len(servers) == 0 {
		s.configure(hasty + once + s.recorded("ostree") + s.recorded("skopeo"))
		return s
	}
	var hosts, grants []string
	for _, server := range servers {
		scheme, _, _ := strings.Cut(server.URL(""), "://")
		hosts = append(hosts, strings.TrimPrefix(scheme+"://", "https://")+server.Addr())
		grants = append(grants, server.URL("/"))
	}
	text := hasty + fmt.Sprintf("[source.\"org.osbuild.curl\"]\nprepare = [\"places\"]\n[plugin.places]\npath = %q\n[plugin.places.grant]\nsecrets = [\"file\", \"env\", \"command\"]\nhttp = [\"%s\"]\n",
		plugin, strings.Join(grants, `", "`))
	for name, source := range map[string]string{"file": `file = "vault.txt"`, "env": `env = "MARKED"`, "command": fmt.Sprintf("command = [%q]", program)} {
		text += fmt.Sprintf("[secret.%s]\n%s\nhosts = [\"%s\"]\n", name, source, strings.Join(hosts, `", "`))
	}
	s.configure(strings.Replace(text, "max_attempts = 4", "max_attempts = 2", 1))
	return s
}

// value is the secret of this name.
func (s *secretive) value(name string) string {
	return s.marks[slices.IndexFunc(s.marks, func(m mark) bool { return m.name == name })].value()
}

// input writes a file that holds secrets.
func (s *secretive) input(name, text string) string {
	path := s.write(name, []byte(text))
	s.inputs = append(s.inputs, path)
	return path
}

// recorded is configuration that puts a script before a program. It writes down its
// arguments, where watched finds them: some programs end before a look at the list of
// processes sees them.
func (s *secretive) recorded(program string) string {
	s.t.Helper()
	path := s.write(filepath.Join("bin", program), fmt.Appendf(nil, "#!/bin/sh\nprintf '%%s\\n' \"$@\" >%q.$$.args\nexec %q \"$@\"\n",
		filepath.Join(s.dir, program), need(s.t, program, program)))
	if err := os.Chmod(path, 0o755); err != nil {
		s.t.Fatal(err)
	}
	return fmt.Sprintf("[program.%s]\npath = %q\n", program, path)
}

// runs is how often a program that is recorded was started.
func (s *secretive) runs(program string) int {
	found, err := filepath.Glob(filepath.Join(s.dir, program+".*.args"))
	if err != nil {
		s.t.Fatal(err)
	}
	return len(found)
}

// watched runs the program and searches all that it leaves behind.
func (s *secretive) watched(run func() *outcome) (*outcome, map[string]bool) {
	s.t.Helper()
	start := time.Now().Add(-time.Second) // clocks of file systems are coarse
	w := s.marks.watch()
	s.watcher.Store(w)
	o := run()
	found, programs := w.stop()
	for _, f := range found {
		s.t.Errorf("the arguments of a process show the secret %s", f)
	}
	s.marks.hidden(s.t, "standard output", []byte(o.out))
	s.marks.hidden(s.t, "standard error", []byte(o.errOut))
	s.marks.hiddenIn(s.t, s.dir, time.Time{}, s.inputs...)
	s.marks.hiddenIn(s.t, built.cache, start)
	return o, programs
}

// echoes are servers that repeat what they were sent where an error shows it.
func echoes(proto hosttest.Protocol) map[string]hosttest.Behaviour {
	all := map[string]hosttest.Behaviour{}
	for name, spell := range map[string]func(string) string{
		"plain": url.PathEscape, "query": url.QueryEscape, "hex": func(v string) string { return hex.EncodeToString([]byte(v)) },
		"every-byte": everyByte, "base64": func(v string) string { return base64.URLEncoding.EncodeToString([]byte(v)) },
		"malformed": func(v string) string { return "%zz" + v },
	} {
		all["echo-redirect-"+name] = func(x *hosttest.Exchange) {
			hosttest.Redirect(http.StatusFound, "/gone/"+spell(sent(x))+"?x="+spell(sent(x)))(x)
		}
	}
	header := func(name string, status int) hosttest.Behaviour {
		return func(x *hosttest.Exchange) {
			x.W.Header().Set(name, sent(x))
			http.Error(x.W, "you are "+sent(x), status)
		}
	}
	all["echo-401"], all["echo-503"] = header("WWW-Authenticate", 401), header("Retry-After", 503)
	all["echo-page"] = header("X-You", 200)
	all["echo-etag"] = func(x *hosttest.Exchange) {
		x.File.Content = content("partial", 3<<20)
		x.File.ETag = `"` + url.PathEscape(sent(x)) + `"`
		hosttest.Truncated(x)
	}
	if proto == hosttest.HTTPS2 {
		return all
	}
	for name, text := range map[string]string{
		"status": "HTTP/1.1 500 %s\r\n\r\n", "line": "%s\r\n\r\n", "length": "HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n",
		"encoding": "HTTP/1.1 200 OK\r\nTransfer-Encoding: %s\r\n\r\n", "chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\n",
		"code": "HTTP/1.1 %s\r\n\r\n",
	} {
		all["echo-"+name] = func(x *hosttest.Exchange) { hosttest.Raw(fmt.Sprintf(text, sent(x)))(x) }
	}
	for pad := 200; pad < 400; pad += 12 { // somewhere the error is cut in the middle of the secret
		all[fmt.Sprint("echo-cut-", pad)] = func(x *hosttest.Exchange) {
			hosttest.Raw("HTTP/1.1 200 OK\r\n" + strings.Repeat("x", pad) + sent(x) + "\r\n\r\n")(x)
		}
	}
	return all
}

// sent is the secret that a request has brought: as a token, a parameter, or as the
// credentials of Basic authentication.
func sent(x *hosttest.Exchange) string {
	_, password, basic := x.R.BasicAuth()
	switch {
	case x.R.Header.Get("X-Token") != "":
		return x.R.Header.Get("X-Token")
	case x.R.URL.Query().Get("t") != "":
		return x.R.URL.Query().Get("t")
	case basic && x.N%2 == 0:
		return x.R.Header.Get("Authorization")
	}
	return password
}

// TestRedaction has every fault of a server, and servers that repeat what they were
// sent, meet a secret in every place, from every source, and searches all that the
// program shows and leaves behind.
func TestRedaction(t *testing.T) {
	t.Parallel()
	for _, proto := range []hosttest.Protocol{hosttest.HTTP, hosttest.HTTPS2} {
		t.Run(string(proto), func(t *testing.T) {
			t.Parallel()
			redaction(t, proto)
		})
	}
}

func redaction(t *testing.T, proto hosttest.Protocol) {
	ca := newCA(t, "ca")
	server := hosttest.Start(t, hosttest.Options{Protocol: proto, Certificate: serverPair(t, ca)})
	peer := hosttest.Start(t, hosttest.Options{Protocol: proto, Certificate: serverPair(t, ca)})
	// What breaks a connection is on a server of its own: over HTTP/2 all share it.
	rough := hosttest.Start(t, hosttest.Options{Protocol: proto, Certificate: serverPair(t, ca)})
	server.SetPeer(peer)
	s := newSecretive(t, server, rough)
	s.env = append(s.env, "SSL_CERT_FILE="+ca.Path)
	faults := hosttest.Faults()
	maps.Copy(faults, echoes(proto))
	all := items{}
	for place, where := range secretPlaces {
		for i, fault := range slices.Sorted(maps.Keys(faults)) {
			slow := fault == "drip" || fault == "stall" || fault == "silent"
			if where == "http" && (slow || i%2 > 0) || where == "tls" && i%8 > 0 {
				continue // the former are asked one after the other, the latter meet no server
			}
			path := fmt.Sprintf("/%s/%s/%s", where, secretSources[(i+place)%len(secretSources)], fault)
			data := content(path, 30_000)
			on := server
			if slices.Contains([]string{"hangup", "reset", "broken-framing", "not-http"}, fault) {
				on = rough
			}
			on.Put(path, hosttest.File{Content: data, ETag: `"v1"`})
			on.Script(path, func(x *hosttest.Exchange) {
				if where == "http" { // a plugin's process waits for the answer
					s.see()
				}
				faults[fault](x)
			})
			at := on.URL(path)
			if where == "userinfo" {
				at = strings.Replace(at, "://", "://"+url.UserPassword("builder", s.value("userinfo")).String()+"@", 1)
			}
			all[key(data)] = at
		}
	}
	m := s.manifest(all)
	s.inputs = append(s.inputs, m)
	progress := map[hosttest.Protocol]string{hosttest.HTTP: "plain", hosttest.HTTPS2: "json"}[proto]
	o, programs := s.watched(func() *outcome {
		return s.fetch(m, "--workers", "200", "--log-level", "debug", "--progress", progress).ends(1)
	})
	if !programs[workerName] {
		t.Errorf("no process of a plugin was seen: %v", slices.Sorted(maps.Keys(programs)))
	}
	s.arrived(server, o, len(all), proto)
}

// arrived checks that the secrets were sent, and only there: what is hidden because
// it never was anywhere proves nothing.
func (s *secretive) arrived(server *hosttest.Server, o *outcome, items int, proto hosttest.Protocol) {
	s.t.Helper()
	got := map[string]int{}
	for _, e := range server.Log() {
		parts := strings.Split(e.Path, "/")
		if len(parts) < 4 {
			continue
		}
		text := e.URI + " " + e.Header.Get("X-Token")
		if user, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(e.Header.Get("Authorization"), "Basic ")); err == nil {
			text += " " + string(user)
		}
		for _, found := range s.marks.seen([]byte(text)) {
			name, _, _ := strings.Cut(found, ",")
			got[parts[1]+" "+name]++
		}
	}
	for _, place := range secretPlaces[:4] {
		for _, source := range secretSources {
			if got[place+" "+source] == 0 {
				s.t.Errorf("the secret %s never arrived in the place %s", source, place)
			}
		}
	}
	if got["userinfo userinfo"] == 0 {
		s.t.Error("the password of the URLs never arrived")
	}
	if n := o.doc.Counts; n.Fetched == 0 || n.Failed == 0 || n.Fetched+n.Failed != items {
		s.t.Errorf("%d items became %+v", items, n)
	}
	if proto != hosttest.HTTP { // the key is no PEM, and that is said without it
		if !strings.Contains(o.out, "no PEM") && !strings.Contains(o.out, "PEM") {
			s.t.Error("no error says that a certificate is unusable")
		}
	}
}
