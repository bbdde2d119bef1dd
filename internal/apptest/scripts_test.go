package apptest

import (
	"context"
	"crypto/rand"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"flowyte/api"
	"flowyte/client"
	"flowyte/internal/dbtest"
	"flowyte/internal/privatedb"
)

// office is a database with something to read, something to write, and
// something that concerns nobody: another schema, or another database.
func office(t *testing.T, db *dbtest.Database) {
	t.Helper()
	if db.Kind == "postgres" {
		db.Exec(t, "CREATE TABLE customers (id int PRIMARY KEY, name text); CREATE TABLE appointments (id serial PRIMARY KEY, day date)",
			"CREATE TABLE payments (id serial PRIMARY KEY); CREATE SEQUENCE numbers; CREATE SCHEMA board; CREATE TABLE board.minutes (id int)",
			"CREATE FUNCTION board.close() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE VIEW names AS SELECT name FROM customers")
		return
	}
	other := db.Name + "_board"
	db.Exec(t, "CREATE TABLE customers (id int PRIMARY KEY, name varchar(40)); CREATE TABLE appointments (id int AUTO_INCREMENT PRIMARY KEY, day date)",
		"CREATE TABLE payments (id int AUTO_INCREMENT PRIMARY KEY); CREATE VIEW names AS SELECT name FROM customers",
		"CREATE PROCEDURE close_books() SELECT 1", "CREATE DATABASE "+other, "CREATE TABLE "+other+".minutes (id int)")
	t.Cleanup(func() { _ = db.Server.Exec(context.Background(), "", "DROP DATABASE "+other) })
}

// scripted asks for the scripts of a user nobody else has, runs them twice as
// the administrator, and gives the credentials of both users.
func scripted(t *testing.T, c *client.Client, db *dbtest.Database, query url.Values) (api.Scripts, api.Credentials) {
	t.Helper()
	query.Set("database", db.Name)
	query.Set("user", "s_"+strings.ToLower(rand.Text()[:10]))
	out, err := c.Scripts(t.Context(), db.Kind, query)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dropScripted(db, out) })
	for range 2 {
		db.Exec(t, out.ReadOnly.SQL)
		if out.Write != nil {
			db.Exec(t, out.Write.SQL)
		}
	}
	creds := Credentials(db, privatedb.Login{User: out.ReadOnly.User, Password: out.GeneratedPassword})
	if out.Write != nil {
		creds.WriteUser, creds.WritePassword = out.Write.User, out.GeneratedPassword
	}
	return out, creds
}

func dropScripted(db *dbtest.Database, out api.Scripts) {
	users := []string{out.ReadOnly.User}
	if out.Write != nil {
		users = append(users, out.Write.User)
	}
	for _, u := range users {
		drop := `DROP OWNED BY "` + u + `"; DROP ROLE "` + u + `"`
		if db.Kind == "mysql" {
			drop = "DROP USER IF EXISTS `" + u + "`@`%`"
		}
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		_ = db.Server.Exec(ctx, db.Name, drop) // it may not have come to be
		cancel()
	}
}

// TestScriptedUsersPassAndHoldNothingElse is P08: on every server the users
// that the scripts make pass our own six checks without a warning, and the
// server's own catalogue knows of no right of theirs beyond the script's.
func TestScriptedUsersPassAndHoldNothingElse(t *testing.T) {
	dbtest.Every(t, func(t *testing.T, db *dbtest.Database) {
		app := New(t)
		office(t, db)
		out, both := scripted(t, app.Client(), db, url.Values{"tables": {"appointments"}})
		alone := both
		alone.WriteUser, alone.WritePassword = "", ""
		for name, creds := range map[string]api.Credentials{"the reader": alone, "both": both} {
			r, err := app.Client().Test(t.Context(), db.Kind, creds)
			if err != nil {
				t.Fatal(err)
			}
			if !r.OK || len(r.Checks) != 6 {
				t.Fatalf("%s: ok %v with %d checks", name, r.OK, len(r.Checks))
			}
			for _, check := range r.Checks {
				if check.Status != "passed" && check.Code != "certificate_expires_soon" && check.ID != "latency" {
					t.Errorf("%s: %s %s %s: %s", name, check.ID, check.Status, check.Code, check.Detail)
				}
			}
		}
		if _, err := app.Client().Connect(t.Context(), db.Kind, both); err != nil {
			t.Fatalf("connect: %v", err)
		}
		if _, err := app.Client().Discover(t.Context(), db.Kind); err != nil {
			t.Fatalf("discover: %v", err)
		}
		wantCapabilities(t, app, db.Kind, map[string][]string{"customers": {"read"}, "payments": {"read"}, "appointments": {"read", "insert", "update"}})
		holds := postgresHolds
		if db.Kind == "mysql" {
			holds = mysqlHolds
		}
		holds(t, db, out.ReadOnly.User, false)
		holds(t, db, out.Write.User, true)
	})
}

// postgresHolds compares everything that mentions the role in the catalogue.
// pg_shdepend has a line for every object whose access list names a role (a)
// and every one it owns (o), of every kind there is.
func postgresHolds(t *testing.T, db *dbtest.Database, user string, writes bool) {
	t.Helper()
	role := "'" + user + "'::regrole"
	want := map[string][][]string{
		"SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, rolcanlogin FROM pg_roles WHERE oid = " + role: {{"f", "f", "f", "f", "f", "t"}},
		"SELECT count(*) FROM pg_auth_members WHERE member = " + role + " OR roleid = " + role:                                     {{"0"}},
		"SELECT classid::regclass::text, deptype, count(*) FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND refobjid = " + role + " GROUP BY 1, 2 ORDER BY 1": {
			{"pg_class", "a", "4"}, {"pg_database", "a", "1"}, {"pg_namespace", "a", "1"}},
		"SELECT c.relname, string_agg(a.privilege_type, ' ' ORDER BY a.privilege_type), bool_or(a.is_grantable) FROM pg_class c, aclexplode(c.relacl) a WHERE a.grantee = " + role + " GROUP BY 1 ORDER BY 1": {
			{"appointments", "SELECT", "f"}, {"customers", "SELECT", "f"}, {"names", "SELECT", "f"}, {"payments", "SELECT", "f"}},
		"SELECT count(*) FROM pg_attribute a, aclexplode(a.attacl) x WHERE x.grantee = " + role: {{"0"}},
		"SELECT n.nspname, a.privilege_type, a.is_grantable FROM pg_namespace n, aclexplode(n.nspacl) a WHERE a.grantee = " + role: {
			{"public", "USAGE", "f"}},
		"SELECT d.datname, a.privilege_type, a.is_grantable FROM pg_database d, aclexplode(d.datacl) a WHERE a.grantee = " + role: {
			{db.Name, "CONNECT", "f"}},
		"SELECT rolconnlimit FROM pg_roles WHERE oid = " + role: {{"20"}},
		"SELECT unnest(rolconfig) FROM pg_roles WHERE oid = " + role + " ORDER BY 1": {
			{"default_transaction_read_only=on"}, {"idle_in_transaction_session_timeout=10s"}, {"lock_timeout=5s"}, {"search_path=public, pg_temp"}, {"statement_timeout=5s"}},
	}
	for query, rows := range want {
		if writes {
			rows = writerRows(query, rows)
		}
		if diff := cmp.Diff(rows, db.Query(t, query)); diff != "" {
			t.Errorf("%s (-want +got):\n%s\n%s", user, diff, query)
		}
	}
}

// writerRows is what the writer holds where it is not what the reader holds.
func writerRows(query string, rows [][]string) [][]string {
	switch {
	case strings.Contains(query, "GROUP BY 1, 2"):
		return append([][]string{{"pg_class", "a", "5"}}, rows[1:]...)
	case strings.Contains(query, "c.relacl"):
		return [][]string{{"appointments", "INSERT SELECT UPDATE", "f"}, {"appointments_id_seq", "USAGE", "f"}, rows[1], rows[2], rows[3]}
	case strings.Contains(query, "rolconnlimit"):
		return [][]string{{"10"}}
	case strings.Contains(query, "rolconfig"):
		return append([][]string{{"default_transaction_read_only=off"}}, rows[1:]...)
	}
	return rows
}

// mysqlHolds compares everything that mentions the account in the server's own
// tables of rights.
func mysqlHolds(t *testing.T, db *dbtest.Database, user string, writes bool) {
	t.Helper()
	grantee := `GRANTEE = "'` + user + `'@'%'"`
	pattern := strings.ReplaceAll(db.Name, "_", `\_`)
	cap, tables := "20", [][]string(nil)
	if writes {
		cap = "10"
		tables = [][]string{{db.Name, "appointments", "INSERT", "NO"}, {db.Name, "appointments", "SELECT", "NO"}, {db.Name, "appointments", "UPDATE", "NO"}}
	}
	want := map[string][][]string{
		"SELECT PRIVILEGE_TYPE, IS_GRANTABLE FROM information_schema.USER_PRIVILEGES WHERE " + grantee:                                            {{"USAGE", "NO"}},
		"SELECT TABLE_SCHEMA, PRIVILEGE_TYPE, IS_GRANTABLE FROM information_schema.SCHEMA_PRIVILEGES WHERE " + grantee:                            {{pattern, "SELECT", "NO"}},
		"SELECT TABLE_SCHEMA, TABLE_NAME, PRIVILEGE_TYPE, IS_GRANTABLE FROM information_schema.TABLE_PRIVILEGES WHERE " + grantee + " ORDER BY 3": tables,
		"SELECT PRIVILEGE_TYPE FROM information_schema.COLUMN_PRIVILEGES WHERE " + grantee:                                                        nil,
		"SELECT Routine_name FROM mysql.procs_priv WHERE User = '" + user + "'":                                                                   nil,
		"SELECT User FROM mysql.proxies_priv WHERE User = '" + user + "'":                                                                         nil,
		"SELECT Host, ssl_type, max_user_connections FROM mysql.user WHERE User = '" + user + "'":                                                 {{"%", "ANY", cap}},
	}
	if db.Server.Install.Flavor == privatedb.MySQL {
		want["SELECT FROM_USER FROM mysql.role_edges WHERE TO_USER = '"+user+"'"] = nil
		want["SELECT PRIV FROM mysql.global_grants WHERE USER = '"+user+"'"] = nil
	} else {
		want["SELECT Role FROM mysql.roles_mapping WHERE User = '"+user+"'"] = nil
	}
	for query, rows := range want {
		if diff := cmp.Diff(rows, db.Query(t, query)); diff != "" && (len(rows) > 0 || len(db.Query(t, query)) > 0) {
			t.Errorf("%s (-want +got):\n%s\n%s", user, diff, query)
		}
	}
}

// TestScriptInputs is P09: what looks like SQL is a name, and a script for a
// name that is not there does nothing else than fail.
func TestScriptInputs(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		app := New(t)
		office(t, db)
		before := tablesOf(t, db)
		for _, name := range []string{"x; DROP TABLE customers", `x"; DROP TABLE customers; --`, "x`; DROP TABLE customers; -- ", "x'; DROP TABLE customers; --", "unknown"} {
			for _, parameter := range []string{"tables", "readTables"} {
				query := url.Values{"database": {db.Name}, "tables": {"appointments"}, "user": {"p09_user"}, "password": {`a\'b"c` + "`$$;--"}}
				query.Set(parameter, name)
				out, err := app.Client().Scripts(t.Context(), db.Kind, query)
				if err != nil {
					wantProblem(t, err, 422, "script_input_invalid")
					continue
				}
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				failed := db.Server.Exec(ctx, db.Name, out.Write.SQL)
				cancel()
				if failed == nil {
					t.Errorf("the script for %s %q ran", parameter, name)
				}
				dropScripted(db, out)
			}
		}
		if diff := cmp.Diff(before, tablesOf(t, db)); diff != "" {
			t.Errorf("tables (-before +after):\n%s", diff)
		}
		many := url.Values{"database": {db.Name}, "tables": {strings.Repeat("t,", 9_999) + "t"}}
		_, err := app.Client().Scripts(t.Context(), db.Kind, many)
		wantProblem(t, err, 422, "script_input_invalid")
		many.Set("readTables", strings.Repeat("t_of_a_name_that_people_give,", 599)+"t")
		many.Set("tables", "t")
		if _, err = app.Client().Scripts(t.Context(), db.Kind, many); err != nil {
			t.Errorf("600 tables to read: %v", err)
		}
		// A password means itself, whatever is in it.
		password := `a\'b"c` + "`$$;--" + ` %s ä`
		query := url.Values{"database": {db.Name}, "user": {"p09_pw"}, "password": {password}}
		out, err := app.Client().Scripts(t.Context(), db.Kind, query)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { dropScripted(db, out) })
		db.Exec(t, out.ReadOnly.SQL)
		r, err := app.Client().Test(t.Context(), db.Kind, Credentials(db, privatedb.Login{User: "p09_pw", Password: password}))
		if err != nil || !r.OK {
			t.Errorf("the user with that password: %+v, %v", r.Checks, err)
		}
	})
}

func tablesOf(t *testing.T, db *dbtest.Database) [][]string {
	t.Helper()
	return db.Query(t, "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema NOT IN ('pg_catalog', 'information_schema', 'mysql', 'sys', 'performance_schema') AND (table_schema NOT LIKE 't\\_%' OR table_schema = '"+db.Name+"') ORDER BY 1, 2")
}
