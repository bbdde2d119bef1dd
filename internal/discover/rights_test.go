package discover_test

import (
	"errors"
	"testing"

	"flowyte/internal/dbtest"
	"flowyte/internal/discover"
	"flowyte/internal/schema"
)

func TestWriteRights(t *testing.T) {
	dbtest.Every(t, func(t *testing.T, db *dbtest.Database) {
		db.Exec(t, "CREATE TABLE orders (id int PRIMARY KEY, note varchar(20), total int)", "CREATE TABLE prices (id int PRIMARY KEY)", "CREATE TABLE drafts (id int PRIMARY KEY)")
		on := ""
		if !isPostgres(db) {
			on = db.Name + "."
		}
		reader := db.User(t, "SELECT", "INSERT ON "+on+"drafts")
		writer := db.User(t, "SELECT ON "+on+"orders", "INSERT ON "+on+"orders", "UPDATE (note) ON "+on+"orders", "SELECT ON "+on+"prices")
		found := find(t, db, reader)
		if !object(t, found, "drafts").CanInsert || object(t, found, "orders").CanInsert {
			t.Fatal("the reader's own rights are wrong")
		}
		if err := discover.WriteRights(t.Context(), open(t, db, writer), found); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string][2]bool{"orders": {true, true}, "prices": {false, false}, "drafts": {false, false}} {
			o := object(t, found, name)
			same(t, name, want, [2]bool{o.CanInsert, o.CanUpdate})
		}
		orders := object(t, found, "orders")
		for name, want := range map[string][2]bool{"id": {true, false}, "note": {true, true}, "total": {true, false}} {
			f := field(t, orders, name)
			same(t, name, want, [2]bool{f.CanInsert, f.CanUpdate})
		}
	})
}

func TestWriteRightsErrors(t *testing.T) {
	broken := errors.New("gone")
	for _, kind := range []schema.Kind{schema.Postgres, schema.MySQL} {
		db := &schema.Database{Kind: kind, Objects: []schema.Object{{Name: "t", CanInsert: true}}}
		if err := discover.WriteRights(t.Context(), failing{broken}, db); !errors.Is(err, broken) {
			t.Errorf("the querier's error became %v", err)
		}
		if !db.Objects[0].CanInsert {
			t.Error("a failed question changed the answer")
		}
	}
}
