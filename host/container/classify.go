package container

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// always, as Error.tries, leaves the number of attempts to the configuration.
const always = 1 << 30

// mismatchTries is how many attempts may bring wrong bytes: what stands between
// us and the registry may serve better ones the second time.
const mismatchTries = 2

// sign is a text that tells the kind of a failure. Engines wrap what a
// registry's library says; a program has nothing but its words.
type sign struct {
	text  string // in lower case
	kind  Kind
	tries int
	hint  string
}

const (
	hintPolicy   = "install a policy.json (containers-policy.json(5)), name one in the configuration, or set policy = \"" + AcceptAnything + "\" there"
	hintSigned   = "the signature policy (policy.json) wants a signature that this image does not have"
	hintAuthFile = "check the file with the credentials of registries, or name another in REGISTRY_AUTH_FILE"
	hintAuth     = "log in with `skopeo login` or `podman login`, and name the file with the credentials in REGISTRY_AUTH_FILE"
	hintTLS      = "put the registry's CA into /etc/containers/certs.d/HOST:PORT/, or ask for the image without TLS verification"
	hintLimit    = "the registry limits requests: log in, or use a mirror (registries.conf)"
	hintDisk     = "make room, or check the permissions of the store"
)

// signs returns the texts in the order in which they are looked for.
func signs() []sign {
	return []sign{
		{"loading trust policy", KindInvalid, 0, hintPolicy},
		{"policy.json: no such file", KindInvalid, 0, hintPolicy},
		{"zstd compression is not supported for docker", KindInvalid, 0, "use the format " + string(Dir) + " for this image"},
		{"source image rejected", KindDenied, 0, hintSigned},
		{"no space left on device", KindDisk, 0, hintDisk},
		{"disk quota exceeded", KindDisk, 0, hintDisk},
		{"read-only file system", KindDisk, 0, hintDisk},
		{"server gave http response to https client", KindTLS, 0, "the registry speaks plain http: ask for the image without TLS verification"},
		{"x509:", KindTLS, 0, hintTLS},
		{"tls: ", KindTLS, 0, hintTLS},
		{"toomanyrequests", KindNetwork, always, hintLimit},
		{"too many requests", KindNetwork, always, hintLimit},
		{"unauthorized", KindDenied, 0, hintAuth},
		{"authentication required", KindDenied, 0, hintAuth},
		{"invalid username/password", KindDenied, 0, hintAuth},
		{"access to the resource is denied", KindDenied, 0, hintAuth},
		{"forbidden", KindDenied, 0, hintAuth},
		{"is blocked in", KindDenied, 0, "registries.conf blocks this registry"},
		{"does not resolve to an image id", KindNotFound, 0, ""},
		{"manifest unknown", KindNotFound, 0, ""},
		{"name unknown", KindNotFound, 0, ""},
		{"blob unknown", KindNotFound, 0, ""},
		{"does not match provided manifest digest", KindMismatch, mismatchTries, ""},
		{"digest did not match", KindMismatch, mismatchTries, ""},
		{"does not match expected sha256:", KindMismatch, mismatchTries, ""},
		{"size mismatch", KindMismatch, mismatchTries, ""},
		{"connection refused", KindNetwork, always, ""},
		{"connection reset", KindNetwork, always, ""},
		{"broken pipe", KindNetwork, always, ""},
		{"unexpected eof", KindNetwork, always, ""},
		{": eof", KindNetwork, always, ""},
		{"server closed", KindNetwork, always, ""},
		{"stream error", KindNetwork, always, ""},
		{"no such host", KindNetwork, 3, ""},
		{"server misbehaving", KindNetwork, always, ""},
		{"temporary failure in name resolution", KindNetwork, always, ""},
		{"no route to host", KindNetwork, always, ""},
		{"network is unreachable", KindNetwork, always, ""},
		{"timeout", KindTimeout, always, ""},
		{"timed out", KindTimeout, always, ""},
	}
}

// status finds the status of HTTP in what the library of both engines says.
var status = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)status(?: ?code)?(?: from registry)?:? (\d{3})\b`)
})

// classify says what err, which an engine returned, means.
func classify(ctx context.Context, err error, r *Request) *Error {
	if ctx.Err() != nil {
		cause := fmt.Errorf("stopped: %w", ctx.Err())
		if why := context.Cause(ctx); why != ctx.Err() {
			cause = fmt.Errorf("%w: %w", cause, why)
		}
		return &Error{Kind: KindCanceled, Err: cause}
	}
	if known, ok := errors.AsType[*Error](err); ok {
		return &Error{Kind: known.Kind, Err: r.clean(known.Err), Hint: known.Hint, tries: known.tries}
	}
	e := &Error{Kind: KindInternal, Err: r.clean(err)}
	if strings.Contains(err.Error(), "getting username and password") { // from a file of this machine
		e.Kind, e.Hint = KindInvalid, hintAuthFile
		return e
	}
	if isDiskFault(err) {
		e.Kind, e.Hint = KindDisk, hintDisk
		return e
	}
	text := strings.ToLower(strings.ReplaceAll(err.Error(), r.Image.Name, ""))
	if found := status().FindStringSubmatch(text); found != nil {
		code, _ := strconv.Atoi(found[1])
		if e.status(code) {
			return e
		}
	}
	for _, s := range signs() {
		if strings.Contains(text, s.text) {
			e.Kind, e.tries, e.Hint = s.kind, s.tries, s.hint
			return e
		}
	}
	return e
}

// status says what an answer of the registry means, if that is clear.
func (e *Error) status(code int) bool {
	switch {
	case code == 401 || code == 403:
		e.Kind, e.Hint = KindDenied, hintAuth
	case code == 404 || code == 410:
		e.Kind = KindNotFound
	case code == 408 || code == 504:
		e.Kind, e.tries = KindTimeout, always
	case code == 429:
		e.Kind, e.tries, e.Hint = KindNetwork, always, hintLimit
	case code == 501 || code == 505:
		e.Kind = KindNetwork
	case code >= 500 && code < 600:
		e.Kind, e.tries = KindNetwork, always
	default:
		return false
	}
	return true
}

// isDiskFault says whether a file could not be made or written.
func isDiskFault(err error) bool {
	for _, e := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EIO} {
		if errors.Is(err, e) {
			return true
		}
	}
	_, isPath := errors.AsType[*fs.PathError](err)
	return isPath && errors.Is(err, fs.ErrPermission)
}

// maxText is where the text of a cause is cut: it can quote what a registry
// sent, or the last lines of a program.
const maxText = 800

// address finds URLs in a text.
var address = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`https?://[^\s"'<>\\]+`)
})

// cleaned is an error whose text shows no secret and is not too long.
type cleaned struct {
	text string
	err  error
}

func (e *cleaned) Error() string { return e.text }
func (e *cleaned) Unwrap() error { return e.err }

// clean removes secrets from err's text, and passwords and signed queries from its
// URLs: that is where registries put the permission to load a blob.
func (r *Request) clean(err error) error {
	text := cleanText(err.Error())
	if r.redact != nil {
		text = r.redact(text)
	}
	if len(text) > maxText { // what was done stands at one end, and why it failed at the other
		text = strings.ToValidUTF8(text[:maxText/2], "") + " ... " + strings.ToValidUTF8(text[len(text)-maxText/2:], "")
	}
	if text == err.Error() {
		return err
	}
	return &cleaned{text, err}
}

func cleanText(text string) string {
	text = strings.ToValidUTF8(text, "?")
	return address().ReplaceAllStringFunc(text, func(s string) string {
		u, err := url.Parse(s)
		if err != nil {
			return "[address]"
		}
		u.User, u.Fragment = nil, ""
		if u.RawQuery != "" {
			u.RawQuery = "..."
		}
		return u.String()
	})
}
