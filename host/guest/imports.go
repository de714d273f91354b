package guest

import (
	"context"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/sourcehost/sourcehost/internal/abi"
)

// stateKey is the key of the callState in the context of a call.
type stateKey struct{}

// hostFunc is one import: it decodes the guest's arguments from stack, does
// what is asked and puts the result back. An error ends the guest.
type hostFunc func(st *callState, mem memory, stack []uint64) error

// hostFuncs maps the names in abi.Imports to what they do.
func hostFuncs() map[string]hostFunc {
	return map[string]hostFunc{
		abi.ImportInputRead:   inputRead,
		abi.ImportResultRead:  resultRead,
		abi.ImportOutputWrite: outputWrite,
		abi.ImportErrorSet:    errorSet,
		abi.ImportLog:         logLine,
		abi.ImportCall:        callOp,
	}
}

// instantiateImports offers the imports to the modules of a runtime.
func instantiateImports(ctx context.Context, r wazero.Runtime) error {
	b := r.NewHostModuleBuilder(abi.Module)
	funcs := hostFuncs()
	for _, f := range abi.Imports {
		run := funcs[f.Name]
		b.NewFunctionBuilder().
			WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, mod api.Module, stack []uint64) {
				st, ok := ctx.Value(stateKey{}).(*callState)
				if !ok {
					panic(&fault{cause: Contract, err: fmt.Errorf("%s was called outside of a hook", f.Name)})
				}
				if err := run(st, memory{mod.Memory()}, stack); err != nil {
					panic(err)
				}
			}), valueTypes(f.Params), valueTypes(f.Results)).
			Export(f.Name)
	}
	_, err := b.Instantiate(ctx)
	return err
}

func valueTypes(types []abi.ValueType) []api.ValueType {
	out := make([]api.ValueType, len(types))
	for i, t := range types {
		out[i] = api.ValueType(t)
	}
	return out
}

func inputRead(st *callState, mem memory, stack []uint64) error {
	n, err := mem.copyOut(abi.ImportInputRead, uint32(stack[0]), uint32(stack[2]), st.input, uint32(stack[1]))
	stack[0] = uint64(n)
	return err
}

func resultRead(st *callState, mem memory, stack []uint64) error {
	n, err := mem.copyOut(abi.ImportResultRead, uint32(stack[0]), uint32(stack[2]), st.result, uint32(stack[1]))
	stack[0] = uint64(n)
	return err
}

func outputWrite(st *callState, mem memory, stack []uint64) error {
	data, err := mem.view(abi.ImportOutputWrite, uint32(stack[0]), uint32(stack[1]))
	if err != nil {
		return err
	}
	return st.write(data)
}

func errorSet(st *callState, mem memory, stack []uint64) error {
	data, err := mem.view(abi.ImportErrorSet, uint32(stack[0]), uint32(stack[1]))
	if err != nil {
		return err
	}
	return st.setError(data)
}

func logLine(st *callState, mem memory, stack []uint64) error {
	text, err := mem.view(abi.ImportLog, uint32(stack[1]), uint32(stack[2]))
	if err != nil {
		return err
	}
	st.logs.line(abi.Level(uint32(stack[0])), text)
	return nil
}

// maxOpName is the longest name of an operation that is looked at, in bytes.
const maxOpName = 256

func callOp(st *callState, mem memory, stack []uint64) error {
	op, err := mem.view(abi.ImportCall, uint32(stack[0]), uint32(stack[1]))
	if err != nil {
		return err
	}
	req, err := mem.view(abi.ImportCall, uint32(stack[2]), uint32(stack[3]))
	if err != nil {
		return err
	}
	status, result, err := st.call(string(op[:min(len(op), maxOpName)]), req)
	if err != nil {
		return err
	}
	st.result = result
	stack[0] = uint64(status)<<32 | uint64(uint32(len(result)))
	return nil
}
