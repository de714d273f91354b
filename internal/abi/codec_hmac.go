package abi

import "github.com/sourcehost/sourcehost/internal/rawjson"

// Append encodes the request.
func (h *HMAC) Append(dst []byte) []byte {
	dst = appendText(append(dst, '{'), "secret", h.Secret)
	dst = appendText(dst, "prefix", h.Prefix)
	dst = appendText(dst, "url", h.URL)
	return append(appendTexts(dst, "data", h.Data), '}')
}

// DecodeHMAC decodes a request of OpHMAC.
func DecodeHMAC(data []byte) (HMAC, error) {
	var h HMAC
	err := decode(data, &h)
	return h, err
}

func (h *HMAC) read(r *rawjson.Reader) error {
	return r.Object(func(key []byte) error {
		switch string(key) {
		case "secret":
			return readText(r, &h.Secret)
		case "prefix":
			return readText(r, &h.Prefix)
		case "url":
			return readText(r, &h.URL)
		case "data":
			return readTexts(r, &h.Data)
		}
		return r.Skip()
	})
}

// Append encodes the result.
func (h *HMACResult) Append(dst []byte) []byte {
	return append(appendText(append(dst, '{'), "digest", h.Digest), '}')
}

// DecodeHMACResult decodes a result of OpHMAC.
func DecodeHMACResult(data []byte) (HMACResult, error) {
	var h HMACResult
	err := decode(data, &h)
	return h, err
}

func (h *HMACResult) read(r *rawjson.Reader) error {
	return r.Object(func(key []byte) error {
		if string(key) == "digest" {
			return readText(r, &h.Digest)
		}
		return r.Skip()
	})
}
