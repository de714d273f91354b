// Signed-url is a plugin that signs the URLs of private S3 buckets, with a key that
// it does not see. See README.md.
package main

import (
	"strings"
	"time"

	"github.com/sourcehost/sourcehost/sdk"
)

var plugin = sdk.Register(sdk.Plugin{Setup: setup, Prepare: prepare})

func main() {} // never runs: a plugin is a WASI reactor

// bucket is a table [[plugin.NAME.config.bucket]].
type bucket struct {
	url, region  string
	keyID        string
	secret       string
	tokenEnv     string
	expires      int64
	sessionToken string
}

const defaultExpires = 3600

// built is a year that the real time is not before; the clock of a plugin that may
// not see that stands still, earlier.
const built = 2025

var buckets []bucket

// now is replaced in tests.
var now = time.Now

func setup(ctx *sdk.Context) error {
	field, err := ctx.Config.Field("bucket")
	if err != nil || len(field) == 0 {
		return err
	}
	if now().Year() < built {
		return &sdk.Error{Kind: sdk.ErrDenied, Message: "without the real time no URL can be signed", Hint: "add clock = true to the plugin's grant"}
	}
	buckets = nil
	r := sdk.Value(field).Reader()
	return r.Array(func(int) error {
		b := bucket{expires: defaultExpires}
		if err := b.read(r); err != nil {
			return err
		}
		if b.tokenEnv != "" {
			var set bool
			if b.sessionToken, set, err = ctx.Env(b.tokenEnv); err != nil {
				return err
			}
			if !set || b.sessionToken == "" {
				return &sdk.Error{Kind: sdk.ErrInvalid, Message: "the environment variable " + b.tokenEnv + " with the session token is not set"}
			}
		}
		buckets = append(buckets, b)
		return nil
	})
}

func (b *bucket) read(r *sdk.Reader) error {
	texts := map[string]*string{
		"url": &b.url, "region": &b.region, "access_key_id": &b.keyID, "secret": &b.secret, "session_token_env": &b.tokenEnv,
	}
	return r.Object(func(key []byte) (err error) {
		if to := texts[string(key)]; to != nil {
			*to, err = r.String()
		} else if string(key) == "expires" {
			b.expires, err = r.Int64()
		}
		return err
	})
}

// prepare signs each URL that lies in a bucket.
func prepare(ctx *sdk.Context, item *sdk.Item) error {
	if kind := item.Desc().Reader().Kind(); kind != '"' && kind != '{' {
		return nil
	}
	remote, err := item.Remote()
	if err != nil {
		return err
	}
	changed := false
	for i, url := range remote.URLs {
		for j := range buckets {
			if !strings.HasPrefix(url, buckets[j].url) {
				continue
			}
			if remote.URLs[i], err = buckets[j].sign(ctx, url, now()); err != nil {
				return err
			}
			changed = true
			break
		}
	}
	if changed {
		item.SetRemote(remote)
	}
	return nil
}
