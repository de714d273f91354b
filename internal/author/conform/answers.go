package conform

import (
	"context"

	"github.com/sourcehost/sourcehost/internal/abi"
)

// answers is a host that answers every operation in the same way.
type answers struct {
	status abi.Status
	result []byte
	// hook and items are those of the call that runs.
	hook  abi.Hook
	items []abi.Item
	calls int
}

// Call implements guest.Caller.
func (a *answers) Call(_ context.Context, op string, _ []byte) (abi.Status, []byte) {
	a.calls++
	if a.status == abi.OK && producing(op) {
		return abi.OK, nil
	}
	return a.status, a.result
}

// Log implements guest.Caller.
func (a *answers) Log(abi.Level, string) {}

func producing(op string) bool {
	return op == abi.OpDownload || op == abi.OpCopyImage || op == abi.OpPut || op == abi.OpRun
}

// denying answers as a host does that grants nothing.
func denying() *answers {
	e := abi.Error{Kind: abi.ErrDenied, Message: "the kit denies it"}
	return &answers{status: abi.Denied, result: e.Append(nil)}
}

// namedAnswers are answers that a guest must survive.
type namedAnswers struct {
	name  string
	world func() *answers
}

func worlds() []namedAnswers {
	fixed := func(status abi.Status, result string) func() *answers {
		return func() *answers { return &answers{status: status, result: []byte(result)} }
	}
	return []namedAnswers{
		{"operations that are denied are survived", func() *answers { return denying() }},
		{"operations that the host does not know are survived", fixed(abi.Unsupported, `{"kind":"failed","message":"no such operation"}`)},
		{"a failure without an explanation is survived", fixed(abi.Failed, "")},
		{"a failure that is explained in more fields is survived", fixed(abi.Failed, `{"later":{"a":[1]},"kind":"of its own","message":"m","hint":"h"}`)},
		{"a status that is not known is a failure", fixed(99, `{"kind":"failed","message":"later"}`)},
		{"a status that is not known, without a result, is a failure", fixed(0xffffffff, "")},
		{"an empty result is survived", fixed(abi.OK, "")},
		{"a result with the zero value of each field is survived", fixed(abi.OK, "{}")},
		{"a result that is not what was expected is survived", fixed(abi.OK, "\x00\xff not JSON [")},
		{"a result of 4 MiB is survived", func() *answers { return &answers{status: abi.OK, result: make([]byte, 4<<20)} }},
	}
}
