package egress

import (
	"bytes"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"
	"time"

	"flowyte/internal/fault"
)

// minRSABits is the shortest RSA key that is accepted anywhere in a chain.
const minRSABits = 2048

// verifier decides about one server's certificates.
type verifier struct {
	mode    Mode
	host    string
	roots   *x509.CertPool // nil: the system's
	pins    []Pin
	observe func(Peer)
	now     func() time.Time
}

// verify accepts or refuses the peer of a handshake. All of its errors are
// faults, each reason with its own code.
func (v *verifier) verify(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return fault.New(fault.TLSFailed)
	}
	leaf := state.PeerCertificates[0]
	if weakKey(leaf) || weakSignature(leaf) {
		return fault.New(fault.CertificateWeak)
	}
	peer := Peer{Pin: PinOf(leaf), NotAfter: leaf.NotAfter}
	if v.mode == Require {
		if len(v.pins) > 0 && !slices.Contains(v.pins, peer.Pin) {
			return fault.New(fault.ServerIdentity)
		}
	} else {
		chain, err := v.chain(state.PeerCertificates)
		if err != nil {
			return err
		}
		for _, c := range chain {
			if c.NotAfter.Before(peer.NotAfter) {
				peer.NotAfter = c.NotAfter
			}
		}
	}
	if v.observe != nil {
		v.observe(peer)
	}
	return nil
}

// chain finds a sound path from the leaf to an authority and, in verify-full,
// checks the name. Nothing is fetched: intermediates come from the server.
func (v *verifier) chain(presented []*x509.Certificate) ([]*x509.Certificate, error) {
	now := v.now()
	intermediates := x509.NewCertPool()
	for _, c := range presented[1:] {
		intermediates.AddCert(c)
	}
	chains, err := presented[0].Verify(x509.VerifyOptions{
		Roots:         v.roots,
		Intermediates: intermediates,
		CurrentTime:   now,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		var unknown x509.UnknownAuthorityError
		if errors.As(err, &unknown) && slices.ContainsFunc(presented, weakSignature) {
			// The library skips a link signed with SHA-1 and reports the gap.
			return nil, fault.Wrap(fault.CertificateWeak, err)
		}
		if unknown.Cert != nil && selfSigned(presented[0]) {
			return nil, fault.Wrap(fault.CertificateSelfSigned, err)
		}
		return nil, refuse(err, now)
	}
	sound := slices.IndexFunc(chains, func(chain []*x509.Certificate) bool {
		return !slices.ContainsFunc(chain, weakKey)
	})
	if sound < 0 {
		return nil, fault.New(fault.CertificateWeak)
	}
	if v.mode == VerifyFull {
		if err := presented[0].VerifyHostname(v.host); err != nil {
			return nil, refuse(err, now)
		}
	}
	return chains[sound], nil
}

func refuse(err error, now time.Time) *fault.Error {
	code, _ := certificateCode(err, now)
	return fault.Wrap(code, err)
}

func selfSigned(c *x509.Certificate) bool {
	return bytes.Equal(c.RawIssuer, c.RawSubject) && c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

func weakKey(c *x509.Certificate) bool {
	key, ok := c.PublicKey.(*rsa.PublicKey)
	return ok && key.N.BitLen() < minRSABits
}

func weakSignature(c *x509.Certificate) bool {
	switch c.SignatureAlgorithm {
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1:
		return true
	}
	return false
}
