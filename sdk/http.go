package sdk

import "github.com/sourcehost/sourcehost/internal/abi"

// HTTPResponse is what a server answered, whatever its status.
type HTTPResponse struct {
	abi.HTTPResponse
	Body []byte
}

// Header returns the first value of a header, or "". The name is in its usual
// form, for example "Content-Type".
func (r *HTTPResponse) Header(name string) string {
	for _, h := range r.Headers {
		if h.Name == name {
			return h.Value
		}
	}
	return ""
}

// HTTP makes a small request: a token, a list of mirrors, metadata. It follows
// redirects, repeats what can be repeated where that can help, and returns the last
// response, whatever its status. The hook's deadline is the request's. With Start it
// returns at once, and with an empty response.
func (c *Context) HTTP(q *HTTPRequest) (*HTTPResponse, error) {
	c.req = q.Append(c.req[:0])
	result, err := c.call(abi.OpHTTP, q.URL)
	if err != nil || q.Start {
		return &HTTPResponse{}, err
	}
	message, body, _ := abi.CutBytes(result)
	r := &HTTPResponse{Body: append(make([]byte, 0, len(body)), body...)}
	r.HTTPResponse, err = abi.DecodeHTTPResponse(message)
	return r, err
}

// Probe measures how long it takes to connect to the servers of some URLs, all at
// the same time, in milliseconds; -1 stands where that failed. In a run each server
// is measured once.
func (c *Context) Probe(urls []string) ([]int64, error) {
	c.req = (&abi.Probe{URLs: urls}).Append(c.req[:0])
	result, err := c.call(abi.OpProbe, "the servers")
	if err != nil {
		return nil, err
	}
	r, err := abi.DecodeProbeResult(result)
	return r.Millis, err
}
