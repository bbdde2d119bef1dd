package targettest

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"flowyte/internal/dbtest"
	"flowyte/internal/fault"
	"flowyte/internal/plan"
	"flowyte/internal/privatedb"
	"flowyte/internal/schema"
	"flowyte/internal/target"
)

// TestLostCommit: the connection is cut exactly at the COMMIT, before it
// reaches the server or before its answer reaches us. Either way nobody claims
// to know, nothing is sent again, and the server tells afterwards.
func TestLostCommit(t *testing.T) {
	for name, c := range map[string]struct {
		cut    Cut
		fate   target.Fate
		insert []string
		update []string
	}{
		"before the server": {BeforeServer, target.FateRolledBack, []string{"A 1 2 x"}, []string{"A 1 2 x"}},
		"before the client": {BeforeClient, target.FateCommitted, []string{"A 1 2 x", "B 2 3 z"}, []string{"A 1 2 y", "B 2 3 z"}},
	} {
		t.Run(name, func(t *testing.T) {
			eachWay(t, func(t *testing.T, w *way) {
				tap := w.tap(t)
				succeed(t, w.write(t, w.insert, book("A", "1", "2", "x"), &kept{}))
				w.loseCommit(t, tap, c.cut, w.insert, book("B", "2", "3", "z"), c.fate)
				w.wantRows(t, c.insert...)
				w.loseCommit(t, tap, c.cut, w.update, w.note("y", "A"), c.fate)
				w.wantRows(t, c.update...)
			})
		})
	}
}

func (w *way) loseCommit(t *testing.T, tap *Tap, cut Cut, p *plan.Plan, args []target.Value, want target.Fate) {
	t.Helper()
	var k kept
	// The cut is set when the statement has run, so that it is this COMMIT.
	k.before = func() error { tap.CutAt("COMMIT", cut); return nil }
	before := begun(tap)
	wantCode(t, w.write(t, p, args, &k), fault.CommitUnknown)
	if tap.Pending() || len(k.evidence) != 1 {
		t.Errorf("the cut is still to come: %v; %d attempts", tap.Pending(), len(k.evidence))
	}
	if n := begun(tap) - before; n != 1 {
		t.Errorf("%d transactions were begun", n)
	}
	if fate := w.fate(t, p, k.last(t)); fate != want {
		t.Errorf("it is said to be %s instead of %s", fate, want)
	}
}

// begun counts the transactions of writes that a tap saw.
func begun(tap *Tap) (n int) {
	for _, wire := range tap.Wires() {
		for _, turn := range wire.Turns() {
			n += bytes.Count(turn.Client, []byte("BEGIN ISOLATION")) + bytes.Count(turn.Client, []byte("START TRANSACTION"))
		}
	}
	return n
}

// TestFates: what the server says of other transactions than a fresh one.
func TestFates(t *testing.T) {
	eachWay(t, func(t *testing.T, w *way) {
		var made, changed kept
		succeed(t, w.write(t, w.insert, book("A", "1", "2", "x"), &made))
		succeed(t, w.write(t, w.update, w.note("y", "A"), &changed))
		good := changed.last(t)
		elsewhere := good
		elsewhere.Identity = "another database"
		cases := []target.Evidence{elsewhere}
		if w.kind() == schema.Postgres {
			for _, spoil := range []func(e *target.Evidence){
				func(e *target.Evidence) { e.Timeline++ },
				func(e *target.Evidence) { e.Timeline = 0 },
				func(e *target.Evidence) { e.XID = "99999999999" },
				func(e *target.Evidence) { e.XID = "" },
			} {
				e := good
				spoil(&e)
				cases = append(cases, e)
			}
		} else {
			e := good
			e.After = nil
			cases = append(cases, e)
		}
		for _, e := range cases {
			if fate := w.fate(t, w.update, e); fate != target.FateUnknown {
				t.Errorf("%+v is said to be %s", e, fate)
			}
		}
		for range 2 {
			if fate := w.fate(t, w.insert, made.last(t)); w.kind() == schema.Postgres && fate != target.FateCommitted {
				t.Errorf("the insert is said to be %s", fate)
			}
			if fate := w.fate(t, w.update, good); fate != target.FateCommitted {
				t.Errorf("the update is said to be %s", fate)
			}
		}
		// Where only the row can tell, it tells no more when somebody else
		// wrote it meanwhile.
		w.db.Exec(t, "UPDATE slots SET note = 'by hand'")
		want := target.FateCommitted
		if w.kind() == schema.MySQL {
			want = target.FateUnknown
		}
		if fate := w.fate(t, w.update, good); fate != want {
			t.Errorf("the update is said to be %s instead of %s", fate, want)
		}
	})
}

// TestLingeringWriter: while the write's own transaction is undecided nobody
// claims to know. PostgreSQL says so; on the MySQL family asking ends the
// connection, which is what decides.
func TestLingeringWriter(t *testing.T) {
	eachWay(t, func(t *testing.T, w *way) {
		succeed(t, w.write(t, w.insert, book("A", "1", "2", "x"), &kept{}))
		var fate target.Fate
		var k kept
		_, err := w.Write(t.Context(), w.update, w.note("y", "A"), Discard{}, func(e target.Evidence) error {
			k.evidence = append(k.evidence, e)
			ctx, cancel := context.WithTimeout(t.Context(), writeLimit)
			defer cancel()
			var err error
			fate, err = w.Resolve(ctx, w.update, e)
			return err
		})
		switch {
		case w.kind() == schema.Postgres:
			succeed(t, err)
			if fate != target.FateOpen || w.fate(t, w.update, k.last(t)) != target.FateCommitted {
				t.Errorf("it was said to be %s", fate)
			}
		case fault.Is(err, fault.CommitUnknown) && fate == target.FateRolledBack:
			w.wantRows(t, "A 1 2 x")
		default:
			t.Errorf("%v (%v), and it is said to be %s", err, fault.Cause(err), fate)
		}
	})
}

// TestDeadlock: the server ends our transaction for a rival's sake, which gets
// through; ours is tried again and gets through, too.
func TestDeadlock(t *testing.T) {
	eachWay(t, func(t *testing.T, w *way) {
		w.db.Exec(t, map[schema.Kind]string{
			schema.Postgres: "CREATE TABLE log (id integer PRIMARY KEY, n integer); GRANT ALL ON log TO " + w.login.User + "; INSERT INTO log SELECT i, 0 FROM generate_series(1, 200) i;" +
				"ALTER ROLE " + w.login.User + " SET deadlock_timeout = '450ms';" +
				trigger("AFTER UPDATE", "UPDATE public.log SET n = n + 1 WHERE id = 1; RETURN NEW"),
			schema.MySQL: "CREATE TABLE log (id integer AUTO_INCREMENT PRIMARY KEY, n integer); INSERT INTO log (n) VALUES (0)" + strings.Repeat(", (0)", 199) + ";" +
				"CREATE TRIGGER tr AFTER UPDATE ON slots FOR EACH ROW UPDATE log SET n = n + 1 WHERE id = 1",
		}[w.kind()])
		w.kill(t)
		succeed(t, w.write(t, w.insert, book("A", "1", "2", "x"), &kept{}))
		rival := w.rival(t)
		rival.do(t, "BEGIN", "UPDATE log SET n = n + 1") // heavier than ours, so that ours is the victim
		done := make(chan error, 1)
		var k kept
		go func() { done <- w.write(t, w.update, w.note("ours", "A"), &k) }()
		if err := w.await(func() bool { return w.waiting(t) }); err != nil {
			t.Error(err)
		}
		rival.do(t, "UPDATE slots SET note = 'rival'", "COMMIT")
		succeed(t, <-done)
		w.wantRows(t, "A 1 2 ours")
		if n := w.db.Query(t, "SELECT n FROM log WHERE id = 1")[0][0]; n != "3" && n != "2" || len(k.evidence) != 1 {
			t.Errorf("the log says %s after %d pieces of evidence", n, len(k.evidence))
		}
	})
}

// TestConflictsAreRetriedOnce: a trigger that reports a conflict every time is
// met twice.
func TestConflictsAreRetriedOnce(t *testing.T) {
	eachWay(t, func(t *testing.T, w *way) {
		succeed(t, w.write(t, w.insert, book("A", "1", "2", "x"), &kept{}))
		w.db.Exec(t, map[schema.Kind]string{
			schema.Postgres: "CREATE SEQUENCE met; GRANT ALL ON SEQUENCE met TO " + w.login.User + ";" +
				trigger("BEFORE UPDATE", "PERFORM nextval('public.met'); RAISE EXCEPTION 'conflict' USING ERRCODE = '40001'"),
			schema.MySQL: "CREATE TABLE met (id integer AUTO_INCREMENT PRIMARY KEY) ENGINE = MyISAM;" +
				"CREATE TRIGGER tr BEFORE UPDATE ON slots FOR EACH ROW BEGIN INSERT INTO met VALUES (NULL); SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213; END",
		}[w.kind()])
		wantCode(t, w.write(t, w.update, w.note("y", "A"), &kept{}), fault.RowLocked)
		count := "SELECT last_value FROM met"
		if w.kind() == schema.MySQL {
			count = "SELECT COUNT(*) FROM met"
		}
		if n := w.db.Query(t, count)[0][0]; n != "2" {
			t.Errorf("%s attempts instead of two", n)
		}
		w.wantRows(t, "A 1 2 x")
	})
}

// TestSlowStatement: the server's own limit, or on MySQL ours, ends a write of
// a caller without a deadline.
func TestSlowStatement(t *testing.T) {
	eachWay(t, func(t *testing.T, w *way) {
		succeed(t, w.write(t, w.insert, book("A", "1", "2", "x"), &kept{}))
		w.db.Exec(t, map[schema.Kind]string{
			schema.Postgres: trigger("BEFORE UPDATE", "PERFORM pg_sleep(60); RETURN NEW"),
			schema.MySQL:    "CREATE TRIGGER tr BEFORE UPDATE ON slots FOR EACH ROW SET NEW.note = CONCAT('slept', SLEEP(60))",
		}[w.kind()])
		begun := time.Now()
		_, err := w.Write(t.Context(), w.update, w.note("y", "A"), Discard{}, (&kept{}).executed)
		wantCode(t, err, fault.DatabaseTimeout)
		if took := time.Since(begun); took > 7*time.Second {
			t.Errorf("it took %v", took)
		}
		w.quiet(t)
		w.wantRows(t, "A 1 2 x")
	})
}

// TestCrashBeforeCommit: the server dies with the write undecided. PostgreSQL
// forgets the transaction's number and gives it to another one, whose end is
// not taken for the write's.
func TestCrashBeforeCommit(t *testing.T) {
	for _, flavor := range []privatedb.Flavor{privatedb.Postgres, privatedb.MariaDB} {
		t.Run(string(flavor), func(t *testing.T) {
			t.Parallel()
			server := dbtest.Own(t, flavor)
			w := newWay(t, dbtest.New(t, server), false)
			succeed(t, w.write(t, w.insert, book("A", "1", "2", "x"), &kept{}))
			k := kept{before: server.Kill}
			wantCode(t, w.write(t, w.update, w.note("y", "A"), &k), fault.CommitUnknown)
			succeed(t, server.Restart(t.Context()))
			for range 20 {
				w.db.Exec(t, "INSERT INTO customers SELECT MAX(id) + 1, 'other' FROM customers")
			}
			e := k.last(t)
			if w.kind() == schema.Postgres {
				if reused := w.db.Query(t, "SELECT pg_xact_status('"+e.XID+"')")[0][0]; reused != "committed" {
					t.Logf("the number was not given again: %s", reused)
				}
			}
			if fate := w.fate(t, w.update, e); fate != target.FateRolledBack {
				t.Errorf("it is said to be %s", fate)
			}
			w.wantRows(t, "A 1 2 x")
		})
	}
}
