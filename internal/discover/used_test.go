package discover_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"flowyte/internal/dbtest"
	"flowyte/internal/discover"
	"flowyte/internal/schema"
)

func TestUsedSeesWhatDiscoverySees(t *testing.T) {
	dbtest.Every(t, func(t *testing.T, db *dbtest.Database) {
		quote := func(name string) string {
			if isPostgres(db) {
				return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
			}
			return "`" + name + "`"
		}
		odd := `o'd"d<\/,` + "é"
		for i, name := range []string{"people", odd, "other"} {
			table := quote(name)
			db.Exec(t, "CREATE TABLE "+table+" (id int PRIMARY KEY, mail varchar(40), note varchar(9))", fmt.Sprintf("CREATE INDEX by_mail_%d ON %s (mail)", i, table))
		}
		db.Exec(t, "CREATE VIEW seen AS SELECT id, mail FROM people")
		login := db.User(t, "SELECT")
		whole := find(t, db, login)
		q := open(t, db, login)
		var refs []schema.ColumnRef
		for _, name := range []string{"people", odd, "seen", "gone"} {
			refs = append(refs, schema.ColumnRef{Schema: whole.DefaultSchema, Object: name})
		}
		used, err := discover.Used(t.Context(), q, schema.Kind(db.Kind), options(db), refs)
		if err != nil {
			t.Fatal(err)
		}
		want := []string{odd, "people", "seen"}
		slices.Sort(want)
		same(t, "objects", want, names(used))
		for i := range used.Objects {
			o := &used.Objects[i]
			columns := fieldNames(o)
			if schema.ObjectDigest(o, columns) != schema.ObjectDigest(whole.Lookup(o.Schema, o.Name), columns) {
				t.Errorf("%s has another digest than in a discovery", o.Name)
			}
		}
		if len(q.texts) != 5 {
			t.Errorf("%d queries", len(q.texts))
		}
		used, err = discover.Used(t.Context(), q, schema.Kind(db.Kind), options(db), nil)
		if err != nil || len(used.Objects) != 0 {
			t.Errorf("nothing asked for, %d objects found, %v", len(used.Objects), err)
		}

		db.Exec(t, "DROP INDEX by_mail_0"+map[bool]string{true: "", false: " ON people"}[isPostgres(db)])
		used, err = discover.Used(t.Context(), q, schema.Kind(db.Kind), options(db), refs)
		if err != nil {
			t.Fatal(err)
		}
		for column, changed := range map[string]bool{"mail": true, "id": false} {
			before, after := whole.Find("people"), used.Find("people")
			if (schema.ObjectDigest(before, []string{column}) != schema.ObjectDigest(after, []string{column})) != changed {
				t.Errorf("dropping the index on mail changes the digest over %s: %t", column, !changed)
			}
		}
	})
}
