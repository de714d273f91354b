package host

import (
	"net/netip"
	"testing"
)

func TestRefuseLinkLocal(t *testing.T) {
	for addr, refused := range map[string]bool{
		"169.254.169.254": true, "169.254.0.1": true, "::ffff:169.254.169.254": true, "fe80::1": true, "fe80::1%eth0": true, "fd00:ec2::254": true,
		"127.0.0.1": false, "::1": false, "10.0.0.1": false, "192.0.2.1": false, "fd00::1": false, "2001:db8::1": false,
	} {
		if err := refuseLinkLocal(netip.MustParseAddr(addr)); (err != nil) != refused {
			t.Errorf("%s: %v, want refused: %v", addr, err, refused)
		}
	}
}

// The engine has the policy by default, and not when the operator allows it.
func TestAddressPolicyIsWired(t *testing.T) {
	for _, allowed := range []bool{false, true} {
		cfg := Config{AllowLinkLocal: allowed}
		if policy := downloadConfig(cfg).AddrPolicy; (policy == nil) != allowed {
			t.Errorf("allowed: %v, the engine has a policy: %v", allowed, policy != nil)
		}
	}
}
