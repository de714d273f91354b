package hosttest

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"
)

// Exchange is one request and what is known about it.
type Exchange struct {
	W http.ResponseWriter
	R *http.Request
	// N is how many requests of this path came before.
	N int
	// Path, File and Found are the file that is asked for.
	Path  string
	File  File
	Found bool

	server    *Server
	behaviour Behaviour
}

// Behaviour answers a request, or fails to.
type Behaviour func(*Exchange)

// Good serves the file, ranges included.
func Good(x *Exchange) {
	if x.File.ETag != "" {
		x.W.Header().Set("ETag", x.File.ETag)
	}
	http.ServeContent(x.W, x.R, "", x.File.Modified, bytes.NewReader(x.File.Content))
}

// Status answers with a status and a short body.
func Status(code int) Behaviour {
	return func(x *Exchange) { http.Error(x.W, http.StatusText(code), code) }
}

// RetryAfter answers with a status and a Retry-After field.
func RetryAfter(code int, value string) Behaviour {
	return func(x *Exchange) {
		x.W.Header().Set("Retry-After", value)
		Status(code)(x)
	}
}

// RetryAfterDate is RetryAfter with the date that is so far away.
func RetryAfterDate(code int, away time.Duration) Behaviour {
	return func(x *Exchange) {
		now := time.Now().UTC() // dates have whole seconds, which must not make a difference
		x.W.Header().Set("Date", now.Format(http.TimeFormat))
		RetryAfter(code, now.Add(away).Format(http.TimeFormat))(x)
	}
}

// begin writes the header of a whole file, and n bytes of its body.
func (x *Exchange) begin(n int) {
	h := x.W.Header()
	h.Set("Content-Length", strconv.Itoa(len(x.File.Content)))
	h.Set("Content-Type", "application/octet-stream")
	if x.File.ETag != "" {
		h.Set("ETag", x.File.ETag)
	}
	if !x.File.Modified.IsZero() {
		h.Set("Last-Modified", x.File.Modified.UTC().Format(http.TimeFormat))
	}
	h.Set("Accept-Ranges", "bytes")
	x.W.WriteHeader(http.StatusOK)
	x.W.Write(x.File.Content[:n])
	x.flush()
}

func (x *Exchange) flush() { http.NewResponseController(x.W).Flush() }

// half is the middle of the file.
func (x *Exchange) half() int { return len(x.File.Content) / 2 }

// wait waits for the client to go away.
func (x *Exchange) wait(d time.Duration) bool {
	var timer <-chan time.Time
	if d > 0 {
		timer = time.After(d)
	}
	select {
	case <-x.R.Context().Done():
		return false
	case <-x.server.done:
		return false
	case <-timer:
		return true
	}
}

// Truncated announces the whole file, sends half of it and ends in order.
func Truncated(x *Exchange) { x.begin(x.half()) }

// Announced sends the whole file after another length than its own, such as one
// that fits on no disk, and ends in order.
func Announced(length int64) Behaviour {
	return func(x *Exchange) {
		x.W.Header().Set("Content-Length", strconv.FormatInt(length, 10))
		x.W.Header().Set("ETag", x.File.ETag)
		x.W.Write(x.File.Content)
	}
}

// ResetHalfway sends half of the file and resets the TCP connection.
func ResetHalfway(x *Exchange) {
	x.begin(x.half())
	x.Reset()
}

// Reset resets the TCP connection at once: everything that was sent and has not
// arrived is lost.
func (x *Exchange) Reset() {
	conn := x.conn()
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
}

func (x *Exchange) conn() net.Conn { return x.R.Context().Value(connKey{}).(net.Conn) }

// Hangup closes the connection without any answer.
func Hangup(x *Exchange) { x.Reset() }

// Silent never answers.
func Silent(x *Exchange) { x.wait(0) }

// Stalled sends half of the file, and nothing more.
func Stalled(x *Exchange) {
	x.begin(x.half())
	x.wait(0)
}

// Drip sends the header, and then one byte at a time.
func Drip(x *Exchange) {
	x.begin(0)
	for i := range x.File.Content {
		x.W.Write(x.File.Content[i : i+1])
		x.flush()
		if !x.wait(x.server.opts.DripEvery) {
			return
		}
	}
}

// WrongBytes sends other bytes of the right length.
func WrongBytes(x *Exchange) {
	wrong := bytes.Repeat([]byte("wrong "), len(x.File.Content)/6+1)
	x.File.Content = wrong[:len(x.File.Content)]
	x.begin(len(x.File.Content))
}

// Longer announces the file's length and sends more. Only HTTP/1.1 can do so
// through net/http; see RawH2 for HTTP/2.
func Longer(x *Exchange) {
	x.raw(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s%s", len(x.File.Content), x.File.Content, "and more"))
}

// LongerChunked sends more than the file, without saying how much.
func LongerChunked(x *Exchange) {
	x.flush()
	x.W.Write(x.File.Content)
	x.W.Write([]byte("and more"))
}

// raw takes the connection over and writes text to it. The connection is kept
// open until the client is done with it.
func (x *Exchange) raw(text string) {
	conn, _, err := http.NewResponseController(x.W).Hijack()
	if err != nil {
		Status(http.StatusTeapot)(x)
		return
	}
	defer conn.Close()
	conn.Write([]byte(text))
	conn.SetReadDeadline(time.Now().Add(time.Second))
	conn.Read(make([]byte, 1))
}

// Raw writes text to the connection in place of a response. Only over HTTP/1.1.
func Raw(text string) Behaviour {
	return func(x *Exchange) { x.raw(text) }
}

// BrokenFraming sends a body whose framing breaks in the middle: a wrong size
// of a chunk in HTTP/1.1, bytes that are no frame in HTTP/2.
func BrokenFraming(x *Exchange) {
	if x.R.ProtoMajor == 2 {
		x.begin(x.half())
		x.conn().Write(bytes.Repeat([]byte{0xff}, 64))
		x.wait(0)
		return
	}
	x.raw(fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\nnonsense\r\n",
		x.half(), x.File.Content[:x.half()]))
}

// NotHTTP answers with something that is no HTTP.
func NotHTTP(x *Exchange) {
	if x.R.ProtoMajor == 2 {
		x.conn().Write(bytes.Repeat([]byte{0xff}, 64))
		x.wait(0)
		return
	}
	x.raw("220 mail.example ESMTP\r\n")
}

// NoLength sends the file without its length.
func NoLength(x *Exchange) {
	x.flush()
	x.W.Write(x.File.Content)
}

// Packed sends the file as it is, with a Content-Encoding of gzip.
func Packed(x *Exchange) {
	x.W.Header().Set("Content-Encoding", "gzip")
	x.begin(len(x.File.Content))
}

// Redirect leads to a URL or path, with a short body as most servers send.
func Redirect(code int, to string) Behaviour {
	return func(x *Exchange) {
		x.W.Header().Set("Location", to)
		Status(code)(x)
	}
}
