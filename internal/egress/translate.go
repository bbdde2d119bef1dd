package egress

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"reflect"
	"time"

	"flowyte/internal/fault"
)

// TranslateTLS gives the fault for an error of the TLS handshake, by type and
// number only. It is for errors that came before TLS was up: a fault in the
// chain (from the dialer or the verification) stays what it is, a deadline
// becomes unreachable_or_not_a_database, too many bytes protocol_error, and
// what nobody knows tls_failed. nil stays nil.
func TranslateTLS(err error) *fault.Error {
	if err == nil {
		return nil
	}
	if f, ok := fault.As(err); ok {
		return f
	}
	code, known := certificateCode(err, time.Now())
	switch {
	case known:
		return fault.Wrap(code, err)
	case errors.Is(err, ErrBudget):
		return fault.Wrap(fault.ProtocolError, err)
	case isTimeout(err):
		return fault.Wrap(fault.Unreachable, err)
	case remoteAlert(err) == alertProtocolVersion:
		return fault.Wrap(fault.TLSVersion, err)
	}
	return fault.Wrap(fault.TLSFailed, err)
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout() ||
		errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.Is(err, context.DeadlineExceeded)
}

// alertProtocolVersion is TLS alert 70: the server speaks none of our versions.
const alertProtocolVersion = 70

// remoteAlert is the number of the TLS alert that the server sent, or 0. The
// library wraps the number, an unexported integer type, in a net.OpError of its
// own; reading it by kind spares us reading its text.
func remoteAlert(err error) uint64 {
	var op *net.OpError
	if !errors.As(err, &op) || op.Err == nil {
		return 0
	}
	if v := reflect.ValueOf(op.Err); v.Kind() == reflect.Uint8 {
		return v.Uint()
	}
	return 0
}

// certificateCode gives each failure of a certificate its own code; now tells
// an expired certificate from one that is not valid yet. known is false, and
// the code certificate_invalid, for errors that say nothing about certificates.
func certificateCode(err error, now time.Time) (code fault.Code, known bool) {
	var (
		invalid   x509.CertificateInvalidError
		host      x509.HostnameError
		unknown   x509.UnknownAuthorityError
		noRoots   x509.SystemRootsError
		insecure  x509.InsecureAlgorithmError
		violation x509.ConstraintViolationError
		critical  x509.UnhandledCriticalExtension
	)
	switch {
	case errors.As(err, &invalid) && invalid.Reason != x509.Expired,
		errors.As(err, &violation), errors.As(err, &critical):
		return fault.CertificateInvalid, true
	case errors.As(err, &invalid) && now.Before(invalid.Cert.NotBefore):
		return fault.CertificateNotYet, true
	case errors.As(err, &invalid):
		return fault.CertificateExpired, true
	case errors.As(err, &host) && len(host.Certificate.DNSNames)+len(host.Certificate.IPAddresses) == 0:
		return fault.CertificateNoName, true
	case errors.As(err, &host):
		return fault.CertificateHost, true
	case errors.As(err, &unknown), errors.As(err, &noRoots):
		return fault.CertificateUnknownCA, true
	case errors.As(err, &insecure):
		return fault.CertificateWeak, true
	}
	return fault.CertificateInvalid, false
}
