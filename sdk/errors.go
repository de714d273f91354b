package sdk

import "github.com/sourcehost/sourcehost/internal/abi"

// KindOf returns the kind of an error, also of one that wraps an *Error;
// ErrFailed when it has none, and "" for nil. A path that Context.Read did not
// find, for example, is ErrNotFound.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	return reported(err).Kind
}

// reported turns any error into one that can cross to the host. A wrapped
// *Error lends its kind and hint; the message is the whole chain's.
func reported(err error) *Error {
	if e, ok := err.(*Error); ok {
		return e
	}
	out := &Error{Kind: ErrFailed, Message: err.Error()}
	for inner := err; inner != nil; {
		if e, ok := inner.(*Error); ok {
			out.Kind, out.Hint = e.Kind, e.Hint
			break
		}
		u, ok := inner.(interface{ Unwrap() error })
		if !ok {
			break
		}
		inner = u.Unwrap()
	}
	return out
}

// invalid makes the error of a description or configuration that could not be
// read.
func invalid(err error) error {
	if err == nil {
		return nil
	}
	return &Error{Kind: ErrInvalid, Message: err.Error()}
}

// statusError is the error of an operation that the host did not do. The host
// says why in the result.
func statusError(op, what string, status abi.Status, result []byte) *Error {
	if e, err := abi.DecodeError(result); err == nil && e.Message != "" {
		if kind := status.Kind(); e.Kind == ErrFailed && kind != ErrFailed {
			e.Kind = kind
		}
		return &e
	}
	e := &Error{Kind: status.Kind(), Message: op + " of " + what + ": " + status.String()}
	if status == abi.Unsupported {
		e.Hint = "this plugin needs a newer sourcehost"
	}
	return e
}
