package download

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

var secure = []hosttest.Protocol{hosttest.HTTPS1, hosttest.HTTPS2}

func overTLS(t *testing.T, fn func(t *testing.T, e *env)) {
	for _, proto := range secure {
		t.Run(string(proto), func(t *testing.T) {
			t.Parallel()
			fn(t, newEnv(t, proto, Config{}))
		})
	}
}

// adversary: B27, B28, B29
func TestBadCertificates(t *testing.T) {
	overTLS(t, func(t *testing.T, e *env) {
		other, err := hosttest.NewCA(t.TempDir(), "other")
		if err != nil {
			t.Fatal(err)
		}
		stranger, err := other.Issue(hosttest.Leaf{Name: "stranger", Hosts: []string{"127.0.0.1"}})
		if err != nil {
			t.Fatal(err)
		}
		rows := []struct {
			name, text string
			pair       *hosttest.Pair
		}{
			{"expired", "check this machine's clock", e.issue(hosttest.Leaf{Name: "old", Hosts: []string{"127.0.0.1"}, Expired: true})},
			{"wrong name", "for another host", e.issue(hosttest.Leaf{Name: "wrong", Hosts: []string{"example.org"}})},
			{"unknown CA", "set a CA file", stranger},
		}
		for _, row := range rows {
			server := e.start(hosttest.Options{Protocol: e.proto, Certificate: row.pair})
			server.Put(filePath, hosttest.File{Content: e.content})
			info, err, target := e.fetch(server.URL(filePath))
			want{kind: KindTLS, attempts: 1, text: row.text}.check(t, info, err, target)

			info, err, target = e.fetch(server.URL(filePath), e.server.URL(filePath))
			want{attempts: 2}.check(t, info, err, target)

			req := e.request(server.URL(filePath))
			req.Insecure, req.CA = true, ""
			info, err, target = e.fetchReq(req)
			want{attempts: 1}.check(t, info, err, target)
		}
	})
}

// adversary: B30
func TestClientCertificate(t *testing.T) {
	overTLS(t, func(t *testing.T, e *env) {
		e.engine.cfg.MaxAttempts = 3
		strict := e.start(hosttest.Options{Protocol: e.proto, ClientCA: e.ca})
		strict.Put(filePath, hosttest.File{Content: e.content})
		_, err, _ := e.fetch(strict.URL(filePath))
		// The server may reset the connection before its alert is read.
		if err == nil || err.Kind != KindTLS && err.Kind != KindNetwork {
			t.Errorf("without a certificate: %v", err)
		}
		client := e.issue(hosttest.Leaf{Name: "client"})
		both := filepath.Join(t.TempDir(), "both.pem")
		if err := os.WriteFile(both, []byte(read(t, client.Cert)+read(t, client.Key)), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, files := range [][2]string{{client.Cert, client.Key}, {both, ""}} {
			req := e.request(strict.URL(filePath))
			req.Cert, req.Key = files[0], files[1]
			info, err, target := e.fetchReq(req)
			want{attempts: 1}.check(t, info, err, target)
		}
	})
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestPEMErrors: what is wrong with which file.
func TestPEMErrors(t *testing.T) {
	e := newEnv(t, hosttest.HTTPS1, Config{})
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	client := e.issue(hosttest.Leaf{Name: "client"})
	other := e.issue(hosttest.Leaf{Name: "other"})
	empty, damaged := file("empty.pem", ""), file("damaged.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	missing := filepath.Join(dir, "missing.pem")
	pipe, endless := filepath.Join(dir, "pipe.pem"), filepath.Join(dir, "endless.pem")
	if err := errors.Join(syscall.Mkfifo(pipe, 0o600), os.Symlink("/dev/zero", endless), os.Truncate(file("huge.pem", ""), 1<<40)); err != nil {
		t.Fatal(err)
	}
	huge := filepath.Join(dir, "huge.pem")
	rows := []struct{ ca, cert, key, path string }{
		{ca: missing, path: missing},
		{ca: empty, path: empty},
		{ca: damaged, path: damaged},
		{ca: dir, path: dir},
		{ca: pipe, path: pipe},
		{ca: endless, path: endless},
		{ca: huge, path: huge},
		{cert: client.Cert, key: pipe, path: pipe},
		{cert: huge, key: client.Key, path: huge},
		{cert: missing, key: client.Key, path: missing},
		{cert: client.Cert, key: missing, path: missing},
		{cert: client.Cert, key: other.Key, path: other.Key},
		{cert: damaged, key: client.Key, path: damaged},
		{cert: client.Cert, path: client.Cert},
		{key: client.Key, path: client.Key},
	}
	for _, row := range rows {
		req := e.request()
		if row.ca != "" {
			req.CA = row.ca
		}
		req.Cert, req.Key = row.cert, row.key
		info, err, target := e.fetchReq(req)
		want{kind: KindTLS, attempts: 0, text: row.path}.check(t, info, err, target)
	}
	req := e.request("file:///nowhere")
	req.CA = missing
	if _, err, _ := e.fetchReq(req); err == nil || err.Kind != KindNotFound {
		t.Errorf("a file URL needs no CA file: %v", err)
	}
}

// systemCA is what this process takes for the system's certificate authorities.
var systemCA *hosttest.CA

// TestMain replaces the system's authorities through the variables that Go
// reads them from.
func TestMain(m *testing.M) {
	hosttest.PlainEnvironment()
	dir, err := os.MkdirTemp("", "download-test")
	if err == nil {
		systemCA, err = hosttest.NewCA(dir, "system")
	}
	if err != nil {
		panic(err)
	}
	os.Setenv("SSL_CERT_FILE", systemCA.Path)
	os.Setenv("SSL_CERT_DIR", filepath.Join(dir, "none"))
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// TestPrivateCAIsAdded: the system's authorities count beside the private one,
// and both do after redirects to other hosts.
func TestPrivateCAIsAdded(t *testing.T) {
	overTLS(t, func(t *testing.T, e *env) {
		pair, err := systemCA.Issue(hosttest.Leaf{Name: "public-" + string(e.proto), Hosts: []string{"127.0.0.1"}})
		if err != nil {
			t.Fatal(err)
		}
		public := e.start(hosttest.Options{Protocol: e.proto, Certificate: pair})
		public.Put(filePath, hosttest.File{Content: e.content})
		public.SetPeer(e.server)
		e.server.SetPeer(public)
		for _, u := range []string{
			public.URL(filePath),
			e.server.URL(filePath),
			public.FaultURL("redirect-away", 0, filePath),
			e.server.FaultURL("redirect-away", 0, filePath),
		} {
			info, err, target := e.fetch(u)
			want{attempts: 1}.check(t, info, err, target)
		}
		req := e.request(public.URL(filePath))
		req.CA = ""
		info, typed, target := e.fetchReq(req)
		want{attempts: 1}.check(t, info, typed, target)
	})
}

// TestSettingsAreNotShared: many items with different TLS settings at once, each
// on connections of its own.
func TestSettingsAreNotShared(t *testing.T) {
	overTLS(t, func(t *testing.T, e *env) {
		strict := e.start(hosttest.Options{Protocol: e.proto, ClientCA: e.ca})
		strict.Put(filePath, hosttest.File{Content: e.content})
		clients := []*hosttest.Pair{e.issue(hosttest.Leaf{Name: "a"}), e.issue(hosttest.Leaf{Name: "b"})}
		e.engine.sleep = sleep
		var wg sync.WaitGroup
		for i := range 24 {
			req := e.request(strict.URL(filePath))
			req.Insecure = i%4 >= 2
			req.Cert, req.Key = clients[i%2].Cert, clients[i%2].Key
			wg.Go(func() {
				if _, err := e.engine.Fetch(t.Context(), req, e.target()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		users := map[string]string{}
		for _, entry := range strict.Log() {
			if before, ok := users[entry.Remote]; ok && before != entry.Client {
				t.Errorf("the connection %s was used by %s and %s", entry.Remote, before, entry.Client)
			}
			users[entry.Remote] = entry.Client
		}
		if n := len(strict.Log()); n != 24 {
			t.Errorf("%d requests, want 24", n)
		}
		if n := len(e.engine.trans.all); n != 4 {
			t.Errorf("%d transports for 4 settings", n)
		}
		// A secure item must not profit from the connections of insecure ones.
		req := e.request(strict.URL(filePath))
		req.CA = ""
		req.Cert, req.Key = clients[0].Cert, clients[0].Key
		info, err, target := e.fetchReq(req)
		want{kind: KindTLS, attempts: 1, text: "unknown authority"}.check(t, info, err, target)
	})
}

// TestChangedCertificateFiles: files are read again when they change.
func TestChangedCertificateFiles(t *testing.T) {
	e := newEnv(t, hosttest.HTTPS1, Config{})
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	req := e.request()
	req.CA = path
	info, err, target := e.fetchReq(req)
	want{kind: KindTLS, attempts: 0, text: path}.check(t, info, err, target)
	if err := os.WriteFile(path, []byte(read(t, e.ca.Path)), 0o600); err != nil {
		t.Fatal(err)
	}
	info, err, target = e.fetchReq(req)
	want{attempts: 1}.check(t, info, err, target)
}

func TestHTTP2Toggle(t *testing.T) {
	for toggle, proto := range map[Toggle]string{Default: "HTTP/1.1", On: "HTTP/2.0", Off: "HTTP/1.1"} {
		e := newEnv(t, hosttest.HTTPS2, Config{HTTP2: On})
		e.engine, _ = newEngine(t, Config{HTTP2: toggle})
		server := e.server
		if toggle != On {
			server = e.start(hosttest.Options{Protocol: hosttest.HTTPS1})
			server.Put(filePath, hosttest.File{Content: e.content})
		}
		info, err, target := e.fetch(server.URL(filePath))
		want{attempts: 1}.check(t, info, err, target)
		if got := server.Log()[0].Proto; got != proto {
			t.Errorf("toggle %d: spoke %s, want %s", toggle, got, proto)
		}
	}
	e := newEnv(t, hosttest.HTTPS2, Config{HTTP2: Off, MaxAttempts: 2})
	if _, err, _ := e.fetch(); err == nil || len(e.server.Log()) != 0 {
		t.Errorf("HTTP/2 was spoken although it is off: %v", err)
	}
}
