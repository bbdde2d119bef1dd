package apptest

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flowyte/api"
	"flowyte/client"
	"flowyte/internal/dbtest"
	"flowyte/internal/privatedb"
)

// companyGoals are the goals that package assist is judged on for one company.
func companyGoals(t *testing.T, company string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("..", "assist", "testdata", "goals", "*", company+".txt"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("goals of %s: %v %v", company, paths, err)
	}
	var goals []string
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); line != "" && !strings.ContainsRune("=!#", rune(line[0])) {
				goals = append(goals, line)
			}
		}
	}
	return goals
}

// desk is a company whose goals are turned into skills.
type desk struct {
	*client.Client
	t     *testing.T
	db    *dbtest.Database
	agent string
}

// TestEveryProposalWorks: what is proposed for a goal is kept as it is, and
// without a further touch a look-up publishes and answers a call, and a write
// is explained by the server as its plan says.
func TestEveryProposalWorks(t *testing.T) {
	for _, flavor := range []privatedb.Flavor{privatedb.Postgres, privatedb.MariaDB, privatedb.MySQL} {
		for _, company := range []string{"clinic", "garage", "hotel", "library", "logistics"} {
			t.Run(fmt.Sprintf("%s/%s", flavor, company), func(t *testing.T) {
				db := dbtest.On(t, flavor)
				ddl, err := os.ReadFile(filepath.Join("..", "assist", "testdata", "schemas", company, db.Kind+".sql"))
				if err != nil {
					t.Fatal(err)
				}
				db.Exec(t, string(ddl))
				app := New(t)
				app.Connected(t, db, db.User(t, "SELECT", "INSERT", "UPDATE"))
				d := &desk{Client: app.Client(), t: t, db: db}
				agent, err := d.CreateAgent(t.Context(), api.AgentRequest{Name: company, Country: "US"})
				if err != nil {
					t.Fatal(err)
				}
				d.agent = agent.ID
				d.serve(d.draft(companyGoals(t, company)))
			})
		}
	}
}

// lookup is a skill that reads and what it is asked with.
type lookup struct {
	tool, object, column, param string
}

// draft keeps a proposal for each goal and enables those that read.
func (d *desk) draft(goals []string) (reads []lookup) {
	d.t.Helper()
	writes := 0
	for _, goal := range goals {
		bound, err := d.AutoBind(d.t.Context(), d.agent, d.db.Kind, api.AutoBindRequest{Goal: goal})
		var problem *client.Error
		if errors.As(err, &problem) && problem.Code == "no_confident_match" {
			continue
		}
		if err != nil {
			d.t.Errorf("%q: %v", goal, err)
			continue
		}
		s := bound.Skill
		if s == nil || s.IsEnabled || s.ExecutionConfig == nil || s.ExecutionConfig.Plan == nil || len(s.Warnings) > 0 {
			d.t.Errorf("%q: the draft is %+v", goal, s)
			continue
		}
		if s.IsWrite {
			writes++
			continue
		}
		if _, err := d.PatchSkill(d.t.Context(), d.agent, s.ID, api.SkillPatch{IsEnabled: new(true)}); err != nil {
			d.t.Errorf("%q: enable it: %v", goal, err)
			continue
		}
		b := bound.Proposal.Binding
		object := strings.TrimSuffix(b.Operation, ".read")
		reads = append(reads, lookup{s.ToolName, object, b.SQLSearch.Column, b.SQLSearch.Param})
	}
	if len(reads) < len(goals)/3 || writes < 3 {
		d.t.Errorf("of %d goals %d look something up and %d write", len(goals), len(reads), writes)
	}
	return reads
}

// serve publishes and asks every look-up for a row that is there, or for none
// where the table has none.
func (d *desk) serve(reads []lookup) {
	d.t.Helper()
	ctx := d.t.Context()
	if _, err := d.Publish(ctx, d.agent, ""); err != nil {
		d.t.Fatal(err)
	}
	found := 0
	for i, l := range reads {
		conversation, err := d.Start(ctx, d.agent, api.ConversationRequest{Channel: "voice"})
		if err != nil {
			d.t.Fatal(err)
		}
		value, want := d.sample(l)
		argument, err := json.Marshal(value)
		if err != nil {
			d.t.Fatal(err)
		}
		a, err := d.Call(ctx, conversation.ID, api.ToolCallRequest{
			ToolCallID: fmt.Sprint(i), Tool: l.tool, Arguments: map[string]json.RawMessage{l.param: argument},
		})
		if err != nil || a.Outcome != want {
			d.t.Errorf("%s of %s by %s %q: %s %v, want %s; %v", l.tool, l.object, l.column, value, a.Outcome, a.Reason, want, err)
		}
		if a.Outcome == api.OutcomeOK {
			found++
		}
	}
	if found < len(reads)*2/3 {
		d.t.Errorf("%d of %d look-ups found a row", found, len(reads))
	}
}

// sample is a value that the table holds, and how a call with it ends.
func (d *desk) sample(l lookup) (string, api.Outcome) {
	quote := map[string]string{"postgres": `"`, "mysql": "`"}[d.db.Kind]
	column, object := quote+l.column+quote, quote+l.object+quote
	rows := d.db.Query(d.t, "SELECT "+column+" FROM "+object+" WHERE "+column+" IS NOT NULL LIMIT 1")
	if len(rows) == 0 {
		return "+12065550111", api.OutcomeNotFound
	}
	return rows[0][0], api.OutcomeOK
}
