package apptest

import (
	"testing"

	"flowyte/api"
	"flowyte/internal/dbtest"
	"flowyte/internal/privatedb"
	"flowyte/internal/schema"
	"flowyte/internal/wiretest"
)

// TestWiretapOfTheWalkthrough is I12 over the whole walkthrough, on every
// server that differs in what it is asked.
func TestWiretapOfTheWalkthrough(t *testing.T) {
	for _, flavor := range []privatedb.Flavor{privatedb.Postgres, privatedb.MariaDB, privatedb.MySQL} {
		t.Run(string(flavor), func(t *testing.T) {
			server := dbtest.Own(t, flavor, privatedb.Options{NoSync: true})
			app, w := New(t), wiretest.New(t, server)
			walkAt(t, app, server, schema.Kind(server.Kind()), w.Port)
			w.Check(t, app.Compiled(t))
		})
	}
}

// TestWiretapOfRefusals is I12 where things go wrong: logins that fail, a
// statement that is stopped, a role that may too much, objects that changed.
func TestWiretapOfRefusals(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		w := wiretest.New(t, db.Server)
		p := Published(t, db, Options{Connect: func(c *api.Credentials) { c.Port = w.PortText() }})
		conv := p.Ring(t)
		creds := Credentials(db, p.Login)
		creds.Port = w.PortText()
		for _, change := range []func(*api.Credentials){
			func(*api.Credentials) {},
			func(c *api.Credentials) { c.Password += "x" },
			func(c *api.Credentials) { c.Database = "x'; DROP TABLE customers; --" },
			func(c *api.Credentials) { admin := db.Admin(); c.User, c.Password = admin.User, admin.Password },
		} {
			changed := creds
			change(&changed)
			if _, err := p.Client().Test(t.Context(), p.Kind, changed); err != nil {
				t.Fatal(err)
			}
		}
		release := p.lock(t)
		Ask(t, p.Client(), conv.ID, "stuck")
		release()
		Ask(t, p.Client(), conv.ID, "free")
		compiled := p.Compiled(t)
		wrong := Lookup()
		wrong.Inputs[0].Arg = "status'; DROP TABLE customers; --"
		if _, err := p.Client().Bind(t.Context(), p.Agent.ID, p.Kind, wrong); err == nil {
			t.Error("nonsense was bound")
		}
		db.Exec(t, "ALTER TABLE appointments DROP COLUMN status")
		Ask(t, p.Client(), conv.ID, "drifted")
		if _, err := p.Client().Discover(t.Context(), p.Kind); err != nil {
			t.Error(err)
		}
		w.Check(t, compiled)
	})
}

// TestWiretapOfWrites is I12 where rows are changed, and where they are not.
func TestWiretapOfWrites(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		w := wiretest.New(t, db.Server)
		d := published(t, db)
		creds := Credentials(db, d.Login)
		d.connect(&creds)
		creds.Port = w.PortText()
		if _, err := d.Client().Connect(t.Context(), d.Kind, creds); err != nil {
			t.Fatal(err)
		}
		conv := d.known(t)
		for call, number := range map[string]string{"there": "1", "not there": "4711"} {
			if _, err := d.move(t, conv, call, number, clockAt("16:00")); err != nil {
				t.Fatal(err)
			}
		}
		if got := startsAt(t, db); got != "16:00" {
			t.Errorf("it is at %s; this proves little", got)
		}
		w.Check(t, d.Compiled(t))
	})
}
