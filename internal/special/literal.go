package special

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// Literal returns the address that the host of a URL is without any name server, be it
// "localhost" (RFC 6761), an address in a form that only some programs read as one
// (inet_aton(3)), or in characters that net/http turns into digits.
func Literal(host string) (netip.Addr, bool) {
	if ascii, err := idna.Lookup.ToASCII(host); err == nil {
		host = ascii
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), true
	}
	if ip, ok := oldForm(host); ok {
		return ip, true
	}
	ip, err := netip.ParseAddr(host)
	return ip, err == nil
}

// oldForm reads an IPv4 address of one to four numbers, each decimal, octal with a
// leading 0 or hexadecimal with 0x, the last of which fills the bytes that are left:
// 127.1 and 0x7f000001 are 127.0.0.1.
func oldForm(host string) (netip.Addr, bool) {
	parts := strings.Split(host, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var sum uint64
	for i, part := range parts {
		if strings.Contains(part, "_") || strings.HasPrefix(part, "0o") || strings.HasPrefix(part, "0b") {
			return netip.Addr{}, false // a number to Go alone
		}
		n, err := strconv.ParseUint(part, 0, 32)
		switch last := i == len(parts)-1; {
		case err != nil, !last && n > 255, last && n >= 1<<(8*(4-i)):
			return netip.Addr{}, false
		case last:
			sum += n
		default:
			sum += n << (8 * (3 - i))
		}
	}
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, uint32(sum)))), true
}
