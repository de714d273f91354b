package artifact

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
)

// A registry does not make its client ask a cloud's metadata service.
func TestRegistryCannotLeadAstray(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/latest/meta-data/", http.StatusTemporaryRedirect)
		},
		"mapped": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://[::ffff:169.254.169.254]/", http.StatusTemporaryRedirect)
		},
	} {
		server := httptest.NewServer(answer)
		defer server.Close()
		c := client(t, nil)
		c.PlainHTTP = true
		_, err := c.Pull(t.Context(), mustParse(t, "oci://"+server.Listener.Addr().String()+"/a:1"))
		if err == nil || !strings.Contains(err.Error(), "the registry leads to 169.254.169.254, a link-local or metadata address") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is on this machine is for registries on this machine, and for proxies.
func TestGuardOfThisMachine(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	at, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		host        string
		here, proxy bool
		target      string
		want        string
	}{
		{host: "registry.example", target: server.URL, want: "an address of this machine"},
		{host: "registry.example", target: "http://0.0.0.0:" + at.Port(), want: "an address of this machine"},
		{host: at.Host, target: server.URL},
		{host: "localhost:1", here: true, target: server.URL},
		{host: "registry.example", proxy: true, target: "http://elsewhere.example/"},
	} {
		transport := &http.Transport{}
		defer transport.CloseIdleConnections()
		if c.proxy {
			transport.Proxy = http.ProxyURL(at)
		}
		resp, err := (&http.Client{Transport: newGuard(transport, c.host, c.here)}).Get(c.target)
		if err == nil {
			resp.Body.Close()
		}
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// A registry that sends a byte now and then does not hold its client for ever.
func TestPullTakesItsTimeOnly(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
		w.Header().Set("Content-Length", "100000")
		for r.Context().Err() == nil {
			fmt.Fprint(w, " ")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(10 * time.Millisecond)
		}
	}))
	defer server.Close()
	c := client(t, nil)
	c.PlainHTTP, c.PullTime = true, 300*time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := c.Pull(ctx, mustParse(t, "oci://"+server.Listener.Addr().String()+"/a:1"))
	if err == nil || !strings.Contains(err.Error(), "the registry took longer than 300ms") {
		t.Errorf("got %v", err)
	}
}

// A FIFO in the cache does not hold anybody: it is removed like what is damaged.
func TestCachedFIFO(t *testing.T) {
	dir, sum := t.TempDir(), digest.FromString("x")
	file := path(dir, sum)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(file, 0o600); err != nil {
		t.Fatal(err)
	}
	read := make(chan []byte)
	go func() { read <- verified(dir, sum, 10) }()
	select {
	case data := <-read:
		if _, err := os.Lstat(file); data != nil || err == nil {
			t.Errorf("got %q, and the FIFO is there: %v", data, err == nil)
		}
	case <-time.After(time.Minute):
		t.Fatal("reading the cache waits for a writer")
	}
}
