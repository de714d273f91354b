package plugin

import (
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/nearest"
)

const (
	// MaxInstances is the largest value of Manifest.MaxInstances.
	MaxInstances = 64
	// maxName is the longest name, in bytes.
	maxName = 128
)

// capabilityChecks says for each capability how its values are checked; nil
// means that it takes none.
func capabilityChecks() map[string]func(string) string {
	return map[string]func(string) string{
		CapDownload: checkURLPrefix,
		CapRead:     checkPath,
		CapStat:     checkPath,
		CapTLS:      checkPath,
		CapEnv:      checkEnvName,
		CapSecrets:  checkSecret,
		CapImage:    checkImage,
		CapExec:     checkProgram,
		CapHTTP:     checkWebPrefix,
		CapClock:    nil,
		CapRandom:   nil,
	}
}

// WantGrant says what a value that an operator grants for a capability should be,
// or nothing when it is that, or when the capability takes no values. Values of
// grants are as in a manifest, but a server may stand without the slash behind it.
func WantGrant(capability, value string) string {
	check := capabilityChecks()[capability]
	if check == nil {
		return ""
	}
	want := check(value)
	if (capability == CapDownload || capability == CapHTTP) && check(value+"/") == "" {
		return ""
	}
	return want
}

// check reports what is wrong or missing in a manifest whose fields have the
// right types.
func (p *problems) check(m *Manifest) {
	if m.ABI != abi.Version {
		p.add("abi", "expected %d, found %d: the plugin was built for another version of sourcehost", abi.Version, m.ABI)
	}
	p.checkName("name", m.Name)
	if m.Version == "" || len(m.Version) > maxName || !printable(m.Version) {
		p.add("version", "expected 1 to %d printable characters, found %q", maxName, shorten(m.Version))
	}
	if strings.ContainsAny(m.Summary, "\r\n") {
		p.add("summary", "expected one line, found several")
	}
	p.checkNames("sources", m.Sources)
	p.checkNames("items_alias", m.ItemsAlias)
	if len(m.Sources) > 0 && m.Schema == nil {
		p.add("schema", "expected a JSON Schema because sources are named, found none")
	}
	if m.MaxInstances < 0 || m.MaxInstances > MaxInstances {
		p.add("max_instances", "expected 0 to %d, found %d", MaxInstances, m.MaxInstances)
	}
	for i, v := range m.ManifestVersions {
		if v != 1 && v != 2 {
			p.addIn("manifest_versions", i, "expected 1 or 2, found %d", v)
		}
	}
	p.checkUnique(m)
	p.checkHooks(m)
	p.checkFormats(m)
	p.checkCapabilities(m.Capabilities)
}

func (p *problems) checkUnique(m *Manifest) {
	if v, twice := duplicate(m.Sources); twice {
		p.add("sources", "expected each name once, found %q twice", shorten(v))
	}
	if v, twice := duplicate(m.ItemsAlias); twice {
		p.add("items_alias", "expected each name once, found %q twice", shorten(v))
	}
	if v, twice := duplicate(m.ManifestVersions); twice {
		p.add("manifest_versions", "expected each version once, found %d twice", v)
	}
	if v, twice := duplicate(m.Hooks); twice {
		p.add("hooks", "expected each hook once, found %q twice", shorten(string(v)))
	}
}

func (p *problems) checkHooks(m *Manifest) {
	for i, h := range m.Hooks {
		if slices.Contains(abi.Hooks, h) {
			continue
		}
		text := fmt.Sprintf("expected some of %q, found %q", abi.Hooks, shorten(string(h)))
		p.addIn("hooks", i, "%s%s", text, nearest.Hint(h, abi.Hooks))
	}
	kinds := []string{ProducesFile, ProducesImage, ProducesCommit, ProducesNone}
	if !m.Has(abi.FetchOne) {
		if m.Produces != "" {
			p.add("produces", "expected nothing without the hook %s, found %q", abi.FetchOne, shorten(m.Produces))
		}
		if m.ContentType != "" {
			p.add("content_type", "expected nothing without the hook %s, found %q", abi.FetchOne, shorten(m.ContentType))
		}
		return
	}
	if !slices.Contains(kinds, m.Produces) {
		p.add("produces", "expected one of %q because of the hook %s, found %q%s", kinds, abi.FetchOne, shorten(m.Produces), nearest.Hint(m.Produces, kinds))
	}
	switch {
	case m.Produces == ProducesNone && m.ContentType != "":
		p.add("content_type", "expected nothing because nothing is produced, found %q", shorten(m.ContentType))
	case m.Produces != ProducesNone:
		p.checkName("content_type", m.ContentType)
	}
}

// checkFormats checks the forms of images. The host stores no other parts than
// these, since consumers of the store know no others.
func (p *problems) checkFormats(m *Manifest) {
	switch {
	case m.Produces != ProducesImage && len(m.Formats) > 0:
		p.add("formats", "expected none because no image is produced, found %d", len(m.Formats))
	case m.Produces == ProducesImage && len(m.Formats) == 0:
		p.add("formats", "expected at least one because images are produced, found none")
	}
	var seen []string
	for i, f := range m.Formats {
		where := fmt.Sprintf("formats[%d]", i)
		p.checkName(where+".name", f.Name)
		if f.Part != PartImage && f.Part != PartArchive {
			p.add(where+".part", "expected %q or %q, found %q", PartImage, PartArchive, shorten(f.Part))
		}
		seen = append(seen, f.Name)
	}
	if v, twice := duplicate(seen); twice {
		p.add("formats", "expected each name once, found %q twice", shorten(v))
	}
}

func (p *problems) checkCapabilities(list []Capability) {
	checks := capabilityChecks()
	for i, c := range list {
		where := fmt.Sprintf("capabilities[%d]", i)
		check, known := checks[c.Name]
		switch {
		case !known:
			var all []string
			for name := range checks {
				all = append(all, name)
			}
			slices.Sort(all)
			if near := nearest.Name(c.Name, all); near != "" {
				p.add(where+".name", "found %q, which is not known; did you mean %q?", shorten(c.Name), near)
			} else {
				p.add(where+".name", "expected one of %q, found %q", all, shorten(c.Name))
			}
		case check == nil && len(c.Values) > 0:
			p.add(where+".values", "expected none for %s, found %d", c.Name, len(c.Values))
		case check != nil && len(c.Values) == 0:
			p.add(where+".values", "expected at least one for %s, found none", c.Name)
		case check != nil:
			for j, v := range c.Values {
				if want := check(v); want != "" {
					p.addIn(where+".values", j, "expected %s, found %q", want, shorten(v))
				}
			}
		}
		if strings.TrimSpace(c.Reason) == "" {
			p.add(where+".reason", "expected a sentence for the operator, found none")
		}
	}
}

func (p *problems) checkNames(field string, values []string) {
	for i, v := range values {
		if want := checkName(v); want != "" {
			p.addIn(field, i, "expected %s, found %q", want, shorten(v))
		}
	}
}

func (p *problems) checkName(field, value string) {
	if want := checkName(value); want != "" {
		p.add(field, "expected %s, found %q", want, shorten(value))
	}
}

// checkName returns what a name should be, or nothing when it is that. Names
// become parts of paths and messages, which is why they are so plain.
func checkName(s string) string {
	const want = "a name of letters, digits, dots, underscores and hyphens that starts with a letter or digit"
	if s == "" || len(s) > maxName {
		return want
	}
	for i, r := range []byte(s) {
		alnum := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !alnum && (i == 0 || !strings.ContainsRune("._-", rune(r))) {
			return want
		}
	}
	return ""
}

func checkURLPrefix(s string) string {
	if s == "*" {
		return ""
	}
	const want = `"*", or a URL prefix such as "https://example.org/" or "file:///srv/"`
	u, err := url.Parse(s)
	if err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" || !strings.HasPrefix(u.Path, "/") {
		return want
	}
	switch u.Scheme {
	case "http", "https":
		if u.Host != "" {
			return ""
		}
	case "file":
		if u.Host == "" {
			return ""
		}
	}
	return want
}

// checkWebPrefix takes what checkURLPrefix takes, but for files.
func checkWebPrefix(s string) string {
	if checkURLPrefix(s) != "" || strings.HasPrefix(s, "file:") {
		return `"*", or a URL prefix such as "https://example.org/"`
	}
	return ""
}

func checkPath(s string) string {
	if !strings.HasPrefix(s, "/") || strings.ContainsRune(s, 0) || path.Clean(s) != strings.TrimSuffix(s, "/") && s != "/" {
		return `an absolute path without "." and ".." parts, with a trailing slash for what is beneath`
	}
	return ""
}

// checkSecret refuses what is neither the name of a secret nor "*".
func checkSecret(value string) string {
	if value == "*" {
		return ""
	}
	return checkName(value)
}

// checkImage takes "*", a storage, or a registry with an optional path.
func checkImage(s string) string {
	const want = `"*", "containers-storage:", or a registry such as "docker://quay.io/" or "docker://quay.io/team/app"`
	if s == "*" || s == "containers-storage:" {
		return ""
	}
	name, ok := strings.CutPrefix(s, "docker://")
	if !ok || name == "" || strings.ContainsAny(name, "@?# \x00") || strings.HasPrefix(name, "/") ||
		path.Clean("/"+name) != "/"+strings.TrimSuffix(name, "/") {
		return want
	}
	return ""
}

// checkProgram takes a plain name or an absolute path.
func checkProgram(s string) string {
	if strings.HasPrefix(s, "/") && s != "/" && path.Clean(s) == s && !strings.ContainsRune(s, 0) {
		return ""
	}
	if checkName(s) == "" {
		return ""
	}
	return "the plain name of a program or its absolute path"
}

func checkEnvName(s string) string {
	const want = "the name of an environment variable"
	if s == "" || len(s) > maxName {
		return want
	}
	for i, r := range []byte(s) {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return want
		}
	}
	return ""
}

func printable(s string) bool {
	for _, r := range s {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return false
		}
	}
	return true
}
