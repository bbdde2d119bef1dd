package apptest

import (
	"database/sql"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"flowyte/api"
	"flowyte/internal/dbtest"
)

// try tries a skill with a body as it is written.
func (a *App) try(t *testing.T, skill api.Skill, body string) api.SkillTest {
	t.Helper()
	var out api.SkillTest
	if err := a.Client().Do(t.Context(), "POST", "/agents/"+skill.AgentID+"/skills/"+skill.ID+"/test", json.RawMessage(body), &out); err != nil {
		t.Fatalf("test %s: %v", skill.ToolName, err)
	}
	return out
}

func wantTrial(t *testing.T, what string, got api.SkillTest, outcome api.Outcome, result string) {
	t.Helper()
	if got.Outcome != outcome || string(got.Result) != result || got.Note == "" || got.Errors == nil {
		t.Errorf("%s: %s, %s, errors %v, note %q; want %s, %s", what, got.Outcome, got.Result, got.Errors, got.Note, outcome, result)
	}
}

// TestASkillIsTriedBeforeItIsEnabled: issue 5 point 9.
func TestASkillIsTriedBeforeItIsEnabled(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		d := review(t, db, moveAppointment(), updates(db), "INSERT ON "+on(db, "customers"))
		c := d.Client()
		bind := func(b api.BindingRequest) api.Skill {
			t.Helper()
			s, err := c.Bind(t.Context(), d.Agent.ID, d.Kind, b)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}

		// A read, for real, of a skill that is disabled; no confirmation and no
		// verification stand in the way.
		b := Lookup()
		b.Enabled = false
		read := bind(b)
		if _, err := c.PatchSkill(t.Context(), d.Agent.ID, read.ID, api.SkillPatch{RequiresConfirmation: new(true), RequiresVerifiedIdentity: new(true)}); err != nil {
			t.Fatal(err)
		}
		rows := `{"rows":[{"appointment_time":"2027-07-01T10:00:00","appointment_status":"scheduled","customer_name":"Ben Dahl"}],"rowCount":1,"truncated":false}`
		if d.Kind == "mysql" {
			rows = strings.Replace(rows, "10:00:00", "10:00:00Z", 1)
		}
		got := d.try(t, read, `{"arguments": {"caller_phone": "(206) 555-0199"}}`)
		wantTrial(t, "a read", got, "ok", rows)
		if got.RolledBack || got.PlanDigest != read.ExecutionConfig.PlanDigest {
			t.Errorf("a read: %+v", got)
		}
		wantTrial(t, "the caller's number", d.try(t, read, `{"caller": {"phone": "+12065550199"}}`), "ok", rows)
		wantTrial(t, "nobody's number", d.try(t, read, `{"arguments": {"caller_phone": "+12065550100"}}`), "not_found", `{"rows":[],"rowCount":0,"truncated":false}`)
		got = d.try(t, read, `{"arguments": {"caller_phone": "anna"}}`)
		wantTrial(t, "no number", got, "invalid_arguments", "null")
		if len(got.Errors) != 1 || got.Errors[0].Field != "caller_phone" || got.Summary != "" {
			t.Errorf("no number: %+v", got)
		}
		got = d.try(t, read, `{"arguments": {"caller_phone": "+12065550199"}, "subject": "1"}`)
		if wantTrial(t, "a subject for nothing", got, "invalid_arguments", "null"); len(got.Errors) != 1 || got.Errors[0].Field != "subject" {
			t.Errorf("a subject for nothing: %+v", got.Errors)
		}

		// A write, rolled back: an update says that it would have changed one row.
		before := db.Query(t, "SELECT id, starts_at, status, notes FROM appointments ORDER BY id")
		got = d.try(t, d.write, `{"arguments": {"appointment_number": 1, "new_time": "`+localTime(d.Kind)+`"}}`)
		wantTrial(t, "an update", got, "ok", `{"updated":1}`)
		if !got.RolledBack || !strings.Contains(got.Note, "Sequences") || !strings.Contains(got.Note, "triggers") || !strings.Contains(got.Summary, "moved") {
			t.Errorf("an update: %+v", got)
		}
		got = d.try(t, d.write, `{"arguments": {"appointment_number": 4711, "new_time": "`+localTime(d.Kind)+`"}}`)
		if wantTrial(t, "no such row", got, "not_found", "null"); got.RolledBack {
			t.Errorf("no such row: %+v", got)
		}
		insert := bind(newCustomer())
		got = d.try(t, insert, `{"arguments": {"number": 77}, "caller": {"name": "Cleo"}}`)
		wantTrial(t, "an insert", got, "ok", `{"created":{"id":77}}`)
		wantTrial(t, "the insert again", d.try(t, insert, `{"arguments": {"number": 77, "caller_name": "Cleo"}}`), "ok", `{"created":{"id":77}}`)
		got = d.try(t, insert, `{"arguments": {"number": 1, "caller_name": "Cleo"}}`)
		if wantTrial(t, "a number that is taken", got, "conflict", "null"); got.Reason == nil || *got.Reason != "already_exists" {
			t.Errorf("a number that is taken: %v", got.Reason)
		}
		if after := db.Query(t, "SELECT id, starts_at, status, notes FROM appointments ORDER BY id"); !equalRows(before, after) {
			t.Errorf("the trials changed the rows to %v", after)
		}
		if n := db.Query(t, "SELECT count(*) FROM customers"); n[0][0] != "2" {
			t.Errorf("there are %s customers", n[0][0])
		}

		// Rows that belong to somebody need a subject, which stands for what
		// verification would yield.
		b = moveAppointment()
		b.ToolName, b.SQLWrite.OwnedBy = "Move my appointment", &api.OwnedBy{Column: "customer_id", Subject: "customer_id"}
		owned := bind(b)
		for subject, want := range map[string]struct {
			outcome api.Outcome
			result  string
		}{`,"subject":"1"`: {"ok", `{"updated":1}`}, `,"subject":"2"`: {"not_found", "null"}, ``: {"invalid_arguments", "null"}, `,"subject":"anna"`: {"invalid_arguments", "null"}} {
			wantTrial(t, "subject "+subject, d.try(t, owned, `{"arguments": {"appointment_number": 1, "new_time": "`+localTime(d.Kind)+`"}`+subject+`}`), want.outcome, want.result)
		}

		// A suspended skill is not tried either.
		if err := c.Do(t.Context(), "POST", "/agents/"+d.Agent.ID+"/skills/"+read.ID+"/suspend", nil, nil); err != nil {
			t.Fatal(err)
		}
		got = d.try(t, read, `{"arguments": {"caller_phone": "(206) 555-0199"}}`)
		if wantTrial(t, "suspended", got, "unavailable", "null"); got.Reason == nil || *got.Reason != "suspended" {
			t.Errorf("suspended: %v", got.Reason)
		}
	})
}

// localTime is a moment as the clinic's column takes it.
func localTime(kind string) string {
	if kind == "mysql" {
		return "2027-05-02T16:00:00Z"
	}
	return "2027-05-02T16:00:00"
}

func equalRows(a, b [][]string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if strings.Join(a[i], "\x00") != strings.Join(b[i], "\x00") {
			return false
		}
	}
	return true
}

// TestWhoMayTry: the route's own scope, another organisation's skill, and what
// is kept of a trial.
func TestWhoMayTry(t *testing.T) {
	db := dbtest.Postgres(t)
	p := Published(t, db)
	path := "/agents/" + p.Agent.ID + "/skills/" + p.Skill.ID
	body := json.RawMessage(`{"arguments": {"caller_phone": "+12065550199"}}`)
	wantProblem(t, p.ClientWith(p.NewKey(t, "acme", "skills:read", "conversations:write")).Do(t.Context(), "POST", path+"/test", body, nil), 403, "missing_scope")
	wantProblem(t, p.ClientWith(p.NewKey(t, "other")).Do(t.Context(), "POST", path+"/test", body, nil), 404, "not_found")
	p.try(t, p.Skill, string(body))
	if kept := changesKept(t, p.App); !strings.Contains(kept, "skill.test "+p.Skill.ID) {
		t.Errorf("the trial is not among the changes: %s", kept)
	}
}

// TestTheVerifierIsTriedBlind: its leaves are in no answer, and not in this one.
func TestTheVerifierIsTriedBlind(t *testing.T) {
	v := whoCalls(t, dbtest.Postgres(t))
	got := v.try(t, v.verifier, `{"arguments": {"customer_number": 1}}`)
	wantTrial(t, "the verifier", got, "ok", "null")
	if !strings.Contains(got.Note, "not shown") {
		t.Errorf("the note is %q", got.Note)
	}
}

// TestSuspending: it bites on the version that is live from the next call on,
// is kept, and ends.
func TestSuspending(t *testing.T) {
	db := dbtest.Postgres(t)
	p := Published(t, db)
	c, path := p.Client(), "/agents/"+p.Agent.ID+"/skills/"+p.Skill.ID
	conv := p.Ring(t)
	wantOutcome(t, "before", Ask(t, c, conv.ID, "1"), "ok")
	for i, step := range []struct {
		verb    string
		outcome api.Outcome
		status  string
	}{{"suspend", "unavailable", "suspended"}, {"resume", "ok", "active"}, {"suspend", "unavailable", "suspended"}} {
		var s api.Skill
		if err := c.Do(t.Context(), "POST", path+"/"+step.verb, nil, &s); err != nil || s.Status != step.status {
			t.Fatalf("%s: %s, %v", step.verb, s.Status, err)
		}
		wantOutcome(t, step.verb, Ask(t, c, conv.ID, "after"+string(rune('0'+i))), step.outcome)
	}
	want := strings.ReplaceAll("skill.suspend ID\nskill.resume ID\nskill.suspend ID", "ID", p.Skill.ID)
	if kept := changesKept(t, p.App); !strings.Contains(kept, want) {
		t.Errorf("kept are %s", kept)
	}
	wantProblem(t, p.ClientWith(p.NewKey(t, "other")).Do(t.Context(), "POST", path+"/resume", nil, nil), 404, "not_found")
}

// changesKept lists what operators did, as "action target", oldest first.
func changesKept(t *testing.T, a *App) string {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(a.Data, "flowyte.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), "SELECT action || ' ' || target FROM activity ORDER BY link")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		all = append(all, line)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, "\n")
}
