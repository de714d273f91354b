// Package secret resolves the secrets of the host's configuration by name, for
// the servers that each is bound to, and keeps their values out of logs,
// errors and results.
package secret

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Spec says where a secret's value comes from and who may get it. Exactly one
// of File, Env and Command is set.
type Spec struct {
	// Name is what plugins refer to the secret by. Letters, digits and . _ - only.
	Name string
	// File is the path of a file that holds the value. One newline at its end
	// is not part of the value.
	File string
	// Env is the name of an environment variable that holds the value.
	Env string
	// Command is the absolute path of a program and its arguments. It is run when
	// the value is first needed, once, and prints the value. One newline at the end
	// is not part of it.
	Command []string
	// Hosts are the servers that the secret may be sent to, at least one:
	// "host" (any port), "host:port", "*.suffix" (any name beneath the suffix,
	// but not the suffix itself), or an IP address, in brackets when it is an
	// IPv6 address with a port. Names must be in their ASCII form. A secret is
	// sent over https only, unless "http://" stands before the host.
	Hosts []string
}

// Option changes how a Resolver works.
type Option func(*Resolver)

// WithLogger makes the resolver warn about files that every user can read.
// Without it, or with nil, nothing is logged.
func WithLogger(l *slog.Logger) Option {
	return func(r *Resolver) {
		if l != nil {
			r.log = l
		}
	}
}

// WithEnviron replaces os.LookupEnv, which nil stands for, too.
func WithEnviron(lookup func(string) (string, bool)) Option {
	return func(r *Resolver) {
		if lookup != nil {
			r.environ = lookup
		}
	}
}

// ErrUnknown is wrapped by the error for a name that the configuration does not
// have.
var ErrUnknown = errors.New("no such secret is configured")

// DeniedError says that a secret was asked for on behalf of a server that it is
// not bound to.
type DeniedError struct {
	Name string   // the secret
	Host string   // the server it was asked for
	To   []string // the servers that it is bound to
}

// Error names the secret, the server and the servers that would be allowed.
func (e *DeniedError) Error() string {
	as := ""
	if strings.HasPrefix(e.Host, plainScheme) {
		as = ", with " + plainScheme + " before it,"
	}
	return fmt.Sprintf("secret %q must not be sent to %q: it is bound to %s; add the server%s to the hosts of [secret.%s] if it should get it",
		e.Name, shorten(e.Host), strings.Join(e.To, ", "), as, e.Name)
}

// Resolver resolves secrets by name. Values are read when they are first asked
// for and kept for the life of the resolver. It is safe for use by many
// goroutines.
type Resolver struct {
	secrets map[string]*entry
	environ func(string) (string, bool)
	log     *slog.Logger
	command commands

	mu       sync.Mutex // guards resolved, and the making of redactor
	resolved []known
	redactor atomic.Pointer[strings.Replacer] // nil while no value is known
}

// entry is one configured secret.
type entry struct {
	spec  Spec
	hosts []pattern
	value func() (string, error) // reads once, then remembers
}

// New checks the specs, reports all that is wrong with them at once, and reads
// no value yet.
func New(specs []Spec, opts ...Option) (*Resolver, error) {
	r := &Resolver{
		secrets: make(map[string]*entry, len(specs)),
		environ: os.LookupEnv,
		log:     slog.New(slog.DiscardHandler),
	}
	r.command.ctx, r.command.stop = context.WithCancel(context.Background())
	for _, o := range opts {
		o(r)
	}
	var errs []error
	for _, spec := range specs {
		e, err := newEntry(spec)
		if err == nil && r.secrets[spec.Name] != nil {
			err = fmt.Errorf("secret %q is configured twice", spec.Name)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		e.value = sync.OnceValues(func() (string, error) { return r.read(e.spec) })
		r.secrets[spec.Name] = e
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return r, nil
}

// newEntry checks one spec.
func newEntry(spec Spec) (*entry, error) {
	fail := func(format string, args ...any) (*entry, error) {
		return nil, fmt.Errorf("secret %q: "+format, append([]any{shorten(spec.Name)}, args...)...)
	}
	sources := 0
	for _, given := range []bool{spec.File != "", spec.Env != "", len(spec.Command) > 0} {
		if given {
			sources++
		}
	}
	switch {
	case !ValidName(spec.Name):
		return fail("a name is made of letters, digits and . _ - only")
	case sources == 0:
		return fail("neither a file, nor an environment variable (env), nor a command is given to get it from")
	case sources > 1:
		return fail("of a file, an environment variable (env) and a command two or all are given; keep one")
	case len(spec.Command) > 0 && !filepath.IsAbs(spec.Command[0]):
		return fail("the program of its command, %q, is not an absolute path", shorten(spec.Command[0]))
	case len(spec.Hosts) == 0:
		return fail("no hosts are given; list the servers that it may be sent to")
	}
	e := &entry{spec: spec}
	e.spec.Hosts, e.spec.Command = slices.Clone(spec.Hosts), slices.Clone(spec.Command)
	for _, h := range spec.Hosts {
		p, err := parsePattern(h)
		if err != nil {
			return fail("%w", err)
		}
		e.hosts = append(e.hosts, p)
	}
	return e, nil
}

// ValidName reports whether name can be the name of a secret.
func ValidName(name string) bool {
	for _, c := range []byte(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("._-", c) >= 0:
		default:
			return false
		}
	}
	return name != ""
}

// CheckHost returns an error unless host has one of the forms that Spec.Hosts
// may have.
func CheckHost(host string) error {
	_, err := parsePattern(host)
	return err
}

// For returns the value of a secret for a request to host, which is the host
// part of a URL, with or without a port, and with "http://" before it when the
// request is not encrypted. A secret that is bound to other
// servers gives a *DeniedError, before its value is read. A value is not empty,
// not shorter than MinLength, and from then on known to Redact.
func (r *Resolver) For(name, host string) (string, error) {
	e := r.secrets[name]
	if e == nil {
		return "", fmt.Errorf("secret %q: %w (known: %s)", shorten(name), ErrUnknown, r.names())
	}
	target, ok := parseTarget(host)
	if !ok || !slices.ContainsFunc(e.hosts, func(p pattern) bool { return p.match(target) }) {
		return "", &DeniedError{Name: name, Host: host, To: e.spec.Hosts}
	}
	return e.value()
}

// names lists the configured names for an error.
func (r *Resolver) names() string {
	if len(r.secrets) == 0 {
		return "none"
	}
	names := make([]string, 0, len(r.secrets))
	for n := range r.secrets {
		names = append(names, n)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// shorten cuts what came from a guest or a server to a length fit for an error.
func shorten(s string) string {
	const longest = 100
	if len(s) > longest {
		return strings.ToValidUTF8(s[:longest], "") + "..."
	}
	return s
}
