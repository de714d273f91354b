package hosttest

import (
	"bufio"
	"io"
	"net"
	"net/netip"
	"strconv"
	"sync/atomic"
	"testing"
)

// Socks is a SOCKS5 proxy without authentication (RFC 1928), for CONNECT to
// IPv4 addresses and names.
type Socks struct {
	URL   string
	conns atomic.Int64
}

// StartSocks starts a proxy that ends with the test.
func StartSocks(tb testing.TB) *Socks {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { listener.Close() })
	s := &Socks{URL: "socks5://" + listener.Addr().String()}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go s.serve(conn)
		}
	}()
	return s
}

// Connections is how many tunnels were asked for.
func (s *Socks) Connections() int { return int(s.conns.Load()) }

func (s *Socks) serve(in net.Conn) {
	defer in.Close()
	r := bufio.NewReader(in)
	head := make([]byte, 2)
	if _, err := io.ReadFull(r, head); err != nil {
		return
	}
	r.Discard(int(head[1])) // the methods that the client offers
	in.Write([]byte{5, 0})
	addr, ok := readSocksRequest(r)
	if !ok {
		return
	}
	s.conns.Add(1)
	out, err := net.Dial("tcp", addr)
	if err != nil {
		in.Write([]byte{5, 5, 0, 1, 0, 0, 0, 0, 0, 0})
		return
	}
	defer out.Close()
	in.Write([]byte{5, 0, 0, 1, 127, 0, 0, 1, 0, 0})
	pipe(in, r, out)
}

func readSocksRequest(r *bufio.Reader) (addr string, ok bool) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(r, head); err != nil {
		return "", false
	}
	var host string
	switch head[3] {
	case 1:
		ip := make([]byte, 4)
		io.ReadFull(r, ip)
		a, _ := netip.AddrFromSlice(ip)
		host = a.String()
	case 3:
		n, _ := r.ReadByte()
		name := make([]byte, n)
		io.ReadFull(r, name)
		host = string(name)
	default:
		return "", false
	}
	port := make([]byte, 2)
	if _, err := io.ReadFull(r, port); err != nil {
		return "", false
	}
	return net.JoinHostPort(host, strconv.Itoa(int(port[0])<<8|int(port[1]))), true
}
