package discover_test

import (
	"fmt"
	"slices"
	"testing"

	"flowyte/internal/dbtest"
	"flowyte/internal/privatedb"
	"flowyte/internal/schema"
)

// Views that tell something of customers.ssn, each in another way.
var (
	secretViews = []string{
		"WITH c AS (SELECT ssn AS x FROM customers) SELECT x FROM c", "SELECT id FROM customers WHERE ssn LIKE '1%'", "SELECT id FROM customers ORDER BY ssn",
		"WITH RECURSIVE c AS (SELECT 1 AS n, max(ssn) AS x FROM customers UNION ALL SELECT n + 1, x FROM c WHERE n < 2) SELECT x FROM c",
		"SELECT id, row_number() OVER (ORDER BY ssn) AS r FROM customers", "SELECT a.id FROM customers a JOIN customers b USING (ssn)",
		"SELECT a.id FROM customers a NATURAL JOIN customers b", "SELECT id FROM customers WHERE (id, ssn) IN (SELECT id, ssn FROM customers)",
		"SELECT count(*) AS n FROM customers GROUP BY ssn", "SELECT 1 AS one WHERE EXISTS (SELECT 1 FROM customers WHERE ssn = '1')",
		"SELECT email FROM (SELECT * FROM customers) d", "SELECT id FROM customers UNION SELECT length(ssn) FROM customers",
		"SELECT id FROM customers GROUP BY id HAVING max(ssn) > 'x'", "SELECT id, CASE WHEN ssn IS NULL THEN 1 END AS c FROM customers",
	}
	secretViewsOfPostgres = []string{
		"TABLE customers", "SELECT c FROM customers c", "SELECT to_jsonb(c) AS j FROM customers c", "SELECT count(c) AS n FROM customers c", "SELECT DISTINCT ON (ssn) id FROM customers",
		"SELECT count(*) AS n FROM customers GROUP BY GROUPING SETS ((ssn), ())", "SELECT x.s FROM customers c, LATERAL (SELECT c.ssn AS s) x",
		"VALUES ((SELECT max(ssn) FROM customers))", "SELECT id FROM customers TABLESAMPLE system (1) WHERE ssn IS NOT NULL", "SELECT ROW(customers.*)::text AS r FROM customers",
		"SELECT count(*) FILTER (WHERE ssn IS NULL) AS n FROM customers", "SELECT string_agg(email, ',' ORDER BY ssn) AS s FROM customers",
		"SELECT unnest(ARRAY(SELECT ssn FROM customers)) AS u", "SELECT most_common_vals::text AS v FROM pg_stats", "SELECT table_to_xml('customers', true, true, '')::text AS x",
	}
	secretViewsOfMySQL = []string{"SELECT group_concat(ssn SEPARATOR '`x`') AS g FROM customers", "SELECT COLUMN_NAME FROM information_schema.COLUMNS",
		`SELECT j.v FROM customers, JSON_TABLE(concat('["', ssn, '"]'), '$[*]' COLUMNS (v varchar(40) PATH '$')) j`,
		"SELECT `id` FROM `customers` PROCEDURE_ WHERE PROCEDURE_.`SSN` > ''"}
)

// TestViewsOverABlockedColumn: however a view reads a blocked column, the view
// is blocked, and one that does not read it is not.
func TestViewsOverABlockedColumn(t *testing.T) {
	dbtest.Every(t, func(t *testing.T, db *dbtest.Database) {
		db.Exec(t, "CREATE TABLE customers (id int PRIMARY KEY, email varchar(99), ssn varchar(20))", "CREATE VIEW fine AS SELECT id, email FROM customers WHERE email <> 'ssn'")
		views := slices.Concat(secretViews, secretViewsOfMySQL)
		switch {
		case isPostgres(db):
			views = slices.Concat(secretViews, secretViewsOfPostgres)
		case db.Server.Install.Flavor == privatedb.MySQL:
			views = append(views, "TABLE customers", "SELECT d.x FROM customers c, LATERAL (SELECT c.ssn AS x) d")
		}
		for i, view := range views {
			db.Exec(t, fmt.Sprintf("CREATE VIEW v%d AS %s", i, view), fmt.Sprintf("CREATE VIEW over%d AS SELECT count(*) AS n FROM v%d", i, i))
		}
		found := find(t, db, db.User(t, "SELECT", map[bool]string{true: "REFERENCES", false: "SHOW VIEW"}[isPostgres(db)]))
		if len(found.Objects) < 2*len(views) {
			t.Fatalf("%d objects of %d views", len(found.Objects), 2*len(views))
		}
		scoped := schema.Apply(found, schema.Scope{BlockedColumns: map[string][]string{"customers": {"ssn"}}})
		for _, o := range scoped.Objects {
			if o.Name != "customers" && o.Name != "fine" {
				t.Errorf("%s is left, %+v", o.Name, o.Sources)
			}
		}
		if scoped.Find("fine") == nil {
			t.Error("a view that reads something else is gone")
		}
	})
}
