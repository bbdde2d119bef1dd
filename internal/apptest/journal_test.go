package apptest

import (
	"database/sql"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"flowyte/api"
	"flowyte/internal/dbtest"
	"flowyte/internal/fault"
	"flowyte/internal/serve"
	"flowyte/internal/store"
)

// mover is a practice whose callers move appointments.
type mover struct{ *reviewing }

func published(t *testing.T, db *dbtest.Database) *mover {
	t.Helper()
	d := &mover{review(t, db, moveAppointment(), updates(db))}
	d.enable(t)
	c := d.Client()
	if _, err := c.SetCallerVerification(t.Context(), d.Agent.ID, api.CallerVerificationRequest{Method: "asserted"}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Publish(t.Context(), d.Agent.ID, ""); err != nil {
		t.Fatal(err)
	}
	return d
}

// known starts a conversation of a caller who is verified.
func (d *mover) known(t *testing.T) string {
	t.Helper()
	conv := d.Ring(t)
	d.verify(t, conv.ID)
	return conv.ID
}

func (d *mover) verify(t *testing.T, conversation string) {
	t.Helper()
	if a, err := d.Client().Verify(t.Context(), conversation, api.VerificationRequest{Asserted: true, Subject: json.RawMessage(`1`)}); err != nil || !a.Verified {
		t.Fatalf("assert: %+v, %v", a, err)
	}
}

// move asks to move an appointment to a time, and consents when asked.
func (d *mover) move(t *testing.T, conversation, call, number, to string) (api.ToolCallAnswer, error) {
	t.Helper()
	r := api.ToolCallRequest{
		ToolCallID: call, Tool: "move_an_appointment",
		Arguments: map[string]json.RawMessage{"appointment_number": json.RawMessage(number), "new_time": json.RawMessage(`"` + to + `"`)},
	}
	a, err := d.Client().Call(t.Context(), conversation, r)
	if err == nil && a.Confirmation != nil {
		r.ConfirmationToken = a.Confirmation.Token
		a, err = d.Client().Call(t.Context(), conversation, r)
	}
	return a, err
}

func reasonOf(a api.ToolCallAnswer) string {
	if a.Reason == nil {
		return ""
	}
	return *a.Reason
}

// journal is what the journal of a data folder holds, and whether its chain does.
func journal(t *testing.T, data string) []store.WriteRecord {
	t.Helper()
	s, err := store.Open(t.Context(), data, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, _, err := s.Keyring(t.Context(), filepath.Join(data, serve.MasterKeyName)); err != nil {
		t.Fatal(err)
	}
	reports, err := s.VerifyAudit(t.Context())
	if err != nil || reports[2].Breaks != nil {
		t.Errorf("the chain of the journal: %+v, %v", reports[2], err)
	}
	list, err := s.Writes(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestWritesAreJournalled from the call to the restart, on both kinds: one that
// was done and one that met no row; what was done is repeated and not done
// again, and nothing that was said stands in the data folder.
func TestWritesAreJournalled(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		d := published(t, db)
		conv := d.known(t)
		first, err := d.move(t, conv, "done", "1", "2031-03-04T05:06:07")
		if err != nil {
			t.Fatal(err)
		}
		wantOutcome(t, "a move", first, api.OutcomeOK)
		none, err := d.move(t, conv, "none", "99", "2031-03-04T05:06:07")
		if err != nil {
			t.Fatal(err)
		}
		wantOutcome(t, "a move of nothing", none, api.OutcomeNotFound)
		db.Exec(t, `UPDATE appointments SET status = 'seen' WHERE id = 1`)
		var states []string
		for _, w := range journal(t, d.Data) {
			states = append(states, w.ToolCallID+" "+string(w.State)+" "+w.Outcome)
			if w.Object == "" || string(w.ConversationID) != conv || w.Tool != "move_an_appointment" {
				t.Errorf("kept is %+v", w)
			}
		}
		if want := []string{"done committed ok", "none rolled_back not_found"}; !slices.Equal(states, want) {
			t.Errorf("the journal holds %q, want %q", states, want)
		}
		d.reopen(t)
		d.verify(t, conv)
		again, err := d.move(t, conv, "done", "1", "2031-03-04T05:06:07")
		if err != nil || again.Outcome != api.OutcomeOK || !again.Replayed || string(again.Result) != string(first.Result) {
			t.Errorf("after the restart: %+v, %v", again, err)
		}
		if _, err := d.move(t, conv, "done", "1", "2031-03-04T05:06:08"); codeOf(err) != "tool_call_id_reused" {
			t.Errorf("with another time: %v", err)
		}
		if rows := db.Query(t, `SELECT status FROM appointments WHERE id = 1`); rows[0][0] != "seen" {
			t.Error("the write was done again")
		}
		d.Stop()
		entries, err := os.ReadDir(d.Data)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			b, err := os.ReadFile(filepath.Join(d.Data, e.Name()))
			if err == nil && strings.Contains(string(b), "2031-03-04") {
				t.Errorf("%s holds what a caller said", e.Name())
			}
		}
	})
}

// TestAWriteOnTwoRowsSuspendsItsSkill: it is rolled back, and the skill is off
// for every conversation at once, over a restart, until an operator resumes it.
func TestAWriteOnTwoRowsSuspendsItsSkill(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		d := published(t, db)
		conv, other := d.known(t), d.known(t)
		drop := `ALTER TABLE appointments DROP CONSTRAINT appointments_pkey`
		if d.Kind == "mysql" {
			drop = `ALTER TABLE appointments DROP PRIMARY KEY`
		}
		db.Exec(t, drop, `INSERT INTO appointments SELECT id, customer_id, phone, starts_at, status, notes FROM appointments WHERE id = 1`)
		a, err := d.move(t, conv, "1", "1", "2031-03-04T05:06:07")
		if err != nil {
			t.Fatal(err)
		}
		if a.Outcome == api.OutcomeOK || reasonOf(a) != "more_than_one_row" {
			t.Errorf("a move of two rows answers %s (%s)", a.Outcome, reasonOf(a))
		}
		if rows := db.Query(t, `SELECT id FROM appointments WHERE status = 'moved'`); len(rows) != 0 {
			t.Errorf("%d rows were moved", len(rows))
		}
		suspended := func(when, conversation string) {
			t.Helper()
			if a, err := d.move(t, conversation, "2", "2", "2031-03-04T05:06:07"); err != nil || a.Outcome != api.OutcomeUnavailable || reasonOf(a) != "suspended" {
				t.Errorf("%s: %s (%s), %v", when, a.Outcome, reasonOf(a), err)
			}
		}
		suspended("at once", other)
		eventually(t, "the suspension is kept", func() bool { return d.skill(t).StatusReason == "more_than_one_row" })
		d.reopen(t)
		d.verify(t, other)
		suspended("after a restart", other)
		if list := journal(t, d.Data); len(list) != 1 || list[0].State != store.WriteRolledBack || list[0].Reason != "more_than_one_row" {
			t.Errorf("the journal holds %+v", list)
		}
		if !slices.Contains(actions(t, d.Data), "skill.suspend") {
			t.Error("the trail does not tell of the suspension")
		}
	})
}

// actions are what was done to a data folder's one organisation.
func actions(t *testing.T, data string) []string {
	t.Helper()
	s, err := store.Open(t.Context(), data, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	org, err := s.FindOrg(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	list, err := s.Activities(t.Context(), org.ID, store.Page{})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, a := range list.Items {
		all = append(all, a.Action)
	}
	return all
}

// TestWritesNeedTheirJournal: while another process holds the store, a write is
// not sent and a read is answered; afterwards writes are carried out.
func TestWritesNeedTheirJournal(t *testing.T) {
	d := published(t, dbtest.Postgres(t))
	c := d.Client()
	if _, err := c.Bind(t.Context(), d.Agent.ID, d.Kind, Lookup()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Publish(t.Context(), d.Agent.ID, ""); err != nil {
		t.Fatal(err)
	}
	conv := d.known(t)
	raw, err := sql.Open("sqlite", filepath.Join(d.Data, "flowyte.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	raw.SetMaxOpenConns(1)
	if _, err := raw.Exec(`BEGIN IMMEDIATE`); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	a, err := d.move(t, conv, "1", "1", "2031-03-04T05:06:07")
	if took := time.Since(began); err != nil || a.Outcome != api.OutcomeUnavailable || reasonOf(a) != "journal_unavailable" || took > time.Second+250*time.Millisecond {
		t.Errorf("without a journal: %s (%s) after %v, %v", a.Outcome, reasonOf(a), took, err)
	}
	wantOutcome(t, "a read", Ask(t, c, conv, "read"), api.OutcomeOK)
	if _, err := c.ToolCall(t.Context(), conv, "1"); codeOf(err) != fault.NotFound {
		t.Errorf("a write that was refused is recorded: %v", err)
	}
	if rows := d.DB.Query(t, `SELECT id FROM appointments WHERE status = 'moved'`); len(rows) != 0 {
		t.Error("a write was sent that is not in the journal")
	}
	if _, err := raw.Exec(`ROLLBACK`); err != nil {
		t.Fatal(err)
	}
	if a, err = d.move(t, conv, "2", "1", "2031-03-04T05:06:07"); err != nil || a.Outcome != api.OutcomeOK {
		t.Errorf("with the journal back: %s (%s), %v", a.Outcome, reasonOf(a), err)
	}
	if list := journal(t, d.Data); len(list) != 1 || list[0].State != store.WriteCommitted {
		t.Errorf("the journal holds %+v", list)
	}
}
