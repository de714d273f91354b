package sdktest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"github.com/sourcehost/sourcehost/internal/abi"
)

// hmac signs with a secret of the test.
func (h *Host) hmac(req []byte) (abi.Status, []byte) {
	q, err := abi.DecodeHMAC(req)
	if err != nil {
		return refuse(abi.Invalid, err)
	}
	secret, known := h.Secrets[q.Secret]
	if h.denied(abi.OpHMAC, q.Secret) || !known {
		return refuse(abi.Denied, errors.New("the test has no secret "+q.Secret+" to sign with"))
	}
	digest := []byte(q.Prefix + secret)
	for _, part := range q.Data {
		mac := hmac.New(sha256.New, digest)
		mac.Write([]byte(part))
		digest = mac.Sum(nil)
	}
	return abi.OK, (&abi.HMACResult{Digest: hex.EncodeToString(digest)}).Append(nil)
}
