package hosttest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// CA is a throw-away certificate authority.
type CA struct {
	// Path is the PEM file of its certificate.
	Path string
	// Pool holds its certificate alone.
	Pool *x509.CertPool

	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Leaf says what certificate to issue.
type Leaf struct {
	// Name is the subject's common name, and the base of the names of files.
	Name string
	// Hosts are the names and addresses that it is valid for; none for a client.
	Hosts []string
	// Expired makes its time be over, since an hour.
	Expired bool
}

// Pair is an issued certificate with its key.
type Pair struct {
	Cert, Key string // paths of PEM files
	TLS       tls.Certificate
}

// NewCA makes a certificate authority whose files are in dir.
func NewCA(dir, name string) (*CA, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	tmpl := template(name)
	tmpl.IsCA, tmpl.BasicConstraintsValid = true, true
	tmpl.KeyUsage = x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	c := &CA{Path: filepath.Join(dir, name+".pem"), Pool: x509.NewCertPool(), dir: dir, cert: cert, key: key}
	c.Pool.AddCert(cert)
	return c, writePEM(c.Path, "CERTIFICATE", der)
}

// Issue makes a certificate and writes NAME.pem and NAME.key.
func (c *CA) Issue(leaf Leaf) (*Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	tmpl := template(leaf.Name)
	tmpl.KeyUsage = x509.KeyUsageDigitalSignature
	tmpl.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	if leaf.Expired {
		tmpl.NotAfter = time.Now().Add(-time.Hour)
	}
	for _, host := range leaf.Hosts {
		if ip := net.ParseIP(host); ip != nil {
			tmpl.IPAddresses = append(tmpl.IPAddresses, ip)
		} else {
			tmpl.DNSNames = append(tmpl.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, c.cert, &key.PublicKey, c.key)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	p := &Pair{Cert: filepath.Join(c.dir, leaf.Name+".pem"), Key: filepath.Join(c.dir, leaf.Name+".key")}
	if err := writePEM(p.Cert, "CERTIFICATE", der); err != nil {
		return nil, err
	}
	if err := writePEM(p.Key, "PRIVATE KEY", keyDER); err != nil {
		return nil, err
	}
	p.TLS, err = tls.LoadX509KeyPair(p.Cert, p.Key)
	return p, err
}

func template(name string) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		panic(fmt.Sprintf("no random numbers: %v", err))
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-48 * time.Hour),
		NotAfter:     time.Now().Add(48 * time.Hour),
	}
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
