package target_test

import (
	"context"
	"errors"
	"testing"

	"flowyte/internal/fault"
	"flowyte/internal/plan"
	"flowyte/internal/target"
)

var aWrite = &plan.Plan{Action: plan.Insert, Identity: "here"}

// Write implements target.Session.
func (s *session) Write(ctx context.Context, _ *plan.Plan, _ []target.Value, sink target.RowSink, executed func(target.Evidence) error) error {
	if s.driver.write != nil {
		if err := s.driver.write(ctx, s); err != nil {
			return err
		}
	}
	if err := sink.Row(nil); err != nil {
		return err
	}
	return executed(target.Evidence{Identity: s.identity})
}

// Resolve implements target.Session.
func (s *session) Resolve(context.Context, *plan.Plan, target.Evidence) (target.Fate, error) {
	return target.FateCommitted, nil
}

func nothing(target.Evidence) error { return nil }

// TestLostWriterIsReplacedOnce: a session that died before COMMIT was sent is
// replaced, once; after any other end nothing is sent again.
func TestLostWriterIsReplacedOnce(t *testing.T) {
	for code, attempts := range map[fault.Code]int{
		fault.ConnectionLost: 2, fault.CommitUnknown: 1, fault.DatabaseTimeout: 1, fault.RowLocked: 1, fault.ProtocolError: 1,
	} {
		t.Run(string(code), func(t *testing.T) {
			tries := 0
			d := &driver{write: func(context.Context, *session) error { tries++; return fault.New(code) }}
			one(t, target.Options{}, d, func(t *testing.T, db *target.Database) {
				_, err := db.Write(t.Context(), aWrite, nil, &rows{}, nothing)
				wantCode(t, err, code)
			})
			if tries != attempts {
				t.Errorf("%d attempts instead of %d", tries, attempts)
			}
		})
	}
	lost := false
	d := &driver{write: func(_ context.Context, s *session) error {
		if lost {
			return nil
		}
		lost = true
		return s.lose()
	}}
	one(t, target.Options{}, d, func(t *testing.T, db *target.Database) {
		if _, err := db.Write(t.Context(), aWrite, nil, &rows{}, nothing); err != nil {
			t.Errorf("a lost session was not replaced: %v", err)
		}
	})
}

// TestWriteAfterItsTime: nothing is tried again when the caller has left.
func TestWriteAfterItsTime(t *testing.T) {
	tries := 0
	ctx, cancel := context.WithCancel(t.Context())
	d := &driver{write: func(_ context.Context, s *session) error { tries++; cancel(); return s.lose() }}
	one(t, target.Options{}, d, func(t *testing.T, db *target.Database) {
		_, err := db.Write(ctx, aWrite, nil, &rows{}, nothing)
		wantCode(t, err, fault.ConnectionLost)
	})
	if tries != 1 {
		t.Errorf("%d attempts", tries)
	}
}

// TestOwnErrorsOfWrites: what sink and executed return is not taken for the
// session's, and a trial ends before its COMMIT.
func TestOwnErrorsOfWrites(t *testing.T) {
	one(t, target.Options{}, &driver{}, func(t *testing.T, db *target.Database) {
		own, calls := fault.New(fault.ConnectionLost), 0
		refuse := func(target.Evidence) error { calls++; return own }
		if _, err := db.Write(t.Context(), aWrite, nil, &rows{}, refuse); err != error(own) || calls != 1 {
			t.Errorf("%v after %d calls", err, calls)
		}
		if _, err := db.Write(t.Context(), aWrite, nil, sinkOf(func() error { calls++; return own }), nothing); err != error(own) || calls != 2 {
			t.Errorf("%v after %d calls", err, calls)
		}
		if _, err := db.Trial(t.Context(), aWrite, nil, &rows{}); err != nil {
			t.Errorf("a trial ends in %v", err)
		}
		failed := errors.New("full")
		if _, err := db.Trial(t.Context(), aWrite, nil, sinkOf(func() error { return failed })); !errors.Is(err, failed) {
			t.Errorf("a trial that fails ends in %v", err)
		}
	})
}

// sinkOf makes a sink of a function.
type sinkOf func() error

func (f sinkOf) Row([][]byte) error { return f() }

// TestWriteElsewhere: a plan of another database is not run, and evidence of
// another database is not asked for.
func TestWriteElsewhere(t *testing.T) {
	d := &driver{identity: "there"}
	one(t, target.Options{}, d, func(t *testing.T, db *target.Database) {
		_, err := db.Write(t.Context(), aWrite, nil, &rows{}, nothing)
		wantCode(t, err, fault.IdentityChanged)
		for identity, want := range map[string]target.Fate{"here": target.FateUnknown, "there": target.FateCommitted} {
			if fate, err := db.Resolve(t.Context(), aWrite, target.Evidence{Identity: identity}); err != nil || fate != want {
				t.Errorf("%s: %s, %v", identity, fate, err)
			}
		}
	})
}
