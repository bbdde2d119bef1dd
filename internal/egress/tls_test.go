package egress_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"flowyte/internal/egress"
	"flowyte/internal/egress/egresstest"
	"flowyte/internal/fault"
)

const serverName = "db.example.com"

// handshake connects to a server with this certificate over a real socket and
// exchanges one byte, so that an alert after the handshake is seen too.
func handshake(t testing.TB, server, client *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	target := egresstest.ListenTLS(t, "127.0.1.1:0", server)
	defer target.Close()
	g := egress.NewGuard(policy(t, egress.Options{Allow: prefixes("127.0.1.0/24")}), egress.ResolverOptions{})
	raw, err := g.Dial(t.Context(), host(t, "127.0.1.1"), target.Port())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	raw.SetStageDeadline(time.Now().Add(10 * time.Second))
	conn := tls.Client(raw, client)
	if err := conn.HandshakeContext(context.Background()); err != nil {
		return tls.ConnectionState{}, err
	}
	if _, err := conn.Write([]byte("x")); err != nil {
		return tls.ConnectionState{}, err
	}
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		return tls.ConnectionState{}, err
	}
	return conn.ConnectionState(), nil
}

func serving(certs ...tls.Certificate) *tls.Config { return &tls.Config{Certificates: certs} }

func config(t testing.TB, o egress.TLSOptions) *tls.Config {
	t.Helper()
	if !o.Host.IsValid() {
		o.Host = host(t, serverName)
	}
	c, err := egress.TLS(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// verdict is the code of the refusal, or "" when the server was accepted.
func verdict(err error) fault.Code {
	if err == nil {
		return ""
	}
	return egress.TranslateTLS(err).Code
}

func TestParseMode(t *testing.T) {
	for _, s := range []string{"require", "verify-ca", "verify-full"} {
		if m, err := egress.ParseMode(s); err != nil || string(m) != s {
			t.Errorf("%q: %q, %v", s, m, err)
		}
	}
	for _, s := range []string{"disable", "allow", "prefer", "", "VERIFY-FULL", "Require", "require ", " require", "verify-full\n", "verify_full", "verify-full,disable"} {
		if _, err := egress.ParseMode(s); !fault.Is(err, fault.SSLModeInvalid) {
			t.Errorf("%q: %v, want sslmode_invalid", s, err)
		}
		if _, err := egress.TLS(egress.TLSOptions{Mode: egress.Mode(s), Host: host(t, serverName)}); !fault.Is(err, fault.SSLModeInvalid) {
			t.Errorf("TLS with %q: %v, want sslmode_invalid", s, err)
		}
	}
}

func TestTLSOptions(t *testing.T) {
	if _, err := egress.TLS(egress.TLSOptions{Mode: egress.VerifyFull}); !fault.Is(err, fault.HostInvalid) {
		t.Errorf("without a host: %v", err)
	}
	// T07: never "any public certificate".
	if _, err := egress.TLS(egress.TLSOptions{Mode: egress.VerifyCA, Host: host(t, serverName)}); !fault.Is(err, fault.CARequired) {
		t.Errorf("verify-ca without a CA: %v", err)
	}
	for _, mode := range []egress.Mode{egress.Require, egress.VerifyCA, egress.VerifyFull} {
		if _, err := egress.TLS(egress.TLSOptions{Mode: mode, Host: host(t, serverName), CAPEM: []byte{}}); !fault.Is(err, fault.CAInvalid) {
			t.Errorf("%s with an empty CA: %v", mode, err)
		}
	}
	c := config(t, egress.TLSOptions{Mode: egress.Require})
	if c.MinVersion != tls.VersionTLS12 || c.ClientSessionCache != nil || !c.SessionTicketsDisabled || len(c.Certificates) != 0 || c.GetClientCertificate != nil {
		t.Errorf("configuration: %+v", c)
	}
}

// TestAddressHosts: for an address the certificate must name the address.
func TestAddressHosts(t *testing.T) {
	t.Parallel()
	ca := egresstest.NewAuthority(t, egresstest.Certificate{CommonName: "ca"})
	for _, tt := range []struct {
		host string
		cert egresstest.Certificate
		want fault.Code
	}{
		{"127.0.1.1", egresstest.Certificate{Addrs: []string{"127.0.1.1"}}, ""},
		{"[::1]", egresstest.Certificate{Addrs: []string{"::1"}}, ""},
		{"2A00::0:1", egresstest.Certificate{Addrs: []string{"2a00::1"}}, ""},
		{"127.0.1.1", egresstest.Certificate{Addrs: []string{"127.0.1.2"}}, fault.CertificateHost},
		{"127.0.1.1", egresstest.Certificate{Names: []string{"db.example.com"}}, fault.CertificateHost},
		{"127.0.1.1", egresstest.Certificate{CommonName: "127.0.1.1"}, fault.CertificateNoName},
		{"db.example.com.", egresstest.Certificate{Names: []string{"db.example.com"}}, ""},
		{"DB.Example.Com", egresstest.Certificate{Names: []string{"db.example.com"}}, ""},
	} {
		client := config(t, egress.TLSOptions{Mode: egress.VerifyFull, Host: host(t, tt.host), CAPEM: ca.PEM()})
		if _, err := handshake(t, serving(ca.Leaf(t, tt.cert)), client); verdict(err) != tt.want {
			t.Errorf("%s: %v, want %q", tt.host, err, tt.want)
		}
	}
}

// TestRoots: a CA of the tenant's own replaces the system's, and without one
// the system's decide.
func TestRoots(t *testing.T) {
	t.Parallel()
	public := egresstest.NewAuthority(t, egresstest.Certificate{CommonName: "public"})
	private := egresstest.NewAuthority(t, egresstest.Certificate{CommonName: "private"})
	system := x509.NewCertPool()
	system.AddCert(public.Certificate())
	leaf := egresstest.Certificate{Names: []string{serverName}}
	for _, tt := range []struct {
		name  string
		from  *egresstest.Authority
		capem []byte
		roots *x509.CertPool
		want  fault.Code
	}{
		{"public, no CA", public, nil, system, ""},
		{"private, no CA", private, nil, system, fault.CertificateUnknownCA},
		{"public, private CA", public, private.PEM(), system, fault.CertificateUnknownCA},
		{"private, private CA", private, private.PEM(), system, ""},
		{"private, the machine's own roots", private, nil, nil, fault.CertificateUnknownCA},
	} {
		client := config(t, egress.TLSOptions{Mode: egress.VerifyFull, CAPEM: tt.capem, Roots: tt.roots})
		if _, err := handshake(t, serving(tt.from.Leaf(t, leaf)), client); verdict(err) != tt.want {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestPins: under require a key is remembered, and only a key that was seen is
// accepted afterwards (T10); a renewed certificate with the same key is.
func TestPins(t *testing.T) {
	t.Parallel()
	ca := egresstest.NewAuthority(t, egresstest.Certificate{CommonName: "ca"})
	key, standby := egresstest.RSAKey(t, 2048), egresstest.RSAKey(t, 2048)
	first := ca.Leaf(t, egresstest.Certificate{Names: []string{serverName}, Key: key})
	renewed := egresstest.SelfSigned(t, egresstest.Certificate{CommonName: "renewed", Key: key})
	second := egresstest.SelfSigned(t, egresstest.Certificate{Key: standby})
	impostor := ca.Leaf(t, egresstest.Certificate{Names: []string{serverName}})

	pins := []egress.Pin{egress.PinOf(first.Leaf)}
	both := append(pins, egress.PinOf(second.Leaf))
	for _, tt := range []struct {
		name string
		cert tls.Certificate
		mode egress.Mode
		pins []egress.Pin
		want fault.Code
	}{
		{"first contact", first, egress.Require, nil, ""},
		{"same key", first, egress.Require, pins, ""},
		{"renewed with the same key", renewed, egress.Require, pins, ""},
		{"other key", impostor, egress.Require, pins, fault.ServerIdentity},
		{"standby, not reviewed", second, egress.Require, pins, fault.ServerIdentity},
		{"standby, reviewed", second, egress.Require, both, ""},
		{"other key, two pins", impostor, egress.Require, both, fault.ServerIdentity},
		{"a chain proves more than a pin", impostor, egress.VerifyFull, pins, ""},
	} {
		o := egress.TLSOptions{Mode: tt.mode, Pins: tt.pins}
		if tt.mode != egress.Require {
			o.CAPEM = ca.PEM()
		}
		if _, err := handshake(t, serving(tt.cert), config(t, o)); verdict(err) != tt.want {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestPinText(t *testing.T) {
	ca := egresstest.NewAuthority(t, egresstest.Certificate{CommonName: "ca"})
	pin := egress.PinOf(ca.Certificate())
	text, err := json.Marshal([]egress.Pin{pin})
	if err != nil || string(text) != `["`+pin.String()+`"]` || len(pin.String()) != 64 {
		t.Errorf("%s, %v", text, err)
	}
	var back []egress.Pin
	if err := json.Unmarshal(text, &back); err != nil || len(back) != 1 || back[0] != pin {
		t.Errorf("%v, %v", back, err)
	}
	for _, bad := range []string{`[""]`, `["00"]`, `["` + pin.String() + `00"]`, `["` + pin.String()[:62] + `zz"]`} {
		if err := json.Unmarshal([]byte(bad), &back); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}

// TestPeerEnd: the date told is the earliest of the chain that was accepted.
func TestPeerEnd(t *testing.T) {
	t.Parallel()
	soon, later := time.Now().Add(time.Hour).Truncate(time.Second).UTC(), time.Now().Add(9*time.Hour).Truncate(time.Second).UTC()
	root := egresstest.NewAuthority(t, egresstest.Certificate{CommonName: "root", NotAfter: soon})
	leaf := root.Leaf(t, egresstest.Certificate{Names: []string{serverName}, NotAfter: later})
	for mode, want := range map[egress.Mode]time.Time{egress.VerifyFull: soon, egress.Require: later} {
		var peer egress.Peer
		client := config(t, egress.TLSOptions{Mode: mode, CAPEM: root.PEM(), Observe: func(p egress.Peer) { peer = p }})
		if _, err := handshake(t, serving(leaf), client); err != nil || !peer.NotAfter.Equal(want) {
			t.Errorf("%s: %v, ends %v, want %v", mode, err, peer.NotAfter, want)
		}
	}
}

// TestOldTLS: nothing before 1.2 (T13).
func TestOldTLS(t *testing.T) {
	t.Parallel()
	ca := egresstest.NewAuthority(t, egresstest.Certificate{CommonName: "ca"})
	leaf := ca.Leaf(t, egresstest.Certificate{Names: []string{serverName}, Key: egresstest.RSAKey(t, 2048)})
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		server := serving(leaf)
		server.MinVersion, server.MaxVersion = tls.VersionTLS10, version
		for _, mode := range []egress.Mode{egress.Require, egress.VerifyFull} {
			if _, err := handshake(t, server, config(t, egress.TLSOptions{Mode: mode, CAPEM: ca.PEM()})); verdict(err) != fault.TLSVersion {
				t.Errorf("%s, %s: %v, want %s", tls.VersionName(version), mode, err, fault.TLSVersion)
			}
		}
	}
}

// TestNoClientCertificate: none is sent even when one is asked for, and a
// server that insists is told as a failed handshake (T14).
func TestNoClientCertificate(t *testing.T) {
	t.Parallel()
	ca := egresstest.NewAuthority(t, egresstest.Certificate{CommonName: "ca"})
	leaf := ca.Leaf(t, egresstest.Certificate{Names: []string{serverName}})
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		sent := make(chan int, 1)
		server := serving(leaf)
		server.MaxVersion = version
		server.ClientAuth = tls.RequestClientCert
		server.VerifyConnection = func(s tls.ConnectionState) error {
			sent <- len(s.PeerCertificates)
			return nil
		}
		client := config(t, egress.TLSOptions{Mode: egress.VerifyFull, CAPEM: ca.PEM()})
		if _, err := handshake(t, server, client); err != nil || <-sent != 0 {
			t.Errorf("%s, asked: %v", tls.VersionName(version), err)
		}
		server.VerifyConnection = nil
		server.ClientAuth = tls.RequireAnyClientCert
		if _, err := handshake(t, server, client); verdict(err) != fault.TLSFailed {
			t.Errorf("%s, required: %v, want %s", tls.VersionName(version), err, fault.TLSFailed)
		}
	}
}

// TestSNI: the host's name is sent, though an address is dialled, without its
// final dot; an address is not sent (T15).
func TestSNI(t *testing.T) {
	t.Parallel()
	ca := egresstest.NewAuthority(t, egresstest.Certificate{CommonName: "ca"})
	leaf := ca.Leaf(t, egresstest.Certificate{Names: []string{serverName}, Addrs: []string{"127.0.1.1", "::1"}})
	for h, want := range map[string]string{"db.example.com": serverName, "DB.example.com.": serverName, "127.0.1.1": "", "[::1]": ""} {
		got := make(chan string, 1)
		server := serving(leaf)
		server.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			got <- hello.ServerName
			return nil, nil
		}
		client := config(t, egress.TLSOptions{Mode: egress.VerifyFull, Host: host(t, h), CAPEM: ca.PEM()})
		if _, err := handshake(t, server, client); err != nil {
			t.Errorf("%s: %v", h, err)
		}
		if name := <-got; name != want {
			t.Errorf("%s: the server was told %q, want %q", h, name, want)
		}
	}
}

// TestResumption: sessions are not resumed, and if a driver brought a cache of
// its own the verification would still happen (T16).
func TestResumption(t *testing.T) {
	t.Parallel()
	ca := egresstest.NewAuthority(t, egresstest.Certificate{CommonName: "ca"})
	server := serving(ca.Leaf(t, egresstest.Certificate{Names: []string{serverName}}))
	target := egresstest.ListenTLS(t, "127.0.1.1:0", server)
	connect := func(c *tls.Config) (bool, error) {
		raw, err := net.Dial("tcp", target.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer raw.Close()
		conn := tls.Client(raw, c)
		if _, err := conn.Write([]byte("x")); err != nil {
			return false, err
		}
		if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
			return false, err
		}
		return conn.ConnectionState().DidResume, nil
	}
	var mu sync.Mutex
	clock := time.Now()
	now := func() time.Time { mu.Lock(); defer mu.Unlock(); return clock }
	client := config(t, egress.TLSOptions{Mode: egress.VerifyFull, CAPEM: ca.PEM(), Now: now})
	for range 2 {
		if resumed, err := connect(client); err != nil || resumed {
			t.Errorf("resumed %v, %v", resumed, err)
		}
	}
	cached := client.Clone()
	cached.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	cached.SessionTicketsDisabled = false
	cached.Time = time.Now // the session stays fresh; only our own clock moves
	var resumed bool
	for range 2 {
		var err error
		if resumed, err = connect(cached); err != nil {
			t.Fatal(err)
		}
	}
	if !resumed {
		t.Fatal("the test resumes nothing and proves nothing")
	}
	mu.Lock()
	clock = clock.Add(24 * time.Hour)
	mu.Unlock()
	if _, err := connect(cached); verdict(err) != fault.CertificateExpired {
		t.Errorf("a resumed session with an expired certificate: %v", err)
	}
}

// TestNothingFetched: URLs in certificates are not followed (S39).
func TestNothingFetched(t *testing.T) {
	t.Parallel()
	trap := egresstest.Listen(t, "127.0.0.1:0", nil)
	url := []string{"http://" + trap.Addr().String() + "/x"}
	root := egresstest.NewAuthority(t, egresstest.Certificate{CommonName: "root", OCSP: url, Issuers: url, CRL: url})
	mid := root.Intermediate(t, egresstest.Certificate{CommonName: "mid", OCSP: url, Issuers: url, CRL: url})
	leaf := mid.Leaf(t, egresstest.Certificate{Names: []string{serverName}, OCSP: url, Issuers: url, CRL: url})
	for _, mode := range []egress.Mode{egress.Require, egress.VerifyCA, egress.VerifyFull} {
		if _, err := handshake(t, serving(leaf), config(t, egress.TLSOptions{Mode: mode, CAPEM: root.PEM()})); err != nil {
			t.Errorf("%s: %v", mode, err)
		}
		lone := leaf
		lone.Certificate = leaf.Certificate[:1] // the missing one could be fetched
		_, err := handshake(t, serving(lone), config(t, egress.TLSOptions{Mode: mode, CAPEM: root.PEM()}))
		if want := map[bool]fault.Code{true: "", false: fault.CertificateUnknownCA}[mode == egress.Require]; verdict(err) != want {
			t.Errorf("%s without the intermediate: %v", mode, err)
		}
	}
	if trap.Accepts() != 0 {
		t.Errorf("%d fetches", trap.Accepts())
	}
}

// TestTranslateTLS: what is not about certificates.
func TestTranslateTLS(t *testing.T) {
	t.Parallel()
	if f := egress.TranslateTLS(nil); f != nil {
		t.Errorf("nil became %v", f)
	}
	own := fault.New(fault.ServerIdentity)
	if f := egress.TranslateTLS(errors.Join(errors.New("wrapped"), own)); f != own {
		t.Errorf("a fault became %v", f)
	}
	leaf := egresstest.SelfSigned(t, egresstest.Certificate{}).Leaf
	for _, tt := range []struct {
		name string
		err  error
		want fault.Code
	}{
		{"context", context.DeadlineExceeded, fault.Unreachable},
		{"budget", egress.ErrBudget, fault.ProtocolError},
		{"EOF", io.EOF, fault.TLSFailed},
		{"short", io.ErrUnexpectedEOF, fault.TLSFailed},
		{"closed", &net.OpError{Op: "read", Err: net.ErrClosed}, fault.TLSFailed},
		{"no cause", &net.OpError{Op: "read"}, fault.TLSFailed},
		{"not TLS", tls.RecordHeaderError{Msg: "x"}, fault.TLSFailed},
		{"unknown", errors.New("x"), fault.TLSFailed},
		{"library's expired", &tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Cert: leaf, Reason: x509.Expired}}, fault.CertificateExpired},
		{"library's usage", x509.CertificateInvalidError{Cert: leaf, Reason: x509.IncompatibleUsage}, fault.CertificateInvalid},
		{"library's host", x509.HostnameError{Certificate: leaf, Host: serverName}, fault.CertificateNoName},
		{"library's authority", x509.UnknownAuthorityError{Cert: leaf}, fault.CertificateUnknownCA},
		{"no system roots", x509.SystemRootsError{}, fault.CertificateUnknownCA},
		{"weak algorithm", x509.InsecureAlgorithmError(x509.SHA1WithRSA), fault.CertificateWeak},
		{"constraint", x509.ConstraintViolationError{}, fault.CertificateInvalid},
		{"critical extension", x509.UnhandledCriticalExtension{}, fault.CertificateInvalid},
	} {
		if f := egress.TranslateTLS(tt.err); f.Code != tt.want || fault.Cause(f) == nil {
			t.Errorf("%s: %q, cause %v; want %q", tt.name, f.Code, fault.Cause(f), tt.want)
		}
	}
}

// TestBrokenHandshakes: servers that speak something else, or stop.
func TestBrokenHandshakes(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		serve func(net.Conn)
		want  fault.Code
	}{
		"ssh":     {func(c net.Conn) { io.WriteString(c, "SSH-2.0-OpenSSH_9.2\r\n"); io.Copy(io.Discard, c) }, fault.TLSFailed},
		"http":    {func(c net.Conn) { io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") }, fault.TLSFailed},
		"hang-up": {func(c net.Conn) {}, fault.TLSFailed},
		"alert":   {func(c net.Conn) { c.Read(make([]byte, 2048)); c.Write([]byte{21, 3, 3, 0, 2, 2, 40}) }, fault.TLSFailed},
		"version": {func(c net.Conn) { c.Read(make([]byte, 2048)); c.Write([]byte{21, 3, 1, 0, 2, 2, 70}) }, fault.TLSVersion},
		"flood": {func(c net.Conn) {
			io.WriteString(c, "\x16\x03\x03\x40\x00")
			flood(-1)(c)
		}, fault.TLSFailed},
	} {
		conn := pair(t, tt.serve)
		conn.SetStageDeadline(time.Now().Add(2 * time.Second))
		err := tls.Client(conn, config(t, egress.TLSOptions{Mode: egress.Require})).Handshake()
		if got := verdict(err); got != tt.want {
			t.Errorf("%s: %q (%v), want %q", name, got, err, tt.want)
		}
	}
}
