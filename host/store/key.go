package store

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"strconv"
	"strings"
)

// Algorithm is a digest algorithm that keys may name. Its zero value is none.
type Algorithm uint8

// The algorithms that osbuild's sources accept.
const (
	MD5 Algorithm = iota + 1
	SHA1
	SHA256
	SHA384
	SHA512
)

const algorithmNames = "md5, sha1, sha256, sha384, sha512"

func algorithm(name string) (Algorithm, bool) {
	for a := MD5; a <= SHA512; a++ {
		if a.String() == name {
			return a, true
		}
	}
	return 0, false
}

// String returns the algorithm's name as it stands in a key.
func (a Algorithm) String() string {
	switch a {
	case MD5:
		return "md5"
	case SHA1:
		return "sha1"
	case SHA256:
		return "sha256"
	case SHA384:
		return "sha384"
	case SHA512:
		return "sha512"
	}
	return "none"
}

// Size returns the length of the algorithm's digests in bytes.
func (a Algorithm) Size() int {
	switch a {
	case MD5:
		return md5.Size
	case SHA1:
		return sha1.Size
	case SHA256:
		return sha256.Size
	case SHA384:
		return sha512.Size384
	case SHA512:
		return sha512.Size
	}
	return 0
}

// New returns a new hash of this algorithm. It panics when the algorithm is none.
func (a Algorithm) New() hash.Hash {
	switch a {
	case MD5:
		return md5.New()
	case SHA1:
		return sha1.New()
	case SHA256:
		return sha256.New()
	case SHA384:
		return sha512.New384()
	case SHA512:
		return sha512.New()
	}
	panic("store: hash of the zero Algorithm")
}

// Key names an entry by the digest of its content, as ALGORITHM:HEX. Keys can be
// compared and used in maps. The zero value is no key and is refused everywhere.
type Key struct {
	text string
	alg  Algorithm
}

// ParseKey reads a key. It takes nothing but a known algorithm, a colon and
// exactly as many lower-case hexadecimal digits as the algorithm's digest has, so
// a key is always safe to use as a file name. The error is a *KeyError.
func ParseKey(s string) (Key, error) {
	name, digits, found := strings.Cut(s, ":")
	if !found {
		return Key{}, &KeyError{Key: s, Reason: "it must be ALGORITHM:HEX"}
	}
	alg, known := algorithm(name)
	if !known {
		return Key{}, &KeyError{Key: s, Reason: "the algorithm must be one of " + algorithmNames}
	}
	if len(digits) != 2*alg.Size() {
		return Key{}, &KeyError{Key: s, Reason: fmt.Sprintf("a %s digest has %d hexadecimal digits, this one has %d characters", alg, 2*alg.Size(), len(digits))}
	}
	for i := range len(digits) {
		if c := digits[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return Key{}, &KeyError{Key: s, Reason: "the digest must be lower-case hexadecimal digits only"}
		}
	}
	return Key{text: s, alg: alg}, nil
}

// ParseCommit reads the key of an ostree commit: the 64 lower-case hexadecimal
// digits of its SHA-256 digest, and nothing before them. The error is a *KeyError.
func ParseCommit(s string) (Key, error) {
	if len(s) != 2*SHA256.Size() || strings.Trim(s, "0123456789abcdef") != "" {
		return Key{}, &KeyError{Key: s, Reason: "a commit is named by 64 lower-case hexadecimal digits"}
	}
	return Key{text: s, alg: SHA256}, nil
}

// parseAnyKey reads a key of either form.
func parseAnyKey(s string) (Key, error) {
	if key, err := ParseCommit(s); err == nil {
		return key, nil
	}
	return ParseKey(s)
}

// String returns the key as it was parsed; "" for the zero value.
func (k Key) String() string { return k.text }

// Algorithm returns the algorithm of the key's digest.
func (k Key) Algorithm() Algorithm { return k.alg }

// New returns a new hash of the key's algorithm. It panics for the zero value.
func (k Key) New() hash.Hash { return k.alg.New() }

// digest renders what h has summed up in the form of a key.
func (k Key) digest(h hash.Hash) string {
	return k.alg.String() + ":" + hex.EncodeToString(h.Sum(nil))
}

// emptyDigest returns the only key of this algorithm that an empty file may have.
func (k Key) emptyDigest() string { return k.digest(k.New()) }

func (k Key) check() error {
	if k.alg == 0 {
		return &KeyError{Reason: "it is empty"}
	}
	return nil
}

// KeyError says why a key was refused.
type KeyError struct {
	Key    string // as it was given, of any length
	Reason string // a clause that says what is expected
}

// maxQuoted bounds how many bytes of a refused key an error shows: a key from a
// hostile manifest may have any length.
const maxQuoted = 80

// Error shows the key quoted in ASCII and shortened, so that look-alike
// characters can be seen and a log stays readable.
func (e *KeyError) Error() string {
	return "key " + quote(e.Key) + " is refused: " + e.Reason
}

// quote shows text that somebody else chose.
func quote(s string) string {
	if len(s) <= maxQuoted {
		return strconv.QuoteToASCII(s)
	}
	return fmt.Sprintf("%s... (%d bytes)", strconv.QuoteToASCII(s[:maxQuoted]), len(s))
}
