package discover_test

import (
	"slices"
	"testing"

	"flowyte/internal/dbtest"
	"flowyte/internal/discover"
	"flowyte/internal/schema"
)

// TestWriteRight: what is lacking is told as things are now, whether rights are
// held on the table or on single columns.
func TestWriteRight(t *testing.T) {
	dbtest.Every(t, func(t *testing.T, db *dbtest.Database) {
		if isPostgres(db) {
			db.Exec(t, "CREATE TABLE visits (id serial PRIMARY KEY, phone text, status text, made int GENERATED ALWAYS AS IDENTITY)")
		} else {
			db.Exec(t, "CREATE TABLE visits (id int PRIMARY KEY AUTO_INCREMENT, phone varchar(40), status varchar(20))")
		}
		table := "visits"
		if !isPostgres(db) {
			table = db.Name + ".visits"
		}
		insert := discover.Columns{Select: []string{"id"}, Insert: []string{"phone", "status"}}
		update := discover.Columns{Select: []string{"id"}, Update: []string{"status"}}
		for _, c := range []struct {
			name      string
			grants    []string
			columns   discover.Columns
			rights    []string
			sequences int // on PostgreSQL
		}{
			{"a reader inserts", []string{"SELECT"}, insert, []string{"INSERT"}, 1},
			{"a reader updates", []string{"SELECT"}, update, []string{"UPDATE"}, 0},
			{"the table's rights", []string{"SELECT, INSERT, UPDATE ON " + table}, insert, nil, 1},
			{"columns' rights", []string{"SELECT (id), INSERT (phone, status), UPDATE (status) ON " + table}, update, nil, 0},
			{"a column short", []string{"SELECT (id), INSERT (phone) ON " + table}, insert, []string{"INSERT"}, 1},
			{"the key not readable", []string{"SELECT (phone), UPDATE (status) ON " + table}, update, []string{"SELECT"}, 0},
		} {
			login := db.User(t, c.grants...)
			got, err := discover.WriteRight(t.Context(), catalogSession(t, db, login), schema.Kind(db.Kind), columnOf(db, "visits", ""), c.columns)
			if err != nil {
				t.Fatal(err)
			}
			if !isPostgres(db) {
				c.sequences = 0
			}
			account := login.User
			if !isPostgres(db) {
				account += "@%"
			}
			if !slices.Equal(got.Rights, c.rights) || got.Usage || len(got.Sequences) != c.sequences || got.Account != account || !got.Transactional {
				t.Errorf("%s: %+v", c.name, got)
			}
			if got.Nothing() != (c.rights == nil && c.sequences == 0) {
				t.Errorf("%s: lacks nothing: %t", c.name, got.Nothing())
			}
		}
		if isPostgres(db) {
			return
		}
		db.Exec(t, "ALTER TABLE visits ENGINE=MyISAM")
		got, err := discover.WriteRight(t.Context(), catalogSession(t, db, db.User(t, "SELECT")), schema.MySQL, columnOf(db, "visits", ""), update)
		if err != nil || got.Transactional {
			t.Errorf("a table that cannot roll back: %+v, %v", got, err)
		}
	})
}
