package host

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"

	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

const (
	// minKeyBytes is the shortest secret that signs. A plugin sees digests, and could
	// find a shorter secret by trying.
	minKeyBytes = 16
	// maxHMACParts bounds how many digests one operation derives from each other.
	maxHMACParts = 16
)

// hmac signs with a secret that the plugin does not see: one that it may refer to,
// and that is bound to the server for which it signs.
func (c *caller) hmac(req []byte) (abi.Status, []byte, error) {
	h, err := abi.DecodeHMAC(req)
	if err != nil {
		return abi.Invalid, nil, err
	}
	u, err := url.Parse(h.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return abi.Invalid, nil, errors.New("url is to be the http or https URL that is signed for")
	case len(h.Data) == 0 || len(h.Data) > maxHMACParts:
		return abi.Invalid, nil, fmt.Errorf("data has %d parts, but may have 1 to %d", len(h.Data), maxHMACParts)
	}
	if err := c.plugin.policy.allow(plugin.CapSecrets, h.Secret); err != nil {
		return abi.Denied, nil, err
	}
	key, err := c.reveal(h.Secret)(u)
	if err != nil {
		return abi.Denied, nil, err
	}
	if len(key) < minKeyBytes {
		return abi.Denied, nil, fmt.Errorf("the secret %s is too short to sign with: it needs %d bytes", plain(h.Secret, 60), minKeyBytes)
	}
	digest := []byte(h.Prefix + key)
	for _, part := range h.Data {
		mac := hmac.New(sha256.New, digest)
		mac.Write([]byte(part))
		digest = mac.Sum(nil)
	}
	return abi.OK, (&abi.HMACResult{Digest: hex.EncodeToString(digest)}).Append(nil), nil
}
