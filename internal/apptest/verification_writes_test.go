package apptest

import (
	"encoding/json"
	"testing"
	"time"

	"flowyte/api"
	"flowyte/internal/dbtest"
	"flowyte/internal/privatedb"
)

// TestCallersChangeTheirOwnRows is W05 for writes, on both kinds: an update asks
// for a verified caller, then for their consent, and reaches no row but theirs.
// Consent that one caller gave is none of the next.
func TestCallersChangeTheirOwnRows(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		b := moveAppointment()
		b.SQLWrite.OwnedBy = &api.OwnedBy{Column: "customer_id", Subject: "customer_id"}
		d := review(t, db, b, updates(db))
		d.enable(t)
		c := d.Client()
		if _, err := c.SetCallerVerification(t.Context(), d.Agent.ID, api.CallerVerificationRequest{Method: "asserted"}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Publish(t.Context(), d.Agent.ID, ""); err != nil {
			t.Fatal(err)
		}
		conv := d.Ring(t)
		move := func(call, number, token string) api.ToolCallAnswer {
			t.Helper()
			a, err := c.Call(t.Context(), conv.ID, api.ToolCallRequest{
				ToolCallID: call, Tool: "move_an_appointment", ConfirmationToken: token,
				Arguments: map[string]json.RawMessage{"appointment_number": json.RawMessage(number), "new_time": json.RawMessage(`"2027-08-01T11:00:00"`)},
			})
			if err != nil {
				t.Fatalf("call: %v", err)
			}
			return a
		}
		verifyAs := func(subject string) {
			t.Helper()
			if a, err := c.Verify(t.Context(), conv.ID, api.VerificationRequest{Asserted: true, Subject: json.RawMessage(subject)}); err != nil || !a.Verified {
				t.Fatalf("assert %s: %+v, %v", subject, a, err)
			}
		}
		confirmed := func(call, number string) api.ToolCallAnswer {
			t.Helper()
			asked := move(call, number, "")
			if asked.Outcome != api.OutcomeConfirmationRequired || asked.Confirmation == nil {
				t.Fatalf("asked to confirm: %s (%v)", asked.Outcome, asked.Reason)
			}
			return move(call, number, asked.Confirmation.Token)
		}
		wantOutcome(t, "before verification", move("1", "1", ""), api.OutcomeVerificationRequired)
		verifyAs("1")
		wantOutcome(t, "another's appointment", confirmed("2", "3"), api.OutcomeNotFound)
		token := move("3", "1", "").Confirmation.Token
		verifyAs("2")
		wantOutcome(t, "with the first caller's consent", move("3", "1", token), api.OutcomeConfirmationRequired)
		wantOutcome(t, "the first caller's appointment", confirmed("4", "1"), api.OutcomeNotFound)
		moved := func() [][]string { return db.Query(t, `SELECT id FROM appointments WHERE status = 'moved'`) }
		if rows := moved(); len(rows) != 0 {
			t.Errorf("%v were moved by those who do not own them", rows)
		}
		verifyAs(`"1"`)
		a := move("5", "1", token)
		wantOutcome(t, "their own appointment", a, api.OutcomeOK)
		if string(a.Result) != `{"updated":1}` {
			t.Errorf("the result is %s", a.Result)
		}
		if rows := moved(); len(rows) != 1 || rows[0][0] != "1" {
			t.Errorf("%v were moved, want their own", rows)
		}
	})
}

// TestVerifierStopped: a caller whose database does not answer is told so within
// the deadline, has lost no attempt, and is verified once it is back.
func TestVerifierStopped(t *testing.T) {
	for _, flavor := range []privatedb.Flavor{privatedb.Postgres, privatedb.MariaDB} {
		t.Run(string(flavor), func(t *testing.T) {
			server := dbtest.Own(t, flavor, privatedb.Options{NoSync: true})
			v := whoCalls(t, dbtest.New(t, server))
			conv := v.Ring(t)
			if err := server.Kill(); err != nil {
				t.Fatal(err)
			}
			for range 4 {
				began := time.Now()
				a := v.verify(t, conv.ID, says("1", annasDigits, annasBirth))
				if a.Verified || a.Outcome != api.OutcomeUnavailable || a.Reason == nil || *a.Reason != "unreachable" || a.AttemptsLeft != 3 {
					t.Errorf("with the database stopped: %+v", a)
				}
				if took := time.Since(began); took > time.Second+250*time.Millisecond {
					t.Errorf("it took %v to say so", took)
				}
			}
			if err := server.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			eventually(t, "a verification", func() bool { return v.verify(t, conv.ID, says("1", annasDigits, annasBirth)).Verified })
		})
	}
}
