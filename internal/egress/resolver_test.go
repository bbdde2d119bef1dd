package egress_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"flowyte/internal/egress"
	"flowyte/internal/egress/egresstest"
	"flowyte/internal/fault"
)

// manyAddrs is n different addresses of the reachable range.
func manyAddrs(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("127.0.1.%d", i%256)
		if i > 255 {
			out[i] = fmt.Sprintf("9.%d.%d.1", i/256, i%256)
		}
	}
	return out
}

// TestDialBrokenDNS: whatever the nameserver does, the caller waits at most the
// lookup budget and learns only that the name did not resolve (S30).
func TestDialBrokenDNS(t *testing.T) {
	t.Parallel()
	l := newLab(t, egress.Options{})
	trap := egresstest.Listen(t, "127.0.1.1:0", nil)
	var wg sync.WaitGroup
	for name, reply := range map[string]egresstest.Reply{
		"thousand":      egresstest.Answer(manyAddrs(1000)...),
		"sixty-five":    egresstest.Answer(manyAddrs(65)...),
		"both-families": egresstest.Answer(append(manyAddrs(40), v6Addrs(40)...)...),
		"64k":           {Addrs: []string{"127.0.1.1"}, Padding: 64000},
		"servfail":      {RCode: dnsmessage.RCodeServerFailure},
		"refused":       {RCode: dnsmessage.RCodeRefused},
		"formerr":       {RCode: dnsmessage.RCodeFormatError},
		"nxdomain":      {RCode: dnsmessage.RCodeNameError},
		"nodata":        {},
		"silence":       {Silent: true},
		"slow":          {Addrs: []string{"127.0.1.1"}, Pace: time.Second},
		"slower":        {Addrs: []string{"127.0.1.1"}, Pace: 60 * time.Millisecond, Padding: 5000},
		"dangling":      {Aliases: []string{"gone.example.net"}},
		"loop":          {Aliases: []string{"a.example.net", "b.example.net", "a.example.net"}},
		"long-chain":    {Aliases: chain(40), Addrs: []string{"127.0.1.1"}},
		"cut":           {Addrs: []string{"127.0.1.1"}, Forge: func(m []byte) [][]byte { return [][]byte{m[:len(m)-3]} }},
		"empty":         {Forge: func([]byte) [][]byte { return [][]byte{{}} }},
		"rubbish":       {Forge: func(m []byte) [][]byte { return [][]byte{append(m[:12:12], 0xff, 0xff, 0xff)} }},
		"wrong-id":      {Addrs: []string{"127.0.1.1"}, Forge: func(m []byte) [][]byte { m[0] ^= 0xff; return [][]byte{m} }},
		"not-a-reply":   {Addrs: []string{"127.0.1.1"}, Forge: func(m []byte) [][]byte { m[2] &^= 0x80; return [][]byte{m} }},
		"other-name":    {Addrs: []string{"127.0.1.1"}, Forge: func(m []byte) [][]byte { m[13] ^= 1; return [][]byte{m} }},
		"tc-over-tcp":   {Addrs: []string{"127.0.1.1"}, Forge: func(m []byte) [][]byte { m[2] |= 0x02; return [][]byte{m} }},
	} {
		wg.Go(func() {
			h := name + ".example.com"
			l.dns.Script(h, reply)
			within(t, 2*time.Second, name, func() {
				if code := l.dial(t, h, trap.Port()); code != fault.HostUnresolvable {
					t.Errorf("%s: %q, want host_unresolvable", name, code)
				}
			})
		})
	}
	wg.Wait()
	if def, _ := fault.Lookup(fault.HostUnresolvable); !def.Retryable {
		t.Error("host_unresolvable must be retryable")
	}
	if got := l.dials.take(); len(got) != 0 || trap.Accepts() != 0 {
		t.Errorf("dialled %v", got)
	}
}

func v6Addrs(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("2a00::%x", i+1)
	}
	return out
}

func chain(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("c%d.example.net", i)
	}
	return out
}

// TestDialGoodDNS: what a healthy nameserver may do.
func TestDialGoodDNS(t *testing.T) {
	t.Parallel()
	l := newLab(t, egress.Options{})
	target := egresstest.Listen(t, "127.0.1.1:0", nil)
	var wg sync.WaitGroup
	for name, reply := range map[string]egresstest.Reply{
		"plain":       egresstest.Answer("127.0.1.1"),
		"sixty-four":  egresstest.Answer(append([]string{"127.0.1.1"}, slices.Repeat([]string{"127.0.1.1"}, 63)...)...),
		"over-tcp":    {Addrs: []string{"127.0.1.1"}, Padding: 3000},
		"alias":       {Aliases: []string{"real.example.net"}, Addrs: []string{"127.0.1.1"}},
		"alias-chain": {Aliases: chain(10), Addrs: []string{"127.0.1.1"}},
		"aaaa-fails":  {Addrs: []string{"127.0.1.1"}, SilentFor: dnsmessage.TypeAAAA},
		"spoofed-first": {Addrs: []string{"127.0.1.1"}, Forge: func(m []byte) [][]byte {
			wrong := slices.Clone(m)
			wrong[0] ^= 0xff
			return [][]byte{wrong, {}, {1, 2, 3}, m}
		}},
		"upper-case": {Addrs: []string{"127.0.1.1"}, Forge: func(m []byte) [][]byte { m[13] &^= 0x20; return [][]byte{m} }},
	} {
		wg.Go(func() {
			h := name + ".example.com"
			l.dns.Script(h, reply)
			within(t, time.Second, name, func() {
				if code := l.dial(t, h, target.Port()); code != "" {
					t.Errorf("%s: %q, want a connection", name, code)
				}
			})
		})
	}
	wg.Wait()
}

// TestDialForeignRecords: addresses that belong to another name are not ours,
// so that a nameserver's additions cannot steer us.
func TestDialForeignRecords(t *testing.T) {
	t.Parallel()
	l := newLab(t, egress.Options{})
	target := egresstest.Listen(t, "127.0.1.1:0", nil)
	l.dns.Script("db.example.com", egresstest.Reply{Forge: func(m []byte) [][]byte {
		var msg dnsmessage.Message
		if err := msg.Unpack(m); err != nil {
			panic(err)
		}
		if msg.Questions[0].Type == dnsmessage.TypeA {
			for name, a := range map[string][4]byte{"db.example.com.": {127, 0, 1, 1}, "other.example.com.": {127, 0, 0, 1}} {
				msg.Answers = append(msg.Answers, dnsmessage.Resource{
					Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Class: dnsmessage.ClassINET},
					Body:   &dnsmessage.AResource{A: a},
				})
			}
			// Another class and another type with the right name are passed over.
			msg.Answers = append(msg.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: msg.Questions[0].Name, Class: dnsmessage.ClassCHAOS},
				Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
			})
		}
		out, err := msg.Pack()
		if err != nil {
			panic(err)
		}
		return [][]byte{out}
	}})
	if code := l.dial(t, "db.example.com", target.Port()); code != "" {
		t.Errorf("%q", code)
	}
	if got := l.dials.take(); !slices.Equal(got, []netip.AddrPort{target.Addr()}) {
		t.Errorf("dialled %v", got)
	}
}

// TestDialSecondServer: a nameserver that is dead, mute or broken costs an
// attempt, not the connection.
func TestDialSecondServer(t *testing.T) {
	t.Parallel()
	good := egresstest.NewDNS(t)
	good.Script("db.example.com", egresstest.Answer("127.0.1.1"))
	target := egresstest.Listen(t, "127.0.1.1:0", nil)
	mute := egresstest.NewDNS(t)
	mute.Script("db.example.com", egresstest.Reply{Silent: true})
	broken := egresstest.NewDNS(t)
	broken.Script("db.example.com", egresstest.Reply{RCode: dnsmessage.RCodeServerFailure})
	dead := egresstest.Listen(t, "127.0.0.1:0", nil) // TCP only: nothing hears UDP there
	for name, first := range map[string]netip.AddrPort{"mute": mute.Addr(), "broken": broken.Addr(), "dead": dead.Addr()} {
		g := egress.NewGuard(policy(t, egress.Options{Allow: prefixes("127.0.1.0/24")}),
			egress.ResolverOptions{Servers: []netip.AddrPort{first, good.Addr()}})
		within(t, 2*time.Second, name, func() {
			conn, err := g.Dial(t.Context(), host(t, "db.example.com"), target.Port())
			if err != nil {
				t.Errorf("%s: %v", name, fault.Cause(err))
				return
			}
			conn.Close()
		})
	}
}

// TestDialCallersDeadline: the caller's own deadline ends a lookup early.
func TestDialCallersDeadline(t *testing.T) {
	t.Parallel()
	l := newLab(t, egress.Options{})
	l.dns.Script("mute.example.com", egresstest.Reply{Silent: true})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	within(t, 900*time.Millisecond, "the lookup", func() {
		if _, err := l.guard.Dial(ctx, host(t, "mute.example.com"), 65000); !fault.Is(err, fault.HostUnresolvable) {
			t.Errorf("%v", err)
		}
	})
}

// TestQuestions: random ids, recursion desired, one question, room for EDNS.
func TestQuestions(t *testing.T) {
	t.Parallel()
	server, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	g := egress.NewGuard(egress.Policy{}, egress.ResolverOptions{Servers: []netip.AddrPort{server.LocalAddr().(*net.UDPAddr).AddrPort()}})
	done := make(chan struct{})
	go func() {
		defer close(done)
		g.Dial(t.Context(), host(t, "db.example.com"), 65000)
	}()
	ids := map[uint16]bool{}
	sources := map[string]bool{}
	buf := make([]byte, 2048)
	server.SetReadDeadline(time.Now().Add(5 * time.Second))
	for range 6 { // three attempts for each family
		n, from, err := server.ReadFromUDP(buf)
		if err != nil {
			t.Fatal(err)
		}
		var msg dnsmessage.Message
		if err := msg.Unpack(buf[:n]); err != nil {
			t.Fatal(err)
		}
		if !msg.RecursionDesired || msg.Response || len(msg.Questions) != 1 || msg.Questions[0].Name.String() != "db.example.com." ||
			len(msg.Additionals) != 1 || msg.Additionals[0].Header.Type != dnsmessage.TypeOPT {
			t.Errorf("question: %v", msg.GoString())
		}
		ids[binary.BigEndian.Uint16(buf)] = true
		sources[from.String()] = true
	}
	<-done
	if len(ids) < 5 || len(sources) < 5 {
		t.Errorf("%d ids and %d source ports in 6 questions", len(ids), len(sources))
	}
}
