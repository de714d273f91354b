package download

import (
	"io"
	"net/http"
	"net/url"
)

// Request says what to fetch and how.
type Request struct {
	// Name is the item, for errors and log lines.
	Name string
	// URLs are tried in order: http, https or file. Paths are quoted with
	// QuotePath. Userinfo of a URL is sent as Basic authentication to that
	// URL's origin only.
	URLs []string
	// Mirrors are base URLs that are tried in order after URLs, each with Path
	// beneath it. A mirror gets at least one attempt, whatever Config.MaxAttempts
	// says.
	Mirrors []string
	// Path is where the file lies beneath each of Mirrors. It need not be quoted.
	Path string
	// Record remembers which of Mirrors keep failing: they come last. Requests that
	// share a record share what is known. May be nil.
	Record *MirrorRecord
	// Header is sent to the origin (scheme, host and port) of each URL, never
	// to another one that a redirect leads to.
	Header http.Header
	// Sealed are header fields whose values are only known when the request is
	// about to be sent. They follow the same rule as Header.
	Sealed []SealedHeader
	// Query are parameters that are added to the URL in the same way, when a
	// request is sent. They are in no error, log line or Info.
	Query []SealedHeader
	// Insecure turns the verification of servers' certificates off.
	Insecure bool
	// CA is the path of a PEM file with certificate authorities that are
	// trusted in addition to the system's, also after redirects.
	CA string
	// Cert and Key are the paths of the client's certificate and private key
	// in PEM. Without Key, the file of Cert holds both. They follow the same
	// rule as Header: content networks redirect to other hosts with signed
	// URLs, which need not learn who the client is.
	Cert, Key string
	// SealedCert and SealedKey return PEM text in place of Cert and Key, for a
	// request to u's host. May be nil.
	SealedCert, SealedKey func(u *url.URL) (pem string, err error)
	// Proxy is the URL of the proxy for every request of this item: http,
	// https or socks5. Empty means that the environment variables decide.
	Proxy string
	// CheckURL is asked for each URL and each target of a redirect, before it
	// is requested; source is the one of URLs or Mirrors that led there. An error denies
	// it for good. May be nil.
	CheckURL func(source string, u *url.URL) error
	// AddrRules returns what is asked for the addresses of servers, beside
	// Config.AddrPolicy, for one of URLs or Mirrors. The second rule takes the place of the
	// first after a redirect by a server that is not on this machine. May be nil, and
	// so may each rule.
	AddrRules func(source string) (first, redirected *AddrRule)
	// Progress is told how many bytes of the item are there, and how many there
	// will be, or -1 where that is unknown. Done may fall when a transfer
	// starts over. It is called by the goroutine that calls Fetch. May be nil.
	Progress func(done, total int64)
}

// First returns the URL that is tried first, cleaned, as long as no mirror has been
// set aside; empty when there is none.
func (r *Request) First() string {
	switch {
	case len(r.URLs) > 0:
		return CleanURL(r.URLs[0])
	case len(r.Mirrors) > 0:
		return CleanURL(JoinMirror(r.Mirrors[0], r.Path))
	}
	return ""
}

// SealedHeader is a header field, or a parameter of the query, whose value is asked
// for at each request.
type SealedHeader struct {
	Name string
	// Fill returns the value to send to u's host. An error denies the request.
	// The value is never logged.
	Fill func(u *url.URL) (value string, err error)
}

// Target receives the bytes of one item. Fetch calls its methods one after
// another. Errors of Reset and Write end the fetch: they are taken for the
// disk's.
type Target interface {
	// Offset is how many bytes the target has, from this or an earlier run.
	Offset() int64
	// Validator is what Reset was given for those bytes; empty means that they
	// cannot be completed.
	Validator() string
	// Reset forgets all bytes. A new body starts, of size bytes (-1: unknown),
	// with an opaque validator to keep with the bytes (may be empty).
	Reset(size int64, validator string) error
	io.Writer
	// Verify is called after the last byte. An error with a method
	// Mismatch() bool that returns true means that the bytes are not the
	// expected ones; another error is taken for the disk's.
	Verify() error
}

// Info describes a fetch that succeeded.
type Info struct {
	// URL is the URL of the Request that the bytes came from, cleaned.
	URL string
	// Final is where redirects led in the end, cleaned; empty without any.
	Final string
	// Bytes is the size of the item.
	Bytes int64
	// Attempts is how many requests were made.
	Attempts int
	// Resumed tells whether bytes of an earlier attempt or run were kept.
	Resumed bool
}
