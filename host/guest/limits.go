package guest

import (
	"time"

	"github.com/sourcehost/sourcehost/internal/abi"
)

// Limits bound what a plugin can use up. The zero value of every field means
// its default, which docs/abi.md states. Except for the number of bytes of the
// module they hold for one instance or for one call of a hook.
type Limits struct {
	// ModuleBytes is the largest plugin file.
	ModuleBytes int64
	// FunctionBytes is the largest body of one function. Compilers need time
	// that grows faster than the size of a function, and cannot be interrupted.
	FunctionBytes int64
	// TableEntries is the largest table that a plugin may declare or grow to.
	TableEntries int64
	// MemoryBytes is the largest linear memory of an instance, rounded down to
	// whole pages of 64 KiB.
	MemoryBytes int64
	// LoadTime is how long compiling may take.
	LoadTime time.Duration
	// HookTime is how long one call of a hook may take, and how long making an
	// instance may take.
	HookTime time.Duration
	// OutputBytes is the largest output of a hook.
	OutputBytes int64
	// ResultBytes is the largest result of one operation.
	ResultBytes int64
	// RequestBytes is the largest request of one operation, and the largest
	// error that a hook may set.
	RequestBytes int64
	// LogLines is how many lines one call of a hook may log.
	LogLines int
	// LogLineBytes is where a log line is cut.
	LogLineBytes int
	// Calls is how many operations one call of a hook may ask for.
	Calls int
}

// DefaultFunctionBytes is the default of Limits.FunctionBytes. The largest
// function of a plugin built by Go's toolchain has 12 kB, interpreters written in
// C have some of 100 kB; the worst of 256 KiB takes six seconds to compile, of
// 1 MiB more than a minute.
const DefaultFunctionBytes = 256 << 10

// withDefaults returns l with the zero fields filled in from base, and what is
// then still zero from the contract's defaults.
func (l Limits) withDefaults(base Limits) Limits {
	return Limits{
		ModuleBytes:   first(l.ModuleBytes, base.ModuleBytes, abi.DefaultModuleBytes),
		FunctionBytes: first(l.FunctionBytes, base.FunctionBytes, DefaultFunctionBytes),
		TableEntries:  first(l.TableEntries, base.TableEntries, abi.DefaultTableEntries),
		MemoryBytes:   first(l.MemoryBytes, base.MemoryBytes, abi.DefaultMemoryBytes),
		LoadTime:      first(l.LoadTime, base.LoadTime, abi.DefaultLoadSeconds*time.Second),
		HookTime:      first(l.HookTime, base.HookTime, abi.DefaultHookSeconds*time.Second),
		OutputBytes:   first(l.OutputBytes, base.OutputBytes, abi.DefaultOutputBytes),
		ResultBytes:   first(l.ResultBytes, base.ResultBytes, abi.DefaultResultBytes),
		RequestBytes:  first(l.RequestBytes, base.RequestBytes, abi.DefaultRequestBytes),
		LogLines:      first(l.LogLines, base.LogLines, abi.DefaultLogLines),
		LogLineBytes:  first(l.LogLineBytes, base.LogLineBytes, abi.DefaultLogLineBytes),
		Calls:         first(l.Calls, base.Calls, abi.DefaultCalls),
	}
}

// Effective returns l with the contract's defaults in place of zero fields.
func (l Limits) Effective() Limits { return l.withDefaults(Limits{}) }

// first returns the first positive value.
func first[T int | int64 | time.Duration](values ...T) T {
	for _, v := range values {
		if v > 0 {
			return v
		}
	}
	return 0
}
