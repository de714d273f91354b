package guest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sourcehost/sourcehost/host/guest/frame"
	"github.com/sourcehost/sourcehost/internal/abi"
)

const (
	// maxMessage and maxStack are where messages and stacks of a worker are cut,
	// in bytes.
	maxMessage = 1 << 20
	maxStack   = 64 << 10
)

// failureOf encodes an error for the way from a worker to its host.
func failureOf(e *Error) *frame.Failure {
	f := &frame.Failure{
		Cause:   string(e.Cause),
		Message: clip(e.Err.Error(), maxMessage),
		Stack:   clip(e.Stack, maxStack),
	}
	var said *abi.Error
	if e.Cause == Reported && errors.As(e.Err, &said) {
		f.Message, f.Reported = "", said.Append(nil)
	}
	return f
}

// errorOf decodes what failureOf has encoded.
func errorOf(f *frame.Failure) (*Error, error) {
	cause := Cause(f.Cause)
	inside := []Cause{Refused, Trap, Deadline, MemoryLimit, OutputLimit, CallLimit, BadPointer, Contract}
	switch {
	case cause == Reported:
		said, err := abi.DecodeError(f.Reported)
		if err != nil {
			return nil, fmt.Errorf("expected the error that a hook has reported: %w", err)
		}
		return &Error{Cause: cause, Err: &said}, nil
	case slices.Contains(inside, cause):
		message := strings.ReplaceAll(f.Message, "\n", " ")
		if cause == Refused { // these are made of several lines
			message = f.Message
		}
		return &Error{Cause: cause, Err: errors.New(message), Stack: f.Stack}, nil
	}
	return nil, fmt.Errorf("expected the cause of a failure, found %q", cut(f.Cause))
}

// clip cuts text that may be long.
func clip(s string, most int) string {
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}
