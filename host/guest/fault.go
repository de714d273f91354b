package guest

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tetratelabs/wazero/sys"
)

// fault is why the host ends a guest that runs. Host functions panic with it:
// the runtime turns that into a trap of the guest and returns the fault wrapped.
type fault struct {
	cause Cause
	err   error
}

func (f *fault) Error() string { return f.err.Error() }

func (f *fault) Unwrap() error { return f.err }

// The runtime's texts around errors and stacks. Only messages depend on them.
const (
	stackMark   = "\nwasm stack trace:\n\t"
	trapPrefix  = "wasm error: "
	panicSuffix = " (recovered by wazero)"
)

// trapError turns what the runtime returned for a call into an Error without
// plugin and hook. The stack is that of the guest.
func trapError(err error, st *callState) *Error {
	var f *fault
	if errors.As(err, &f) {
		_, stack := splitStack(err.Error())
		return &Error{Cause: f.cause, Err: f.err, Stack: stack}
	}
	message, stack := splitStack(err.Error())
	message = strings.TrimSuffix(strings.TrimPrefix(message, trapPrefix), panicSuffix)
	var exit *sys.ExitError
	if errors.As(err, &exit) {
		message = fmt.Sprintf("the plugin ended itself with status %d", exit.ExitCode())
	}
	if last := st.logs.complaint(); last != "" {
		message += ": " + last
	}
	// The trace of Go's runtime has lines, and names also where the module has none.
	if own := st.logs.stderrText(); stack == "" || strings.Contains(own, goTrace) {
		stack = own
	}
	cause := Trap
	if st.denied() {
		cause = MemoryLimit
		message = fmt.Sprintf("the plugin needs more than the %d bytes of memory that it may have: %s", st.limits.MemoryBytes, message)
	}
	return &Error{Cause: cause, Err: errors.New(message), Stack: stack}
}

// goTrace begins the trace of a goroutine.
const goTrace = "\ngoroutine "

// Nameless reports whether a guest's stack has numbers in place of the names of
// functions, because the module was stripped of them.
func Nameless(stack string) bool {
	numbers := false
	for line := range strings.Lines(stack) {
		switch {
		case strings.HasPrefix(line, ".$"):
			numbers = true
		case strings.HasPrefix(line, "."):
			return false
		}
	}
	return numbers
}

// splitStack divides an error text of the runtime into its message and the
// guest's stack, one function per line.
func splitStack(text string) (message, stack string) {
	message, stack, _ = strings.Cut(text, stackMark)
	return message, strings.ReplaceAll(strings.TrimRight(stack, "\n\t"), "\n\t", "\n")
}
