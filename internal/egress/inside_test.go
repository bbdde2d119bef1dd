package egress

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

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

// TestConnectBudget: addresses that swallow packets cost the connect budget
// once, not each, and a good one behind a silent one is reached.
func TestConnectBudget(t *testing.T) {
	silent := fullBacklog(t, [4]byte{127, 0, 1, 1})
	g := NewGuard(Policy{allow: []netip.Prefix{netip.MustParsePrefix("127.0.1.0/24")}}, ResolverOptions{})
	start := time.Now()
	_, err := g.connect(t.Context(), slices.Repeat([]netip.Addr{silent.Addr()}, 64), silent.Port())
	if took := time.Since(start); !fault.Is(err, fault.Unreachable) || took > connectBudget+300*time.Millisecond {
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
