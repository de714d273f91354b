package e2e

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

// local is what servers on the loopback are called in their certificates.
var local = []string{"127.0.0.1", "::1", "localhost", "dual.test"}

func newCA(t *testing.T, name string) *hosttest.CA {
	t.Helper()
	ca, err := hosttest.NewCA(t.TempDir(), name)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func issue(t *testing.T, ca *hosttest.CA, leaf hosttest.Leaf) *hosttest.Pair {
	t.Helper()
	pair, err := ca.Issue(leaf)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// serverPair is a certificate for a server on the loopback.
func serverPair(t *testing.T, ca *hosttest.CA) *hosttest.Pair {
	t.Helper()
	return issue(t, ca, hosttest.Leaf{Name: "server", Hosts: local})
}

// freePort returns a port of 127.0.0.1 that nobody uses at the moment.
func freePort(t *testing.T) int {
	t.Helper()
	_, port, err := net.SplitHostPort(hosttest.Free(t))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// daemon runs a program in the foreground until the test ends, and waits until
// it listens.
func daemon(t *testing.T, log string, port int, argv ...string) {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	out, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out.Close()
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(prompt):
			cmd.Process.Kill()
			<-ended
		}
	})
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	eventually(t, argv[0]+" listens", func() bool {
		select {
		case <-ended:
			text, _ := os.ReadFile(log)
			t.Fatalf("%s has ended: %s", argv[0], text)
		default:
		}
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// nginx is a real server for the files beneath root.
type nginx struct {
	t         *testing.T
	dir, root string
	// The ports: http, https with HTTP/1.1 and with HTTP/2, and https without a
	// client certificate.
	plain, tls1, tls2, open int
	marks                   int // requests of log
}

const nginxConfig = `daemon off;
master_process off;
worker_processes 1;
pid DIR/nginx.pid;
error_log DIR/error.log;
events { worker_connections 512; }
http {
  log_format seen '$connection|$server_protocol|$ssl_client_s_dn|$request_uri';
  access_log DIR/access.log seen;
  client_body_temp_path DIR/body; proxy_temp_path DIR/proxy; fastcgi_temp_path DIR/fastcgi;
  uwsgi_temp_path DIR/uwsgi; scgi_temp_path DIR/scgi;
  keepalive_requests 10000;
  root DIR/root;
  server {
    listen 127.0.0.1:PLAIN;
    location /moved/ { rewrite ^/moved/(.*)$ /$1 redirect; }
    location /slow/ { limit_rate 2m; }
    location /secure/ { rewrite ^/secure/(.*)$ https://127.0.0.1:OPEN/$1 permanent; }
  }
  ssl_certificate CERT; ssl_certificate_key KEY;
  ssl_client_certificate CA; ssl_verify_client on;
  server { listen 127.0.0.1:TLS1 ssl; }
  server { listen 127.0.0.1:TLS2 ssl http2; }
  server { listen 127.0.0.1:OPEN ssl; ssl_verify_client off; }
}
`

// startNginx starts a server two of whose https ports demand a client
// certificate of ca.
func startNginx(t *testing.T, ca *hosttest.CA) *nginx {
	t.Helper()
	program := need(t, "nginx", "nginx-light")
	n := &nginx{t: t, dir: t.TempDir(), plain: freePort(t), tls1: freePort(t), tls2: freePort(t), open: freePort(t)}
	n.root = filepath.Join(n.dir, "root")
	if err := os.Mkdir(n.root, 0o755); err != nil {
		t.Fatal(err)
	}
	pair := serverPair(t, ca)
	config := strings.NewReplacer("DIR", n.dir, "PLAIN", strconv.Itoa(n.plain), "TLS1", strconv.Itoa(n.tls1),
		"TLS2", strconv.Itoa(n.tls2), "OPEN", strconv.Itoa(n.open), "CERT", pair.Cert, "KEY", pair.Key, "CA", ca.Path).Replace(nginxConfig)
	if os.Getuid() == 0 {
		config = "user root;\n" + config
	}
	path := filepath.Join(n.dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	daemon(t, filepath.Join(n.dir, "log"), n.plain, program, "-p", n.dir, "-c", path, "-e", filepath.Join(n.dir, "error.log"))
	return n
}

// put makes a file and returns its key.
func (n *nginx) put(name string, data []byte) string {
	n.t.Helper()
	path := filepath.Join(n.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		n.t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		n.t.Fatal(err)
	}
	return key(data)
}

// url returns the URL of a path on one of the ports.
func (n *nginx) url(port int, path string) string {
	scheme := "https"
	if port == n.plain {
		scheme = "http"
	}
	return fmt.Sprintf("%s://127.0.0.1:%d/%s", scheme, port, path)
}

// request is a line of the access log.
type request struct{ connection, protocol, client, uri string }

// log waits until it has all requests that were answered before, and at least min, and
// returns them. The server has one process, so what it logs after the answer is in the log
// before a request that comes later.
func (n *nginx) log(min int) (all []request) {
	n.t.Helper()
	n.marks++
	mark := fmt.Sprintf("/mark-%d", n.marks)
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get(n.url(n.plain, mark[1:]))
	if err != nil {
		n.t.Fatal(err)
	}
	resp.Body.Close()
	eventually(n.t, "the requests are in the log", func() bool {
		all = nil
		marked := false
		data, err := os.ReadFile(filepath.Join(n.dir, "access.log"))
		if err != nil {
			n.t.Fatal(err)
		}
		for _, line := range lines(string(data)) {
			f := strings.SplitN(line, "|", 4)
			if len(f) == 4 && strings.HasPrefix(f[3], "/mark-") {
				marked = marked || f[3] == mark
			} else if len(f) == 4 {
				all = append(all, request{f[0], f[1], f[2], f[3]})
			}
		}
		return marked && len(all) >= min
	})
	return all
}
