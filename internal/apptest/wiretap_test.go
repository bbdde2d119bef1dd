package apptest

import (
	"testing"

	"flowyte/api"
	"flowyte/internal/dbtest"
	"flowyte/internal/privatedb"
	"flowyte/internal/schema"
)

// TestWiretapOfTheWalkthrough is I12 over the whole walkthrough, on every
// server that differs in what it is asked.
func TestWiretapOfTheWalkthrough(t *testing.T) {
	for _, flavor := range []privatedb.Flavor{privatedb.Postgres, privatedb.MariaDB, privatedb.MySQL} {
		t.Run(string(flavor), func(t *testing.T) {
			server := dbtest.Own(t, flavor, privatedb.Options{NoSync: true})
			app, w := New(t), newWiretap(t, server)
			walkAt(t, app, server, schema.Kind(server.Kind()), w.Port)
			w.check(t, app.compiledBy(t))
		})
	}
}

// TestWiretapOfRefusals is I12 where things go wrong: logins that fail, a
// statement that is stopped, a role that may too much, objects that changed.
func TestWiretapOfRefusals(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		w := newWiretap(t, db.Server)
		p := Published(t, db, Options{Connect: func(c *api.Credentials) { c.Port = w.port() }})
		conv := p.Ring(t)
		creds := Credentials(db, p.Login)
		creds.Port = w.port()
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
		compiled := p.compiledBy(t)
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
		w.check(t, compiled)
	})
}

// TestWiretapOfWrites is I12 where rows are changed, and where they are not.
func TestWiretapOfWrites(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		w := newWiretap(t, db.Server)
		d := published(t, db)
		creds := Credentials(db, d.Login)
		d.connect(&creds)
		creds.Port = w.port()
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
		w.check(t, d.compiledBy(t))
	})
}

// TestWiretapHears: the readers notice what they are there for.
func TestWiretapHears(t *testing.T) {
	message := func(kind byte, body string) string {
		return string([]byte{kind, 0, 0, 0, byte(4 + len(body))}) + body
	}
	heard := hearPostgres([]byte("\x00\x00\x00\x08\x00\x03\x00\x00" + message('P', "s1\x00SELECT 1\x00\x00\x00") + message('Q', "DROP\x00")))
	if len(heard.texts) != 1 || heard.texts[0] != "SELECT 1" || len(heard.faults) != 1 {
		t.Errorf("PostgreSQL: %q", heard)
	}
	packet := func(sequence byte, body string) string { return string([]byte{byte(len(body)), 0, 0, sequence}) + body }
	heard = hearMySQL([]byte(packet(2, "\x00\x00\x01\x00login") + packet(4, "\x03secret") + packet(0, "\x03SELECT 1") + packet(0, "\x16SELECT 2")))
	if len(heard.texts) != 2 || heard.texts[1] != "SELECT 2" || len(heard.faults) != 1 {
		t.Errorf("MySQL: %q", heard)
	}
	if got := formOf("EXPLAIN SELECT `a``b` FROM `c`", []string{"SELECT `a``b` FROM `c`"}); got != "EXPLAIN {statement}" {
		t.Error(got)
	}
	if got := formOf(`CREATE TABLE "public"."x" (id integer)`, nil); got != `CREATE TABLE "{name}"."{name}" (id integer)` {
		t.Error(got)
	}
}
