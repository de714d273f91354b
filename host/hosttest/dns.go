package hosttest

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// Resolver returns a resolver that asks a name server of this test, which knows
// the names given, in lower case and without a final dot, and says of all
// others that they do not exist.
func Resolver(tb testing.TB, names map[string][]string) *net.Resolver {
	tb.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close() })
	known := make(map[string][]netip.Addr)
	for name, addrs := range names {
		known[name] = nil
		for _, addr := range addrs {
			known[name] = append(known[name], netip.MustParseAddr(addr))
		}
	}
	go serveDNS(conn, known)
	return &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "udp", conn.LocalAddr().String())
		},
	}
}

func serveDNS(conn net.PacketConn, known map[string][]netip.Addr) {
	buf := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
			continue
		}
		if reply, err := answerDNS(m, known); err == nil {
			conn.WriteTo(reply, from)
		}
	}
}

func answerDNS(m dnsmessage.Message, known map[string][]netip.Addr) ([]byte, error) {
	q := m.Questions[0]
	addrs, found := known[strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))]
	m.Response, m.Authoritative, m.Additionals = true, true, nil
	if !found {
		m.RCode = dnsmessage.RCodeNameError
	}
	for _, addr := range addrs {
		head := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}
		switch {
		case q.Type == dnsmessage.TypeA && addr.Is4():
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AResource{A: addr.As4()}})
		case q.Type == dnsmessage.TypeAAAA && addr.Is6():
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AAAAResource{AAAA: addr.As16()}})
		}
	}
	return m.Pack()
}
