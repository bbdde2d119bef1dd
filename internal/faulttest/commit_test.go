package faulttest

import (
	"encoding/json"
	"testing"
	"time"

	"flowyte/api"
	"flowyte/internal/dbtest"
	"flowyte/internal/faultproxy"
	"flowyte/internal/privatedb"
)

// slowCommits makes every COMMIT of a visit last.
func slowCommits(t *testing.T, db *dbtest.Database) {
	t.Helper()
	db.Exec(t, "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1.5); RETURN NULL; END $$")
	db.Exec(t, "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON visits DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow()")
}

// add asks for a visit and consents.
func (p *practice) add(t *testing.T, call string) api.ToolCallAnswer {
	t.Helper()
	r := api.ToolCallRequest{ToolCallID: call, Tool: "add_a_visit", Arguments: map[string]json.RawMessage{"ref": json.RawMessage(`"r"`)}}
	a, err := p.Client().Call(t.Context(), p.conv, r)
	if err == nil && a.Confirmation != nil {
		r.ConfirmationToken = a.Confirmation.Token
		a, err = p.Client().Call(t.Context(), p.conv, r)
	}
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// awaitWrite asks for a call's answer until it has an outcome, and wants it
// within a time.
func (p *practice) awaitWrite(t *testing.T, call string, want api.Outcome, reason string, within time.Duration) {
	t.Helper()
	begun := time.Now()
	for {
		a, err := p.Client().ToolCall(t.Context(), p.conv, call)
		if err != nil {
			t.Fatal(err)
		}
		took := time.Since(begun)
		if a.Outcome == want {
			wantOutcome(t, a, want, reason)
			if took > within+slack {
				t.Errorf("%s after %v", want, took)
			}
			return
		}
		if took > within+5*time.Second {
			t.Fatalf("after %v it is %s (%v), want %s", took, a.Outcome, a.Reason, want)
		}
	}
}

// TestLostCommit cuts a COMMIT off while the server is working on it. Nobody is
// told more than is known, and all is known within five seconds of the
// database's return.
func TestLostCommit(t *testing.T) {
	const known = 5 * time.Second
	for _, tt := range []struct {
		name       string
		lose, find func(t *testing.T, p *practice, server *privatedb.Server)
		outcome    api.Outcome
		reason     string
		rows       int
	}{
		{
			"killed",
			func(t *testing.T, _ *practice, server *privatedb.Server) {
				if err := server.Kill(); err != nil {
					t.Error(err)
				}
			},
			func(t *testing.T, _ *practice, server *privatedb.Server) {
				if err := server.Restart(t.Context()); err != nil {
					t.Fatal(err)
				}
			},
			api.OutcomeFailed, "rolled_back", 0,
		},
		{
			"black hole",
			func(_ *testing.T, p *practice, _ *privatedb.Server) { p.proxy.Set(faultproxy.Faults{Hole: true}) },
			func(_ *testing.T, p *practice, _ *privatedb.Server) {
				p.proxy.Set(faultproxy.Faults{Reset: true})
				p.proxy.Cut()
			},
			api.OutcomeOK, "", 1,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := dbtest.Own(t, privatedb.Postgres)
			db := dbtest.New(t, server)
			p := visits(t, db)
			slowCommits(t, db)
			p.conv = p.Ring(t).ID
			lost := make(chan struct{})
			time.AfterFunc(600*time.Millisecond, func() {
				defer close(lost)
				tt.lose(t, p, server)
			})
			wantOutcome(t, p.add(t, "1"), api.OutcomePending, "")
			<-lost
			p.awaitWrite(t, "1", api.OutcomeUnknown, "being_established", 7*time.Second)
			wantOutcome(t, p.add(t, "2"), api.OutcomeUnknown, "being_established") // never a blind retry
			tt.find(t, p, server)
			for _, call := range []string{"1", "2"} {
				p.awaitWrite(t, call, tt.outcome, tt.reason, known)
			}
			if rows := db.Query(t, "SELECT id FROM visits"); len(rows) != tt.rows {
				t.Errorf("%d rows, want %d", len(rows), tt.rows)
			}
			p.wantNothingOpen(t)
		})
	}
}
