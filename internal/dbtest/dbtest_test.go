package dbtest_test

import (
	"testing"

	"flowyte/internal/dbtest"

	"github.com/google/go-cmp/cmp"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

func TestEach(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		db.Exec(t, "CREATE TABLE a (id int PRIMARY KEY, n varchar(20)); INSERT INTO a VALUES (1, 'x'), (2, NULL)")
		got := db.Query(t, "SELECT id, n FROM a ORDER BY id")
		if diff := cmp.Diff([][]string{{"1", "x"}, {"2", "NULL"}}, got); diff != "" {
			t.Error(diff)
		}
		db.User(t, "SELECT", "INSERT ON a")
	})
}
