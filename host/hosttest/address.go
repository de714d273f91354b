package hosttest

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
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

// patience is how long anything may take before a test gives up.
const patience = time.Minute

// Refused returns an address of 127.0.0.1 on which nobody listens until the test
// ends: it is taken, so that no other server gets it meanwhile.
func Refused(tb testing.TB) string {
	tb.Helper()
	return taken(tb, false)
}

// Free returns an address of 127.0.0.1 for servers of the test, which may come and go.
// Until the test ends no other program is given its port: a socket has it that does not
// listen. Who names the port can listen beside that, with SO_REUSEADDR as servers do.
func Free(tb testing.TB) string {
	tb.Helper()
	return taken(tb, true)
}

// taken binds a socket to an address and keeps it until the test ends.
func taken(tb testing.TB, shared bool) string {
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
	if shared { // only now: before, the kernel might choose a port that is shared already
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
			tb.Fatal(err)
		}
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		tb.Fatal(err)
	}
	return netip.AddrPortFrom(at, boundPort(bound)).String()
}

// BlackHole makes an address to which connecting neither works nor fails. addr is like
// "127.0.0.1:0" or "[::1]:8080". It returns the address, until the test ends.
func BlackHole(tb testing.TB, addr string) string {
	tb.Helper()
	_, addr = FullQueue(tb, addr)
	return addr
}

// FullQueue listens on an address, with a queue that is full, so that the kernel drops
// what comes and who wants to connect tries again, for the second time after a second, for
// the third two seconds later. It returns the address, and what makes the queue longer and
// returns the listener.
func FullQueue(tb testing.TB, addr string) (open func() net.Listener, bound string) {
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
	file := os.NewFile(uintptr(fd), "full queue")
	tb.Cleanup(func() { file.Close() })
	if err := unix.Bind(fd, sockaddr); errors.Is(err, unix.EADDRNOTAVAIL) {
		tb.Skipf("this machine does not have the address of %s", addr)
	} else if err != nil {
		tb.Fatalf("bind %s: %v", addr, err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		tb.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		tb.Fatal(err)
	}
	at = netip.AddrPortFrom(at.Addr(), boundPort(name))
	fillQueue(tb, fd, at.String())
	return func() net.Listener {
		listener, err := net.FileListener(file)
		if err := errors.Join(err, unix.Listen(fd, unix.SOMAXCONN)); err != nil {
			tb.Error(err)
		}
		return listener
	}, at.String()
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

// fillQueue connects until the queue of a listening socket is full. How long it is, and
// how many wait in it, the kernel tells: a connection that takes its time proves nothing.
func fillQueue(tb testing.TB, fd int, addr string) {
	tb.Helper()
	waiting := func() (n uint32, full bool) {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			tb.Fatal(err)
		}
		return info.Unacked, info.Unacked > info.Sacked
	}
	for n, full := waiting(); !full; n, full = waiting() {
		conn, err := net.DialTimeout("tcp", addr, patience)
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { conn.Close() })
		for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
			if now, _ := waiting(); now > n {
				break
			}
			if time.Now().After(end) {
				tb.Fatalf("a connection to %s does not wait in its queue", addr)
			}
		}
	}
}
