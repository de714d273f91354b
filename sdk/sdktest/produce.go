package sdktest

import (
	"errors"

	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/sdk"
)

// produce answers the operations on images, contents and programs.
func (h *Host) produce(op string, req []byte) (abi.Status, []byte) {
	switch op {
	case abi.OpCopyImage:
		return accept(h, op, req, abi.DecodeCopyImage, func(i sdk.CopyImage) string { return i.Key }, &h.Images)
	case abi.OpRun:
		return accept(h, op, req, abi.DecodeRun, func(r sdk.Run) string { return r.Key }, &h.Runs)
	case abi.OpPut:
		return h.put(req)
	}
	return h.exec(req)
}

// accept records the request of a producing operation.
func accept[T any](h *Host, op string, req []byte, decode func([]byte) (T, error), key func(T) string, to *[]T) (abi.Status, []byte) {
	m, err := decode(req)
	if err != nil {
		return refuse(abi.Invalid, err)
	}
	if h.denied(op, key(m)) {
		return refuse(abi.Denied, errors.New("the test denies "+op+" of "+key(m)))
	}
	*to = append(*to, m)
	return abi.OK, nil
}

func (h *Host) put(req []byte) (abi.Status, []byte) {
	message, content, found := abi.CutBytes(req)
	p, err := abi.DecodePut(message)
	switch {
	case err != nil:
		return refuse(abi.Invalid, err)
	case !found:
		return refuse(abi.Invalid, errors.New("a put without content"))
	case h.denied(abi.OpPut, p.Key):
		return refuse(abi.Denied, errors.New("the test denies the content of "+p.Key))
	}
	if h.Puts == nil {
		h.Puts = map[string][]byte{}
	}
	h.Puts[p.Key] = append(h.Puts[p.Key], content...)
	return abi.OK, nil
}

func (h *Host) exec(req []byte) (abi.Status, []byte) {
	e, err := abi.DecodeExec(req)
	switch {
	case err != nil:
		return refuse(abi.Invalid, err)
	case h.denied(abi.OpExec, e.Program):
		return refuse(abi.Denied, errors.New("the test denies the program "+e.Program))
	case h.Exec == nil:
		return refuse(abi.NotFound, errors.New("the test has no program "+e.Program))
	}
	out, err := h.Exec(e)
	if err != nil {
		return refuse(abi.Failed, err)
	}
	return abi.OK, out
}
