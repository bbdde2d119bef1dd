package discover_test

import (
	"slices"
	"strings"
	"testing"

	"flowyte/internal/dbtest"
	"flowyte/internal/privatedb"
	"flowyte/internal/schema"
)

var viewDDL = []string{
	"CREATE TABLE person (id int PRIMARY KEY, name varchar(50), ssn varchar(20), boss int)",
	"CREATE TABLE pay (id int PRIMARY KEY, person_id int, salary int, at date)",
	"CREATE FUNCTION spy(a int) RETURNS varchar(20) READS SQL DATA RETURN (SELECT ssn FROM person WHERE id = a)",
	"CREATE VIEW plain AS SELECT id, name FROM person",
	"CREATE VIEW starred AS SELECT * FROM pay",
	"CREATE VIEW filtered AS SELECT id FROM person WHERE ssn IS NOT NULL",
	"CREATE VIEW joined AS SELECT p.name, y.salary FROM person p LEFT JOIN pay y ON y.person_id = p.id",
	"CREATE VIEW comma AS SELECT a.name FROM person a, pay b WHERE a.id = b.person_id",
	"CREATE VIEW used AS SELECT name FROM person JOIN pay USING (id)",
	"CREATE VIEW grouped AS SELECT p.name FROM (person p JOIN (pay y JOIN person q ON q.id = y.person_id) ON y.person_id = p.id)",
	"CREATE VIEW derived AS SELECT d.n FROM (SELECT count(*) AS n FROM pay) d",
	"CREATE VIEW nested AS SELECT name FROM plain",
	"CREATE VIEW sub AS SELECT name FROM person WHERE id IN (SELECT person_id FROM pay)",
	"CREATE VIEW corr AS SELECT name, (SELECT max(salary) FROM pay WHERE person_id = person.id) AS top FROM person",
	"CREATE VIEW both_of AS SELECT id FROM person UNION ALL SELECT id FROM pay ORDER BY id LIMIT 3",
	"CREATE VIEW odd_from AS SELECT trim(LEADING 'x' FROM name) AS t, extract(YEAR FROM at) AS y, substring(name FROM 2) AS s, 'from `evil`.`pay`' AS lit FROM person, pay",
	"CREATE VIEW common AS WITH c AS (SELECT id, salary FROM pay), d AS (SELECT id FROM c) SELECT c.salary FROM c JOIN d ON d.id = c.id",
	"CREATE VIEW windowed AS SELECT name, row_number() OVER w AS n FROM person WINDOW w AS (ORDER BY id)",
	"CREATE VIEW spying AS SELECT spy(1) AS x",
	"CREATE VIEW over_spying AS SELECT x FROM spying",
	"CREATE VIEW dice AS SELECT rand() AS r",
	"CREATE VIEW file AS SELECT load_file('/etc/passwd') AS f",
	"CREATE VIEW meta AS SELECT COLUMN_NAME FROM information_schema.COLUMNS",
	"CREATE VIEW spaced AS SELECT `id` AS `from ``x``.``y``` FROM person `join`",
}

// viewTables are the tables that each view reads in truth; "?" is unknown.
var viewTables = map[string]string{
	"plain": "person", "starred": "pay", "filtered": "person", "joined": "pay person", "comma": "pay person", "used": "pay person",
	"grouped": "pay person", "derived": "pay", "nested": "person plain", "sub": "pay person", "corr": "pay person", "both_of": "pay person",
	"odd_from": "pay person", "common": "pay", "windowed": "person", "spying": "?", "over_spying": "?", "dice": "", "file": "?", "meta": "?", "spaced": "person",
}

func TestMySQLViewSources(t *testing.T) {
	eachMySQL(t, func(t *testing.T, db *dbtest.Database) {
		db.Exec(t, viewDDL...)
		reader := db.User(t, "SELECT", "SHOW VIEW", "EXECUTE")
		found := find(t, db, reader)
		got := map[string]string{}
		for i := range found.Objects {
			if o := &found.Objects[i]; o.Type == schema.View {
				got[o.Name] = tablesOf(o)
			}
		}
		same(t, "tables", viewTables, got)
		for name, want := range map[string]map[string]bool{
			"plain": {"person.name": true, "person.ssn": false}, "filtered": {"person.ssn": true, "person.boss": false},
			"starred": {"pay.salary": true}, "nested": {"person.name": true, "person.ssn": false}, "sub": {"pay.person_id": true, "pay.salary": false},
		} {
			for column, reads := range want {
				if slices.Contains(sources(object(t, found, name)), db.Name+"."+column) != reads {
					t.Errorf("%s reads %s: want %t, sources are %v", name, column, reads, sources(object(t, found, name)))
				}
			}
		}
		if !object(t, found, "dice").CallsVolatile || object(t, found, "plain").CallsVolatile {
			t.Error("volatile functions were not told apart")
		}
		for _, o := range find(t, db, db.User(t, "SELECT", "EXECUTE")).Objects {
			if o.Type == schema.View && (!o.SourcesUnknown || len(o.Sources) > 0) {
				t.Errorf("without SHOW VIEW the sources of %s are told: %v", o.Name, sources(&o))
			}
		}
	})
}

// tablesOf are the objects a view reads, each once, or "?".
func tablesOf(o *schema.Object) string {
	if o.SourcesUnknown {
		return "?"
	}
	var tables []string
	for _, s := range o.Sources {
		if !slices.Contains(tables, s.Object) {
			tables = append(tables, s.Object)
		}
	}
	slices.Sort(tables)
	return strings.Join(tables, " ")
}

// The server's own record of tables, which only those see who may see every
// table, must hold no table that reading the text missed.
func TestMySQLViewSourcesAgainstTheServer(t *testing.T) {
	db := dbtest.On(t, privatedb.MySQL)
	db.Exec(t, viewDDL...)
	found := find(t, db, db.Admin())
	for _, row := range db.Query(t, "SELECT VIEW_NAME, TABLE_NAME FROM information_schema.VIEW_TABLE_USAGE WHERE VIEW_SCHEMA = DATABASE() AND TABLE_SCHEMA = DATABASE()") {
		o := object(t, found, row[0])
		if !o.SourcesUnknown && !strings.Contains(" "+tablesOf(o)+" ", " "+row[1]+" ") {
			t.Errorf("%s reads %s, and discovery did not find it: %s", row[0], row[1], tablesOf(o))
		}
	}
}
