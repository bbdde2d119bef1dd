package apptest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"flowyte/api"
	"flowyte/client"
	"flowyte/internal/dbtest"
)

// book is a table of numbers in one form, the n-th of which belongs to a caller.
func book(t *testing.T, db *dbtest.Database, table, form string, n int) {
	t.Helper()
	var rows []string
	for i := range n {
		digits, line := fmt.Sprintf("%04d", 100+i), form
		for _, d := range digits {
			line = strings.Replace(line, "#", string(d), 1)
		}
		rows = append(rows, fmt.Sprintf("(%d, '%s')", i+1, line))
	}
	db.Exec(t, "CREATE TABLE "+table+" (id int PRIMARY KEY, phone varchar(40))", "CREATE INDEX "+table+"_phone ON "+table+" (phone)",
		"INSERT INTO "+table+" VALUES "+strings.Join(rows, ", "))
}

func lookUp(table string) api.BindingRequest {
	return api.BindingRequest{
		ToolName: "Look up in " + table, Operation: table + ".read", Enabled: true,
		Inputs:     []api.BindingInput{{Param: "caller_phone", Arg: "phone"}},
		Projection: []api.ProjectionEntry{{Path: []string{"id"}, Leaf: "number"}},
	}
}

// phoneForms is what the schema says of the column.
func phoneForms(t *testing.T, c *client.Client, kind, table string) []string {
	t.Helper()
	s, err := c.Schema(t.Context(), kind)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range s.Objects {
		for _, f := range o.Fields {
			if o.Name == table && f.Name == "phone" {
				return f.PhoneForms
			}
		}
	}
	t.Fatalf("no %s.phone", table)
	return nil
}

// TestCallersAreFoundAsTheColumnWritesThem: a caller in E.164, as telephone
// networks deliver them, finds the row in whatever form the column has.
func TestCallersAreFoundAsTheColumnWritesThem(t *testing.T) {
	dbtest.Every(t, func(t *testing.T, db *dbtest.Database) {
		forms := []struct{ form, shape, caller, country string }{
			{"+1 415 555 ####", "+9 999 999 9999", "+14155550100", "US"},
			{"(415) 555-####", "(999) 999-9999", "+14155550100", "US"},
			{"415.555.####", "999.999.9999", "+14155550100", "US"},
			{"415555####", "9999999999", "tel:+1-415-555-0100", "US"},
			{"1-415-555-####", "9-999-999-9999", "4155550100", "US"},
			{"0049 30 1234####", "0099 99 99999999", "+493012340100", "DE"},
			{"030/1234####", "099/99999999", "+493012340100", "DE"},
			{"(030) 1234####", "(099) 99999999", "030 12340100", "DE"},
		}
		for i, f := range forms {
			book(t, db, fmt.Sprintf("book%d", i), f.form, 30)
		}
		app, kind := New(t), db.Kind
		app.Connected(t, db, db.User(t, "SELECT"))
		c := app.Client()
		agents := map[string]api.Agent{}
		for i, f := range forms {
			if _, made := agents[f.country]; !made {
				a, err := c.CreateAgent(t.Context(), api.AgentRequest{Name: "Desk " + f.country, Country: f.country})
				if err != nil {
					t.Fatal(err)
				}
				agents[f.country] = a
			}
			table := fmt.Sprintf("book%d", i)
			skill, err := c.Bind(t.Context(), agents[f.country].ID, kind, lookUp(table))
			if err != nil {
				t.Fatal(err)
			}
			if got := phoneForms(t, c, kind, table); !slices.Equal(got, []string{f.shape}) {
				t.Errorf("%s was learnt as %q", f.form, got)
			}
			if p := skill.ExecutionConfig.Parameters; !slices.Equal(p[0].PhoneForms, []string{f.shape}) {
				t.Errorf("%s: the operator sees %+v", f.form, p)
			}
		}
		for country, a := range agents {
			if _, err := c.Publish(t.Context(), a.ID, ""); err != nil {
				t.Fatalf("%s: %v", country, err)
			}
		}
		for i, f := range forms {
			conv, err := c.Start(t.Context(), agents[f.country].ID, api.ConversationRequest{Channel: "voice", Caller: &api.Caller{Phone: f.caller}})
			if err != nil {
				t.Fatal(err)
			}
			a, err := c.Call(t.Context(), conv.ID, api.ToolCallRequest{ToolCallID: "1", Tool: fmt.Sprintf("look_up_in_book%d", i)})
			if err != nil || string(a.Result) != `{"rows":[{"number":1}],"rowCount":1,"truncated":false}` {
				t.Errorf("%s does not find %s: %s, %s, %v", f.caller, f.form, a.Outcome, a.Result, err)
			}
		}
	})
}

// TestWhatIsLearntOfPhones: mixed columns, few rows, blocked columns, another
// discovery, another bind.
func TestWhatIsLearntOfPhones(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		book(t, db, "mixed", "(415) 555-####", 30)
		db.Exec(t, "INSERT INTO mixed SELECT id + 100, CONCAT('415.666.', id + 1000) FROM mixed", "INSERT INTO mixed SELECT id + 1000, CONCAT('415.777.', id + 1000) FROM mixed WHERE id < 100",
			"INSERT INTO mixed VALUES (5000, '(415) 555-9999 x12')")
		book(t, db, "few", "415.555.####", 19)
		book(t, db, "shut", "415.555.####", 30)
		app, kind := New(t), db.Kind
		reader := db.User(t, "SELECT")
		app.Connected(t, db, reader)
		c := app.Client()
		agent, err := c.CreateAgent(t.Context(), api.AgentRequest{Name: "Desk", Country: "US"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.SetScoping(t.Context(), kind, map[string]any{"blockedColumns": map[string]any{"shut": []string{"phone"}}}); err != nil {
			t.Fatal(err)
		}
		var mixed api.Skill
		for _, table := range []string{"mixed", "few"} {
			skill, err := c.Bind(t.Context(), agent.ID, kind, lookUp(table))
			if err != nil {
				t.Fatal(err)
			}
			if table == "mixed" {
				mixed = skill
			}
		}
		_, err = c.Bind(t.Context(), agent.ID, kind, lookUp("shut"))
		wantProblem(t, err, 422, "binding_rejected")
		if got := phoneForms(t, c, kind, "mixed"); !slices.Equal(got, []string{"999.999.9999", "(999) 999-9999"}) {
			t.Errorf("mixed: %q", got)
		}
		if got := phoneForms(t, c, kind, "few"); len(got) != 0 {
			t.Errorf("few: %q", got)
		}
		if _, err := c.SetScoping(t.Context(), kind, map[string]any{"blockedColumns": nil}); err != nil {
			t.Fatal(err)
		}
		if got := phoneForms(t, c, kind, "shut"); len(got) != 0 {
			t.Errorf("a blocked column was looked at: %q", got)
		}

		// Discovery keeps what was learnt of a column that is as it was, and a
		// restart of the service as well; the digest tells no change.
		before, err := c.Schema(t.Context(), kind)
		if err != nil {
			t.Fatal(err)
		}
		if d, err := c.Discover(t.Context(), kind); err != nil || len(d.Changes.Changed) != 0 || d.SchemaDigest != before.SchemaDigest {
			t.Errorf("discovery tells %+v, %v", d.Changes, err)
		}
		app.Stop()
		app = New(t, Options{Data: app.Data})
		c = app.Client()
		if got := phoneForms(t, c, kind, "mixed"); len(got) != 2 {
			t.Errorf("after a discovery and a restart: %q", got)
		}
		again, err := c.Skill(t.Context(), agent.ID, mixed.ID)
		if err != nil || again.ExecutionConfig.PlanDigest != mixed.ExecutionConfig.PlanDigest {
			t.Errorf("the plan changed: %v", err)
		}
		alter := map[string]string{"postgres": "ALTER TABLE mixed ALTER phone TYPE varchar(60)", "mysql": "ALTER TABLE mixed MODIFY phone varchar(60)"}
		db.Exec(t, alter[kind])
		if _, err := c.Discover(t.Context(), kind); err != nil {
			t.Fatal(err)
		}
		if got := phoneForms(t, c, kind, "mixed"); len(got) != 0 {
			t.Errorf("of a changed column: %q", got)
		}
	})
}

// TestAFilterThatManyRowsShare: H26.
func TestAFilterThatManyRowsShare(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		var rows []string
		for i := range 2000 {
			rows = append(rows, fmt.Sprintf("(%d, 'shop %d', 'R%d')", i, i%2, i))
		}
		db.Exec(t, "CREATE TABLE orders (id int PRIMARY KEY, shop varchar(20), reference varchar(20))", "CREATE INDEX orders_shop ON orders (shop)",
			"CREATE INDEX orders_reference ON orders (reference)", "INSERT INTO orders VALUES "+strings.Join(rows, ", "))
		db.Exec(t, map[string]string{"postgres": "ANALYZE orders", "mysql": "ANALYZE TABLE orders"}[db.Kind])
		app := New(t)
		app.Connected(t, db, db.User(t, "SELECT"))
		c := app.Client()
		agent, err := c.CreateAgent(t.Context(), api.AgentRequest{Name: "Desk"})
		if err != nil {
			t.Fatal(err)
		}
		for column, few := range map[string]bool{"shop": true, "reference": false, "id": false} {
			skill, err := c.Bind(t.Context(), agent.ID, db.Kind, api.BindingRequest{
				ToolName: "By " + column, Operation: "orders.read", Enabled: true, Inputs: []api.BindingInput{{Param: "wanted", Arg: column}},
				Projection: []api.ProjectionEntry{{Path: []string{"id"}, Leaf: "id"}},
			})
			if err != nil {
				t.Fatal(err)
			}
			if warned := slices.ContainsFunc(skill.Warnings, func(f api.Finding) bool { return f.Code == "low_selectivity" && f.Path == "inputs[0].arg" }); warned != few {
				t.Errorf("a filter on %s: %+v", column, skill.Warnings)
			}
		}
		var report api.PrepublishReport
		if err := c.Do(t.Context(), "GET", "/agents/"+agent.ID+"/prepublish-report", nil, &report); err != nil {
			t.Fatal(err)
		}
		if !report.Publishable || len(report.Findings) != 1 || report.Findings[0].Code != "low_selectivity" {
			t.Errorf("the report says %+v", report.Findings)
		}
	})
}
