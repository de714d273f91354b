package e2e

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

// credentials are what an Authorization has brought, in the form it was sent or
// decoded, in turn.
func credentials(header string, turn int) string {
	_, text, _ := strings.Cut(header, " ")
	if plain, err := base64.StdEncoding.DecodeString(text); err == nil && turn%2 == 0 {
		return string(plain)
	}
	return text
}

// telltale is a proxy that answers everything by repeating the password that it was
// sent, each time in another way, after a call of see. It returns its address and counts
// the passwords.
func telltale(t *testing.T, see func()) (addr string, got *atomic.Int64) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	answers := []string{
		"HTTP/1.1 407 who is %s\r\nProxy-Authenticate: Basic realm=\"%[1]s\"\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 403 not you, %s\r\n\r\n", "%s\r\n\r\n",
		"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/%s\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\n" + strings.Repeat("x", 310) + "%s\r\n\r\n",
		"HTTP/1.1 502 %s\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n", "",
	}
	got = &atomic.Int64{}
	answer := func(conn net.Conn) {
		defer conn.Close()
		r, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil || r.Header.Get("Proxy-Authorization") == "" {
			fmt.Fprint(conn, "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n")
			return
		}
		see()
		n := int(got.Add(1))
		if a := answers[n%len(answers)]; a != "" {
			fmt.Fprintf(conn, a, credentials(r.Header.Get("Proxy-Authorization"), n/len(answers)))
		}
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go answer(conn)
		}
	}()
	return listener.Addr().String(), got
}

// everySource writes a manifest with items of each source that uses a network: files
// and repositories on the server, with the credentials in user, and an image.
func (s *secretive) everySource(server, user, image string) string {
	s.t.Helper()
	at := func(scheme, path string) string { return scheme + "://" + user + server + path }
	files, packages := map[string]any{}, map[string]any{}
	for i := range 12 {
		files[key(content("file", 100+i))] = at([]string{"http", "https"}[i%2], fmt.Sprint("/file-", i))
		packages[key(content("package", 100+i))] = map[string]any{"path": fmt.Sprint("p-", i), "mirror": []string{"base", "meta", "list"}[i%3]}
	}
	mirror := func(kind string) map[string]any { return map[string]any{"url": at("http", "/"+kind), "type": kind} }
	commits := map[string]any{}
	for i, scheme := range []string{"http", "https", "http"} {
		commits[strings.Repeat(fmt.Sprint(i), 64)] = map[string]any{"remote": map[string]any{"url": at(scheme, fmt.Sprint("/repo-", i))}}
	}
	images := map[string]any{}
	for i := range 4 {
		images[key(content("image", i+1))] = map[string]any{"image": map[string]any{"name": image, "digest": key(content("manifest", i+1)), "tls-verify": false}}
	}
	data, err := json.Marshal(map[string]any{"version": "2", "sources": map[string]any{
		"org.osbuild.curl": map[string]any{"items": files}, "org.osbuild.ostree": map[string]any{"items": commits}, "org.osbuild.skopeo": map[string]any{"items": images},
		"org.osbuild.librepo": map[string]any{"items": packages, "options": map[string]any{"mirrors": map[string]any{"base": mirror("baseurl"), "meta": mirror("metalink"), "list": mirror("mirrorlist")}}},
	}})
	if err != nil {
		s.t.Fatal(err)
	}
	return s.input("every.json", string(data))
}

// TestRedactionProxy: no source shows the password of a proxy that repeats it.
func TestRedactionProxy(t *testing.T) {
	t.Parallel()
	need(t, "skopeo", "skopeo")
	need(t, "ostree", "ostree")
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := newSecretive(t)
			s.policy(acceptAnything)
			addr, got := telltale(t, s.see)
			proxy := "http://" + url.UserPassword("builder", s.value("proxy")).String() + "@" + addr
			for _, name := range []string{"OSBUILD_SOURCES_CURL_PROXY", "OSBUILD_SOURCES_OSTREE_PROXY", "http_proxy", "HTTPS_PROXY", "HTTP_PROXY", "https_proxy"} {
				s.env = append(s.env, name+"="+proxy)
			}
			m := s.everySource("mirror.test", "", "registry.test/team/app")
			o, programs := s.watched(func() *outcome {
				return s.fetch(m, "--container-engine", engine, "--log-level", "debug").ends(1)
			})
			s.met(o, engine, programs, got.Load())
		})
	}
}

// met checks that all items have failed, that programs were watched, and that
// passwords came.
func (s *secretive) met(o *outcome, engine string, programs map[string]bool, passwords int64) {
	s.t.Helper()
	if n := o.doc.Counts; n.Failed != 31 || n.Fetched != 0 {
		s.t.Errorf("the items became %+v: %s", n, o.failures())
	}
	if !programs[filepath.Base(built.program)] {
		s.t.Errorf("only these programs were seen: %v", slices.Sorted(maps.Keys(programs)))
	}
	if ostree, skopeo := s.runs("ostree"), s.runs("skopeo"); ostree < 3 || (skopeo > 0) != (engine == "skopeo") {
		s.t.Errorf("ostree ran %d times, skopeo %d times", ostree, skopeo)
	}
	if passwords < 20 {
		s.t.Errorf("passwords came %d times", passwords)
	}
}

// TestRedactionServers: no source shows the password of a server or registry that
// repeats it, nor is it in the arguments of a program.
func TestRedactionServers(t *testing.T) {
	t.Parallel()
	need(t, "skopeo", "skopeo")
	need(t, "ostree", "ostree")
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := newSecretive(t)
			s.policy(acceptAnything)
			var got atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.see(); repeatPassword(w, r, &got) }))
			t.Cleanup(server.Close)
			addr := server.Listener.Addr().String()
			registry := base64.StdEncoding.EncodeToString([]byte("builder:" + s.value("registry")))
			auth := s.input("auth.json", fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, addr, registry))
			s.env = append(s.env, "REGISTRY_AUTH_FILE="+auth)
			m := s.everySource(addr, url.UserPassword("builder", s.value("userinfo")).String()+"@", addr+"/team/app")
			o, programs := s.watched(func() *outcome {
				return s.fetch(m, "--container-engine", engine, "--log-level", "debug").ends(1)
			})
			s.met(o, engine, programs, got.Load())
		})
	}
}

// repeatPassword wants a password, and then repeats it in some way.
func repeatPassword(w http.ResponseWriter, r *http.Request, got *atomic.Int64) {
	header := r.Header.Get("Authorization")
	if header == "" {
		w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	}
	n := int(got.Add(1))
	if r.URL.Path == "/v2/" && n%3 == 0 { // let the registry's client go on
		return
	}
	said := credentials(header, n/6)
	message, _ := json.Marshal(map[string]any{"errors": []any{map[string]string{"code": "DENIED", "message": "no " + said, "detail": said}}})
	switch n % 6 {
	case 0:
		http.Redirect(w, r, "/gone/"+url.PathEscape(said), http.StatusTemporaryRedirect)
	case 1, 2:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader([]int{http.StatusForbidden, http.StatusNotFound}[n%6-1])
		w.Write(message)
	case 3:
		w.Header().Set("Docker-Content-Digest", said)
		w.Header().Set("Content-Type", said)
		fmt.Fprintf(w, "<metalink><file name=%q><url>http://127.0.0.1:1/%s</url></file></metalink>", said, url.PathEscape(said))
	case 4:
		http.Error(w, strings.Repeat("x", 390)+said, http.StatusInternalServerError)
	case 5:
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			fmt.Fprintf(conn, "HTTP/1.1 500 %s\r\n\r\n", said)
			conn.Close()
		}
	}
}

// TestRedactionService: what osbuild is answered, in both forms, and its log, show no
// secret either.
func TestRedactionService(t *testing.T) {
	t.Parallel()
	for _, version := range []int{185, 191} {
		t.Run(fmt.Sprint("v", version), func(t *testing.T) {
			t.Parallel()
			redactionService(t, version)
		})
	}
}

func redactionService(t *testing.T, version int) {
	server := hosttest.Start(t, hosttest.Options{})
	s := newSecretive(t, server)
	all := items{}
	faults := echoes(hosttest.HTTP)
	for i, fault := range slices.Sorted(maps.Keys(faults)) {
		path := fmt.Sprintf("/%s/%s/%s", secretPlaces[i%4], secretSources[i%len(secretSources)], fault)
		data := content("service"+path, 30_000)
		server.Put(path, hosttest.File{Content: data})
		server.Script(path, faults[fault])
		all[key(data)] = server.URL(path)
	}
	w := s.marks.watch()
	r := s.osbuild(version, "org.osbuild.curl", s.download(all))
	found, _ := w.stop()
	for _, f := range found {
		t.Errorf("the arguments of a process show the secret %s", f)
	}
	r.failed(0, version)
	report, err := json.Marshal(r.Answers)
	if err != nil {
		t.Fatal(err)
	}
	s.marks.hidden(t, fmt.Sprintf("the reply to version %d", version), report)
	s.marks.hidden(t, fmt.Sprintf("the reply to version %d", version), []byte(r.Answers[0].Text))
	s.marks.hidden(t, fmt.Sprintf("the log for version %d", version), []byte(strings.Join(r.Lines, "\n")))
	if !strings.Contains(strings.Join(r.Lines, "\n"), "[secret ") {
		t.Error("the log has no secret that was hidden")
	}
	s.marks.hiddenIn(t, s.store, time.Time{})
}
