package sdktest

import (
	"errors"

	"github.com/sourcehost/sourcehost/internal/abi"
)

// http answers a request. One that is only to be started is recorded and not made.
func (h *Host) http(req []byte) (abi.Status, []byte) {
	q, err := abi.DecodeHTTPRequest(req)
	what := q.URL
	if q.Start {
		what = "start " + what
	}
	switch {
	case err != nil:
		return refuse(abi.Invalid, err)
	case h.denied(abi.OpHTTP, what):
		return refuse(abi.Denied, errors.New("the test denies requests of "+q.URL))
	case q.Start:
		return abi.OK, nil
	case h.HTTP == nil:
		return refuse(abi.Failed, errors.New("the test has no server for "+q.URL))
	}
	r, err := h.HTTP(q)
	if err != nil {
		return refuse(abi.Failed, err)
	}
	return abi.OK, append(append(r.Append(nil), '\n'), r.Body...)
}

// probe answers how long connecting takes.
func (h *Host) probe(req []byte) (abi.Status, []byte) {
	p, err := abi.DecodeProbe(req)
	if err != nil {
		return refuse(abi.Invalid, err)
	}
	var result abi.ProbeResult
	for _, url := range p.URLs {
		if h.denied(abi.OpProbe, url) {
			return refuse(abi.Denied, errors.New("the test denies connecting to "+url))
		}
		millis := int64(-1)
		if h.Probe != nil {
			millis = h.Probe(url)
		}
		result.Millis = append(result.Millis, millis)
	}
	return abi.OK, result.Append(nil)
}
