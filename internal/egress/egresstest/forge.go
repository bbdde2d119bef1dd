package egresstest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"
)

// Authority signs certificates.
type Authority struct {
	cert *x509.Certificate
	key  crypto.Signer
	// above is the chain a server must send for this authority: empty for a root.
	above []*x509.Certificate
}

// Certificate describes a certificate to be forged. The zero value is an EC
// certificate without any name, valid for the hour around now.
type Certificate struct {
	CommonName string
	Names      []string // DNS names
	Addrs      []string // IP addresses
	NotBefore  time.Time
	NotAfter   time.Time
	Key        crypto.Signer           // nil: a fresh P-256 key
	Signature  x509.SignatureAlgorithm // zero: the library's choice
	OCSP       []string                // URLs
	Issuers    []string                // URLs of the issuer's certificate
	CRL        []string                // URLs
	Usage      []x509.ExtKeyUsage      // nil: server authentication
	// Forge has the last word on what is signed; nil changes nothing.
	Forge func(*x509.Certificate)
}

// NewAuthority makes a self-signed root from c; its names are not used.
func NewAuthority(t testing.TB, c Certificate) *Authority {
	t.Helper()
	key := c.signer(t)
	tmpl := c.template(t, true)
	return &Authority{cert: sign(t, tmpl, tmpl, key.Public(), key), key: key}
}

// Intermediate makes an authority below a.
func (a *Authority) Intermediate(t testing.TB, c Certificate) *Authority {
	t.Helper()
	key := c.signer(t)
	cert := sign(t, c.template(t, true), a.cert, key.Public(), a.key)
	return &Authority{cert: cert, key: key, above: append([]*x509.Certificate{cert}, a.above...)}
}

// Leaf makes a server certificate, with the intermediates that belong to it.
func (a *Authority) Leaf(t testing.TB, c Certificate) tls.Certificate {
	t.Helper()
	key := c.signer(t)
	leaf := sign(t, c.template(t, false), a.cert, key.Public(), a.key)
	out := tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
	for _, above := range a.above {
		out.Certificate = append(out.Certificate, above.Raw)
	}
	return out
}

// SelfSigned makes a server certificate that only vouches for itself.
func SelfSigned(t testing.TB, c Certificate) tls.Certificate {
	t.Helper()
	key := c.signer(t)
	tmpl := c.template(t, false)
	leaf := sign(t, tmpl, tmpl, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
}

// PEM is the authority's certificate as a tenant would send it.
func (a *Authority) PEM() []byte { return PEM(a.cert) }

// Certificate is the authority's own certificate.
func (a *Authority) Certificate() *x509.Certificate { return a.cert }

// PEM writes certificates one after the other.
func PEM(certs ...*x509.Certificate) []byte {
	var out []byte
	for _, c := range certs {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return out
}

// RSAKey makes an RSA key; 1024 bits are the least that the library makes.
func RSAKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (c Certificate) signer(t testing.TB) crypto.Signer {
	t.Helper()
	if c.Key != nil {
		return c.Key
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (c Certificate) template(t testing.TB, authority bool) *x509.Certificate {
	t.Helper()
	tmpl := c.plain(t, authority)
	if c.Forge != nil {
		c.Forge(tmpl)
	}
	return tmpl
}

func (c Certificate) plain(t testing.TB, authority bool) *x509.Certificate {
	t.Helper()
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: c.CommonName, SerialNumber: serial.String()},
		NotBefore:             c.NotBefore,
		NotAfter:              c.NotAfter,
		SignatureAlgorithm:    c.Signature,
		BasicConstraintsValid: true,
		IsCA:                  authority,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           c.Usage,
		OCSPServer:            c.OCSP,
		IssuingCertificateURL: c.Issuers,
		CRLDistributionPoints: c.CRL,
	}
	if tmpl.NotBefore.IsZero() {
		tmpl.NotBefore = time.Now().Add(-time.Hour)
	}
	if tmpl.NotAfter.IsZero() {
		tmpl.NotAfter = time.Now().Add(time.Hour)
	}
	if authority {
		tmpl.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
		return tmpl
	}
	tmpl.DNSNames = c.Names
	for _, a := range c.Addrs {
		tmpl.IPAddresses = append(tmpl.IPAddresses, net.ParseIP(a))
	}
	if tmpl.ExtKeyUsage == nil {
		tmpl.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	return tmpl
}

func sign(t testing.TB, tmpl, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, public, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
