package discover_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"flowyte/internal/dbtest"
	"flowyte/internal/schema"
)

func TestPostgresObjects(t *testing.T) {
	eachPostgres(t, func(t *testing.T, db *dbtest.Database) {
		db.Exec(t, `
			CREATE EXTENSION postgres_fdw;
			CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw;
			CREATE SCHEMA "Sales.EU"; CREATE SCHEMA closed;
			CREATE TABLE plain (id int PRIMARY KEY, v int);
			COMMENT ON TABLE plain IS E'People \u202Eread\u202C this\n<b>only</b>';
			COMMENT ON COLUMN plain.v IS 'a value';
			CREATE TABLE "User" (id int); CREATE TABLE "user" (id int);
			CREATE TABLE "Sales.EU"."ta.ble" ("we""ird;--" int, "a b" int);
			CREATE TABLE closed.unseen (id int);
			CREATE UNLOGGED TABLE quick (id int);
			CREATE TABLE empty ();
			CREATE VIEW looks AS SELECT id FROM plain;
			CREATE MATERIALIZED VIEW kept AS SELECT v FROM plain;
			CREATE FOREIGN TABLE remote (id int) SERVER elsewhere;
			CREATE SEQUENCE counter;
			CREATE TYPE composed AS (a int);
			CREATE TABLE events (id int, at date, region text, PRIMARY KEY (id, at, region)) PARTITION BY RANGE (at);
			CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2026-07-01');
			CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM ('2026-07-01') TO ('2027-01-01') PARTITION BY LIST (region);
			CREATE TABLE events_2_eu PARTITION OF events_2 FOR VALUES IN ('eu');
			CREATE TABLE base (id int); CREATE TABLE derived (more int) INHERITS (base);
			ALTER TABLE plain ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON plain USING (true);
			CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
			CREATE TRIGGER stops BEFORE INSERT ON quick FOR EACH ROW EXECUTE FUNCTION nothing();
			CREATE RULE instead AS ON INSERT TO base DO INSTEAD NOTHING;
			INSERT INTO events SELECT g, '2026-02-01', 'eu' FROM generate_series(1, 300) g;
			INSERT INTO plain VALUES (1, 1), (2, 2);
			ANALYZE plain; ANALYZE events_1;
			GRANT USAGE ON SCHEMA "Sales.EU" TO PUBLIC; GRANT SELECT ON "Sales.EU"."ta.ble" TO PUBLIC; GRANT SELECT ON closed.unseen TO PUBLIC`)
		admin := find(t, db, db.Admin())
		found := find(t, db, db.User(t, "SELECT"))
		same(t, "the administrator also sees", []string{"closed.unseen"}, slices.DeleteFunc(names(admin), func(n string) bool {
			return slices.Contains(names(found), n)
		}))
		got := map[string]string{}
		for i := range found.Objects {
			got[found.PublicName(&found.Objects[i])] = objectLine(&found.Objects[i])
		}
		same(t, "objects", map[string]string{
			"Sales.EU.ta.ble": "table 0 rows", "User": "table 0 rows", "user": "table 0 rows", "quick": "table 0 rows triggers",
			"plain": "table 2 rows rls", "empty": "table 0 rows not:no_columns", "looks": "view 0 rows", "kept": "materialized_view 0 rows",
			"remote": "foreign_table 0 rows not:foreign_table", "events": "partitioned_table 300 rows by at in 3", "events_1": "table 300 rows of public.events",
			"events_2": "partitioned_table 0 rows of public.events by region in 1", "events_2_eu": "table 0 rows of public.events_2",
			"base": "table 0 rows rules", "derived": "table 0 rows",
		}, got)
		if found.Find("User").ID == found.Find("user").ID || found.Find("USER") != nil {
			t.Error("names that differ in case were mixed up")
		}
		plain := object(t, found, "plain")
		same(t, "comments", []string{"People read this <b>only</b>", "a value"}, []string{plain.Comment, field(t, plain, "v").Comment})
		same(t, "names", []string{"a b", `we"ird;--`}, slices.Sorted(slices.Values([]string{
			object(t, found, "Sales.EU.ta.ble").Fields[0].Name, object(t, found, "Sales.EU.ta.ble").Fields[1].Name})))
		same(t, "database", []string{db.Name, "public"}, []string{found.Name, found.DefaultSchema})
	})
}

func objectLine(o *schema.Object) string {
	line := fmt.Sprintf("%s %d rows", o.Type, o.EstimatedRows)
	for _, part := range []struct {
		on   bool
		text string
	}{
		{o.PartitionOf != "", " of " + o.PartitionOf},
		{len(o.PartitionKey) > 0, fmt.Sprintf(" by %s in %d", strings.Join(o.PartitionKey, ","), o.Partitions)},
		{o.RowSecurity, " rls"}, {o.HasTriggers, " triggers"}, {o.HasRules, " rules"},
		{!o.Supported, " not:" + o.Reason}, {!o.Transactional, " not transactional"},
	} {
		if part.on {
			line += part.text
		}
	}
	return line
}

func TestPostgresColumnGrants(t *testing.T) {
	eachPostgres(t, func(t *testing.T, db *dbtest.Database) {
		db.Exec(t, `
			CREATE TABLE people (id int PRIMARY KEY, ssn text UNIQUE, name text, boss int REFERENCES people (id), doc text REFERENCES people (ssn),
				shout text GENERATED ALWAYS AS (upper(name)) STORED);
			CREATE INDEX id_ssn ON people (id, ssn); CREATE INDEX ssn_id ON people (ssn, id); CREATE INDEX low ON people (lower(ssn)); CREATE INDEX low2 ON people (lower(name));
			CREATE INDEX partly ON people (name) WHERE ssn IS NULL;
			CREATE TABLE secret (id int PRIMARY KEY); CREATE TABLE child (id int, s int REFERENCES secret (id))`)
		login := db.User(t, "SELECT (id, name, boss) ON people", "INSERT (name) ON people", "UPDATE ON people", "SELECT ON child")
		found := find(t, db, login)
		same(t, "objects", []string{"child", "people"}, names(found))
		people := object(t, found, "people")
		same(t, "fields", []string{"id", "name", "boss"}, fieldNames(people))
		same(t, "indexes", []string{
			"id_ssn(id,) btree usable", "low2()+name btree not:expression", "partly(name) btree not:partial", "people_pkey(id) btree unique primary usable",
		}, indexes(people))
		same(t, "relationships", []string{"boss: boss -> people(id) many_to_one"}, relationships(people))
		same(t, "keys to what is not granted", []string{}, relationships(object(t, found, "child")))
		for name, want := range map[string][2]bool{"id": {false, true}, "name": {true, true}, "boss": {false, true}} {
			f := field(t, people, name)
			same(t, "may insert, update "+name, want, [2]bool{f.CanInsert, f.CanUpdate})
		}
		same(t, "object", [2]bool{true, true}, [2]bool{people.CanInsert, people.CanUpdate})
		child := object(t, found, "child")
		same(t, "child", [2]bool{false, false}, [2]bool{child.CanInsert, child.CanUpdate})
	})
}

func fieldNames(o *schema.Object) []string {
	list := []string{}
	for i := range o.Fields {
		list = append(list, o.Fields[i].Name)
	}
	return list
}

func TestPostgresForeignKeys(t *testing.T) {
	eachPostgres(t, func(t *testing.T, db *dbtest.Database) {
		db.Exec(t, `
			CREATE TABLE region (country text, code text, PRIMARY KEY (country, code));
			CREATE TABLE person (id int PRIMARY KEY, boss_id int REFERENCES person (id), country text, region_code text, mentor int UNIQUE REFERENCES person (id),
				billing_person_id int REFERENCES person (id), "billingPersonId" int REFERENCES person (id),
				CONSTRAINT person_home_region_fkey FOREIGN KEY (country, region_code) REFERENCES region (country, code));
			CREATE TABLE visit (id int, at date, person_id int REFERENCES person (id), PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
			CREATE TABLE visit_1 PARTITION OF visit FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
			CREATE TABLE visit_note (id int PRIMARY KEY, visit_id int, visit_at date, FOREIGN KEY (visit_id, visit_at) REFERENCES visit (id, at));
			ALTER TABLE person ADD COLUMN late int; ALTER TABLE person ADD CONSTRAINT zz FOREIGN KEY (late) REFERENCES person (id) NOT VALID`)
		found := find(t, db, db.User(t, "SELECT"))
		same(t, "person", []string{
			"billingPerson: billingPersonId -> person(id) many_to_one",
			"billing_person: billing_person_id -> person(id) many_to_one",
			"boss: boss_id -> person(id) many_to_one",
			"home_region: country,region_code -> region(country,code) many_to_one",
			"mentor: mentor -> person(id) one_to_one",
			"late: late -> person(id) many_to_one",
		}, relationships(object(t, found, "person")))
		same(t, "visit", []string{"person: person_id -> person(id) many_to_one"}, relationships(object(t, found, "visit")))
		same(t, "a partition has the key too", []string{"person: person_id -> person(id) many_to_one"}, relationships(object(t, found, "visit_1")))
		same(t, "a key to a partitioned table is one", []string{"visit_id_visit_at: visit_id,visit_at -> visit(id,at) many_to_one"}, relationships(object(t, found, "visit_note")))
	})
}

func TestPostgresViewSources(t *testing.T) {
	eachPostgres(t, func(t *testing.T, db *dbtest.Database) {
		db.Exec(t, `
			CREATE SCHEMA private;
			CREATE TABLE person (id int PRIMARY KEY, name text, ssn text);
			CREATE TABLE private.pay (id int, salary int);
			CREATE FUNCTION spy(int) RETURNS text LANGUAGE sql AS 'SELECT ssn FROM public.person WHERE id = $1';
			CREATE FUNCTION plus(int, int) RETURNS int LANGUAGE sql AS 'SELECT 1';
			CREATE OPERATOR <#> (FUNCTION = plus, LEFTARG = int, RIGHTARG = int);
			CREATE VIEW safe AS SELECT id, upper(name) AS name FROM person;
			CREATE VIEW hidden_filter AS SELECT id FROM person WHERE ssn IS NOT NULL;
			CREATE VIEW private.pay_view AS SELECT id, salary FROM private.pay;
			CREATE VIEW through AS SELECT p.name, v.salary FROM safe p JOIN private.pay_view v ON v.id = p.id;
			CREATE MATERIALIZED VIEW stored AS SELECT name FROM through;
			CREATE VIEW whole AS SELECT id, to_jsonb(p) AS doc FROM person p;
			CREATE VIEW counts AS SELECT count(*) FROM person;
			CREATE VIEW calls AS SELECT spy(1) AS x;
			CREATE RULE zz AS ON INSERT TO calls DO INSTEAD NOTHING;
			CREATE VIEW over_calls AS SELECT x FROM calls;
			CREATE VIEW operates AS SELECT 1 <#> 2 AS x;
			CREATE VIEW text_runner AS SELECT query_to_xml('SELECT ssn FROM public.person', true, true, '') AS x;
			CREATE VIEW statistics AS SELECT most_common_vals::text FROM pg_stats;
			CREATE VIEW random AS SELECT random() AS x;
			CREATE VIEW sub AS SELECT 1 AS x WHERE EXISTS (SELECT FROM private.pay WHERE salary > 1)`)
		found := find(t, db, db.User(t, "SELECT"))
		got := map[string]string{}
		for i := range found.Objects {
			if o := &found.Objects[i]; o.Type == schema.View || o.Type == schema.MaterializedView {
				got[o.Name] = viewLine(o)
			}
		}
		same(t, "views", map[string]string{
			"safe": "public.person.id public.person.name", "hidden_filter": "public.person.id public.person.ssn",
			"through": "private.pay.id private.pay.salary private.pay_view.id private.pay_view.salary public.person.id public.person.name public.safe.id public.safe.name",
			"stored":  "private.pay.id private.pay.salary private.pay_view.id private.pay_view.salary public.person.id public.person.name public.safe.id public.safe.name public.through.name",
			"whole":   "public.person public.person.id", "counts": "public.person", "calls": "unknown volatile", "over_calls": "public.calls.x unknown volatile",
			"operates": "unknown volatile", "text_runner": "unknown volatile", "statistics": "pg_catalog.pg_stats.most_common_vals unknown", "random": "volatile", "sub": "private.pay.salary",
		}, got)
	})
}

func viewLine(o *schema.Object) string {
	parts := sources(o)
	if o.SourcesUnknown {
		parts = append(parts, "unknown")
	}
	if o.CallsVolatile {
		parts = append(parts, "volatile")
	}
	return strings.Join(parts, " ")
}
