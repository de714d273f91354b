package certs

import (
	"strings"

	"github.com/sourcehost/sourcehost/sdk"
)

// layout is where the files of a subscription lie.
type layout struct {
	repos, entitlements, ca string
}

// The places on a host, and in a container whose engine mounts the host's
// subscription as secrets.
var (
	onHost = layout{
		repos:        "/etc/yum.repos.d/redhat.repo",
		entitlements: "/etc/pki/entitlement",
		ca:           "/etc/rhsm/ca/redhat-uep.pem",
	}
	inContainer = layout{
		repos:        "/run/secrets/redhat.repo",
		entitlements: "/run/secrets/etc-pki-entitlement",
		ca:           "/run/secrets/rhsm/ca/redhat-uep.pem",
	}
	// containerMarks both exist in such a container.
	containerMarks = []string{"/run/.containerenv", "/run/secrets"}
)

// satelliteCA, beside the CA file, is that of the Satellite server with which
// the host is registered instead of with Red Hat.
const satelliteCA = "katello-server-ca.pem"

// subscriptions is what is known of the host's subscriptions: its repositories,
// and the entitlement for content that belongs to none of them.
type subscriptions struct {
	at           layout
	ca           string
	hasRepos     bool // the file with the repositories exists
	repositories []*repository
	fallback     sdk.TLS // zero without any entitlement
}

// repository is a section of the file with the repositories.
type repository struct {
	baseURLs []baseURL
	tls      sdk.TLS
}

// readSubscriptions reads the files. Private keys are not read, only listed.
func readSubscriptions(ctx *sdk.Context) (*subscriptions, error) {
	s := &subscriptions{at: onHost}
	container, err := existAll(ctx, containerMarks...)
	if err != nil {
		return nil, err
	}
	if container {
		s.at = inContainer
	}
	s.ca = s.at.ca
	satellite := s.ca[:strings.LastIndexByte(s.ca, '/')+1] + satelliteCA
	if found, err := existAll(ctx, satellite); err != nil {
		return nil, err
	} else if found {
		s.ca = satellite
	}
	data, err := ctx.Read(s.at.repos)
	if err != nil && sdk.KindOf(err) != sdk.ErrNotFound {
		return nil, err
	}
	s.hasRepos = err == nil
	if s.repositories, err = s.readRepositories(ctx, string(data)); err != nil {
		return nil, err
	}
	s.fallback, err = s.firstEntitlement(ctx)
	return s, err
}

// readRepositories takes the sections that have a baseurl, a client key and a
// client certificate, in their order.
func (s *subscriptions) readRepositories(ctx *sdk.Context, data string) (list []*repository, err error) {
	for _, section := range parseINI(data) {
		r := &repository{
			tls: sdk.TLS{CA: section["sslcacert"], Cert: section["sslclientcert"], Key: section["sslclientkey"]},
		}
		for _, base := range strings.Fields(section["baseurl"]) {
			r.baseURLs = append(r.baseURLs, parseBaseURL(base))
		}
		if len(r.baseURLs) == 0 || r.tls.Cert == "" || r.tls.Key == "" {
			continue
		}
		if r.tls.CA == "" {
			r.tls.CA = s.ca
		}
		if s.at == inContainer {
			for _, path := range []*string{&r.tls.CA, &r.tls.Cert, &r.tls.Key} {
				if *path, err = mounted(ctx, *path); err != nil {
					return nil, err
				}
			}
		}
		list = append(list, r)
	}
	return list, nil
}

// mounted returns where a container has a file of the host: the file with the
// repositories is the host's own and names the host's paths.
func mounted(ctx *sdk.Context, path string) (string, error) {
	for _, dir := range []struct{ host, container string }{
		{onHost.entitlements, inContainer.entitlements},
		{"/etc/rhsm/ca", "/run/secrets/rhsm/ca"},
	} {
		name, below := strings.CutPrefix(path, dir.host+"/")
		if !below {
			continue
		}
		if here, err := existAll(ctx, path); err != nil || here {
			return path, err
		}
		there, err := existAll(ctx, dir.container+"/"+name)
		if err != nil || !there {
			return path, err
		}
		return dir.container + "/" + name, nil
	}
	return path, nil
}

// firstEntitlement returns the first key that has its certificate.
func (s *subscriptions) firstEntitlement(ctx *sdk.Context) (sdk.TLS, error) {
	names, err := ctx.List(s.at.entitlements)
	if err != nil && sdk.KindOf(err) != sdk.ErrNotFound {
		return sdk.TLS{}, err
	}
	has := make(map[string]bool, len(names))
	for _, name := range names {
		has[name] = true
	}
	for _, name := range names {
		id, isKey := strings.CutSuffix(name, "-key.pem")
		if isKey && has[id+".pem"] {
			base := s.at.entitlements + "/" + id
			return sdk.TLS{CA: s.ca, Cert: base + ".pem", Key: base + "-key.pem"}, nil
		}
	}
	return sdk.TLS{}, nil
}

// certificates returns those of the first repository that has one of the URLs,
// or else the first entitlement.
func (s *subscriptions) certificates(urls []string) (sdk.TLS, error) {
	for _, url := range urls {
		for _, r := range s.repositories {
			for _, base := range r.baseURLs {
				if base.contains(url) {
					return r.tls, nil
				}
			}
		}
	}
	if s.fallback.IsZero() {
		return sdk.TLS{}, s.nothing()
	}
	return s.fallback, nil
}

// nothing says what was looked for and where.
func (s *subscriptions) nothing() error {
	repos := "no section of " + s.at.repos + " with client certificates has a baseurl that the url begins with"
	if !s.hasRepos {
		repos = s.at.repos + " does not exist"
	}
	return &sdk.Error{
		Kind: sdk.ErrNotFound,
		Message: RHSM + ": no subscription for the url: " + repos +
			", and " + s.at.entitlements + " has no entitlement (<ID>-key.pem with <ID>.pem)",
		Hint: "register this host with subscription-manager; a container needs the host's subscription in /run/secrets",
	}
}

// existAll reports whether there is something at each path.
func existAll(ctx *sdk.Context, paths ...string) (bool, error) {
	for _, path := range paths {
		info, err := ctx.Stat(path)
		if err != nil || info.Type == sdk.TypeNone {
			return false, err
		}
	}
	return true, nil
}
