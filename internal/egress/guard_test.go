package egress_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"flowyte/internal/egress"
	"flowyte/internal/egress/egresstest"
	"flowyte/internal/fault"
)

// dials records what a guard really dialled.
type dials struct {
	mu   sync.Mutex
	list []netip.AddrPort
}

func (d *dials) add(to netip.AddrPort) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = append(d.list, to)
}

func (d *dials) take() []netip.AddrPort {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer func() { d.list = nil }()
	return slices.Clone(d.list)
}

// lab is a guard with a scripted nameserver and a record of its dials. Of all
// loopback addresses only 127.0.1.0/24 counts as reachable, so that 127.0.0.0/24
// and ::1 can stand for forbidden places where a listener proves that nobody came.
type lab struct {
	guard *egress.Guard
	dns   *egresstest.DNS
	dials *dials
}

func newLab(t testing.TB, o egress.Options) lab {
	t.Helper()
	if o.Allow == nil {
		o.Allow = prefixes("127.0.1.0/24")
	}
	l := lab{dns: egresstest.NewDNS(t), dials: &dials{}}
	l.guard = egress.NewGuard(policy(t, o), egress.ResolverOptions{Servers: []netip.AddrPort{l.dns.Addr()}}, egress.OnDial(l.dials.add))
	return l
}

// dial connects and hangs up; it returns the code of the refusal, or "".
func (l lab) dial(t testing.TB, h string, port uint16) fault.Code {
	t.Helper()
	conn, err := l.guard.Dial(t.Context(), host(t, h), port)
	if err == nil {
		conn.Close()
		return ""
	}
	if _, ok := fault.As(err); !ok {
		t.Errorf("%s: %v is not a fault", h, err)
	}
	return fault.CodeOf(err)
}

func ownAddrs(t testing.TB) []netip.Addr {
	t.Helper()
	nets, err := net.InterfaceAddrs()
	if err != nil || len(nets) == 0 {
		t.Fatalf("this machine has no address: %v", err)
	}
	var own []netip.Addr
	for _, n := range nets {
		own = append(own, netip.MustParsePrefix(n.String()).Addr())
	}
	return own
}

// TestDialForbiddenAddresses: every forbidden address, written as a host and
// found in DNS, ends before the first packet.
func TestDialForbiddenAddresses(t *testing.T) {
	t.Parallel()
	l := newLab(t, egress.Options{})
	traps := []*egresstest.Listener{
		egresstest.Listen(t, "127.0.0.1:0", nil), egresstest.Listen(t, "127.0.0.2:0", nil),
		egresstest.Listen(t, "127.255.255.254:0", nil), egresstest.Listen(t, "[::1]:0", nil),
	}
	for i, a := range forbidden {
		name := fmt.Sprintf("h%d.example.com", i)
		l.dns.Script(name, egresstest.Answer(a))
		for _, trap := range traps {
			for _, h := range []string{a, name} {
				if code := l.dial(t, h, trap.Port()); code != fault.HostNotAllowed {
					t.Errorf("%s (%s): %q, want host_not_allowed", h, a, code)
				}
			}
		}
	}
	if got := l.dials.take(); len(got) != 0 {
		t.Errorf("dialled %v", got)
	}
	for _, trap := range traps {
		if n := trap.Accepts(); n != 0 {
			t.Errorf("%v accepted %d connections", trap.Addr(), n)
		}
	}
}

// TestDialForbiddenNames: names that are refused before DNS is asked (S21).
func TestDialForbiddenNames(t *testing.T) {
	t.Parallel()
	l := lab{dns: egresstest.NewDNS(t), dials: &dials{}}
	l.guard = egress.NewGuard(egress.Policy{}, egress.ResolverOptions{Servers: []netip.AddrPort{l.dns.Addr()}}, egress.OnDial(l.dials.add))
	for _, h := range strings.Fields(`localhost LOCALHOST localhost. x.localhost a.b.localhost ip6-localhost ip6-loopback metadata
		metadata.google.internal metadata.google.internal. instance-data instance-data.ec2.internal kubernetes.default.svc.cluster.local
		db db. postgres mysql host.docker.internal gateway.docker.internal printer.local db.corp db.lan db.home db.intranet
		db.private router.home.arpa localhost.localdomain com`) {
		l.dns.Script(h, egresstest.Answer("8.8.8.8"))
		if code := l.dial(t, h, 65000); code != fault.HostNotAllowed {
			t.Errorf("%s: %q, want host_not_allowed", h, code)
		}
	}
	if n := l.dns.Total(); n != 0 {
		t.Errorf("the nameserver was asked %d questions", n)
	}
	if got := l.dials.take(); len(got) != 0 {
		t.Errorf("dialled %v", got)
	}
}

// TestDialPrivateNames: where the operator admitted a range, a private name is
// judged by its addresses, all of which must lie inside (contract, section 6).
func TestDialPrivateNames(t *testing.T) {
	t.Parallel()
	l := newLab(t, egress.Options{})
	target := egresstest.Listen(t, "127.0.1.1:0", nil)
	for _, tt := range []struct {
		name  string
		addrs []string
		want  fault.Code
	}{
		{"db", []string{"127.0.1.1"}, ""},
		{"db.internal", []string{"127.0.1.1"}, ""},
		{"db.local", []string{"127.0.1.1", "127.0.1.2"}, ""},
		{"pg.prod.svc.cluster.local", []string{"127.0.1.1"}, ""},
		{"outside", []string{"127.0.0.2"}, fault.HostNotAllowed},
		{"public.internal", []string{"8.8.8.8"}, fault.HostNotAllowed},
		{"mixed.internal", []string{"127.0.1.1", "8.8.8.8"}, fault.HostNotAllowed},
		{"mixed6.internal", []string{"127.0.1.1", "2a00::1"}, fault.HostNotAllowed},
		{"metadata.google.internal", []string{"169.254.169.254"}, fault.HostNotAllowed},
		{"empty.internal", nil, fault.HostNotAllowed},
		{"example.com", []string{"127.0.1.1"}, ""},
	} {
		l.dns.Script(tt.name, egresstest.Answer(tt.addrs...))
		if code := l.dial(t, tt.name, target.Port()); code != tt.want {
			t.Errorf("%s -> %v: %q, want %q", tt.name, tt.addrs, code, tt.want)
		}
	}
	// Whether a private name exists must not be told.
	if code := l.dial(t, "nosuch.internal", target.Port()); code != fault.HostNotAllowed {
		t.Errorf("a private name that does not exist: %q, want host_not_allowed", code)
	}
}

// TestDialLocalhost: the name means this machine without asking anybody, and
// only as far as the operator says.
func TestDialLocalhost(t *testing.T) {
	t.Parallel()
	target := egresstest.Listen(t, "127.0.0.1:0", nil)
	target6 := egresstest.Listen(t, "[::1]:0", nil)
	for _, tt := range []struct {
		allow []string
		port  uint16
		want  fault.Code
		to    string
	}{
		{[]string{"127.0.0.0/8"}, target.Port(), "", "127.0.0.1"},
		{[]string{"::1/128"}, target6.Port(), "", "::1"},
		{[]string{"10.0.0.0/8"}, target.Port(), fault.HostNotAllowed, ""},
	} {
		l := newLab(t, egress.Options{Allow: prefixes(tt.allow...)})
		for _, h := range []string{"localhost", "LocalHost.", "db.localhost"} {
			l.dns.Script(h, egresstest.Answer("8.8.8.8"))
			if code := l.dial(t, h, tt.port); code != tt.want {
				t.Errorf("%s with %v: %q, want %q", h, tt.allow, code, tt.want)
			}
			got := l.dials.take()
			if tt.to == "" && len(got) != 0 || tt.to != "" && !slices.Equal(got, []netip.AddrPort{netip.AddrPortFrom(addr(tt.to), tt.port)}) {
				t.Errorf("%s with %v: dialled %v", h, tt.allow, got)
			}
		}
		if l.dns.Total() != 0 {
			t.Error("the nameserver was asked for localhost")
		}
	}
	// Both families admitted: the second is tried when the first is closed.
	l := newLab(t, egress.Options{Allow: prefixes("127.0.0.0/8", "::1/128")})
	if code := l.dial(t, "localhost", target6.Port()); code != "" {
		t.Errorf("the second family: %q", code)
	}
}

// TestDialMixedAnswers: one refused address refuses the whole host (S27, S28).
func TestDialMixedAnswers(t *testing.T) {
	t.Parallel()
	l := newLab(t, egress.Options{})
	good := egresstest.Listen(t, "127.0.1.1:0", nil)
	trap4 := egresstest.Listen(t, fmt.Sprintf("127.0.0.2:%d", good.Port()), nil)
	trap6 := egresstest.Listen(t, fmt.Sprintf("[::1]:%d", good.Port()), nil)
	for i, addrs := range [][]string{
		{"127.0.1.1", "127.0.0.2"}, {"127.0.0.2", "127.0.1.1"}, {"127.0.1.1", "::1"}, {"::1", "127.0.1.1"},
		{"127.0.1.1", "10.0.0.1"}, {"127.0.1.1", "169.254.169.254"}, {"127.0.1.1", "::ffff:127.0.1.1"}, {"127.0.1.1", "fe80::1"},
		{"8.8.8.8", "1.1.1.1", "9.9.9.9", "10.0.0.1"}, {"2a00::1", "::1"}, {"8.8.8.8", "64:ff9b::808:808"},
	} {
		name := fmt.Sprintf("mixed%d.example.com", i)
		l.dns.Script(name, egresstest.Answer(addrs...))
		if code := l.dial(t, name, good.Port()); code != fault.HostNotAllowed {
			t.Errorf("%v: %q, want host_not_allowed", addrs, code)
		}
	}
	if got := l.dials.take(); len(got) != 0 {
		t.Errorf("dialled %v", got)
	}
	if good.Accepts()+trap4.Accepts()+trap6.Accepts() != 0 {
		t.Error("somebody came")
	}
}

// TestDialRebinding: one lookup for a connect, and the address dialled is the
// address judged (S32); the next connect is judged anew (S33, S34).
func TestDialRebinding(t *testing.T) {
	t.Parallel()
	l := newLab(t, egress.Options{})
	good := egresstest.Listen(t, "127.0.1.1:0", nil)
	moved := egresstest.Listen(t, fmt.Sprintf("127.0.1.2:%d", good.Port()), nil)
	trap := egresstest.Listen(t, fmt.Sprintf("127.0.0.1:%d", good.Port()), nil)

	l.dns.Script("rebind.example.com", egresstest.Answer("127.0.1.1"), egresstest.Answer("127.0.0.1"), egresstest.Answer("127.0.1.2"))
	if code := l.dial(t, "rebind.example.com", good.Port()); code != "" {
		t.Fatalf("first connect: %q", code)
	}
	for _, family := range []dnsmessage.Type{dnsmessage.TypeA, dnsmessage.TypeAAAA} {
		if n := l.dns.Asked("rebind.example.com", family); n != 1 {
			t.Errorf("%v: %d lookups for one connect, want 1", family, n)
		}
	}
	if got, want := l.dials.take(), []netip.AddrPort{good.Addr()}; !slices.Equal(got, want) {
		t.Errorf("dialled %v, want %v", got, want)
	}
	if code := l.dial(t, "rebind.example.com", good.Port()); code != fault.HostNotAllowed {
		t.Errorf("after the rebinding: %q, want host_not_allowed", code)
	}
	if got := l.dials.take(); len(got) != 0 {
		t.Errorf("after the rebinding: dialled %v", got)
	}
	if code := l.dial(t, "rebind.example.com", good.Port()); code != "" {
		t.Errorf("after a failover to another good address: %q", code)
	}
	if got, want := l.dials.take(), []netip.AddrPort{moved.Addr()}; !slices.Equal(got, want) {
		t.Errorf("after a failover: dialled %v, want %v", got, want)
	}
	if trap.Accepts() != 0 {
		t.Error("the trap was reached")
	}
}

// TestDialSearchAndHosts: neither search domains nor the hosts file play a part
// (S31). The names in this machine's hosts file are the test's material.
func TestDialSearchAndHosts(t *testing.T) {
	t.Parallel()
	l := newLab(t, egress.Options{Allow: prefixes("127.0.0.0/8", "::1/128")})
	trap := egresstest.Listen(t, "127.0.0.1:0", nil)
	names := append(hostsFileNames(t), "db")
	for _, name := range names {
		before := l.dns.Total()
		if code := l.dial(t, name, trap.Port()); code != fault.HostNotAllowed {
			t.Errorf("%s: %q, want host_not_allowed: only the hosts file knows it", name, code)
		}
		if got := l.dns.Total() - before; got != 2 {
			t.Errorf("%s: %d questions, want one a family", name, got)
		}
		if l.dns.Asked(name, dnsmessage.TypeA) != 1 {
			t.Errorf("%s: the absolute name was not asked for", name)
		}
	}
	if got := l.dials.take(); len(got) != 0 {
		t.Errorf("dialled %v", got)
	}
}

func hostsFileNames(t testing.TB) []string {
	t.Helper()
	file, err := os.Open("/etc/hosts")
	if err != nil {
		t.Logf("no hosts file here: %v", err)
		return nil
	}
	defer file.Close()
	seen := map[string]bool{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		text, _, _ := strings.Cut(lines.Text(), "#")
		for i, f := range strings.Fields(text) {
			if h, err := egress.ParseHost(f); i > 0 && err == nil && !strings.HasSuffix(h.String(), "localhost") && !strings.Contains(f, ".") {
				seen[h.String()] = true
			}
		}
	}
	var names []string
	for n := range seen {
		names = append(names, n)
	}
	return names
}

// TestDialIgnoresProxies: the environment plays no part (S36).
func TestDialIgnoresProxies(t *testing.T) {
	l := newLab(t, egress.Options{})
	target := egresstest.Listen(t, "127.0.1.1:0", nil)
	proxy := egresstest.Listen(t, "127.0.1.9:0", nil)
	for _, name := range []string{"ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "SOCKS_PROXY"} {
		t.Setenv(name, "socks5://"+proxy.Addr().String())
	}
	t.Setenv("RES_OPTIONS", "ndots:15")
	t.Setenv("LOCALDOMAIN", "example.com")
	t.Setenv("GODEBUG", "netdns=cgo")
	l.dns.Script("db.example.com", egresstest.Answer("127.0.1.1"))
	if code := l.dial(t, "db.example.com", target.Port()); code != "" {
		t.Errorf("%q", code)
	}
	if proxy.Accepts() != 0 {
		t.Error("the proxy was used")
	}
}

// TestDialUnreachable: a closed port and a silent address look the same (S38).
func TestDialUnreachable(t *testing.T) {
	t.Parallel()
	l := newLab(t, egress.Options{})
	closed := egresstest.Listen(t, "127.0.1.1:0", nil)
	closed.Close()
	if code := l.dial(t, "127.0.1.1", closed.Port()); code != fault.Unreachable {
		t.Errorf("a closed port: %q", code)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.guard.Dial(ctx, host(t, "127.0.1.1"), closed.Port()); !fault.Is(err, fault.Unreachable) {
		t.Errorf("a context that is over: %v", err)
	}
}

// TestDialNextAddress: an address where nobody listens does not hide the next.
func TestDialNextAddress(t *testing.T) {
	t.Parallel()
	l := newLab(t, egress.Options{Allow: prefixes("127.0.1.0/24", "::1/128")})
	target := egresstest.Listen(t, "127.0.1.3:0", nil)
	l.dns.Script("many.example.com", egresstest.Answer("127.0.1.1", "127.0.1.2", "127.0.1.3", "::1"))
	if code := l.dial(t, "many.example.com", target.Port()); code != "" {
		t.Fatalf("%q", code)
	}
	var want []netip.AddrPort
	for _, a := range []string{"127.0.1.1", "::1", "127.0.1.2", "127.0.1.3"} { // families in turn
		want = append(want, netip.AddrPortFrom(addr(a), target.Port()))
	}
	if got := l.dials.take(); !slices.Equal(got, want) {
		t.Errorf("dialled %v, want %v", got, want)
	}
}

// TestDialPorts: a port is judged before anything else happens.
func TestDialPorts(t *testing.T) {
	t.Parallel()
	l := newLab(t, egress.Options{})
	for _, port := range []uint16{0, 22, 80, 1023} {
		if code := l.dial(t, "db.example.com", port); code != fault.PortNotAllowed {
			t.Errorf("port %d: %q", port, code)
		}
	}
	if l.dns.Total() != 0 {
		t.Error("the nameserver was asked")
	}
	if _, err := l.guard.Dial(t.Context(), egress.Host{}, 65000); !fault.Is(err, fault.HostInvalid) {
		t.Errorf("the zero Host: %v", err)
	}
}

// TestDialAddr: the second connection of a cancel or kill passes the same
// judgement and the same hook (S35).
func TestDialAddr(t *testing.T) {
	t.Parallel()
	l := newLab(t, egress.Options{})
	target := egresstest.Listen(t, "127.0.1.1:0", nil)
	trap := egresstest.Listen(t, "127.0.0.1:0", nil)
	conn, err := l.guard.DialAddr(t.Context(), target.Addr())
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if got := l.dials.take(); !slices.Equal(got, []netip.AddrPort{target.Addr()}) {
		t.Errorf("the hook saw %v", got)
	}
	if _, err := l.guard.DialAddr(t.Context(), trap.Addr()); !fault.Is(err, fault.HostNotAllowed) {
		t.Errorf("a forbidden address: %v", err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.guard.DialAddr(over, trap.Addr()); !fault.Is(err, fault.HostNotAllowed) {
		t.Errorf("a forbidden address, judged before any attempt: %v", err)
	}
	if trap.Accepts() != 0 || len(l.dials.take()) != 0 {
		t.Error("the trap was reached")
	}
}

// TestNoLookup: a driver that insists on a lookup gets the name back.
func TestNoLookup(t *testing.T) {
	if got, err := egress.NoLookup(t.Context(), "db.example.com"); err != nil || !slices.Equal(got, []string{"db.example.com"}) {
		t.Errorf("%v, %v", got, err)
	}
}

// TestRefusalsTellNothing: neither the address found nor the rule that was hit
// is in anything that the reader sees (S41).
func TestRefusalsTellNothing(t *testing.T) {
	t.Parallel()
	l := newLab(t, egress.Options{})
	l.dns.Script("a.example.com", egresstest.Answer("10.77.66.55"))
	l.dns.Script("b.example.com", egresstest.Answer("169.254.169.254"))
	l.dns.Script("c.example.com", egresstest.Answer("127.0.0.1"))
	var shown []string
	for _, h := range []string{"a.example.com", "b.example.com", "c.example.com", "db.internal", "localhost", "10.77.66.55", "::1", "::ffff:8.8.8.8"} {
		_, err := l.guard.Dial(t.Context(), host(t, h), 65000)
		f, ok := fault.As(err)
		if !ok || f.Code != fault.HostNotAllowed || fault.Cause(err) == nil {
			t.Fatalf("%s: %v, cause %v", h, err, fault.Cause(err))
		}
		body, _ := json.Marshal(f)
		shown = append(shown, f.Error()+string(body)+f.Detail)
	}
	for i, s := range shown {
		if s != shown[0] {
			t.Errorf("refusal %d differs from the first:\n%s\n%s", i, s, shown[0])
		}
		for _, secret := range []string{"10.77", "169.254", "127.0", "::1", "internal", "example"} {
			if strings.Contains(s, secret) {
				t.Errorf("%q shows %q", s, secret)
			}
		}
	}
}

// TestDialConcurrently: one guard serves many at once.
func TestDialConcurrently(t *testing.T) {
	t.Parallel()
	l := newLab(t, egress.Options{})
	target := egresstest.Listen(t, "127.0.1.1:0", nil)
	l.dns.Script("good.example.com", egresstest.Answer("127.0.1.1"))
	l.dns.Script("bad.example.com", egresstest.Answer("127.0.0.1"))
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			name, want := "good.example.com", fault.Code("")
			if i%2 == 1 {
				name, want = "bad.example.com", fault.HostNotAllowed
			}
			if code := l.dial(t, name, target.Port()); code != want {
				t.Errorf("%s: %q, want %q", name, code, want)
			}
		})
	}
	wg.Wait()
	if got := l.dials.take(); len(got) != 20 {
		t.Errorf("%d dials, want 20", len(got))
	}
}

// within fails the test when f takes longer than limit.
func within(t testing.TB, limit time.Duration, what string, f func()) {
	t.Helper()
	start := time.Now()
	f()
	if took := time.Since(start); took > limit {
		t.Errorf("%s took %v, want at most %v", what, took, limit)
	}
}
