package apptest

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"flowyte/api"
	"flowyte/internal/dbtest"
)

// clockAt is a time on one day, as it is said and as it is answered.
func clockAt(clock string) string { return "2031-03-04T" + clock + ":00" }

// startsAt reads the time of the first appointment from the database.
func startsAt(t *testing.T, db *dbtest.Database) string {
	t.Helper()
	return db.Query(t, `SELECT starts_at FROM appointments WHERE id = 1`)[0][0][11:16]
}

// slowly makes every update of an appointment last.
func slowly(t *testing.T, db *dbtest.Database, seconds string) {
	t.Helper()
	if db.Kind == "mysql" {
		db.Exec(t, "CREATE TRIGGER slow BEFORE UPDATE ON appointments FOR EACH ROW DO SLEEP("+seconds+")")
		return
	}
	db.Exec(t, "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep("+seconds+"); RETURN NEW; END $$")
	db.Exec(t, "CREATE TRIGGER slow BEFORE UPDATE ON appointments FOR EACH ROW EXECUTE FUNCTION slow()")
}

// TestMovedToThreeAndBack: an appointment moved to three, back to two and to
// three again in one conversation ends at three; asked again it stays as it is.
func TestMovedToThreeAndBack(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		d := published(t, db)
		conv := d.known(t)
		for i, clock := range []string{"15:00", "14:00", "15:00"} {
			a, err := d.move(t, conv, strconv.Itoa(i), "1", clockAt(clock))
			if err != nil || a.Outcome != api.OutcomeOK || a.Replayed || string(a.Result) != `{"updated":1}` {
				t.Fatalf("to %s: %+v, %v", clock, a, err)
			}
			if got := startsAt(t, db); got != clock {
				t.Errorf("moved to %s it is at %s", clock, got)
			}
		}
		db.Exec(t, `UPDATE appointments SET starts_at = '2031-03-04 09:00:00' WHERE id = 1`)
		a, err := d.move(t, conv, "again", "1", clockAt("15:00"))
		if err != nil || a.Outcome != api.OutcomeOK || !a.Replayed || startsAt(t, db) != "09:00" {
			t.Errorf("asked again: %+v, %v; it is at %s", a, err, startsAt(t, db))
		}
	})
}

// TestSlowWriteIsNoSecondBooking: the caller is released within the deadline, and
// however often the agent asks meanwhile, under whichever id, the write is made
// once and its outcome told.
func TestSlowWriteIsNoSecondBooking(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		d := published(t, db)
		slowly(t, db, "2.5")
		conv := d.known(t)
		began := time.Now()
		a, err := d.move(t, conv, "1", "1", clockAt("15:00"))
		if err != nil || a.Outcome != api.OutcomePending || a.RetryAfterMs == nil || a.Say == nil {
			t.Fatalf("the slow write: %+v, %v", a, err)
		}
		if took := time.Since(began); took > 1250*time.Millisecond+time.Second/4 {
			t.Errorf("the caller was released after %v", took)
		}
		var all sync.WaitGroup
		for i := range 4 {
			all.Go(func() {
				a, err := d.move(t, conv, strconv.Itoa(i%3+1), "1", clockAt("15:00"))
				if err != nil || a.Outcome != api.OutcomePending && a.Outcome != api.OutcomeOK {
					t.Errorf("asked again: %+v, %v", a, err)
				}
			})
		}
		all.Wait()
		for _, call := range []string{"1", "2", "3"} {
			eventually(t, "the outcome of the slow write", func() bool {
				a, err := d.Client().ToolCall(t.Context(), conv, call)
				return err == nil && a.Outcome == api.OutcomeOK && a.Replayed && a.ToolCallID == call
			})
		}
		if writes := journal(t, d.Data); len(writes) != 1 || writes[0].State != "committed" {
			t.Errorf("the journal has %+v", writes)
		}
		if got := startsAt(t, db); got != "15:00" {
			t.Errorf("it is at %s", got)
		}
	})
}

// TestStopWithAWriteUnderWay is F19: the process waits for it, and after the
// restart its outcome is known.
func TestStopWithAWriteUnderWay(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		d := published(t, db)
		slowly(t, db, "2.5")
		conv := d.known(t)
		a, err := d.move(t, conv, "1", "1", clockAt("15:00"))
		if err != nil || a.Outcome != api.OutcomePending {
			t.Fatalf("the slow write: %+v, %v", a, err)
		}
		began := time.Now()
		d.reopen(t)
		if took := time.Since(began); took > 6*time.Second {
			t.Errorf("the stop took %v", took)
		}
		if got := startsAt(t, db); got != "15:00" {
			t.Errorf("half a write: it is at %s", got)
		}
		d.verify(t, conv)
		if a, err = d.move(t, conv, "1", "1", clockAt("15:00")); err != nil || a.Outcome != api.OutcomeOK || !a.Replayed {
			t.Errorf("after the restart: %+v, %v", a, err)
		}
	})
}

// TestWriteThatMayNotLast: what is not done after five seconds is rolled back.
func TestWriteThatMayNotLast(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		d := published(t, db)
		slowly(t, db, "9")
		conv := d.known(t)
		before := startsAt(t, db)
		began := time.Now()
		if a, err := d.move(t, conv, "1", "1", clockAt("16:00")); err != nil || a.Outcome != api.OutcomePending {
			t.Fatalf("the slow write: %+v, %v", a, err)
		}
		eventually(t, "its failure", func() bool {
			a, err := d.Client().ToolCall(t.Context(), conv, "1")
			return err == nil && a.Outcome == api.OutcomeFailed
		})
		if took := time.Since(began); took > 6*time.Second {
			t.Errorf("known after %v", took)
		}
		if got := startsAt(t, db); got != before {
			t.Errorf("it is at %s, and was said to have failed", got)
		}
	})
}
