package e2e

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

// withHosts is a command line that runs the program with another /etc/hosts.
func (s *sandbox) withHosts(hosts string) []string {
	s.t.Helper()
	path := s.write("hosts", []byte(hosts))
	wrap := []string{need(s.t, "unshare", "util-linux"), "--mount", "/bin/sh", "-c", `mount --bind "$0" /etc/hosts && exec "$@"`, path}
	if out, err := exec.Command(wrap[0], append(wrap[1:], "true")...).CombinedOutput(); err != nil {
		s.t.Skipf("only root can give the program another /etc/hosts: %v: %s", err, out)
	}
	return wrap
}

// TestDeadIPv6: a name has an IPv6 address where nobody answers and an IPv4
// address where the server is.
//
// adversary: B34
func TestDeadIPv6(t *testing.T) {
	t.Parallel()
	ca := newCA(t, "ca")
	for _, proto := range hosttest.Protocols {
		t.Run(string(proto), func(t *testing.T) {
			server := hosttest.Start(t, hosttest.Options{Protocol: proto, Certificate: serverPair(t, ca)})
			hosttest.BlackHole(t, "[::1]:"+server.Port())
			data := content("dual", 1000)
			server.Put("/file", hosttest.File{Content: data})
			named := func(host string) string { return strings.Replace(server.URL("/file"), "127.0.0.1", host, 1) }
			for _, foreign := range []bool{false, true} {
				s := newSandbox(t)
				s.env = append(s.env, "SSL_CERT_FILE="+ca.Path)
				if foreign {
					s.foreign(named("dual.test"), named("[::1]"), named("127.0.0.1"))
				}
				m := s.manifest(items{key(data): named("dual.test")})
				argv := append(s.withHosts("::1 dual.test\n127.0.0.1 dual.test\n"),
					built.program, "fetch", "--store", s.store, "--output", "json", m)
				o := s.start(argv...).wait().ends(0)
				if it := o.items[key(data)]; it.Attempts != 1 {
					t.Errorf("foreign plugin: %v: %d attempts, want 1", foreign, it.Attempts)
				}
				s.holds(key(data))
			}
		})
	}
}
