package host

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/internal/plugin"
)

// addresses by what they are.
var (
	linkAddrs = []string{"169.254.169.254", "169.254.0.1", "::ffff:169.254.169.254", "fe80::1", "fe80::1%eth0", "fd00:ec2::254",
		"64:ff9b::a9fe:a9fe", "100.100.100.200", "fd20:ce::254"}
	hereAddrs  = []string{"127.0.0.1", "127.1.2.3", "::1", "0.0.0.0", "::", "::ffff:127.0.0.1", "64:ff9b::7f00:1"}
	plainAddrs = []string{"10.0.0.1", "192.0.2.1", "fd00::1", "2001:db8::1", "64:ff9b::c000:201"}
)

// refused tells for each address whether a rule refuses it.
func refused(t *testing.T, p *policy, capability string, addrs []string, redirect bool) (refused, allowed int) {
	t.Helper()
	rule, redirected := p.addrRules(capability)
	if redirect && redirected != nil {
		rule = redirected
	}
	for _, a := range addrs {
		if err := rule.Allow(netip.AddrPortFrom(netip.MustParseAddr(a), 8080)); err != nil {
			refused++
		} else {
			allowed++
		}
	}
	return refused, allowed
}

// adversary: A10d
func TestAddressesOfBuiltinPlugins(t *testing.T) {
	p := newPolicy(Plugin{Name: "p", Builtin: true}, "/")
	p.request([]plugin.Capability{{Name: "download", Values: []string{"*"}}})
	for _, c := range []struct {
		name     string
		addrs    []string
		redirect bool
		refused  bool
	}{
		{"link", linkAddrs, false, true}, {"this machine", hereAddrs, false, false}, {"others", plainAddrs, false, false},
		{"redirected, link", linkAddrs, true, true}, {"redirected, this machine", hereAddrs, true, true}, {"redirected, others", plainAddrs, true, false},
	} {
		if no, yes := refused(t, p, "download", c.addrs, c.redirect); c.refused && yes > 0 || !c.refused && no > 0 {
			t.Errorf("%s: %d refused, %d allowed", c.name, no, yes)
		}
	}
	p.addrs.linkLocal = true
	if no, _ := refused(t, p, "download", linkAddrs, true); no > 0 {
		t.Errorf("the configuration allows link-local addresses, but %d are refused", no)
	}
}

// A foreign plugin needs a grant that names a special address: neither "*" nor the
// name of a host that resolves to it is one.
//
// adversary: A10d
func TestAddressesOfForeignPlugins(t *testing.T) {
	for _, c := range []struct {
		grant string
		addr  string
		want  bool
	}{
		{"*", "192.0.2.1:80", true}, {"*", "10.0.0.1:80", true},
		{"*", "127.0.0.1:80", false}, {"*", "[::1]:80", false}, {"*", "169.254.169.254:80", false}, {"*", "[::ffff:127.0.0.1]:80", false},
		{"http://name.example/", "127.0.0.1:80", false}, {"http://name.example/", "169.254.169.254:80", false},
		{"http://127.0.0.1/", "127.0.0.1:80", true}, {"http://127.0.0.1/", "127.0.0.1:8080", false}, {"http://127.0.0.1:8080/x/", "127.0.0.1:8080", true},
		{"http://127.0.0.1/", "127.0.0.2:80", false}, {"https://127.0.0.1/", "127.0.0.1:443", true}, {"http://[::1]/", "[::1]:80", true},
		{"http://localhost/", "127.0.0.1:80", true}, {"http://localhost/", "[::1]:80", true}, {"http://localhost/", "169.254.169.254:80", false},
		{"http://169.254.169.254/", "169.254.169.254:80", true}, {"http://169.254.169.254/", "[::ffff:169.254.169.254]:80", true},
		{"http://169.254.169.254/", "127.0.0.1:80", false},
	} {
		p := newPolicy(Plugin{Name: "p", Grant: Grant{HTTP: []string{c.grant}, Download: []string{"http://127.0.0.1:9/"}}}, "/")
		rule, redirected := p.addrRules("http")
		err := rule.Allow(netip.MustParseAddrPort(c.addr))
		if (err == nil) != c.want || redirected != nil {
			t.Errorf("granted %s, connecting to %s: %v, want %v", c.grant, c.addr, err, c.want)
		}
		if err != nil && !strings.Contains(err.Error(), "[plugin.p.grant]") {
			t.Errorf("the denial does not say what to grant: %v", err)
		}
	}
}

// Connections are shared by rule, so there must be one rule for each policy.
func TestAddrRulesAreShared(t *testing.T) {
	p, q := newPolicy(Plugin{Name: "p"}, "/"), newPolicy(Plugin{Name: "q"}, "/")
	a, _ := p.addrRules("http")
	b, _ := p.addrRules("http")
	c, _ := p.addrRules("download")
	d, _ := q.addrRules("http")
	if a != b || a == c || a == d {
		t.Errorf("rules are shared where they must not be, or the reverse: %p %p %p %p", a, b, c, d)
	}
}
