package host

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/sourcehost/sourcehost/host/container"
	"github.com/sourcehost/sourcehost/host/download"
	"github.com/sourcehost/sourcehost/internal/plugin"
	"github.com/sourcehost/sourcehost/internal/special"
)

// Names can resolve to addresses that nobody meant: those of this machine, where
// services listen that trust their peers, and those where a cloud answers questions
// about the machine and hands out its credentials. A grant of such an address names
// it literally ("http://127.0.0.1:8080/", or "localhost" in its place); "*", and the
// name of a host that resolves to it, are none.

// addrRules are the rules of one policy. There is one of each kind, since the
// download engine shares connections by rule.
type addrRules struct {
	linkLocal bool // the configuration allows link-local addresses to everybody
	mu        sync.Mutex
	made      map[string]*download.AddrRule
}

func (a *addrRules) rule(name string, allow func(netip.AddrPort) error) *download.AddrRule {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.made == nil {
		a.made = map[string]*download.AddrRule{}
	}
	if a.made[name] == nil {
		a.made[name] = &download.AddrRule{Allow: allow}
	}
	return a.made[name]
}

// addrRules returns the rules for the addresses that a use of the capability may
// lead to. Manifests name servers on this machine, so a built-in plugin may connect
// to them, but no server elsewhere may redirect it there.
func (p *policy) addrRules(capability string) (first, redirected *download.AddrRule) {
	if p.builtin {
		return p.addrs.rule("first", p.refuseLink), p.addrs.rule("redirected", p.refuseSpecial)
	}
	return p.addrs.rule(capability, func(at netip.AddrPort) error { return p.allowAddr(capability, at) }), nil
}

// imageAddresses are the same rules, for images.
func (p *policy) imageAddresses() *container.Addresses {
	first, redirected := p.addrRules(plugin.CapImage)
	if redirected == nil {
		redirected = first
	}
	return &container.Addresses{Named: first.Allow, Led: redirected.Allow, Foreign: !p.builtin}
}

// refuseLink refuses link-local and metadata addresses.
func (p *policy) refuseLink(at netip.AddrPort) error {
	if p.addrs.linkLocal || !special.OfTheLink(at.Addr()) {
		return nil
	}
	return fmt.Errorf("%s is a link-local or metadata address; allow_link_local = true under [download] allows it", at.Addr())
}

// refuseSpecial refuses addresses of this machine, too.
func (p *policy) refuseSpecial(at netip.AddrPort) error {
	if special.OfThisMachine(at.Addr()) {
		return fmt.Errorf("%s is an address of this machine, to which no other server may redirect", at.Addr())
	}
	return p.refuseLink(at)
}

// allowAddr refuses special addresses unless they are granted.
func (p *policy) allowAddr(capability string, at netip.AddrPort) error {
	here := special.OfThisMachine(at.Addr())
	if !here && (p.addrs.linkLocal || !special.OfTheLink(at.Addr())) || p.namesAddr(capability, at, here) {
		return nil
	}
	what := "a link-local or metadata address"
	if here {
		what = "an address of this machine"
	}
	entry, orHTTPS := "http://"+at.String()+"/", ", or with https"
	if capability == plugin.CapImage {
		entry, orHTTPS = "docker://"+at.String(), ""
	}
	return &deniedError{fmt.Sprintf("%s is %s, which the plugin %s is not granted: if it should be, %s%s",
		at.Addr(), what, p.plugin, p.howTo(capability, entry), orHTTPS)}
}

// namesAddr reports whether a grant names the address and port literally.
func (p *policy) namesAddr(capability string, at netip.AddrPort, here bool) bool {
	return slices.ContainsFunc(p.granted[capability], func(entry string) bool {
		u, err := url.Parse(entry)
		if err != nil || !slices.Contains(ports(u), strconv.Itoa(int(at.Port()))) {
			return false
		}
		host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
		if host == "localhost" || strings.HasSuffix(host, ".localhost") {
			return here
		}
		ip, err := netip.ParseAddr(host)
		return err == nil && ip.Unmap().WithZone("") == at.Addr().Unmap().WithZone("")
	})
}

// ports are those that an entry of a grant names or implies. A registry is asked over
// https first, and over http where that is allowed.
func ports(entry *url.URL) []string {
	if entry.Scheme == container.Docker && entry.Port() == "" {
		return []string{"443", "80"}
	}
	return []string{port(entry)}
}
