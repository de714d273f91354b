package artifact

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/opencontainers/go-digest"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"
	"oras.land/oras-go/v2/registry/remote/retry"
)

// Client talks to registries. Its zero value is usable.
type Client struct {
	// PlainHTTP speaks http with every registry. Without it only registries on
	// this machine's loopback interface are spoken to without TLS, when they do not
	// know it.
	PlainHTTP bool
	// Environ reads an environment variable, as os.LookupEnv does; nil means that.
	Environ func(name string) (string, bool)
	// UserAgent is sent to registries; empty means none in particular.
	UserAgent string
	// MaxBytes is the largest plugin that is pulled; 0 means DefaultMaxBytes.
	MaxBytes int64
	// PullTime is how long a pull may take; 0 means ten minutes.
	PullTime time.Duration
}

// defaultPullTime is enough for the largest plugin at 60 kB/s.
const defaultPullTime = 10 * time.Minute

// pullTimeout is the cause with which a pull ends at its time.
type pullTimeout time.Duration

func (d pullTimeout) Error() string {
	return fmt.Sprintf("the registry took longer than %v", time.Duration(d))
}

// limited is ctx with the time of a pull.
func (c *Client) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := c.PullTime
	if limit <= 0 {
		limit = defaultPullTime
	}
	return context.WithTimeoutCause(ctx, limit, pullTimeout(limit))
}

// DefaultMaxBytes is the largest plugin file by the contract's default.
const DefaultMaxBytes = 32 << 20

// headerTime is how long a registry may take to begin its answer.
const headerTime = 30 * time.Second

func (c *Client) getenv(name string) string {
	look := c.Environ
	if look == nil {
		look = os.LookupEnv
	}
	value, _ := look(name)
	return value
}

// repository prepares to talk to the registry of a reference.
func (c *Client) repository(ctx context.Context, r Reference) (*remote.Repository, func(), error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = headerTime
	done := transport.CloseIdleConnections
	config, err := c.tlsConfig(r.ref.Registry)
	if err != nil {
		return nil, done, err
	}
	transport.TLSClientConfig = config
	guarded := newGuard(transport, r.ref.Host(), loopback(r.ref.Registry))
	client := &auth.Client{
		Client:     &http.Client{Transport: retry.NewTransport(guarded)},
		Cache:      auth.NewCache(),
		Credential: c.credential(r),
	}
	if c.UserAgent != "" {
		client.SetUserAgent(c.UserAgent)
	}
	repo := &remote.Repository{Client: client, Reference: r.ref, PlainHTTP: c.PlainHTTP}
	repo.Reference.Reference = ""
	if !c.PlainHTTP && loopback(r.ref.Registry) {
		repo.PlainHTTP = speaksPlainHTTP(ctx, transport, r.ref.Host())
	}
	return repo, done, nil
}

// speaksPlainHTTP asks a server on this machine for https and reports whether it
// answered in http.
func speaksPlainHTTP(ctx context.Context, transport http.RoundTripper, host string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+"/v2/", nil)
	if err != nil {
		return false
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return errors.Is(err, http.ErrSchemeMismatch)
	}
	resp.Body.Close()
	return false
}

// explain says what a failure of a registry means for the user.
func explain(r Reference, what string, err error) error {
	if err == nil {
		return nil
	}
	hint := ""
	var response *errcode.ErrorResponse
	switch {
	case errors.Is(err, errdef.ErrNotFound):
		return fmt.Errorf("%s %s: the registry has no such artifact", what, r)
	case errors.As(err, &response) && (response.StatusCode == http.StatusUnauthorized || response.StatusCode == http.StatusForbidden),
		errors.Is(err, auth.ErrBasicCredentialNotFound):
		hint = "; credentials are taken from $REGISTRY_AUTH_FILE and the files that `podman login` and `docker login` write"
	case errors.Is(err, http.ErrSchemeMismatch):
		hint = "; --plain-http speaks with registries that know no TLS"
	}
	return fmt.Errorf("%s %s: %w%s", what, r, err, hint)
}

// Plugin is a plugin that was pulled.
type Plugin struct {
	Wasm []byte
	// Reference names it by digest.
	Reference Reference
	// manifest is the artifact's, as it stands.
	manifest []byte
	layer    digest.Digest
}
