// Librepo is the plugin of the source org.osbuild.librepo: files of RPM repositories,
// each found beneath the mirrors of its repository. Which mirrors there are says a
// metalink, a list of mirrors, or the manifest itself.
package main

import (
	"slices"

	"github.com/sourcehost/sourcehost/plugins/internal/certs"
	"github.com/sourcehost/sourcehost/sdk"
)

var _ = sdk.Register(newPlugin())

func main() {} // never runs: a plugin is a WASI reactor

// proxyEnv is the variable that sets the proxy of every request.
const proxyEnv = "OSBUILD_SOURCES_CURL_PROXY"

// librepo is the state of one instance, which serves one run.
type librepo struct {
	providers certs.Providers
	mirrors   map[string]*mirror // by ID; nil until the options were read
	started   bool               // the lists of all mirrors have been asked for
}

// newPlugin returns the plugin with a state of its own.
func newPlugin() sdk.Plugin {
	l := &librepo{}
	return sdk.Plugin{FetchOne: l.fetchOne}
}

// fetchOne asks the host to download the item from the mirrors of its repository.
func (l *librepo) fetchOne(ctx *sdk.Context, item *sdk.Item) error {
	path, id, err := placeOf(item.Desc())
	if err != nil {
		return err
	}
	remote, err := item.Remote() // what plugins that ran before have put in
	if err != nil {
		return err
	}
	m, err := l.mirror(ctx, id)
	if err != nil {
		return err
	}
	if err := l.resolve(ctx, m); err != nil {
		return err
	}
	d := remote.Download(item.Key)
	d.Path, d.Foreign = path, m.foreign
	if !m.told {
		d.Mirrors = m.bases
	}
	d.Group, d.Parallel = m.id, m.parallel
	d.Insecure = d.Insecure || m.insecure
	if err := l.certify(ctx, m, remote, d); err != nil {
		return err
	}
	if d.ProxyEnv == "" {
		d.ProxyEnv = proxyEnv
	}
	err = ctx.Download(d)
	m.told = m.told || err == nil
	return err
}

// certify sets the client's certificate. One that is there already stays.
func (l *librepo) certify(ctx *sdk.Context, m *mirror, remote *sdk.Remote, d *sdk.Download) error {
	there := d.TLS
	if there.Cert != "" || there.Key != "" || there.CertSecret != "" || there.KeySecret != "" {
		return nil
	}
	if remote.Secrets != "" {
		tls, err := l.providers.Certificates(ctx, remote.Secrets, m.bases)
		if err != nil {
			return err
		}
		d.TLS = tls
	} else if m.secrets != "" {
		d.TLS = m.tls
	}
	if there.CA != "" {
		d.TLS.CA = there.CA
	}
	return nil
}

// mirror returns an entry of the options.
func (l *librepo) mirror(ctx *sdk.Context, id string) (*mirror, error) {
	if l.mirrors == nil {
		mirrors, err := readMirrors(ctx.Options)
		if err != nil {
			return nil, err
		}
		l.mirrors = mirrors
	}
	if m := l.mirrors[id]; m != nil {
		return m, nil
	}
	known := "there are none"
	if ids := l.ids(); len(ids) > 0 {
		known = "known are "
		for i, id := range ids {
			if i > 0 {
				known += ", "
			}
			known += id
		}
	}
	return nil, &sdk.Error{
		Kind:    sdk.ErrInvalid,
		Message: "the item's mirror " + string(sdk.Quote(id)) + " is not in options.mirrors of the source",
		Hint:    known,
	}
}

// ids lists the mirrors, sorted.
func (l *librepo) ids() []string {
	var ids []string
	for id := range l.mirrors {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// placeOf returns where an item is: a path beneath the mirrors with an ID.
func placeOf(desc sdk.Value) (path, id string, err error) {
	if path, err = desc.Text("path"); err != nil {
		return "", "", err
	}
	if id, err = desc.Text("mirror"); err != nil {
		return "", "", err
	}
	switch {
	case path == "":
		return "", "", &sdk.Error{Kind: sdk.ErrInvalid, Message: "the description has no path"}
	case id == "":
		return "", "", &sdk.Error{Kind: sdk.ErrInvalid, Message: "the description names no mirror"}
	}
	return path, id, nil
}
