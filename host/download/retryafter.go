package download

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// retryAfter returns how long the server asks to be left alone (RFC 9110,
// 10.2.3): a number of seconds or a date. A date is compared with the server's
// own clock where the response tells it, so that a wrong clock on one side does
// not matter. What cannot be understood counts as 0.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if value == "" {
		return 0
	}
	if seconds, ok := delaySeconds(value); ok {
		return seconds
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return max(at.Sub(now), 0)
}

// delaySeconds parses delay-seconds: digits only. Numbers too large for a
// Duration become the largest number of whole hours.
func delaySeconds(value string) (time.Duration, bool) {
	if value == "" || strings.Trim(value, "0123456789") != "" {
		return 0, false
	}
	const most = 24 * 365 * time.Hour
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n > int64(most/time.Second) {
		return most, true
	}
	return time.Duration(n) * time.Second, true
}
