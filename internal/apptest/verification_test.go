package apptest

import (
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"flowyte/api"
	"flowyte/client"
	"flowyte/internal/dbtest"
	"flowyte/internal/fault"
)

// What the clinic's customers know of themselves.
const (
	annasDigits = "4242"
	annasBirth  = "1980-02-29"
)

// verifying is a practice whose callers prove who they are by their number, the
// last digits of their card and their date of birth.
type verifying struct {
	*Practice
	verifier api.Skill
}

func (v *verifying) path() string { return "/agents/" + v.Agent.ID + "/caller-verification" }

func (v *verifying) config() api.CallerVerificationRequest {
	return api.CallerVerificationRequest{
		Method: "verifier_skill", VerifierSkillID: &v.verifier.ID, RequiredFields: &[]string{"customer_number", "card_digits", "date_of_birth"},
		StepUpFor: &[]string{"look_up_an_appointment"}, Subject: new("customer_id"),
	}
}

func (v *verifying) put(t *testing.T, r api.CallerVerificationRequest) api.CallerVerification {
	t.Helper()
	kept, err := v.Client().SetCallerVerification(t.Context(), v.Agent.ID, r)
	if err != nil {
		t.Fatalf("put the caller verification: %v", err)
	}
	read, err := v.Client().CallerVerification(t.Context(), v.Agent.ID)
	if err != nil || !reflect.DeepEqual(read, kept) {
		t.Errorf("kept as %+v, reads as %+v, %v", kept, read, err)
	}
	return kept
}

func (v *verifying) publish(t *testing.T) api.Version {
	t.Helper()
	version, err := v.Client().Publish(t.Context(), v.Agent.ID, "")
	if err != nil {
		t.Fatalf("publish: %v", err)
	}
	return version
}

func finding() api.BindingRequest {
	return api.BindingRequest{
		ToolName: "Find the caller", Operation: "customers.read", Enabled: true,
		Inputs: []api.BindingInput{{Param: "customer_number", Arg: "id"}},
		Projection: []api.ProjectionEntry{
			{Path: []string{"id"}, Leaf: "customer_id"}, {Path: []string{"card_last4"}, Leaf: "card_digits"}, {Path: []string{"born"}, Leaf: "date_of_birth"},
		},
	}
}

func ownAppointment() api.BindingRequest {
	return api.BindingRequest{
		ToolName: "Read my appointment", Operation: "appointments.read", Enabled: true,
		SQLSearch:  &api.SQLSearch{Column: "id", Param: "appointment_number", OwnedBy: &api.OwnedBy{Column: "customer_id", Subject: "customer_id"}},
		Projection: []api.ProjectionEntry{{Path: []string{"$self", "status"}, Leaf: "status"}},
	}
}

// whoCalls publishes a practice that verifies its callers.
func whoCalls(t *testing.T, db *dbtest.Database) *verifying {
	t.Helper()
	v := &verifying{Practice: &Practice{App: New(t), DB: db, Login: Clinic(t, db), Kind: string(db.Kind)}}
	db.Exec(t, `ALTER TABLE customers ADD COLUMN born date`,
		`UPDATE customers SET born = '`+annasBirth+`' WHERE id = 1`, `UPDATE customers SET born = '1975-12-01', card_last4 = '1881' WHERE id = 2`)
	v.Connected(t, db, v.Login)
	c := v.Client()
	var err error
	if v.Agent, err = c.CreateAgent(t.Context(), api.AgentRequest{Name: "Front desk", Country: "US"}); err != nil {
		t.Fatal(err)
	}
	for _, b := range []api.BindingRequest{Lookup(), ownAppointment(), finding()} {
		if v.verifier, err = c.Bind(t.Context(), v.Agent.ID, v.Kind, b); err != nil {
			t.Fatalf("bind %s: %v", b.ToolName, err)
		}
	}
	v.put(t, v.config())
	v.publish(t)
	return v
}

func (v *verifying) verify(t *testing.T, conversation, body string) api.VerificationAnswer {
	t.Helper()
	var r api.VerificationRequest
	if err := json.Unmarshal([]byte(body), &r); err != nil {
		t.Fatal(err)
	}
	a, err := v.Client().Verify(t.Context(), conversation, r)
	if err != nil {
		t.Fatalf("verify: %v", err)
	}
	return a
}

func says(number, digits, born string) string {
	return `{"fields":{"customer_number":` + number + `,"card_digits":"` + digits + `","date_of_birth":"` + born + `"}}`
}

func (v *verifying) appointment(t *testing.T, conversation, call, number string) api.ToolCallAnswer {
	t.Helper()
	a, err := v.Client().Call(t.Context(), conversation, api.ToolCallRequest{
		ToolCallID: call, Tool: "read_my_appointment", Arguments: map[string]json.RawMessage{"appointment_number": json.RawMessage(number)},
	})
	if err != nil {
		t.Fatalf("call: %v", err)
	}
	return a
}

func wantOutcome(t *testing.T, what string, a api.ToolCallAnswer, outcome api.Outcome) {
	t.Helper()
	if a.Outcome != outcome {
		t.Errorf("%s answers %s (%v), want %s", what, a.Outcome, a.Reason, outcome)
	}
}

// TestCallersSeeTheirOwnRows is the verifier's way through, on both kinds: who
// is verified as one customer reads that customer's rows, and another's are not
// found.
func TestCallersSeeTheirOwnRows(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		v := whoCalls(t, db)
		conv := v.Ring(t)
		for _, tool := range conv.Tools {
			if tool.Name == v.verifier.ToolName {
				t.Error("the verifier is offered as a tool")
			}
		}
		_, err := v.Client().Call(t.Context(), conv.ID, api.ToolCallRequest{ToolCallID: "x", Tool: v.verifier.ToolName, Arguments: map[string]json.RawMessage{"customer_number": json.RawMessage("1")}})
		if codeOf(err) != fault.UnknownTool {
			t.Errorf("the verifier as a tool: %v", err)
		}
		wantOutcome(t, "an owned read before", v.appointment(t, conv.ID, "1", "1"), api.OutcomeVerificationRequired)
		wantOutcome(t, "a stepped-up read before", Ask(t, v.Client(), conv.ID, "2"), api.OutcomeVerificationRequired)
		if a := v.verify(t, conv.ID, says("1", annasDigits, "1980-03-01")); a.Verified || a.ExpiresAt != nil || a.AttemptsLeft != 2 {
			t.Errorf("with a wrong date: %+v", a)
		}
		a := v.verify(t, conv.ID, says("1", " "+annasDigits, annasBirth))
		if !a.Verified || a.ExpiresAt == nil || time.Until(*a.ExpiresAt) > 15*time.Minute || time.Until(*a.ExpiresAt) < 14*time.Minute || a.AttemptsLeft != 2 {
			t.Fatalf("with everything right: %+v", a)
		}
		wantOutcome(t, "their own appointment", v.appointment(t, conv.ID, "1", "1"), api.OutcomeOK)
		wantOutcome(t, "another's appointment", v.appointment(t, conv.ID, "3", "3"), api.OutcomeNotFound)
		wantOutcome(t, "a stepped-up read", Ask(t, v.Client(), conv.ID, "2"), api.OutcomeOK)

		other := v.Ring(t)
		if a := v.verify(t, other.ID, says("2", "1881", "1975-12-01")); !a.Verified {
			t.Fatalf("the other customer: %+v", a)
		}
		wantOutcome(t, "the other's appointment", v.appointment(t, other.ID, "1", "3"), api.OutcomeOK)
		// Who takes over the telephone is not shown what was read before.
		if a := v.verify(t, conv.ID, says("2", "1881", "1975-12-01")); !a.Verified {
			t.Fatalf("verified anew: %+v", a)
		}
		wantOutcome(t, "the first one's, anew", v.appointment(t, conv.ID, "again", "1"), api.OutcomeNotFound)
		var late api.ToolCallAnswer
		if err := v.Client().Do(t.Context(), "GET", "/conversations/"+conv.ID+"/tool-calls/1", nil, &late); err != nil || late.Outcome != api.OutcomeVerificationRequired {
			t.Errorf("the first one's late result: %+v, %v", late, err)
		}
		v.nothingTold(t, conv.ID)
	})
}

// nothingTold looks for the secrets, and for the events, in what is kept.
func (v *verifying) nothingTold(t *testing.T, conversation string) {
	t.Helper()
	var events []api.Event
	eventually(t, "the event of the verification", func() bool {
		// Events are written behind: at first there may be no conversation there.
		err := v.Client().Do(t.Context(), "GET", "/conversations/"+conversation+"/events?limit=200", nil, &events)
		return err == nil && slices.ContainsFunc(events, func(e api.Event) bool { return e.EventType == "caller.verified" })
	})
	raw, err := json.Marshal(events)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(raw), "caller.not_verified") {
		t.Error("the attempt that failed left no event")
	}
	for _, secret := range []string{annasDigits, annasBirth, "1975-12-01", "1980-03-01"} {
		if strings.Contains(string(raw), secret) || strings.Contains(v.Log.String(), secret) {
			t.Errorf("%s is in the events or in the log", secret)
		}
	}
}

// TestNobodyLearnsWhoIsACustomer is M15: a customer who is not there, one whose
// secrets are not there, and a wrong secret are answered with the same bytes.
func TestNobodyLearnsWhoIsACustomer(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		v := whoCalls(t, db)
		db.Exec(t, `INSERT INTO customers (id, name) VALUES (3, 'Cara Lund')`)
		var first string
		for _, body := range []string{
			says("1", "0000", annasBirth), says("1", annasDigits, "1999-01-01"), says("999", annasDigits, annasBirth), says("3", annasDigits, annasBirth),
			says("1", "' OR ''='", annasBirth), says("1", "%", annasBirth), says("1", "42420", annasBirth),
		} {
			raw, err := v.Client().Raw(t.Context(), "POST", "/conversations/"+v.Ring(t).ID+"/verification", json.RawMessage(body), nil)
			if err != nil {
				t.Fatal(err)
			}
			answer := regexp.MustCompile(`(req|cnv)_[0-9A-Za-z]+`).ReplaceAllString(string(raw), "ID")
			if first == "" {
				first = answer
			}
			if answer != first || !strings.Contains(answer, `"verified":false`) {
				t.Errorf("%s answers\n%s\nthe first one was\n%s", body, answer, first)
			}
		}
		conv := v.Ring(t)
		for _, number := range []string{`"1 or 1=1"`, `"1abc"`, "1.5", "1e0", "9223372036854775808", `"٣"`, "null", `["1"]`} {
			if a := v.verify(t, conv.ID, says(number, annasDigits, annasBirth)); a.Outcome != api.OutcomeInvalidArguments || a.AttemptsLeft != 3 || len(a.Errors) != 1 || a.Errors[0].Field != "fields.customer_number" {
				t.Errorf("the number %s: %+v", number, a)
			}
		}
	})
}

// TestLockedOutOverARestart: a verification is asked for again after a restart,
// a lock-out stays.
func TestLockedOutOverARestart(t *testing.T) {
	v := whoCalls(t, dbtest.Postgres(t))
	known, locked := v.Ring(t), v.Ring(t)
	if a := v.verify(t, known.ID, says("1", annasDigits, annasBirth)); !a.Verified {
		t.Fatalf("%+v", a)
	}
	for left := range 3 {
		if a := v.verify(t, locked.ID, says("1", "0000", annasBirth)); a.Verified || a.AttemptsLeft != 2-left {
			t.Errorf("attempt %d: %+v", left+1, a)
		}
	}
	lockedOut := func(when string) {
		t.Helper()
		a := v.verify(t, locked.ID, says("1", annasDigits, annasBirth))
		if a.Verified || a.Outcome != api.OutcomeRefused || a.Reason == nil || *a.Reason != "too_many_attempts" || a.AttemptsLeft != 0 {
			t.Errorf("%s the restart, locked out: %+v", when, a)
		}
	}
	lockedOut("before")
	wantOutcome(t, "the verified caller", v.appointment(t, known.ID, "1", "1"), api.OutcomeOK)
	v.reopen(t)
	lockedOut("after")
	wantOutcome(t, "the verified caller after a restart", v.appointment(t, known.ID, "2", "1"), api.OutcomeVerificationRequired)
	if a := v.verify(t, known.ID, says("1", annasDigits, annasBirth)); !a.Verified {
		t.Errorf("verified again: %+v", a)
	}
	wantOutcome(t, "the caller who is verified again", v.appointment(t, known.ID, "2", "1"), api.OutcomeOK)
}

// TestVerificationEnds: what was verified holds for its time and no longer.
func TestVerificationEnds(t *testing.T) {
	v := whoCalls(t, dbtest.Postgres(t))
	config := v.config()
	config.TokenTTLSeconds = new(1)
	v.put(t, config)
	v.publish(t)
	conv := v.Ring(t)
	if a := v.verify(t, conv.ID, says("1", annasDigits, annasBirth)); !a.Verified {
		t.Fatalf("%+v", a)
	}
	eventually(t, "the end of the verification", func() bool {
		a := v.appointment(t, conv.ID, "1", "1")
		return a.Outcome == api.OutcomeVerificationRequired && a.Reason != nil && *a.Reason == "expired"
	})
}

// TestVerifierOutOfReach: a verifier that cannot be asked says so, and costs no
// attempt.
func TestVerifierOutOfReach(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		v := whoCalls(t, db)
		conv := v.Ring(t)
		unavailable := func(reason string) {
			t.Helper()
			a := v.verify(t, conv.ID, says("1", annasDigits, annasBirth))
			if a.Verified || a.Outcome != api.OutcomeUnavailable || a.Reason == nil || *a.Reason != reason || a.AttemptsLeft != 3 {
				t.Errorf("want unavailable (%s): %+v", reason, a)
			}
		}
		skill := "/agents/" + v.Agent.ID + "/skills/" + v.verifier.ID
		for _, step := range []struct{ do, reason string }{{"suspend", "suspended"}, {"resume", ""}} {
			if err := v.Client().Do(t.Context(), "POST", skill+"/"+step.do, nil, nil); err != nil {
				t.Fatal(err)
			}
			if step.reason != "" {
				unavailable(step.reason)
			}
		}
		block := api.ScopingPatch{BlockedColumns: json.RawMessage(`{"customers":["card_last4"]}`)}
		if err := v.Client().Do(t.Context(), "PATCH", "/integrations/"+v.Kind+"/scoping", block, nil); err != nil {
			t.Fatal(err)
		}
		unavailable("blocked_by_scoping")
		var problem *client.Error
		if err := v.Client().Do(t.Context(), "PUT", v.path(), v.config(), nil); codeOf(err) != fault.VerificationRejected || !asProblem(err, &problem) || problem.Findings[0].Code != "verifier_blocked_by_scoping" {
			t.Errorf("a verifier that is blocked: %v", err)
		}
		if err := v.Client().Do(t.Context(), "PATCH", "/integrations/"+v.Kind+"/scoping", json.RawMessage(`{"blockedColumns":null}`), nil); err != nil {
			t.Fatal(err)
		}
		db.Exec(t, `ALTER TABLE customers DROP COLUMN born`)
		unavailable("drifted")
	})
}

func asProblem(err error, to **client.Error) bool {
	p, ok := err.(*client.Error)
	*to = p
	return ok && len(p.Findings) > 0
}

// TestAsserted: somebody's word for who the caller is counts with the right
// scope and where the agent takes it, and nowhere else.
func TestAsserted(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		v := whoCalls(t, db)
		refused := func(key, conversation, body string, code fault.Code) {
			t.Helper()
			err := v.ClientWith(key).Do(t.Context(), "POST", "/conversations/"+conversation+"/verification", json.RawMessage(body), nil)
			if codeOf(err) != code {
				t.Errorf("%s: %v, want %s", body, err, code)
			}
		}
		before := v.Ring(t)
		refused(v.Key, before.ID, `{"asserted":true,"subject":"1"}`, fault.VerificationNotOffered)
		v.put(t, api.CallerVerificationRequest{Method: "asserted"})
		v.publish(t)
		conv := v.Ring(t)
		calls := v.NewKey(t, "acme", "conversations:write")
		refused(calls, conv.ID, `{"asserted":true,"subject":"1"}`, fault.MissingScope)
		refused(v.Key, conv.ID, says("1", annasDigits, annasBirth), fault.VerificationNotOffered)
		for _, body := range []string{`{}`, `{"asserted":false}`, `{"asserted":true,"fields":{}}`, `{"fields":{},"subject":"1"}`, `{"asserted":true,"who":"me"}`} {
			refused(v.Key, conv.ID, body, fault.InvalidRequest)
		}
		for _, body := range []string{`{"asserted":true}`, `{"asserted":true,"subject":null}`, `{"asserted":true,"subject":1.5}`, `{"asserted":true,"subject":[1]}`} {
			if a := v.verify(t, conv.ID, body); a.Verified || a.Outcome != api.OutcomeInvalidArguments || a.AttemptsLeft != 3 {
				t.Errorf("%s: %+v", body, a)
			}
		}
		wantOutcome(t, "nobody's appointment", v.appointment(t, conv.ID, "1", "1"), api.OutcomeVerificationRequired)
		if a := v.verify(t, conv.ID, `{"asserted":true,"subject":"Anna"}`); !a.Verified {
			t.Fatalf("%+v", a)
		}
		if a := v.appointment(t, conv.ID, "1", "1"); a.Outcome != api.OutcomeVerificationRequired || a.Reason == nil || *a.Reason != "subject_not_usable" {
			t.Errorf("a subject that the column cannot hold: %s (%v)", a.Outcome, a.Reason)
		}
		for _, body := range []string{`{"asserted":true,"subject":"1"}`, `{"asserted":true,"subject":1}`} {
			if a := v.verify(t, conv.ID, body); !a.Verified {
				t.Fatalf("%+v", a)
			}
			wantOutcome(t, "their own appointment", v.appointment(t, conv.ID, "ok", "1"), api.OutcomeOK)
			wantOutcome(t, "another's appointment", v.appointment(t, conv.ID, "no"+body, "3"), api.OutcomeNotFound)
		}
	})
}

// TestVerificationIsPublished: the draft's configuration counts as a change,
// shows in the report and the diff, and bites in what is published only.
func TestVerificationIsPublished(t *testing.T) {
	v := whoCalls(t, dbtest.Postgres(t))
	c := v.Client()
	revision := func() int {
		a, err := c.Agent(t.Context(), v.Agent.ID)
		if err != nil {
			t.Fatal(err)
		}
		return a.Version
	}
	before := revision()
	none := v.put(t, api.CallerVerificationRequest{Method: "none"})
	if none.Method != "none" || none.TokenTTLSeconds != 900 || none.MaxAttempts != 3 || none.RequiredFields == nil || none.StepUpFor == nil || revision() != before+1 {
		t.Errorf("put as %+v, revision %d after %d", none, revision(), before)
	}
	var report api.PrepublishReport
	if err := c.Do(t.Context(), "GET", "/agents/"+v.Agent.ID+"/prepublish-report", nil, &report); err != nil {
		t.Fatal(err)
	}
	warned := slices.ContainsFunc(report.Findings, func(f api.Finding) bool {
		return f.Code == "never_verified" && f.Path == "skills.read_my_appointment"
	})
	changed := slices.ContainsFunc(report.Changes.Changes, func(ch api.VersionChange) bool {
		return ch.Field == "callerVerification.method" && ch.Kind == "changed" && string(ch.After) == `"none"`
	})
	if !report.Publishable || !warned || !changed || report.CallerVerification.Method != "none" {
		t.Errorf("the report: %+v", report)
	}
	if a := v.verify(t, v.Ring(t).ID, says("1", annasDigits, annasBirth)); !a.Verified {
		t.Errorf("the published version verifies its callers: %+v", a)
	}
	version := v.publish(t)
	if version.CompiledConfig.CallerVerification == nil || version.CompiledConfig.CallerVerification.Method != "none" {
		t.Errorf("published with %+v", version.CompiledConfig.CallerVerification)
	}
	if tools := v.Ring(t).Tools; len(tools) != 3 {
		t.Errorf("%d tools without a verifier, want 3", len(tools))
	}
	v.put(t, v.config())
	skill := "/agents/" + v.Agent.ID + "/skills/" + v.verifier.ID
	if err := c.Do(t.Context(), "PATCH", skill, json.RawMessage(`{"isEnabled":false}`), nil); err != nil {
		t.Fatal(err)
	}
	var problem *client.Error
	if _, err := c.Publish(t.Context(), v.Agent.ID, ""); codeOf(err) != fault.PublishBlocked || !asProblem(err, &problem) || problem.Findings[0].Code != "verifier_not_enabled" {
		t.Errorf("published with a verifier that is not enabled: %v", err)
	}
	stale := v.config()
	raw, err := c.Raw(t.Context(), "PUT", v.path(), stale, map[string][]string{"If-Match": {"1"}})
	if codeOf(err) != fault.VerificationRejected { // what is wrong by itself comes first
		t.Errorf("a stale change: %s, %v", raw, err)
	}
	if _, err = c.Raw(t.Context(), "PUT", v.path(), api.CallerVerificationRequest{Method: "none"}, map[string][]string{"If-Match": {"1"}}); codeOf(err) != fault.VersionConflict {
		t.Errorf("a stale change: %v", err)
	}
}
