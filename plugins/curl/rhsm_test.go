package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/sdk"
	"github.com/sourcehost/sourcehost/sdk/sdktest"
)

// rhsm is the description of an item with a subscription.
func rhsm(url string) string {
	return `{"url":"` + url + `","secrets":{"name":"org.osbuild.rhsm"}}`
}

func TestSubscriptions(t *testing.T) {
	const (
		cdn     = "https://cdn.redhat.com/content/dist/"
		etc     = "/etc/pki/entitlement/"
		mounts  = "/run/secrets/etc-pki-entitlement/"
		uep     = "/etc/rhsm/ca/redhat-uep.pem"
		katello = "/etc/rhsm/ca/katello-server-ca.pem"
	)
	for _, tt := range []struct {
		name, root, url string
		ca, cert        string // the key stands beside the certificate
	}{
		{"first match wins, with the section's ca", "host", cdn + "rhel9/9.4/x86_64/baseos/os/Packages/a.rpm", "/etc/rhsm/ca/other.pem", etc + "baseos"},
		{"a section without sslcacert", "host", cdn + "layered/aarch64/0b5c-77/tools/a.rpm", uep, etc + "layered"},
		{"the second of several baseurls", "host", "https://two.example/repo/a.rpm", "/etc/rhsm/ca/several.pem", etc + "several"},
		{"a variable stands for one segment only", "host", cdn + "rhel9/9/4/x86_64/baseos/os/a.rpm", uep, etc + "2222"},
		{"a variable stands for at least one byte", "host", cdn + "rhel9//x86_64/baseos/os/a.rpm", uep, etc + "2222"},
		{"sections without certificates are skipped", "host", cdn + "rhel9/a.rpm", uep, etc + "2222"},
		{"a match begins at the start of the url", "host", "https://x/?https://two.example/repo/a.rpm", uep, etc + "2222"},
		{"a match ends with a segment", "host", "https://two.example/repository/a.rpm", uep, etc + "2222"},
		{"no match: the first key with its certificate", "host", "https://elsewhere.example/a.rpm", uep, etc + "2222"},
		{"no repository file", "no-repositories", cdn + "rhel9/a.rpm", uep, etc + "6666"},
		{"satellite, section without sslcacert", "satellite", "https://satellite.example/pulp/content/Org/Library/content/dist/rhel9/9/x86_64/baseos/os/a.rpm", katello, etc + "5555"},
		{"satellite, section with sslcacert", "satellite", "https://other.example/rpms/a.rpm", "/etc/pki/other-ca.pem", etc + "5555"},
		{"satellite, no match", "satellite", "https://elsewhere.example/a.rpm", katello, etc + "5555"},
		{"container, paths of the host", "container", cdn + "rhel9/9/x86_64/appstream/os/a.rpm", "/run/secrets/rhsm/ca/redhat-uep.pem", mounts + "7777"},
		{"container, paths that it has itself", "container", "https://image.example/os/a.rpm", "/run/secrets/rhsm/ca/redhat-uep.pem", etc + "of-the-image"},
		{"container, paths that are nowhere", "container", "https://elsewhere.example/os/a.rpm", "/etc/pki/tls/ca.pem", etc + "gone"},
		{"container, no match", "container", "https://cdn.example/a.rpm", "/run/secrets/rhsm/ca/redhat-uep.pem", mounts + "7777"},
		{"container, satellite", "container-satellite", "https://cdn.example/a.rpm", "/run/secrets/rhsm/ca/katello-server-ca.pem", mounts + "8888"},
		{"/run/secrets alone is no container", "secrets-only", "https://cdn.redhat.com/a.rpm", uep, etc + "4444"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := hostAt(t, tt.root)
			want := `{"url":"` + tt.url + `","tls":{"ca":"` + tt.ca + `","cert":"` + tt.cert + `.pem","key":"` + tt.cert + `-key.pem"}}`
			if got := prepared(t, h, rhsm(tt.url)); got != want {
				t.Errorf("prepared:\n got %s\nwant %s", got, want)
			}
			for _, call := range h.Calls {
				if strings.HasPrefix(call, "read/v1") && !strings.HasSuffix(call, "redhat.repo") {
					t.Errorf("the plugin reads %s", call)
				}
			}
		})
	}
}

func TestNoSubscription(t *testing.T) {
	refused(t, hostAt(t, "unregistered"), rhsm("https://cdn.redhat.com/a.rpm"), sdk.ErrNotFound,
		"org.osbuild.rhsm", "/etc/yum.repos.d/redhat.repo does not exist", "/etc/pki/entitlement has no entitlement", "subscription-manager")
	refused(t, hostAt(t, "no-entitlement"), rhsm("https://cdn.redhat.com/a.rpm"), sdk.ErrNotFound,
		"no section of /etc/yum.repos.d/redhat.repo", "/etc/pki/entitlement has no entitlement")
}

func TestSubscriptionsAreReadOnce(t *testing.T) {
	h := hostAt(t, "host")
	page := sdktest.Page{Items: []sdktest.Item{{Key: "sha1:1", Desc: `"http://x/y"`}}}
	p := newPlugin()
	sdktest.Run(t, p, h, sdk.Prepare, page)
	if len(h.Calls) > 0 {
		t.Errorf("an item without secrets makes the plugin ask for %q", h.Calls)
	}
	for _, n := range []string{"2", "3", "4"} {
		page.Items = append(page.Items, sdktest.Item{Key: "sha1:" + n, Desc: rhsm("https://two.example/repo/" + n)})
	}
	sdktest.Run(t, p, h, sdk.Prepare, page)
	once := slices.Clone(h.Calls)
	sdktest.Run(t, p, h, sdk.Prepare, page)
	if len(once) == 0 || !slices.Equal(h.Calls, once) {
		t.Errorf("the second page makes the plugin ask for %q", h.Calls[len(once):])
	}
	slices.Sort(once)
	if unique := slices.Compact(slices.Clone(once)); len(unique) != len(once) {
		t.Errorf("asked twice: %q", once)
	}
}

func TestUnreadableSubscriptions(t *testing.T) {
	for _, op := range []string{"read/v1 ", "list/v1 ", "stat/v1 "} {
		h := hostAt(t, "host")
		h.Deny = func(o, _ string) bool { return strings.HasPrefix(op, o) }
		refused(t, h, rhsm("https://two.example/repo/a"), sdk.ErrDenied, "the test denies")
	}
}
