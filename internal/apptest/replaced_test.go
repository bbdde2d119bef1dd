package apptest

import (
	"slices"
	"testing"

	"flowyte/api"
	"flowyte/internal/dbtest"
)

// TestDiscoveryOfAReplacedConnection: a discovery that was under way when the
// connection was replaced must not pass the old database's schema off as the
// new one's.
func TestDiscoveryOfAReplacedConnection(t *testing.T) {
	db := dbtest.Postgres(t)
	p := Published(t, db)
	other := dbtest.New(t, db.Server)
	login := Clinic(t, other)
	other.Exec(t, "CREATE TABLE elsewhere (id int PRIMARY KEY)", "GRANT SELECT ON elsewhere TO "+login.User)

	// One statement of the discovery waits for a lock that a sleeper holds.
	held := make(chan error, 1)
	go func() {
		held <- db.Server.Exec(t.Context(), db.Name, "BEGIN; LOCK TABLE pg_catalog.pg_constraint IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(50)")
	}()
	sleeper := " FROM pg_stat_activity WHERE datname = '" + db.Name + "' AND query LIKE '%pg_sleep(50)%' AND pid <> pg_backend_pid()"
	eventually(t, "the lock", func() bool { return len(other.Query(t, "SELECT pid"+sleeper+" AND wait_event = 'PgSleep'")) == 1 })
	discovered := make(chan error, 1)
	go func() {
		_, err := p.Client().Discover(t.Context(), p.Kind)
		discovered <- err
	}()
	eventually(t, "the wait", func() bool {
		return len(other.Query(t, "SELECT pid FROM pg_stat_activity WHERE datname = '"+db.Name+"' AND wait_event_type = 'Lock'")) == 1
	})
	if _, err := p.Client().Connect(t.Context(), p.Kind, Credentials(other, login)); err != nil {
		t.Fatal(err)
	}
	other.Query(t, "SELECT pg_terminate_backend(pid)"+sleeper)
	<-held
	if err := <-discovered; err != nil {
		t.Errorf("the discovery of the new database: %v", err)
	}
	a := Ask(t, p.Client(), p.Ring(t).ID, "c1")
	if a.Outcome != api.OutcomeUnavailable || a.Reason == nil || *a.Reason != "reconnected_elsewhere" {
		t.Errorf("a statement for the old database answers %s on the new one", a.Outcome)
	}
	s, err := p.Client().Schema(t.Context(), p.Kind)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(s.Objects, func(o api.Object) bool { return o.Name == "elsewhere" }) {
		t.Error("the schema is that of the old database")
	}
}
