package osbuild

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

const (
	// maxLine is where a line is cut, in bytes: a write of up to PIPE_BUF bytes
	// is never torn.
	maxLine = 4000
	// maxQueue is how many lines wait for a reader that does not read.
	maxQueue = 10_000
	// patience is how long a line waits for the reader to take the one before.
	// A reader that takes longer, on a machine at its limit, gets lines in bunches.
	patience = time.Second
)

// Lines writes the log lines of a service. Osbuild reads one line each time its
// end of the pipe becomes readable, and loses what else it has read by then. So
// each line is one write, made when the reader has taken the one before.
type Lines struct {
	out      *os.File
	patience time.Duration

	mu     sync.Mutex
	some   sync.Cond // there are lines, or hurry or closed was set
	none   chan struct{}
	queue  []string
	left   int  // lines that were left out
	busy   bool // a line is being written
	hurry  bool // write without waiting for the reader
	closed bool
}

// NewLines writes to out until Close.
func NewLines(out *os.File) *Lines {
	l := &Lines{out: out, patience: patience}
	l.some.L = &l.mu
	go l.run()
	return l
}

// Printf queues one line. It never waits.
func (l *Lines) Printf(format string, args ...any) {
	l.add(fmt.Sprintf(format, args...))
}

// Write queues the lines in p, each of which must be complete.
func (l *Lines) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		l.add(strings.TrimRight(line, "\n"))
	}
	return len(p), nil
}

func (l *Lines) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) >= maxQueue {
		l.left++
		return
	}
	l.queue = append(l.queue, plainLine(line))
	l.some.Signal()
}

// Flush waits until all lines are written and read, but no longer than d.
func (l *Lines) Flush(d time.Duration) {
	l.mu.Lock()
	if len(l.queue) == 0 && !l.busy {
		l.mu.Unlock()
		return
	}
	if l.none == nil {
		l.none = make(chan struct{})
	}
	none := l.none
	l.mu.Unlock()
	select {
	case <-none:
	case <-time.After(d):
	}
}

// Close writes what is left, as fast as it can, but for no longer than d.
func (l *Lines) Close(d time.Duration) {
	l.mu.Lock()
	l.hurry, l.closed = true, true
	l.some.Signal()
	l.mu.Unlock()
	l.Flush(d)
}

// run is the one writer.
func (l *Lines) run() {
	for {
		line, ok := l.next()
		if !ok {
			return
		}
		// There is nobody to tell that the log cannot be written.
		_, _ = l.out.WriteString(line)
		l.awaitReader()
	}
}

// next takes the next line out of the queue, and waits for one.
func (l *Lines) next() (string, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy = false
	for len(l.queue) == 0 && l.left == 0 {
		if l.none != nil {
			close(l.none)
			l.none = nil
		}
		if l.closed {
			return "", false
		}
		l.some.Wait()
	}
	l.busy = true
	if len(l.queue) == 0 {
		line := fmt.Sprintf("%d further lines were left out, because nobody read them\n", l.left)
		l.left = 0
		return line, true
	}
	line := l.queue[0]
	l.queue = l.queue[1:]
	return line, true
}

// awaitReader waits until the pipe is empty. What is no pipe needs no waiting.
func (l *Lines) awaitReader() {
	const pause = 200 * time.Microsecond
	for waited := time.Duration(0); waited < l.patience; waited += pause {
		unread, err := unix.IoctlGetInt(int(l.out.Fd()), unix.TIOCINQ)
		if err != nil || unread == 0 || l.hurried() {
			return
		}
		time.Sleep(pause)
	}
}

func (l *Lines) hurried() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.hurry
}

// plainLine makes one line of UTF-8 of s, without anything that a terminal would
// obey: one invalid byte, and osbuild drops the line.
func plainLine(s string) string {
	if len(s) >= maxLine {
		s = s[:maxLine-4] + "..."
	}
	clean := strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError:
			return '?'
		case unicode.IsGraphic(r):
			return r
		}
		return ' '
	}, s)
	return clean + "\n"
}
