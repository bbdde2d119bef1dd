package targettest

import (
	"crypto/tls"
	"sync/atomic"
	"testing"
	"time"

	"flowyte/internal/egress"
	"flowyte/internal/egress/egresstest"
	"flowyte/internal/fault"
	"flowyte/internal/schema"
	"flowyte/internal/target"
)

// TestCertificateFaults is the matrix of T19 through the drivers: three modes,
// seven faults and two engines, each with its exact verdict. A server that is
// refused hears nothing inside TLS, one that is accepted hears a login.
func TestCertificateFaults(t *testing.T) {
	const host, ok = "db.localhost", fault.Code("")
	now := time.Now()
	root := egresstest.NewAuthority(t, egresstest.Certificate{CommonName: "root"})
	stranger := egresstest.NewAuthority(t, egresstest.Certificate{CommonName: "stranger"})
	good := egresstest.Certificate{Names: []string{host}}
	missing := root.Intermediate(t, egresstest.Certificate{CommonName: "mid"}).Leaf(t, good)
	missing.Certificate = missing.Certificate[:1]
	for name, c := range map[string]struct {
		cert              tls.Certificate
		full, ca, require fault.Code
	}{
		"none":                 {root.Leaf(t, good), ok, ok, ok},
		"expired":              {root.Leaf(t, egresstest.Certificate{Names: []string{host}, NotBefore: now.Add(-2 * time.Hour), NotAfter: now.Add(-time.Hour)}), fault.CertificateExpired, fault.CertificateExpired, ok},
		"not yet valid":        {root.Leaf(t, egresstest.Certificate{Names: []string{host}, NotBefore: now.Add(time.Hour), NotAfter: now.Add(2 * time.Hour)}), fault.CertificateNotYet, fault.CertificateNotYet, ok},
		"wrong host":           {root.Leaf(t, egresstest.Certificate{Names: []string{"db.example.com"}}), fault.CertificateHost, ok, ok},
		"unknown CA":           {stranger.Leaf(t, good), fault.CertificateUnknownCA, fault.CertificateUnknownCA, ok},
		"self-signed":          {egresstest.SelfSigned(t, good), fault.CertificateSelfSigned, fault.CertificateSelfSigned, ok},
		"missing intermediate": {missing, fault.CertificateUnknownCA, fault.CertificateUnknownCA, ok},
		"CN only":              {root.Leaf(t, egresstest.Certificate{CommonName: host}), fault.CertificateNoName, ok, ok},
	} {
		for _, kind := range []schema.Kind{schema.Postgres, schema.MySQL} {
			session := Recorded(t, Flavor(kind), Reading)
			var heard atomic.Int32
			ended := make(chan struct{}, 1)
			rogue := NewRogue(t, kind, "127.0.0.1:0", func(p *Peer) {
				defer func() { ended <- struct{}{} }()
				p.Secure(session)
				p.Listen()
				heard.Add(1)
			})
			rogue.config = &tls.Config{Certificates: []tls.Certificate{c.cert}}
			for mode, want := range map[egress.Mode]fault.Code{egress.VerifyFull: c.full, egress.VerifyCA: c.ca, egress.Require: c.require} {
				creds := rogue.API()
				creds.Host, creds.SSLMode, creds.CAPEM = host, string(mode), string(root.PEM())
				heard.Store(0)
				s, err := drivers[kind].Open(t.Context(), Guard(t), Parse(t, creds, kind), target.ForReads)
				if err == nil {
					s.Close()
				}
				<-ended
				if got := fault.CodeOf(err); want != "" && got != want || want == "" && heard.Load() != 1 || want != "" && heard.Load() != 0 {
					t.Errorf("%s, %s, %s: %q, want %q; %d said something", kind, name, mode, got, want, heard.Load())
				}
			}
		}
	}
}
