package hosttest

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Tripwire returns an address policy for tests: any address but a loopback one
// makes the test fail, and is not connected to.
func Tripwire(tb testing.TB) func(netip.Addr) error {
	return func(ip netip.Addr) error {
		if ip.IsLoopback() {
			return nil
		}
		tb.Errorf("a test wanted to connect to %v, which is not on this machine", ip)
		return fmt.Errorf("tests must not connect to %v", ip)
	}
}

// Refused returns an address of 127.0.0.1 on which nobody listens until the test
// ends: it is taken, so that no other server gets it meanwhile.
func Refused(tb testing.TB) string {
	tb.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { unix.Close(fd) })
	at := netip.MustParseAddr("127.0.0.1")
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: at.As4()}); err != nil {
		tb.Fatal(err)
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		tb.Fatal(err)
	}
	return netip.AddrPortFrom(at, boundPort(bound)).String()
}

// Free returns an address of 127.0.0.1 that a server can have. Until it does, another
// one may get it.
func Free(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// BlackHole makes an address to which connecting neither works nor fails: a
// socket whose queue is full, so that the kernel drops what comes. addr is like
// "127.0.0.1:0" or "[::1]:8080". It returns the address, until the test ends.
func BlackHole(tb testing.TB, addr string) string {
	tb.Helper()
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		tb.Fatal(err)
	}
	family, sockaddr := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Addr: at.Addr().As16(), Port: int(at.Port())})
	if at.Addr().Is4() {
		family, sockaddr = unix.AF_INET, &unix.SockaddrInet4{Addr: at.Addr().As4(), Port: int(at.Port())}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		tb.Skipf("this machine has no such sockets: %v", err)
	}
	tb.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, sockaddr); err != nil {
		tb.Skipf("cannot bind %s: %v", addr, err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		tb.Fatal(err)
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		tb.Fatal(err)
	}
	at = netip.AddrPortFrom(at.Addr(), boundPort(bound))
	fillQueue(tb, at.String())
	return at.String()
}

func boundPort(sa unix.Sockaddr) uint16 {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return uint16(sa.Port)
	case *unix.SockaddrInet6:
		return uint16(sa.Port)
	}
	return 0
}

// fillQueue connects until connecting hangs.
func fillQueue(tb testing.TB, addr string) {
	for range 16 {
		conn, err := net.DialTimeout("tcp", addr, 100*time.Millisecond)
		if err != nil {
			return
		}
		tb.Cleanup(func() { conn.Close() })
	}
	tb.Fatalf("connecting to %s still works", addr)
}
