package main

import (
	"slices"
	"strings"

	"github.com/sourcehost/sourcehost/sdk"
)

// rule is a table [[plugin.NAME.config.rule]]. An item breaks it when any of the
// lists covers it.
type rule struct {
	reason     string
	skip       bool
	algorithms []string
	hosts      []string
	others     []string
	keys       []string
	urls       []string
	insecure   bool
}

func readRules(config sdk.Value) (all []rule, err error) {
	field, err := config.Field("rule")
	if err != nil || len(field) == 0 {
		return nil, err
	}
	r := sdk.Value(field).Reader()
	return all, r.Array(func(int) error {
		var one rule
		err := r.Object(func(key []byte) error { return one.read(r, string(key)) })
		all = append(all, one)
		return err
	})
}

func (u *rule) read(r *sdk.Reader, name string) (err error) {
	lists := map[string]*[]string{
		"algorithms": &u.algorithms, "hosts": &u.hosts, "other_hosts_than": &u.others, "keys": &u.keys, "urls": &u.urls,
	}
	switch list := lists[name]; {
	case list != nil:
		return r.Array(func(int) error {
			s, err := r.String()
			if name == "hosts" || name == "other_hosts_than" {
				s = strings.ToLower(s)
			}
			*list = append(*list, s)
			return err
		})
	case name == "reason":
		u.reason, err = r.String()
	case name == "insecure":
		u.insecure, err = r.Bool()
	case name == "action":
		var action string
		action, err = r.String()
		u.skip = action == "skip"
	}
	return err
}

func (u *rule) refusal(why string) error {
	return &sdk.Error{Kind: sdk.ErrDenied, Message: u.reason + ": " + why, Hint: "the operator's policy forbids this item"}
}

// breaks says what about an item breaks the rule, or "".
func (u *rule) breaks(key string, o *origin) string {
	algorithm, _, _ := strings.Cut(key, ":")
	switch {
	case slices.Contains(u.algorithms, algorithm):
		return "its checksum is " + algorithm
	case slices.Contains(u.keys, key):
		return "it is on the deny list"
	case u.insecure && o.insecure:
		return "the verification of certificates is turned off"
	}
	for _, url := range o.urls {
		if slices.ContainsFunc(u.urls, func(prefix string) bool { return strings.HasPrefix(url, prefix) }) {
			return "it comes from " + withoutCredentials(url)
		}
	}
	for _, host := range o.hosts {
		if covers(u.hosts, host) || len(u.others) > 0 && !covers(u.others, host) {
			return "it comes from the host " + host
		}
	}
	return ""
}

// covers reports whether a pattern of the list is the host or, as "*.domain", lies
// above it.
func covers(list []string, host string) bool {
	return slices.ContainsFunc(list, func(pattern string) bool {
		if domain, wild := strings.CutPrefix(pattern, "*"); wild {
			return strings.HasSuffix(host, domain)
		}
		return pattern == host
	})
}
