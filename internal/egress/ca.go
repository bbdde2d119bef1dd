package egress

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"

	"flowyte/internal/fault"
)

const (
	maxCABytes        = 64 << 10
	maxCACertificates = 32
)

var (
	pemBegin   = []byte("-----BEGIN ")
	pemPrivate = []byte("PRIVATE KEY")
)

// ParseCA reads a tenant's authorities: 1 to 32 CA certificates in PEM, 64 KiB
// at most, with nothing but comments between them. Errors are the faults
// ca_invalid and, when there is a private key among them, even a damaged one,
// ca_contains_private_key.
func ParseCA(text []byte) ([]*x509.Certificate, error) {
	if bytes.Contains(text, pemPrivate) {
		return nil, fault.New(fault.CAContainsPrivateKey)
	}
	if len(text) > maxCABytes {
		return nil, caInvalid("too long")
	}
	var cas []*x509.Certificate
	blocks := bytes.Count(text, pemBegin)
	if blocks > maxCACertificates {
		return nil, caInvalid("too many certificates")
	}
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, caInvalid("a block that is not a certificate")
		}
		ca, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fault.Wrap(fault.CAInvalid, err)
		}
		if !ca.BasicConstraintsValid || !ca.IsCA {
			return nil, caInvalid("a certificate that is not an authority's")
		}
		cas = append(cas, ca)
	}
	// The decoder passes over damaged blocks; half a bundle is not accepted.
	if len(cas) == 0 || len(cas) != blocks {
		return nil, caInvalid("no certificate, or a damaged one")
	}
	return cas, nil
}

func caInvalid(why string) *fault.Error { return fault.Wrap(fault.CAInvalid, errors.New(why)) }
