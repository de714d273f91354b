// Package special tells addresses that a name can resolve to although nobody meant
// them: those of this machine, where services listen that trust their peers, and
// those where a cloud answers questions about the machine and hands out its
// credentials.
package special

import "net/netip"

// embedding are the prefixes under which an IPv6 address holds an IPv4 address, and at
// which of its bytes: a gateway or a tunnel leads on to that.
var embedding = []struct {
	prefix netip.Prefix
	at     int
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12},    // NAT64 (RFC 6052)
	{netip.MustParsePrefix("64:ff9b:1::/48"), 12},  // NAT64 of a network's own (RFC 8215)
	{netip.MustParsePrefix("2002::/16"), 2},        // 6to4 (RFC 3056)
	{netip.MustParsePrefix("::ffff:0:0:0/96"), 12}, // translated (RFC 2765)
	{netip.MustParsePrefix("::/96"), 12},           // compatible (RFC 4291, 2.5.5.1)
}

// plain undoes the ways in which an IPv4 address can be written in IPv6.
func plain(ip netip.Addr) netip.Addr {
	ip = ip.Unmap().WithZone("")
	for _, e := range embedding {
		if e.prefix.Contains(ip) && ip != netip.IPv6Loopback() && !ip.IsUnspecified() {
			b := ip.As16()
			return netip.AddrFrom4([4]byte(b[e.at:]))
		}
	}
	return ip
}

// OfThisMachine reports whether only this machine answers at an address. A
// connection to the unspecified address ends there, too.
func OfThisMachine(ip netip.Addr) bool {
	ip = plain(ip)
	return ip.IsLoopback() || ip.IsUnspecified()
}

// OfTheLink reports whether an address is link-local or a metadata service's.
func OfTheLink(ip netip.Addr) bool {
	ip = plain(ip)
	return ip.IsLinkLocalUnicast() || ip.IsLinkLocalMulticast() || ofMetadata(ip)
}

// ofMetadata knows clouds' metadata services that are not link-local.
func ofMetadata(ip netip.Addr) bool {
	switch ip.String() {
	case "fd00:ec2::254", // AWS
		"fd20:ce::254",    // Google
		"100.100.100.200", // Alibaba
		"168.63.129.16",   // Azure
		"192.0.0.192":     // Oracle
		return true
	}
	return false
}
