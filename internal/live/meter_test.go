package live

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"flowyte/internal/fault"
	"flowyte/internal/plan"
	"flowyte/internal/schema"
	"flowyte/internal/target"
)

// counted is one line of a meter that keeps all it is told.
type counted struct {
	Kind     schema.Kind
	Outcome  Outcome
	Wait, DB time.Duration
}

type ledger struct {
	mu       sync.Mutex
	calls    []counted
	finished []Outcome
}

func (l *ledger) Finished(_ schema.Kind, outcome Outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.finished = append(l.finished, outcome)
}

func (l *ledger) Called(kind schema.Kind, outcome Outcome, latency, wait, db time.Duration) {
	if latency < 0 {
		panic("a call of negative length")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, counted{kind, outcome, wait, db})
}

// TestEveryCallIsCountedOnce: what was asked, what was refused, and what
// failed; not what is told again.
func TestEveryCallIsCountedOnce(t *testing.T) {
	l := &ledger{}
	spent := target.Stats{Wait: 2 * time.Millisecond, DB: 3 * time.Millisecond}
	down := false
	k := newKitWith(t, Options{Meter: l}, database(func(_ context.Context, _ *plan.Plan, _ []target.Value, sink target.RowSink) (target.Stats, error) {
		if down {
			return spent, fault.New(fault.Unreachable)
		}
		return spent, sink.Row(cellsOf([]string{"2026-05-01T15:00:00", "confirmed"}))
	}))
	c := k.ring()
	k.ask(c, with("1", "+12065550142"))
	if again := k.ask(c, with("1", "+12065550142")); !again.Replayed {
		t.Fatal("the second answer is no replay")
	}
	k.ask(c, with("2", "rubbish"))
	down = true
	k.ask(c, with("3", "+12065550142"))
	k.rec.set(true)
	k.ask(c, with("4", "+12065550142"))
	want := []counted{
		{schema.Postgres, OK, spent.Wait, spent.DB}, {schema.Postgres, InvalidArguments, 0, 0},
		{schema.Postgres, Unavailable, spent.Wait, spent.DB}, {schema.Postgres, Busy, 0, 0},
	}
	if diff := cmp.Diff(want, l.calls); diff != "" {
		t.Error(diff)
	}
}
