package discover_test

import (
	"encoding/json"
	"testing"

	"flowyte/internal/dbtest"
	"flowyte/internal/discover"
	"flowyte/internal/schema"
	"flowyte/internal/target"
	"flowyte/internal/target/mysql"
	"flowyte/internal/target/postgres"
	"flowyte/internal/target/targettest"
)

// The product's own sessions must give what the bare drivers give.
func TestThroughTheProductsSessions(t *testing.T) {
	dbtest.Every(t, func(t *testing.T, db *dbtest.Database) {
		db.Exec(t, "CREATE TABLE people (id int PRIMARY KEY, name varchar(40) NOT NULL DEFAULT 'x', at timestamp NULL, ratio double precision)", "CREATE VIEW seen AS SELECT id FROM people")
		if isPostgres(db) {
			db.Exec(t, `CREATE TYPE mood AS ENUM ('a,b', '"', '}'); ALTER TABLE people ADD mood mood; COMMENT ON TABLE people IS 'ü'`)
		} else {
			db.Exec(t, "ALTER TABLE people ADD mood enum('a,b','\"','}'), COMMENT 'ü'")
		}
		login := db.User(t, "SELECT")
		var driver target.Driver = postgres.Driver{}
		if !isPostgres(db) {
			driver = mysql.Driver{}
		}
		session, err := driver.Open(t.Context(), targettest.Guard(t), targettest.Credentials(t, db.Server, db.Name, login), target.ForCatalog)
		if err != nil {
			t.Fatal(err)
		}
		defer session.Close()
		if _, ok := session.(discover.Snapshotter); ok != isPostgres(db) {
			t.Errorf("the session can answer as of one moment: %t", ok)
		}
		got, err := discover.Discover(t.Context(), session, schema.Kind(db.Kind), options(db))
		if err != nil {
			t.Fatal(err)
		}
		same(t, "the database", text(t, find(t, db, login)), text(t, got))
		if session.Broken() {
			t.Error("discovery broke the session")
		}
	})
}

func text(t *testing.T, db *schema.Database) string {
	t.Helper()
	b, err := json.MarshalIndent(db, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
