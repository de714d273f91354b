package hosttest

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"strconv"
	"sync/atomic"
	"testing"
)

// The types and flags of HTTP/2 frames that RawH2 uses (RFC 9113, section 6).
const (
	frameData     = 0x0
	frameHeaders  = 0x1
	frameReset    = 0x3
	frameSettings = 0x4
	framePing     = 0x6
	frameGoAway   = 0x7

	flagEnd        = 0x1 // END_STREAM, and ACK
	flagEndHeaders = 0x4
)

// RawH2 is an HTTP/2 server that breaks rules which net/http's keeps. It answers
// every request in the same way, whatever its path.
type RawH2 struct {
	URL      string
	listener net.Listener
	requests atomic.Int64
	answer   func(c *H2Conn, stream uint32)
}

// H2Conn writes frames.
type H2Conn struct{ conn net.Conn }

// StartRawH2 starts a server that ends with the test.
func StartRawH2(tb testing.TB, cert *Pair, answer func(c *H2Conn, stream uint32)) *RawH2 {
	tb.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{cert.TLS}, NextProtos: []string{"h2"}})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { listener.Close() })
	s := &RawH2{URL: "https://" + listener.Addr().String(), listener: listener, answer: answer}
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

// Requests is how many requests there were.
func (s *RawH2) Requests() int { return int(s.requests.Load()) }

func (s *RawH2) serve(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	c := &H2Conn{conn}
	if _, err := r.Discard(len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")); err != nil {
		return
	}
	c.Frame(frameSettings, 0, 0, nil)
	for {
		var head [9]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return
		}
		payload := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		if _, err := io.ReadFull(r, payload); err != nil {
			return
		}
		switch kind, ack := head[3], head[4]&flagEnd != 0; {
		case kind == frameSettings && !ack:
			c.Frame(frameSettings, flagEnd, 0, nil)
		case kind == framePing && !ack:
			c.Frame(framePing, flagEnd, 0, payload)
		case kind == frameHeaders:
			s.requests.Add(1)
			s.answer(c, binary.BigEndian.Uint32(head[5:])&0x7fffffff)
		}
	}
}

// Frame writes one frame.
func (c *H2Conn) Frame(kind, flags byte, stream uint32, payload []byte) {
	n := len(payload)
	b := []byte{byte(n >> 16), byte(n >> 8), byte(n), kind, flags}
	b = binary.BigEndian.AppendUint32(b, stream)
	c.conn.Write(append(b, payload...))
}

// Header writes the header of a response with status 200 and a length.
func (c *H2Conn) Header(stream uint32, length int) {
	block := []byte{0x88} // HPACK: indexed field 8, ":status: 200"
	digits := strconv.Itoa(length)
	// Literal without indexing, name 28 of the static table: "content-length".
	block = append(block, 0x0f, 28-15, byte(len(digits)))
	block = append(block, digits...)
	c.Frame(frameHeaders, flagEndHeaders, stream, block)
}

// Data writes a part of the body.
func (c *H2Conn) Data(stream uint32, p []byte, end bool) {
	var flags byte
	if end {
		flags = flagEnd
	}
	c.Frame(frameData, flags, stream, p)
}

// Reset ends the stream with an error code (RFC 9113, section 7).
func (c *H2Conn) Reset(stream, code uint32) {
	c.Frame(frameReset, 0, stream, binary.BigEndian.AppendUint32(nil, code))
}

// GoAway says that streams after last are not served, and ends the connection.
func (c *H2Conn) GoAway(last, code uint32) {
	p := binary.BigEndian.AppendUint32(nil, last)
	c.Frame(frameGoAway, 0, 0, binary.BigEndian.AppendUint32(p, code))
	c.conn.Close()
}
