package guest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/sourcehost/sourcehost/internal/abi"
)

// maxStderrText is how much of what a guest wrote to its standard error during
// one call is kept for Error.Stack, in bytes.
const maxStderrText = 8 << 10

// logs passes the lines that a guest logs during one call of a hook on, up to
// the limits. What it writes to standard output and error is logged line by
// line as well.
type logs struct {
	emit      func(abi.Level, string)
	lineBytes int
	left      int // lines that may still be logged
	limit     int
	dropped   bool

	out, err []byte // standard output and error: a line not yet ended
	text     []byte // beginning of standard error
	first    string // first line of standard error that says what went wrong
}

// line logs one line. Ends of lines inside it become spaces.
func (l *logs) line(level abi.Level, text []byte) {
	if l.left <= 0 {
		if !l.dropped {
			l.dropped = true
			l.emit(abi.LevelWarn, fmt.Sprintf("further log lines of this call are dropped: the limit is %d lines", l.limit))
		}
		return
	}
	l.left--
	const mark = " [cut]"
	long := len(text) > l.lineBytes
	if long {
		text = text[:l.lineBytes]
	}
	line := strings.ToValidUTF8(string(text), "\uFFFD")
	line = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' {
			return ' '
		}
		return r
	}, line)
	if long {
		line += mark
	}
	l.emit(min(level, abi.LevelError), line)
}

// stream is standard output or standard error of a guest: an io.Writer that
// never fails, so that a guest does not notice limits.
type stream struct {
	state  func() *callState
	stderr bool
}

// Write logs the lines that data completes.
func (s stream) Write(data []byte) (int, error) {
	st := s.state()
	if st == nil {
		return len(data), nil
	}
	// One call of fd_write can ask for any number of writes of the whole memory.
	if st.ctx.Err() != nil {
		panic(&fault{cause: Deadline, err: errors.New("the call was ended while the plugin wrote to its standard output")})
	}
	l := &st.logs
	pending, level := &l.out, abi.LevelInfo
	if s.stderr {
		pending, level = &l.err, abi.LevelWarn
		l.text = append(l.text, data[:min(len(data), maxStderrText-len(l.text))]...)
	}
	for rest := data; len(rest) > 0; {
		line, after, ended := bytes.Cut(rest, []byte{'\n'})
		rest = after
		// One byte more than fits shows line that it was cut.
		room := max(l.lineBytes+1-len(*pending), 0)
		*pending = append(*pending, line[:min(len(line), room)]...)
		if ended {
			l.flush(pending, level)
		}
	}
	return len(data), nil
}

func (l *logs) flush(pending *[]byte, level abi.Level) {
	line := bytes.TrimSuffix(*pending, []byte{'\r'})
	if level == abi.LevelWarn && l.first == "" {
		l.first = complaint(string(line))
	}
	if len(line) > 0 {
		l.line(level, line)
	}
	*pending = (*pending)[:0]
}

// end logs lines that were not ended.
func (l *logs) end() {
	l.flush(&l.out, abi.LevelInfo)
	l.flush(&l.err, abi.LevelWarn)
}

// complaint returns the line if it is how Go's and Rust's runtimes report that
// they give up.
func complaint(line string) string {
	for _, prefix := range []string{"panic: ", "fatal error: ", "thread '"} {
		if strings.HasPrefix(line, prefix) {
			return strings.ToValidUTF8(cut(line), "")
		}
	}
	return ""
}

// complaint returns what the guest's runtime said when it gave up, if it did.
func (l *logs) complaint() string { return l.first }

// stderrText returns the beginning of what the guest wrote to standard error.
func (l *logs) stderrText() string {
	return strings.ToValidUTF8(strings.TrimRight(string(l.text), "\n"), "\uFFFD")
}
