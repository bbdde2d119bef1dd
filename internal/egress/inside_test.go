package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"flowyte/internal/fault"
)

// TestControl: the hook in the dialer judges what the kernel is asked for, even
// if everything before it had been passed.
func TestControl(t *testing.T) {
	var seen []netip.AddrPort
	g := NewGuard(Policy{}, ResolverOptions{}, OnDial(func(to netip.AddrPort) { seen = append(seen, to) }))
	for _, tt := range []struct {
		network, address string
		want             fault.Code
	}{
		{"tcp4", "8.8.8.8:5432", ""},
		{"tcp6", "[2a00::1]:5432", ""},
		{"tcp4", "127.0.0.1:5432", fault.HostNotAllowed},
		{"tcp4", "169.254.169.254:5432", fault.HostNotAllowed},
		{"tcp6", "[::1]:5432", fault.HostNotAllowed},
		{"tcp6", "[fe80::1%eth0]:5432", fault.HostNotAllowed},
		{"tcp4", "8.8.8.8:80", fault.PortNotAllowed},
		{"udp4", "8.8.8.8:5432", fault.HostNotAllowed},
		{"unix", "/tmp/.s.PGSQL.5432", fault.HostNotAllowed},
		{"tcp4", "rubbish", fault.HostNotAllowed},
	} {
		if err := g.control(tt.network, tt.address, nil); fault.CodeOf(err) != tt.want {
			t.Errorf("%s %s: %v, want %q", tt.network, tt.address, err, tt.want)
		}
	}
	if want := []netip.AddrPort{netip.MustParseAddrPort("8.8.8.8:5432"), netip.MustParseAddrPort("[2a00::1]:5432")}; !slices.Equal(seen, want) {
		t.Errorf("the hook saw %v", seen)
	}
}

// TestConnectJudgesAgain: an address that slipped past Dial still ends in the
// dialer, with the fault and not as unreachable.
func TestConnectJudgesAgain(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	port := ln.Addr().(*net.TCPAddr).AddrPort().Port()
	g := NewGuard(Policy{}, ResolverOptions{})
	if _, err := g.connect(t.Context(), []netip.Addr{netip.MustParseAddr("127.0.0.1")}, port); !fault.Is(err, fault.HostNotAllowed) {
		t.Errorf("%v, want host_not_allowed", err)
	}
}

// TestNamesByAddress: with the rule about names taken away, what such names
// lead to is still refused by address (S21).
func TestNamesByAddress(t *testing.T) {
	for _, a := range []string{"127.0.0.1", "::1", "169.254.169.254", "10.0.0.1"} {
		if err := (Policy{}).Judge(netip.AddrPortFrom(netip.MustParseAddr(a), 5432)); !fault.Is(err, fault.HostNotAllowed) {
			t.Errorf("%s: %v", a, err)
		}
	}
}

// TestBudgets are the figures that are promised; the tests of behaviour allow
// for a busy machine.
func TestBudgets(t *testing.T) {
	if lookupBudget > time.Second || connectBudget > 1500*time.Millisecond || ReadyBudget > 1<<20 || StatementBudget > 8<<20 {
		t.Error("a budget is above its promise")
	}
}

// TestConnectBudget: addresses that swallow packets cost the connect budget
// once, not each, and a good one behind a silent one is reached.
func TestConnectBudget(t *testing.T) {
	silent := fullBacklog(t, [4]byte{127, 0, 1, 1})
	g := NewGuard(Policy{allow: []netip.Prefix{netip.MustParsePrefix("127.0.1.0/24")}}, ResolverOptions{})
	start := time.Now()
	_, err := g.connect(t.Context(), slices.Repeat([]netip.Addr{silent.Addr()}, 64), silent.Port())
	if took := time.Since(start); !fault.Is(err, fault.Unreachable) || took > connectBudget+time.Second {
		t.Errorf("64 silent addresses: %v after %v", err, took)
	}
	good, err := net.Listen("tcp", netip.AddrPortFrom(netip.MustParseAddr("127.0.1.2"), silent.Port()).String())
	if err != nil {
		t.Fatal(err)
	}
	defer good.Close()
	conn, err := g.connect(t.Context(), []netip.Addr{silent.Addr(), netip.MustParseAddr("127.0.1.2")}, silent.Port())
	if err != nil {
		t.Fatalf("a good address behind a silent one: %v", fault.Cause(err))
	}
	conn.Close()
}

// fullBacklog is a listener that answers no more packets: its queue is full and
// nobody accepts.
func fullBacklog(t *testing.T, ip [4]byte) netip.AddrPort {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: ip}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	to := netip.AddrPortFrom(netip.AddrFrom4(ip), uint16(sa.(*syscall.SockaddrInet4).Port))
	for range 64 {
		conn, err := net.DialTimeout("tcp", to.String(), 200*time.Millisecond)
		if err != nil {
			return to
		}
		t.Cleanup(func() { conn.Close() })
	}
	t.Skip("this kernel has no full queue to offer: 64 connections were taken by a listener with a backlog of 0")
	return to
}

func TestParseResolvConf(t *testing.T) {
	for _, tt := range []struct {
		name, file string
		want       []string
	}{
		{"ordinary", "# comment\nsearch corp.example\nnameserver 10.0.0.53\nnameserver 2a00::53\noptions ndots:5\n", []string{"10.0.0.53:53", "[2a00::53]:53"}},
		{"zone", "nameserver fe80::1%eth0", []string{"[fe80::1%eth0]:53"}},
		{"four", "nameserver 1.0.0.1\nnameserver 1.0.0.2\nnameserver 1.0.0.3\nnameserver 1.0.0.4\n", []string{"1.0.0.1:53", "1.0.0.2:53", "1.0.0.3:53"}},
		{"bad lines", "nameserver\nnameserver x\nnameservers 1.0.0.1\nnameserver\t1.0.0.9 \t\n", []string{"1.0.0.9:53"}},
		{"none", "search x\n", []string{"127.0.0.1:53"}},
		{"empty", "", []string{"127.0.0.1:53"}},
	} {
		var got []string
		for _, s := range parseResolvConf([]byte(tt.file)) {
			got = append(got, s.String())
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestNameservers: the machine's own configuration is used when none is given.
func TestNameservers(t *testing.T) {
	if got := (resolver{}).nameservers(); len(got) == 0 || !got[0].IsValid() {
		t.Errorf("no nameserver: %v", got)
	}
	given := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:5353")}
	if got := (resolver{servers: given}).nameservers(); !slices.Equal(got, given) {
		t.Errorf("%v, want %v", got, given)
	}
}

func TestLookupRefusesLongNames(t *testing.T) {
	long := make([]byte, 300)
	for i := range long {
		long[i] = 'a'
	}
	if _, err := (resolver{}).lookup(context.Background(), string(long)); !errors.Is(err, errMalformed) {
		t.Errorf("%v", err)
	}
}

// TestVerifyNobody: a handshake without a certificate is no handshake.
func TestVerifyNobody(t *testing.T) {
	if err := (&verifier{mode: Require}).verify(tls.ConnectionState{}); !fault.Is(err, fault.TLSFailed) {
		t.Errorf("%v", err)
	}
}

// honestAnswer is an alias, two addresses and a record of another type.
func honestAnswer(t testing.TB) (dnsmessage.Question, []byte) {
	t.Helper()
	name, real := dnsmessage.MustNewName("db.example.com."), dnsmessage.MustNewName("real.example.net.")
	header := func(n dnsmessage.Name) dnsmessage.ResourceHeader {
		return dnsmessage.ResourceHeader{Name: n, Class: dnsmessage.ClassINET}
	}
	q := dnsmessage.Question{Name: name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}
	msg := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 7, Response: true},
		Questions: []dnsmessage.Question{q},
		Answers: []dnsmessage.Resource{
			{Header: header(name), Body: &dnsmessage.CNAMEResource{CNAME: real}},
			{Header: header(name), Body: &dnsmessage.TXTResource{TXT: []string{"x"}}},
			{Header: header(real), Body: &dnsmessage.AResource{A: [4]byte{8, 8, 8, 8}}},
			{Header: header(real), Body: &dnsmessage.AResource{A: [4]byte{9, 9, 9, 9}}},
		},
	}
	packed, err := msg.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return q, packed
}

// TestReadAnswer: an answer to another question is not ours, and one that is
// cut anywhere gives no addresses at all.
func TestReadAnswer(t *testing.T) {
	q, msg := honestAnswer(t)
	if addrs, err := readAnswer(msg, 7, q); err != nil || len(addrs) != 2 {
		t.Fatalf("%v, %v", addrs, err)
	}
	for n := range msg {
		if addrs, err := readAnswer(msg[:n], 7, q); err == nil || addrs != nil {
			t.Errorf("cut to %d of %d bytes: %v, %v", n, len(msg), addrs, err)
		}
	}
	for name, other := range map[string]dnsmessage.Question{
		"name":   {Name: dnsmessage.MustNewName("da.example.com."), Type: q.Type, Class: q.Class},
		"type":   {Name: q.Name, Type: dnsmessage.TypeAAAA, Class: q.Class},
		"class":  {Name: q.Name, Type: q.Type, Class: dnsmessage.ClassCHAOS},
		"length": {Name: dnsmessage.MustNewName("com."), Type: q.Type, Class: q.Class},
	} {
		if addrs, err := readAnswer(msg, 7, other); !errors.Is(err, errNotOurs) {
			t.Errorf("an answer to another %s: %v, %v", name, addrs, err)
		}
	}
	two := slices.Clone(msg)
	two[5] = 2 // says that there are two questions, which makes an answer the second
	if addrs, err := readAnswer(two[:len(two)-40], 7, q); err == nil {
		t.Errorf("two questions: %v", addrs)
	}
}

// FuzzReadAnswer: any bytes give at most the addresses that a host may have.
func FuzzReadAnswer(f *testing.F) {
	q, msg := honestAnswer(f)
	f.Add(msg)
	f.Add([]byte{})
	for i := range msg {
		damaged := slices.Clone(msg)
		damaged[i] ^= 0xff
		f.Add(damaged)
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		addrs, err := readAnswer(msg, 7, q)
		if len(addrs) > maxAddresses || err != nil && addrs != nil {
			t.Fatalf("%d addresses, %v", len(addrs), err)
		}
	})
}

// patient is a connection whose answer is there whenever it is read.
type patient struct {
	net.Conn
	read func()
}

func (p patient) Read(b []byte) (int, error) { p.read(); return len(b), nil }

func (p patient) Write(b []byte) (int, error) { return len(b), nil }

// TestOthersGoOnBeforeAnAnswer: who has asked lets others go on before he looks
// for the answer, and who goes on reading does not. The machine may interrupt
// anybody at any place, so what is usual counts.
func TestOthersGoOnBeforeAnAnswer(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // so that only one of them can go on
	var other atomic.Bool
	first, later := 0, 0
	count := &first
	c := newConn(nil, func(net.Conn) net.Conn {
		return patient{read: func() {
			if other.Load() {
				*count++
			}
		}}
	})
	b := make([]byte, 8)
	const tries = 50
	for range tries {
		for _, step := range []struct {
			asks  bool
			count *int
		}{{true, &first}, {false, &later}} {
			other.Store(false)
			ended := make(chan struct{})
			go func() { other.Store(true); close(ended) }()
			if step.asks {
				if _, err := c.Write(b); err != nil {
					t.Fatal(err)
				}
			}
			count = step.count
			if _, err := c.Read(b); err != nil {
				t.Fatal(err)
			}
			<-ended
		}
	}
	if first < tries/2 || later > tries/2 {
		t.Errorf("others went on before %d answers and before %d other reads of %d", first, later, tries)
	}
}
