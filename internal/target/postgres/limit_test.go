package postgres_test

import (
	"context"
	"testing"
	"time"

	"flowyte/internal/dbtest"
	"flowyte/internal/fault"
	"flowyte/internal/plan"
	"flowyte/internal/target"
	"flowyte/internal/target/postgres"
	"flowyte/internal/target/targettest"
)

// sleeping is a read that takes so long, with a time of its own.
func sleeping(takes string, timeout time.Duration) *plan.Plan {
	p := read(`SELECT pg_sleep(`+takes+`)::text WHERE $1::int4 = 1`, 1, 1, 1)
	p.TimeoutMs = int(timeout.Milliseconds())
	return p
}

// The server ends a read by itself when its time is up, and the session goes
// on, whatever the one before it was allowed.
func TestServerKnowsTheTimeOfARead(t *testing.T) {
	lanes(t, func(t *testing.T, db *dbtest.Database, creds *target.Credentials) {
		s := open(t, creds, target.ForReads)
		wrong := read(`SELECT 1 / ($1::int4 - 1)`, 1, 1, 1)
		wrong.TimeoutMs = 2000
		for i, step := range []struct {
			plan *plan.Plan
			want fault.Code
		}{
			{sleeping("60", 200*time.Millisecond), fault.DatabaseTimeout},
			{sleeping("0", 200*time.Millisecond), ""},
			{sleeping("0.4", time.Second), ""},                            // prepared while the limit is 200 ms
			{sleeping("60", 200*time.Millisecond), fault.DatabaseTimeout}, // takes its limit along
			{sleeping("60", 200*time.Millisecond), fault.DatabaseTimeout},
			{wrong, fault.DatabaseError},
			{sleeping("0.4", 2*time.Second), ""},
			{sleeping("60", 200*time.Millisecond), fault.DatabaseTimeout},
		} {
			begun := time.Now()
			err := s.Run(t.Context(), step.plan, targettest.Text("1"), targettest.Discard{})
			took := time.Since(begun)
			if step.want == "" && err != nil || step.want != "" && !fault.Is(err, step.want) {
				t.Errorf("step %d: %v after %v", i, err, took)
			}
			if step.want == fault.DatabaseTimeout && (took < 200*time.Millisecond || took > 200*time.Millisecond+slack) {
				t.Errorf("step %d ended after %v", i, took)
			}
			if s.Broken() {
				t.Fatalf("step %d broke the session", i)
			}
		}
		must(t, s.Run(t.Context(), sleeping("0", 200*time.Millisecond), targettest.Text("1"), targettest.Discard{}))
		must(t, s.Select(t.Context(), `SELECT pg_catalog.pg_sleep(0.4)::text`, nil, func([]any) error { return nil }))
		must(t, s.Run(t.Context(), sleeping("0", 200*time.Millisecond), targettest.Text("1"), targettest.Discard{}))
		_, err := s.Explain(t.Context(), sleeping("0.4", time.Second)) // rolls the limit back
		must(t, err)
		must(t, s.Run(t.Context(), sleeping("0.4", time.Second), targettest.Text("1"), targettest.Discard{}))
		must(t, s.Run(t.Context(), sleeping("0", 200*time.Millisecond), targettest.Text("1"), targettest.Discard{}))
		must(t, s.(*postgres.Session).Snapshot(t.Context(), func() error { return nil })) // keeps its own
		begun := time.Now()
		err = s.Run(t.Context(), sleeping("60", 200*time.Millisecond), targettest.Text("1"), targettest.Discard{})
		if took := time.Since(begun); !fault.Is(err, fault.DatabaseTimeout) || took > 200*time.Millisecond+slack {
			t.Errorf("after a snapshot: %v after %v", err, took)
		}
	})
}

// A statement whose preparation waits for a lock has its own time, and not that
// of the one before it.
func TestPreparingHasTheTimeOfTheRead(t *testing.T) {
	lanes(t, func(t *testing.T, db *dbtest.Database, creds *target.Credentials) {
		s := open(t, creds, target.ForReads)
		must(t, s.Run(t.Context(), sleeping("0", 100*time.Millisecond), targettest.Text("1"), targettest.Discard{}))
		locked := make(chan error, 1)
		go func() {
			locked <- db.Server.Exec(t.Context(), db.Name, `BEGIN; LOCK TABLE customers; SELECT pg_sleep(0.5); COMMIT`)
		}()
		targettest.Eventually(t, 5*time.Second, "locked", func() bool {
			return len(db.Query(t, `SELECT 1 FROM pg_locks WHERE relation = 'customers'::regclass AND mode = 'AccessExclusiveLock' AND granted`)) == 1
		})
		p := read(`SELECT count(*) FROM public.customers WHERE $1::int4 = 1`, 1, 1, 1)
		must(t, s.Run(t.Context(), p, targettest.Text("1"), targettest.Discard{}))
		must(t, <-locked)
	})
}

// A statement that the server ends in time costs no second connection to cancel
// it; one whose caller had less time is cancelled.
func TestCancelIsForTheServersFailure(t *testing.T) {
	for name, want := range map[string]int{"all the time": 1, "less time": 2} {
		t.Run(name, func(t *testing.T) {
			db := dbtest.Postgres(t)
			tap := targettest.NewTap(t, db.Server)
			creds := targettest.Credentials(t, db.Server, db.Name, reader(t, db))
			creds.Port = uint16(tap.Port)
			s, err := postgres.Driver{}.Open(t.Context(), targettest.Guard(t), creds, target.ForReads)
			must(t, err)
			const patience = 300 * time.Millisecond
			p := sleeping("60", patience)
			if want > 1 {
				p.TimeoutMs = 2000
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			begun := time.Now()
			if err := s.Run(ctx, p, targettest.Text("1"), targettest.Discard{}); !fault.Is(err, fault.DatabaseTimeout) {
				t.Error(err)
			}
			if took := time.Since(begun); took > patience+slack {
				t.Errorf("released after %v", took)
			}
			s.Close()
			if got := len(tap.Wires()); got != want {
				t.Errorf("%d connections, want %d", got, want)
			}
			if took := time.Since(begun); took > patience+100*time.Millisecond+slack {
				t.Errorf("gone after %v", took)
			}
		})
	}
}
