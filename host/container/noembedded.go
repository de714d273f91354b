//go:build !containers_image_openpgp

package container

// NewEmbedded returns ErrNotBuilt: this program was built without the tag
// containers_image_openpgp.
func NewEmbedded(Config) (Engine, error) { return nil, ErrNotBuilt }
