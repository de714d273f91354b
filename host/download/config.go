package download

import (
	"log/slog"
	"net"
	"net/netip"
	"os"
	"time"
)

// The defaults of Config.
const (
	DefaultUserAgent           = "sourcehost (osbuild source; +https://osbuild.org)"
	DefaultMaxAttempts         = 10
	DefaultConnectTimeout      = 30 * time.Second
	DefaultTLSTimeout          = 30 * time.Second
	DefaultHeaderTimeout       = 60 * time.Second
	DefaultStallTimeout        = 30 * time.Second
	DefaultStallBytesPerSecond = 1000
	DefaultPerHost             = 128
	DefaultMaxRedirects        = 10
	DefaultBackoffBase         = 500 * time.Millisecond
	DefaultBackoffMax          = 10 * time.Second
	DefaultRetryAfterMax       = 5 * time.Minute
	DefaultSetAside            = 3
	DefaultProgressInterval    = 100 * time.Millisecond
)

// Toggle is a switch with a default.
type Toggle int

const (
	// Default leaves the choice to the engine.
	Default Toggle = iota
	// On and Off choose.
	On
	Off
)

// Config configures an Engine. Its zero value is ready for use: each field
// that is zero, empty or nil has the default that its comment states.
type Config struct {
	// UserAgent is sent with every request. Default DefaultUserAgent: it names
	// osbuild, since some mirrors refuse the names of common tools.
	UserAgent string
	// MaxAttempts is how many requests are made for one item, over all its
	// URLs. A request with the redirects that follow it counts once. Default
	// DefaultMaxAttempts.
	MaxAttempts int
	// ConnectTimeout limits name resolution and connecting together. Default
	// DefaultConnectTimeout.
	ConnectTimeout time.Duration
	// TLSTimeout limits a TLS handshake. Default DefaultTLSTimeout.
	TLSTimeout time.Duration
	// HeaderTimeout limits the wait for the header of a response. Default
	// DefaultHeaderTimeout: servers that collect content on demand are slow to
	// begin.
	HeaderTimeout time.Duration
	// StallTimeout is the period over which fewer than StallBytesPerSecond on
	// average end a transfer. Default DefaultStallTimeout.
	StallTimeout time.Duration
	// StallBytesPerSecond is the rate below which a transfer counts as stalled.
	// Default DefaultStallBytesPerSecond.
	StallBytesPerSecond int64
	// PerHost is the largest number of connections to one host with the same
	// TLS and proxy settings. Default DefaultPerHost.
	PerHost int
	// MaxRedirects is how many redirects one request may follow. Default
	// DefaultMaxRedirects; negative means none.
	MaxRedirects int
	// AllowDowngrade permits redirects from https to http. Default false.
	AllowDowngrade bool
	// BackoffBase is the pause after the first failure of a URL, doubled with
	// each further one up to BackoffMax; a random part of up to half is taken
	// off. Defaults DefaultBackoffBase and DefaultBackoffMax.
	BackoffBase, BackoffMax time.Duration
	// RetryAfterMax caps the pause that a server asks for with Retry-After.
	// Default DefaultRetryAfterMax.
	RetryAfterMax time.Duration
	// SetAside is after how many items in a row that could not connect to a
	// host it is set aside until it answers: further items try their other
	// URLs first, and, when that many items have failed, connect to it only
	// once. Default DefaultSetAside; negative means never.
	SetAside int
	// ProgressInterval is the shortest time between two calls of
	// Request.Progress within a transfer. Default DefaultProgressInterval.
	ProgressInterval time.Duration
	// HTTP2 says whether HTTP/2 is offered to https servers. Default Off: HTTP/1.1 costs
	// less, in time and memory.
	HTTP2 Toggle
	// Environ looks up the proxy variables. Default os.Getenv.
	Environ func(name string) string
	// AddrPolicy is asked for every address before a connection to it is made,
	// that of a proxy included; its error denies the connection. Through a
	// proxy the target's own address is only known, and then asked for, when
	// the URL names it literally. Default nil: every address is allowed.
	AddrPolicy func(ip netip.Addr) error
	// Resolver resolves host names. Default nil: net.DefaultResolver.
	Resolver *net.Resolver
	// Redact takes secrets out of what servers have said, before it is cut to a
	// length: half a secret is not recognized. What identifies a file for resuming
	// is not kept when there is a secret in it. Default nil: nothing is taken out.
	Redact func(string) string
	// Logger gets one debug line for each attempt that failed. Default nil:
	// nothing is logged.
	Logger *slog.Logger
}

// withDefaults returns c with every zero field set to its default.
func (c Config) withDefaults() Config {
	orString(&c.UserAgent, DefaultUserAgent)
	orNumber(&c.MaxAttempts, DefaultMaxAttempts)
	orNumber(&c.ConnectTimeout, DefaultConnectTimeout)
	orNumber(&c.TLSTimeout, DefaultTLSTimeout)
	orNumber(&c.HeaderTimeout, DefaultHeaderTimeout)
	orNumber(&c.StallTimeout, DefaultStallTimeout)
	orNumber(&c.StallBytesPerSecond, DefaultStallBytesPerSecond)
	orNumber(&c.PerHost, DefaultPerHost)
	orNumber(&c.BackoffBase, DefaultBackoffBase)
	orNumber(&c.BackoffMax, DefaultBackoffMax)
	orNumber(&c.RetryAfterMax, DefaultRetryAfterMax)
	orNumber(&c.ProgressInterval, DefaultProgressInterval)
	if c.SetAside == 0 {
		c.SetAside = DefaultSetAside
	}
	switch {
	case c.MaxRedirects == 0:
		c.MaxRedirects = DefaultMaxRedirects
	case c.MaxRedirects < 0:
		c.MaxRedirects = 0
	}
	if c.Environ == nil {
		c.Environ = os.Getenv
	}
	if c.Redact == nil {
		c.Redact = func(text string) string { return text }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func orString(p *string, def string) {
	if *p == "" {
		*p = def
	}
}

func orNumber[T ~int | ~int64](p *T, def T) {
	if *p <= 0 {
		*p = def
	}
}
