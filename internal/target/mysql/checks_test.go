package mysql

import (
	"context"
	"strings"
	"testing"

	"flowyte/internal/dbtest"
	"flowyte/internal/fault"
	"flowyte/internal/grant"
	"flowyte/internal/plan"
	"flowyte/internal/privatedb"
	"flowyte/internal/schema"
	"flowyte/internal/secret"
	"flowyte/internal/target"
	"flowyte/internal/target/targettest"

	"github.com/google/go-cmp/cmp"
)

func TestSchemaReadable(t *testing.T) {
	each(t, func(t *testing.T, db *dbtest.Database) {
		db.Exec(t, "CREATE TABLE a (id int, pin int); CREATE TABLE b (id int); CREATE VIEW v AS SELECT id FROM a")
		for grants, want := range map[string]int{
			"SELECT": 3, "SELECT (id) ON " + db.Name + ".a": 1, "INSERT": 0,
		} {
			got, err := open(t, db, target.ForCatalog, grants).SchemaReadable(t.Context())
			must(t, err)
			if got != want {
				t.Errorf("with %s: %d, want %d", grants, got, want)
			}
		}
	})
}

func TestProveReadOnly(t *testing.T) {
	each(t, func(t *testing.T, db *dbtest.Database) {
		db.Exec(t, "CREATE TABLE a (id int)")
		for _, c := range []struct {
			purpose target.Purpose
			grants  []string
			want    target.ReadOnlyProof
		}{
			{target.ForReads, []string{"SELECT"}, target.ReadOnlyProof{SessionReadOnly: true}},
			{target.ForReads, []string{"ALL"}, target.ReadOnlyProof{SessionReadOnly: true, RoleCanWrite: true}},
			{target.ForCatalog, []string{"SELECT, UPDATE (id) ON " + db.Name + ".a"}, target.ReadOnlyProof{SessionReadOnly: true, RoleCanWrite: true}},
			// A session that lets the write through, and one that lacks the right.
			{target.ForWrites, []string{"ALL"}, target.ReadOnlyProof{RoleCanWrite: true}},
			{target.ForWrites, []string{"SELECT"}, target.ReadOnlyProof{}},
		} {
			got, err := open(t, db, c.purpose, c.grants...).ProveReadOnly(t.Context())
			must(t, err)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s with %v (-want +got):\n%s", c.purpose, c.grants, diff)
			}
		}
		if left := db.Query(t, "SHOW TABLES LIKE 'flowyte%'"); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})
}

// TestProveReadOnlyOnReplica: the session's own refusal comes first, so the
// proof holds there as well.
func TestProveReadOnlyOnReplica(t *testing.T) {
	for _, flavor := range []privatedb.Flavor{privatedb.MariaDB, privatedb.MySQL} {
		t.Run(string(flavor), func(t *testing.T) {
			db := dbtest.New(t, dbtest.Own(t, flavor, privatedb.Options{NoSync: true, Settings: []string{"read_only=1"}}))
			for purpose, want := range map[target.Purpose]target.ReadOnlyProof{
				target.ForReads:  {SessionReadOnly: true, RoleCanWrite: true, Replica: true},
				target.ForWrites: {RoleCanWrite: true, Replica: true},
			} {
				got, err := open(t, db, purpose, "ALL").ProveReadOnly(t.Context())
				must(t, err)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", purpose, diff)
				}
			}
		})
	}
}

func TestPrivileges(t *testing.T) {
	each(t, func(t *testing.T, db *dbtest.Database) {
		db.Exec(t, "CREATE TABLE a (id int); CREATE PROCEDURE p() SELECT 1")
		mariadb := db.Server.Install.Flavor != privatedb.MySQL
		for _, c := range []struct {
			grants []string
			want   target.Privileges
			skip   bool
		}{
			{[]string{"SELECT"}, target.Privileges{}, false},
			{[]string{"SELECT, SHOW VIEW", "INSERT, UPDATE ON " + db.Name + ".a"}, target.Privileges{}, false},
			{[]string{"SELECT, INSERT, DELETE"}, target.Privileges{Wider: []string{"INSERT on the whole database", "DELETE on the whole database"}}, false},
			{[]string{"SELECT, DELETE ON " + db.Name + ".a", "EXECUTE ON PROCEDURE " + db.Name + ".p"}, target.Privileges{Wider: []string{"DELETE on a table", "EXECUTE on a routine"}}, false},
			{[]string{"ALL"}, target.Privileges{Wider: []string{"ALL PRIVILEGES on the whole database"}}, false},
			{[]string{"SELECT, PROCESS ON *.*"}, target.Privileges{Wider: []string{"SELECT on every database", "PROCESS on every database"}}, false},
			{[]string{"SELECT", "FILE ON *.*"}, target.Privileges{Superuser: []string{"FILE on every database"}}, false},
			{[]string{"SELECT", "SUPER ON *.*"}, target.Privileges{Superuser: []string{"SUPER on every database"}}, !mariadb},
			{[]string{"SELECT", "SELECT ON mysql.*"}, target.Privileges{Wider: []string{"SELECT on the server's own tables"}}, false},
			{[]string{"SELECT", "UPDATE ON mysql.*"}, target.Privileges{Superuser: []string{"UPDATE on the server's own tables"}}, false},
			{[]string{"SELECT", "SYSTEM_VARIABLES_ADMIN ON *.*"}, target.Privileges{Superuser: []string{"SYSTEM_VARIABLES_ADMIN on every database"}}, mariadb},
			{[]string{"SELECT", "READ_ONLY ADMIN ON *.*"}, target.Privileges{Superuser: []string{"READ_ONLY ADMIN on every database"}}, !mariadb},
			{[]string{"SELECT", "SELECT ON `other%`.*"}, target.Privileges{Wider: []string{"SELECT on another database"}}, false},
		} {
			if c.skip {
				continue // a privilege of the other flavour
			}
			got, err := open(t, db, target.ForReads, c.grants...).Privileges(t.Context())
			must(t, err)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%v (-want +got):\n%s", c.grants, diff)
			}
		}
	})
}

// TestPrivilegesOfAdministrators: whoever holds everything, or may pass rights
// on, is refused.
func TestPrivilegesOfAdministrators(t *testing.T) {
	each(t, func(t *testing.T, db *dbtest.Database) {
		login := db.User(t, "SELECT")
		db.Exec(t, "GRANT SELECT ON "+db.Name+".* TO '"+login.User+"'@'%' WITH GRANT OPTION")
		for name, l := range map[string]privatedb.Login{"administrator": db.Admin(), "grantor": login} {
			got, err := openWith(t, targettest.Credentials(t, db.Server, db.Name, l), target.ForReads).Privileges(t.Context())
			must(t, err)
			if !strings.Contains(strings.Join(got.Superuser, "\n"), "GRANT OPTION") {
				t.Errorf("%s: %v", name, got)
			}
		}
	})
}

// TestPrivilegesThroughRoles: a power that a granted role has is the user's,
// whether the role is active or not.
func TestPrivilegesThroughRoles(t *testing.T) {
	each(t, func(t *testing.T, db *dbtest.Database) {
		db.Exec(t, "CREATE TABLE a (id int)", "CREATE ROLE inner_role, `outer role`", "GRANT FILE ON *.* TO inner_role",
			"GRANT DELETE ON a TO `outer role`", "GRANT inner_role TO `outer role`")
		t.Cleanup(func() { _ = db.Server.Exec(context.Background(), "", "DROP ROLE inner_role, `outer role`") })
		login := db.User(t, "SELECT")
		db.Exec(t, "GRANT `outer role` TO '"+login.User+"'@'%'")
		s := openWith(t, targettest.Credentials(t, db.Server, db.Name, login), target.ForReads)
		got, err := s.Privileges(t.Context())
		must(t, err)
		want := target.Privileges{Superuser: []string{"FILE on every database"}, Wider: []string{"DELETE on a table"}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if role := query(t, s, "SELECT CURRENT_ROLE()")[0]; role != nil && role != "NONE" {
			t.Errorf("the session goes on in the role %v", role)
		}
		proof, err := s.ProveReadOnly(t.Context())
		must(t, err)
		if !proof.RoleCanWrite || !proof.SessionReadOnly {
			t.Errorf("%+v", proof)
		}
	})
}

func TestPrivilegesOfPublic(t *testing.T) {
	db := dbtest.Own(t, privatedb.MariaDB)
	must(t, db.Exec(t.Context(), "", "GRANT CREATE TEMPORARY TABLES ON *.* TO PUBLIC"))
	got, err := open(t, dbtest.New(t, db), target.ForReads).Privileges(t.Context())
	must(t, err)
	if diff := cmp.Diff(target.Privileges{Public: []string{"CREATE TEMPORARY TABLES on every database"}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestGeneratedScripts: the users of the scripts hold nothing beyond them.
func TestGeneratedScripts(t *testing.T) {
	each(t, func(t *testing.T, db *dbtest.Database) {
		db.Exec(t, "CREATE TABLE appointments (id int); CREATE TABLE customers (id int)")
		scripts, err := grant.MySQL(grant.Input{Database: db.Name, Tables: []string{"appointments"}, Password: secret.New("pass'word\\1")})
		must(t, err)
		db.Exec(t, scripts.ReadOnly.SQL, scripts.Write.SQL)
		t.Cleanup(func() { _ = db.Server.Exec(context.Background(), "", "DROP USER flowyte_ro, flowyte_rw") })
		for user, write := range map[string]bool{"flowyte_ro": false, "flowyte_rw": true} {
			s := openWith(t, targettest.Credentials(t, db.Server, db.Name, privatedb.Login{User: user, Password: "pass'word\\1"}), target.ForReads)
			got, err := s.Privileges(t.Context())
			must(t, err)
			if diff := cmp.Diff(target.Privileges{}, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", user, diff)
			}
			proof, err := s.ProveReadOnly(t.Context())
			must(t, err)
			if proof.RoleCanWrite != write || !proof.SessionReadOnly {
				t.Errorf("%s: %+v", user, proof)
			}
		}
	})
}

func TestParseGrant(t *testing.T) {
	for line, want := range map[string]right{
		"GRANT USAGE ON *.* TO `u`@`%` IDENTIFIED BY PASSWORD '*A ON B' REQUIRE SSL WITH MAX_USER_CONNECTIONS 20": {privileges: []string{"USAGE"}, scope: everywhere, database: "*"},
		"GRANT SELECT (`a,b`, `c) ON x`), INSERT ON `d``b`.`t` TO `u`@`%`":                                        {privileges: []string{"SELECT", "INSERT"}, scope: oneObject, database: "d`b"},
		"GRANT CREATE TEMPORARY TABLES, LOCK TABLES ON `a\\_b`.* TO `u`@`%` WITH GRANT OPTION":                    {privileges: []string{"CREATE TEMPORARY TABLES", "LOCK TABLES"}, scope: wholeDatabase, database: `a\_b`, grantable: true},
		"GRANT SELECT ON *.* TO `u`@`%` WITH MAX_QUERIES_PER_HOUR 5 GRANT OPTION":                                 {privileges: []string{"SELECT"}, scope: everywhere, database: "*", grantable: true},
		"GRANT EXECUTE ON PACKAGE BODY `d`.`p` TO `u`@`%`":                                                        {privileges: []string{"EXECUTE"}, scope: oneRoutine, database: "d"},
		"GRANT PROXY ON ''@'%' TO 'root'@'localhost' WITH GRANT OPTION":                                           {proxy: true, grantable: true},
		"GRANT `r`@`%`,`WITH GRANT OPTION` TO `u`@`%`":                                                            {roles: []string{"`r`@`%`", "`WITH GRANT OPTION`"}},
		"GRANT SELECT ON `TO`.`GRANT OPTION` TO `u`@`%`":                                                          {privileges: []string{"SELECT"}, scope: oneObject, database: "TO"},
		"GRANT":                    {unknown: true},
		"ALLOW SELECT TO u":        {unknown: true},
		"GRANT SELECT ON `a":       {unknown: true},
		"GRANT SELECT ON `a`":      {unknown: true},
		"GRANT `r`":                {unknown: true},
		"GRANT SELECT TO `u`@`%`":  {unknown: true},
		"GRANT ON `a`.* TO `u`":    {unknown: true},
		"GRANT SELECT `x` ON *.* ": {unknown: true},
	} {
		got, ok := parseGrant(line)
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(right{})); diff != "" || !ok {
			t.Errorf("%s (-want +got):\n%s", line, diff)
		}
	}
	for _, line := range []string{"SET DEFAULT ROLE `r` FOR `u`@`%`", "REVOKE SELECT ON `mysql`.* FROM `u`@`%`"} {
		if _, ok := parseGrant(line); ok {
			t.Errorf("%s grants something", line)
		}
	}
	want := target.Privileges{Superuser: []string{"PROXY"}, Wider: []string{"a grant of an unknown form"}}
	if diff := cmp.Diff(want, rights{{unknown: true}, {proxy: true}}.beyond("d")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

const clinic = `CREATE TABLE customers (id int PRIMARY KEY, phone varchar(20), email varchar(60), KEY by_phone (phone));
CREATE TABLE appointments (id bigint unsigned AUTO_INCREMENT PRIMARY KEY, customer_id int, status enum('a','b'), note text, starts_at datetime,
	KEY by_customer (customer_id), KEY by_start (starts_at), FOREIGN KEY (customer_id) REFERENCES customers (id));
CREATE VIEW open_appointments AS SELECT id, customer_id FROM appointments WHERE status = 'a';
CREATE VIEW per_customer AS SELECT customer_id, COUNT(*) AS n FROM appointments GROUP BY customer_id`

// TestExplain asks about tables that are empty, small and large: what the
// server can do does not depend on that.
func TestExplain(t *testing.T) {
	big, moment := column{base: "bigint", is: schema.Integer}, column{base: "datetime", is: schema.DateTime}
	from := func(db *dbtest.Database, object string) string {
		return " FROM `" + db.Name + "`.`" + object + "` AS t "
	}
	each(t, func(t *testing.T, db *dbtest.Database) {
		db.Exec(t, clinic)
		s := open(t, db, target.ForCatalog, "SELECT", "SHOW VIEW")
		for _, rows := range []string{
			"DO 0", "INSERT INTO customers VALUES (1, 'x', 'x'); INSERT INTO appointments (customer_id, status) VALUES (1, 'a')",
			"INSERT INTO customers SELECT seq.n, seq.n, seq.n FROM (SELECT 2 + a.n + 10 * b.n + 100 * c.n AS n FROM digits a, digits b, digits c) seq",
		} {
			if strings.Contains(rows, "digits") {
				db.Exec(t, "CREATE TABLE digits (n int); INSERT INTO digits VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)")
			}
			db.Exec(t, rows, "ANALYZE TABLE customers, appointments")
			for _, c := range []struct {
				statement string
				slots     []column
				uses      bool
				index     string
			}{
				{"SELECT t.`id`" + from(db, "customers") + "WHERE t.`phone` IN (?, ?) AND CAST(CONVERT(t.`phone` USING utf8mb4) AS BINARY) IN (?, ?) LIMIT 6", []column{varchar, varchar, varchar, varchar}, true, "by_phone"},
				{"SELECT t.`id`" + from(db, "customers") + "WHERE t.`email` = ? LIMIT 6", []column{varchar}, false, ""},
				{"SELECT t.`id`" + from(db, "customers") + "WHERE t.`id` = ? LIMIT 2", []column{integer}, true, ""},
				{"SELECT t.`id`" + from(db, "appointments") + "LEFT JOIN `" + db.Name + "`.`customers` AS j1 ON j1.`id` = t.`customer_id` WHERE t.`customer_id` = ? ORDER BY t.`id` LIMIT 6", []column{integer}, true, "by_customer"},
				{"SELECT t.`id`" + from(db, "appointments") + "WHERE t.`starts_at` = ? LIMIT 6", []column{moment}, true, "by_start"},
				{"SELECT t.`id`" + from(db, "appointments") + "WHERE t.`status` = ? LIMIT 6", []column{varchar}, false, ""},
				{"SELECT t.`id`" + from(db, "open_appointments") + "WHERE t.`customer_id` = ? LIMIT 6", []column{integer}, true, "by_customer"},
			} {
				p := read(c.statement, c.slots, []column{big}, 5)
				p.Object = schema.ColumnRef{Schema: db.Name, Object: strings.Split(strings.SplitN(c.statement, "`.`", 2)[1], "`")[0]}
				got, err := s.Explain(t.Context(), p)
				must(t, err)
				if got.UsesIndex != c.uses || c.index != "" && (len(got.Indexes) != 1 || got.Indexes[0] != c.index) || len(got.Nodes) == 0 {
					t.Errorf("%s\nafter %.30s: %+v", c.statement, rows, got)
				}
			}
		}
		if got := query(t, s, "SELECT @@max_seeks_for_key = @@GLOBAL.max_seeks_for_key")[0]; got != int64(1) {
			t.Error("the session keeps the setting of Explain")
		}
	})
}

func TestExplainWrites(t *testing.T) {
	each(t, func(t *testing.T, db *dbtest.Database) {
		db.Exec(t, clinic)
		write := func(action plan.Action, statement string, slots ...column) *plan.Plan {
			p := read(statement, slots, nil, 0)
			p.Action, p.Object = action, schema.ColumnRef{Schema: db.Name, Object: "customers"}
			return p
		}
		table := "`" + db.Name + "`.`customers`"
		insert := write(plan.Insert, "INSERT INTO "+table+" (`id`, `phone`) VALUES (?, ?)", integer, varchar)
		byKey := write(plan.Update, "UPDATE "+table+" AS t SET `phone` = ? WHERE t.`id` = ?", varchar, integer)
		scan := write(plan.Update, "UPDATE "+table+" AS t SET `phone` = ? WHERE t.`email` = ?", varchar, varchar)
		s := open(t, db, target.ForWrites, "SELECT", "INSERT", "UPDATE")
		for p, uses := range map[*plan.Plan]bool{insert: false, byKey: true, scan: false} {
			got, err := s.Explain(t.Context(), p)
			must(t, err)
			if got.UsesIndex != uses {
				t.Errorf("%s: %+v", p.Statement, got)
			}
		}
		if rows := db.Query(t, "SELECT COUNT(*) FROM customers"); rows[0][0] != "0" {
			t.Error("Explain wrote a row")
		}
		_, err := open(t, db, target.ForWrites, "SELECT").Explain(t.Context(), byKey)
		wantFault(t, err, fault.PermissionDenied)
	})
}

func TestExplainRefusesDrift(t *testing.T) {
	s := open(t, dbtest.MariaDB(t), target.ForCatalog)
	_, err := s.Explain(t.Context(), read("SELECT nothing FROM nowhere WHERE id = ?", []column{integer}, []column{integer}, 1))
	wantFault(t, err, fault.SchemaDrift)
	_, err = s.Explain(t.Context(), read("SELECT 1", []column{integer}, []column{integer}, 1))
	wantFault(t, err, fault.SchemaDrift)
	must(t, s.Probe(t.Context()))
}
