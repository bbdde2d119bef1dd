package live

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/plan"
	"flowyte/internal/target"
)

// changing is a database whose table is altered and put right again.
type changing struct {
	readsOnly
	drifted atomic.Bool
	runs    atomic.Int32
}

func (d *changing) Run(ctx context.Context, p *plan.Plan, v []target.Value, sink target.RowSink) (target.Stats, error) {
	d.runs.Add(1)
	if d.drifted.Load() {
		<-time.After(10 * time.Millisecond)
		return target.Stats{}, fault.New(fault.SchemaDrift)
	}
	return oneRow(ctx, p, v, sink)
}

func driftKit(t *testing.T) (*kit, *changing, *Conversation) {
	d := &changing{}
	d.drifted.Store(true)
	k := newKit(t, oneRow, byPhone(), tool("other", "phone", plan.Phone))
	k.connect(connection(d))
	return k, d, k.ring()
}

func TestDriftIsTriedEvery30Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, d, c := driftKit(t)
		id := 0
		drifted := func() {
			id++
			want(t, k.ask(c, with(phoneOf(id), phoneOf(1))), Unavailable, "drifted")
		}
		drifted()
		<-time.After(retryDrifted - 20*time.Millisecond)
		drifted()
		if on := k.DriftedOn(); len(on) != 1 || on[0] != postgresOf {
			t.Errorf("drifted on %v", on)
		}
		if d.runs.Load() != 1 || !k.Drifted("skl_look_up") || k.Drifted("skl_other") {
			t.Fatalf("%d runs; drifted %v, the other %v", d.runs.Load(), k.Drifted("skl_look_up"), k.Drifted("skl_other"))
		}
		// Of many who come when the time is over, one tries.
		<-time.After(time.Second)
		var all sync.WaitGroup
		for range 20 {
			id++
			r := with(phoneOf(id), phoneOf(1))
			all.Go(func() { want(t, k.ask(c, r), Unavailable, "drifted") })
		}
		all.Wait()
		if d.runs.Load() != 2 {
			t.Fatalf("%d runs, want 2", d.runs.Load())
		}
		// The attempt that works heals.
		d.drifted.Store(false)
		<-time.After(retryDrifted)
		want(t, k.ask(c, with("healed", phoneOf(1))), OK, "")
		want(t, k.ask(c, with("after", phoneOf(1))), OK, "")
		if k.Drifted("skl_look_up") || len(k.DriftedOn()) != 0 {
			t.Error("still marked")
		}
	})
}

func TestDriftOfOneSkillSparesOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, d, c := driftKit(t)
		want(t, k.ask(c, with("1", phoneOf(1))), Unavailable, "drifted")
		d.drifted.Store(false)
		other := with("2", phoneOf(1))
		other.Tool = "other"
		want(t, k.ask(c, other), OK, "")
		want(t, k.ask(c, with("3", phoneOf(1))), Unavailable, "drifted")
	})
}

// TestDiscoveryTriesAgain: a discovery, reconnect or new scoping puts another
// connection into the table, and a publish another plan.
func TestDiscoveryTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, d, c := driftKit(t)
		want(t, k.ask(c, with("1", phoneOf(1))), Unavailable, "drifted")
		d.drifted.Store(false)
		k.connect(connection(d))
		if k.Drifted("skl_look_up") || len(k.drift.marks) != 0 {
			t.Error("the mark outlived the discovery")
		}
		want(t, k.ask(c, with("2", phoneOf(1))), OK, "")
	})
	synctest.Test(t, func(t *testing.T) {
		k, d, c := driftKit(t)
		want(t, k.ask(c, with("1", phoneOf(1))), Unavailable, "drifted")
		d.drifted.Store(false)
		anew := byPhone()
		anew.PlanDigest = "another"
		v := NewVersion(Version{ID: "ver_2", Number: 2, Org: org, Agent: agent, Country: "US", Tools: []*Tool{anew}})
		next, err := k.Start(v, "voice", Caller{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		want(t, k.ask(next, with("1", phoneOf(1))), OK, "")
		want(t, k.ask(c, with("2", phoneOf(1))), Unavailable, "drifted")
	})
}

// TestDriftComesBeforeTheLimits: of two reasons the first in the contract's
// order is told.
func TestDriftComesBeforeTheLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, _, c := driftKit(t)
		for i := range MaxLookups {
			k.ask(c, with(phoneOf(i), phoneOf(i)))
			c.lookUp(c.Version.Tools[0], phoneOf(i))
		}
		want(t, k.ask(c, with("6", phoneOf(6))), Unavailable, "drifted")
	})
}

// TestDriftOfAFormerConnection: a statement that was under way during a
// discovery says nothing about what was discovered.
func TestDriftOfAFormerConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		discovered := make(chan struct{})
		k := newKit(t, func(context.Context, *plan.Plan, []target.Value, target.RowSink) (target.Stats, error) {
			<-discovered
			return target.Stats{}, fault.New(fault.SchemaDrift)
		})
		c := k.ring()
		var call sync.WaitGroup
		call.Go(func() { want(t, k.ask(c, with("1", phoneOf(1))), Unavailable, "drifted") })
		synctest.Wait()
		k.connect(connection(oneRow))
		close(discovered)
		call.Wait()
		if k.Drifted("skl_look_up") || len(k.DriftedOn()) != 0 {
			t.Error("marked")
		}
		want(t, k.ask(c, with("2", phoneOf(1))), OK, "")
	})
}

// TestLatenciesAreBounded: plans of former versions are forgotten at last.
func TestLatenciesAreBounded(t *testing.T) {
	l := latencies{byPlan: map[string]float64{}}
	for i := range maxMeans + 1 {
		l.observe(phoneOf(i), time.Millisecond)
	}
	if n := len(l.byPlan); n != 1 {
		t.Errorf("%d means are kept", n)
	}
}

// TestExpectedLatency follows what calls took.
func TestExpectedLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var takes atomic.Int64
		k := newKit(t, func(ctx context.Context, p *plan.Plan, v []target.Value, sink target.RowSink) (target.Stats, error) {
			<-time.After(time.Duration(takes.Load()))
			return oneRow(ctx, p, v, sink)
		})
		digest := k.version.Tools[0].PlanDigest
		if _, ok := k.ExpectedLatency(digest); ok {
			t.Error("a latency before the first call")
		}
		c := k.ring()
		takes.Store(int64(40 * time.Millisecond))
		k.ask(c, with("1", phoneOf(1)))
		if ms, ok := k.ExpectedLatency(digest); !ok || ms != 40 {
			t.Errorf("after one call %v", ms)
		}
		takes.Store(int64(60 * time.Millisecond))
		k.ask(c, with("2", phoneOf(1)))
		if ms, _ := k.ExpectedLatency(digest); ms != 41 {
			t.Errorf("after another of 60 ms: %v", ms)
		}
		// What did not run says nothing about the database.
		k.suspend("skl_look_up")
		k.ask(c, with("3", phoneOf(1)))
		if ms, _ := k.ExpectedLatency(digest); ms != 41 {
			t.Errorf("a gate's answer counted: %v", ms)
		}
	})
}
