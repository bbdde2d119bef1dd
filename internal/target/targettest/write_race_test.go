package targettest

import (
	"context"
	"sync"
	"testing"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/schema"
	"flowyte/internal/target"
)

// levels are the isolation levels that a role or server may have by default.
var levels = []string{"READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"}

// isolate makes a level the default of what the product's user opens next.
func (w *way) isolate(t *testing.T, level string) {
	t.Helper()
	if w.kind() == schema.Postgres {
		w.db.Exec(t, "ALTER ROLE "+w.login.User+" SET default_transaction_isolation = '"+level+"'")
	} else {
		w.db.Exec(t, "SET GLOBAL TRANSACTION ISOLATION LEVEL "+level)
		t.Cleanup(func() {
			if err := w.db.Server.Exec(context.Background(), "", "SET GLOBAL TRANSACTION ISOLATION LEVEL REPEATABLE READ"); err != nil {
				t.Error(err)
			}
		})
	}
	w.kill(t)
	w.connect(t, w.port)
}

// TestRacingWrites: two identical inserts give one row, and two updates of one
// row come one after the other, whatever the level of isolation is by default:
// the second one is at work while the first has not committed.
func TestRacingWrites(t *testing.T) {
	for _, level := range levels {
		t.Run(level, func(t *testing.T) {
			eachWay(t, func(t *testing.T, w *way) {
				w.isolate(t, level)
				first, second := w.race(t, func(k *kept) error { return w.write(t, w.insert, book("A", "1", "2", "x"), k) },
					func(k *kept) error { return w.write(t, w.insert, book("A", "2", "3", "z"), k) })
				succeed(t, first)
				wantCode(t, second, fault.AlreadyExists)
				w.wantRows(t, "A 1 2 x")
				first, second = w.race(t, func(k *kept) error { return w.write(t, w.update, w.note("three", "A"), k) },
					func(k *kept) error { return w.write(t, w.update, w.note("two", "A"), k) })
				succeed(t, first)
				succeed(t, second)
				w.wantRows(t, "A 1 2 two")
			})
		})
	}
}

// race begins the second write when the first has its row, and lets the first
// commit when the second waits for it.
func (w *way) race(t *testing.T, first, second func(k *kept) error) (one, two error) {
	t.Helper()
	var both sync.WaitGroup
	one = first(&kept{before: func() error {
		both.Go(func() { two = second(&kept{}) })
		return w.await(func() bool { return w.waiting(t) })
	}})
	both.Wait()
	return one, two
}

// TestLockedRow: a row that another transaction holds is given up after the
// lock limit, which MySQL's servers count in whole seconds.
func TestLockedRow(t *testing.T) {
	eachWay(t, func(t *testing.T, w *way) {
		succeed(t, w.write(t, w.insert, book("A", "1", "2", "x"), &kept{}))
		rival := w.rival(t)
		rival.do(t, "BEGIN", "UPDATE slots SET note = 'rival'")
		const late = 250 * time.Millisecond
		limit := 500 * time.Millisecond
		if w.kind() == schema.MySQL {
			limit = time.Second
		}
		for _, write := range []func() error{
			func() error { return w.write(t, w.update, w.note("y", "A"), &kept{}) },
			func() error { return w.write(t, w.insert, book("A", "1", "1", "y"), &kept{}) },
		} {
			var took time.Duration
			for range 4 { // a busy machine gets several tries
				begun := time.Now()
				err := write()
				if took = time.Since(begun); fault.Is(err, fault.AlreadyExists) {
					break // the index entry is decided although the row is not
				}
				wantCode(t, err, fault.RowLocked)
				if took <= limit+late*slowdown {
					break
				}
			}
			if took > limit+late*slowdown {
				t.Errorf("given up after %v", took)
			}
		}
		rival.do(t, "COMMIT")
		w.wantRows(t, "A 1 2 rival")
	})
}

// TestExpiredWrite: when the caller's time is up the write is stopped on the
// server, and does not happen later.
func TestExpiredWrite(t *testing.T) {
	eachWay(t, func(t *testing.T, w *way) {
		succeed(t, w.write(t, w.insert, book("A", "1", "2", "x"), &kept{}))
		rival := w.rival(t)
		rival.do(t, "BEGIN", "UPDATE slots SET note = 'rival'")
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		var k kept
		_, err := w.Write(ctx, w.update, w.note("y", "A"), Discard{}, k.executed)
		wantCode(t, err, fault.DatabaseTimeout)
		w.quiet(t)
		rival.do(t, "COMMIT")
		w.wantRows(t, "A 1 2 rival")

		// Time may also run out between the statement and its COMMIT.
		ctx, cancel = context.WithCancel(t.Context())
		k.before = func() error { cancel(); return nil }
		_, err = w.Write(ctx, w.update, w.note("y", "A"), Discard{}, k.executed)
		wantCode(t, err, fault.DatabaseTimeout)
		w.quiet(t)
		w.wantRows(t, "A 1 2 rival")
		if len(k.evidence) != 1 || w.fate(t, w.update, k.last(t)) != target.FateRolledBack {
			t.Errorf("%d pieces of evidence", len(k.evidence))
		}
	})
}

// TestIdleTransaction: a transaction in which nothing happens is ended by the
// server, and the COMMIT that comes too late commits nothing.
func TestIdleTransaction(t *testing.T) {
	eachWay(t, func(t *testing.T, w *way) {
		begun := time.Time{}
		k := kept{before: func() error {
			begun = time.Now()
			if err := w.await(func() bool { return w.busy(t) == "0" }); err != nil {
				return err
			}
			if took := time.Since(begun); took > 2*time.Second+500*time.Millisecond*slowdown {
				t.Errorf("ended after %v", took)
			}
			return nil
		}}
		ctx, cancel := context.WithTimeout(t.Context(), 2*writeLimit)
		defer cancel()
		_, err := w.Write(ctx, w.insert, book("A", "1", "2", "x"), Discard{}, k.executed)
		if !fault.Is(err, fault.DatabaseTimeout) && !fault.Is(err, fault.CommitUnknown) {
			t.Errorf("%v (%v)", err, fault.Cause(err))
		}
		w.wantRows(t)
		if fate := w.fate(t, w.insert, k.last(t)); fate != target.FateRolledBack {
			t.Errorf("it is said to be %s", fate)
		}
	})
}

// TestKilledWriters: sessions that died while idle are replaced, and no write
// fails or happens twice.
func TestKilledWriters(t *testing.T) {
	eachWay(t, func(t *testing.T, w *way) {
		succeed(t, w.write(t, w.insert, book("A", "1", "2", "x"), &kept{}))
		for _, note := range []string{"a", "b", "c"} {
			w.kill(t)
			succeed(t, w.write(t, w.update, w.note(note, "A"), &kept{}))
			w.wantRows(t, "A 1 2 "+note)
		}
		// Also when the connection ends between the statement and its COMMIT,
		// but then the end shows in the COMMIT and somebody has to ask.
		k := kept{before: func() error { w.kill(t); return nil }}
		err := w.write(t, w.update, w.note("d", "A"), &k)
		if err == nil || len(k.evidence) != 1 {
			t.Errorf("%v after %d attempts", err, len(k.evidence))
		}
		if fate := w.fate(t, w.update, k.last(t)); fate != target.FateRolledBack {
			t.Errorf("it is said to be %s", fate)
		}
		w.wantRows(t, "A 1 2 c")
	})
}
