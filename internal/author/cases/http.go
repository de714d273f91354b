package cases

import (
	"fmt"
	"maps"
	"slices"

	"github.com/sourcehost/sourcehost/internal/abi"
)

// Response is how a server answers a request of the plugin's own.
type Response struct {
	// Method and URL are what is asked for; no method means any.
	Method string `json:"method,omitempty"`
	URL    string `json:"url"`
	// RequestBody, when not nil, is what must be sent.
	RequestBody *string `json:"request_body,omitempty"`
	// Status is the code of the response; 0 means 200.
	Status int64 `json:"status,omitempty"`
	// Headers and Body are those of the response.
	Headers map[string]string `json:"headers,omitempty"`
	Body    string            `json:"body,omitempty"`
	// Error makes the request fail, as when the server cannot be reached.
	Error string `json:"error,omitempty"`
}

// fits reports whether the response is one to this request.
func (r *Response) fits(q *abi.HTTPRequest) bool {
	method := q.Method
	if method == "" {
		method = "GET"
	}
	return (r.Method == "" || r.Method == method) && r.URL == q.URL && (r.RequestBody == nil || *r.RequestBody == q.Body)
}

// http answers from the case's servers: of the responses that fit, the first that
// was not used yet, else the last.
func (f *fake) http(req []byte) (abi.Status, []byte, error) {
	q, err := abi.DecodeHTTPRequest(req)
	if err != nil {
		return abi.Invalid, nil, err
	}
	var found *Response
	for i := range f.c.Host.HTTP {
		r := &f.c.Host.HTTP[i]
		if !r.fits(&q) {
			continue
		}
		if found = r; !f.usedHTTP[i] {
			f.usedHTTP[i] = !q.Start
			break
		}
	}
	switch {
	case found == nil:
		return abi.Failed, nil, fmt.Errorf("the case has no server for %s %s: add it to host/http", q.Method, q.URL)
	case q.Start:
		return abi.OK, nil, nil
	case found.Error != "":
		e := abi.Error{Kind: abi.ErrNetwork, Message: found.Error}
		return abi.Failed, e.Append(nil), nil
	}
	return abi.OK, found.encode(), nil
}

func (r *Response) encode() []byte {
	message := abi.HTTPResponse{Status: r.Status, URL: r.URL}
	if message.Status == 0 {
		message.Status = 200
	}
	for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
		message.Headers = append(message.Headers, abi.Header{Name: name, Value: r.Headers[name]})
	}
	return append(append(message.Append(nil), '\n'), r.Body...)
}
