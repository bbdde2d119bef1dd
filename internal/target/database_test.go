package target_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/plan"
	"flowyte/internal/target"
)

func TestRun(t *testing.T) {
	d := &driver{
		open: func(context.Context, target.Purpose) error { <-time.After(30 * time.Millisecond); return nil },
		run: func(_ context.Context, _ *session, sink target.RowSink) error {
			<-time.After(5 * time.Millisecond)
			return errors.Join(sink.Row(nil), sink.Row(nil))
		},
	}
	one(t, target.Options{}, d, func(t *testing.T, db *target.Database) {
		for i, wait := range []time.Duration{30 * time.Millisecond, 0} {
			var got rows
			stats, err := db.Run(within(t, time.Second), aPlan, nil, &got)
			if err != nil || got.n != 2 || stats != (target.Stats{Wait: wait, DB: 5 * time.Millisecond}) {
				t.Errorf("call %d: %v, %d rows, %+v", i, err, got.n, stats)
			}
		}
		if d.tries() != 1 {
			t.Errorf("%d sessions", d.tries())
		}
	})
}

func TestRunForAnotherDatabase(t *testing.T) {
	d := &driver{run: func(context.Context, *session, target.RowSink) error {
		t.Error("the statement was run")
		return nil
	}}
	one(t, target.Options{}, d, func(t *testing.T, db *target.Database) {
		_, err := db.Run(within(t, time.Second), &plan.Plan{Action: plan.Read, Identity: "elsewhere"}, nil, &rows{})
		wantCode(t, err, fault.IdentityChanged)
		if d.living() != 1 {
			t.Error("the session was dropped")
		}
	})
}

// Sessions that lead elsewhere are given up after a second, dead or alive, so
// that a database that is back is found.
func TestRunFindsTheDatabaseAgain(t *testing.T) {
	d := &driver{identity: "elsewhere"}
	one(t, target.Options{}, d, func(t *testing.T, db *target.Database) {
		for range 3 {
			wantCode(t, ask(t, db), fault.IdentityChanged)
		}
		if d.tries() != 1 {
			t.Errorf("%d sessions within a second", d.tries())
		}
		d.identity = ""
		pass(time.Second + time.Millisecond)
		wantCode(t, ask(t, db), fault.IdentityChanged)
		synctest.Wait()
		wantCode(t, ask(t, db), "")
	})
}

// After a restart of the database every pooled session is dead. The next call
// succeeds all the same, on a new one.
func TestRunAfterRestart(t *testing.T) {
	var dead sync.Map
	d := &driver{run: func(_ context.Context, s *session, sink target.RowSink) error {
		if _, isDead := dead.Load(s); isDead {
			return s.lose()
		}
		<-time.After(time.Millisecond)
		return sink.Row(nil)
	}}
	one(t, target.Options{}, d, func(t *testing.T, db *target.Database) {
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() { wantCode(t, ask(t, db), "") })
		}
		all.Wait()
		for _, s := range d.opened {
			dead.Store(s, true)
		}
		var got rows
		_, err := db.Run(within(t, time.Second), aPlan, nil, &got)
		wantCode(t, err, "")
		synctest.Wait()
		if got.n != 1 || d.living() != 1 || d.tries() != 6 {
			t.Errorf("%d rows, %d sessions of %d", got.n, d.living(), d.tries())
		}
	})
}

func TestRunIsRepeatedOnce(t *testing.T) {
	runs := 0
	lost := func(rowsBefore int) func(context.Context, *session, target.RowSink) error {
		return func(_ context.Context, s *session, sink target.RowSink) error {
			runs++
			for range rowsBefore {
				_ = sink.Row(nil)
			}
			return s.lose()
		}
	}
	for name, test := range map[string]struct {
		run  func(context.Context, *session, target.RowSink) error
		want fault.Code
		runs int
	}{
		"lost each time":   {lost(0), fault.ConnectionLost, 2},
		"after a row":      {lost(1), fault.ConnectionLost, 1},
		"another failure":  {func(context.Context, *session, target.RowSink) error { runs++; return fault.New(fault.SchemaDrift) }, fault.SchemaDrift, 1},
		"no time for more": {func(ctx context.Context, s *session, _ target.RowSink) error { runs++; <-ctx.Done(); return s.lose() }, fault.ConnectionLost, 1},
	} {
		runs = 0
		one(t, target.Options{}, &driver{run: test.run}, func(t *testing.T, db *target.Database) {
			wantCode(t, ask(t, db), test.want)
			if runs != test.runs {
				t.Errorf("%s: run %d times", name, runs)
			}
		})
	}
}

// stuck keeps every statement until its caller gives up.
func stuck(ctx context.Context, s *session, _ target.RowSink) error {
	<-ctx.Done()
	s.broken = true
	return fault.New(fault.DatabaseTimeout)
}

func TestBusyPool(t *testing.T) {
	d := &driver{}
	one(t, target.Options{Reads: 2}, d, func(t *testing.T, db *target.Database) {
		release := d.hold()
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() { wantCode(t, ask(t, db), "") })
		}
		synctest.Wait()
		begun := time.Now()
		_, err := db.Run(within(t, 300*time.Millisecond), aPlan, nil, &rows{})
		wantCode(t, err, fault.DatabaseBusy)
		if f, _ := fault.As(err); f.RetryAfter <= 0 {
			t.Error("busy does not say when to come back")
		}
		if took := time.Since(begun); took != 300*time.Millisecond {
			t.Errorf("waited %v", took)
		}
		// Who waits gets the session that becomes free.
		all.Go(func() { wantCode(t, ask(t, db), "") })
		synctest.Wait()
		close(release)
		all.Wait()
		if d.tries() != 2 {
			t.Errorf("%d sessions for a pool of two", d.tries())
		}
	})
}

// Who waits for a session sends his statement before the one who gave it back
// goes on to write an answer. The machine may interrupt anybody at any place, so
// what is usual counts.
func TestFreedSessionIsUsedAtOnce(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // so that only one of them can go on
	const tries = 20
	d, usual := &driver{}, 0
	one(t, target.Options{Reads: 1}, d, func(t *testing.T, db *target.Database) {
		for range tries {
			var mu sync.Mutex
			var order []string
			note := func(what string) { mu.Lock(); defer mu.Unlock(); order = append(order, what) }
			d.run = func(_ context.Context, _ *session, sink target.RowSink) error {
				note("sent")
				<-time.After(time.Millisecond)
				return sink.Row(nil)
			}
			var all sync.WaitGroup
			for range 3 {
				all.Go(func() {
					wantCode(t, ask(t, db), "")
					note("answered")
				})
			}
			all.Wait()
			if slices.Equal(order, []string{"sent", "sent", "answered", "sent", "answered", "answered"}) {
				usual++
			}
		}
	})
	if usual < tries/2 {
		t.Errorf("only %d of %d times", usual, tries)
	}
}

func TestSlowToOpen(t *testing.T) {
	d := &driver{open: func(context.Context, target.Purpose) error { <-time.After(500 * time.Millisecond); return nil }}
	one(t, target.Options{}, d, func(t *testing.T, db *target.Database) {
		_, err := db.Run(within(t, 100*time.Millisecond), aPlan, nil, &rows{})
		wantCode(t, err, fault.DatabaseTimeout)
		pass(time.Second)
		if wantCode(t, ask(t, db), ""); d.tries() != 1 {
			t.Error("the session that came late was not kept")
		}
	})
}

// Two timeouts in a row mean that the idle sessions may lead nowhere, too.
func TestTimeoutsEmptyThePool(t *testing.T) {
	frozen := false
	var slow sync.WaitGroup
	d := &driver{}
	d.run = func(ctx context.Context, s *session, sink target.RowSink) error {
		if frozen {
			return stuck(ctx, s, sink)
		}
		<-time.After(time.Millisecond)
		return sink.Row(nil)
	}
	one(t, target.Options{}, d, func(t *testing.T, db *target.Database) {
		for range 4 {
			slow.Go(func() { wantCode(t, ask(t, db), "") })
		}
		slow.Wait()
		frozen = true
		wantCode(t, ask(t, db), fault.DatabaseTimeout)
		synctest.Wait()
		if d.living() != 3 {
			t.Errorf("%d sessions after one timeout", d.living())
		}
		wantCode(t, ask(t, db), fault.DatabaseTimeout)
		synctest.Wait()
		if d.living() != 0 {
			t.Errorf("%d sessions after two", d.living())
		}
		frozen = false
		wantCode(t, ask(t, db), "")
	})
}

// A server that ends a statement itself is alive.
func TestReportedTimeoutsKeepThePool(t *testing.T) {
	d := &driver{run: func(context.Context, *session, target.RowSink) error { return fault.New(fault.DatabaseTimeout) }}
	one(t, target.Options{}, d, func(t *testing.T, db *target.Database) {
		for range 5 {
			wantCode(t, ask(t, db), fault.DatabaseTimeout)
		}
		if d.tries() != 1 {
			t.Errorf("%d sessions", d.tries())
		}
	})
}

// A panic anywhere in the driver costs its session and nothing else, however
// often.
func TestPanics(t *testing.T) {
	hostile := atomic.Bool{}
	hostile.Store(true)
	boom := func() {
		if hostile.Load() {
			panic("runtime error: index out of range")
		}
	}
	drivers := map[string]*driver{
		"open": {open: func(context.Context, target.Purpose) error { boom(); return nil }},
		"run":  {run: func(_ context.Context, _ *session, sink target.RowSink) error { boom(); return sink.Row(nil) }},
	}
	for name, d := range drivers {
		hostile.Store(true)
		one(t, target.Options{Reads: 1}, d, func(t *testing.T, db *target.Database) {
			for range 100 {
				var all sync.WaitGroup
				for range 4 {
					all.Go(func() { wantCode(t, ask(t, db), fault.ProtocolError) })
				}
				all.Wait()
				pass(2 * time.Second) // the gate's pause
			}
			hostile.Store(false)
			wantCode(t, ask(t, db), "")
			if d.living() != 1 {
				t.Errorf("%s: %d sessions", name, d.living())
			}
		})
	}
}

func TestPanicInClose(t *testing.T) {
	d := &driver{closePanic: true}
	one(t, target.Options{Reads: 1, Total: 1}, d, func(t *testing.T, db *target.Database) {
		for range 3 {
			wantCode(t, ask(t, db), "")
			// The permit of the session that panicked must be free again.
			err := db.WithSession(t.Context(), target.ForCatalog, func(target.Session) error { return nil })
			wantCode(t, err, "")
		}
	})
}

func TestWithSession(t *testing.T) {
	d := &driver{}
	one(t, target.Options{}, d, func(t *testing.T, db *target.Database) {
		wantCode(t, ask(t, db), "")
		if d.tries() != 1 {
			t.Fatal("something was opened that nobody asked for")
		}
		for _, purpose := range []target.Purpose{target.ForReads, target.ForWrites, target.ForCatalog} {
			for range 2 {
				err := db.WithSession(t.Context(), purpose, func(s target.Session) error {
					if got := s.(*session).purpose; got != purpose {
						t.Errorf("a session for %s instead of %s", got, purpose)
					}
					return nil
				})
				wantCode(t, err, "")
			}
		}
		// Reads and writes are pooled, the catalogue's two are closed again.
		synctest.Wait()
		if d.tries() != 4 || d.living() != 2 {
			t.Errorf("%d sessions, %d living", d.tries(), d.living())
		}
		err := db.WithSession(t.Context(), target.ForWrites, func(target.Session) error { panic("hostile") })
		wantCode(t, err, fault.ProtocolError)
		synctest.Wait()
		if d.living() != 1 {
			t.Error("a session that panicked lives on")
		}
		own := errors.New("own")
		if err := db.WithSession(t.Context(), target.ForReads, func(target.Session) error { return own }); err != own {
			t.Error(err)
		}
	})
}

func TestWarm(t *testing.T) {
	d := &driver{}
	one(t, target.Options{Reads: 3}, d, func(t *testing.T, db *target.Database) {
		for _, n := range []int{2, 2, 9} {
			if err := db.Warm(t.Context(), n); err != nil {
				t.Fatal(err)
			}
		}
		if d.living() != 3 {
			t.Errorf("%d sessions", d.living())
		}
	})
	d = &driver{open: func(context.Context, target.Purpose) error { return fault.New(fault.Unreachable) }}
	one(t, target.Options{Reads: 3}, d, func(t *testing.T, db *target.Database) {
		wantCode(t, db.Warm(t.Context(), 3), fault.Unreachable)
	})
}

// Close waits for the calls in flight, and whoever comes later is told.
func TestClose(t *testing.T) {
	d := &driver{}
	one(t, target.Options{}, d, func(t *testing.T, db *target.Database) {
		release := d.hold()
		go func() { wantCode(t, ask(t, db), "") }()
		synctest.Wait()
		closed := make(chan struct{})
		go func() { db.Close(); close(closed) }()
		synctest.Wait()
		select {
		case <-closed:
			t.Fatal("closed under a running statement")
		default:
		}
		wantCode(t, ask(t, db), fault.NotConnected)
		for _, purpose := range []target.Purpose{target.ForWrites, target.ForCatalog} {
			err := db.WithSession(t.Context(), purpose, func(target.Session) error { return nil })
			wantCode(t, err, fault.NotConnected)
		}
		close(release)
		<-closed
		if d.living() != 0 {
			t.Errorf("%d sessions live on", d.living())
		}
		db.Close()
	})
}

// What is only being opened, or used outside the pools, does not hold Close up.
func TestCloseInterrupts(t *testing.T) {
	d := &driver{open: func(ctx context.Context, p target.Purpose) error {
		if p == target.ForReads {
			<-ctx.Done()
			return fault.Wrap(fault.DatabaseTimeout, ctx.Err())
		}
		return nil
	}}
	one(t, target.Options{}, d, func(t *testing.T, db *target.Database) {
		go func() { _ = ask(t, db) }()
		synctest.Wait()
		begun := time.Now()
		db.Close()
		if took := time.Since(begun); took > 0 {
			t.Errorf("took %v", took)
		}
	})
}

func TestRunAllocates(t *testing.T) {
	f := target.NewFleet(nil, target.Options{})
	defer f.Shutdown()
	row := [][]byte{nil}
	d := &driver{run: func(_ context.Context, _ *session, sink target.RowSink) error { return sink.Row(row) }}
	db := f.Open("con_1", firstOrg, d, someone())
	ctx := within(t, time.Minute)
	sink := &rows{}
	run := func() {
		if _, err := db.Run(ctx, aPlan, nil, sink); err != nil {
			t.Fatal(err)
		}
	}
	run()
	const most = 2
	if got := testing.AllocsPerRun(1000, run); got > most {
		t.Errorf("%v allocations a call beside the session's, at most %d are allowed", got, most)
	}
}
