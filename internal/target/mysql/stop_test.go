package mysql

import (
	"context"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"flowyte/internal/dbtest"
	"flowyte/internal/egress"
	"flowyte/internal/fault"
	"flowyte/internal/target"
	"flowyte/internal/target/targettest"
)

// endless joins a table with itself until somebody ends it; a sleep would end
// in ways of its own. The comment finds it in the list of processes.
const endless = "SELECT COUNT(*) FROM n a, n b, n c, n d, n e WHERE a.i + b.i + c.i + d.i + e.i = ? /* endless */"

func numbers(t testing.TB, db *dbtest.Database) {
	t.Helper()
	db.Exec(t, "CREATE TABLE n (i int)", "INSERT INTO n VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)",
		"INSERT INTO n SELECT a.i + 10 * b.i + 10 FROM n a, n b", "INSERT INTO n SELECT a.i + 110 FROM n a, n b LIMIT 300")
}

// running counts the endless statements on the server.
func running(t testing.TB, db *dbtest.Database) string {
	t.Helper()
	return db.Query(t, "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE '%/* endless */' AND ID <> CONNECTION_ID()")[0][0]
}

// TestExpiryEndsTheWork: the caller is released at once, and the statement is
// gone from the server soon after. A busy machine gets several tries.
func TestExpiryEndsTheWork(t *testing.T) {
	each(t, func(t *testing.T, db *dbtest.Database) {
		numbers(t, db)
		creds := targettest.Credentials(t, db.Server, db.Name, db.User(t, "SELECT"))
		const tries, late, limit = 5, 50 * time.Millisecond, 250 * time.Millisecond
		var released, gone time.Duration
		for range tries {
			if released, gone = expire(t, db, creds); released <= late && gone <= limit {
				return
			}
		}
		t.Errorf("%d times; the last time the caller was released after %v and the statement gone after %v", tries, released, gone)
	})
}

// expire lets a statement run out of time. It returns how long after that the
// caller was released, and how long after the release the statement was gone.
func expire(t *testing.T, db *dbtest.Database, creds *target.Credentials) (released, gone time.Duration) {
	t.Helper()
	const budget = 300 * time.Millisecond
	var dials atomic.Int32
	s := openWith(t, creds, target.ForReads, egress.OnDial(func(netip.AddrPort) { dials.Add(1) }))
	p := read(endless, []column{integer}, []column{integer}, 1)
	begun := time.Now()
	err := s.Run(deadline(t, budget), p, targettest.Text("-1"), targettest.Discard{})
	end := time.Now()
	wantFault(t, err, fault.DatabaseTimeout)
	targettest.Eventually(t, 1500*time.Millisecond, "gone", func() bool { return running(t, db) == "0" })
	gone = time.Since(end)
	s.Close()
	if !s.Broken() || dials.Load() != 2 {
		t.Errorf("broken %v; %d connections passed the guard, want 2", s.Broken(), dials.Load())
	}
	return end.Sub(begun) - budget, gone
}

func TestCancelEndsTheWork(t *testing.T) {
	db := dbtest.MariaDB(t)
	numbers(t, db)
	s := open(t, db, target.ForReads)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- s.Run(ctx, read(endless, []column{integer}, []column{integer}, 1), targettest.Text("-1"), targettest.Discard{})
	}()
	targettest.Eventually(t, 2*time.Second, "running", func() bool { return running(t, db) == "1" })
	cancel()
	wantFault(t, <-done, fault.DatabaseTimeout)
	targettest.Eventually(t, 1500*time.Millisecond, "gone", func() bool { return running(t, db) == "0" })
}

// TestServerLimitIsTheSecondLock: with no connection left for the kill, the
// server ends the statement by itself.
func TestServerLimitIsTheSecondLock(t *testing.T) {
	each(t, func(t *testing.T, db *dbtest.Database) {
		t.Parallel() // with the other servers
		numbers(t, db)
		login := db.User(t, "SELECT")
		db.Exec(t, "ALTER USER '"+login.User+"'@'%' WITH MAX_USER_CONNECTIONS 1")
		s := openWith(t, targettest.Credentials(t, db.Server, db.Name, login), target.ForReads)
		p := read(endless, []column{integer}, []column{integer}, 1)
		wantFault(t, s.Run(deadline(t, 100*time.Millisecond), p, targettest.Text("-1"), targettest.Discard{}), fault.DatabaseTimeout)
		s.Close()
		if running(t, db) != "1" {
			t.Error("the statement is gone already; the test proves nothing")
		}
		targettest.Eventually(t, 4*time.Second, "gone", func() bool { return running(t, db) == "0" })
	})
}

// TestServerLimitAlone: a caller without a deadline hears of the server's, and
// the session goes on. A busy machine gets several tries.
func TestServerLimitAlone(t *testing.T) {
	each(t, func(t *testing.T, db *dbtest.Database) {
		t.Parallel() // with the other servers
		numbers(t, db)
		const tries = 4
		var took time.Duration
		var broken bool
		for range tries {
			s := open(t, db, target.ForReads)
			begun := time.Now()
			err := s.Run(t.Context(), read(endless, []column{integer}, []column{integer}, 1), targettest.Text("-1"), targettest.Discard{})
			took, broken = time.Since(begun), s.Broken()
			wantFault(t, err, fault.DatabaseTimeout)
			if took < 2*time.Second {
				t.Fatalf("ended after %v already", took)
			}
			if !broken {
				must(t, s.Probe(t.Context()))
				return
			}
		}
		t.Errorf("%d times; the last time it ended after %v, with the session broken: %v", tries, took, broken)
	})
}
