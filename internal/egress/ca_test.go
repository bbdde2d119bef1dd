package egress_test

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	"flowyte/internal/egress"
	"flowyte/internal/egress/egresstest"
	"flowyte/internal/fault"
)

func TestParseCA(t *testing.T) {
	a := egresstest.NewAuthority(t, egresstest.Certificate{CommonName: "a"})
	b := egresstest.NewAuthority(t, egresstest.Certificate{CommonName: "b"})
	mid := a.Intermediate(t, egresstest.Certificate{CommonName: "mid"})
	leaf := egresstest.PEM(a.Leaf(t, egresstest.Certificate{Names: []string{"db.example.com"}}).Leaf)
	selfSigned := egresstest.PEM(egresstest.SelfSigned(t, egresstest.Certificate{Names: []string{"db.example.com"}}).Leaf)

	rsaKey := egresstest.RSAKey(t, 1024)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(rsaKey)
	if err != nil {
		t.Fatal(err)
	}
	key := func(kind string, der []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	}
	public, err := x509.MarshalPKIXPublicKey(rsaKey.Public())
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, rsaKey)
	if err != nil {
		t.Fatal(err)
	}
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	crlf := bytes.ReplaceAll(a.PEM(), []byte("\n"), []byte("\r\n"))
	comment := []byte("# The company's authority\nsubject=CN = a\n")

	for _, tt := range []struct {
		name string
		text []byte
		n    int
		want fault.Code
	}{
		{"one", a.PEM(), 1, ""},
		{"two", join(a.PEM(), b.PEM()), 2, ""},
		{"an intermediate", mid.PEM(), 1, ""},
		{"comments", join(comment, a.PEM(), comment, b.PEM(), comment), 2, ""},
		{"CRLF", crlf, 1, ""},
		{"thirty-two", bytes.Repeat(a.PEM(), 32), 32, ""},
		{"thirty-three", bytes.Repeat(a.PEM(), 33), 0, fault.CAInvalid},
		{"five hundred", bytes.Repeat(a.PEM(), 500), 0, fault.CAInvalid},
		{"exactly 64 KiB", join(a.PEM(), bytes.Repeat([]byte("\n"), 64<<10-len(a.PEM()))), 1, ""},
		{"64 KiB and one", join(a.PEM(), bytes.Repeat([]byte("\n"), 64<<10-len(a.PEM())+1)), 0, fault.CAInvalid},
		{"1 MB", bytes.Repeat([]byte("x"), 1<<20), 0, fault.CAInvalid},
		{"nil", nil, 0, fault.CAInvalid},
		{"empty", []byte(""), 0, fault.CAInvalid},
		{"blank", []byte(" \n\t\n"), 0, fault.CAInvalid},
		{"rubbish", []byte("not a certificate"), 0, fault.CAInvalid},
		{"NULs", make([]byte, 1000), 0, fault.CAInvalid},
		{"DER", a.Certificate().Raw, 0, fault.CAInvalid},
		{"rubbish in a block", key("CERTIFICATE", []byte("rubbish")), 0, fault.CAInvalid},
		{"an empty block", key("CERTIFICATE", nil), 0, fault.CAInvalid},
		{"trailing bytes in a block", key("CERTIFICATE", join(a.Certificate().Raw, []byte("x"))), 0, fault.CAInvalid},
		{"cut", a.PEM()[:len(a.PEM())-30], 0, fault.CAInvalid},
		{"one good, one cut", join(a.PEM(), b.PEM()[:200]), 0, fault.CAInvalid},
		{"one good, one damaged", join(a.PEM(), bytes.Replace(b.PEM(), []byte("M"), []byte("!"), 1)), 0, fault.CAInvalid},
		{"a leaf", leaf, 0, fault.CAInvalid},
		{"a self-signed leaf", selfSigned, 0, fault.CAInvalid},
		{"a CA and a leaf", join(a.PEM(), leaf), 0, fault.CAInvalid},
		{"a public key", key("PUBLIC KEY", public), 0, fault.CAInvalid},
		{"a request", key("CERTIFICATE REQUEST", csr), 0, fault.CAInvalid},
		{"another kind of certificate", key("TRUSTED CERTIFICATE", a.Certificate().Raw), 0, fault.CAInvalid},
		{"a private key", key("PRIVATE KEY", pkcs8), 0, fault.CAContainsPrivateKey},
		{"a CA and its key", join(a.PEM(), key("PRIVATE KEY", pkcs8)), 0, fault.CAContainsPrivateKey},
		{"key first", join(key("RSA PRIVATE KEY", pkcs8), a.PEM()), 0, fault.CAContainsPrivateKey},
		{"EC key", key("EC PRIVATE KEY", pkcs8), 0, fault.CAContainsPrivateKey},
		{"encrypted key", key("ENCRYPTED PRIVATE KEY", pkcs8), 0, fault.CAContainsPrivateKey},
		{"OpenSSH key", key("OPENSSH PRIVATE KEY", pkcs8), 0, fault.CAContainsPrivateKey},
		{"a damaged key", []byte("-----BEGIN PRIVATE KEY-----\n!!!\n"), 0, fault.CAContainsPrivateKey},
		{"a key after 64 KiB", join(bytes.Repeat([]byte("\n"), 70<<10), key("PRIVATE KEY", pkcs8)), 0, fault.CAContainsPrivateKey},
	} {
		got, err := egress.ParseCA(tt.text)
		if fault.CodeOf(err) != tt.want || len(got) != tt.n {
			t.Errorf("%s: %d certificates, %v; want %d, %q", tt.name, len(got), err, tt.n, tt.want)
		}
		if err != nil {
			f, _ := fault.As(err)
			if cause := fault.Cause(err); cause != nil && strings.Contains(f.Detail+cause.Error(), "PRIVATE") {
				t.Errorf("%s: the log gets %v", tt.name, cause)
			}
		}
	}
}

// FuzzParseCA: any bytes give authorities or one of two faults.
func FuzzParseCA(f *testing.F) {
	a := egresstest.NewAuthority(f, egresstest.Certificate{CommonName: "a"})
	f.Add(a.PEM())
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"))
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		cas, err := egress.ParseCA(text)
		switch fault.CodeOf(err) {
		case "":
			if err != nil || len(cas) == 0 || len(cas) > 32 {
				t.Fatalf("%d authorities, %v", len(cas), err)
			}
			for _, ca := range cas {
				if !ca.IsCA {
					t.Fatal("a certificate that is no authority's was accepted")
				}
			}
		case fault.CAInvalid, fault.CAContainsPrivateKey:
			if cas != nil {
				t.Fatal("authorities beside a fault")
			}
		default:
			t.Fatalf("%v", err)
		}
	})
}
