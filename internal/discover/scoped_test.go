package discover_test

import (
	"encoding/json"
	"strings"
	"testing"

	"flowyte/internal/dbtest"
	"flowyte/internal/schema"
)

// With something blocked, a database that has it shows what one without it
// shows: the same bytes, apart from positions and the ids of the catalogue.
func TestBlockedIsAsIfItWereNotThere(t *testing.T) {
	dbtest.Every(t, func(t *testing.T, db *dbtest.Database) {
		scope := schema.Scope{
			BlockedTables:  []string{"PAYMENTS", "customer_old"},
			BlockedColumns: map[string][]string{"customers": {"SSN"}, "*": {"internal_note"}},
			AllowedViews:   []string{"safe"},
		}
		other := dbtest.New(t, db.Server)
		create(t, db, true)
		create(t, other, false)
		with, without := find(t, db, db.User(t, "SELECT")), find(t, other, other.User(t, "SELECT"))
		if plain(t, db, schema.Apply(with, schema.Scope{})) == plain(t, other, without) {
			t.Fatal("the databases do not differ before scoping")
		}
		same(t, "what is shown", plain(t, other, schema.Apply(without, scope)), plain(t, db, schema.Apply(with, scope)))
		fresh, _ := scope.Refresh(with)
		same(t, "after a refresh", plain(t, other, schema.Apply(without, scope)), plain(t, db, schema.Apply(with, fresh)))
		got := schema.Diff(schema.Apply(with, scope), schema.Apply(find(t, db, db.Admin()), scope))
		for _, name := range append(append(got.Added, got.Changed...), got.Removed...) {
			if strings.Contains(name, "payments") || strings.Contains(name, "ssn") {
				t.Errorf("the changes speak of %s", name)
			}
		}
	})
}

func create(t *testing.T, db *dbtest.Database, whole bool) {
	t.Helper()
	only := func(text string) string {
		if whole {
			return text
		}
		return ""
	}
	db.Exec(t, "CREATE TABLE customers (id int PRIMARY KEY, email varchar(99), "+only("ssn varchar(20), hint varchar(40) GENERATED ALWAYS AS (upper(ssn)) STORED, ")+"internal_id int)",
		"CREATE INDEX by_email ON customers (email)",
		"CREATE TABLE orders (id int PRIMARY KEY, customer_id int, "+only("internal_note varchar(9), ")+"payment_id int, customer_old_id int, FOREIGN KEY (customer_id) REFERENCES customers (id))",
		// The indexes that keys of the MySQL family would make by themselves.
		"CREATE INDEX by_payment ON orders (payment_id)", "CREATE INDEX by_customer ON orders (customer_id)",
		"CREATE VIEW safe AS SELECT id, email FROM customers")
	if !whole {
		return
	}
	db.Exec(t, "CREATE INDEX email_ssn ON customers (email, ssn)", "CREATE UNIQUE INDEX one_ssn ON customers (ssn)", "CREATE INDEX by_hint ON customers (hint)",
		"CREATE TABLE payments (id int PRIMARY KEY, customer_id int, FOREIGN KEY (customer_id) REFERENCES customers (id))",
		"ALTER TABLE orders ADD CONSTRAINT a_pay FOREIGN KEY (payment_id) REFERENCES payments (id)",
		"ALTER TABLE orders ADD CONSTRAINT aa_pay FOREIGN KEY (customer_id) REFERENCES payments (id)",
		"CREATE TABLE customer_old (id int PRIMARY KEY)",
		"CREATE VIEW reads_ssn AS SELECT ssn AS s FROM customers", "CREATE VIEW above AS SELECT s FROM reads_ssn", "CREATE VIEW reads_pay AS SELECT count(*) AS n FROM payments")
	if isPostgres(db) {
		db.Exec(t, "CREATE INDEX low_ssn ON customers (lower(ssn)); CREATE INDEX part ON customers (internal_id) WHERE ssn IS NULL; CREATE INDEX carries ON customers (internal_id) INCLUDE (ssn)",
			"CREATE VIEW whole_row AS SELECT to_jsonb(c) AS doc FROM customers c", "CREATE MATERIALIZED VIEW kept AS SELECT s FROM above",
			"CREATE TABLE payments_2026 () INHERITS (payments)")
	}
}

// plain writes a database without what two servers number differently.
func plain(t *testing.T, db *dbtest.Database, found *schema.Database) string {
	t.Helper()
	bare := *found
	bare.Objects = nil
	for _, o := range found.Objects {
		o.ID, o.EstimatedRows = 0, 0
		o.Fields = append([]schema.Field(nil), o.Fields...)
		for i := range o.Fields {
			o.Fields[i].Number = 0
		}
		o.Sources = append([]schema.Source(nil), o.Sources...)
		for i := range o.Sources {
			o.Sources[i].ID, o.Sources[i].Number = 0, 0
		}
		bare.Objects = append(bare.Objects, o)
	}
	text, err := json.MarshalIndent(bare, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), db.Name, "database")
}

func TestBlocksFollowRenames(t *testing.T) {
	db := dbtest.Postgres(t)
	db.Exec(t, "CREATE SCHEMA hr; CREATE TABLE hr.salaries (id int, amount int); CREATE VIEW pay AS SELECT amount FROM hr.salaries",
		"CREATE TABLE payments (id int PRIMARY KEY); CREATE TABLE customers (id int PRIMARY KEY, ssn text)",
		"CREATE TABLE logs (id int) PARTITION BY LIST (id); CREATE TABLE logs_1 PARTITION OF logs FOR VALUES IN (1)")
	login := db.User(t, "SELECT")
	scope := schema.Scope{BlockedTables: []string{"payments", "salaries", "logs"}, BlockedColumns: map[string][]string{"customers": {"ssn"}}}
	scope, _ = scope.Refresh(find(t, db, login))
	db.Exec(t, "ALTER TABLE payments RENAME TO takings; ALTER TABLE customers RENAME TO clients; ALTER TABLE clients RENAME ssn TO social; ALTER TABLE hr.salaries RENAME TO wages; ALTER TABLE logs RENAME TO journal",
		"CREATE TABLE customers (id int, ssn text); GRANT SELECT ON customers TO PUBLIC")
	found := find(t, db, login)
	scope, told := scope.Refresh(found)
	if len(told) != 4 {
		t.Errorf("renames told: %+v", told)
	}
	scoped := schema.Apply(found, scope)
	same(t, "left", []string{"clients", "customers"}, names(scoped))
	same(t, "clients", []string{"id"}, fieldNames(object(t, scoped, "clients")))
	same(t, "customers", []string{"id"}, fieldNames(object(t, scoped, "customers")))
}
