//go:build containers_image_openpgp

package container

import (
	"context"
	"fmt"

	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/pkg/sysregistriesv2"
)

// newGuard makes it guarded: the library asks a function for the proxy of each request,
// of every redirect too, and none of them goes past the guard.
func (e *embedded) newGuard(_ context.Context, r *Request) (*guard, error) { return newGuard(r) }

// nameServers tells the guard which servers the operator's configuration names for
// the image: mirrors and other locations of its registry, and where signatures are.
func (s *session) nameServers() error {
	g := s.r.guard
	if g == nil {
		return nil
	}
	named := s.ref.DockerReference()
	registry, err := sysregistriesv2.FindRegistry(s.sys, named.Name())
	if err != nil {
		return fmt.Errorf("loading registries configuration: %w", err)
	}
	if registry != nil {
		sources, err := registry.PullSourcesFromReference(named)
		if err != nil {
			return err
		}
		for _, source := range sources {
			g.name(byOperator, targets(reference.Domain(source.Reference))...)
		}
	}
	if base, err := docker.SignatureStorageBaseURL(s.sys, s.ref, false); err == nil && base != nil && base.Host != "" {
		g.name(byOperator, targetOf(base))
	}
	return nil
}
