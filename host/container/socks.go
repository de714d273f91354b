package container

import (
	"bufio"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strconv"
	"time"
)

// What RFC 1928 and RFC 1929 define, as far as it is used.
const (
	socksVersion    = 5
	socksPassword   = 2 // the method: user and password
	socksNoMethod   = 0xff
	socksConnect    = 1
	socksIPv4       = 1
	socksName       = 3
	socksIPv6       = 4
	socksOK         = 0
	socksFailed     = 1
	socksNotAllowed = 2
)

// greetingTime is how long a client may take to say what it wants.
const greetingTime = 10 * time.Second

var errSocks = errors.New("not a client of this program")

// serve takes connections until the guard is closed.
func (g *guard) serve() {
	for {
		conn, err := g.listener.Accept()
		if err != nil {
			if g.ctx.Err() != nil {
				return
			}
			time.Sleep(10 * time.Millisecond) // no descriptor is free
			continue
		}
		g.serving.Go(func() { g.serveConn(conn.(*net.TCPConn)) })
	}
}

// hold notes a connection, for close. It reports false when the guard is closed.
func (g *guard) hold(conn net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ctx.Err() != nil {
		conn.Close()
		return false
	}
	g.open[conn] = true
	return true
}

func (g *guard) release(conn net.Conn) {
	conn.Close()
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.open, conn)
}

// serveConn connects one client to one server.
func (g *guard) serveConn(client *net.TCPConn) {
	if !g.hold(client) {
		return
	}
	defer g.release(client)
	_ = client.SetDeadline(time.Now().Add(greetingTime)) // fails on a closed connection alone
	in := bufio.NewReader(client)
	target, err := g.greet(in, client)
	if err != nil {
		return
	}
	_ = client.SetDeadline(time.Time{})
	server, err := g.dial(target)
	if err != nil {
		code := byte(socksFailed)
		if _, ok := errors.AsType[*refused](err); ok {
			code = socksNotAllowed
		}
		_, _ = client.Write(socksReply(code)) // it hears of it, or has gone
		return
	}
	if !g.hold(server) {
		return
	}
	defer g.release(server)
	if _, err := client.Write(socksReply(socksOK)); err != nil {
		return
	}
	relay(client, in, server)
}

func socksReply(code byte) []byte {
	return []byte{socksVersion, code, 0, socksIPv4, 0, 0, 0, 0, 0, 0}
}

// greet reads whom the client wants to be connected to. It must know the password:
// everybody on this machine can connect to the guard.
func (g *guard) greet(in *bufio.Reader, out io.Writer) (target string, err error) {
	methods, err := sized(in, socksVersion)
	if err != nil {
		return "", err
	}
	method := byte(socksNoMethod)
	for _, m := range methods {
		if m == socksPassword {
			method = m
		}
	}
	if _, err := out.Write([]byte{socksVersion, method}); err != nil || method == socksNoMethod {
		return "", errSocks
	}
	user, err := sized(in, 1)
	if err != nil {
		return "", err
	}
	password, err := sized(in, -1)
	if err != nil {
		return "", err
	}
	if subtle.ConstantTimeCompare([]byte(guardUser+":"+g.password), []byte(string(user)+":"+string(password))) != 1 {
		_, _ = out.Write([]byte{1, 1})
		return "", errSocks
	}
	if _, err := out.Write([]byte{1, 0}); err != nil {
		return "", err
	}
	return readTarget(in)
}

// sized reads a field that begins with its length, behind a byte that must have the
// value version, unless that is -1.
func sized(in *bufio.Reader, version int) ([]byte, error) {
	if version >= 0 {
		if b, err := in.ReadByte(); err != nil || int(b) != version {
			return nil, errSocks
		}
	}
	n, err := in.ReadByte()
	if err != nil {
		return nil, err
	}
	field := make([]byte, n)
	_, err = io.ReadFull(in, field)
	return field, err
}

// readTarget reads a request to connect.
func readTarget(in *bufio.Reader) (string, error) {
	var head [4]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return "", err
	}
	if head[0] != socksVersion || head[1] != socksConnect {
		return "", errSocks
	}
	var host string
	switch head[3] {
	case socksName:
		name, err := sized(in, -1)
		if err != nil {
			return "", err
		}
		host = string(name)
	case socksIPv4, socksIPv6:
		ip := make([]byte, map[byte]int{socksIPv4: 4, socksIPv6: 16}[head[3]])
		if _, err := io.ReadFull(in, ip); err != nil {
			return "", err
		}
		addr, _ := netip.AddrFromSlice(ip)
		host = addr.String()
	default:
		return "", errSocks
	}
	var port [2]byte
	if _, err := io.ReadFull(in, port[:]); err != nil {
		return "", err
	}
	return net.JoinHostPort(host, strconv.Itoa(int(binary.BigEndian.Uint16(port[:])))), nil
}

// relay passes on what each side says until one has ended. A connection that breaks
// off breaks off for the client, too.
func relay(client *net.TCPConn, in *bufio.Reader, server *net.TCPConn) {
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		if early, _ := in.Peek(in.Buffered()); len(early) > 0 {
			if _, err := server.Write(early); err != nil {
				return
			}
		}
		_, _ = io.Copy(server, client) // an error means that one side has gone
		server.Close()
	}()
	if _, err := io.Copy(client, server); err != nil {
		_ = client.SetLinger(0)
	}
	client.Close()
	<-gone
}
