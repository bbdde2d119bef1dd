package apptest

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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

// TestEveryProposalWorks: what is proposed for a goal is kept, enabled and
// published as it is. A look-up answers a call; a write, once it is confirmed and
// the caller is known, is done.
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
				if _, err := d.SetCallerVerification(t.Context(), agent.ID, api.CallerVerificationRequest{Method: "asserted"}); err != nil {
					t.Fatal(err)
				}
				reads, writes := d.draft(companyGoals(t, company))
				if _, err := d.Publish(t.Context(), agent.ID, ""); err != nil {
					t.Fatal(err)
				}
				d.look(reads)
				d.write(writes)
			})
		}
	}
}

// lookup is a skill that reads and what it is asked with.
type lookup struct {
	tool, object, column, param string
}

// draft keeps a proposal for each goal and enables it.
func (d *desk) draft(goals []string) (reads []lookup, writes []api.AutoBound) {
	d.t.Helper()
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
		if _, err := d.PatchSkill(d.t.Context(), d.agent, s.ID, api.SkillPatch{IsEnabled: new(true), PlanDigest: &s.ExecutionConfig.PlanDigest}); err != nil {
			d.t.Errorf("%q: enable it: %v", goal, err)
			continue
		}
		if s.IsWrite {
			writes = append(writes, bound)
			continue
		}
		b := bound.Proposal.Binding
		reads = append(reads, lookup{s.ToolName, strings.TrimSuffix(b.Operation, ".read"), b.SQLSearch.Column, b.SQLSearch.Param})
	}
	if len(reads) < len(goals)/3 || len(writes) < 3 {
		d.t.Errorf("of %d goals %d look something up and %d write", len(goals), len(reads), len(writes))
	}
	return reads, writes
}

// look asks every look-up for a row that is there, or for none where the table
// has none.
func (d *desk) look(reads []lookup) {
	d.t.Helper()
	found := 0
	for _, l := range reads {
		value, known := d.sample(l.object, l.column)
		want := api.OutcomeOK
		if !known {
			value, want = "+12065550111", api.OutcomeNotFound
		}
		a := d.call(l.tool, map[string]any{l.param: value})
		if a.Outcome != want {
			d.t.Errorf("%s of %s by %s %q: %s %v, want %s", l.tool, l.object, l.column, value, a.Outcome, a.Reason, want)
		}
		if a.Outcome == api.OutcomeOK {
			found++
		}
	}
	if found < len(reads)*2/3 {
		d.t.Errorf("%d of %d look-ups found a row", found, len(reads))
	}
}

// write does every write with values that fit.
func (d *desk) write(writes []api.AutoBound) {
	d.t.Helper()
	for i, w := range writes {
		b := w.Proposal.Binding
		object := b.Operation[:strings.LastIndexByte(b.Operation, '.')]
		arguments := map[string]any{}
		for _, m := range b.InputObjectMap {
			if m.Param != "" {
				arguments[m.Param] = d.value(w.Skill, object, m.Field, m.Param, i)
			}
		}
		if b.SQLWrite != nil {
			arguments[b.SQLWrite.KeyParam], _ = d.sample(object, b.SQLWrite.KeyColumn)
		}
		a := d.call(w.Skill.ToolName, arguments)
		if a.Outcome != api.OutcomeOK {
			d.t.Errorf("%s (%s) with %v: %s %v", w.Skill.ToolName, b.Operation, arguments, a.Outcome, a.Reason)
		}
	}
}

// call calls a tool in a conversation of its own, whose caller is known, and
// confirms what is asked back.
func (d *desk) call(tool string, values map[string]any) api.ToolCallAnswer {
	d.t.Helper()
	ctx := d.t.Context()
	conversation, err := d.Start(ctx, d.agent, api.ConversationRequest{Channel: "voice"})
	if err != nil {
		d.t.Fatal(err)
	}
	if _, err := d.Verify(ctx, conversation.ID, api.VerificationRequest{Asserted: true, Subject: json.RawMessage("1")}); err != nil {
		d.t.Fatal(err)
	}
	r := api.ToolCallRequest{ToolCallID: "1", Tool: tool, Arguments: map[string]json.RawMessage{}}
	for param, value := range values {
		if r.Arguments[param], err = json.Marshal(value); err != nil {
			d.t.Fatal(err)
		}
	}
	a, err := d.Call(ctx, conversation.ID, r)
	if err == nil && a.Outcome == api.OutcomeConfirmationRequired {
		r.ConfirmationToken = a.Confirmation.Token
		a, err = d.Call(ctx, conversation.ID, r)
	}
	if err != nil {
		d.t.Errorf("%s: %v", tool, err)
	}
	return a
}

// value is one that a column takes: what it refers to must be there, anything
// else is new.
func (d *desk) value(s *api.Skill, object, column, param string, n int) any {
	d.t.Helper()
	var schema struct {
		Properties map[string]struct{ Enum []any }
	}
	if err := json.Unmarshal(s.ParametersSchema, &schema); err != nil {
		d.t.Fatal(err)
	}
	if enum := schema.Properties[param].Enum; len(enum) > 0 {
		return enum[0]
	}
	if strings.HasSuffix(strings.ToLower(column), "id") {
		sample, known := d.sample(object, column)
		if !known {
			sample = "1"
		}
		return sample
	}
	i := slices.IndexFunc(s.ExecutionConfig.Parameters, func(p api.PlanParameter) bool { return p.Name == param })
	if i < 0 {
		d.t.Fatalf("%s has no parameter %s", s.ToolName, param)
	}
	p := s.ExecutionConfig.Parameters[i]
	values := map[string]any{"integer": 1, "number": 1, "boolean": true, "date": "2031-03-04", "datetime": "2031-03-04T10:00:00", "time": "10:00:00"}
	value, ok := values[p.Type]
	switch {
	case ok:
		return value
	case p.Format == "phone":
		return "+12065550142"
	case p.Format == "email":
		return fmt.Sprintf("w%d@example.com", n)
	}
	return fmt.Sprintf("W%d", n)
}

// sample is a value that a column holds; known tells whether there is one.
func (d *desk) sample(object, column string) (value string, known bool) {
	quote := map[string]string{"postgres": `"`, "mysql": "`"}[d.db.Kind]
	c, o := quote+column+quote, quote+object+quote
	rows := d.db.Query(d.t, "SELECT "+c+" FROM "+o+" WHERE "+c+" IS NOT NULL LIMIT 1")
	if len(rows) == 0 {
		return "", false
	}
	return rows[0][0], true
}
