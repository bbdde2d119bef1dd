package postgres_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"flowyte/internal/dbtest"
	"flowyte/internal/fault"
	"flowyte/internal/plan"
	"flowyte/internal/privatedb"
	"flowyte/internal/schema"
	"flowyte/internal/target"
	"flowyte/internal/target/postgres"
	"flowyte/internal/target/targettest"

	"github.com/google/go-cmp/cmp"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

const clinic = `
CREATE TYPE state AS ENUM ('booked', 'done');
CREATE TABLE customers (id bigint PRIMARY KEY, name text NOT NULL, phone text);
CREATE INDEX customers_phone ON customers (phone);
CREATE TABLE appointments (
	id integer PRIMARY KEY, customer_id bigint REFERENCES customers, state state NOT NULL,
	starts_at timestamp, made_at timestamptz, day date, at time, paid boolean, price numeric(10,2), ratio double precision, token uuid);
INSERT INTO customers SELECT i, 'Customer ' || i, '06' || i FROM generate_series(1, 100) i;
INSERT INTO appointments VALUES
	(1, 1, 'booked', '2026-05-01 15:00:00.5', '2026-05-01 15:00:00+02', '2026-05-01', '15:00', true, 10.50, 0.1, 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'),
	(2, NULL, 'done', 'infinity', '-infinity', '0044-03-15 BC', '24:00', false, NULL, 'NaN', NULL),
	(3, 3, 'done', '12026-05-01 15:00:00', '0044-03-15 12:00:00+00 BC', NULL, NULL, NULL, 0, '-Infinity', NULL);
ANALYZE;`

// read is a plan of a statement whose parameters and columns carry no types.
// It may take as long as a session allows anyhow, so that no limit is set before.
func read(statement string, parameters, columns, maxRows int) *plan.Plan {
	return &plan.Plan{
		Format: plan.Format, Kind: schema.Postgres, Operation: "test.read", Action: plan.Read,
		Statement: statement, Slots: make([]plan.Slot, parameters), Results: make([]plan.Result, columns), MaxRows: maxRows,
		TimeoutMs: int(target.LimitsFor(target.ForReads).Statement.Milliseconds()),
	}
}

func reader(t testing.TB, db *dbtest.Database, grants ...string) privatedb.Login {
	t.Helper()
	if len(grants) == 0 {
		grants = []string{"SELECT"}
	}
	return db.User(t, grants...)
}

// open opens a session that is closed at the end of the test.
func open(t testing.TB, creds *target.Credentials, purpose target.Purpose) target.Session {
	t.Helper()
	s, err := postgres.Driver{}.Open(t.Context(), targettest.Guard(t), creds, purpose)
	if err != nil {
		t.Fatalf("open: %v: %v", err, fault.Cause(err))
	}
	t.Cleanup(s.Close)
	return s
}

func openFor(t testing.TB, db *dbtest.Database, purpose target.Purpose) target.Session {
	t.Helper()
	return open(t, targettest.Credentials(t, db.Server, db.Name, reader(t, db)), purpose)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v: %v", err, fault.Cause(err))
	}
}

func deadline(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// lanes are the servers and the ways to them, tested side by side.
func lanes(t *testing.T, test func(t *testing.T, db *dbtest.Database, creds *target.Credentials)) {
	for _, flavor := range []privatedb.Flavor{privatedb.Postgres, privatedb.Postgres13, privatedb.Postgres17, privatedb.Postgres18} {
		t.Run(string(flavor), func(t *testing.T) {
			t.Parallel()
			db := dbtest.On(t, flavor)
			db.Exec(t, clinic)
			test(t, db, targettest.Credentials(t, db.Server, db.Name, reader(t, db)))
		})
	}
	t.Run("pgbouncer", func(t *testing.T) {
		t.Parallel()
		db := dbtest.Postgres(t)
		db.Exec(t, clinic)
		login := reader(t, db)
		test(t, db, pooled(t, db, login))
	})
}

func credentials(t testing.TB, db *dbtest.Database, login privatedb.Login) *target.Credentials {
	t.Helper()
	return targettest.Credentials(t, db.Server, db.Name, login)
}

func pooled(t testing.TB, db *dbtest.Database, login privatedb.Login) *target.Credentials {
	t.Helper()
	pooler := dbtest.PgBouncer(t, db, login)
	creds := targettest.Credentials(t, db.Server, db.Name, login)
	creds.Port = uint16(pooler.Port)
	return creds
}

func TestRunGivesCanonicalText(t *testing.T) {
	lanes(t, func(t *testing.T, db *dbtest.Database, creds *target.Credentials) {
		s := open(t, creds, target.ForReads)
		p := read(`SELECT "id", "customer_id", "state", "starts_at", "made_at", "day", "at", "paid", "price", "ratio", "token" FROM "public"."appointments" WHERE "id" = ANY($1) ORDER BY "id" LIMIT 6`, 1, 11, 5)
		p.Slots[0].Variant = plan.AllVariants
		want := targettest.Rows{
			{"1", "1", "booked", "2026-05-01T15:00:00.5", "2026-05-01T13:00:00Z", "2026-05-01", "15:00:00", "true", "10.50", "0.1", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},
			{"2", "NULL", "done", "infinity", "-infinity", "0044-03-15 BC", "24:00:00", "false", "NULL", "NaN", "NULL"},
			{"3", "3", "done", "12026-05-01 15:00:00", "0044-03-15 12:00:00+00 BC", "NULL", "NULL", "NULL", "0.00", "-Infinity", "NULL"},
		}
		for range 3 { // prepared once, then from the session's memory
			var got targettest.Rows
			must(t, s.Run(t.Context(), p, []target.Value{{All: []string{"1", "2", "3", "3"}}}, &got))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatal(diff)
			}
		}
		// The blanks that fill a fixed length up are no part of the text.
		var fixed targettest.Rows
		must(t, s.Run(t.Context(), read(`SELECT "state"::char(9), ' x '::char(5) FROM "public"."appointments" WHERE "id" = $1 LIMIT 2`, 1, 2, 1), targettest.Text("2"), &fixed))
		if diff := cmp.Diff(targettest.Rows{{"done", " x"}}, fixed); diff != "" {
			t.Error(diff)
		}
		if s.Broken() {
			t.Error("the session is broken after good reads")
		}
	})
}

func TestServer(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]string{}
	lanes(t, func(t *testing.T, db *dbtest.Database, creds *target.Credentials) {
		server := open(t, creds, target.ForReads).Server()
		want := schema.Server{Product: "PostgreSQL", Version: server.Version, Flavor: schema.FlavorPostgres, Identity: server.Identity}
		if diff := cmp.Diff(want, server); diff != "" || server.Version == "" {
			t.Error(diff, server.Version)
		}
		mu.Lock()
		defer mu.Unlock()
		if other, twice := seen[server.Identity]; twice {
			t.Errorf("the identity is also that of %s", other)
		}
		seen[server.Identity] = t.Name()
		if again := open(t, creds, target.ForCatalog).Server(); again.Identity != server.Identity {
			t.Error("another session has another identity")
		}
	})
}
