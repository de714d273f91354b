// Ostree is the plugin of the source org.osbuild.ostree: commits, each named by its
// digest, that the program ostree loads from a remote repository.
package main

import (
	"strings"

	"github.com/sourcehost/sourcehost/sdk"
)

var _ = sdk.Register(newPlugin())

func main() {} // never runs: a plugin is a WASI reactor

func newPlugin() sdk.Plugin { return sdk.Plugin{FetchOne: fetchOne} }

// remoteName is the remote's name in the repository that the host makes for the
// item. It is gone with that repository, whatever ends the run.
const remoteName = "source"

// environment are the variables that the program gets.
var environment = []string{
	"PATH", "HOME", "TMPDIR",
	"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY",
}

// fetchOne asks the host to have the commit pulled.
func fetchOne(ctx *sdk.Context, item *sdk.Item) error {
	r, err := readRemote(item.Desc())
	if err != nil {
		return err
	}
	config, err := r.config(ctx)
	if err != nil {
		return err
	}
	run := &sdk.Run{
		Key:   item.Key,
		From:  r.url,
		Files: []sdk.RunFile{{Path: sdk.ScratchRepo + "/config", Content: config}},
	}
	repo := "--repo=" + sdk.ScratchDir + "/" + sdk.ScratchRepo
	for _, key := range r.keys {
		run.Steps = append(run.Steps, sdk.Exec{
			Program: "ostree", Args: []string{"remote", "gpg-import", repo, "--stdin", remoteName}, Env: environment, Stdin: key,
		})
	}
	run.Steps = append(run.Steps, sdk.Exec{
		Program: "ostree", Args: []string{"pull", repo, remoteName, item.Key}, Env: environment,
	})
	return explain(ctx.Run(run))
}

// explain says what to do when the program is not there.
func explain(err error) error {
	if err == nil || sdk.KindOf(err) != sdk.ErrNotFound {
		return err
	}
	return &sdk.Error{
		Kind:    sdk.ErrNotFound,
		Message: "the program ostree, which loads commits, is not installed",
		Hint:    "install the package ostree, or name the program's path under [program.ostree] in the configuration",
	}
}

// remote is where a commit is.
type remote struct {
	url, contentURL string
	keys            []string // armoured OpenPGP keys, one of which must have signed
	secrets         string   // the provider of client certificates
}

// readRemote reads a description, {"remote": {...}}.
func readRemote(desc sdk.Value) (*remote, error) {
	r := &remote{}
	in := desc.Reader()
	err := in.Object(func(key []byte) error {
		if string(key) != "remote" {
			return in.Skip()
		}
		return in.Object(func(key []byte) error { return r.read(in, key) })
	})
	if err != nil {
		return nil, &sdk.Error{Kind: sdk.ErrInvalid, Message: err.Error()}
	}
	if r.url == "" {
		return nil, &sdk.Error{Kind: sdk.ErrInvalid, Message: "the description names no url of a remote"}
	}
	return r, nil
}

func (r *remote) read(in *sdk.Reader, key []byte) (err error) {
	switch string(key) {
	case "url":
		r.url, err = in.String()
	case "contenturl":
		r.contentURL, err = in.String()
	case "gpgkeys":
		err = in.Array(func(int) error {
			armoured, err := in.String()
			r.keys = append(r.keys, armoured)
			return err
		})
	case "secrets":
		err = in.Object(func(key []byte) (err error) {
			if string(key) != "name" {
				return in.Skip()
			}
			r.secrets, err = in.String()
			return err
		})
	default:
		err = in.Skip()
	}
	return err
}

// setting is one option of a remote (ostree.repo-config(5)).
type setting struct{ name, value string }

// config is the section of the repository's configuration that names the remote.
func (r *remote) config(ctx *sdk.Context) (string, error) {
	verify := "false"
	if len(r.keys) > 0 {
		verify = "true"
	}
	settings := []setting{{"url", r.url}, {"contenturl", r.contentURL}, {"gpg-verify", verify}}
	more, err := r.connection(ctx)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("\n[remote \"" + remoteName + "\"]\n")
	for _, s := range append(settings, more...) {
		if s.value == "" {
			continue
		}
		// The file has no form for these, and a line that a URL brings along would
		// be a setting of its own.
		if strings.ContainsFunc(s.value, func(c rune) bool { return c < ' ' || c == 0x7f }) {
			return "", &sdk.Error{Kind: sdk.ErrInvalid, Message: "the " + s.name + " of the remote holds a control character"}
		}
		b.WriteString(s.name + "=" + s.value + "\n")
	}
	return b.String(), nil
}
