package egress_test

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"code.dny.dev/ssrf"
	"pgregory.net/rapid"

	"flowyte/internal/egress"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// TestClassifyEdges names, for every range, its first and last address and the
// neighbours outside, each with its class.
func TestClassifyEdges(t *testing.T) {
	const (
		public = egress.Public
		loop   = egress.Loopback
		priv   = egress.Private
		shared = egress.Shared
		rsvd   = egress.Reserved
		unspec = egress.Unspecified
		link   = egress.LinkLocal
		meta   = egress.Metadata
		multi  = egress.Multicast
		emb    = egress.Embedded
		nat64  = egress.NAT64
		none   = egress.Invalid
	)
	for _, tt := range []struct {
		before        string
		beforeIs      egress.Class
		first, last   string
		class         egress.Class
		after         string
		afterIs       egress.Class
		whatItIsAbout string
	}{
		{"", none, "0.0.0.0", "0.255.255.255", unspec, "1.0.0.0", public, "this network"},
		{"9.255.255.255", public, "10.0.0.0", "10.255.255.255", priv, "11.0.0.0", public, "RFC 1918"},
		{"100.63.255.255", public, "100.64.0.0", "100.100.100.199", shared, "100.100.100.200", meta, "shared, lower part"},
		{"100.100.100.199", shared, "100.100.100.200", "100.100.100.200", meta, "100.100.100.201", shared, "Alibaba"},
		{"100.100.100.200", meta, "100.100.100.201", "100.127.255.255", shared, "100.128.0.0", public, "shared, upper part"},
		{"126.255.255.255", public, "127.0.0.0", "127.255.255.255", loop, "128.0.0.0", public, "loopback"},
		{"168.63.129.15", public, "168.63.129.16", "168.63.129.16", meta, "168.63.129.17", public, "Azure"},
		{"169.253.255.255", public, "169.254.0.0", "169.254.255.255", link, "169.255.0.0", public, "link-local"},
		{"172.15.255.255", public, "172.16.0.0", "172.31.255.255", priv, "172.32.0.0", public, "RFC 1918"},
		{"191.255.255.255", public, "192.0.0.0", "192.0.0.191", rsvd, "192.0.0.192", meta, "protocol assignments, lower part"},
		{"192.0.0.191", rsvd, "192.0.0.192", "192.0.0.192", meta, "192.0.0.193", rsvd, "Oracle"},
		{"192.0.0.192", meta, "192.0.0.193", "192.0.0.255", rsvd, "192.0.1.0", public, "protocol assignments, upper part"},
		{"192.0.1.255", public, "192.0.2.0", "192.0.2.255", rsvd, "192.0.3.0", public, "documentation"},
		{"192.31.195.255", public, "192.31.196.0", "192.31.196.255", rsvd, "192.31.197.0", public, "AS112"},
		{"192.52.192.255", public, "192.52.193.0", "192.52.193.255", rsvd, "192.52.194.0", public, "AMT"},
		{"192.88.98.255", public, "192.88.99.0", "192.88.99.255", rsvd, "192.88.100.0", public, "6to4 relays"},
		{"192.167.255.255", public, "192.168.0.0", "192.168.255.255", priv, "192.169.0.0", public, "RFC 1918"},
		{"192.175.47.255", public, "192.175.48.0", "192.175.48.255", rsvd, "192.175.49.0", public, "AS112"},
		{"198.17.255.255", public, "198.18.0.0", "198.19.255.255", rsvd, "198.20.0.0", public, "benchmarking"},
		{"198.51.99.255", public, "198.51.100.0", "198.51.100.255", rsvd, "198.51.101.0", public, "documentation"},
		{"203.0.112.255", public, "203.0.113.0", "203.0.113.255", rsvd, "203.0.114.0", public, "documentation"},
		{"223.255.255.255", public, "224.0.0.0", "239.255.255.255", multi, "240.0.0.0", rsvd, "multicast"},
		{"239.255.255.255", multi, "240.0.0.0", "255.255.255.254", rsvd, "255.255.255.255", multi, "future use"},
		{"255.255.255.254", rsvd, "255.255.255.255", "255.255.255.255", multi, "", none, "broadcast"},

		{"", none, "::", "::", unspec, "::1", loop, "unspecified"},
		{"::", unspec, "::1", "::1", loop, "::2", emb, "loopback"},
		{"::1", loop, "::2", "::ffff:ffff", emb, "::1:0:0", rsvd, "IPv4-compatible"},
		{"::fffe:ffff:ffff", rsvd, "::ffff:0:0", "::ffff:ffff:ffff", emb, "::1:0:0:0", rsvd, "IPv4-mapped"},
		{"::fffe:ffff:ffff:ffff", rsvd, "::ffff:0:0:0", "::ffff:0:ffff:ffff", emb, "::ffff:1:0:0", rsvd, "SIIT"},
		{"64:ff9a:ffff:ffff:ffff:ffff:ffff:ffff", rsvd, "64:ff9b::", "64:ff9b::ffff:ffff", nat64, "64:ff9b::1:0:0", rsvd, "NAT64"},
		{"64:ff9b:0:ffff:ffff:ffff:ffff:ffff", rsvd, "64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", emb, "64:ff9b:2::", rsvd, "local NAT64"},
		{"ff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", rsvd, "100::", "100::ffff:ffff:ffff:ffff", rsvd, "100:0:0:1::", rsvd, "discard"},
		{"1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", rsvd, "2000::", "2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", public, "2001::", emb, "global unicast begins"},
		{"2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", public, "2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff", emb, "2001:1::", rsvd, "Teredo"},
		{"2001:0:ffff:ffff:ffff:ffff:ffff:ffff", emb, "2001:1::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", rsvd, "2001:200::", public, "protocol assignments"},
		{"2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", public, "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", rsvd, "2001:db9::", public, "documentation"},
		{"2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff", public, "2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", emb, "2003::", public, "6to4"},
		{"2620:4f:7fff:ffff:ffff:ffff:ffff:ffff", public, "2620:4f:8000::", "2620:4f:8000:ffff:ffff:ffff:ffff:ffff", rsvd, "2620:4f:8001::", public, "AS112"},
		{"3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", public, "3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", rsvd, "3fff:1000::", public, "documentation"},
		{"3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", public, "4000::", "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", rsvd, "fc00::", priv, "global unicast ends"},
		{"fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", rsvd, "fc00::", "fd00:ec1:ffff:ffff:ffff:ffff:ffff:ffff", priv, "fd00:ec2::", meta, "unique local"},
		{"fd00:ec1:ffff:ffff:ffff:ffff:ffff:ffff", priv, "fd00:ec2::", "fd00:ec2:ffff:ffff:ffff:ffff:ffff:ffff", meta, "fd00:ec3::", priv, "AWS"},
		{"fd00:c1::a9fe:a9fd", priv, "fd00:c1::a9fe:a9fe", "fd00:c1::a9fe:a9fe", meta, "fd00:c1::a9fe:a9ff", priv, "Oracle"},
		{"fd00:42::41", priv, "fd00:42::42", "fd00:42::42", meta, "fd00:42::43", priv, "Scaleway"},
		{"fd20:cd:ffff:ffff:ffff:ffff:ffff:ffff", priv, "fd20:ce::", "fd20:ce:0:ffff:ffff:ffff:ffff:ffff", meta, "fd20:ce:1::", priv, "Google"},
		{"fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", priv, "fe00::", "fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff", rsvd, "fe80::", link, "unassigned"},
		{"fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff", rsvd, "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", link, "fec0::", priv, "link-local"},
		{"febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", link, "fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", priv, "ff00::", multi, "site-local"},
		{"feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", priv, "ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", multi, "", none, "multicast"},

		// ISATAP identifiers under a public, a private and a reserved prefix.
		{"2a00::5efd:ffff:ffff", public, "2a00::5efe:0:0", "2a00::5efe:ffff:ffff", emb, "2a00::5eff:0:0", public, "ISATAP"},
		{"2a00::200:5efd:ffff:ffff", public, "2a00::200:5efe:0:0", "2a00::200:5efe:ffff:ffff", emb, "2a00::200:5eff:0:0", public, "ISATAP, universal"},
		{"2a00::1ff:5efe:7f00:1", public, "2a00::200:5efe:7f00:1", "2a00::200:5efe:7f00:1", emb, "2a00::201:5efe:7f00:1", public, "ISATAP, its second byte"},
		{"2a00::100:5efe:7f00:1", public, "2a00::5efe:7f00:1", "2a00::5efe:7f00:1", emb, "2a00::300:5efe:7f00:1", public, "ISATAP, its first byte"},
		{"fd00::5efd:0:0", priv, "fd00::5efe:7f00:1", "fd00::5efe:7f00:1", emb, "fd00::5eff:0:0", priv, "ISATAP, private"},
		{"4000::5efd:0:0", rsvd, "4000::5efe:7f00:1", "4000::5efe:7f00:1", emb, "4000::5eff:0:0", rsvd, "ISATAP, reserved"},
	} {
		check := func(s string, want egress.Class) {
			t.Helper()
			if s == "" {
				return
			}
			if got := egress.Classify(addr(s)); got != want {
				t.Errorf("%s: Classify(%s) = %d, want %d", tt.whatItIsAbout, s, got, want)
			}
		}
		check(tt.before, tt.beforeIs)
		check(tt.first, tt.class)
		check(tt.last, tt.class)
		check(tt.after, tt.afterIs)
		if strings.HasPrefix(tt.whatItIsAbout, "ISATAP") {
			continue // the range has a hole in its second byte
		}
		if tt.before != "" && addr(tt.before).Next() != addr(tt.first) {
			t.Errorf("%s: %s is not the neighbour of %s", tt.whatItIsAbout, tt.before, tt.first)
		}
		if tt.after != "" && addr(tt.last).Next() != addr(tt.after) {
			t.Errorf("%s: %s is not the neighbour of %s", tt.whatItIsAbout, tt.after, tt.last)
		}
	}
}

func TestClassifyInvalid(t *testing.T) {
	for _, a := range []netip.Addr{{}, addr("fe80::1%eth0"), addr("2a00::1%eth0"), addr("::1%lo")} {
		if got := egress.Classify(a); got != egress.Invalid {
			t.Errorf("Classify(%v) = %d, want Invalid", a, got)
		}
	}
}

// TestClassifyAgainstAnother compares with an independent implementation: what
// it refuses is never public here.
func TestClassifyAgainstAnother(t *testing.T) {
	other := ssrf.New(ssrf.WithAnyPort(), ssrf.WithAnyNetwork())
	check := func(t interface {
		Helper()
		Errorf(string, ...any)
	}, a netip.Addr) {
		t.Helper()
		if other.SafeAddr(a) != nil && egress.Classify(a) == egress.Public {
			t.Errorf("%v is public here and refused by the other", a)
		}
	}
	for _, p := range append(append([]netip.Prefix{}, ssrf.IPv4DeniedPrefixes...), ssrf.IPv6DeniedPrefixes...) {
		for range 50 {
			check(t, randomIn(p))
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		if rapid.Bool().Draw(t, "v4") {
			check(t, netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "addr"))))
			return
		}
		check(t, netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "addr"))))
	})
}

func randomIn(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		if rand.IntN(2) == 1 {
			b[i/8] |= 0x80 >> (i % 8)
		}
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// TestEmbeddedNeverPublic: whatever IPv4 address hides in whatever embedding,
// the result is never taken for public.
func TestEmbeddedNeverPublic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v4 := [4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "v4"))
		for name, a := range embeddings(v4) {
			if got := egress.Classify(a); got == egress.Public {
				t.Errorf("%s: %v is public", name, a)
			}
		}
	})
}

func embeddings(v4 [4]byte) map[string]netip.Addr {
	tail := func(prefix string) netip.Addr {
		b := addr(prefix).As16()
		copy(b[12:], v4[:])
		return netip.AddrFrom16(b)
	}
	at := func(prefix string, offset int) netip.Addr {
		b := addr(prefix).As16()
		copy(b[offset:], v4[:])
		return netip.AddrFrom16(b)
	}
	teredo := at("2001::", 4)
	inverted := teredo.As16()
	for i := range v4 {
		inverted[12+i] = ^v4[i]
	}
	return map[string]netip.Addr{
		"compatible":      tail("::"),
		"mapped":          tail("::ffff:0:0"),
		"SIIT":            tail("::ffff:0:0:0"),
		"NAT64":           tail("64:ff9b::"),
		"local NAT64":     tail("64:ff9b:1::"),
		"6to4":            at("2002::", 2),
		"Teredo server":   teredo,
		"Teredo client":   netip.AddrFrom16(inverted),
		"ISATAP":          tail("2a00:1:2:3:0:5efe::"),
		"ISATAP, global":  tail("2a00:1:2:3:200:5efe::"),
		"ISATAP, private": tail("fd00:1:2:3:200:5efe::"),
	}
}
