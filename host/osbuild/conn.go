package osbuild

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// maxDescriptors is how many file descriptors the kernel lets ride along with
	// one packet (SCM_MAX_FD).
	maxDescriptors = 253
	// maxPacket is the largest packet that is read, in bytes, and maxFile the
	// largest message or list of items in a file. The largest known manifest has
	// some 2,000 items in less than 1 MB.
	maxPacket = 64 << 20
	maxFile   = 512 << 20
	// viaDescriptor is the packet whose message stands in the first descriptor.
	viaDescriptor = "<args-via-fd>"
	// usualWmem is the kernel's default for net.core.wmem_max, which a container
	// may not be able to read.
	usualWmem = 212_992
)

// errClosed says that the peer has closed the connection.
var errClosed = errors.New("osbuild has closed the connection")

// protocolError is a message that cannot be understood. The peer is told, and
// the connection goes on.
type protocolError struct{ text string }

func (e *protocolError) Error() string { return e.text }

func protocolErrorf(format string, args ...any) error {
	return &protocolError{text: fmt.Sprintf(format, args...)}
}

// conn is our end of the socket pair. It is used with blocking system calls,
// since the file's flags may be shared with who started us.
type conn struct {
	fd   int
	wmem int // the largest packet that is sent
}

// newConn checks that fd is the socket that osbuild promises, and keeps it from
// programs that are started.
func newConn(fd int) (*conn, error) {
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return nil, fmt.Errorf("file descriptor %d is not a socket: %w", fd, err)
	}
	if domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN); err != nil || domain != unix.AF_UNIX || kind != unix.SOCK_SEQPACKET {
		return nil, fmt.Errorf("file descriptor %d is not a Unix socket of the type SOCK_SEQPACKET", fd)
	}
	unix.CloseOnExec(fd)
	return &conn{fd: fd, wmem: wmemMax()}, nil
}

// wmemMax is the kernel's limit on the length of a packet.
func wmemMax() int {
	text, err := os.ReadFile("/proc/sys/net/core/wmem_max")
	if err != nil {
		return usualWmem
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || n < 1 {
		return usualWmem
	}
	return n
}

// packet is one message with the descriptors that came along.
type packet struct {
	data []byte
	fds  []int
}

func (p *packet) close() {
	for _, fd := range p.fds {
		unix.Close(fd)
	}
	p.fds = nil
}

// receive waits for the next message. Its error is io.EOF when the peer has
// closed, and a *protocolError when the next call may succeed. The packet must
// be closed.
func (c *conn) receive() (*packet, error) {
	size, err := c.peek()
	if err != nil {
		return nil, err
	}
	buf := make([]byte, max(1, min(size, maxPacket)))
	oob := make([]byte, unix.CmsgSpace(4*maxDescriptors))
	n, oobn, flags, err := c.recvmsg(buf, oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return nil, err
	}
	p := &packet{data: buf[:n]}
	if p.fds, err = descriptors(oob[:oobn]); err == nil {
		err = c.complete(p, size, flags)
	}
	if err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// complete checks what has arrived, and reads the message from its descriptor
// when it came that way.
func (c *conn) complete(p *packet, size, flags int) error {
	switch {
	case len(p.data) == 0 && c.hungUp():
		return io.EOF
	case len(p.data) == 0:
		return protocolErrorf("the message is empty")
	case flags&unix.MSG_TRUNC != 0:
		return protocolErrorf("the message has %d bytes, but may have %d", size, maxPacket)
	case flags&unix.MSG_CTRUNC != 0:
		return protocolErrorf("file descriptors of the message were lost: too many are open, or more than %d came", maxDescriptors)
	case string(p.data) != viaDescriptor:
		return nil
	case len(p.fds) == 0:
		return protocolErrorf("the message %s came without a file descriptor", viaDescriptor)
	}
	data, err := readDescriptor(p.fds[0])
	if err != nil {
		return protocolErrorf("the message in a file descriptor: %v", err)
	}
	unix.Close(p.fds[0])
	p.data, p.fds = data, p.fds[1:]
	return nil
}

// peek returns the length of the next packet, and waits for it.
func (c *conn) peek() (int, error) {
	n, _, _, err := c.recvmsg(make([]byte, 1), nil, unix.MSG_PEEK|unix.MSG_TRUNC)
	return n, err
}

func (c *conn) recvmsg(buf, oob []byte, flags int) (n, oobn, got int, err error) {
	for {
		n, oobn, got, _, err = unix.Recvmsg(c.fd, buf, oob, flags)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			c.wait(unix.POLLIN)
		case errors.Is(err, unix.ECONNRESET), errors.Is(err, unix.ENOTCONN):
			return 0, 0, 0, io.EOF // it died with messages unread
		case err != nil:
			return 0, 0, 0, fmt.Errorf("receiving from osbuild: %w", err)
		default:
			return n, oobn, got, nil
		}
	}
}

// descriptors takes the file descriptors out of control messages.
func descriptors(oob []byte) ([]int, error) {
	if len(oob) == 0 {
		return nil, nil
	}
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, protocolErrorf("the message's control data cannot be read: %v", err)
	}
	var fds []int
	for i := range messages {
		if h := messages[i].Header; h.Level != unix.SOL_SOCKET || h.Type != unix.SCM_RIGHTS {
			continue
		}
		more, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return fds, protocolErrorf("the message's file descriptors cannot be read: %v", err)
		}
		fds = append(fds, more...)
	}
	return fds, nil
}

// readDescriptor reads a regular file from its start, wherever it stands.
func readDescriptor(fd int) ([]byte, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return nil, errors.New("it is not a regular file")
	case st.Size > maxFile:
		return nil, fmt.Errorf("it has %d bytes, but may have %d", st.Size, maxFile)
	}
	data := make([]byte, st.Size)
	for done := 0; done < len(data); {
		n, err := unix.Pread(fd, data[done:], int64(done))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return nil, err
		case n == 0:
			return data[:done], nil
		default:
			done += n
		}
	}
	return data, nil
}

// send sends a message: as a packet, or in a descriptor when it is too long.
// Its error is errClosed when nobody is there to read it.
func (c *conn) send(message []byte) error {
	if len(message) > c.wmem {
		return c.sendDescriptor(message)
	}
	c.raise(len(message))
	err := c.sendmsg(message, nil)
	if errors.Is(err, unix.EMSGSIZE) || errors.Is(err, unix.ENOBUFS) {
		return c.sendDescriptor(message)
	}
	return err
}

// raise makes room for a packet. Where that fails, sending it says so.
func (c *conn) raise(length int) {
	if have, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_SNDBUF); err == nil && have < 2*length {
		_ = unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, length)
	}
}

func (c *conn) sendDescriptor(message []byte) error {
	fd, err := unix.MemfdCreate("sourcehost-reply", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("the reply needs a file in memory: %w", err)
	}
	f := os.NewFile(uintptr(fd), "reply")
	defer f.Close()
	if _, err := f.WriteAt(message, 0); err != nil { // leaves the offset at 0
		return fmt.Errorf("the reply needs a file in memory: %w", err)
	}
	return c.sendmsg([]byte(viaDescriptor), unix.UnixRights(fd))
}

func (c *conn) sendmsg(data, oob []byte) error {
	for {
		_, err := unix.SendmsgN(c.fd, data, oob, nil, unix.MSG_NOSIGNAL)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			c.wait(unix.POLLOUT)
		case errors.Is(err, unix.EPIPE), errors.Is(err, unix.ECONNRESET):
			return errClosed
		case err != nil:
			return fmt.Errorf("replying to osbuild: %w", err)
		default:
			return nil
		}
	}
}

// wait is for a socket that was set to be non-blocking. The next call tells
// whether it was any good.
func (c *conn) wait(events int16) {
	_, _ = unix.Poll([]unix.PollFd{{Fd: int32(c.fd), Events: events}}, -1)
}

// hungUp reports whether the peer is gone, as opposed to silent.
func (c *conn) hungUp() bool {
	poll := []unix.PollFd{{Fd: int32(c.fd), Events: unix.POLLRDHUP}}
	for {
		if _, err := unix.Poll(poll, 0); !errors.Is(err, unix.EINTR) {
			return poll[0].Revents != 0
		}
	}
}

// watch calls gone when the peer closes, until stop is called. Messages that wait
// to be read are no reason.
func (c *conn) watch(gone func()) (stop func(), err error) {
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("watching the connection: %w", err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		// No events are asked for: only a hang-up is reported then.
		poll := []unix.PollFd{{Fd: int32(c.fd)}, {Fd: int32(wake), Events: unix.POLLIN}}
		for {
			_, err := unix.Poll(poll, -1)
			switch {
			case errors.Is(err, unix.EINTR):
			case err == nil && poll[0].Revents == 0:
				return
			default:
				gone()
				return
			}
		}
	}()
	return func() {
		_, _ = unix.Write(wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
		<-ended
		unix.Close(wake)
	}, nil
}
