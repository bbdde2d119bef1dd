package apptest

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"flowyte/api"
	"flowyte/internal/dbtest"

	"github.com/google/go-cmp/cmp"
)

// reviewing is a practice with a user of writes, and one write to review.
type reviewing struct {
	*Practice
	write api.Skill
}

func moveAppointment() api.BindingRequest {
	return api.BindingRequest{
		ToolName: "Move an appointment", Operation: "appointments.update", IsWrite: true, Enabled: true,
		SQLWrite: &api.SQLWrite{KeyColumn: "id", KeyParam: "appointment_number"},
		InputObjectMap: []api.InputObject{
			{Field: "starts_at", Param: "new_time"}, {Field: "status", Const: json.RawMessage(`"moved"`)}, {Field: "notes", System: "conversation_id"},
		},
	}
}

// review opens a practice whose writes have a user with these grants, and binds
// a write.
func review(t *testing.T, db *dbtest.Database, b api.BindingRequest, grants ...string) *reviewing {
	t.Helper()
	reader := Clinic(t, db)
	writer := db.User(t, append([]string{"SELECT"}, grants...)...)
	d := &reviewing{Practice: &Practice{DB: db, Login: reader, Kind: string(db.Kind)}}
	d.App = New(t, Options{Connect: func(c *api.Credentials) { c.WriteUser, c.WritePassword = writer.User, writer.Password }})
	d.Connected(t, db, reader)
	c := d.Client()
	var err error
	if d.Agent, err = c.CreateAgent(t.Context(), api.AgentRequest{Name: "Front desk", Country: "US"}); err != nil {
		t.Fatal(err)
	}
	if d.write, err = c.Bind(t.Context(), d.Agent.ID, d.Kind, b); err != nil {
		t.Fatalf("bind: %v", err)
	}
	return d
}

func (d *reviewing) patch(t *testing.T, p api.SkillPatch) (api.Skill, error) {
	t.Helper()
	return d.Client().PatchSkill(t.Context(), d.Agent.ID, d.write.ID, p)
}

func (d *reviewing) skill(t *testing.T) api.Skill {
	t.Helper()
	s, err := d.Client().Skill(t.Context(), d.Agent.ID, d.write.ID)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// enable enables the write as it stands.
func (d *reviewing) enable(t *testing.T) api.Skill {
	t.Helper()
	digest := d.skill(t).ExecutionConfig.PlanDigest
	s, err := d.patch(t, api.SkillPatch{IsEnabled: new(true), PlanDigest: &digest})
	if err != nil {
		t.Fatalf("enable: %v", err)
	}
	return s
}

func updates(db *dbtest.Database) string { return "UPDATE ON " + on(db, "appointments") }

// TestAWriteIsEnabledByItsReview: W01, W02, W04, AP15.
func TestAWriteIsEnabledByItsReview(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		d := review(t, db, moveAppointment(), updates(db))
		if d.write.IsEnabled || !d.write.RequiresConfirmation || !d.write.RequiresVerifiedIdentity || !d.write.NonParallelizable {
			t.Errorf("a write lands as %+v", d.write)
		}
		// Gates are not the binding's to set, whatever it says.
		for _, gate := range []string{"requiresConfirmation", "requiresVerifiedIdentity"} {
			body := json.RawMessage(`{"toolName": "Another", "operation": "appointments.update", "isWrite": true, "enabled": true, "` + gate + `": false}`)
			wantProblem(t, d.Client().Do(t.Context(), "POST", "/agents/"+d.Agent.ID+"/integrations/"+d.Kind+"/bindings", body, nil), 400, "invalid_request")
		}
		digest := d.write.ExecutionConfig.PlanDigest
		_, err := d.patch(t, api.SkillPatch{IsEnabled: new(true)})
		if p := wantProblem(t, err, 422, "value_invalid"); len(p.Errors) != 1 || p.Errors[0].Field != "planDigest" {
			t.Errorf("without a digest: %+v", p.Errors)
		}
		_, err = d.patch(t, api.SkillPatch{IsEnabled: new(true), PlanDigest: new(strings.Repeat("0", 64))})
		wantProblem(t, err, 409, "plan_changed")
		for _, off := range []api.SkillPatch{{RequiresConfirmation: new(false)}, {RequiresVerifiedIdentity: new(false)}} {
			_, err = d.patch(t, off)
			wantProblem(t, err, 422, "gate_fixed")
		}
		if d.skill(t).IsEnabled {
			t.Fatal("a refusal enabled the write")
		}
		if s, err := d.patch(t, api.SkillPatch{IsEnabled: new(true), PlanDigest: &digest}); err != nil || !s.IsEnabled || !s.LiveAfterPublish {
			t.Fatalf("enable: %+v, %v", s, err)
		}

		// The same limit is the same statement, another one is not.
		if s, err := d.patch(t, api.SkillPatch{TimeoutMs: new(1000)}); err != nil || !s.IsEnabled {
			t.Errorf("the limit it has: %t, %v", s.IsEnabled, err)
		}
		s, err := d.patch(t, api.SkillPatch{TimeoutMs: new(900)})
		if err != nil || s.IsEnabled || !slices.ContainsFunc(s.Warnings, func(f api.Finding) bool { return f.Code == "write_disabled" && f.Fix != "" }) {
			t.Errorf("another limit: enabled %t, %+v, %v", s.IsEnabled, s.Warnings, err)
		}
		_, err = d.patch(t, api.SkillPatch{IsEnabled: new(true), PlanDigest: &digest})
		wantProblem(t, err, 409, "plan_changed")
		d.enable(t)

		// Replacing the binding asks for another review, even by the same one.
		var again api.Skill
		if err := d.Client().Do(t.Context(), "PUT", "/agents/"+d.Agent.ID+"/integrations/"+d.Kind+"/bindings/"+d.write.ID, moveAppointment(), &again); err != nil || again.IsEnabled || again.ID != d.write.ID {
			t.Errorf("replaced: %+v, %v", again, err)
		}
	})
}

// TestARoleThatCannotWrite: the fix is the statement to run, and running it is
// enough.
func TestARoleThatCannotWrite(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		d := review(t, db, moveAppointment())
		i := slices.IndexFunc(d.write.Warnings, func(f api.Finding) bool { return f.Code == "privilege_missing" && f.Severity == "warning" })
		if i < 0 {
			t.Fatalf("the binding does not wait for the right: %+v", d.write.Warnings)
		}
		digest := d.write.ExecutionConfig.PlanDigest
		_, err := d.patch(t, api.SkillPatch{IsEnabled: new(true), PlanDigest: &digest})
		p := wantProblem(t, err, 422, "role_cannot_write")
		grants := p.Fixes[1:]
		if len(grants) != 1 || !strings.HasPrefix(grants[0], "GRANT UPDATE ON ") || d.write.Warnings[i].Fix != grants[0] {
			t.Fatalf("the fix is %q, the finding's %q", p.Fixes, d.write.Warnings[i].Fix)
		}
		if d.skill(t).IsEnabled {
			t.Fatal("the refusal enabled the write")
		}
		db.Exec(t, grants...)
		if s := d.enable(t); s.ExecutionConfig.Plan == nil || len(s.Warnings) != 0 {
			t.Errorf("after the grant: %+v, %+v", s.ExecutionConfig.Plan, s.Warnings)
		}
		// What is taken away again stops the publish, with the same fix.
		db.Exec(t, strings.Replace(strings.Replace(grants[0], "GRANT", "REVOKE", 1), " TO ", " FROM ", 1))
		_, err = d.Client().Publish(t.Context(), d.Agent.ID, "")
		f := blockedBy(t, err)
		if len(f) != 1 || f[0].Code != "role_cannot_write" || f[0].Fix != grants[0] {
			t.Errorf("publish: %+v", f)
		}
	})
}

// blockedBy are the findings that a publish was refused for.
func blockedBy(t *testing.T, err error) []api.Finding {
	t.Helper()
	return errorsAmong(wantProblem(t, err, 422, "publish_blocked").Findings)
}

func errorsAmong(findings []api.Finding) []api.Finding {
	return slices.DeleteFunc(slices.Clone(findings), func(f api.Finding) bool { return f.Severity != "error" })
}

// TestAChangedWriteGoesBack: contract §4.
func TestAChangedWriteGoesBack(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		d := review(t, db, moveAppointment(), updates(db))
		c := d.Client()
		reviewed := d.enable(t).ExecutionConfig
		change := map[string]string{"postgres": "ALTER TABLE appointments ALTER status TYPE varchar(30)", "mysql": "ALTER TABLE appointments MODIFY status varchar(30) NOT NULL"}
		db.Exec(t, change[d.Kind])
		if _, err := c.Discover(t.Context(), d.Kind); err != nil {
			t.Fatal(err)
		}
		var report api.PrepublishReport
		if err := c.Do(t.Context(), "GET", "/agents/"+d.Agent.ID+"/prepublish-report", nil, &report); err != nil {
			t.Fatal(err)
		}
		if f := errorsAmong(report.Findings); report.Publishable || len(f) != 1 || f[0].Code != "write_plan_changed" || !d.skill(t).IsEnabled {
			t.Errorf("the report says %+v", report.Findings)
		}
		_, err := c.Publish(t.Context(), d.Agent.ID, "")
		if f := blockedBy(t, err); len(f) != 1 || f[0].Code != "write_plan_changed" || f[0].SkillID != d.write.ID {
			t.Errorf("publish: %+v", f)
		}
		now := d.skill(t)
		if now.IsEnabled || now.ExecutionConfig.PlanDigest == reviewed.PlanDigest {
			t.Errorf("the write is enabled: %t, with the digest it had: %t", now.IsEnabled, now.ExecutionConfig.PlanDigest == reviewed.PlanDigest)
		}
		_, err = d.patch(t, api.SkillPatch{IsEnabled: new(true), PlanDigest: &reviewed.PlanDigest})
		wantProblem(t, err, 409, "plan_changed")
		d.enable(t)
		// What was looked at is what runs.
		seen := d.skill(t).ExecutionConfig
		v, err := c.Publish(t.Context(), d.Agent.ID, "")
		if err != nil {
			t.Fatalf("publish after the second review: %v", err)
		}
		if frozen := v.CompiledConfig.Skills[0].ExecutionConfig; frozen.PlanDigest != seen.PlanDigest || frozen.Statement != seen.Statement {
			t.Errorf("published is %+v, reviewed was %+v", frozen, seen)
		}

		// Enabling, too, looks at the schema of now: the statement that comes
		// out is there for the next review.
		if _, err := d.patch(t, api.SkillPatch{IsEnabled: new(false)}); err != nil {
			t.Fatal(err)
		}
		stale := d.skill(t).ExecutionConfig.PlanDigest
		db.Exec(t, strings.Replace(change[d.Kind], "30", "40", 1))
		if _, err := c.Discover(t.Context(), d.Kind); err != nil {
			t.Fatal(err)
		}
		_, err = d.patch(t, api.SkillPatch{IsEnabled: new(true), PlanDigest: &stale, Name: new("Renamed")})
		wantProblem(t, err, 409, "plan_changed")
		if now := d.skill(t); now.IsEnabled || now.Name == "Renamed" || now.ExecutionConfig.PlanDigest == stale {
			t.Errorf("after a stale review: %+v", now)
		}
		d.enable(t)
	})
}

// TestTheReviewSaysWhatEntersAndLeaves: the report lists every statement with
// its plan on the live server, what leaves the building and what enters.
func TestTheReviewSaysWhatEntersAndLeaves(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		if db.Kind == "postgres" {
			db.Exec(t, "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'")
		}
		d := review(t, db, moveAppointment(), updates(db))
		trigger := "CREATE TRIGGER stamped BEFORE UPDATE ON appointments FOR EACH ROW EXECUTE FUNCTION stamp()"
		if db.Kind == "mysql" {
			trigger = "CREATE TRIGGER stamped BEFORE UPDATE ON appointments FOR EACH ROW SET NEW.notes = NEW.notes"
			// These servers show triggers to those who may make them.
			db.Exec(t, "GRANT TRIGGER ON "+db.Name+".appointments TO '"+d.Login.User+"'@'%'")
		}
		db.Exec(t, trigger)
		c := d.Client()
		if _, err := c.Discover(t.Context(), d.Kind); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Bind(t.Context(), d.Agent.ID, d.Kind, Lookup()); err != nil {
			t.Fatal(err)
		}
		d.enable(t)
		var report api.PrepublishReport
		if err := c.Do(t.Context(), "GET", "/agents/"+d.Agent.ID+"/prepublish-report", nil, &report); err != nil {
			t.Fatal(err)
		}
		if !report.Publishable || len(report.Skills) != 2 {
			t.Fatalf("report %+v", report)
		}
		in := db.Name
		if db.Kind == "postgres" {
			in = "public"
		}
		for _, s := range report.Skills {
			e := s.ExecutionConfig
			if e.Statement == "" || e.Plan == nil || len(e.PlanDigest) != 64 {
				t.Errorf("%s: %+v", s.ToolName, e)
			}
			if s.IsWrite {
				want := []api.IngressEntry{
					{Object: in + ".appointments", Column: "starts_at", Source: "param", Name: "new_time"},
					{Object: in + ".appointments", Column: "status", Source: "const", Const: new("moved")},
					{Object: in + ".appointments", Column: "notes", Source: "system", Name: "conversation_id"},
				}
				if diff := cmp.Diff(want, s.DataIngressMap); diff != "" {
					t.Error("what enters: ", diff)
				}
				if len(s.DataEgressMap) != 0 {
					t.Errorf("an update returns %+v", s.DataEgressMap)
				}
				if !slices.ContainsFunc(report.Findings, func(f api.Finding) bool { return f.Code == "has_triggers" && f.SkillID == s.ID }) {
					t.Errorf("H24: the trigger is not among %+v", report.Findings)
				}
				continue
			}
			leaves := []api.EgressEntry{
				{Leaf: "appointment_time", Object: in + ".appointments", Column: "starts_at"}, {Leaf: "appointment_status", Object: in + ".appointments", Column: "status"},
				{Leaf: "customer_name", Object: in + ".customers", Column: "name", PIIClass: "name"},
			}
			if diff := cmp.Diff(leaves, s.DataEgressMap); diff != "" {
				t.Error("what leaves: ", diff)
			}
			if len(s.DataIngressMap) != 0 {
				t.Errorf("a read takes in %+v", s.DataIngressMap)
			}
		}
	})
}

// TestTheDiffShowsTheReview: statement, gates and binding.
func TestTheDiffShowsTheReview(t *testing.T) {
	db := dbtest.Postgres(t)
	d := review(t, db, moveAppointment(), updates(db))
	c := d.Client()
	read, err := c.Bind(t.Context(), d.Agent.ID, d.Kind, Lookup())
	if err != nil {
		t.Fatal(err)
	}
	v, err := c.Publish(t.Context(), d.Agent.ID, "")
	if err != nil {
		t.Fatal(err)
	}
	d.enable(t)
	if _, err := c.PatchSkill(t.Context(), d.Agent.ID, read.ID, api.SkillPatch{MaxRows: new(2), RequiresConfirmation: new(true)}); err != nil {
		t.Fatal(err)
	}
	var diff api.VersionDiff
	if err := c.Do(t.Context(), "GET", "/agents/"+d.Agent.ID+"/versions/"+v.ID+"/diff", nil, &diff); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]string{}
	for _, change := range diff.Changes {
		kinds[change.Field] = change.Kind
	}
	for field, kind := range map[string]string{
		"skills." + d.write.ID + ".statement": "added", "skills." + d.write.ID + ".dataIngressMap": "added", "skills." + d.write.ID + ".requiresVerifiedIdentity": "added",
		"skills." + read.ID + ".statement": "changed", "skills." + read.ID + ".binding": "changed", "skills." + read.ID + ".requiresConfirmation": "changed", "skills." + read.ID + ".planDigest": "changed",
	} {
		if kinds[field] != kind {
			t.Errorf("%s is %q, want %s", field, kinds[field], kind)
		}
	}
	if _, told := kinds["skills."+read.ID+".toolName"]; told {
		t.Error("the diff tells of what did not change")
	}
}

// TestAColumnReclassifiedLater: W13.
func TestAColumnReclassifiedLater(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		d := review(t, db, moveAppointment(), updates(db))
		c := d.Client()
		d.enable(t)
		if _, err := c.Publish(t.Context(), d.Agent.ID, ""); err != nil {
			t.Fatal(err)
		}
		if _, err := c.SetScoping(t.Context(), d.Kind, map[string]any{"columnClasses": map[string]any{"appointments": map[string]string{"notes": "health"}}}); err != nil {
			t.Fatal(err)
		}
		conv := d.Ring(t)
		a, err := c.Call(t.Context(), conv.ID, api.ToolCallRequest{ToolCallID: "1", Tool: "move_an_appointment", Arguments: map[string]json.RawMessage{
			"appointment_number": json.RawMessage(`1`), "new_time": json.RawMessage(`"2027-05-02T15:00:00"`),
		}})
		if err != nil || a.Outcome != "unavailable" || a.Reason == nil || *a.Reason != "blocked_by_scoping" {
			t.Errorf("at run: %+v, %v", a, err)
		}
		_, err = c.Publish(t.Context(), d.Agent.ID, "")
		if f := blockedBy(t, err); len(f) != 1 || f[0].Code != "pii_class_refused" {
			t.Errorf("publish: %+v", f)
		}
		b := moveAppointment()
		b.ToolName = "Move it too"
		_, err = c.Bind(t.Context(), d.Agent.ID, d.Kind, b)
		wantProblem(t, err, 422, "binding_rejected")
	})
}

// TestNonTransactionalTables: an engine that cannot undo is refused as the table
// is now, and not as it was at discovery.
func TestNonTransactionalTables(t *testing.T) {
	db := dbtest.MariaDB(t)
	d := review(t, db, moveAppointment(), updates(db))
	digest := d.enable(t).ExecutionConfig.PlanDigest
	db.Exec(t, "ALTER TABLE appointments DROP FOREIGN KEY appointment_customer", "ALTER TABLE appointments ENGINE=MyISAM")
	_, err := d.Client().Publish(t.Context(), d.Agent.ID, "")
	if f := blockedBy(t, err); len(f) != 1 || f[0].Code != "not_transactional" {
		t.Errorf("publish: %+v", f)
	}
	_, err = d.patch(t, api.SkillPatch{IsEnabled: new(true), PlanDigest: &digest})
	if p := wantProblem(t, err, 422, "binding_rejected"); len(p.Findings) != 1 || p.Findings[0].Code != "not_transactional" {
		t.Errorf("enable: %+v", p.Findings)
	}
	b := moveAppointment()
	b.ToolName = "Move it too"
	_, err = d.Client().Bind(t.Context(), d.Agent.ID, d.Kind, b)
	wantProblem(t, err, 422, "binding_rejected")
}

// TestEnablingNeedsTheServer: enabling needs the live server.
func TestEnablingNeedsTheServer(t *testing.T) {
	db := dbtest.Postgres(t)
	d := review(t, db, moveAppointment(), updates(db))
	digest := d.write.ExecutionConfig.PlanDigest
	db.Exec(t, "ALTER TABLE appointments RENAME COLUMN notes TO remarks")
	_, err := d.patch(t, api.SkillPatch{IsEnabled: new(true), PlanDigest: &digest})
	wantProblem(t, err, 422, "schema_drift")
	if d.skill(t).IsEnabled {
		t.Error("a write that the server does not know is enabled")
	}
}

// TestGrantsOfASequence: an insert that is numbered by a sequence needs the use
// of it; the sequence of a blocked column is not named.
func TestGrantsOfASequence(t *testing.T) {
	db := dbtest.Postgres(t)
	db.Exec(t, "CREATE TABLE requests (id serial PRIMARY KEY, note text, secret serial)")
	b := api.BindingRequest{
		ToolName: "Note a request", Operation: "requests.insert", IsWrite: true,
		InputObjectMap: []api.InputObject{{Field: "note", Param: "note"}},
	}
	d := review(t, db, b)
	refused := func() []string {
		t.Helper()
		digest := d.skill(t).ExecutionConfig.PlanDigest
		_, err := d.patch(t, api.SkillPatch{IsEnabled: new(true), PlanDigest: &digest})
		return wantProblem(t, err, 422, "role_cannot_write").Fixes[1:]
	}
	named := func(grants []string, what string) bool {
		return slices.ContainsFunc(grants, func(g string) bool { return strings.Contains(g, what) })
	}
	grants := refused()
	if len(grants) != 3 || !named(grants, "INSERT ON") || !named(grants, `USAGE ON SEQUENCE "public"."requests_id_seq"`) || !named(grants, "requests_secret_seq") {
		t.Errorf("the fixes are %q", grants)
	}
	if _, err := d.Client().SetScoping(t.Context(), d.Kind, map[string]any{"blockedColumns": map[string]any{"requests": []string{"secret"}}}); err != nil {
		t.Fatal(err)
	}
	if less := refused(); len(less) != 2 || named(less, "secret") {
		t.Errorf("with a blocked column the fixes are %q", less)
	}
	db.Exec(t, grants...)
	d.enable(t)
}
