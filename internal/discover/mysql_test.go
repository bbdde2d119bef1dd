package discover_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"flowyte/internal/dbtest"
	"flowyte/internal/privatedb"
	"flowyte/internal/schema"
)

// eachMySQL runs a test on every server of the MySQL family there is.
func eachMySQL(t *testing.T, test func(t *testing.T, db *dbtest.Database)) {
	t.Helper()
	for _, flavor := range []privatedb.Flavor{privatedb.MariaDB, privatedb.MariaDB118, privatedb.MySQL} {
		t.Run(string(flavor), func(t *testing.T) { test(t, dbtest.On(t, flavor)) })
	}
}

func TestMySQLTypes(t *testing.T) {
	eachMySQL(t, func(t *testing.T, db *dbtest.Database) {
		db.Exec(t, "ALTER DATABASE CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", strings.ReplaceAll(`CREATE TABLE all_types (
			ti tinyint, tu tinyint unsigned, flag tinyint(1) NOT NULL, flag2 boolean DEFAULT true, si smallint, mi mediumint unsigned, i int NOT NULL, bu bigint unsigned,
			de decimal(65,30), du decimal(8,2) unsigned DEFAULT 0, fl float, dou double NOT NULL, bi bit(8), y year,
			c char(36), v varchar(40) DEFAULT 'NULL', v2 varchar(40) DEFAULT NULL, vb varchar(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, tt tinytext, te text NOT NULL, lt longtext,
			da date, tm time(3), dt datetime, dt6 datetime(6) DEFAULT CURRENT_TIMESTAMP(6), ts timestamp(3) NULL DEFAULT NULL,
			bn binary(16), vbn varbinary(20), bl longblob, g point, st set('a','b;c'),
			e enum('new','it''s','a,b','back\\slash','"q"','') NOT NULL DEFAULT 'new',
			gen varchar(90) GENERATED ALWAYS AS (concat(v, 'lit~eral', c)) VIRTUAL, gs int GENERATED ALWAYS AS (i + 1) STORED,
			unseen int INVISIBLE, upd timestamp DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
			id bigint unsigned AUTO_INCREMENT PRIMARY KEY, expr int DEFAULT (1 + 1))`, "~", "`"))
		got := fieldLines(object(t, find(t, db, db.User(t, "SELECT")), "all_types"))
		same(t, "fields", map[string]string{
			"ti": "integer tinyint", "tu": "integer tinyint unsigned", "flag": "boolean tinyint required", "flag2": "boolean tinyint default",
			"si": "integer smallint", "mi": "integer mediumint unsigned", "i": "integer int required", "bu": "integer bigint unsigned",
			"de": "number decimal precision=65 scale=30", "du": "number decimal unsigned precision=8 scale=2 default", "fl": "number float", "dou": "number double required",
			"bi": "unsupported bit", "y": "integer year", "c": "string char length=36 inexact", "v": "string varchar length=40 default inexact",
			"v2": "string varchar length=40 inexact", "vb": "string varchar length=40 inexact", "tt": "string tinytext inexact", "te": "string text required inexact",
			"lt": "string longtext inexact", "da": "date date", "tm": "time time precision=3", "dt": "datetime datetime precision=0",
			"dt6": "datetime datetime precision=6 default", "ts": "datetime timestamp zoned precision=3", "bn": "bytes binary", "vbn": "bytes varbinary", "bl": "bytes longblob",
			"g": "unsupported point", "st": `string set inexact ["a" "b;c"]`,
			"e":   `enum enum required default inexact ["new" "it's" "a,b" "back\\slash" "\"q\"" ""]`,
			"gen": "string varchar length=90 generated inexact from:v,c", "gs": "integer int generated from:i",
			"unseen": "integer int invisible", "upd": "datetime timestamp zoned precision=0 default",
			"id": "integer bigint unsigned required identity", "expr": "integer int default",
		}, got)
	})
}

func TestMySQLOwnTypes(t *testing.T) {
	for flavor, test := range map[privatedb.Flavor]struct {
		ddl  string
		want map[string]string
	}{
		privatedb.MySQL: {"CREATE TABLE t (j json, ve vector(3), b9 varchar(9) COLLATE utf8mb4_0900_bin, bb varchar(9) COLLATE utf8mb4_bin)",
			map[string]string{"j": "json json", "ve": "unsupported vector", "b9": "string varchar length=9", "bb": "string varchar length=9 inexact"}},
		privatedb.MariaDB: {"CREATE TABLE t (u uuid, i4 inet4, i6 inet6, np varchar(9) COLLATE utf8mb4_nopad_bin, n int) WITH SYSTEM VERSIONING; CREATE SEQUENCE s",
			map[string]string{"u": "uuid uuid", "i4": "string inet4", "i6": "string inet6", "np": "string varchar length=9", "n": "integer int"}},
	} {
		t.Run(string(flavor), func(t *testing.T) {
			db := dbtest.On(t, flavor)
			db.Exec(t, test.ddl)
			found := find(t, db, db.User(t, "SELECT"))
			same(t, "objects", []string{"t"}, names(found))
			same(t, "fields", test.want, fieldLines(object(t, found, "t")))
		})
	}
}

func TestMySQLIndexes(t *testing.T) {
	eachMySQL(t, func(t *testing.T, db *dbtest.Database) {
		hidden, functional := "INVISIBLE", ", KEY functional ((lower(c))), KEY half (d, (lower(c)))"
		if isMariaDB(db) {
			hidden, functional = "IGNORED", ""
		}
		db.Exec(t, `CREATE TABLE s (a int, b int, c varchar(100), d varchar(100), e text, f int, g point NOT NULL, h int,
			PRIMARY KEY (b, a), UNIQUE KEY uc (c), KEY composite (b, c), KEY prefixed (d(10)), KEY later_prefix (f, d(10)), KEY down (f DESC), FULLTEXT KEY words (e),
			SPATIAL KEY place (g), KEY hidden (h) `+hidden+functional+`)`,
			"CREATE TABLE m (a int, b int, KEY ha (a) USING HASH, KEY bb (b) USING BTREE) ENGINE=MEMORY",
			"CREATE TABLE my (a int PRIMARY KEY) ENGINE=MyISAM")
		found := find(t, db, db.User(t, "SELECT"))
		s := object(t, found, "s")
		want := []string{
			"PRIMARY(b,a) btree unique primary usable", "composite(b,c) btree usable", "down(f) btree usable",
			"functional()+c btree not:expression", "half(d,)+c btree usable", "hidden(h) btree not:invisible", "later_prefix(f,d) btree usable",
			"place(g) spatial not:method", "prefixed(d) btree not:prefix", "uc(c) btree unique usable", "words(e) fulltext not:method",
		}
		if isMariaDB(db) {
			want = slices.DeleteFunc(want, func(w string) bool { return strings.HasPrefix(w, "functional") || strings.HasPrefix(w, "half") })
		}
		same(t, "indexes", want, indexes(s))
		same(t, "primary key", []string{"b", "a"}, s.PrimaryKey)
		same(t, "memory", []string{"bb(b) btree usable", "ha(a) hash equality usable"}, indexes(object(t, found, "m")))
		for name, want := range map[string]bool{"s": true, "m": false, "my": false} {
			if o := object(t, found, name); o.Transactional != want {
				t.Errorf("%s (%s) is transactional: %t", name, o.Engine, o.Transactional)
			}
		}
	})
}

func TestMariaDBLongUniqueIsNoLookup(t *testing.T) {
	db := dbtest.MariaDB(t)
	db.Exec(t, "CREATE TABLE s (id int PRIMARY KEY, body text, UNIQUE KEY whole (body))")
	s := object(t, find(t, db, db.User(t, "SELECT")), "s")
	same(t, "indexes", []string{"PRIMARY(id) btree unique primary usable", "whole(body) hash unique equality not:method"}, indexes(s))
}

func TestMySQLObjects(t *testing.T) {
	eachMySQL(t, func(t *testing.T, db *dbtest.Database) {
		db.Exec(t,
			"CREATE TABLE plain (id int PRIMARY KEY, v int COMMENT 'a value') COMMENT = 'read\nthis'",
			"CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY HASH (id) PARTITIONS 4",
			"CREATE TABLE `we``ird;--` (`a b` int)", "CREATE TRIGGER sets BEFORE INSERT ON plain FOR EACH ROW SET NEW.v = 1",
			"CREATE VIEW looks AS SELECT id FROM plain", "CREATE TABLE gone (id int)", "CREATE VIEW broken AS SELECT id FROM gone", "DROP TABLE gone")
		found := find(t, db, db.User(t, "SELECT", "TRIGGER"))
		got := map[string]string{}
		for i := range found.Objects {
			o := &found.Objects[i]
			o.EstimatedRows = 0 // a guess of the engine
			got[o.Name] = objectLine(o)
		}
		same(t, "objects", map[string]string{
			"plain": "table 0 rows triggers", "parts": "partitioned_table 0 rows by id in 4", "we`ird;--": "table 0 rows", "looks": "view 0 rows",
		}, got)
		plain := object(t, found, "plain")
		same(t, "comments", []string{"read this", "a value"}, []string{plain.Comment, field(t, plain, "v").Comment})
		same(t, "default schema", db.Name, found.DefaultSchema)
		if !object(t, found, "looks").SourcesUnknown {
			t.Error("a view whose text cannot be read has known sources")
		}
	})
}

func TestMySQLColumnGrants(t *testing.T) {
	eachMySQL(t, func(t *testing.T, db *dbtest.Database) {
		db.Exec(t,
			`CREATE TABLE people (id int PRIMARY KEY, ssn varchar(20), name varchar(50), boss int, UNIQUE KEY name_ssn (name, ssn), UNIQUE KEY ssn_name (ssn, name), KEY id_name (id, name),
				CONSTRAINT bossy FOREIGN KEY (boss) REFERENCES people (id))`,
			"CREATE TABLE secret (id int PRIMARY KEY)", "CREATE TABLE child (id int, s int, FOREIGN KEY (s) REFERENCES secret (id))",
			"CREATE VIEW looks AS SELECT id, ssn FROM people")
		found := find(t, db, db.User(t, "SELECT (id, name, boss), INSERT (name), UPDATE ON "+db.Name+".people", "SELECT ON "+db.Name+".child"))
		same(t, "objects", []string{"child", "people"}, names(found))
		people := object(t, found, "people")
		same(t, "fields", []string{"id", "name", "boss"}, fieldNames(people))
		if people.UniqueColumn("name") {
			t.Error("a unique key over a hidden column was taken for a key over the rest")
		}
		for i := range people.Indexes {
			if strings.Contains(people.Indexes[i].Name, "ssn") && people.Indexes[i].Columns[0] != "name" {
				t.Errorf("an index that leads with a hidden column is told: %v", people.Indexes[i])
			}
		}
		same(t, "searchable", map[string]bool{"id": true, "boss": true}, withoutKey(searchable(people), "name"))
		same(t, "relationships", []string{"boss: boss -> people(id) many_to_one"}, relationships(people))
		for name, want := range map[string][2]bool{"id": {false, true}, "name": {true, true}, "boss": {false, true}} {
			f := field(t, people, name)
			same(t, "may insert, update "+name, want, [2]bool{f.CanInsert, f.CanUpdate})
		}
		same(t, "keys to what is not granted", []string{}, relationships(object(t, found, "child")))

		// With no right on the whole table some servers leave the index out and
		// others name the hidden column: neither may end in a key over the rest.
		db.Exec(t, "ALTER TABLE people ADD hint varchar(20) GENERATED ALWAYS AS (left(ssn, 2)) VIRTUAL")
		found = find(t, db, db.User(t, "SELECT (id, name, hint) ON "+db.Name+".people"))
		if scoped := schema.Apply(found, schema.Scope{BlockedColumns: map[string][]string{"people": {"ssn"}}}); object(t, scoped, "people").Field("hint") != nil {
			t.Error("a column computed from a blocked one is shown, since that one is not granted")
		}
		people = object(t, found, "people")
		if people.UniqueColumn("name") || strings.Contains(strings.Join(indexes(people), " "), "(name)") {
			t.Errorf("a unique key over a hidden column was taken for a key over the rest: %v", indexes(people))
		}
	})
}

func withoutKey(m map[string]bool, key string) map[string]bool {
	m = maps.Clone(m)
	delete(m, key)
	return m
}

func TestMySQLForeignKeys(t *testing.T) {
	eachMySQL(t, func(t *testing.T, db *dbtest.Database) {
		db.Exec(t,
			"CREATE TABLE Region (country varchar(9), code varchar(9), PRIMARY KEY (country, code))",
			`CREATE TABLE person (id int PRIMARY KEY, boss_id int, Country varchar(9), region_code varchar(9), mentor int UNIQUE,
				CONSTRAINT person_boss FOREIGN KEY (boss_id) REFERENCES person (id), FOREIGN KEY (mentor) REFERENCES person (ID),
				CONSTRAINT fk_home_region FOREIGN KEY (country, region_code) REFERENCES Region (COUNTRY, code))`)
		found := find(t, db, db.User(t, "SELECT"))
		same(t, "person", []string{
			"home_region: Country,region_code -> Region(country,code) many_to_one",
			"boss: boss_id -> person(id) many_to_one",
			"mentor: mentor -> person(id) one_to_one",
		}, relationships(object(t, found, "person")))
	})
}

func TestMySQLOtherSchemas(t *testing.T) {
	eachMySQL(t, func(t *testing.T, db *dbtest.Database) {
		other := db.Name + "_other"
		db.Exec(t, "CREATE DATABASE "+other, "CREATE TABLE "+other+".far (id int PRIMARY KEY)",
			"CREATE TABLE near (id int PRIMARY KEY, far_id int, FOREIGN KEY (far_id) REFERENCES "+other+".far (id))")
		t.Cleanup(func() {
			for _, drop := range []string{"DROP TABLE near", "DROP DATABASE " + other} {
				if err := db.Server.Exec(context.Background(), db.Name, drop); err != nil {
					t.Error(err)
				}
			}
		})
		found := find(t, db, db.User(t, "SELECT", "SELECT ON "+other+".*"))
		same(t, "objects", []string{"near", other + ".far"}, slices.Sorted(slices.Values(names(found))))
		same(t, "near", []string{"far: far_id -> far(id) many_to_one"}, relationships(object(t, found, "near")))
		found = find(t, db, db.User(t, "SELECT"))
		same(t, "without the right", []string{}, relationships(object(t, found, "near")))
	})
}

func TestMySQLEnginesOverOtherTables(t *testing.T) {
	eachMySQL(t, func(t *testing.T, db *dbtest.Database) {
		db.Exec(t, "CREATE TABLE payments (id int, card varchar(20), KEY (id)) ENGINE=MyISAM", "CREATE TABLE everything (id int, card varchar(20), KEY (id)) ENGINE=MERGE UNION=(payments)")
		found := find(t, db, db.User(t, "SELECT"))
		same(t, "objects", []string{"everything", "payments"}, names(found))
		same(t, "with a table blocked, one that may show its rows is too", []string{}, names(schema.Apply(found, schema.Scope{BlockedTables: []string{"payments"}})))
	})
	found, err := discoverScript(t, script{
		"SELECT DATABASE()":               {{"shop"}},
		"FROM information_schema.TABLES":  {{"shop", "far", "BASE TABLE", "FEDERATED", int64(0), int64(0), ""}},
		"FROM information_schema.COLUMNS": {myColumn("far", "id", 1)},
	}, schema.MySQL, schema.Server{Flavor: schema.FlavorMariaDB})
	if err != nil {
		t.Fatal(err)
	}
	if o := object(t, found, "far"); o.Supported || o.Type != schema.ForeignTable {
		t.Errorf("a table on another server is %+v", o)
	}
}

func TestMySQLCaseInsensitiveNames(t *testing.T) {
	// What a server with lower_case_table_names = 2 answers: the rows of two
	// views of the catalogue spell one table in two ways.
	q := script{
		"SELECT DATABASE()":                   {{"shop"}},
		"FROM information_schema.ENGINES":     {{"InnoDB", int64(1)}},
		"FROM information_schema.TABLES":      {{"shop", "Customer", "BASE TABLE", "InnoDB", int64(0), int64(0), ""}, {"shop", "Orders", "BASE TABLE", "InnoDB", int64(0), int64(0), ""}},
		"FROM information_schema.COLUMNS":     {myColumn("Customer", "id", 1), myColumn("Orders", "id", 1), myColumn("Orders", "c", 2)},
		"FROM information_schema.STATISTICS":  {{"shop", "customer", "PRIMARY", int64(1), int64(1), "id", int64(0), "BTREE", int64(0), nil}},
		"information_schema.KEY_COLUMN_USAGE": {{"shop", "orders", "fk", int64(1), "c", "SHOP", "customer", "id"}},
	}
	found, err := discoverScript(t, q, schema.MySQL, schema.Server{Flavor: schema.FlavorMySQL, CaseInsensitiveNames: true})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "keys", []string{"c: c -> Customer(id) many_to_one"}, relationships(object(t, found, "orders")))
	same(t, "indexes", []string{"PRIMARY(id) btree unique primary usable"}, indexes(object(t, found, "CUSTOMER")))
}

func myColumn(table, name string, position int64) []any {
	return []any{"shop", table, position, name, "int", "int", int64(1), int64(0), nil, "", nil, nil, nil, nil, nil, "", "select", ""}
}
