// Bearer-token is a plugin that sends a token with downloads: one that is a secret
// of the host, or one of an OAuth 2.0 token service. See README.md.
package main

import (
	"strings"

	"github.com/sourcehost/sourcehost/sdk"
)

var plugin = sdk.Register(sdk.Plugin{Setup: setup, Prepare: prepare})

func main() {} // never runs: a plugin is a WASI reactor

// settings are the plugin's section of the configuration.
type settings struct {
	urls           []string
	header, prefix string
	// token is the name of a secret. Without it the other fields say where tokens
	// come from.
	token                            string
	tokenURL, clientID, clientSecret string
	scope                            string
	parameters                       []parameter
	minLifetime                      int64 // seconds
}

type parameter struct{ name, value string }

var (
	config  settings
	service tokens
)

func setup(ctx *sdk.Context) error {
	config, service = settings{header: "Authorization", prefix: "Bearer ", minLifetime: 60}, tokens{}
	if len(ctx.Config) == 0 {
		return nil
	}
	r := ctx.Config.Reader()
	err := r.Object(func(key []byte) error { return config.read(r, string(key)) })
	if err == nil && config.token == "" && now().Year() < built {
		err = &sdk.Error{Kind: sdk.ErrDenied, Message: "without the real time nobody knows when a token expires", Hint: "add clock = true to the plugin's grant"}
	}
	return err
}

// built is a year that the real time is not before; the clock of a plugin that may
// not see that stands still, earlier.
const built = 2025

func (s *settings) read(r *sdk.Reader, name string) (err error) {
	texts := map[string]*string{
		"header": &s.header, "prefix": &s.prefix, "token": &s.token, "token_url": &s.tokenURL,
		"client_id": &s.clientID, "client_secret": &s.clientSecret, "scope": &s.scope,
	}
	switch to := texts[name]; {
	case to != nil:
		*to, err = r.String()
	case name == "urls":
		return r.Array(func(int) error {
			url, err := r.String()
			s.urls = append(s.urls, url)
			return err
		})
	case name == "parameters":
		return r.Object(func(key []byte) error {
			p := parameter{name: string(key)}
			p.value, err = r.String()
			s.parameters = append(s.parameters, p)
			return err
		})
	case name == "min_lifetime":
		s.minLifetime, err = r.Int64()
	}
	return err
}

// covers reports whether the token is for this URL.
func (s *settings) covers(url string) bool {
	for _, prefix := range s.urls {
		if strings.HasPrefix(url, prefix) {
			return true
		}
	}
	return false
}

// prepare adds the header to an item all of whose URLs the token is for.
func prepare(ctx *sdk.Context, item *sdk.Item) error {
	if kind := item.Desc().Reader().Kind(); kind != '"' && kind != '{' {
		return nil
	}
	remote, err := item.Remote()
	if err != nil {
		return err
	}
	ours, other := 0, ""
	for _, url := range remote.URLs {
		if config.covers(url) {
			ours++
		} else {
			other = url
		}
	}
	switch {
	case ours == 0:
		return nil
	case other != "": // a header goes to all URLs of an item
		return &sdk.Error{
			Kind: sdk.ErrDenied, Message: "the token would also go to " + hostOf(other) + ", which the configuration does not name",
			Hint: "add its URL to urls, or let the plugin that has added it come after this one",
		}
	case config.token != "":
		remote.AddSecretHeader(config.header, config.prefix, config.token)
	default:
		token, err := service.get(ctx)
		if err != nil {
			return err
		}
		remote.AddHeader(config.header, config.prefix+token)
	}
	item.SetRemote(remote)
	return nil
}

// hostOf shows where a URL leads, without what may be secret.
func hostOf(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	return rest[strings.LastIndexByte(rest, '@')+1:]
}
