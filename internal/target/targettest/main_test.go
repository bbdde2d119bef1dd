package targettest

import (
	"testing"

	"flowyte/internal/dbtest"
	"flowyte/internal/schema"
	"flowyte/internal/target"
	"flowyte/internal/target/mysql"
	"flowyte/internal/target/postgres"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

var drivers = map[schema.Kind]target.Driver{schema.Postgres: postgres.Driver{}, schema.MySQL: mysql.Driver{}}

// eachKind runs test for both kinds, as subtests.
func eachKind(t *testing.T, test func(t *testing.T, kind schema.Kind)) {
	t.Helper()
	for _, kind := range []schema.Kind{schema.Postgres, schema.MySQL} {
		t.Run(string(kind), func(t *testing.T) { test(t, kind) })
	}
}
