package postgres_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"flowyte/internal/dbtest"
	"flowyte/internal/fault"
	"flowyte/internal/plan"
	"flowyte/internal/privatedb"
	"flowyte/internal/target"
	"flowyte/internal/target/postgres"
	"flowyte/internal/target/targettest"

	"github.com/google/go-cmp/cmp"
)

// statuses are a report's checks in short.
func statuses(r *target.Report) (got []string) {
	for _, c := range r.Result.Checks {
		got = append(got, strings.TrimSuffix(c.Status+":"+c.Code, ":"))
	}
	return got
}

func TestConnectionTest(t *testing.T) {
	lanes(t, func(t *testing.T, db *dbtest.Database, creds *target.Credentials) {
		before := db.Query(t, "SELECT count(*) FROM pg_class")
		begun := time.Now()
		r := target.Test(t.Context(), postgres.Driver{}, targettest.Guard(t), creds)
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("took %v", took)
		}
		if diff := cmp.Diff([]string{"passed", "passed", "passed", "passed", "passed", "passed"}, statuses(r)); diff != "" || !r.Result.OK || r.Fault() != nil {
			t.Errorf("%s\n%+v", diff, r.Result)
		}
		if l := r.Result.Latency; l == nil || l.Samples != 20 || l.Verdict != "live_ready" {
			t.Errorf("%+v", l)
		}
		if diff := cmp.Diff(before, db.Query(t, "SELECT count(*) FROM pg_class")); diff != "" {
			t.Error(diff)
		}
	})
}

func TestConnectionTestWarnsAndRefuses(t *testing.T) {
	db := dbtest.Postgres(t)
	db.Exec(t, clinic)
	writer := db.User(t, "SELECT", "INSERT")
	r := target.Test(t.Context(), postgres.Driver{}, targettest.Guard(t), credentials(t, db, writer))
	if diff := cmp.Diff([]string{"passed", "passed", "passed", "passed", "warning:role_can_write", "passed"}, statuses(r)); diff != "" {
		t.Error(diff)
	}
	r = target.Test(t.Context(), postgres.Driver{}, targettest.Guard(t), credentials(t, db, db.Admin()))
	if diff := cmp.Diff([]string{"passed", "passed", "passed", "passed", "failed:over_privileged", "skipped"}, statuses(r)); diff != "" || r.Fault().Code != fault.OverPrivileged {
		t.Error(diff)
	}
	creds := credentials(t, db, reader(t, db))
	creds.WriteUser, creds.WritePassword = db.Admin().User, creds.Password
	r = target.Test(t.Context(), postgres.Driver{}, targettest.Guard(t), creds)
	if diff := cmp.Diff([]string{"passed", "failed:credentials_rejected", "skipped", "skipped", "skipped", "skipped"}, statuses(r)); diff != "" {
		t.Error(diff)
	}
}

// connected opens a fleet with one database.
func connected(t *testing.T, creds *target.Credentials) (*target.Fleet, *target.Database) {
	t.Helper()
	f := target.NewFleet(targettest.Guard(t), target.Options{})
	t.Cleanup(f.Shutdown)
	return f, f.Open("con_1", "org_1", postgres.Driver{}, creds)
}

// planFor is a read that fits the database's identity.
func planFor(t *testing.T, db *target.Database, statement string) *plan.Plan {
	t.Helper()
	p := read(statement, 1, 1, 5)
	must(t, db.WithSession(t.Context(), target.ForReads, func(s target.Session) error {
		p.Identity = s.Server().Identity
		return nil
	}))
	return p
}

func call(t *testing.T, db *target.Database, p *plan.Plan) error {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	var got targettest.Rows
	_, err := db.Run(ctx, p, targettest.Text("1"), &got)
	if err == nil && len(got) != 1 {
		t.Errorf("%d rows", len(got))
	}
	return err
}

// Every backend is killed while idle, again and again, and no call fails.
func TestKilledBackendsAreReplaced(t *testing.T) {
	db := dbtest.Postgres(t)
	db.Exec(t, clinic)
	creds := credentials(t, db, reader(t, db))
	_, database := connected(t, creds)
	p := planFor(t, database, `SELECT id FROM public.customers WHERE id = $1 LIMIT 2`)
	for range 5 {
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				if err := call(t, database, p); err != nil {
					t.Errorf("%v: %v", err, fault.Cause(err))
				}
			})
		}
		all.Wait()
		db.Exec(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '`+creds.User+`'`)
	}
	must(t, call(t, database, p))
}

// The database is restarted, or frozen and thawed, under a connected pool: the
// first good answer comes within a second, and calls meanwhile end in time.
func TestRecovery(t *testing.T) {
	server := dbtest.Own(t, privatedb.Postgres)
	creds := targettest.Credentials(t, server, "postgres", privatedb.Login{User: server.AdminUser, Password: server.AdminPassword})
	_, database := connected(t, creds)
	p := planFor(t, database, `SELECT $1::int4`)

	must(t, server.Restart(t.Context()))
	must(t, call(t, database, p))

	must(t, server.Stop(t.Context()))
	for range 20 {
		if err := call(t, database, p); err == nil {
			t.Fatal("an answer from a stopped server")
		}
	}
	must(t, server.Restart(t.Context()))
	recovered(t, database, p)

	must(t, server.Pause())
	for range 3 {
		begun := time.Now()
		err := call(t, database, p)
		if took := time.Since(begun); err == nil || took > time.Second+slack {
			t.Errorf("%v after %v", err, took)
		}
	}
	must(t, server.Resume())
	recovered(t, database, p)
}

func recovered(t *testing.T, database *target.Database, p *plan.Plan) {
	t.Helper()
	targettest.Eventually(t, time.Second+slack, "answering", func() bool { return call(t, database, p) == nil })
}

// A changed password is refused at once until it is told, and then works.
func TestChangedPassword(t *testing.T) {
	db := dbtest.Postgres(t)
	db.Exec(t, clinic)
	login := reader(t, db)
	fleet, database := connected(t, credentials(t, db, login))
	p := planFor(t, database, `SELECT id FROM public.customers WHERE id = $1 LIMIT 2`)
	db.Exec(t, "ALTER ROLE "+login.User+" PASSWORD 'changed'", `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '`+login.User+`'`)
	for range 3 {
		if err := call(t, database, p); !fault.Is(err, fault.CredentialsRejected) {
			t.Errorf("%v: %v", err, fault.Cause(err))
		}
	}
	login.Password = "changed"
	must(t, call(t, fleet.Open("con_1", "org_1", postgres.Driver{}, credentials(t, db, login)), p))
}

// Nothing runs on the server any more when Close has returned.
func TestCloseLeavesNothing(t *testing.T) {
	db := dbtest.Postgres(t)
	db.Exec(t, clinic)
	creds := credentials(t, db, reader(t, db))
	fleet, database := connected(t, creds)
	must(t, database.Warm(t.Context(), 3))
	backends := func() int {
		return len(db.Query(t, `SELECT 1 FROM pg_stat_activity WHERE usename = '`+creds.User+`'`))
	}
	if n := backends(); n != 3 {
		t.Errorf("%d warm sessions", n)
	}
	fleet.Close("con_1")
	targettest.Eventually(t, slack, "without backends", func() bool { return backends() == 0 })
}
