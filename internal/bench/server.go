package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// server serves the files of one workload: in a process of its own, on a port for
// each protocol, and behind proxies that delay.
type server struct {
	b       *bench
	dir     string
	files   []served
	ports   map[protocol]int
	delayed map[string]int // ports of delaying proxies
	procs   []*exec.Cmd
}

// server starts the server of a workload when it is first asked for.
func (b *bench) server(w workload) (*server, error) {
	if s := b.servers[w.name]; s != nil {
		return s, nil
	}
	s := &server{b: b, dir: filepath.Join(b.data, w.name), ports: map[protocol]int{}, delayed: map[string]int{}}
	fmt.Fprintf(os.Stderr, "making %s in %s\n", w.title, s.dir)
	if err := b.self("generate", w.name, strconv.FormatFloat(b.scale, 'g', -1, 64), s.dir).Run(); err != nil {
		return nil, fmt.Errorf("making the files: %w", err)
	}
	var err error
	if s.files, err = readIndex(s.dir); err != nil {
		return nil, err
	}
	for _, p := range []protocol{overHTTP, overHTTP1, overHTTP2} {
		if s.ports[p], err = freePort(); err != nil {
			return nil, err
		}
	}
	b.servers[w.name] = s
	if _, err := exec.LookPath("nginx"); err != nil || b.goServer {
		err = s.startGo()
		return s, err
	}
	return s, s.startNginx(w)
}

// self is a command that runs this program in another role.
func (b *bench) self(role ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", append([]string{rolePrefix}, role...)...)
	cmd.Stderr = os.Stderr
	return cmd
}

// freePort finds a port for a server. Until this program ends no other is given it:
// a socket has it that does not listen, and servers listen beside that.
func freePort() (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return 0, err
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		return 0, err
	}
	return bound.(*unix.SockaddrInet4).Port, nil
}

func (s *server) startNginx(w workload) error {
	dir := filepath.Join(s.b.dir, "nginx-"+w.name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	// One worker for each processor, as distributions ship it; files are sent
	// without a copy. Limits are such that no contender meets them.
	config := fmt.Sprintf(`daemon off; worker_processes auto; pid "%[1]s/pid"; error_log "%[1]s/error.log" warn;
events { worker_connections 4096; }
http {
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000; open_file_cache max=5000;
  client_body_temp_path "%[1]s/b"; proxy_temp_path "%[1]s/p"; fastcgi_temp_path "%[1]s/f"; uwsgi_temp_path "%[1]s/u"; scgi_temp_path "%[1]s/s";
  ssl_certificate "%[2]s"; ssl_certificate_key "%[3]s"; ssl_session_cache shared:tls:10m;
  root "%[4]s";
  server { listen 127.0.0.1:%[5]d; }
  server { listen 127.0.0.1:%[6]d ssl; }
  server { listen 127.0.0.1:%[7]d ssl http2; }
}
`, dir, s.b.cas.cert, s.b.cas.key, s.dir, s.ports[overHTTP], s.ports[overHTTP1], s.ports[overHTTP2])
	if os.Geteuid() == 0 {
		config = "user root;\n" + config // it must read what this user made
	}
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
		return err
	}
	cmd := exec.Command("nginx", "-e", filepath.Join(dir, "error.log"), "-c", path)
	cmd.Stderr = os.Stderr
	return s.start(cmd, s.ports[overHTTP])
}

func (s *server) startGo() error {
	return s.start(s.b.self("serve", s.dir, s.b.cas.cert, s.b.cas.key,
		strconv.Itoa(s.ports[overHTTP]), strconv.Itoa(s.ports[overHTTP1]), strconv.Itoa(s.ports[overHTTP2])), s.ports[overHTTP])
}

// start starts a server and waits until it answers on the port.
func (s *server) start(cmd *exec.Cmd, port int) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.procs = append(s.procs, cmd)
	for range 6000 { // a minute
		if c, err := net.Dial("tcp", localhost(port)); err == nil {
			return c.Close()
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("%s: %w", cmd.Path, errNoServer)
}

func localhost(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// base is the URL of the folder with the files, over a protocol and at a distance.
func (s *server) base(p protocol, rtt time.Duration) (string, error) {
	port := s.ports[p]
	if rtt > 0 {
		key := string(p) + rtt.String()
		if s.delayed[key] == 0 {
			free, err := freePort()
			if err != nil {
				return "", err
			}
			if err := s.start(s.b.self("delay", localhost(free), localhost(port), rtt.String()), free); err != nil {
				return "", err
			}
			s.delayed[key] = free
		}
		port = s.delayed[key]
	}
	scheme := "https"
	if p == overHTTP {
		scheme = "http"
	}
	return scheme + "://" + localhost(port) + "/", nil
}

func (s *server) stop() error {
	var failed []error
	for _, cmd := range s.procs {
		failed = append(failed, cmd.Process.Signal(syscall.SIGTERM))
		_ = cmd.Wait() // the status of a program that was told to end
	}
	return errors.Join(failed...)
}

func serverVersion(goServer bool) string {
	out, err := exec.Command("nginx", "-v").CombinedOutput()
	if err != nil || goServer {
		return "Go net/http (nginx is missing: install nginx-light)"
	}
	_, v, _ := strings.Cut(strings.TrimSpace(string(out)), ": ")
	return strings.TrimPrefix(v, "nginx version: ")
}

// machine says in a line what the figures were measured on.
func machine() string {
	var name string
	n := 0
	f, err := os.Open("/proc/cpuinfo")
	if err == nil {
		defer f.Close()
		for lines := bufio.NewScanner(io.LimitReader(f, 1<<20)); lines.Scan(); {
			if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == "model name" {
				name, n = strings.TrimSpace(value), n+1
			}
		}
	}
	load := "unknown"
	if data, err := os.ReadFile("/proc/loadavg"); err == nil {
		load, _, _ = strings.Cut(string(data), " ")
	}
	return fmt.Sprintf("%d processors (%s), load %s before the first run", n, name, load)
}
