// Cloud-rhui is a plugin that fetches from the Red Hat Update Infrastructure of a
// cloud: with the client certificate of the cloud's images and, on AWS, the identity
// of the instance. See README.md.
package main

import (
	"strings"

	"github.com/sourcehost/sourcehost/sdk"
)

var plugin = sdk.Register(sdk.Plugin{Setup: setup, Prepare: prepare})

func main() {} // never runs: a plugin is a WASI reactor

// settings are the plugin's section of the configuration.
type settings struct {
	urls          []string
	cert, key, ca string
	cloud         string
	metadataURL   string
}

var (
	config   settings
	instance identity
)

func setup(ctx *sdk.Context) error {
	config, instance = settings{cloud: "aws", metadataURL: "http://169.254.169.254"}, identity{}
	if len(ctx.Config) == 0 {
		return nil
	}
	r := ctx.Config.Reader()
	texts := map[string]*string{"cert": &config.cert, "key": &config.key, "ca": &config.ca, "cloud": &config.cloud, "metadata_url": &config.metadataURL}
	return r.Object(func(key []byte) (err error) {
		if to := texts[string(key)]; to != nil {
			*to, err = r.String()
		} else if string(key) == "urls" {
			err = r.Array(func(int) error {
				url, err := r.String()
				config.urls = append(config.urls, url)
				return err
			})
		}
		return err
	})
}

func ours(url string) bool {
	for _, prefix := range config.urls {
		if strings.HasPrefix(url, prefix) {
			return true
		}
	}
	return false
}

// prepare gives an item from the RHUI its certificate and headers. They go to all
// URLs of an item, so all must be of the RHUI.
func prepare(ctx *sdk.Context, item *sdk.Item) error {
	if kind := item.Desc().Reader().Kind(); kind != '"' && kind != '{' {
		return nil
	}
	remote, err := item.Remote()
	if err != nil {
		return err
	}
	count := 0
	for _, url := range remote.URLs {
		if ours(url) {
			count++
		}
	}
	if count == 0 {
		return nil
	}
	if count < len(remote.URLs) {
		return &sdk.Error{
			Kind: sdk.ErrDenied, Message: "the instance's identity would also go to a server that is no RHUI server of the configuration",
			Hint: "add its URL to urls, or let the plugin that has added it come after this one",
		}
	}
	if config.cloud == "aws" {
		if err := instance.load(ctx); err != nil {
			return err
		}
		remote.AddHeader("X-RHUI-ID", instance.document)
		remote.AddHeader("X-RHUI-SIGNATURE", instance.signature)
	}
	remote.TLS = sdk.TLS{CA: config.ca, Cert: config.cert, Key: config.key}
	remote.Secrets = "" // a provider of the manifest would name other certificates
	item.SetRemote(remote)
	return nil
}
