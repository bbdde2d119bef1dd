package live

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/plan"
	"flowyte/internal/target"
)

// obedient works until its context ends.
func obedient(code fault.Code) database {
	return func(ctx context.Context, _ *plan.Plan, _ []target.Value, _ target.RowSink) (target.Stats, error) {
		<-ctx.Done()
		return target.Stats{DB: time.Millisecond}, fault.New(code)
	}
}

func TestDeadline(t *testing.T) {
	for _, tt := range []struct {
		set, want time.Duration
	}{
		{0, time.Second},
		{time.Millisecond, 100 * time.Millisecond},
		{100 * time.Millisecond, 100 * time.Millisecond},
		{1500 * time.Millisecond, 1500 * time.Millisecond},
		{time.Hour, 2 * time.Second},
	} {
		t.Run(tt.set.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tool := byPhone()
				tool.Timeout = tt.set
				k := newKit(t, obedient(fault.DatabaseTimeout), tool)
				began := time.Now()
				a := k.ask(k.ring(), with("1", phoneOf(1)))
				want(t, a, TimedOut, "deadline")
				if took := time.Since(began); took != tt.want || a.Latency != tt.want {
					t.Errorf("took %v and says %v, want %v", took, a.Latency, tt.want)
				}
			})
		})
	}
}

// TestPoolWaitCounts: who waited for a session until his time was over is told
// that there was none, not that the database was slow.
func TestPoolWaitCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, obedient(fault.DatabaseBusy))
		began := time.Now()
		a := k.ask(k.ring(), with("1", phoneOf(1)))
		want(t, a, Busy, "pool")
		if took := time.Since(began); took != time.Second || a.RetryAfter == 0 {
			t.Errorf("took %v, retry after %v", took, a.RetryAfter)
		}
	})
}

// TestPastTheDeadlineNothingElseMatters: whatever a driver says of a statement
// that it gave up, the caller's time was over.
func TestPastTheDeadlineNothingElseMatters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, code := range []fault.Code{fault.ConnectionLost, fault.DatabaseError, fault.Internal, fault.ServerBusy, fault.SchemaDrift} {
			k := newKit(t, obedient(code))
			want(t, k.ask(k.ring(), with("1", phoneOf(1))), TimedOut, "deadline")
		}
	})
}

// TestRowsAtTheDeadlineCount: what arrived in time is not thrown away.
func TestRowsAtTheDeadlineCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, func(ctx context.Context, p *plan.Plan, v []target.Value, sink target.RowSink) (target.Stats, error) {
			<-ctx.Done()
			return oneRow(ctx, p, v, sink)
		})
		want(t, k.ask(k.ring(), with("1", phoneOf(1))), OK, "")
	})
}

// TestPanicEndsOneCall: a bug below costs one answer, not the process.
func TestPanicEndsOneCall(t *testing.T) {
	k := newKit(t, func(context.Context, *plan.Plan, []target.Value, target.RowSink) (target.Stats, error) {
		panic("a value that no log may see")
	})
	c := k.ring()
	a := k.ask(c, with("1", phoneOf(1)))
	want(t, a, Failed, "internal")
	if a.Err == nil || strings.Contains(a.Err.Error(), "no log may see") || !strings.Contains(a.Err.Error(), "deadline_test.go") {
		t.Errorf("the log would see %v", a.Err)
	}
	k.connect(connection(oneRow))
	want(t, k.ask(c, with("1", phoneOf(1))), OK, "")
}

// TestPanicFreesTheID: a bug in a gate must not leave others waiting for ever.
func TestPanicFreesTheID(t *testing.T) {
	k := newKit(t, oneRow)
	k.connect(&Connection{Runner: oneRow, Standing: func(*plan.Plan) string { panic("bug") }})
	c := k.ring()
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_, _ = k.Call(t.Context(), c, with("1", phoneOf(1)))
	}()
	k.connect(connection(oneRow))
	want(t, k.ask(c, with("1", phoneOf(1))), OK, "")
}

func TestClientThatLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, obedient(fault.DatabaseTimeout))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		began := time.Now()
		a, err := k.Call(ctx, k.ring(), with("1", phoneOf(1)))
		if err != nil {
			t.Fatal(err)
		}
		want(t, a, TimedOut, "caller_gone")
		if took := time.Since(began); took < 100*time.Millisecond || took > 100*time.Millisecond+watchEvery {
			t.Errorf("went on for %v", took)
		}
	})
}

// TestSlotsThatAReadCannotFill: a statement that a read cannot fill is not sent.
func TestSlotsThatAReadCannotFill(t *testing.T) {
	for _, slot := range []plan.Slot{
		{Source: plan.FromSystem, Name: "now"},
		{Source: plan.FromSubject, Name: "subject"},
		{Source: plan.FromParam, Name: "no_such_parameter"},
	} {
		tool := byPhone()
		tool.Plan.Slots = append(tool.Plan.Slots, slot)
		var runs atomic.Int32
		k := newKit(t, counting(&runs, oneRow), tool)
		a := k.ask(k.ring(), with("1", phoneOf(1)))
		want(t, a, Failed, "internal")
		if runs.Load() != 0 || a.Err == nil {
			t.Errorf("%v: %d runs, error %v", slot, runs.Load(), a.Err)
		}
	}
}
