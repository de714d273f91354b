package host

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/sourcehost/sourcehost/host/command"
	"github.com/sourcehost/sourcehost/host/container"
	"github.com/sourcehost/sourcehost/internal/abi"
)

// checked compares the digest of what the last program has written with the key of
// an item that is not stored. err is that of the programs.
func (r *run) checked(it *item, out []byte, err error) error {
	if err != nil {
		return r.absence(it, err)
	}
	sum := sha256.Sum256(out)
	if got := "sha256:" + hex.EncodeToString(sum[:]); got != it.result.Key {
		return r.itemError(it, nil, "", abi.ErrMismatch, fmt.Errorf("%s is there as %s, but %s was expected", it.result.URL, got, it.result.Key))
	}
	return nil
}

// notThere is what skopeo says of images that are not in a storage.
var notThere = []string{"image not known", "identifier is not an image", "does not resolve to an image ID"}

// absence says what a program that was to look at an item said, in place of how it
// was called.
func (r *run) absence(it *item, err error) *Error {
	e := r.programError(it, err)
	var c *command.Error
	if !errors.As(err, &c) || c.Kind != command.KindFailed {
		return e
	}
	said := container.SkopeoSaid(c.Tail)
	if said == "" {
		return e
	}
	e.Message = fmt.Sprintf("cannot look at %s: %s", it.result.URL, said)
	for _, text := range notThere {
		if strings.Contains(said, text) {
			e.Kind, e.Message = abi.ErrNotFound, fmt.Sprintf("there is no image %s", it.result.URL)
			e.Hint = "pull or build the image on this host first, into the storage that storage.conf names"
		}
	}
	return e
}
