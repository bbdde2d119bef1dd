package egress

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"time"

	"flowyte/internal/fault"
)

// Mode is how a server proves who it is. There is no mode without TLS.
type Mode string

// The three modes, by the names that PostgreSQL gave them.
const (
	// Require encrypts and compares the server's public key with those seen
	// before; it looks neither at the chain nor at the name.
	Require Mode = "require"
	// VerifyCA demands a chain to the given CA, under any name.
	VerifyCA Mode = "verify-ca"
	// VerifyFull demands a chain and the right name.
	VerifyFull Mode = "verify-full"
)

// ParseMode takes exactly the three names, in lower case and without space.
// The only error is the fault sslmode_invalid.
func ParseMode(s string) (Mode, error) {
	switch m := Mode(s); m {
	case Require, VerifyCA, VerifyFull:
		return m, nil
	}
	return "", fault.New(fault.SSLModeInvalid)
}

// Pin identifies a server's key: the SHA-256 of its SubjectPublicKeyInfo. It
// survives a renewal of the certificate and changes with the key.
type Pin [sha256.Size]byte

// PinOf is the pin of a certificate's key.
func PinOf(cert *x509.Certificate) Pin { return sha256.Sum256(cert.RawSubjectPublicKeyInfo) }

// String is the pin in 64 hexadecimal digits.
func (p Pin) String() string { return hex.EncodeToString(p[:]) }

// MarshalText writes the form of String.
func (p Pin) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads the form of String.
func (p *Pin) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil || len(b) != len(p) {
		return fmt.Errorf("egress: a pin is %d hexadecimal digits", 2*len(p))
	}
	copy(p[:], b)
	return nil
}

// Peer is what a server showed of itself.
type Peer struct {
	Pin Pin
	// NotAfter is the earliest end of the certificates that matter: the leaf
	// under require, the verified chain otherwise.
	NotAfter time.Time
}

// TLSOptions is what the TLS of one connection depends on.
type TLSOptions struct {
	Mode Mode
	// Host is the tenant's host. Its name is sent to the server (an address is
	// not) and, under verify-full, demanded of the certificate.
	Host Host
	// CAPEM replaces the system's authorities; nil when the tenant sent none.
	// VerifyCA cannot do without.
	CAPEM []byte
	// Pins are the keys accepted under Require; none means that this is the
	// first contact and any key will do.
	Pins []Pin
	// Observe is told the peer that was accepted. The handshake can still fail
	// afterwards: only a connection that came about proves that the peer holds
	// the key. It must be safe for concurrent use.
	Observe func(Peer)
	// Roots stands in for the system's authorities; nil means the system's.
	Roots *x509.CertPool
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// TLS makes the configuration for a driver. The same configuration may serve
// many connections.
//
// Errors are the faults sslmode_invalid, ca_required, ca_invalid,
// ca_contains_private_key and host_invalid. A handshake with the configuration
// fails with a *fault.Error where the server's certificate is at fault; see
// TranslateTLS.
func TLS(o TLSOptions) (*tls.Config, error) {
	mode, err := ParseMode(string(o.Mode))
	if err != nil {
		return nil, err
	}
	if !o.Host.IsValid() {
		return nil, fault.New(fault.HostInvalid)
	}
	v := &verifier{mode: mode, host: o.Host.String(), roots: o.Roots, pins: o.Pins, observe: o.Observe, now: o.Now}
	if v.now == nil {
		v.now = time.Now
	}
	switch {
	case o.CAPEM != nil:
		cas, err := ParseCA(o.CAPEM)
		if err != nil {
			return nil, err
		}
		v.roots = x509.NewCertPool()
		for _, ca := range cas {
			v.roots.AddCert(ca)
		}
	case mode == VerifyCA:
		return nil, fault.New(fault.CARequired)
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		ServerName: o.Host.String(),
		Time:       v.now,
		// The library's own verification knows one mode of our three and keeps
		// its reasons to itself. VerifyConnection does all of it instead, and
		// runs for resumed sessions as well.
		InsecureSkipVerify:     true,
		VerifyConnection:       v.verify,
		SessionTicketsDisabled: true,
	}, nil
}
