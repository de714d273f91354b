package host

import (
	"errors"
	"fmt"

	"github.com/sourcehost/sourcehost/host/container"
	"github.com/sourcehost/sourcehost/host/manifest"
	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/nearest"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

// Rules are what a Host holds a plugin to, for tools that call a plugin's hooks
// with a host of their own, as authors' tests do. They decide as a Host does and
// perform nothing.
type Rules struct {
	manifest *plugin.Manifest
	policy   *policy
}

// NewRules returns the rules for a plugin that is granted something.
func NewRules(m *plugin.Manifest, g Grant) *Rules {
	p := newPolicy(Plugin{Name: m.Name, Grant: g}, "/")
	p.request(m.Capabilities)
	return &Rules{manifest: m, policy: p}
}

// HowToGrant sets what denials say about granting, as Plugin.HowToGrant does.
func (r *Rules) HowToGrant(how func(capability, value string) string) { r.policy.howTo = how }

// GrantAll is a grant of all that a plugin requests.
func GrantAll(m *plugin.Manifest) Grant {
	var g Grant
	for _, c := range m.Capabilities {
		// A capability that takes values has some: the manifest was checked.
		_ = g.Add(c.Name, c.Values...)
	}
	return g
}

// Add adds values of a capability; the capabilities clock and random take none. A
// value that the capability cannot have, and that would thus grant nothing, is an
// error, and then none is added.
func (g *Grant) Add(capability string, values ...string) error {
	flags := map[string]*bool{plugin.CapClock: &g.Clock, plugin.CapRandom: &g.Random}
	lists := map[string]*[]string{
		plugin.CapDownload: &g.Download, plugin.CapHTTP: &g.HTTP, plugin.CapRead: &g.Read, plugin.CapStat: &g.Stat,
		plugin.CapTLS: &g.TLS, plugin.CapEnv: &g.Env, plugin.CapSecrets: &g.Secrets, plugin.CapExec: &g.Exec,
		plugin.CapImage: &g.Image,
	}
	switch flag, list := flags[capability], lists[capability]; {
	case flag != nil && len(values) == 0:
		*flag = true
	case flag != nil:
		return fmt.Errorf("the capability %s takes no values", capability)
	case list == nil:
		return noCapability(capability)
	case len(values) == 0:
		return fmt.Errorf("the capability %s needs a value: %s", capability, plugin.WantGrant(capability, ""))
	default:
		for _, v := range values {
			shown := manifest.WithoutUserinfo(v)
			switch want := plugin.WantGrant(capability, v); {
			case want != "" && shown != v:
				return fmt.Errorf("expected %s, found %q with a user or password in it: remove them", want, shorten(shown, 200))
			case want != "":
				return fmt.Errorf("expected %s, found %q", want, shorten(v, 200))
			}
		}
		*list = append(*list, values...)
	}
	return nil
}

// CheckOutput reads the output of a hook that was called with items, and refuses
// what no hook may say.
func CheckOutput(out []byte, hook abi.Hook, items []abi.Item) ([]abi.Outcome, error) {
	keys := make(map[string]bool, len(items))
	for i := range items {
		keys[items[i].Key] = true
	}
	return decodeOutput(out, hook, len(items), func(key string) bool { return keys[key] })
}

// Prepared checks a description that a prepare hook has returned. schema is the
// "prepared" schema of the source's plugin, or empty. chained says that the plugin
// is not the source's own, so that what it adds must be granted to it. The kind is
// that of the item's error.
func (r *Rules) Prepared(before, after, schema []byte, chained bool) (abi.Kind, error) {
	if len(after) > maxDescription {
		return abi.ErrPlugin, fmt.Errorf("the description that it returned has %d bytes, but may have %d", len(after), maxDescription)
	}
	if len(schema) > 0 {
		s, err := manifest.CompileValueSchema(r.manifest.Name, schema)
		if err != nil {
			return abi.ErrPlugin, err
		}
		if problems := checkDescription(s, after); len(problems) > 0 {
			return abi.ErrPlugin, fmt.Errorf("the description that it returned is wrong: %w", problems)
		}
	}
	if !chained {
		return "", nil
	}
	if _, err := r.policy.adopts(before, after, func(s string) string { return s }); err != nil {
		return abi.ErrDenied, err
	}
	return "", nil
}

// Check decides about a request: abi.OK means that the host would perform it.
func (r *Rules) Check(op string, req []byte) (abi.Status, error) {
	uses, err := r.uses(op, req)
	if err != nil {
		return abi.Invalid, err
	}
	for _, use := range uses {
		if use.capability == turnedOff { // the source's own plugin says what the manifest says
			continue
		}
		if err := r.policy.allow(use.capability, use.value); err != nil {
			return abi.Denied, err
		}
	}
	return abi.OK, nil
}

// uses are the capabilities that a request takes.
func (r *Rules) uses(op string, req []byte) ([]reference, error) {
	switch op {
	case abi.OpRead, abi.OpStat, abi.OpList:
		capability := plugin.CapStat
		if op == abi.OpRead {
			capability = plugin.CapRead
		}
		p, err := abi.DecodePath(req)
		return []reference{{capability, p.Path}}, err
	case abi.OpEnv:
		n, err := abi.DecodeEnvName(req)
		return []reference{{plugin.CapEnv, n.Name}}, err
	case abi.OpDownload:
		d, err := abi.DecodeDownload(req)
		if err == nil && (len(d.URLs) == 0 || len(d.URLs) > maxURLs) {
			err = fmt.Errorf("the item has %d urls, but needs 1 to %d", len(d.URLs), maxURLs)
		}
		return sorted(references(req)), err
	case abi.OpCopyImage:
		i, err := abi.DecodeCopyImage(req)
		image := container.Image{Transport: i.Transport, Name: i.Name, Digest: i.Digest, StorageLocation: i.Storage}
		return []reference{{plugin.CapImage, imageReference(&image)}}, err
	case abi.OpPut:
		message, _, found := abi.CutBytes(req)
		if !found {
			return nil, errors.New("a line feed and the content must follow the message")
		}
		_, err := abi.DecodePut(message)
		return nil, err
	case abi.OpHTTP:
		return httpUses(req)
	case abi.OpProbe:
		p, err := abi.DecodeProbe(req)
		var uses []reference
		for _, url := range p.URLs {
			uses = append(uses, reference{plugin.CapHTTP, url})
		}
		return uses, err
	case abi.OpExec:
		e, err := abi.DecodeExec(req)
		return programUses(e), err
	case abi.OpRun:
		p, err := abi.DecodeRun(req)
		return programUses(append(p.Steps, p.Finally...)...), err
	}
	return nil, nil
}

// httpUses are what a request of a plugin's own takes: what a download would, with
// another capability for the URL.
func httpUses(req []byte) ([]reference, error) {
	q, err := abi.DecodeHTTPRequest(req)
	if err != nil {
		return nil, err
	}
	uses := []reference{{plugin.CapHTTP, q.URL}}
	for _, ref := range sorted(references(req)) {
		if ref.capability != plugin.CapDownload {
			uses = append(uses, ref)
		}
	}
	return uses, nil
}

func programUses(steps ...abi.Exec) []reference {
	var uses []reference
	for _, e := range steps {
		uses = append(uses, reference{plugin.CapExec, e.Program})
		for _, name := range e.Env {
			uses = append(uses, reference{plugin.CapEnv, name})
		}
	}
	return uses
}

// noCapability is the error of a name that no capability has.
func noCapability(name string) error {
	return fmt.Errorf("there is no capability %q%s", shorten(name, 60), nearest.HintOrList(name, Capabilities()))
}

// Capabilities are the names of what can be granted, sorted.
func Capabilities() []string {
	return []string{
		plugin.CapClock, plugin.CapDownload, plugin.CapEnv, plugin.CapExec, plugin.CapHTTP, plugin.CapImage,
		plugin.CapRandom, plugin.CapRead, plugin.CapSecrets, plugin.CapStat, plugin.CapTLS,
	}
}
