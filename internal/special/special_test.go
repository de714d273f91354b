package special

import (
	"net/netip"
	"testing"
)

func TestAddresses(t *testing.T) {
	for _, c := range []struct {
		addr          string
		machine, link bool
	}{
		{"127.0.0.1", true, false}, {"127.9.9.9", true, false}, {"::1", true, false}, {"0.0.0.0", true, false}, {"::", true, false},
		{"::ffff:127.0.0.1", true, false}, {"64:ff9b::7f00:1", true, false},
		{"64:ff9b:1::7f00:1", true, false}, {"2002:7f00:1::", true, false}, {"::ffff:0:127.0.0.1", true, false}, {"::127.0.0.1", true, false},
		{"64:ff9b:1::a9fe:a9fe", false, true}, {"2002:a9fe:a9fe::1", false, true}, {"::169.254.169.254", false, true},
		{"2002:c000:201::1", false, false}, {"64:ff9b:1::c000:201", false, false},
		{"169.254.169.254", false, true}, {"::ffff:169.254.169.254", false, true}, {"64:ff9b::a9fe:a9fe", false, true},
		{"fe80::1%eth0", false, true}, {"224.0.0.1", false, true}, {"ff02::1", false, true},
		{"fd00:ec2::254", false, true}, {"fd20:ce::254", false, true}, {"100.100.100.200", false, true},
		{"168.63.129.16", false, true}, {"64:ff9b::a83f:8110", false, true}, {"192.0.0.192", false, true},
		{"192.0.2.1", false, false}, {"10.0.0.1", false, false}, {"2001:db8::1", false, false}, {"64:ff9b::c000:201", false, false},
	} {
		ip := netip.MustParseAddr(c.addr)
		if OfThisMachine(ip) != c.machine || OfTheLink(ip) != c.link {
			t.Errorf("%s: of this machine %v, of the link %v", c.addr, OfThisMachine(ip), OfTheLink(ip))
		}
	}
}
