package guest

import (
	"context"
	"fmt"
	"sync"

	"github.com/sourcehost/sourcehost/internal/abi"
)

// callState is what the host functions work on during one call of a hook. Where the
// plugin has a process of its own, both sides have one: that of the process for the
// guest, and that of the host for what the process asks for.
type callState struct {
	ctx    context.Context
	limits *Limits
	caller Caller
	alloc  *allocator
	logs   logs

	input    []byte
	output   []byte
	result   []byte
	errorSet []byte
	hasError bool
	calls    int

	mu        sync.Mutex
	abandoned bool
}

func newCallState(ctx context.Context, l *Limits, a *allocator, input []byte, c Caller) *callState {
	st := &callState{ctx: ctx, limits: l, caller: c, alloc: a, input: input}
	st.logs = logs{emit: st.log, lineBytes: l.LogLineBytes, left: l.LogLines, limit: l.LogLines}
	return st
}

// abandon ends the call as far as the Caller is concerned: none of its methods
// is begun any more.
func (st *callState) abandon() {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.abandoned = true
}

// over reports whether the call was abandoned.
func (st *callState) over() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.abandoned
}

func (st *callState) denied() bool { return st.alloc.denied.Load() }

func (st *callState) log(level abi.Level, line string) {
	// The lock is held meanwhile, so that no line appears after the call.
	st.mu.Lock()
	defer st.mu.Unlock()
	if !st.abandoned && st.caller != nil {
		st.caller.Log(level, line)
	}
}

// call performs an operation for the guest. What the operator or the host does
// not allow is a status; only a guest that ignores its limits is ended.
func (st *callState) call(op string, req []byte) (abi.Status, []byte, error) {
	if st.calls++; st.calls > st.limits.Calls {
		return 0, nil, &fault{cause: CallLimit, err: fmt.Errorf("the hook asked for more than %d operations", st.limits.Calls)}
	}
	if int64(len(req)) > st.limits.RequestBytes {
		status, result := refuse(abi.Limit, fmt.Sprintf("the request has %d bytes: expected at most %d", len(req), st.limits.RequestBytes))
		return status, result, nil
	}
	if st.over() || st.ctx.Err() != nil {
		return 0, nil, &fault{cause: Deadline, err: fmt.Errorf("the call was ended while it asked for %q", cut(op))}
	}
	status, result := st.perform(op, req)
	return status, result, nil
}

func (st *callState) perform(op string, req []byte) (abi.Status, []byte) {
	if st.caller == nil {
		return refuse(abi.Unsupported, "no operation can be asked for here")
	}
	status, result := st.caller.Call(st.ctx, op, req)
	if int64(len(result)) > st.limits.ResultBytes {
		return refuse(abi.Limit, fmt.Sprintf("the result has %d bytes: expected at most %d", len(result), st.limits.ResultBytes))
	}
	return status, result
}

// refuse returns a status with the message that explains it.
func refuse(status abi.Status, message string) (abi.Status, []byte) {
	e := abi.Error{Kind: abi.ErrFailed, Message: message}
	return status, e.Append(nil)
}

// write appends to the hook's output.
func (st *callState) write(data []byte) error {
	if int64(len(st.output))+int64(len(data)) > st.limits.OutputBytes {
		return &fault{cause: OutputLimit, err: fmt.Errorf("the output has more than %d bytes", st.limits.OutputBytes)}
	}
	st.output = append(st.output, data...)
	return nil
}

// setError replaces the hook's error.
func (st *callState) setError(data []byte) error {
	if int64(len(data)) > st.limits.RequestBytes {
		return &fault{cause: OutputLimit, err: fmt.Errorf("the error has %d bytes: expected at most %d", len(data), st.limits.RequestBytes)}
	}
	st.errorSet = append(st.errorSet[:0], data...)
	st.hasError = true
	return nil
}

// failed returns the error of a hook that returned another value than 0.
func (st *callState) failed(code uint32) *Error {
	if !st.hasError {
		return &Error{Cause: Reported, Err: &abi.Error{Kind: abi.ErrFailed, Message: fmt.Sprintf("the hook returned %d and set no error", code)}}
	}
	e, err := abi.DecodeError(st.errorSet)
	if err != nil {
		return &Error{Cause: Contract, Err: fmt.Errorf("the hook's error: expected a JSON error message: %w", err)}
	}
	return &Error{Cause: Reported, Err: &e}
}
