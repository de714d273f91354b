package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/sourcehost/sourcehost/sdk"
)

const (
	// defaultLifetime is that of a token whose answer names none.
	defaultLifetime = 5 * time.Minute
	// failureTime is how long a failure stands for all items, so that a service that
	// is down is not asked for each of them.
	failureTime = 10 * time.Second
)

// now is replaced in tests.
var now = time.Now

// tokens keeps the token of the service, or why there is none.
type tokens struct {
	token   string
	expires time.Time
	err     error
	failed  time.Time
}

// get returns a token that is valid for a while.
func (t *tokens) get(ctx *sdk.Context) (string, error) {
	at := now()
	if t.token != "" && at.Add(time.Duration(config.minLifetime)*time.Second).Before(t.expires) {
		return t.token, nil
	}
	if t.err != nil && at.Sub(t.failed).Abs() < failureTime {
		return "", t.err
	}
	token, lifetime, err := request(ctx)
	if err != nil {
		t.err, t.failed = err, at
		return "", err
	}
	t.token, t.expires, t.err = token, at.Add(lifetime), nil
	return token, nil
}

// request asks for a token by the grant "client_credentials" (RFC 6749, section
// 4.4). The client authenticates with Basic, which the host fills in.
func request(ctx *sdk.Context) (token string, lifetime time.Duration, err error) {
	body := "grant_type=client_credentials"
	if config.scope != "" {
		body += "&scope=" + escape(config.scope)
	}
	for _, p := range config.parameters {
		body += "&" + escape(p.name) + "=" + escape(p.value)
	}
	r, err := ctx.HTTP(&sdk.HTTPRequest{
		Method: "POST", URL: config.tokenURL, Body: body,
		Auth: sdk.Auth{User: config.clientID, Secret: config.clientSecret},
		Headers: []sdk.Header{
			{Name: "Content-Type", Value: "application/x-www-form-urlencoded"}, {Name: "Accept", Value: "application/json"},
		},
	})
	if err != nil {
		return "", 0, err
	}
	if r.Status != 200 {
		return "", 0, refused(r)
	}
	return decode(r.Body)
}

// decode reads a successful answer (RFC 6749, section 5.1).
func decode(body []byte) (token string, lifetime time.Duration, err error) {
	kind, lifetime := "Bearer", defaultLifetime
	r := sdk.Value(body).Reader()
	err = r.Object(func(key []byte) (err error) {
		switch string(key) {
		case "access_token":
			token, err = r.String()
		case "token_type":
			kind, err = r.String()
		case "expires_in":
			var text string
			if r.Kind() == '"' { // which some services write
				text, err = r.String()
			} else {
				var raw []byte
				raw, err = r.Raw()
				text = string(raw)
			}
			if seconds, e := strconv.ParseFloat(text, 64); e == nil && seconds >= 0 && seconds < 1e9 {
				lifetime = time.Duration(seconds * float64(time.Second))
			}
		}
		return err
	})
	switch {
	case err != nil:
		return "", 0, &sdk.Error{Kind: sdk.ErrFailed, Message: "the token end point did not answer with a token: " + err.Error()}
	case token == "" || strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c > '~' }):
		return "", 0, &sdk.Error{Kind: sdk.ErrFailed, Message: "the token end point answered without a usable access_token"}
	case !strings.EqualFold(kind, "Bearer"):
		return "", 0, &sdk.Error{Kind: sdk.ErrFailed, Message: "the token end point answered with a token of the type " + strconv.Quote(kind) + ", not Bearer"}
	}
	return token, lifetime, nil
}

// refused is the error of another answer (RFC 6749, section 5.2).
func refused(r *sdk.HTTPResponse) error {
	e := &sdk.Error{Kind: sdk.ErrFailed, Message: "the token end point answered with the status " + strconv.FormatInt(r.Status, 10)}
	if r.Status == 400 || r.Status == 401 || r.Status == 403 {
		e.Kind, e.Hint = sdk.ErrDenied, "check client_id and the secret client_secret"
	}
	if code, err := sdk.Value(r.Body).Text("error"); err == nil && code != "" {
		e.Message += ": " + code
		if text, err := sdk.Value(r.Body).Text("error_description"); err == nil && text != "" {
			e.Message += ", " + text
		}
	}
	return e
}

// escape writes a value of a form.
func escape(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-._~", c) >= 0:
			b.WriteByte(c)
		default:
			const digits = "0123456789ABCDEF"
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}
