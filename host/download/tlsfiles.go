package download

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/sourcehost/sourcehost/internal/regular"
)

// tlsFiles are the PEM files that a request names.
type tlsFiles struct {
	ca, cert, key string
	sealed        bool // a secret takes the place of cert, key or both
}

// fileID is a file at one moment: what was read from it is used again as long
// as it has not changed.
type fileID struct {
	path string
	mod  time.Time
	size int64
}

// tlsSettings are all that a TLS configuration depends on.
type tlsSettings struct {
	ca, cert, key fileID
	// certPEM and keyPEM take the place of files.
	certPEM, keyPEM string
	insecure        bool
}

// stat looks at the files, without reading them.
func (f tlsFiles) stat() (tlsSettings, error) {
	if f.key == "" && !f.sealed {
		f.key = f.cert
	}
	if f.cert == "" && f.key != "" && !f.sealed {
		return tlsSettings{}, fmt.Errorf("the client key %s was given without a certificate", f.key)
	}
	var s tlsSettings
	var errs [3]error
	s.ca, errs[0] = identify("CA file", f.ca)
	s.cert, errs[1] = identify("client certificate", f.cert)
	s.key, errs[2] = identify("client key", f.key)
	return s, errors.Join(errs[:]...)
}

func identify(what, path string) (fileID, error) {
	if path == "" {
		return fileID{}, nil
	}
	st, err := os.Stat(path)
	if err != nil {
		return fileID{}, fmt.Errorf("the %s cannot be read: %w", what, err)
	}
	return fileID{path: path, mod: st.ModTime(), size: st.Size()}, nil
}

// maxPEM is the largest file with certificates or keys that is read, in bytes: the
// system's authorities take a quarter of a megabyte.
const maxPEM = 16 << 20

// config makes the TLS configuration, reading the files.
func (s tlsSettings) config() (*tls.Config, error) {
	conf := &tls.Config{
		InsecureSkipVerify: s.insecure,
		ClientSessionCache: tls.NewLRUClientSessionCache(sessionCache),
	}
	if s.ca.path != "" {
		pool, err := poolWith(s.ca.path)
		if err != nil {
			return nil, err
		}
		conf.RootCAs = pool
	}
	if s.cert.path != "" || s.certPEM != "" {
		cert, err := s.keyPair()
		if err != nil {
			return nil, err
		}
		// Not tls.Config.Certificates: those are left out when the server's
		// list of authorities does not name the issuer, and such lists are
		// often incomplete.
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
		// Servers that want a certificate for some folders only ask for it
		// after they have seen the path.
		conf.Renegotiation = tls.RenegotiateOnceAsClient
	}
	return conf, nil
}

// poolWith returns the system's authorities together with those in the file.
func poolWith(path string) (*x509.CertPool, error) {
	data, err := regular.ReadFile(path, maxPEM)
	if err != nil {
		return nil, fmt.Errorf("the CA file cannot be read: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("the system's certificate authorities cannot be read: %w", err)
	}
	added := 0
	for len(data) > 0 {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		// TRUSTED CERTIFICATE blocks have OpenSSL's trust settings at the end;
		// they are no plain certificates.
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("the CA file %s has a certificate that cannot be read: %w", path, err)
		}
		pool.AddCert(cert)
		added++
	}
	if added == 0 {
		return nil, fmt.Errorf("the CA file %s has no certificate in PEM format", path)
	}
	return pool, nil
}

// keyPair reads the client's certificate and key.
func (s *tlsSettings) keyPair() (*tls.Certificate, error) {
	certName, certPEM, err := textOf("client certificate", s.cert, s.certPEM)
	if err != nil {
		return nil, err
	}
	keyName, keyPEM, err := textOf("client key", s.key, s.keyPEM)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("the client certificate %s and the key %s cannot be used: %w", certName, keyName, err)
	}
	return &pair, nil
}

// textOf returns PEM text, that of a secret or of a file, and what it is called.
func textOf(what string, file fileID, secret string) (name string, text []byte, err error) {
	if secret != "" {
		return "of a secret", []byte(secret), nil
	}
	if text, err = regular.ReadFile(file.path, maxPEM); err != nil {
		return "", nil, fmt.Errorf("the %s cannot be read: %w", what, err)
	}
	return file.path, text, nil
}
