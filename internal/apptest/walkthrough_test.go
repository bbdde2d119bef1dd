package apptest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"flowyte/examples"
	"flowyte/internal/dbtest"
	"flowyte/internal/demo"
	"flowyte/internal/privatedb"
	"flowyte/internal/schema"
)

// TestWalkthrough takes the curls out of examples/walkthrough.md and performs
// them on both kinds. Their answers must be what the page promises.
func TestWalkthrough(t *testing.T) {
	for kind, flavor := range map[schema.Kind]privatedb.Flavor{schema.Postgres: privatedb.Postgres, schema.MySQL: privatedb.MariaDB} {
		t.Run(string(kind), func(t *testing.T) {
			// The page names its database, so it needs a server of its own.
			db := dbtest.Own(t, flavor, privatedb.Options{NoSync: true})
			app := New(t)
			walk(t, app, db, kind)
		})
	}
}

// walk performs the whole walkthrough and returns what it kept.
func walk(t *testing.T, app *App, db *privatedb.Server, kind schema.Kind) map[string]string {
	t.Helper()
	return walkAt(t, app, db, kind, db.Port)
}

// walkAt is walk where the service reaches the database at another port.
func walkAt(t *testing.T, app *App, db *privatedb.Server, kind schema.Kind, port int) map[string]string {
	t.Helper()
	ctx := t.Context()
	if err := db.Exec(ctx, "", "CREATE DATABASE appdb"); err != nil {
		t.Fatal(err)
	}
	caller, err := demo.Load(ctx, db, kind, "appdb")
	if err != nil {
		t.Fatal(err)
	}
	steps, err := demo.ParseSteps(examples.Walkthrough)
	if err != nil {
		t.Fatal(err)
	}
	if len(steps) < 11 {
		t.Fatalf("the walkthrough has %d steps; it has lost some", len(steps))
	}
	r := demo.Runner{
		HTTP:  app.HTTP,
		Admin: func(ctx context.Context, sql string) error { return db.Exec(ctx, "appdb", sql) },
		Env: map[string]string{
			"FLOWYTE_URL": app.URL, "FLOWYTE_KEY": app.Key, "KIND": string(kind), "DB_HOST": db.Host, "DB_PORT": fmt.Sprint(port),
			"DB_CA_PEM": strings.ReplaceAll(db.CAPEM, "\n", `\n`), "CALLER_PHONE": caller.Phone,
		},
	}
	for i, s := range steps {
		answer, err := r.Run(ctx, s)
		if err != nil {
			t.Fatalf("step %d (%s): %v\n%s", i+1, s.Heading, err, answer.Body)
		}
	}
	return r.Env
}
