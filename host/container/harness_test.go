package container_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sourcehost/sourcehost/host/command"
	"github.com/sourcehost/sourcehost/host/container"
	"github.com/sourcehost/sourcehost/host/hosttest"
)

func skopeoProgram(tb testing.TB) string { return hosttest.NeedProgram(tb, "skopeo", "skopeo") }

// skopeoRun runs the real skopeo and returns its output.
func skopeoRun(t testing.TB, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(skopeoProgram(t), args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("skopeo %s: %v: %s", strings.Join(args, " "), err, stderr.String())
	}
	return out
}

// trySkopeo runs the real skopeo.
func trySkopeo(t *testing.T, args ...string) error {
	t.Helper()
	out, err := exec.Command(skopeoProgram(t), args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// runner runs programs as the host does.
func runner(ctx context.Context, program string, args, env []string, dir string, progress func(string)) ([]byte, error) {
	result, err := command.Run(ctx, command.Spec{Program: program, Args: args, Env: env, Dir: dir, Progress: progress})
	return result.Stdout, err
}

// environ is an environment of these variables, and of those without which
// skopeo does not work.
func environ(variables map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		if value, ok := variables[name]; ok {
			return value, true
		}
		if name == "PATH" || name == "HOME" {
			return os.LookupEnv(name)
		}
		return "", false
	}
}

// newCopier returns a copier with one engine.
func newCopier(t testing.TB, engine string, cfg container.Config) *container.Copier {
	t.Helper()
	cfg.Engine, cfg.BackoffBase = engine, 10*time.Millisecond
	if cfg.Environ == nil {
		cfg.Environ = environ(nil)
	}
	if engine == container.Skopeo {
		return container.New(cfg, nil, container.NewSkopeo(cfg, skopeoProgram(t), runner))
	}
	embedded, err := container.NewEmbedded(cfg)
	must(t, err)
	return container.New(cfg, embedded, nil)
}

// eachEngine runs a test for each engine of this build.
func eachEngine(t *testing.T, test func(t *testing.T, engine string)) {
	t.Run(container.Skopeo, func(t *testing.T) {
		skopeoProgram(t)
		test(t, container.Skopeo)
	})
	t.Run(container.Embedded, func(t *testing.T) {
		if _, err := container.NewEmbedded(container.Config{}); errors.Is(err, container.ErrNotBuilt) {
			t.Skip(err)
		}
		test(t, container.Embedded)
	})
}

// request asks for an image of a registry over plain http.
func request(t testing.TB, name string, i testImage) container.Request {
	t.Helper()
	dest := filepath.Join(t.TempDir(), "sha256:key") // keys of a store have a colon
	must(t, os.Mkdir(dest, 0o700))
	r := container.Request{
		Name: "item", ID: i.id(), Dest: dest,
		Image: container.Image{Name: name, Digest: i.digest(), SkipTLSVerify: true},
		// As the host asks for images: what is tested here is tested through the guard.
		Addresses: &container.Addresses{Foreign: true},
	}
	if i.config == nil {
		r.IndexOnly, r.ID, r.Image.Digest = true, i.digest(), ""
	}
	return r
}

var anything = container.Config{Policy: container.AcceptAnything}

// wantError checks the kind of a failure, and that nothing is left of it.
func wantError(t *testing.T, r container.Request, err error, kind container.Kind, texts ...string) *container.Error {
	t.Helper()
	e, ok := errors.AsType[*container.Error](err)
	if !ok {
		t.Fatalf("got %v, expected an error of the kind %q", err, kind)
	}
	if e.Kind != kind {
		t.Errorf("kind %q, expected %q: %v", e.Kind, kind, err)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q does not say %q", err, text)
		}
	}
	if left := readDir(t, r.Dest); len(left) > 0 {
		t.Errorf("the destination still has %v", left)
	}
	return e
}

// front stands in front of a registry, counts requests and misbehaves.
type front struct {
	addr string

	mu     sync.Mutex
	counts map[string]int
	fault  func(w http.ResponseWriter, r *http.Request, n int) bool
}

// newFront starts a front; fault, which may be nil, is given each GET with the
// number of those of the same path before it, and says whether it answered.
func newFront(t *testing.T, registry string, fault func(w http.ResponseWriter, r *http.Request, n int) bool) *front {
	t.Helper()
	f := &front{counts: map[string]int{}, fault: fault}
	target := &url.URL{Scheme: "http", Host: registry}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // so that the registry's redirects lead here
	}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && f.answered(w, r) {
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	f.addr = server.Listener.Addr().String()
	return f
}

func (f *front) answered(w http.ResponseWriter, r *http.Request) bool {
	f.mu.Lock()
	n := f.counts[r.URL.Path]
	f.counts[r.URL.Path]++
	f.mu.Unlock()
	return f.fault != nil && f.fault(w, r, n)
}

// blobs is how often the blob was asked for.
func (f *front) blobs(digest string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for path, count := range f.counts {
		if strings.HasSuffix(path, "/blobs/"+digest) {
			n += count
		}
	}
	return n
}

// needAMD64 skips tests in which the machine's architecture is chosen.
func needAMD64(t *testing.T) {
	t.Helper()
	if runtime.GOARCH != "amd64" {
		t.Skip("the lists of these tests are for amd64 machines")
	}
}
