package download

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
)

// redirect moves the chain on to where resp points.
func (c *chain) redirect(resp *http.Response) *fault {
	// What a server calls itself it knows how to spell: "+" stays as it is.
	location, err := url.Parse(quoteURL(resp.Header.Get("Location"), false))
	if err != nil {
		return invalidFault("the server redirects to a malformed URL")
	}
	to := c.url.ResolveReference(location)
	to.Fragment, to.RawFragment = "", ""
	// A relative reference inherits the userinfo; the rule for it is request's.
	if location.Host == "" {
		to.User = nil
	}
	code := resp.StatusCode
	temporary := code != http.StatusMovedPermanently && code != http.StatusPermanentRedirect
	if flt := c.mayFollow(to, temporary); flt != nil {
		return flt
	}
	if c.remote != nil && !c.onThisMachine() {
		c.rule = c.remote
	}
	if !sameOrigin(c.url, to) {
		c.left = true
		c.moved = c.moved || temporary
	}
	c.hops++
	c.url = to
	return nil
}

// mayFollow says why the chain must not go on to a URL.
func (c *chain) mayFollow(to *url.URL, temporary bool) *fault {
	cfg := &c.f.e.cfg
	clean := CleanURL(to.String())
	switch {
	case to.Scheme != "http" && to.Scheme != "https" || to.Host == "":
		return deniedFault(fmt.Errorf("the server redirects to %s: only http and https are followed", clean))
	case !validPort(to.Port()):
		return invalidFault("the server redirects to %s, whose port is not one of 1 to 65535", clean)
	case c.url.Scheme == "https" && to.Scheme == "http" && !cfg.AllowDowngrade:
		flt := &fault{kind: KindDenied, final: true, err: fmt.Errorf("the server redirects from https to %s, which is not encrypted", clean)}
		flt.hint = "use a mirror that serves https throughout, or set allow_downgrade = true under [download] in the configuration"
		if temporary { // and may lead to a mirror with https next time
			flt.final, flt.tries = false, redirectedTries
		}
		return flt
	case c.hops >= cfg.MaxRedirects:
		return &fault{kind: KindNetwork, final: true, err: fmt.Errorf("more than %d redirects, the last one to %s", cfg.MaxRedirects, clean)}
	}
	if !sameOrigin(c.s.url, to) && c.betrays(to) {
		flt := deniedFault(fmt.Errorf("the server redirects to %s with a secret in the URL that was meant for %s alone", hostPort(to), hostPort(c.s.url)))
		flt.hint = "name the other server in the item, and let the secret be sent to it"
		return flt
	}
	c.seen = append(c.seen, c.url.String())
	if slices.Contains(c.seen, to.String()) {
		return &fault{kind: KindNetwork, final: true, err: fmt.Errorf("the redirects go round in a loop: %s came twice", clean)}
	}
	if flt := c.f.check(c.s, to); flt != nil {
		flt.err = fmt.Errorf("the redirect to %s is not allowed: %w", clean, flt.err)
		return flt
	}
	return nil
}

func isRedirect(resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return resp.Header.Get("Location") != ""
	}
	return false
}

// sameOrigin compares scheme, host and port, with the default ports filled in.
func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && hostPort(a) == hostPort(b)
}
