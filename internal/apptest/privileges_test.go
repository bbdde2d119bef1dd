package apptest

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"flowyte/api"
	"flowyte/internal/dbtest"
	"flowyte/internal/privatedb"
)

// power is something that a user may have beyond its tables: sql gives it to
// %u, in the database %d.
type power struct {
	name, sql string
	undo      string
	refused   bool // at connect; else it is a warning
	only      func(db *dbtest.Database) bool
}

var postgresPowers = []power{
	{name: "superuser", sql: "ALTER ROLE %u SUPERUSER", refused: true},
	{name: "member of a superuser", sql: "GRANT postgres TO %u", refused: true},
	{name: "CREATEROLE", sql: "ALTER ROLE %u CREATEROLE", refused: true},
	{name: "BYPASSRLS", sql: "ALTER ROLE %u BYPASSRLS", refused: true},
	{name: "REPLICATION", sql: "ALTER ROLE %u REPLICATION", refused: true},
	{name: "pg_write_server_files", sql: "GRANT pg_write_server_files TO %u", refused: true},
	{name: "pg_execute_server_program", sql: "GRANT pg_execute_server_program TO %u", refused: true},
	{name: "owner", sql: "ALTER TABLE customers OWNER TO %u", undo: "REASSIGN OWNED BY %u TO postgres"},
	{name: "CREATEDB", sql: "ALTER ROLE %u CREATEDB"},
	{name: "pg_read_all_data", sql: "GRANT pg_read_all_data TO %u", only: func(db *dbtest.Database) bool { return db.Server.Install.Flavor != privatedb.Postgres13 }},
}

var mysqlPowers = []power{
	{name: "FILE", sql: "GRANT FILE ON *.* TO %u", refused: true},
	{name: "SUPER", sql: "GRANT SUPER ON *.* TO %u", refused: true, only: mariadb},
	{name: "SYSTEM_VARIABLES_ADMIN", sql: "GRANT SYSTEM_VARIABLES_ADMIN ON *.* TO %u", refused: true, only: func(db *dbtest.Database) bool { return !mariadb(db) }},
	{name: "ALL", sql: "GRANT ALL ON *.* TO %u", refused: true},
	{name: "GRANT OPTION", sql: "GRANT SELECT ON %d.* TO %u WITH GRANT OPTION", refused: true},
	{name: "the server's own tables", sql: "GRANT UPDATE ON mysql.* TO %u", refused: true},
	{name: "ALL on the database", sql: "GRANT ALL ON %d.* TO %u"},
	{name: "PROCESS", sql: "GRANT PROCESS ON *.* TO %u"},
}

func mariadb(db *dbtest.Database) bool { return db.Server.Install.Flavor != privatedb.MySQL }

// TestOverPrivileged is P05: whoever reaches beyond tables is refused at
// connect, as reader and as writer, and named in a test; rights merely wider
// than the script's are a warning.
func TestOverPrivileged(t *testing.T) {
	dbtest.Every(t, func(t *testing.T, db *dbtest.Database) {
		app := New(t)
		db.Exec(t, "CREATE TABLE customers (id int PRIMARY KEY)")
		powers := postgresPowers
		if db.Kind == "mysql" {
			powers = mysqlPowers
		}
		plain := db.User(t, "SELECT")
		for _, p := range powers {
			if p.only != nil && !p.only(db) {
				continue // a power that this server does not know
			}
			t.Run(p.name, func(t *testing.T) {
				login := db.User(t, "SELECT")
				fill := strings.NewReplacer("%u", grantee(db, login), "%d", db.Name)
				db.Exec(t, fill.Replace(p.sql))
				if p.undo != "" {
					defer db.Exec(t, fill.Replace(p.undo))
				}
				r, err := app.Client().Test(t.Context(), db.Kind, Credentials(db, login))
				if err != nil {
					t.Fatal(err)
				}
				if !p.refused {
					if check := r.Checks[4]; !r.OK || check.Status != "warning" || check.Code != "wider_privileges" {
						t.Errorf("%+v", check)
					}
					return
				}
				wantFailedCheck(t, r, "read_only_session", "over_privileged")
				_, err = app.Client().Connect(t.Context(), db.Kind, Credentials(db, login))
				wantProblem(t, err, 422, "over_privileged")
				writer := Credentials(db, plain)
				writer.WriteUser, writer.WritePassword = login.User, login.Password
				_, err = app.Client().Connect(t.Context(), db.Kind, writer)
				wantProblem(t, err, 422, "over_privileged")
			})
		}
		if _, err := app.Client().Integration(t.Context(), db.Kind); err == nil {
			t.Error("a user that was refused is connected")
		}
	})
}

func grantee(db *dbtest.Database, login privatedb.Login) string {
	if db.Kind == "mysql" {
		return "'" + login.User + "'@'%'"
	}
	return login.User
}

// TestProofTellsFactsApartAndLeavesNothing is P06 and P07: with a user that can
// write, may create tables and draw numbers, the session is proven read-only
// and the role said not to be; afterwards nothing is there that was not there.
func TestProofTellsFactsApartAndLeavesNothing(t *testing.T) {
	dbtest.Every(t, func(t *testing.T, db *dbtest.Database) {
		app := New(t)
		var grants, traces []string
		if db.Kind == "postgres" {
			db.Exec(t, "CREATE TABLE orders (id serial PRIMARY KEY, note text)")
			grants = []string{"SELECT, INSERT, UPDATE ON orders", "CREATE, USAGE ON SCHEMA public", "USAGE ON SEQUENCE orders_id_seq"}
			traces = []string{
				"SELECT oid, relname FROM pg_class WHERE relnamespace = 'public'::regnamespace OR relname LIKE 'flowyte%' ORDER BY 1", "SELECT last_value, is_called FROM orders_id_seq",
				"SELECT count(*) FROM pg_largeobject_metadata", "SELECT count(*) FROM orders", "SELECT setconfig FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase WHERE datname = current_database()",
				"SELECT count(*) FROM pg_locks WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid()",
			}
		} else {
			db.Exec(t, "CREATE TABLE orders (id int AUTO_INCREMENT PRIMARY KEY, note varchar(20))")
			grants = []string{"SELECT, INSERT, UPDATE, CREATE, DROP"}
			traces = []string{
				"SELECT table_name, auto_increment FROM information_schema.tables WHERE table_schema = '" + db.Name + "' ORDER BY 1",
				"SELECT table_schema FROM information_schema.tables WHERE table_name LIKE 'flowyte%'", "SELECT count(*) FROM orders",
				"SELECT count(*) FROM information_schema.innodb_trx",
			}
		}
		login := db.User(t, grants...)
		look := func() (seen [][][]string) {
			for _, query := range traces {
				seen = append(seen, db.Query(t, query))
			}
			return seen
		}
		before := look()
		r, err := app.Client().Test(t.Context(), db.Kind, Credentials(db, login))
		if err != nil {
			t.Fatal(err)
		}
		check := r.Checks[4]
		if !r.OK || check.Status != "warning" || check.Code != "role_can_write" && check.Code != "wider_privileges" {
			t.Fatalf("%+v", check)
		}
		for _, fact := range []string{"The session is read-only", "The user itself could write"} {
			if !strings.Contains(check.Detail, fact) {
				t.Errorf("%q does not say: %s", check.Detail, fact)
			}
		}
		// Sessions end in the background.
		eventually(t, "the end of every trace", func() bool { return cmp.Equal(before, look()) })
	})
}

// TestViewsThatDoSomething is P11: a view that sleeps or draws a number is
// warned of at bind where the server tells, and held to the call's time by the
// budget; the number is not drawn.
func TestViewsThatDoSomething(t *testing.T) {
	views := map[string][]string{
		"postgres": {"CREATE SEQUENCE tickets; CREATE VIEW sleepers AS SELECT id, phone, pg_sleep(8)::text AS nap FROM desks",
			"CREATE VIEW drawers AS SELECT id, phone, nextval('tickets') AS ticket FROM desks; GRANT USAGE ON SEQUENCE tickets TO PUBLIC"},
		"mysql": {"CREATE VIEW sleepers AS SELECT id, phone, SLEEP(8) AS nap FROM desks"},
	}
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		app := New(t)
		db.Exec(t, "CREATE TABLE desks (id int PRIMARY KEY, phone varchar(32) NOT NULL)", "CREATE INDEX desks_phone ON desks (phone)",
			"INSERT INTO desks VALUES (1, '+12065550177')")
		db.Exec(t, views[db.Kind]...)
		login := db.User(t, "SELECT", map[string]string{"postgres": "SELECT", "mysql": "SHOW VIEW"}[db.Kind])
		w := &ward{App: app, db: db, login: login}
		app.Connected(t, db, login)
		agent, err := app.Client().CreateAgent(t.Context(), api.AgentRequest{Name: "Desk", Country: "US"})
		if err != nil {
			t.Fatal(err)
		}
		w.agent = agent.ID
		skills := []api.Skill{w.bind(t, "Look up a sleeper", "sleepers", "nap")}
		if db.Kind == "postgres" {
			skills = append(skills, w.bind(t, "Draw a ticket", "drawers", "ticket"))
		}
		for _, sk := range skills {
			if !warned(sk, "volatile_view") {
				t.Errorf("%s was bound without a warning: %+v", sk.Name, sk.Warnings)
			}
		}
		if _, err := app.Client().Publish(t.Context(), agent.ID, ""); err != nil {
			t.Fatal(err)
		}
		if w.conv, err = app.Client().Start(t.Context(), agent.ID, api.ConversationRequest{Channel: "voice", Caller: &api.Caller{Phone: CanaryPhone}}); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		w.ask(t, "look_up_a_sleeper", "timed_out", "deadline")
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("released after %v", took)
		}
		running := map[string]string{
			"postgres": "SELECT count(*) FROM pg_stat_activity WHERE usename = '" + login.User + "' AND state = 'active'",
			"mysql":    "SELECT count(*) FROM information_schema.processlist WHERE user = '" + login.User + "' AND command <> 'Sleep'",
		}
		eventually(t, "the end of the work on the server", func() bool { return db.Query(t, running[db.Kind])[0][0] == "0" })
		if db.Kind == "postgres" {
			w.ask(t, "draw_a_ticket", "failed", "database_error")
			if diff := cmp.Diff([][]string{{"1", "f"}}, db.Query(t, "SELECT last_value, is_called FROM tickets")); diff != "" {
				t.Errorf("a number was drawn (-want +got):\n%s", diff)
			}
		}
	})
}

func warned(sk api.Skill, code string) bool {
	for _, f := range sk.Warnings {
		if f.Code == code {
			return true
		}
	}
	return false
}
