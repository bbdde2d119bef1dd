package egress_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"flowyte/internal/egress"
	"flowyte/internal/fault"
)

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

func policy(t testing.TB, o egress.Options) egress.Policy {
	t.Helper()
	p, err := egress.NewPolicy(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func judge(p egress.Policy, a string) fault.Code {
	return fault.CodeOf(p.Judge(netip.AddrPortFrom(addr(a), 5432)))
}

// forbidden are addresses that nobody may reach without the operator's word.
var forbidden = strings.Fields(`
	127.0.0.1 127.0.0.2 127.0.0.53 127.255.255.254 127.255.255.255 127.1.2.3 10.96.0.1 10.0.2.2 172.17.0.1 172.18.0.2 192.168.0.1 192.168.65.2 100.64.1.1 0.0.0.0 0.0.0.1 0.255.255.255
	10.0.0.0 10.0.0.1 10.255.255.255 172.16.0.0 172.16.0.1 172.31.255.255 192.168.0.0 192.168.1.1 192.168.255.255
	100.64.0.0 100.64.0.1 100.100.100.200 100.127.255.255
	169.254.0.1 169.254.169.254 169.254.169.253 169.254.170.2 169.254.170.23 169.254.0.23 169.254.42.42 169.254.255.255
	168.63.129.16 192.0.0.1 192.0.0.170 192.0.0.192 192.0.2.1 192.31.196.1 192.52.193.1 192.88.99.1 192.175.48.1
	198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.254 255.255.255.255
	:: ::1 0:0:0:0:0:0:0:1 ::2 ::7f00:1 ::127.0.0.1 ::10.0.0.1 ::8.8.8.8 ::169.254.169.254
	::ffff:127.0.0.1 ::ffff:7f00:1 ::ffff:10.0.0.1 ::FFFF:169.254.169.254 ::ffff:8.8.8.8 ::ffff:168.63.129.16 ::ffff:0.0.0.0
	::ffff:0:127.0.0.1 ::ffff:0:8.8.8.8 ::ffff:0:169.254.169.254
	64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b::808:808 64:ff9b::a00:1 64:ff9b::10.0.0.1 64:ff9b::168.63.129.16
	64:ff9b:1::1 64:ff9b:1::7f00:1 64:ff9b:1:a9fe:a9:fe00:: 64:ff9b:1:ffff::808:808
	2002:7f00:1:: 2002:a9fe:a9fe:: 2002:a00:1::1 2002:808:808::1 2002:c0a8:101::
	2001:0:7f00:1:: 2001::1 2001:0:53aa:64c:0:0:f5ff:fffe 2001:1::1 2001:2::1 2001:3::1 2001:4:112::1 2001:10::1 2001:20::1 2001:30::1 2001:1ff::1
	2001:db8::1 2001:db8:ffff::1 3fff::1 3fff:fff::1 2620:4f:8000::1
	100::1 100:0:0:1::1 5f00::1 4000::1 6000::1 8000::1 a000::1 c000::1 e000::1 f000::1 fe00::1 1::1 1fff::1 200::1 400::1 800::1 1000::1 64:ff9a::1
	::ffff:172.16.0.1 ::ffff:192.168.0.1 ::ffff:100.64.0.1 64:ff9b::c0a8:1 64:ff9b::ac10:1 2002:c0a8:1::1 2002:ac10:1::1
	fc00::1 fd00::1 fd00::2 fdff::1 fd00:ec2::254 fd00:ec2::23 fd00:ec2::253 fd00:ec2::123 fd20:ce::254 fd00:c1::a9fe:a9fe fd00:42::42
	fe80::1 fe80::a9fe:a9fe febf::1 fec0::1 feff::1 ff00::1 ff02::1 ff05::2 ff0e::1 ffff::1
	2a00::5efe:7f00:1 2a00::5efe:a9fe:a9fe 2a00:1:2:3:200:5efe:a00:1 2600::5efe:808:808
`)

// reachable are the public neighbours of the above.
var reachable = strings.Fields(`
	1.0.0.0 1.1.1.1 8.8.8.8 9.9.9.9 9.255.255.255 11.0.0.0 126.255.255.255 128.0.0.0 100.63.255.255 100.128.0.0 168.63.129.15 168.63.129.17
	169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 192.0.3.0 192.31.195.255 192.31.197.0 192.52.192.255 192.52.194.0
	192.88.98.255 192.88.100.0 192.167.255.255 192.169.0.0 192.175.47.255 192.175.49.0 198.17.255.255 198.20.0.0 198.51.99.255 198.51.101.0
	203.0.112.255 203.0.114.0 223.255.255.255 191.255.255.255
	2000::1 2001:200::1 2001:4860:4860::8888 2001:db7::1 2001:db9::1 2003::1 2400::1 2600::1 2606:4700:4700::1111 2620:4f:7fff::1 2620:4f:8001::1
	2800::1 2a00::1 2a00::5efd:0:1 2c00::1 3ffe::1 3fff:1000::1
`)

func TestPolicyByDefault(t *testing.T) {
	if n := len(forbidden); n < 150 {
		t.Errorf("the corpus has shrunk to %d", n)
	}
	for name, p := range map[string]egress.Policy{"zero": {}, "empty": policy(t, egress.Options{})} {
		for _, a := range forbidden {
			if code := judge(p, a); code != fault.HostNotAllowed {
				t.Errorf("%s policy, %s: %q, want host_not_allowed", name, a, code)
			}
		}
		for _, a := range reachable {
			if code := judge(p, a); code != "" {
				t.Errorf("%s policy, %s: %q, want no fault", name, a, code)
			}
		}
	}
	for _, a := range []netip.Addr{{}, addr("fe80::1%eth0"), addr("2a00::1%eth0")} {
		if err := (egress.Policy{}).Judge(netip.AddrPortFrom(a, 5432)); !fault.Is(err, fault.HostNotAllowed) {
			t.Errorf("%v: %v", a, err)
		}
	}
}

// TestPolicyNever: what no CIDR may admit, not even everything (S40).
func TestPolicyNever(t *testing.T) {
	p := policy(t, egress.Options{Allow: prefixes("0.0.0.0/0", "::/0", "169.254.0.0/16", "168.63.129.16/32", "fe80::/10", "fd00:ec2::/32", "64:ff9b::/96", "2002::/16")})
	for _, a := range strings.Fields(`
		169.254.169.254 169.254.170.2 169.254.0.1 168.63.129.16 100.100.100.200 192.0.0.192 0.0.0.0 0.0.0.1 224.0.0.1 239.0.0.1 255.255.255.255
		:: ::7f00:1 ::ffff:127.0.0.1 ::ffff:169.254.169.254 ::ffff:8.8.8.8 ::ffff:0:7f00:1 64:ff9b::a9fe:a9fe 64:ff9b::808:808 64:ff9b:1::1
		2002:a9fe:a9fe:: 2001:0:7f00:1:: fd00:ec2::254 fd00:ec2::23 fd20:ce::254 fd00:c1::a9fe:a9fe fd00:42::42 fe80::1 fe80::a9fe:a9fe ff02::1
		2a00::5efe:7f00:1 fd00::5efe:7f00:1`) {
		if code := judge(p, a); code != fault.HostNotAllowed {
			t.Errorf("%s: %q, want host_not_allowed whatever the operator says", a, code)
		}
	}
	for _, a := range strings.Fields(`127.0.0.1 10.0.0.1 172.16.0.1 192.168.1.1 100.64.0.1 100.100.100.199 192.0.2.1 198.18.0.1 240.0.0.1
		::1 fd00::1 fc00::1 fec0::1 2001:db8::1 4000::1 8.8.8.8 2a00::1`) {
		if code := judge(p, a); code != "" {
			t.Errorf("%s: %q, want no fault: the operator admitted it", a, code)
		}
	}
}

// TestPolicyAllow: a CIDR admits its own range and nothing beside it (S40).
func TestPolicyAllow(t *testing.T) {
	p := policy(t, egress.Options{Allow: prefixes("10.1.2.3/16", "fd12::/32")}) // host bits do not matter
	for a, want := range map[string]fault.Code{
		"10.0.255.255": fault.HostNotAllowed, "10.1.0.0": "", "10.1.255.255": "", "10.2.0.0": fault.HostNotAllowed,
		"fd11:ffff::1": fault.HostNotAllowed, "fd12::1": "", "fd12:0:ffff::1": "", "fd12:1::1": fault.HostNotAllowed,
		"127.0.0.1": fault.HostNotAllowed, "::1": fault.HostNotAllowed, "8.8.8.8": "",
		"::ffff:10.1.0.1": fault.HostNotAllowed, "64:ff9b::a01:1": fault.HostNotAllowed,
	} {
		if code := judge(p, a); code != want {
			t.Errorf("%s: %q, want %q", a, code, want)
		}
	}
}

func TestPolicyNAT64(t *testing.T) {
	p := policy(t, egress.Options{NAT64: true, Allow: prefixes("10.0.0.0/8", "127.0.0.0/8"), Listeners: []netip.AddrPort{netip.MustParseAddrPort("8.8.4.4:5432")}})
	for a, want := range map[string]fault.Code{
		"64:ff9b::808:808": "", "64:ff9b::a83f:810f": "",
		"64:ff9b::7f00:1": fault.HostNotAllowed, "64:ff9b::a9fe:a9fe": fault.HostNotAllowed, "64:ff9b::a00:1": fault.HostNotAllowed,
		"64:ff9b::a83f:8110": fault.HostNotAllowed, "64:ff9b::": fault.HostNotAllowed, "64:ff9b::ffff:ffff": fault.HostNotAllowed,
		"64:ff9b:1::808:808": fault.HostNotAllowed, "::ffff:8.8.8.8": fault.HostNotAllowed,
		"64:ff9b::808:404": fault.HostNotAllowed, // our own listener, seen through the translator
	} {
		if code := judge(p, a); code != want {
			t.Errorf("%s: %q, want %q", a, code, want)
		}
	}
}

// TestPolicyOwnListeners: the process never calls itself, not even where the
// operator admitted the range (S20).
func TestPolicyOwnListeners(t *testing.T) {
	interfaces := func() ([]netip.Addr, error) {
		return []netip.Addr{addr("127.0.0.1"), addr("10.0.0.5"), addr("1.2.3.4"), addr("2a00::5"), addr("::1")}, nil
	}
	p := policy(t, egress.Options{
		Allow: prefixes("127.0.0.0/8", "10.0.0.0/8", "::1/128"),
		Listeners: []netip.AddrPort{
			netip.MustParseAddrPort("127.0.0.1:8080"), netip.MustParseAddrPort("[::ffff:10.0.0.5]:8443"),
			netip.MustParseAddrPort("0.0.0.0:9090"), netip.MustParseAddrPort("[::]:9091"), netip.MustParseAddrPort("5.6.7.8:5432"),
		},
		Interfaces: interfaces,
	})
	for to, want := range map[string]fault.Code{
		"127.0.0.1:8080": fault.HostNotAllowed, "127.0.0.1:8081": "", "127.0.0.2:8080": "",
		"10.0.0.5:8443": fault.HostNotAllowed, "10.0.0.6:8443": "",
		"5.6.7.8:5432": fault.HostNotAllowed, "5.6.7.8:5433": "",
		"127.0.0.1:9090": fault.HostNotAllowed, "127.9.9.9:9090": fault.HostNotAllowed, "[::1]:9090": fault.HostNotAllowed,
		"10.0.0.5:9090": fault.HostNotAllowed, "1.2.3.4:9090": fault.HostNotAllowed, "1.2.3.5:9090": "", "10.0.0.6:9090": "",
		"[2a00::5]:9091": fault.HostNotAllowed, "1.2.3.4:9091": fault.HostNotAllowed, "[2a00::6]:9091": "", "1.2.3.4:9092": "",
	} {
		if code := fault.CodeOf(p.Judge(netip.MustParseAddrPort(to))); code != want {
			t.Errorf("%s: %q, want %q", to, code, want)
		}
	}
}

func TestPolicyFailsClosed(t *testing.T) {
	p := policy(t, egress.Options{
		Listeners:  []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:9090")},
		Interfaces: func() ([]netip.Addr, error) { return nil, errors.New("the kernel says no") },
	})
	if err := p.Judge(netip.MustParseAddrPort("1.2.3.4:9090")); !fault.Is(err, fault.HostNotAllowed) {
		t.Errorf("without knowing our own addresses: %v, want host_not_allowed", err)
	}
	if err := p.Judge(netip.MustParseAddrPort("1.2.3.4:5432")); err != nil {
		t.Errorf("a port at which nothing listens: %v", err)
	}
}

// TestPolicyAsksTheKernel: without a list of its own the policy knows this
// machine's addresses.
func TestPolicyAsksTheKernel(t *testing.T) {
	p := policy(t, egress.Options{Allow: prefixes("0.0.0.0/0", "::/0"), Listeners: []netip.AddrPort{netip.MustParseAddrPort("[::]:9090")}})
	own := ownAddrs(t)
	for _, a := range own {
		if err := p.Judge(netip.AddrPortFrom(a, 9090)); !fault.Is(err, fault.HostNotAllowed) {
			t.Errorf("our own %v: %v, want host_not_allowed", a, err)
		}
	}
}

func TestPolicyPorts(t *testing.T) {
	p := policy(t, egress.Options{AllowPorts: []uint16{443}})
	for port, want := range map[uint16]fault.Code{
		0: fault.PortNotAllowed, 1: fault.PortNotAllowed, 22: fault.PortNotAllowed, 80: fault.PortNotAllowed, 442: fault.PortNotAllowed,
		443: "", 444: fault.PortNotAllowed, 1023: fault.PortNotAllowed, 1024: "", 3306: "", 5432: "", 65535: "",
	} {
		if code := fault.CodeOf(p.Port(port)); code != want {
			t.Errorf("port %d: %q, want %q", port, code, want)
		}
		if code := fault.CodeOf(p.Judge(netip.AddrPortFrom(addr("8.8.8.8"), port))); code != want {
			t.Errorf("8.8.8.8 port %d: %q, want %q", port, code, want)
		}
	}
}

// TestNewPolicyTellsEverything: all problems of a configuration at once.
func TestNewPolicyTellsEverything(t *testing.T) {
	_, err := egress.NewPolicy(egress.Options{
		Allow:      []netip.Prefix{{}, netip.MustParsePrefix("::ffff:10.0.0.0/104"), netip.MustParsePrefix("10.0.0.0/8")},
		Listeners:  []netip.AddrPort{{}, netip.MustParseAddrPort("127.0.0.1:0")},
		AllowPorts: []uint16{0},
	})
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) != 5 {
		t.Errorf("want five problems, have: %v", err)
	}
}

// TestPolicyIsImmutable: changing the options afterwards changes nothing.
func TestPolicyIsImmutable(t *testing.T) {
	o := egress.Options{Allow: prefixes("10.0.0.0/8"), AllowPorts: []uint16{443}}
	p := policy(t, o)
	o.Allow[0] = netip.MustParsePrefix("127.0.0.0/8")
	o.AllowPorts[0] = 22
	if judge(p, "127.0.0.1") != fault.HostNotAllowed || judge(p, "10.0.0.1") != "" || p.Port(22) == nil || p.Port(443) != nil {
		t.Error("the policy follows a slice that its builder still holds")
	}
}

// TestPolicyProperty: nothing is let through but public addresses and those
// admitted, whatever the CIDRs are.
func TestPolicyProperty(t *testing.T) {
	gen := rapid.Custom(func(t *rapid.T) netip.Addr {
		if rapid.Bool().Draw(t, "v4") {
			return netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "b")))
		}
		return netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "b")))
	})
	rapid.Check(t, func(t *rapid.T) {
		var allow []netip.Prefix
		for _, a := range rapid.SliceOfN(gen, 0, 3).Draw(t, "allow") {
			if !a.Is4In6() {
				allow = append(allow, netip.PrefixFrom(a, rapid.IntRange(0, a.BitLen()).Draw(t, "bits")))
			}
		}
		p, err := egress.NewPolicy(egress.Options{Allow: allow})
		if err != nil {
			t.Fatal(err)
		}
		a := gen.Draw(t, "addr")
		inside := false
		for _, prefix := range allow {
			inside = inside || prefix.Masked().Contains(a)
		}
		class := egress.Classify(a)
		may := class == egress.Public || inside && (class == egress.Loopback || class == egress.Private || class == egress.Shared || class == egress.Reserved)
		if err := p.Judge(netip.AddrPortFrom(a, 5432)); (err == nil) != may {
			t.Fatalf("%v (class %d) with %v: %v", a, class, allow, err)
		}
	})
}
