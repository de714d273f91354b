package guest

import (
	"errors"
	"fmt"

	"github.com/sourcehost/sourcehost/internal/abi"
)

// Cause classifies what a plugin did to fail a call.
type Cause string

const (
	// Refused means that the plugin was not accepted: its file is not a plugin
	// of this contract, or it could not be compiled or instantiated.
	Refused Cause = "refused"
	// Trap means that the guest's code trapped or ended itself.
	Trap Cause = "trap"
	// Deadline means that a call, or making an instance, took too long.
	Deadline Cause = "deadline"
	// MemoryLimit means that the guest failed after it was denied more memory.
	MemoryLimit Cause = "memory limit"
	// OutputLimit means that a hook's output or error grew too large.
	OutputLimit Cause = "output limit"
	// CallLimit means that a hook asked for too many operations.
	CallLimit Cause = "call limit"
	// BadPointer means that the guest passed an address outside its memory.
	BadPointer Cause = "bad pointer"
	// Contract means that the guest broke the contract in another way, for
	// example by an error that is not JSON.
	Contract Cause = "contract"
	// Process means that the process in which the plugin runs could not be
	// started, ended by itself, or sent what is not of the protocol.
	Process Cause = "process"
	// Reported means that the hook itself reported an error. Error.Err is then
	// an *abi.Error.
	Reported Cause = "reported"
)

// ErrClosed is returned for calls of a pool or a runtime that is closed.
var ErrClosed = errors.New("the plugin's instances are closed")

// Error says which plugin failed in which hook, and why. Its text names plugin
// and hook; it never holds the guest's stack.
type Error struct {
	// Plugin is Source.Name.
	Plugin string
	// Hook is empty when loading or compiling failed.
	Hook  abi.Hook
	Cause Cause
	Err   error
	// Stack is the guest's stack at a trap, one function per line, innermost
	// first. It may be empty.
	Stack string

	// again says that the call had no effect and may be made once more.
	again bool
	// known says that no process died for it this time.
	known bool
}

// Error describes the failure in one line.
func (e *Error) Error() string {
	if e.Hook == "" {
		return fmt.Sprintf("plugin %s: %v", e.Plugin, e.Err)
	}
	return fmt.Sprintf("plugin %s: %s: %v", e.Plugin, e.Hook, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
