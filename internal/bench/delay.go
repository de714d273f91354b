package main

import (
	"io"
	"net"
	"sync"
	"time"
)

const (
	// delayPiece is how much is read at once.
	delayPiece = 256 << 10
	// delayQueue is how many pieces may be on their way in one direction of a
	// connection: 16 MiB, so that no window is smaller than the line is long.
	delayQueue = 64
)

// delay forwards connections and lets everything arrive half a round trip later,
// in both directions. The first bytes of a connection wait one round trip more,
// for the handshake that a real line would have. There is no limit on the
// bandwidth and no loss.
func delay(listen, target string, rtt time.Duration) error {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	for {
		in, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			out, err := net.Dial("tcp", target)
			if err != nil {
				in.Close()
				return
			}
			var wg sync.WaitGroup
			wg.Go(func() { carry(out, in, rtt/2, rtt) })
			wg.Go(func() { carry(in, out, rtt/2, 0) })
			wg.Wait()
			in.Close()
			out.Close()
		}()
	}
}

// parcel is a piece of data that is due to arrive.
type parcel struct {
	data []byte
	due  time.Time
}

// carry brings what src sends to dst, each piece when it is due.
func carry(dst, src net.Conn, oneWay, handshake time.Duration) {
	pool := sync.Pool{New: func() any { b := make([]byte, delayPiece); return &b }}
	line := make(chan parcel, delayQueue)
	go func() {
		defer close(line)
		opened := time.Now().Add(handshake)
		for {
			buf := *pool.Get().(*[]byte)
			n, err := src.Read(buf)
			sent := time.Now()
			if sent.Before(opened) {
				sent = opened
			}
			if n > 0 {
				line <- parcel{data: buf[:n], due: sent.Add(oneWay)}
			}
			if err != nil {
				return
			}
		}
	}()
	broken := false
	for p := range line {
		time.Sleep(time.Until(p.due))
		if !broken {
			_, err := dst.Write(p.data)
			broken = err != nil
		}
		buf := p.data[:cap(p.data)]
		pool.Put(&buf)
	}
	if c, ok := dst.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite()
	}
	if broken {
		_, _ = io.Copy(io.Discard, src)
	}
}
