package sdk

import "github.com/sourcehost/sourcehost/internal/abi"

// HMAC signs with a secret that the plugin does not see, and returns the digest in
// hexadecimal. See abi.HMAC.
func (c *Context) HMAC(h *HMAC) (string, error) {
	c.req = h.Append(c.req[:0])
	result, err := c.call(abi.OpHMAC, h.Secret)
	if err != nil {
		return "", err
	}
	r, err := abi.DecodeHMACResult(result)
	return r.Digest, err
}
