package discover_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"flowyte/internal/dbtest"
	"flowyte/internal/discover"
	"flowyte/internal/privatedb"
	"flowyte/internal/schema"
	"flowyte/internal/target"
	"flowyte/internal/target/mysql"
	"flowyte/internal/target/postgres"
	"flowyte/internal/target/targettest"

	"github.com/google/go-cmp/cmp"
)

// catalogSession is a session of the product's own, as discovery has it.
func catalogSession(t *testing.T, db *dbtest.Database, login privatedb.Login) target.Session {
	t.Helper()
	var driver target.Driver = postgres.Driver{}
	if !isPostgres(db) {
		driver = mysql.Driver{}
	}
	session, err := driver.Open(t.Context(), targettest.Guard(t), targettest.Credentials(t, db.Server, db.Name, login), target.ForCatalog)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(session.Close)
	return session
}

func columnOf(db *dbtest.Database, object, column string) schema.ColumnRef {
	c := schema.ColumnRef{Schema: "public", Object: object, Column: column}
	if !isPostgres(db) {
		c.Schema = db.Name
	}
	return c
}

// numbers writes n numbers in one form, in which every # is a digit of its own.
func numbers(n int, form string) []string {
	list := make([]string, n)
	for i := range list {
		digits := fmt.Sprintf("%010d", 4155550100+i*7919)
		var b strings.Builder
		at := 0
		for _, c := range form {
			if c == '#' {
				b.WriteByte(digits[at%len(digits)])
				at++
			} else {
				b.WriteRune(c)
			}
		}
		list[i] = b.String()
	}
	return list
}

func insertPhones(t *testing.T, db *dbtest.Database, table string, values ...[]string) {
	t.Helper()
	var rows []string
	for i, v := range slices.Concat(values...) {
		rows = append(rows, fmt.Sprintf("(%d, '%s')", i, v))
	}
	db.Exec(t, "INSERT INTO "+table+" VALUES "+strings.Join(rows, ", "))
}

// TestPhoneForms: contract §5.1 and issue 5 point 4.
func TestPhoneForms(t *testing.T) {
	dbtest.Every(t, func(t *testing.T, db *dbtest.Database) {
		session := catalogSession(t, db, db.Admin())
		for i, c := range []struct {
			name   string
			values [][]string
			want   []string
		}{
			{"E.164 with spaces", [][]string{numbers(30, "+1 ### ### ####")}, []string{"+9 999 999 9999"}},
			{"parentheses", [][]string{numbers(30, "(###) ###-####")}, []string{"(999) 999-9999"}},
			{"dots", [][]string{numbers(30, "###.###.####")}, []string{"999.999.9999"}},
			{"digits", [][]string{numbers(30, "##########")}, []string{"9999999999"}},
			{"00", [][]string{numbers(30, "0049 30 ########")}, []string{"0099 99 99999999"}},
			{"trunk prefix and slash", [][]string{numbers(30, "030/#######")}, []string{"099/9999999"}},
			{"a trunk prefix in parentheses", [][]string{numbers(30, "(030) #######")}, []string{"(099) 9999999"}},
			{"zeros within stay no zeros", [][]string{numbers(30, "+49 30 00000 ##")}, []string{"+99 99 99999 99"}},
			{"mixed", [][]string{numbers(25, "(###) ###-####"), numbers(40, "##########"), numbers(5, "+1##########")}, []string{"9999999999", "(999) 999-9999", "+99999999999"}},
			{"with extensions", [][]string{numbers(40, "(###) ###-#### x##"), numbers(20, "###-###-#### ext. ##"), numbers(10, "(###) ###-####")}, []string{"(999) 999-9999"}},
			{"other text", [][]string{numbers(40, "see Anna"), numbers(10, "N/A"), numbers(20, "###-###-####")}, []string{"999-999-9999"}},
			{"too few", [][]string{numbers(19, "###-###-####")}, nil},
			{"just enough", [][]string{numbers(20, "###-###-####")}, []string{"999-999-9999"}},
			{"none at all", [][]string{numbers(50, "unknown")}, nil},
			{"at most 1,000 rows", [][]string{numbers(1000, "###-###-####"), numbers(2000, "##########")}, []string{"999-999-9999"}},
		} {
			t.Run(c.name, func(t *testing.T) {
				table := fmt.Sprintf("phones%d", i)
				db.Exec(t, "CREATE TABLE "+table+" (id int PRIMARY KEY, phone varchar(60))")
				insertPhones(t, db, table, c.values...)
				seen := &counted{querier: session}
				got, err := discover.PhoneForms(t.Context(), seen, schema.Kind(db.Kind), columnOf(db, table, "phone"))
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Error(diff)
				}
				if len(seen.texts) != 1 || seen.texts[0] != discover.PhonesText(schema.Kind(db.Kind), columnOf(db, table, "phone")) {
					t.Errorf("texts %q", seen.texts)
				}
			})
		}
		if session.Broken() {
			t.Error("the session is broken")
		}
	})
}

// No value leaves the server: not a digit of one, and no other text.
func TestPhoneFormsReadNothingOut(t *testing.T) {
	dbtest.Every(t, func(t *testing.T, db *dbtest.Database) {
		db.Exec(t, "CREATE TABLE people (id int PRIMARY KEY, phone varchar(60))")
		insertPhones(t, db, "people", numbers(30, "+1 ### ### ####"), numbers(5, "Anna ###"), numbers(5, "0041 ## ### ## ##"), numbers(5, "4711"), []string{"", "  ", "٣٣٣٣٣٣٣٣٣٣"})
		session := catalogSession(t, db, db.User(t, "SELECT"))
		var shapes []string
		err := session.Select(t.Context(), discover.PhonesText(schema.Kind(db.Kind), columnOf(db, "people", "phone")), nil, func(cells []any) error {
			shapes = append(shapes, cells[0].(string))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(shapes)
		if diff := cmp.Diff([]string{"", "+9 999 999 9999", "0099 99 999 99 99"}, shapes); diff != "" {
			t.Error(diff)
		}
	})
}

// Names are quoted, and a role without the right is told so.
func TestPhoneFormsOfAwkwardColumns(t *testing.T) {
	dbtest.Every(t, func(t *testing.T, db *dbtest.Database) {
		q := `"`
		if !isPostgres(db) {
			q = "`"
		}
		name := func(s string) string { return q + strings.ReplaceAll(s, q, q+q) + q }
		object, column := `a"b`+"`"+`; DROP {column}`, `{object} 'x' -- ü`
		db.Exec(t, "CREATE TABLE "+name(object)+" (id int PRIMARY KEY, "+name(column)+" char(30))")
		insertPhones(t, db, name(object), numbers(30, "###-###-####"))
		got, err := discover.PhoneForms(t.Context(), catalogSession(t, db, db.Admin()), schema.Kind(db.Kind), columnOf(db, object, column))
		if err != nil || len(got) != 1 {
			t.Errorf("%q, %v", got, err)
		}
		db.Exec(t, "CREATE TABLE closed (id int PRIMARY KEY, phone varchar(30))", "CREATE TABLE open (id int PRIMARY KEY)")
		right := "SELECT ON open"
		if !isPostgres(db) {
			right = "SELECT ON " + db.Name + ".open"
		}
		if got, err := discover.PhoneForms(t.Context(), catalogSession(t, db, db.User(t, right)), schema.Kind(db.Kind), columnOf(db, "closed", "phone")); err == nil {
			t.Errorf("a role without the right got %q", got)
		}
	})
}

func TestSpread(t *testing.T) {
	dbtest.Every(t, func(t *testing.T, db *dbtest.Database) {
		db.Exec(t, "CREATE TABLE orders (id int PRIMARY KEY, state varchar(10), reference varchar(20))",
			"CREATE INDEX orders_state ON orders (state)", "CREATE INDEX orders_reference ON orders (reference)")
		var rows []string
		for i := range 2000 {
			rows = append(rows, fmt.Sprintf("(%d, '%s', 'R%05d')", i, []string{"open", "done"}[i%2], i))
		}
		db.Exec(t, "INSERT INTO orders VALUES "+strings.Join(rows, ", "))
		if isPostgres(db) {
			db.Exec(t, "ANALYZE orders")
		} else {
			db.Exec(t, "ANALYZE TABLE orders")
		}
		session := catalogSession(t, db, db.User(t, "SELECT"))
		for column, few := range map[string]bool{"state": true, "reference": false, "id": false, "missing": false} {
			s, err := discover.SpreadOf(t.Context(), session, schema.Kind(db.Kind), columnOf(db, "orders", column))
			if err != nil || s.Few() != few {
				t.Errorf("%s: %+v, %v", column, s, err)
			}
		}
	})
}
