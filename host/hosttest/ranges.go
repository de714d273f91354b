package hosttest

import (
	"fmt"
	"net/http"
	"strconv"
)

// The behaviours that matter for resuming. Each breaks off in the middle when
// the whole file is asked for, so that the client comes back for the rest.

// rangeStart is where the request's range begins; -1 without one.
func (x *Exchange) rangeStart() int {
	var start int
	if _, err := fmt.Sscanf(x.R.Header.Get("Range"), "bytes=%d-", &start); err != nil {
		return -1
	}
	return start
}

// RangeIgnored answers a request for the rest with the whole file.
func RangeIgnored(x *Exchange) {
	if x.rangeStart() < 0 && x.N == 0 {
		Truncated(x)
		return
	}
	x.begin(len(x.File.Content))
}

// WrongRange answers a request for the rest with another range.
func WrongRange(x *Exchange) {
	start := x.rangeStart()
	switch {
	case start < 0 && x.N == 0:
		Truncated(x)
	case start < 0:
		Good(x)
	default:
		x.part(start-1, len(x.File.Content))
	}
}

// WrongTotal answers a request for the rest with a range of a longer file.
func WrongTotal(x *Exchange) {
	start := x.rangeStart()
	switch {
	case start < 0 && x.N == 0:
		Truncated(x)
	case start < 0:
		Good(x)
	default:
		x.part(start, len(x.File.Content)+1)
	}
}

// part answers with the bytes from start on, and claims total.
func (x *Exchange) part(start, total int) {
	rest := x.File.Content[start:]
	h := x.W.Header()
	h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", start, len(x.File.Content)-1, total))
	h.Set("Content-Length", strconv.Itoa(len(rest)))
	x.W.WriteHeader(http.StatusPartialContent)
	x.W.Write(rest)
}

// ShortRange answers a request for the rest with half of it.
func ShortRange(x *Exchange) {
	start := x.rangeStart()
	if start < 0 {
		Truncated(x)
		return
	}
	size := len(x.File.Content)
	end := start + (size-start+1)/2
	x.W.Header().Set("ETag", x.File.ETag)
	x.W.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", start, end-1, size))
	x.W.WriteHeader(http.StatusPartialContent)
	x.W.Write(x.File.Content[start:end])
}

// Unsatisfiable answers a request for the rest with 416.
func Unsatisfiable(x *Exchange) {
	switch {
	case x.rangeStart() >= 0:
		x.W.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", len(x.File.Content)))
		Status(http.StatusRequestedRangeNotSatisfiable)(x)
	case x.N == 0:
		Truncated(x)
	default:
		Good(x)
	}
}

// Changed breaks off in the middle of other content at first, and has the file,
// with its own ETag, afterwards.
func Changed(x *Exchange) {
	if x.N > 0 {
		Good(x)
		return
	}
	old := make([]byte, len(x.File.Content))
	x.File.Content, x.File.ETag = old, `"old"`
	Truncated(x)
}

// Mixed is Changed by a server that does not notice: it sends the rest of the
// new file after the first half of the old one.
func Mixed(x *Exchange) {
	if x.N > 0 {
		x.R.Header.Del("If-Range")
		Good(x)
		return
	}
	x.File.Content = make([]byte, len(x.File.Content))
	Truncated(x)
}
