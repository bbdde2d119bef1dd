package apptest

import (
	"slices"
	"testing"

	"flowyte/api"
	"flowyte/internal/dbtest"
)

// TestWritesHaveAUserOfTheirOwn: what may be written is what the user of writes
// may write, a write is explained as that user, and reading does not depend on
// whether it can log in.
func TestWritesHaveAUserOfTheirOwn(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		app, kind := New(t), db.Kind
		reader := Clinic(t, db)
		// The reader's own right to write counts for nothing.
		also := db.User(t, "SELECT", "INSERT ON "+on(db, "payments"))
		writer := db.User(t, "SELECT", "INSERT ON "+on(db, "customers"))
		creds := Credentials(db, also)
		creds.WriteUser, creds.WritePassword = writer.User, writer.Password
		c := app.Client()
		if _, err := c.Connect(t.Context(), kind, creds); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Discover(t.Context(), kind); err != nil {
			t.Fatal(err)
		}
		want := map[string][]string{"customers": {"read", "insert"}, "payments": {"read"}, "appointments": {"read"}}
		wantCapabilities(t, app, kind, want)

		agent, err := c.CreateAgent(t.Context(), api.AgentRequest{Name: "Desk"})
		if err != nil {
			t.Fatal(err)
		}
		skill, err := c.Bind(t.Context(), agent.ID, kind, newCustomer())
		if err != nil {
			t.Fatalf("bind a write of the user of writes: %v", err)
		}
		if skill.ExecutionConfig.Plan == nil || len(skill.Warnings) > 0 {
			t.Errorf("the write was not explained: %+v, %+v", skill.ExecutionConfig.Plan, skill.Warnings)
		}

		// A user of writes that cannot log in does not stop discovery.
		creds.WriteUser, creds.WritePassword = reader.User, reader.Password
		if _, err := c.Connect(t.Context(), kind, creds); err != nil {
			t.Fatal(err)
		}
		lock := map[string]string{"postgres": "ALTER ROLE " + reader.User + " NOLOGIN", "mysql": "ALTER USER '" + reader.User + "'@'%' ACCOUNT LOCK"}
		db.Exec(t, lock[kind])
		d, err := c.Discover(t.Context(), kind)
		if err != nil || d.ObjectCount < 3 {
			t.Fatalf("discover without the user of writes: %+v, %v", d, err)
		}
		wantCapabilities(t, app, kind, map[string][]string{"customers": {"read"}, "payments": {"read"}})
	})
}

func on(db *dbtest.Database, table string) string {
	if db.Kind == "mysql" {
		return db.Name + "." + table
	}
	return table
}

func newCustomer() api.BindingRequest {
	return api.BindingRequest{
		ToolName: "Add a customer", Operation: "customers.insert", IsWrite: true,
		InputObjectMap: []api.InputObject{{Field: "id", Param: "number", Required: new(true)}, {Field: "name", Param: "caller_name", Required: new(true)}},
	}
}

func wantCapabilities(t *testing.T, app *App, kind string, want map[string][]string) {
	t.Helper()
	schema, err := app.Client().Schema(t.Context(), kind)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, o := range schema.Objects {
		if w, ok := want[o.Name]; ok {
			found++
			if !slices.Equal(o.Capabilities, w) {
				t.Errorf("%s has the capabilities %v, want %v", o.Name, o.Capabilities, w)
			}
		}
	}
	if found != len(want) {
		t.Errorf("%d of %d objects are in the schema", found, len(want))
	}
}
