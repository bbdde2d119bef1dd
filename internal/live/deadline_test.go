package live

import (
	"context"
	"strings"
	"sync"
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

// frozen is a driver that does not return before it is thawed, and then writes
// into a result that nobody waits for.
type frozen struct {
	readsOnly
	thaw chan struct{}
	runs atomic.Int32
}

func (f *frozen) Run(ctx context.Context, p *plan.Plan, v []target.Value, sink target.RowSink) (target.Stats, error) {
	f.runs.Add(1)
	<-f.thaw
	return oneRow(ctx, p, v, sink)
}

// TestFrozenDriver: the caller leaves within 50 ms of the deadline though Run
// does not return; further callers are turned away at once when many runs are
// stuck; and all is well when they come back.
func TestFrozenDriver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &frozen{thaw: make(chan struct{})}
		k := newKit(t, oneRow)
		stuck := connection(f)
		k.connect(stuck)
		c := k.ring()
		var calls sync.WaitGroup
		for i := range maxStuck {
			calls.Go(func() {
				began := time.Now()
				a := k.ask(c, with(phoneOf(i), phoneOf(1)))
				want(t, a, TimedOut, "deadline")
				if late := time.Since(began) - time.Second; late > 50*time.Millisecond {
					t.Errorf("released %v after the deadline", late)
				}
				if a.Err == nil {
					t.Error("nobody learns that the driver hangs")
				}
			})
		}
		calls.Wait()
		began := time.Now()
		a := k.ask(c, with("more", phoneOf(1)))
		want(t, a, Unavailable, "unreachable")
		if time.Since(began) != 0 || a.RetryAfter == 0 || f.runs.Load() != maxStuck {
			t.Errorf("after %v and %d runs: %+v", time.Since(began), f.runs.Load(), a)
		}
		close(f.thaw)
		synctest.Wait()
		if n := stuck.stuck.Load(); n != 0 {
			t.Errorf("%d runs count as stuck after their return", n)
		}
		want(t, k.ask(c, with("thawed", phoneOf(1))), OK, "")
	})
}

// TestLateRunsTouchNobodysAnswer: the memory of an abandoned run belongs to it.
func TestLateRunsTouchNobodysAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &frozen{thaw: make(chan struct{})}
		k := newKit(t, oneRow)
		c := k.ring()
		k.connect(connection(f))
		k.ask(c, with("stuck", phoneOf(1)))
		k.connect(connection(rows([]string{"first", "first"})))
		a := k.ask(c, with("1", phoneOf(1)))
		before := string(a.Result)
		close(f.thaw)
		synctest.Wait()
		k.connect(connection(rows([]string{"second", "second"})))
		k.ask(c, with("2", phoneOf(1)))
		if string(a.Result) != before || !strings.Contains(before, "first") {
			t.Errorf("an answer changed from %s to %s", before, a.Result)
		}
	})
}

// TestNoGoroutinePerCall: as long as runs return, the same goroutine serves
// call after call.
func TestNoGoroutinePerCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, oneRow)
		c := k.ring()
		for i := range 100 {
			want(t, k.ask(c, with(phoneOf(i), phoneOf(1))), OK, "")
			synctest.Wait()
			if n := k.idle(); n != 1 {
				t.Fatalf("after %d calls in a row %d goroutines wait for work", i+1, n)
			}
		}
	})
}

func (k *kit) idle() int {
	k.workers.mu.Lock()
	defer k.workers.mu.Unlock()
	return len(k.workers.idle)
}

func TestIdleGoroutinesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		k := newKit(t, func(ctx context.Context, p *plan.Plan, v []target.Value, sink target.RowSink) (target.Stats, error) {
			<-release
			return oneRow(ctx, p, v, sink)
		})
		c := k.ring()
		var calls sync.WaitGroup
		for i := range 2 * maxIdle {
			calls.Go(func() { want(t, k.ask(c, with(phoneOf(i), phoneOf(1))), OK, "") })
		}
		synctest.Wait()
		close(release)
		calls.Wait()
		synctest.Wait()
		if n := k.idle(); n != maxIdle {
			t.Errorf("%d goroutines wait for work, want %d", n, maxIdle)
		}
		k.Close()
		want(t, k.ask(c, with("after the close", phoneOf(1))), OK, "")
		synctest.Wait()
		if n := k.idle(); n != 0 {
			t.Errorf("%d goroutines wait for work after Close", n)
		}
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
		if took := time.Since(began); took != 100*time.Millisecond {
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
