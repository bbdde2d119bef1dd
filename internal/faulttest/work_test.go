package faulttest

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"flowyte/api"
	"flowyte/internal/dbtest"
)

// rowsOf are the rows of an ok answer.
func rowsOf(t testing.TB, a api.ToolCallAnswer) []map[string]any {
	t.Helper()
	var result struct {
		Rows      []map[string]any
		RowCount  int
		Truncated bool
	}
	if err := json.Unmarshal(a.Result, &result); err != nil {
		t.Fatalf("%v in %s", err, a.Result)
	}
	return result.Rows
}

// lock holds the appointments so that nobody can read them, for twelve seconds
// or until it is told to let go.
func lock(t *testing.T, db *dbtest.Database) (release func()) {
	t.Helper()
	sql, end := `BEGIN; LOCK TABLE appointments IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(12) /* lock */; COMMIT`,
		`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%/* lock */%' AND pid <> pg_backend_pid()`
	held := `SELECT count(*) FROM pg_locks WHERE relation = 'appointments'::regclass AND mode = 'AccessExclusiveLock' AND granted`
	if db.Kind == "mysql" {
		sql, end = `LOCK TABLES appointments WRITE; SELECT SLEEP(12) /* lock */; UNLOCK TABLES`, ""
		held = `SELECT count(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE '%SLEEP(12) /* lock */' AND ID <> CONNECTION_ID()`
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = db.Server.Exec(ctx, db.Name, sql) // it is broken off
	}()
	within(t, 5*time.Second, "locked", func() bool { return db.Query(t, held)[0][0] == "1" })
	return sync.OnceFunc(func() {
		switch {
		case !db.Server.Running():
		case end != "":
			db.Exec(t, end)
		default:
			for _, row := range db.Query(t, `SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE '%SLEEP(12) /* lock */' AND ID <> CONNECTION_ID()`) {
				db.Exec(t, `KILL `+row[0])
			}
		}
		cancel()
		<-done
	})
}

// within waits until something holds, and tells when that was seen.
func within(t testing.TB, limit time.Duration, what string, holds func() bool) time.Duration {
	t.Helper()
	begun := time.Now()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		held := holds()
		took := time.Since(begun)
		if held {
			return took
		}
		if took > limit {
			t.Fatalf("after %v: still not %s", took, what)
		}
		<-tick.C
	}
}

// atWork counts the statements of the practice's user that the server is at.
func (p *practice) atWork(t testing.TB) bool {
	t.Helper()
	sql := `SELECT count(*) FROM pg_stat_activity WHERE usename = '` + p.Login.User + `' AND state = 'active'`
	if p.Kind == "mysql" {
		sql = `SELECT count(*) FROM information_schema.PROCESSLIST WHERE USER = '` + p.Login.User + `' AND COMMAND IN ('Query', 'Execute')`
	}
	return p.DB.Query(t, sql)[0][0] != "0"
}

// workGone is within how long after the answer the server has ended the work.
var workGone = map[string]time.Duration{"postgres": 100 * time.Millisecond, "mysql": 250 * time.Millisecond}

// TestLockedTable: somebody holds the table for twelve seconds. The caller
// hears at the deadline, the server is rid of the statement soon after, and
// all is well when the lock is gone. A busy machine gets several tries.
func TestLockedTable(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		p := behind(t, db)
		const tries = 4
		release := lock(t, db)
		t.Cleanup(release)
		var took, gone time.Duration
		for range tries {
			var a api.ToolCallAnswer
			a, took = p.ask(t)
			gone = within(t, 2*time.Second, "gone from the server", func() bool { return !p.atWork(t) })
			wantOutcome(t, a, api.OutcomeTimedOut, "deadline")
			if took <= deadline+slack && gone <= workGone[p.Kind] {
				break
			}
		}
		t.Logf("answered after %v, the work was gone %v later", took, gone)
		if took < deadline-10*time.Millisecond || took > deadline+slack || gone > workGone[p.Kind] {
			t.Errorf("%d times; the last time it was answered after %v, and the work gone %v later", tries, took, gone)
		}
		release()
		p.recovers(t)
	})
}

// TestFrozenDatabase: no byte comes from a server whose processes stand still.
func TestFrozenDatabase(t *testing.T) {
	owned(t, func(t *testing.T, db *dbtest.Database) {
		p := behind(t, db)
		if err := db.Server.Pause(); err != nil {
			t.Fatal(err)
		}
		defer db.Server.Resume()
		for range 3 {
			a, took := p.ask(t)
			if a.Outcome == api.OutcomeOK || took > deadline+slack {
				t.Errorf("%s after %v", a.Outcome, took)
			}
		}
		if err := db.Server.Resume(); err != nil {
			t.Fatal(err)
		}
		p.recovers(t)
	})
}

// fewRows are found by one look-up; with `make soak` it is a million.
const fewRows, manyRows = 200_000, 1_000_000

// everything are the rows, of which there are as many as %d says.
var everything = map[string][]string{
	"postgres": {
		`INSERT INTO appointments SELECT n, 2, '+12065550100', '2027-01-01', 'scheduled', repeat('x', 40) FROM generate_series(10, 9 + %d) n`,
		`ANALYZE appointments`,
	},
	"mysql": {
		`INSERT INTO appointments SELECT seq, 2, '+12065550100', '2027-01-01', 'scheduled', repeat('x', 40) FROM seq_1_to_2000000 WHERE seq BETWEEN 10 AND 9 + %d`,
		`ANALYZE TABLE appointments`,
	},
}

// TestEverything: a look-up that meets rows without end is answered in time with
// the few that an answer holds, and no more than those cross the wire.
func TestEverything(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		p := behind(t, db)
		n := fewRows
		if *soak > 0 {
			n = manyRows
		}
		fill := everything[p.Kind]
		db.Exec(t, fmt.Sprintf(fill[0], n), fill[1])
		before := p.proxy.Received()
		for range 3 {
			p.calls++
			begun := time.Now()
			a, err := p.Client().Call(t.Context(), p.conv, api.ToolCallRequest{
				ToolCallID: "everything-" + time.Duration(p.calls).String(), Tool: "look_up_an_appointment", Arguments: map[string]json.RawMessage{"caller_phone": json.RawMessage(`"+12065550100"`)},
			})
			took := time.Since(begun)
			if err != nil || took > deadline+slack {
				t.Errorf("after %v: %v", took, err)
			}
			t.Logf("%s in %v", a.Outcome, took)
			switch a.Outcome {
			case api.OutcomeOK:
				if rows := rowsOf(t, a); len(rows) == 0 || len(rows) > 50 || !strings.Contains(string(a.Result), `"truncated":true`) || len(a.Result) > 4<<10 {
					t.Errorf("%d rows, %d bytes: %s", len(rows), len(a.Result), a.Result)
				}
			case api.OutcomeTimedOut: // sorting them took too long
				within(t, 2*time.Second, "gone from the server", func() bool { return !p.atWork(t) })
			default:
				t.Errorf("the answer is %s", a.Outcome)
			}
		}
		if n := p.proxy.Received() - before; n > 256<<10 {
			t.Errorf("%d bytes came from the server", n)
		}
		p.recovers(t)
	})
}

// TestRestartMidCall: the server dies under a call. It is answered in its time,
// and so are those that come before the server is back.
func TestRestartMidCall(t *testing.T) {
	owned(t, func(t *testing.T, db *dbtest.Database) {
		p := behind(t, db)
		release := lock(t, db)
		defer release()
		answer := make(chan api.ToolCallAnswer, 1)
		begun := time.Now()
		go func() {
			a, _ := p.Client().Call(t.Context(), p.conv, api.ToolCallRequest{ToolCallID: "under way", Tool: "look_up_an_appointment"})
			answer <- a
		}()
		within(t, 5*time.Second, "at work", func() bool { return p.atWork(t) })
		if err := db.Server.Kill(); err != nil {
			t.Fatal(err)
		}
		a := <-answer
		if took := time.Since(begun); a.Outcome != api.OutcomeUnavailable || took > deadline+slack {
			t.Errorf("the call under way: %s after %v", a.Outcome, took)
		}
		for range 5 {
			if a, took := p.ask(t); a.Outcome != api.OutcomeUnavailable || took > deadline+slack {
				t.Errorf("with the server down: %s after %v", a.Outcome, took)
			}
		}
		if err := db.Server.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.recovers(t)
	})
}

// TestIdleRestart is F01: the pool's sessions died while nobody used them, and
// the next call does not notice.
func TestIdleRestart(t *testing.T) {
	owned(t, func(t *testing.T, db *dbtest.Database) {
		p := behind(t, db)
		for range 2 {
			if err := db.Server.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			p.wantOK(t)
		}
	})
}

// TestSessionKilledAtWork is F02: the database ends a session in the middle of a
// statement. There is time left, so the read is asked again.
func TestSessionKilledAtWork(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		p := overheard(t, db)
		release := lock(t, db)
		defer release()
		answer := make(chan api.ToolCallAnswer, 1)
		go func() {
			a, _ := p.Client().Call(t.Context(), p.conv, api.ToolCallRequest{ToolCallID: "killed", Tool: "look_up_an_appointment"})
			answer <- a
		}()
		within(t, 5*time.Second, "at work", func() bool { return p.atWork(t) })
		if p.Kind == "postgres" {
			db.Exec(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '`+p.Login.User+`'`)
		} else {
			db.Exec(t, `KILL USER `+p.Login.User)
		}
		release()
		a := <-answer
		wantOutcome(t, a, api.OutcomeOK, "")
		wantWhole(t, a)
		p.judge(t)
	})
}
