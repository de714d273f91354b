package command

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Kind classifies why a program did not succeed, for callers that branch on it.
type Kind string

// The kinds of an Error.
const (
	KindFailed   Kind = "failed"    // it could not be started, or ended with an error
	KindNotFound Kind = "not found" // there is no such program
	KindInvalid  Kind = "invalid"   // the Spec was refused, nothing was run
	KindTimeout  Kind = "timeout"   // killed at its deadline
	KindCanceled Kind = "canceled"  // killed because the caller gave up
	KindLimit    Kind = "limit"     // killed because it wrote or forked too much
)

// Error says why a program did not succeed. It holds no secret that Spec.Redact knows.
type Error struct {
	Program  string
	Args     []string // redacted
	Kind     Kind
	ExitCode int    // of a program that exited by itself, else -1
	Signal   string // the signal that ended the program, such as SIGSEGV; "" when none did
	Tail     string // the last lines of its standard error, redacted and cleaned; may be empty
	Hint     string // what an operator can do; may be empty
	Err      error  // the cause; never nil
}

const (
	maxShownArg     = 200  // bytes of one argument
	maxShownCommand = 1000 // bytes of all arguments
)

// Error reads COMMAND: CAUSE, and continues with the last lines of standard error,
// each on a line of its own.
func (e *Error) Error() string {
	text := e.command() + ": " + e.Err.Error()
	if e.Tail == "" {
		return text
	}
	return text + ":\n\t" + strings.ReplaceAll(e.Tail, "\n", "\n\t")
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// command shows program and arguments, shortened.
func (e *Error) command() string {
	var b strings.Builder
	b.WriteString(clean(e.Program))
	for i, arg := range e.Args {
		if b.Len() > maxShownCommand {
			fmt.Fprintf(&b, " ... (%d more arguments)", len(e.Args)-i)
			break
		}
		b.WriteByte(' ')
		b.WriteString(shorten(clean(arg), maxShownArg))
	}
	return b.String()
}

// startError explains why a program could not be started.
func startError(spec Spec, err error) *Error {
	e := &Error{Kind: KindFailed, ExitCode: -1, Err: err}
	switch {
	case errors.Is(err, unix.ENOENT) && missing(spec.Dir):
		e.Err = fmt.Errorf("the folder to run in, %s, is missing: %w", clean(spec.Dir), err)
	case errors.Is(err, unix.ENOENT) && missing(spec.Program):
		e.Kind, e.Hint = KindNotFound, "install the program, or name its path in the configuration"
	case errors.Is(err, unix.ENOENT):
		e.Hint = "the program is there, but the interpreter that it names is not"
	case errors.Is(err, unix.ENOEXEC):
		e.Hint = "the file is no program for this machine, or a script without a first line that names its interpreter"
	case errors.Is(err, unix.EACCES):
		e.Hint = "the program must be executable for the user who runs this, and its file system not mounted noexec"
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.ENOMEM):
		e.Hint = "the machine has no memory or no processes left: use fewer workers"
	}
	return e
}

func missing(path string) bool {
	var st unix.Stat_t
	return unix.Stat(path, &st) == unix.ENOENT
}
