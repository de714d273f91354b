package guest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/sourcehost/sourcehost/host/guest/confine"
	"github.com/sourcehost/sourcehost/host/guest/frame"
	"github.com/sourcehost/sourcehost/internal/abi"
)

// worker is an instance in a process of its own, seen from the host. Whatever the
// process sends is checked as if the guest itself had sent it.
type worker struct {
	plugin   *Plugin
	proc     *confine.Process
	measures []confine.Measure
}

// said is what a call in a worker came to: output, or an error; dead when the
// process did not keep to the protocol, or is gone.
type said struct {
	output []byte
	failed *Error
	dead   error
	// memory is how much the instance says it has, in bytes.
	memory int64
}

func (w *worker) call(ctx context.Context, hook abi.Hook, input []byte, c Caller) ([]byte, error) {
	limits := &w.plugin.limits
	limited, cancel := context.WithTimeoutCause(ctx, limits.HookTime, errHookTime)
	defer cancel()
	st := newCallState(limited, limits, nil, input, c)
	done := make(chan said, 1)
	go func() { done <- w.converse(st, hook) }()
	out, ended := await(limited, done)
	if !ended {
		// Nothing in the process has to agree to this.
		w.close()
		st.abandon()
		return nil, w.plugin.late(ctx, hook)
	}
	w.plugin.noteMemory(min(out.memory, limits.MemoryBytes)) // it may say anything
	switch {
	case out.failed == nil && out.dead == nil:
		return out.output, nil
	case limited.Err() != nil:
		w.close()
		return nil, w.plugin.late(ctx, hook)
	case out.failed != nil:
		return nil, w.plugin.failed(hook, out.failed)
	}
	e := w.obituary(out.dead)
	e.again = st.calls == 0 && hook != abi.FetchOne
	return nil, w.plugin.failed(hook, e)
}

// close kills the process. What it held is freed by the kernel.
func (w *worker) close() {
	w.proc.Kill()
	w.proc.Conn.Close()
}

// converse calls a hook and does what the guest asks for until it is done. A fault of
// the host while it answers costs the call, as one in a host function does where the
// guest runs in this process.
func (w *worker) converse(st *callState, hook abi.Hook) (out said) {
	defer func() {
		if r := recover(); r != nil {
			out = said{failed: &Error{Cause: Trap, Err: fmt.Errorf("the host failed to answer: %v", r), Stack: string(debug.Stack())}}
		}
	}()
	conn := w.proc.Conn
	if err := frame.Write(conn, frame.Call, frame.AppendCall(nil, hook), st.input); err != nil {
		// Why it is gone is still to be read.
		_, _, err = frame.Read(conn, nothing)
		return said{dead: orEnded(err)}
	}
	return listen(conn, st)
}

// listen takes what a worker sends during a call. It is a function of the bytes
// alone, so that it can be tested with any.
func listen(conn io.ReadWriter, st *callState) said {
	lines := 0
	for {
		t, data, err := frame.Read(conn, st.limits.frames)
		if err != nil {
			return said{dead: err}
		}
		switch t {
		case frame.Done:
			return st.done(data)
		case frame.Log:
			// One more says that lines were dropped.
			if lines++; lines > st.limits.LogLines+1 {
				return said{dead: fmt.Errorf("expected at most %d log lines", st.limits.LogLines+1)}
			}
			level, line, err := frame.DecodeLog(data)
			if err != nil {
				return said{dead: err}
			}
			st.log(level, line)
		case frame.Ask:
			if out := st.answer(conn, data); out.failed != nil || out.dead != nil {
				return out
			}
		}
	}
}

// answer performs the operation that an Ask names.
func (st *callState) answer(conn io.Writer, data []byte) said {
	op, req, err := frame.DecodeAsk(data)
	if err != nil {
		return said{dead: err}
	}
	status, result, err := st.call(op, req)
	var f *fault
	if errors.As(err, &f) {
		return said{failed: &Error{Cause: f.cause, Err: f.err}}
	}
	return said{dead: frame.Write(conn, frame.Answer, frame.AppendAnswer(nil, status), result)}
}

// done decodes how the call ended.
func (st *callState) done(data []byte) said {
	memory, output, f, err := frame.DecodeDone(data)
	switch {
	case err != nil:
		return said{dead: err}
	case f != nil:
		e, err := errorOf(f)
		return said{failed: e, dead: err, memory: f.Memory}
	case int64(len(output)) > st.limits.OutputBytes:
		return said{dead: fmt.Errorf("expected an output of at most %d bytes, found %d", st.limits.OutputBytes, len(output))}
	}
	if len(output) == 0 {
		output = nil
	}
	return said{output: output, memory: memory}
}

// frames returns the largest payload of what a worker may send during a call.
func (l *Limits) frames(t frame.Type) int64 {
	const more = 64 << 10
	switch t {
	case frame.Ask:
		return maxOpName + 2 + l.RequestBytes
	case frame.Log:
		// An invalid byte becomes a character of three.
		return 3*int64(l.LogLineBytes) + more
	case frame.Done:
		// A message in JSON may take six bytes for each of its own, twice.
		return max(l.OutputBytes, 2*6*min(l.RequestBytes, maxMessage)) + 6*maxStack + more
	}
	return -1
}

// nothing expects no frame at all.
func nothing(frame.Type) int64 { return -1 }

func orEnded(err error) error {
	if err == nil {
		return io.EOF
	}
	return err
}

// lastWords is how long a process that does not keep to the protocol may take to say
// why, and to end.
const lastWords = 500 * time.Millisecond

// obituary says why a worker is no use any more, and ends it: what its runtime
// printed when it gave up, or how the process ended.
func (w *worker) obituary(reason error) *Error {
	defer w.close()
	text := w.words(reason)
	first, _, _ := strings.Cut(text, "\n")
	switch {
	case strings.Contains(text, "out of memory"), strings.Contains(text, "cannot allocate memory"):
		return &Error{Cause: MemoryLimit, Err: fmt.Errorf("its process needs more memory than it may have: %s", cut(first)), Stack: text}
	case text != "":
		return &Error{Cause: Process, Err: fmt.Errorf("its process failed: %s", cut(first)), Stack: text}
	case errors.Is(reason, io.EOF), errors.Is(reason, io.ErrUnexpectedEOF), errors.Is(reason, unix.ECONNRESET), errors.Is(reason, unix.EPIPE):
		return &Error{Cause: Process, Err: fmt.Errorf("its process is gone: %s", w.status())}
	}
	return &Error{Cause: Process, Err: fmt.Errorf("its process does not keep to the protocol: %w", reason)}
}

// words returns what the process has sent in place of a frame.
func (w *worker) words(reason error) string {
	var nonsense *frame.NonsenseError
	if !errors.As(reason, &nonsense) || len(nonsense.Text) == 0 {
		return ""
	}
	const most = 4 << 10
	_ = w.proc.Conn.SetReadDeadline(time.Now().Add(lastWords))
	rest, _ := io.ReadAll(io.LimitReader(w.proc.Conn, most)) // what there is
	return printable(string(nonsense.Text) + string(rest))
}

// status says how the process ended. One that has closed its socket and nothing more
// is ended.
func (w *worker) status() string {
	for range 2 {
		select {
		case <-w.proc.Done():
			return w.proc.Status()
		case <-time.After(lastWords):
			w.close()
		}
	}
	return "it was killed and has not ended yet"
}

// printable makes a text of bytes that may be anything.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == utf8.RuneError {
			return '?'
		}
		return r
	}, s)
}
