package hosttest

import (
	"math"
	"net/http"
	"time"
)

// Faults are the behaviours that a URL can ask for by name.
func Faults() map[string]Behaviour {
	return map[string]Behaviour{
		"good":             Good,
		"401":              Status(http.StatusUnauthorized),
		"403":              Status(http.StatusForbidden),
		"404":              Status(http.StatusNotFound),
		"410":              Status(http.StatusGone),
		"408":              Status(http.StatusRequestTimeout),
		"429":              Status(http.StatusTooManyRequests),
		"429-seconds":      RetryAfter(http.StatusTooManyRequests, "1"),
		"429-date":         RetryAfterDate(http.StatusTooManyRequests, 2*time.Second),
		"500":              Status(http.StatusInternalServerError),
		"502":              Status(http.StatusBadGateway),
		"503":              Status(http.StatusServiceUnavailable),
		"504":              Status(http.StatusGatewayTimeout),
		"hangup":           Hangup,
		"silent":           Silent,
		"not-http":         NotHTTP,
		"reset":            ResetHalfway,
		"truncated":        Truncated,
		"announced":        Announced(math.MaxInt64),
		"longer":           Longer,
		"longer-chunked":   LongerChunked,
		"wrong":            WrongBytes,
		"drip":             Drip,
		"stall":            Stalled,
		"broken-framing":   BrokenFraming,
		"no-length":        NoLength,
		"gzip":             Packed,
		"range-ignored":    RangeIgnored,
		"range-wrong":      WrongRange,
		"range-total":      WrongTotal,
		"range-short":      ShortRange,
		"416":              Unsatisfiable,
		"changed":          Changed,
		"mixed":            Mixed,
		"redirect":         redirectHome,
		"redirect-loop":    redirectLoop,
		"redirect-endless": redirectEndless,
		"redirect-away":    redirectPeer,
		"redirect-down":    redirectPeer,
		"redirect-file":    Redirect(http.StatusFound, "file:///etc/passwd"),
	}
}

// redirectHome leads to the file itself.
func redirectHome(x *Exchange) { Redirect(http.StatusFound, x.Path)(x) }

// redirectLoop leads from one URL to another and back.
func redirectLoop(x *Exchange) {
	to := x.R.URL.Path + "?again"
	if x.R.URL.RawQuery != "" {
		to = x.R.URL.Path
	}
	Redirect(http.StatusFound, to)(x)
}

// redirectEndless leads to a new URL each time.
func redirectEndless(x *Exchange) {
	Redirect(http.StatusFound, x.R.URL.Path+"?"+x.R.URL.RawQuery+"x")(x)
}

// redirectPeer leads to the same path on the peer.
func redirectPeer(x *Exchange) {
	x.server.mu.Lock()
	peer := x.server.peer
	x.server.mu.Unlock()
	if peer == nil {
		Status(http.StatusTeapot)(x)
		return
	}
	Redirect(http.StatusFound, peer.URL(x.Path))(x)
}
