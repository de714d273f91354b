package main

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sourcehost/sourcehost/sdk"
)

const (
	algorithm = "AWS4-HMAC-SHA256"
	service   = "s3"
	// unsigned stands for the body's digest, which a signed URL does not have.
	unsigned = "UNSIGNED-PAYLOAD"
)

// sign returns the URL with a signature in its query, as "Authenticating Requests:
// Using Query Parameters (AWS Signature Version 4)" of the Amazon S3 API reference
// describes it.
func (b *bucket) sign(ctx *sdk.Context, url string, at time.Time) (string, error) {
	scheme, rest, _ := strings.Cut(url, "://")
	host, rest, _ := strings.Cut(rest, "/")
	host = strings.ToLower(host)
	path, query, _ := strings.Cut(rest, "?")
	query, _, _ = strings.Cut(query, "#")
	path, _, _ = strings.Cut(path, "#")

	stamp := at.UTC().Format("20060102T150405Z")
	scope := []string{stamp[:8], b.region, service, "aws4_request"}
	params := parameters(query)
	add := func(name, value string) { params = append(params, escape(name, false)+"="+escape(value, false)) }
	add("X-Amz-Algorithm", algorithm)
	add("X-Amz-Credential", b.keyID+"/"+strings.Join(scope, "/"))
	add("X-Amz-Date", stamp)
	add("X-Amz-Expires", strconv.FormatInt(b.expires, 10))
	add("X-Amz-SignedHeaders", "host")
	if b.sessionToken != "" {
		add("X-Amz-Security-Token", b.sessionToken)
	}
	slices.Sort(params)
	object := "/" + escape(unescape(path, false), true)
	canonicalQuery := strings.Join(params, "&")

	request := strings.Join([]string{"GET", object, canonicalQuery, "host:" + host, "", "host", unsigned}, "\n")
	digest := sha256.Sum256([]byte(request))
	toSign := strings.Join([]string{algorithm, stamp, strings.Join(scope, "/"), hex.EncodeToString(digest[:])}, "\n")
	signature, err := ctx.HMAC(&sdk.HMAC{Secret: b.secret, Prefix: "AWS4", URL: scheme + "://" + host + object, Data: append(scope, toSign)})
	if err != nil {
		return "", err
	}
	return scheme + "://" + host + object + "?" + canonicalQuery + "&X-Amz-Signature=" + signature, nil
}

// parameters returns those of a query, each escaped as the signature wants it. A
// signature that is there already is dropped.
func parameters(query string) (list []string) {
	for _, p := range strings.Split(query, "&") {
		name, value, _ := strings.Cut(p, "=")
		name, value = unescape(name, true), unescape(value, true)
		if name == "" || strings.HasPrefix(strings.ToLower(name), "x-amz-") {
			continue
		}
		list = append(list, escape(name, false)+"="+escape(value, false))
	}
	return list
}

// escape writes every byte but unreserved ones (RFC 3986) as %XX, in a path but for
// slashes.
func escape(s string, path bool) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-._~", c) >= 0, path && c == '/':
			b.WriteByte(c)
		default:
			const digits = "0123456789ABCDEF"
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}

// unescape decodes %XX; what is no such escape stays. In a query + is a space.
func unescape(s string, query bool) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		if query && s[i] == '+' {
			b.WriteByte(' ')
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
