package privatedb

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
	"time"
)

// certificateLife bounds how long a forgotten private server can be trusted.
const certificateLife = 48 * time.Hour

// Authority is a private certificate authority that lives in memory only.
type Authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         string
}

// NewAuthority makes an authority with a fresh key, valid for two days.
func NewAuthority() (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("privatedb: make authority key: %w", err)
	}
	draft, err := certificateDraft("flowyte private authority")
	if err != nil {
		return nil, err
	}
	draft.IsCA = true
	draft.BasicConstraintsValid = true
	draft.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	der, err := x509.CreateCertificate(rand.Reader, draft, draft, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("privatedb: sign authority: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("privatedb: read authority: %w", err)
	}
	return &Authority{certificate: certificate, key: key, pem: encodePEM("CERTIFICATE", der)}, nil
}

// PEM is the authority's certificate, for clients that verify.
func (a *Authority) PEM() string { return a.pem }

// Issue signs a server certificate with a fresh key for the given host names
// and addresses. Both answers are PEM; the key is PKCS #8.
func (a *Authority) Issue(hosts ...string) (certificatePEM, keyPEM string, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", fmt.Errorf("privatedb: make server key: %w", err)
	}
	draft, err := certificateDraft("flowyte private server")
	if err != nil {
		return "", "", err
	}
	draft.KeyUsage = x509.KeyUsageDigitalSignature
	draft.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			draft.IPAddresses = append(draft.IPAddresses, ip)
		} else {
			draft.DNSNames = append(draft.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, draft, a.certificate, key.Public(), a.key)
	if err != nil {
		return "", "", fmt.Errorf("privatedb: sign server certificate: %w", err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", "", fmt.Errorf("privatedb: encode server key: %w", err)
	}
	return encodePEM("CERTIFICATE", der), encodePEM("PRIVATE KEY", encoded), nil
}

// clientTLS verifies the whole chain and the host name, as verify-full does.
func (a *Authority) clientTLS(host string) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return &tls.Config{RootCAs: pool, ServerName: host, MinVersion: tls.VersionTLS12}
}

func certificateDraft(name string) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("privatedb: make serial number: %w", err)
	}
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		// An hour of grace for clocks that differ.
		NotBefore: now.Add(-time.Hour),
		NotAfter:  now.Add(certificateLife),
	}, nil
}

func encodePEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
