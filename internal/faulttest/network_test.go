package faulttest

import (
	"net/netip"
	"slices"
	"strconv"
	"testing"
	"time"

	"flowyte/api"
	"flowyte/internal/apptest"
	"flowyte/internal/dbtest"
	"flowyte/internal/egress"
	"flowyte/internal/egress/egresstest"
	"flowyte/internal/faultproxy"
	"flowyte/internal/privatedb"
	"flowyte/internal/serve"
)

// TestBlackHole: the host swallows everything. Callers hear at the deadline; from
// the second failure on they hear at once, while one attempt at a time finds
// out whether the host is back (F21). A busy machine gets several tries.
func TestBlackHole(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		p := behind(t, db)
		p.proxy.Set(faultproxy.Faults{Hole: true})
		within(t, 15*time.Second, "refused at once", func() bool {
			a, took := p.ask(t)
			if a.Outcome != api.OutcomeTimedOut && a.Outcome != api.OutcomeUnavailable || took > deadline+slack {
				t.Errorf("%s after %v", a.Outcome, took)
			}
			return a.Outcome == api.OutcomeUnavailable
		})
		var took []float64
		accepted, begun := p.proxy.Accepted(), time.Now()
		for len(took) < 40 {
			a, _ := p.ask(t)
			if a.Outcome != api.OutcomeUnavailable && a.Outcome != api.OutcomeTimedOut {
				t.Errorf("the answer is %s", a.Outcome)
			}
			if a.Outcome == api.OutcomeUnavailable {
				if a.RetryAfterMs == nil || *a.RetryAfterMs <= 0 {
					t.Error("it does not say when to come again")
				}
				took = append(took, a.LatencyMs)
			}
		}
		if slices.Sort(took); took[len(took)/2] > 5 {
			t.Errorf("half of the refusals took more than %.1f ms", took[len(took)/2])
		}
		// One attempt in 0.6 s, of 0.8 s each, on two addresses at most.
		if n := p.proxy.Accepted() - accepted; float64(n) > 4+4*time.Since(begun).Seconds() {
			t.Errorf("%d attempts to connect in %v", n, time.Since(begun))
		}
		p.proxy.Set(faultproxy.Faults{})
		p.recovers(t)
	})
}

// TestCutAnywhere is F02: the connection ends after so many bytes of an answer,
// with a farewell or a reset. The read is asked again on another session.
func TestCutAnywhere(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		p := overheard(t, db)
		p.wantOK(t)
		before := p.proxy.Received()
		p.wantOK(t)
		whole := p.proxy.Received() - before
		if whole < 50 {
			t.Fatalf("an answer has %d bytes", whole)
		}
		for _, reset := range []bool{false, true} {
			for n := int64(1); n < whole; n += whole/9 + 1 {
				// The session that takes its place lives for longer than the login.
				p.proxy.Set(faultproxy.Faults{CutAfter: n, Reset: reset})
				id := strconv.Itoa(int(n)) + strconv.FormatBool(reset)
				a := apptest.Ask(t, p.Client(), p.conv, id)
				if a.Outcome != api.OutcomeOK && a.Outcome != api.OutcomeUnavailable && a.Outcome != api.OutcomeTimedOut {
					t.Errorf("cut after %d of %d bytes: %s", n, whole, a.Outcome)
				}
				wantWhole(t, a)
				p.proxy.Set(faultproxy.Faults{})
				p.recovers(t)
			}
		}
		p.judge(t)
	})
}

// TestOneCut: only the session in use is lost, and the caller does not notice.
func TestOneCut(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		for _, reset := range []bool{false, true} {
			p := behind(t, dbtest.New(t, db.Server))
			p.proxy.Set(faultproxy.Faults{Reset: reset})
			p.proxy.Cut()
			p.wantOK(t)
		}
	})
}

// TestBadLines is F06: a line that is late, uneven, slow or cuts everything
// small gives correct answers, or says in time that there is none.
func TestBadLines(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		p := behind(t, db)
		const asked = 3
		for name, f := range map[string]faultproxy.Faults{
			"late":       {Latency: 50 * time.Millisecond, Jitter: 25 * time.Millisecond},
			"1 KB/s":     {BytesPerSecond: 1000},
			"100 B/s":    {BytesPerSecond: 100},
			"in bytes":   {Slice: 1},
			"slow close": {CloseAfter: 300 * time.Millisecond},
		} {
			p.proxy.Set(f)
			good := 0
			for range asked {
				a, took := p.ask(t)
				if a.Outcome != api.OutcomeOK && a.Outcome != api.OutcomeTimedOut && a.Outcome != api.OutcomeUnavailable || took > deadline+slack {
					t.Errorf("%s: %s after %v", name, a.Outcome, took)
				}
				wantWhole(t, a)
				if a.Outcome == api.OutcomeOK {
					good++
				}
			}
			if good < asked && name != "100 B/s" {
				t.Errorf("%s: %d of %d answers are good", name, good, asked)
			}
			p.proxy.Cut()
			p.proxy.Set(faultproxy.Faults{})
			p.recovers(t)
		}
	})
}

// named is a service that asks a nameserver of the test's, before a server whose
// certificate has the name.
func named(t *testing.T, flavor privatedb.Flavor) (*practice, *egresstest.DNS) {
	t.Helper()
	const host = "db.example.com"
	server := dbtest.Own(t, flavor, privatedb.Options{NoSync: true, Hosts: []string{host}})
	dns := egresstest.NewDNS(t)
	dns.Script(host, egresstest.Answer("127.0.0.1"))
	p := behind(t, dbtest.New(t, server), apptest.Options{
		Serve:   func(o *serve.Options) { o.Resolver = egress.ResolverOptions{Servers: []netip.AddrPort{dns.Addr()}} },
		Connect: func(c *api.Credentials) { c.Host = host },
	})
	return p, dns
}

// TestFailover is F04: the old address swallows everything and the name leads to
// another one by now. Nobody has to do anything.
func TestFailover(t *testing.T) {
	for _, flavor := range []privatedb.Flavor{privatedb.Postgres, privatedb.MariaDB} {
		t.Run(string(flavor), func(t *testing.T) {
			p, dns := named(t, flavor)
			other := proxyTo(t, "127.0.0.7:"+strconv.Itoa(p.proxy.Port()), p.DB.Server)
			p.proxy.Set(faultproxy.Faults{Hole: true})
			dns.Script("db.example.com", egresstest.Answer("127.0.0.7"))
			lost := 0
			for ; ; lost++ {
				a, took := p.ask(t)
				if took > deadline+slack {
					t.Errorf("%s after %v", a.Outcome, took)
				}
				if a.Outcome == api.OutcomeOK {
					break
				}
				if lost > 8 {
					t.Fatalf("still %s", a.Outcome)
				}
			}
			if lost > 3 || other.Accepted() == 0 {
				t.Errorf("%d calls were lost, %d connections went to the new address", lost, other.Accepted())
			}
		})
	}
}

// TestNamesAreGone is F16: nobody can be asked for addresses any more, and a
// warm pool goes on.
func TestNamesAreGone(t *testing.T) {
	p, dns := named(t, privatedb.Postgres)
	dns.Script("db.example.com", egresstest.Reply{Silent: true})
	for range 20 {
		p.wantOK(t)
	}
}
