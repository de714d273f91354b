package command

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	readSize = 32 << 10
	// keptTail is how many of the last bytes of standard error are kept at least. It
	// is more than is shown, so that a secret of several lines is seen whole.
	keptTail = 64 << 10
	maxLine  = 4 << 10  // bytes of a line that Progress gets
	maxParse = 64 << 10 // bytes of a line that are looked at
)

// bounded collects standard output up to a limit.
type bounded struct {
	max  int64
	data []byte
	over func() // called once, when more came than the limit allows
	done bool
}

// Write always succeeds: what is beyond the limit is thrown away, so that the
// program does not wait for a reader until it is killed.
func (b *bounded) Write(p []byte) (int, error) {
	if room := b.max - int64(len(b.data)); int64(len(p)) <= room {
		b.data = append(b.data, p...)
	} else if !b.done {
		b.done = true
		b.data = nil // nobody will see it
		b.over()
	}
	return len(p), nil
}

// messages takes standard error: it keeps the end and reports lines.
type messages struct {
	redact   func(string) string
	progress func(string)
	over     func() // called once, when more than maxStderr bytes came

	total int64
	tail  []byte
	cut   bool // tail does not begin where the output began

	line []byte // the line so far, at most maxParse bytes
}

// Write always succeeds.
func (m *messages) Write(p []byte) (int, error) {
	n := len(p)
	before := m.total
	m.total += int64(n)
	if m.total > maxStderr && before <= maxStderr {
		m.over()
	}
	m.tail = append(m.tail, p...)
	if len(m.tail) > 2*keptTail {
		m.tail = append(m.tail[:0], m.tail[len(m.tail)-keptTail:]...)
		m.cut = true
	}
	if m.progress != nil && m.total <= maxStderr {
		m.lines(p)
	}
	return n, nil
}

// lines reports the lines that p completes.
func (m *messages) lines(p []byte) {
	for len(p) > 0 {
		end := bytes.IndexAny(p, "\r\n")
		piece := p
		if end >= 0 {
			piece = p[:end]
		}
		m.line = append(m.line, piece[:min(len(piece), maxParse-len(m.line))]...)
		if end < 0 {
			return
		}
		m.flush()
		p = p[end+1:]
	}
}

// flush reports the line that was collected.
func (m *messages) flush() {
	if text := strings.TrimSpace(clean(m.redact(string(m.line)))); text != "" && m.progress != nil {
		m.progress(shorten(text, maxLine))
	}
	m.line = m.line[:0]
}

// last returns the last n lines, redacted, cleaned and shortened. Nobody may write
// any more.
func (m *messages) last(n int) string {
	text := m.tail
	if m.cut {
		// The first line may begin within a secret, which could not be recognised.
		if _, rest, ok := bytes.Cut(text, []byte("\n")); ok {
			text = rest
		} else {
			return "[a line of more than 64 KiB]"
		}
	}
	var shown []string
	for line := range strings.FieldsFuncSeq(m.redact(string(text)), func(r rune) bool { return r == '\n' || r == '\r' }) {
		if line = strings.TrimRightFunc(clean(line), unicode.IsSpace); line != "" {
			shown = append(shown, shorten(line, maxLine/4))
		}
	}
	if len(shown) > n {
		shown = shown[len(shown)-n:]
	}
	return strings.Join(shown, "\n")
}

// clean makes text safe to show on a terminal and in a log.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return utf8.RuneError
		}
		return r
	}, text)
}

// shorten cuts text to about max bytes.
func shorten(text string, max int) string {
	if len(text) <= max {
		return text
	}
	for max > 0 && !utf8.RuneStart(text[max]) {
		max--
	}
	return fmt.Sprintf("%s... (%d bytes)", text[:max], len(text))
}

// drain reads all of a pipe into w.
func drain(r io.Reader, w io.Writer) error {
	buf := make([]byte, readSize)
	for {
		n, err := r.Read(buf)
		_, _ = w.Write(buf[:n]) // our own writers never fail
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
