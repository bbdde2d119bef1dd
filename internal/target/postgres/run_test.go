package postgres_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
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

func TestRunCapsRows(t *testing.T) {
	lanes(t, func(t *testing.T, db *dbtest.Database, creds *target.Credentials) {
		s := open(t, creds, target.ForReads)
		var got targettest.Rows
		p := read(`SELECT id FROM public.customers WHERE id > $1 ORDER BY id`, 1, 1, 2)
		must(t, s.Run(t.Context(), p, targettest.Text("0"), &got))
		if diff := cmp.Diff(targettest.Rows{{"1"}, {"2"}, {"3"}}, got); diff != "" || !s.Broken() {
			t.Errorf("broken %v, %s", s.Broken(), diff)
		}
	})
}

func TestRunBindsValues(t *testing.T) {
	lanes(t, func(t *testing.T, db *dbtest.Database, creds *target.Credentials) {
		s := open(t, creds, target.ForReads)
		evil := []string{`'; DROP TABLE customers; --`, `{"a","b"}`, `"`, `\`, "NULL", "", "%_", "$1", "ü\n\t"}
		echo := read(`SELECT $1::text, $2::text`, 2, 2, 1)
		array := read(`SELECT unnest($1::text[])`, 1, 1, 20)
		array.Slots[0].Variant = plan.AllVariants
		for _, text := range evil {
			var got targettest.Rows
			must(t, s.Run(t.Context(), echo, []target.Value{{Text: text}, {Null: true}}, &got))
			if diff := cmp.Diff(targettest.Rows{{text, "NULL"}}, got); diff != "" {
				t.Error(diff)
			}
		}
		var got targettest.Rows
		must(t, s.Run(t.Context(), array, []target.Value{{All: evil}}, &got))
		for i, text := range evil {
			if got[i][0] != text {
				t.Errorf("element %q came back as %q", text, got[i][0])
			}
		}
	})
}

func TestRunRefusesWrites(t *testing.T) {
	db := dbtest.Postgres(t)
	s := openFor(t, db, target.ForReads)
	p := read(`SELECT 1`, 0, 1, 1)
	p.Action = plan.Insert
	if err := s.Run(t.Context(), p, nil, targettest.Discard{}); !fault.Is(err, fault.Internal) {
		t.Errorf("a write: %v", err)
	}
	p.Action = plan.Read
	if err := s.Run(t.Context(), p, targettest.Text("1"), targettest.Discard{}); !fault.Is(err, fault.Internal) {
		t.Errorf("arguments without slots: %v", err)
	}
}

var errEnough = errors.New("enough")

type refusing struct{}

func (refusing) Row([][]byte) error { return errEnough }

func TestSinkStopsARead(t *testing.T) {
	lanes(t, func(t *testing.T, db *dbtest.Database, creds *target.Credentials) {
		s := open(t, creds, target.ForReads)
		p := read(`SELECT id FROM public.customers WHERE id > $1 LIMIT 5`, 1, 1, 4)
		for range 2 {
			if err := s.Run(t.Context(), p, targettest.Text("0"), refusing{}); err != errEnough || s.Broken() {
				t.Errorf("%v, broken %v", err, s.Broken())
			}
		}
	})
}

// What an ALTER does to a prepared statement is met once and healed, unless it
// changed what the plan was compiled for.
func TestDrift(t *testing.T) {
	tests := []struct {
		name, alter string
		want        fault.Code
	}{
		{"column added", "ALTER TABLE customers ADD COLUMN more text", ""},
		{"wider text", "ALTER TABLE customers ALTER COLUMN name TYPE varchar(200)", ""},
		{"another type", "ALTER TABLE appointments DROP CONSTRAINT appointments_customer_id_fkey; ALTER TABLE customers ALTER COLUMN id TYPE text", fault.SchemaDrift},
		{"table made again", "ALTER TABLE customers RENAME TO old; CREATE TABLE customers AS SELECT * FROM old; GRANT SELECT ON customers TO PUBLIC", ""},
		{"column dropped", "ALTER TABLE customers DROP COLUMN name", fault.SchemaDrift},
		{"column renamed", "ALTER TABLE customers RENAME COLUMN name TO full_name", fault.SchemaDrift},
		{"table dropped", "DROP TABLE customers CASCADE", fault.SchemaDrift},
		{"right revoked", "REVOKE SELECT ON customers FROM %u", fault.PermissionDenied},
	}
	lanes(t, func(t *testing.T, db *dbtest.Database, creds *target.Credentials) {
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				db.Exec(t, "DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT USAGE ON SCHEMA public TO PUBLIC", clinic, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO "+creds.User)
				s := open(t, creds, target.ForReads)
				p := read(`SELECT id, name FROM public.customers WHERE id = $1 LIMIT 2`, 1, 2, 1)
				p.Results[0].Type.TypeOID = 20
				run := func() error { return s.Run(t.Context(), p, targettest.Text("1"), targettest.Discard{}) }
				must(t, run())
				db.Exec(t, strings.ReplaceAll(test.alter, "%u", creds.User))
				for range 3 {
					if err := run(); fault.CodeOf(err) != test.want || s.Broken() {
						t.Errorf("%v: %v, broken %v", err, fault.Cause(err), s.Broken())
					}
				}
			})
		}
	})
}

func TestForgottenStatement(t *testing.T) {
	db := dbtest.Postgres(t)
	db.Exec(t, clinic)
	s := openFor(t, db, target.ForReads)
	p := read(`SELECT id FROM public.customers WHERE id = $1 LIMIT 2`, 1, 1, 1)
	must(t, s.Run(t.Context(), p, targettest.Text("1"), targettest.Discard{}))
	must(t, s.Select(t.Context(), "DEALLOCATE ALL", nil, func([]any) error { return nil }))
	var got targettest.Rows
	must(t, s.Run(t.Context(), p, targettest.Text("1"), &got))
	if len(got) != 1 || s.Broken() {
		t.Errorf("%v, broken %v", got, s.Broken())
	}
}

func TestPreparedStatementsAreBounded(t *testing.T) {
	db := dbtest.Postgres(t)
	s := openFor(t, db, target.ForReads)
	const many = 300
	for i := range many {
		must(t, s.Run(t.Context(), read(fmt.Sprintf(`SELECT %d + $1::int4`, i), 1, 1, 1), targettest.Text("1"), targettest.Discard{}))
	}
	var onServer int64
	must(t, s.Select(t.Context(), "SELECT count(*) FROM pg_catalog.pg_prepared_statements", nil, func(cells []any) error {
		onServer = cells[0].(int64)
		return nil
	}))
	if n := postgres.Prepared(s); n != 256 || onServer != 256 {
		t.Errorf("%d kept, %d on the server", n, onServer)
	}
}

// A statement that runs out of time releases its caller at once and is soon
// gone from the server.
func TestExpiredWorkIsCancelled(t *testing.T) {
	lanes(t, func(t *testing.T, db *dbtest.Database, creds *target.Credentials) {
		s := open(t, creds, target.ForReads)
		p := read(`SELECT pg_sleep(60)::text WHERE $1::int4 = 1`, 1, 1, 1)
		begun := time.Now()
		err := s.Run(deadline(t, 300*time.Millisecond), p, targettest.Text("1"), targettest.Discard{})
		if took := time.Since(begun); !fault.Is(err, fault.DatabaseTimeout) || took > 300*time.Millisecond+slack {
			t.Errorf("%v after %v", err, took)
		}
		targettest.Eventually(t, 100*time.Millisecond+slack, "gone from the server", func() bool {
			return len(db.Query(t, `SELECT 1 FROM pg_stat_activity WHERE state <> 'idle' AND query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()`)) == 0
		})
		if !s.Broken() {
			t.Error("the session is still in use")
		}
	})
}

// Nobody cancels: the server's own limit ends a statement.
func TestServerSideLimit(t *testing.T) {
	lanes(t, func(t *testing.T, db *dbtest.Database, creds *target.Credentials) {
		s := open(t, creds, target.ForReads)
		begun := time.Now()
		err := s.Run(t.Context(), read(`SELECT pg_sleep(60)::text WHERE $1::int4 = 1`, 1, 1, 1), targettest.Text("1"), targettest.Discard{})
		if took := time.Since(begun); !fault.Is(err, fault.DatabaseTimeout) || took < 2*time.Second || took > 2100*time.Millisecond+2*slack {
			t.Errorf("%v after %v", err, took)
		}
		if s.Broken() {
			t.Error("the session is broken by a statement's end")
		}
	})
}

func TestFrozenServer(t *testing.T) {
	server := dbtest.Own(t, privatedb.Postgres)
	creds := targettest.Credentials(t, server, "postgres", privatedb.Login{User: server.AdminUser, Password: server.AdminPassword})
	s := open(t, creds, target.ForReads)
	p := read(`SELECT $1::int4`, 1, 1, 1)
	must(t, s.Run(t.Context(), p, targettest.Text("1"), targettest.Discard{}))
	must(t, server.Pause())
	begun := time.Now()
	err := s.Run(deadline(t, 300*time.Millisecond), p, targettest.Text("1"), targettest.Discard{})
	if took := time.Since(begun); !fault.Is(err, fault.DatabaseTimeout) || took > 300*time.Millisecond+slack {
		t.Errorf("%v after %v", err, took)
	}
	if code, took := tryOpen(t, t.Context(), creds); code != fault.Unreachable || took > target.ConnectLimit+slack {
		t.Errorf("opening: %q after %v", code, took)
	}
	must(t, server.Resume())
	if code, _ := tryOpen(t, t.Context(), creds); code != "" {
		t.Errorf("after the thaw: %q", code)
	}
}

func TestKilledBackend(t *testing.T) {
	lanes(t, func(t *testing.T, db *dbtest.Database, creds *target.Credentials) {
		s := open(t, creds, target.ForReads)
		p := read(`SELECT $1::int4`, 1, 1, 1)
		must(t, s.Run(t.Context(), p, targettest.Text("1"), targettest.Discard{}))
		db.Exec(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '`+creds.User+`'`)
		err := s.Run(deadline(t, time.Second), p, targettest.Text("1"), targettest.Discard{})
		if postgres.Pooled(s) && err == nil {
			return // the pooler noticed and connected again
		}
		if !fault.Is(err, fault.ConnectionLost) || !s.Broken() {
			t.Errorf("%v: %v, broken %v", err, fault.Cause(err), s.Broken())
		}
	})
}

func TestBackendKilledAtWork(t *testing.T) {
	lanes(t, func(t *testing.T, db *dbtest.Database, creds *target.Credentials) {
		s := open(t, creds, target.ForReads)
		done := make(chan error, 1)
		go func() {
			done <- s.Run(t.Context(), read(`SELECT pg_sleep(60)::text WHERE $1::int4 = 1`, 1, 1, 1), targettest.Text("1"), targettest.Discard{})
		}()
		targettest.Eventually(t, 5*time.Second, "killed", func() bool {
			return len(db.Query(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '`+creds.User+`' AND state = 'active' AND query LIKE '%pg_sleep(60)%'`)) > 0
		})
		if err := <-done; !fault.Is(err, fault.ConnectionLost) || !s.Broken() {
			t.Errorf("%v: %v, broken %v", err, fault.Cause(err), s.Broken())
		}
	})
}

func TestSelect(t *testing.T) {
	lanes(t, func(t *testing.T, db *dbtest.Database, creds *target.Credentials) {
		s := open(t, creds, target.ForCatalog)
		const text = `SELECT $1::text, $2::int8, $3::bool, $4::text[], NULL::text, 1.5::float4, 5::oid, 'x'::"char", 'n'::name, '1 2 3'::int2vector,
			ARRAY[1,2]::int8[], ARRAY['a b', NULL]::name[], 1.50::numeric, 'NaN'::float8, E'\u00e9'::varchar, 7::int2`
		var got [][]any
		must(t, s.Select(t.Context(), text, []any{`it's`, int64(-5), true, []string{"a", `b"c`}}, func(cells []any) error {
			got = append(got, append([]any(nil), cells...))
			return nil
		}))
		row := got[0]
		nan, ok := row[13].(float64)
		if !ok || !math.IsNaN(nan) {
			t.Errorf("NaN became %v", row[13])
		}
		row[13] = nil
		want := []any{`it's`, int64(-5), true, []string{"a", `b"c`}, nil, 1.5, int64(5), "x", "n", []string{"1", "2", "3"},
			[]string{"1", "2"}, []string{"a b", ""}, "1.50", nil, "é", int64(7)}
		if diff := cmp.Diff(want, row); diff != "" {
			t.Error(diff)
		}
		if err := s.Select(t.Context(), "SELECT $1::int4", []any{5}, func([]any) error { return nil }); !fault.Is(err, fault.Internal) {
			t.Errorf("an argument of another type: %v", err)
		}
		if err := s.Select(t.Context(), "SELECT generate_series(1, 3)", nil, func([]any) error { return errEnough }); err != errEnough || s.Broken() {
			t.Errorf("%v, broken %v", err, s.Broken())
		}
		if err := s.Select(t.Context(), "SELECT nonsense", nil, func([]any) error { return nil }); !fault.Is(err, fault.SchemaDrift) || s.Broken() {
			t.Errorf("%v, broken %v", err, s.Broken())
		}
		if err := s.Select(t.Context(), "CREATE TABLE public.x ()", nil, func([]any) error { return nil }); !fault.Is(err, fault.DatabaseError) || s.Broken() {
			t.Errorf("a write: %v, broken %v", err, s.Broken())
		}
	})
}

// A catalogue may be larger than what a live call may get.
func TestBudgets(t *testing.T) {
	db := dbtest.Postgres(t)
	const large = `SELECT repeat('x', 1000000) FROM generate_series(1, 20) WHERE $1::int4 = 1`
	s := openFor(t, db, target.ForCatalog)
	rows := 0
	must(t, s.Select(t.Context(), large, []any{int64(1)}, func([]any) error { rows++; return nil }))
	if rows != 20 {
		t.Errorf("%d rows", rows)
	}
	s = openFor(t, db, target.ForReads)
	if err := s.Run(t.Context(), read(large, 1, 1, 100), targettest.Text("1"), targettest.Discard{}); !fault.Is(err, fault.ProtocolError) || !s.Broken() {
		t.Errorf("%v, broken %v", err, s.Broken())
	}
}

// The budget is for one statement and not for all together.
func TestBudgetIsRenewed(t *testing.T) {
	db := dbtest.Postgres(t)
	s := openFor(t, db, target.ForReads)
	p := read(`SELECT repeat('x', 1000000) FROM generate_series(1, 5) WHERE $1::int4 = 1`, 1, 1, 10)
	for range 4 {
		must(t, s.Run(t.Context(), p, targettest.Text("1"), targettest.Discard{}))
	}
}

func TestRunAllocates(t *testing.T) {
	db := dbtest.Postgres(t)
	db.Exec(t, clinic)
	s := openFor(t, db, target.ForReads)
	p := read(`SELECT c.id, c.name, a.starts_at, a.paid FROM public.customers c LEFT JOIN public.appointments a ON a.customer_id = c.id WHERE c.phone = ANY($1) ORDER BY c.id LIMIT 6`, 1, 4, 5)
	p.Slots[0].Variant = plan.AllVariants
	args := []target.Value{{All: []string{"061", "+3161", "00316", "061"}}}
	ctx := deadline(t, time.Minute)
	run := func() {
		if err := s.Run(ctx, p, args, targettest.Discard{}); err != nil {
			t.Fatal(err)
		}
	}
	run()
	const most = 15
	if got := testing.AllocsPerRun(200, run); got > most {
		t.Errorf("%v allocations a run, at most %d are allowed", got, most)
	} else {
		t.Logf("%v allocations a run", got)
	}
}
