package egress_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net/url"
	"testing"
	"time"

	"flowyte/internal/egress"
	"flowyte/internal/egress/egresstest"
	"flowyte/internal/fault"
)

// certificates is the table of good and bad servers of T04, T13 and T19.
type certificates struct {
	name string
	cert tls.Certificate
	// What each mode says.
	full, ca, require fault.Code
}

func forged(f func(*x509.Certificate)) egresstest.Certificate {
	return egresstest.Certificate{Forge: f}
}

func certificateTable(t testing.TB) (capem []byte, table []certificates) {
	var (
		now      = time.Now()
		root     = egresstest.NewAuthority(t, egresstest.Certificate{CommonName: "root"})
		stranger = egresstest.NewAuthority(t, egresstest.Certificate{CommonName: "stranger"})
		mid      = root.Intermediate(t, egresstest.Certificate{CommonName: "mid"})
		oldMid   = root.Intermediate(t, egresstest.Certificate{CommonName: "old", NotBefore: now.Add(-48 * time.Hour), NotAfter: now.Add(-time.Hour)})
		rsa1024  = egresstest.RSAKey(t, 1024)
		rsa2048  = egresstest.RSAKey(t, 2048)
		rsaRoot  = egresstest.NewAuthority(t, egresstest.Certificate{CommonName: "rsa root", Key: rsa2048})
		weakRoot = egresstest.NewAuthority(t, egresstest.Certificate{CommonName: "weak root", Key: rsa1024})
		sha1Root = egresstest.NewAuthority(t, egresstest.Certificate{CommonName: "sha1 root", Key: rsa2048, Signature: x509.SHA1WithRSA})
		weakMid  = root.Intermediate(t, egresstest.Certificate{CommonName: "weak mid", Key: rsa1024})
		sha1Mid  = rsaRoot.Intermediate(t, egresstest.Certificate{CommonName: "sha1 mid", Signature: x509.SHA1WithRSA})
		good     = egresstest.Certificate{Names: []string{"other.example.com", serverName}}
		expired  = egresstest.Certificate{Names: []string{serverName}, NotBefore: now.Add(-48 * time.Hour), NotAfter: now.Add(-time.Hour)}
		early    = egresstest.Certificate{Names: []string{serverName}, NotBefore: now.Add(time.Hour), NotAfter: now.Add(48 * time.Hour)}
		missing  = mid.Leaf(t, good)
		unwanted = egresstest.Certificate{Names: []string{serverName}, Usage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	)
	missing.Certificate = missing.Certificate[:1]
	with := func(c egresstest.Certificate, change func(*egresstest.Certificate)) egresstest.Certificate {
		change(&c)
		return c
	}
	const ok = fault.Code("")
	capem = egresstest.PEM(root.Certificate(), rsaRoot.Certificate(), weakRoot.Certificate(), sha1Root.Certificate())
	return capem, []certificates{
		{"good", root.Leaf(t, good), ok, ok, ok},
		{"good with an intermediate", mid.Leaf(t, good), ok, ok, ok},
		{"good wildcard", root.Leaf(t, egresstest.Certificate{Names: []string{"*.example.com"}}), ok, ok, ok},
		{"good RSA", root.Leaf(t, with(good, func(c *egresstest.Certificate) { c.Key = rsa2048 })), ok, ok, ok},
		{"expired", root.Leaf(t, expired), fault.CertificateExpired, fault.CertificateExpired, ok},
		{"expired intermediate", oldMid.Leaf(t, good), fault.CertificateExpired, fault.CertificateExpired, ok},
		{"not yet valid", root.Leaf(t, early), fault.CertificateNotYet, fault.CertificateNotYet, ok},
		{"wrong host", root.Leaf(t, egresstest.Certificate{Names: []string{"other.example.com", "example.com"}}), fault.CertificateHost, ok, ok},
		{"an address instead of a name", root.Leaf(t, egresstest.Certificate{Addrs: []string{"127.0.1.1"}}), fault.CertificateHost, ok, ok},
		{"unknown CA", stranger.Leaf(t, good), fault.CertificateUnknownCA, fault.CertificateUnknownCA, ok},
		{"self-signed", egresstest.SelfSigned(t, good), fault.CertificateSelfSigned, fault.CertificateSelfSigned, ok},
		{"missing intermediate", missing, fault.CertificateUnknownCA, fault.CertificateUnknownCA, ok},
		{"CN only", root.Leaf(t, egresstest.Certificate{CommonName: serverName}), fault.CertificateNoName, ok, ok},
		{"for clients only", root.Leaf(t, unwanted), fault.CertificateInvalid, fault.CertificateInvalid, ok},
		{"RSA-1024", root.Leaf(t, with(good, func(c *egresstest.Certificate) { c.Key = rsa1024 })), fault.CertificateWeak, fault.CertificateWeak, fault.CertificateWeak},
		{"SHA-1", rsaRoot.Leaf(t, with(good, func(c *egresstest.Certificate) { c.Signature = x509.SHA1WithRSA })), fault.CertificateWeak, fault.CertificateWeak, fault.CertificateWeak},
		{"RSA-1024 intermediate", weakMid.Leaf(t, good), fault.CertificateWeak, fault.CertificateWeak, ok},
		{"SHA-1 intermediate", sha1Mid.Leaf(t, good), fault.CertificateWeak, fault.CertificateWeak, ok},
		{"RSA-1024 root", weakRoot.Leaf(t, good), fault.CertificateWeak, fault.CertificateWeak, ok},
		{"a name for everything", root.Leaf(t, egresstest.Certificate{Names: []string{"*"}}), fault.CertificateHost, ok, ok},
		{"a name for a whole domain", root.Leaf(t, egresstest.Certificate{Names: []string{"*.com"}}), fault.CertificateHost, ok, ok},
		{"half a label", root.Leaf(t, egresstest.Certificate{Names: []string{"d*.example.com"}}), fault.CertificateHost, ok, ok},
		{"a name that NUL ends", root.Leaf(t, egresstest.Certificate{Names: []string{serverName + "\x00.example.net"}}), fault.CertificateHost, ok, ok},
		{"upper case", root.Leaf(t, egresstest.Certificate{Names: []string{"DB.EXAMPLE.COM"}}), ok, ok, ok},
		{"a mail address of the host", root.Leaf(t, forged(func(c *x509.Certificate) { c.EmailAddresses = []string{"db@" + serverName} })), fault.CertificateNoName, ok, ok},
		{"a URL of the host", root.Leaf(t, forged(func(c *x509.Certificate) { c.URIs = []*url.URL{{Scheme: "https", Host: serverName}} })), fault.CertificateNoName, ok, ok},
		{"for code", root.Leaf(t, egresstest.Certificate{Names: []string{serverName}, Usage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}}), fault.CertificateInvalid, fault.CertificateInvalid, ok},
		{"a demand nobody knows", root.Leaf(t, forged(func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: []int{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}}
		})), fault.CertificateInvalid, fault.CertificateInvalid, ok},
		{"intermediate without authority", root.Intermediate(t, forged(func(c *x509.Certificate) { c.IsCA, c.KeyUsage = false, 0 })).Leaf(t, good), fault.CertificateUnknownCA, fault.CertificateUnknownCA, ok},
		{"intermediate that may not sign", root.Intermediate(t, forged(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature })).Leaf(t, good), fault.CertificateUnknownCA, fault.CertificateUnknownCA, ok},
		{"intermediate for other names", root.Intermediate(t, forged(func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"example.net"} })).Leaf(t, good), fault.CertificateInvalid, fault.CertificateInvalid, ok},
		{"intermediate not for this name", root.Intermediate(t, forged(func(c *x509.Certificate) { c.ExcludedDNSDomains = []string{"com"} })).Leaf(t, good), fault.CertificateInvalid, fault.CertificateInvalid, ok},
		{"intermediate for clients", root.Intermediate(t, egresstest.Certificate{Usage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}).Leaf(t, good), fault.CertificateInvalid, fault.CertificateInvalid, ok},
		{"root whose own signature is SHA-1", sha1Root.Leaf(t, good), ok, ok, ok},
	}
}

// TestCertificates is the matrix of T19: every mode, every fault, both
// versions of TLS, each with its exact verdict.
func TestCertificates(t *testing.T) {
	t.Parallel()
	capem, table := certificateTable(t)
	for _, row := range table {
		for mode, want := range map[egress.Mode]fault.Code{egress.VerifyFull: row.full, egress.VerifyCA: row.ca, egress.Require: row.require} {
			for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				var peers []egress.Peer
				client := config(t, egress.TLSOptions{Mode: mode, CAPEM: capem, Observe: func(p egress.Peer) { peers = append(peers, p) }})
				server := serving(row.cert)
				server.MaxVersion = version
				state, err := handshake(t, server, client)
				if got := verdict(err); got != want {
					t.Errorf("%s, %s, %s: %q (%v), want %q", row.name, mode, tls.VersionName(version), got, fault.Cause(err), want)
					continue
				}
				if want != "" && len(peers) != 0 {
					t.Errorf("%s, %s: a refused peer was reported", row.name, mode)
				}
				if want == "" && (len(peers) != 1 || peers[0].Pin != egress.PinOf(row.cert.Leaf) || state.Version != version) {
					t.Errorf("%s, %s: reported %v, version %x", row.name, mode, peers, state.Version)
				}
			}
		}
	}
}
