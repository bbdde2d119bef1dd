package mysql

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"flowyte/internal/dbtest"
	"flowyte/internal/fault"
	"flowyte/internal/plan"
	"flowyte/internal/schema"
	"flowyte/internal/target"
	"flowyte/internal/target/targettest"

	"github.com/google/go-cmp/cmp"
)

const everyType = `SET SESSION sql_mode = '';
CREATE TABLE things (
	id int PRIMARY KEY, small tinyint, big bigint unsigned, flag tinyint(1), price decimal(10,2), huge decimal(65,30),
	approx double, tiny float, name varchar(40) CHARACTER SET latin1, story longtext, state enum('booked','done'),
	tags set('a','b'), day date, at time(3), starts_at datetime(6), made_at timestamp NULL, born year, j json);
SET SESSION time_zone = '+02:00';
INSERT INTO things VALUES
	(1, -128, 18446744073709551615, 1, 10.50, 12345678901234567890123456789012345.123456789012345678901234567890, 0.1, 0.1, 'José', 'x', 'booked', 'a,b',
		'2026-05-01', '15:00:00.120', '2026-05-01 15:00:00.5', '2026-05-01 15:00:00', 2026, '{"a": 1}'),
	(2, 127, 9007199254740993, 0, -0.01, 0, 1e300, 1e-10, '', '', 'done', '',
		'0000-00-00', '-838:59:59', '0000-00-00 00:00:00', '2026-05-01 15:00:01', 1901, '[]'),
	(3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);`

var everyColumn = []column{
	integer, {base: "tinyint", is: schema.Integer}, {base: "bigint", is: schema.Integer}, {base: "tinyint", is: schema.Boolean},
	{base: "decimal", is: schema.Number}, {base: "decimal", is: schema.Number}, {base: "double", is: schema.Number}, {base: "float", is: schema.Number},
	varchar, {base: "longtext", is: schema.String}, {base: "enum", is: schema.Enum}, {base: "set", is: schema.String},
	{base: "date", is: schema.Date}, {base: "time", is: schema.Time}, {base: "datetime", is: schema.DateTime},
	{base: "timestamp", is: schema.DateTime, zoned: true}, {base: "year", is: schema.Integer}, {base: "json", is: schema.JSON},
}

func TestRunGivesCanonicalText(t *testing.T) {
	each(t, func(t *testing.T, db *dbtest.Database) {
		db.Exec(t, everyType)
		s := open(t, db, target.ForReads)
		p := read("SELECT * FROM things WHERE id IN (?,?,?) ORDER BY id LIMIT 4", []column{integer, integer, integer}, everyColumn, 3)
		null := make([]string, len(everyColumn))
		for i := range null {
			null[i] = "NULL"
		}
		null[0] = "3"
		want := targettest.Rows{
			{"1", "-128", "18446744073709551615", "true", "10.50", "12345678901234567890123456789012345.123456789012345678901234567890", "0.1", "0.1",
				"José", "x", "booked", "a,b", "2026-05-01", "15:00:00.12", "2026-05-01T15:00:00.5", "2026-05-01T13:00:00Z", "2026", `{"a": 1}`},
			{"2", "127", "9007199254740993", "false", "-0.01", "0.000000000000000000000000000000", "1e+300", "1e-10",
				"", "", "done", "", "NULL", "-838:59:59", "NULL", "2026-05-01T13:00:01Z", "1901", "[]"},
			null,
		}
		for range 3 { // prepared once, then from the session's memory
			var got targettest.Rows
			must(t, s.Run(t.Context(), p, targettest.Text("1", "2", "3"), &got))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatal(diff)
			}
		}
		if s.Broken() || len(s.statements) != 1 {
			t.Errorf("broken %v after good reads, %d statements", s.Broken(), len(s.statements))
		}
	})
}

// TestUUID reads the type that only MariaDB has.
func TestUUID(t *testing.T) {
	db := dbtest.MariaDB(t)
	db.Exec(t, "CREATE TABLE tokens (id uuid PRIMARY KEY, ip inet6); INSERT INTO tokens VALUES ('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '::1')")
	s := open(t, db, target.ForReads)
	id, ip := column{base: "uuid", is: schema.UUID}, column{base: "inet6", is: schema.String}
	p := read("SELECT id, ip FROM tokens WHERE id = ? LIMIT 2", []column{id}, []column{id, ip}, 1)
	var got targettest.Rows
	must(t, s.Run(t.Context(), p, targettest.Text("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"), &got))
	if diff := cmp.Diff(targettest.Rows{{"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "::1"}}, got); diff != "" {
		t.Error(diff)
	}
}

// TestArgumentsAreBoundAsTheirColumn: these servers compare a text with a
// number by turning both into floating-point numbers, which matches rows that
// have nothing to do with each other.
func TestArgumentsAreBoundAsTheirColumn(t *testing.T) {
	each(t, func(t *testing.T, db *dbtest.Database) {
		db.Exec(t, `CREATE TABLE p (phone varchar(20), id bigint unsigned, made_at timestamp(6) NULL, starts datetime, flag tinyint(1), KEY (phone));
SET SESSION time_zone = '+00:00';
INSERT INTO p VALUES ('0612345678', 18446744073709551615, '2026-05-01 13:00:00.25', '2026-05-01 15:00:00', 1), ('612345678', 1, NULL, NULL, 0), ('612345678abc', 2, NULL, NULL, NULL)`)
		s := open(t, db, target.ForReads)
		for _, c := range []struct {
			where string
			slot  column
			value string
			rows  int
		}{
			{"phone = ?", varchar, "0612345678", 1},
			{"phone = ?", varchar, "612345678", 1},
			{"phone = ?", varchar, "1 or 1=1", 0},
			{"phone = ?", varchar, "%", 0},
			{"phone = ?", varchar, `' OR ''='`, 0},
			{"id = ?", column{base: "bigint", is: schema.Integer}, "18446744073709551615", 1},
			{"id = ?", column{base: "bigint", is: schema.Integer}, "1", 1},
			{"made_at = ?", column{base: "timestamp", is: schema.DateTime, zoned: true}, "2026-05-01T13:00:00.25Z", 1},
			{"starts = ?", column{base: "datetime", is: schema.DateTime}, "2026-05-01T15:00:00", 1},
			{"flag = ?", column{base: "tinyint", is: schema.Boolean}, "true", 1},
			{"flag = ?", column{base: "tinyint", is: schema.Boolean}, "false", 1},
		} {
			var got targettest.Rows
			p := read("SELECT phone FROM p WHERE "+c.where+" LIMIT 6", []column{c.slot}, []column{varchar}, 5)
			must(t, s.Run(t.Context(), p, targettest.Text(c.value), &got))
			if len(got) != c.rows {
				t.Errorf("%s with %q found %d rows, want %d", c.where, c.value, len(got), c.rows)
			}
		}
		var none targettest.Rows
		p := read("SELECT phone FROM p WHERE phone = ? LIMIT 6", []column{varchar}, []column{varchar}, 5)
		must(t, s.Run(t.Context(), p, []target.Value{{Null: true}}, &none))
		if len(none) != 0 {
			t.Error("NULL equals something")
		}
	})
}

func TestArgumentsOfTheWrongForm(t *testing.T) {
	db := dbtest.MariaDB(t)
	s := open(t, db, target.ForReads)
	whole := read("SELECT ?", []column{integer}, []column{integer}, 1)
	wantFault(t, s.Run(t.Context(), whole, targettest.Text("1.5"), targettest.Discard{}), fault.Internal)
	wantFault(t, s.Run(t.Context(), whole, nil, targettest.Discard{}), fault.Internal)
	yes := read("SELECT ?", []column{{base: "tinyint", is: schema.Boolean}}, []column{integer}, 1)
	wantFault(t, s.Run(t.Context(), yes, targettest.Text("1"), targettest.Discard{}), fault.Internal)
	list := read("SELECT ?", []column{varchar}, []column{varchar}, 1)
	list.Slots[0].Variant = plan.AllVariants
	wantFault(t, s.Run(t.Context(), list, []target.Value{{All: []string{"a"}}}, targettest.Discard{}), fault.Internal)
	insert := read("SELECT 1", nil, []column{integer}, 1)
	insert.Action = plan.Insert
	wantFault(t, s.Run(t.Context(), insert, nil, targettest.Discard{}), fault.Internal)
	if s.Broken() {
		t.Error("the session is broken, though nothing was sent")
	}
}

// TestDrift alters the table between two runs of one prepared statement.
func TestDrift(t *testing.T) {
	each(t, func(t *testing.T, db *dbtest.Database) {
		s := open(t, db, target.ForReads)
		for _, c := range []struct {
			alter string
			want  fault.Code
		}{
			{"ALTER TABLE d MODIFY name bigint", fault.SchemaDrift},
			{"ALTER TABLE d MODIFY name datetime", fault.SchemaDrift},
			{"ALTER TABLE d MODIFY name varbinary(10)", fault.SchemaDrift},
			{"ALTER TABLE d DROP COLUMN name", fault.SchemaDrift},
			{"ALTER TABLE d RENAME COLUMN name TO nom", fault.SchemaDrift},
			{"DROP TABLE d", fault.SchemaDrift},
			{"ALTER TABLE d ADD COLUMN more int FIRST", ""},
			{"ALTER TABLE d MODIFY name varchar(80)", ""},
			{"ALTER TABLE d DROP INDEX k", ""},
		} {
			db.Exec(t, "DROP TABLE IF EXISTS d; CREATE TABLE d (id int PRIMARY KEY, name varchar(40), KEY k (name)); INSERT INTO d VALUES (1, NULL)")
			p := read("SELECT id, name FROM d WHERE id = ? LIMIT 2 -- "+c.alter, []column{integer}, []column{integer, varchar}, 1)
			must(t, s.Run(t.Context(), p, targettest.Text("1"), targettest.Discard{}))
			db.Exec(t, c.alter)
			var got targettest.Rows
			err := s.Run(t.Context(), p, targettest.Text("1"), &got)
			if fault.CodeOf(err) != c.want {
				t.Errorf("%s: %v (%v), want %q", c.alter, err, fault.Cause(err), c.want)
			}
			if c.want != "" && len(got) > 0 {
				t.Errorf("%s: rows of a changed type were handed out", c.alter)
			}
			if s.Broken() {
				t.Fatalf("%s: the session is broken", c.alter)
			}
		}
	})
}

func TestDriftOfShape(t *testing.T) {
	s := open(t, dbtest.MariaDB(t), target.ForReads)
	one := []column{integer}
	wantFault(t, s.Run(t.Context(), read("SELECT 1, 2", nil, one, 1), nil, targettest.Discard{}), fault.SchemaDrift)
	wantFault(t, s.Run(t.Context(), read("SELECT 1", one, one, 1), targettest.Text("1"), targettest.Discard{}), fault.SchemaDrift)
	must(t, s.Run(t.Context(), read("SELECT 1", nil, []column{{base: "bigint", is: schema.Integer}}, 1), nil, targettest.Discard{}))
}

// TestRowCap: a plan without a LIMIT gets no more than it asked for.
func TestRowCap(t *testing.T) {
	each(t, func(t *testing.T, db *dbtest.Database) {
		db.Exec(t, "CREATE TABLE many (id int PRIMARY KEY); INSERT INTO many VALUES (1),(2),(3),(4),(5),(6),(7),(8)")
		s := open(t, db, target.ForReads)
		var got targettest.Rows
		must(t, s.Run(t.Context(), read("SELECT id FROM many ORDER BY id", nil, []column{integer}, 3), nil, &got))
		if diff := cmp.Diff(targettest.Rows{{"1"}, {"2"}, {"3"}, {"4"}}, got); diff != "" {
			t.Error(diff)
		}
		if !s.Broken() {
			t.Error("the session goes on, with rows on the way that nobody reads")
		}
		wantFault(t, s.Probe(t.Context()), fault.ConnectionLost)
	})
}

// full is a sink that has had enough after one row.
type full struct{ rows int }

var errFull = errors.New("enough")

func (f *full) Row([][]byte) error {
	f.rows++
	return errFull
}

func TestSinkStopsTheRead(t *testing.T) {
	s := open(t, dbtest.MariaDB(t), target.ForReads)
	sink := &full{}
	p := read("SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3", nil, []column{integer}, 5)
	if err := s.Run(t.Context(), p, nil, sink); !errors.Is(err, errFull) || sink.rows != 1 {
		t.Errorf("%v after %d rows", err, sink.rows)
	}
	if s.Broken() {
		t.Error("the session is broken by a sink that had enough")
	}
	must(t, s.Probe(t.Context()))
}

type panicky struct{}

func (panicky) Row([][]byte) error { panic("a bug of the caller") }

// TestSinkPanicsAreItsOwn: a bug above is not a fault of the server.
func TestSinkPanicsAreItsOwn(t *testing.T) {
	s := open(t, dbtest.MariaDB(t), target.ForReads)
	defer func() {
		if v := recover(); v != "a bug of the caller" {
			t.Errorf("recovered %v", v)
		}
	}()
	err := s.Run(t.Context(), read("SELECT 1", nil, []column{integer}, 1), nil, panicky{})
	t.Errorf("Run returned %v", err)
}

func TestStatementsAreBounded(t *testing.T) {
	db := dbtest.MariaDB(t)
	s := open(t, db, target.ForReads)
	first := read("SELECT 0", nil, []column{integer}, 1)
	for i := range 2 * maxStatements {
		must(t, s.Run(t.Context(), first, nil, targettest.Discard{}))
		p := read(fmt.Sprintf("SELECT %d, 'unique'", i), nil, []column{integer, varchar}, 1)
		must(t, s.Run(t.Context(), p, nil, targettest.Discard{}))
	}
	if len(s.statements) != maxStatements || s.statements["SELECT 0"] == nil {
		t.Errorf("%d statements are kept, and the one in use: %v", len(s.statements), s.statements["SELECT 0"] != nil)
	}
	count := db.Query(t, "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'PREPARED_STMT_COUNT'")
	if want := fmt.Sprint(maxStatements); count[0][0] != want {
		t.Errorf("the server keeps %s statements, want %s", count[0][0], want)
	}
}

// TestServerErrors: errors of the server are told apart by number, leave the
// session usable and carry no text.
func TestServerErrors(t *testing.T) {
	each(t, func(t *testing.T, db *dbtest.Database) {
		db.Exec(t, "CREATE TABLE open_table (id int); CREATE TABLE secret (id int, pin int)")
		s := open(t, db, target.ForReads, "SELECT ON "+db.Name+".open_table")
		for statement, want := range map[string]fault.Code{
			"SELECT nothing FROM open_table":        fault.SchemaDrift,
			"SELECT id FROM secret":                 fault.PermissionDenied,
			"SELECT 'canary-value' FROM nosuch.abc": fault.PermissionDenied,
			"SELECT canary FROM":                    fault.DatabaseError,
		} {
			err := s.Run(t.Context(), read(statement, nil, []column{integer}, 1), nil, targettest.Discard{})
			if fault.CodeOf(err) != want || s.Broken() {
				t.Errorf("%s: %v (%v), want %s; broken %v", statement, err, fault.Cause(err), want, s.Broken())
			}
			if shown := fmt.Sprint(err, fault.Cause(err)); strings.Contains(shown, "canary") || strings.Contains(shown, "nosuch") || strings.Contains(shown, db.Name) {
				t.Errorf("the error tells what the server said: %s", shown)
			}
		}
		must(t, s.Probe(t.Context()))
	})
}

func TestSelect(t *testing.T) {
	each(t, func(t *testing.T, db *dbtest.Database) {
		s := open(t, db, target.ForCatalog)
		var got [][]any
		keep := func(cells []any) error {
			got = append(got, append([]any(nil), cells...))
			return nil
		}
		must(t, s.Select(t.Context(), "SELECT ?, ?, ?, JSON_LENGTH(?), NULL, 1.5e0, CAST(18446744073709551615 AS UNSIGNED), 1.50", []any{"a'b", int64(-7), true, []string{`x"`, "y"}}, keep))
		want := [][]any{{"a'b", int64(-7), int64(1), int64(2), nil, 1.5, "18446744073709551615", "1.50"}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		wantFault(t, s.Select(t.Context(), "SELECT ?", []any{struct{}{}}, keep), fault.Internal)
		if err := s.Select(t.Context(), "SELECT 1 UNION SELECT 2", nil, func([]any) error { return errFull }); !errors.Is(err, errFull) {
			t.Errorf("got %v, want the row function's own error", err)
		}
		must(t, s.Probe(t.Context()))
	})
}
