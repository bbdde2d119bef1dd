package discover_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"flowyte/internal/dbtest"
	"flowyte/internal/schema"
)

func TestWidestTable(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		columns := 1600
		kind := "text"
		if !isPostgres(db) {
			columns, kind = 1000, "tinyint" // what an InnoDB row can hold, and less than its 1,017
		}
		var list []string
		for i := range columns {
			list = append(list, fmt.Sprintf("c%d %s", i+1, kind))
		}
		db.Exec(t, "CREATE TABLE wide ("+strings.Join(list, ", ")+")")
		wide := object(t, find(t, db, db.User(t, "SELECT")), "wide")
		if len(wide.Fields) != columns || wide.Fields[columns-1].Name != fmt.Sprintf("c%d", columns) || wide.Fields[columns-1].Number != columns {
			t.Errorf("%d of %d columns", len(wide.Fields), columns)
		}
	})
}

func TestThousandsOfForeignKeys(t *testing.T) {
	const keys = 5000
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		// A hundred tables of fifty keys each, every fifth over two columns, to
		// fifty others: the server is slow at many keys to one.
		var ddl []string
		for i := range 50 {
			ddl = append(ddl, fmt.Sprintf("CREATE TABLE hub%d (id int PRIMARY KEY, other int NOT NULL, UNIQUE (id, other))", i))
		}
		for i := range 100 {
			parts := []string{"a int", "b int"}
			for j := range keys / 100 {
				parts = append(parts, fmt.Sprintf("k%d_id int", j))
				if j%5 == 0 {
					parts = append(parts, fmt.Sprintf("CONSTRAINT t%d_pair%d_fk FOREIGN KEY (k%d_id, b) REFERENCES hub%d (id, other)", i, j, j, j))
				} else {
					parts = append(parts, fmt.Sprintf("CONSTRAINT t%d_k%d_fk FOREIGN KEY (k%d_id) REFERENCES hub%d (id)", i, j, j, j))
				}
			}
			ddl = append(ddl, fmt.Sprintf("CREATE TABLE t%d (%s)", i, strings.Join(parts, ", ")))
		}
		db.Exec(t, strings.Join(ddl, "; "))
		q := open(t, db, db.User(t, "SELECT"))
		found := findWith(t, db, q)
		total := 0
		for i := range found.Objects {
			o := &found.Objects[i]
			taken := map[string]bool{}
			for _, fk := range o.ForeignKeys {
				if taken[fk.Relationship] || fk.Inferred {
					t.Fatalf("%s: %s is a name twice, or a guess", o.Name, fk.Relationship)
				}
				taken[fk.Relationship] = true
				total++
			}
		}
		if total != keys {
			t.Errorf("%d foreign keys of %d", total, keys)
		}
		same(t, "the number of queries does not grow", queries(t), map[schema.Kind]int{schema.Kind(db.Kind): len(q.texts), other(db): queries(t)[other(db)]})
	})
}

func other(db *dbtest.Database) schema.Kind {
	if isPostgres(db) {
		return schema.MySQL
	}
	return schema.Postgres
}

// queries counts the queries on empty databases.
func queries(t *testing.T) map[schema.Kind]int {
	t.Helper()
	counts := map[schema.Kind]int{}
	for _, kind := range []schema.Kind{schema.Postgres, schema.MySQL} {
		c := &counted{querier: script{}}
		if _, err := discoverScript(t, c, kind, schema.Server{}); err != nil {
			t.Fatal(err)
		}
		counts[kind] = len(c.texts)
	}
	return counts
}

func TestTextsAreFixed(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		db.Exec(t, "CREATE TABLE one (id int PRIMARY KEY)")
		login := db.User(t, "SELECT")
		before := open(t, db, login)
		findWith(t, db, before)
		db.Exec(t, "CREATE TABLE two (id int PRIMARY KEY)", "CREATE VIEW three AS SELECT id FROM two")
		after := open(t, db, login)
		findWith(t, db, after)
		if !slices.Equal(before.texts, after.texts) {
			t.Error("a text depends on what was found")
		}
		for _, text := range before.texts {
			if verb := strings.ToUpper(firstWord(text)); verb != "SELECT" && verb != "WITH" {
				t.Errorf("a discovery text begins with %s", verb)
			}
		}
	})
}

// firstWord is the first word of a text after its comments.
func firstWord(text string) string {
	for line := range strings.SplitSeq(text, "\n") {
		if !strings.HasPrefix(line, "--") {
			return strings.Fields(line)[0]
		}
	}
	return ""
}

// Discovery must wait for nobody who holds a table, and hold up nobody.
func TestNoLocksOnTables(t *testing.T) {
	db := dbtest.Postgres(t)
	db.Exec(t, "CREATE TABLE busy (id int PRIMARY KEY, up text GENERATED ALWAYS AS ('x') STORED); CREATE VIEW sees AS SELECT id FROM busy; CREATE INDEX part ON busy (id) WHERE id > 0")
	login := db.User(t, "SELECT")
	holder := openPostgres(t, db, db.Admin())
	if _, err := holder.conn.Exec(t.Context(), "SET default_transaction_read_only = off; BEGIN READ WRITE; LOCK TABLE public.busy IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	q := openPostgres(t, db, login)
	if _, err := q.conn.Exec(t.Context(), "SET lock_timeout = '50ms'; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
		t.Fatal(err)
	}
	same(t, "objects", []string{"busy", "sees"}, names(findWith(t, db, q)))
	var held int
	if err := q.conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE l.pid = pg_backend_pid() AND c.oid >= 16384").Scan(&held); err != nil {
		t.Fatal(err)
	}
	if held != 0 {
		t.Errorf("discovery holds %d locks on users' relations", held)
	}
}

func TestHugeComments(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		if isPostgres(db) {
			db.Exec(t, "CREATE TABLE talks (id int); DO $$ BEGIN EXECUTE format('COMMENT ON TABLE talks IS %L', repeat('ü', 5000000)); EXECUTE format('COMMENT ON COLUMN talks.id IS %L', repeat('a', 10000000)); END $$")
		} else {
			db.Exec(t, "CREATE TABLE talks (id int COMMENT '"+strings.Repeat("a", 1024)+"') COMMENT '"+strings.Repeat("ü", 2048)+"' CHARACTER SET utf8mb4")
		}
		o := object(t, find(t, db, db.User(t, "SELECT")), "talks")
		if want := strings.Repeat("ü", 512); o.Comment != want {
			t.Errorf("the comment has %d bytes", len(o.Comment))
		}
		if len(o.Fields[0].Comment) != 1024 {
			t.Errorf("the column's comment has %d bytes", len(o.Fields[0].Comment))
		}
	})
}
