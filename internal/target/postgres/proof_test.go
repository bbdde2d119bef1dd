package postgres_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"flowyte/internal/dbtest"
	"flowyte/internal/egress"
	"flowyte/internal/fault"
	"flowyte/internal/target"
	"flowyte/internal/target/postgres"
	"flowyte/internal/target/targettest"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"
)

func TestReadOnlyProof(t *testing.T) {
	lanes(t, func(t *testing.T, db *dbtest.Database, creds *target.Credentials) {
		before := db.Query(t, "SELECT count(*) FROM pg_class")
		db.Exec(t, "GRANT CREATE ON SCHEMA public TO "+creds.User)
		proof, err := open(t, creds, target.ForReads).ProveReadOnly(t.Context())
		must(t, err)
		if diff := cmp.Diff(target.ReadOnlyProof{SessionReadOnly: true}, proof); diff != "" {
			t.Error(diff)
		}
		// One column of one table is a right to write.
		db.Exec(t, "GRANT UPDATE (name) ON customers TO "+creds.User)
		s := open(t, creds, target.ForCatalog)
		proof, err = s.ProveReadOnly(t.Context())
		must(t, err)
		if diff := cmp.Diff(target.ReadOnlyProof{SessionReadOnly: true, RoleCanWrite: true}, proof); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(before, db.Query(t, "SELECT count(*) FROM pg_class")); diff != "" || s.Broken() {
			t.Errorf("left behind: %s, broken %v", diff, s.Broken())
		}
	})
}

// A session for writes is what a read session must not be: the proof finds out
// and leaves nothing behind.
func TestReadOnlyProofFails(t *testing.T) {
	db := dbtest.Postgres(t)
	db.Exec(t, clinic)
	login := reader(t, db)
	db.Exec(t, "GRANT CREATE ON SCHEMA public TO "+login.User)
	before := db.Query(t, "SELECT count(*) FROM pg_class")
	s := open(t, credentials(t, db, login), target.ForWrites)
	proof, err := s.ProveReadOnly(t.Context())
	must(t, err)
	if proof.SessionReadOnly {
		t.Error("a session that writes was taken for one that cannot")
	}
	if diff := cmp.Diff(before, db.Query(t, "SELECT count(*) FROM pg_class")); diff != "" || s.Broken() {
		t.Errorf("left behind: %s, broken %v", diff, s.Broken())
	}
}

// What a role or database sets by default yields to the session's own start.
func TestReadOnlyDespiteDefaults(t *testing.T) {
	lanes(t, func(t *testing.T, db *dbtest.Database, creds *target.Credentials) {
		db.Exec(t, "GRANT INSERT ON customers TO "+creds.User,
			"ALTER ROLE "+creds.User+" SET default_transaction_read_only = off",
			"ALTER ROLE "+creds.User+" SET statement_timeout = 0",
			"ALTER ROLE "+creds.User+" SET timezone = 'Asia/Tokyo'",
			"ALTER ROLE "+creds.User+" SET datestyle = 'German'",
			"ALTER ROLE "+creds.User+" SET search_path = public")
		s := open(t, creds, target.ForReads)
		p := read(`SELECT current_setting('transaction_read_only'), current_setting('statement_timeout'), current_setting('TimeZone'), current_setting('DateStyle'), current_setting('search_path') WHERE $1::int4 = 1`, 1, 5, 1)
		var got targettest.Rows
		must(t, s.Run(t.Context(), p, targettest.Text("1"), &got))
		want := targettest.Rows{{"on", "2100ms", "UTC", "ISO, DMY", "pg_catalog"}}
		if diff := cmp.Diff(want, got); diff != "" && !strings.HasPrefix(got[0][3], "ISO") {
			t.Error(diff)
		}
		insert := read(`WITH w AS (INSERT INTO public.customers VALUES (1000, 'x') RETURNING id) SELECT id FROM w WHERE id > $1`, 1, 1, 1)
		if err := s.Run(t.Context(), insert, targettest.Text("0"), &got); !fault.Is(err, fault.DatabaseError) {
			t.Errorf("a write: %v", err)
		}
		if n := db.Query(t, "SELECT count(*) FROM customers WHERE id = 1000"); n[0][0] != "0" {
			t.Error("it was written")
		}
		if s.Broken() {
			t.Error("the session is broken by a refusal")
		}
	})
}

// A session that stops being read-only is dropped, where servers report it.
func TestReadOnlyLost(t *testing.T) {
	db := dbtest.Postgres(t)
	db.Exec(t, clinic)
	s := openFor(t, db, target.ForReads)
	p := read(`SELECT set_config('default_transaction_read_only', 'off', false) WHERE $1::int4 = 1`, 1, 1, 1)
	must(t, s.Run(t.Context(), p, targettest.Text("1"), targettest.Discard{}))
	if !s.Broken() {
		t.Error("the session may write and is still in use")
	}
}

// Behind a pooler nothing of ours may reach another client of the same server
// connection.
func TestPoolerKeepsNothing(t *testing.T) {
	db := dbtest.Postgres(t)
	db.Exec(t, clinic)
	login := reader(t, db)
	creds := pooled(t, db, login)
	s := open(t, creds, target.ForReads)
	if !postgres.Pooled(s) || postgres.Pooled(open(t, credentials(t, db, login), target.ForReads)) {
		t.Fatal("the pooler was not recognised, or seen where there is none")
	}
	p := read(`SELECT id, pg_advisory_lock(7) IS NULL, pg_backend_pid() FROM public.customers WHERE id = $1`, 1, 3, 1)
	bad := read(`SELECT id / 0 FROM public.customers WHERE id = $1`, 1, 1, 1)
	for range 20 {
		must(t, s.Run(t.Context(), p, targettest.Text("1"), targettest.Discard{}))
		if err := s.Run(t.Context(), bad, targettest.Text("1"), targettest.Discard{}); !fault.Is(err, fault.DatabaseError) || s.Broken() {
			t.Fatalf("division by zero: %v, broken %v", err, s.Broken())
		}
	}
	if n := postgres.Prepared(s); n != 0 {
		t.Errorf("%d statements prepared", n)
	}
	// The pooler has one server connection for this user and database, so a
	// plain statement of another client meets what we left there.
	settings := read(`SELECT current_setting('default_transaction_read_only'), current_setting('statement_timeout'), current_setting('search_path') WHERE $1::int4 = 1`, 1, 3, 1)
	conn := plainClient(t, creds)
	result := conn.ExecParams(t.Context(), settings.Statement, [][]byte{[]byte("1")}, nil, nil, nil).Read()
	must(t, result.Err)
	var got []string
	for _, cell := range result.Rows[0] {
		got = append(got, string(cell))
	}
	if diff := cmp.Diff([]string{"off", "0", `"$user", public`}, got); diff != "" {
		t.Error(diff)
	}
}

// plainClient connects as any other program would.
func plainClient(t *testing.T, creds *target.Credentials) *pgconn.PgConn {
	t.Helper()
	config, err := pgconn.ParseConfig("host=localhost sslmode=disable user=x")
	must(t, err)
	config.Port, config.Database, config.User, config.Password = creds.Port, creds.Database, creds.User, creds.Password.Reveal()
	config.TLSConfig, err = egress.TLS(creds.TLS)
	must(t, err)
	conn, err := pgconn.ConnectConfig(t.Context(), config)
	must(t, err)
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func TestPrivileges(t *testing.T) {
	const allTables = "SELECT ON ALL TABLES IN SCHEMA public"
	tests := []struct {
		name, sql        string // %u is the user
		superuser, wider []string
	}{
		{"script's reader", "", nil, nil},
		{"superuser", "ALTER ROLE %u SUPERUSER", []string{"superuser"}, nil},
		{"may become superuser", "GRANT postgres TO %u", []string{"superuser"}, nil},
		{"createrole", "ALTER ROLE %u CREATEROLE", []string{"CREATEROLE"}, nil},
		{"bypassrls", "ALTER ROLE %u BYPASSRLS", []string{"BYPASSRLS"}, nil},
		{"replication", "ALTER ROLE %u REPLICATION", []string{"REPLICATION"}, nil},
		{"files", "GRANT pg_write_server_files, pg_read_server_files, pg_execute_server_program TO %u", []string{"pg_execute_server_program", "pg_read_server_files", "pg_write_server_files"}, nil},
		{"createdb", "ALTER ROLE %u CREATEDB", nil, []string{"CREATEDB"}},
		{"monitor", "GRANT pg_monitor TO %u", nil, []string{"pg_monitor", "pg_read_all_settings", "pg_read_all_stats", "pg_stat_scan_tables"}},
		{"owner of a table", "ALTER TABLE customers OWNER TO %u", nil, []string{"DELETE, TRUNCATE, REFERENCES or TRIGGER on tables", "owner of tables"}},
		{"deletes", "GRANT DELETE ON customers TO %u", nil, []string{"DELETE, TRUNCATE, REFERENCES or TRIGGER on tables"}},
		{"creates", "CREATE SCHEMA own; GRANT CREATE ON SCHEMA own TO %u", nil, []string{"CREATE on a schema"}},
		{"owner of the database", "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I OWNER TO %u', current_database()); END $$", nil, []string{"CREATE on a schema", "CREATE on the database", "owner of a schema", "owner of the database"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			db := dbtest.Postgres(t)
			db.Exec(t, clinic)
			login := db.User(t, allTables)
			if test.sql != "" {
				db.Exec(t, strings.ReplaceAll(test.sql, "%u", login.User))
				defer db.Exec(t, "REASSIGN OWNED BY "+login.User+" TO postgres")
			}
			got, err := open(t, credentials(t, db, login), target.ForReads).Privileges(t.Context())
			must(t, err)
			slices.Sort(got.Superuser)
			slices.Sort(got.Wider)
			if diff := cmp.Diff(target.Privileges{Superuser: test.superuser, Wider: test.wider, Public: []string{"TEMPORARY on the database"}}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPrivilegesOfPublic(t *testing.T) {
	lanes(t, func(t *testing.T, db *dbtest.Database, creds *target.Credentials) {
		db.Exec(t, "GRANT CREATE ON SCHEMA public TO PUBLIC")
		got, err := open(t, creds, target.ForReads).Privileges(t.Context())
		must(t, err)
		if diff := cmp.Diff(target.Privileges{Public: []string{"CREATE on a schema", "TEMPORARY on the database"}}, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestSchemaReadable(t *testing.T) {
	lanes(t, func(t *testing.T, db *dbtest.Database, creds *target.Credentials) {
		s := open(t, creds, target.ForCatalog)
		n, err := s.SchemaReadable(t.Context())
		must(t, err)
		if n != 2 {
			t.Errorf("%d tables", n)
		}
		db.Exec(t, "REVOKE ALL ON customers, appointments FROM "+creds.User, "GRANT SELECT (id) ON customers TO "+creds.User)
		if n, err = s.SchemaReadable(t.Context()); err != nil || n != 1 {
			t.Errorf("%d tables, %v", n, err)
		}
		db.Exec(t, "REVOKE ALL ON SCHEMA public FROM PUBLIC")
		if n, err = s.SchemaReadable(t.Context()); err != nil || n != 0 {
			t.Errorf("%d tables, %v", n, err)
		}
	})
}
