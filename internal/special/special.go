// Package special tells addresses that a name can resolve to although nobody meant
// them: those of this machine, where services listen that trust their peers, and
// those where a cloud answers questions about the machine and hands out its
// credentials.
package special

import "net/netip"

// nat64 is how gateways write IPv4 addresses for IPv6 hosts (RFC 6052).
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// plain undoes the ways in which an IPv4 address can be written in IPv6.
func plain(ip netip.Addr) netip.Addr {
	ip = ip.Unmap().WithZone("")
	if nat64.Contains(ip) {
		b := ip.As16()
		return netip.AddrFrom4([4]byte(b[12:]))
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
