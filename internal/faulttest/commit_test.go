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

// hangCommits has the server wait for a standby that never comes before it
// answers a COMMIT, which it has made durable by then.
func hangCommits(t *testing.T, db *dbtest.Database) {
	t.Helper()
	db.Exec(t, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
	if err := db.Server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func answerCommits(t *testing.T, db *dbtest.Database) {
	t.Helper()
	db.Exec(t, "ALTER SYSTEM RESET synchronous_standby_names")
	db.Exec(t, "SELECT pg_reload_conf()")
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

// TestLostCommit cuts a COMMIT off that the server has made durable and not
// answered. Nobody is told more than is known, nothing is tried again, and all
// is known within five seconds of the database's return.
func TestLostCommit(t *testing.T) {
	t.Parallel() // beside TestSoak
	const known = 5 * time.Second
	for name, tt := range map[string]struct {
		lose, find func(t *testing.T, p *practice)
	}{
		"killed": {
			func(t *testing.T, p *practice) {
				if err := p.DB.Server.Kill(); err != nil {
					t.Error(err)
				}
			},
			func(t *testing.T, p *practice) {
				if err := p.DB.Server.Restart(t.Context()); err != nil {
					t.Fatal(err)
				}
			},
		},
		"black hole": {
			func(_ *testing.T, p *practice) { p.proxy.Set(faultproxy.Faults{Hole: true}) },
			func(t *testing.T, p *practice) {
				answerCommits(t, p.DB)
				p.proxy.Set(faultproxy.Faults{Reset: true})
				p.proxy.Cut()
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			db := dbtest.New(t, dbtest.Own(t, privatedb.Postgres, privatedb.Options{}))
			p := visits(t, db)
			hangCommits(t, db)
			defer answerCommits(t, db)
			p.recovers(t)
			p.conv = p.Ring(t).ID
			lost := make(chan struct{})
			time.AfterFunc(600*time.Millisecond, func() {
				defer close(lost)
				tt.lose(t, p)
			})
			wantOutcome(t, p.add(t, "1"), api.OutcomePending, "")
			<-lost
			p.awaitWrite(t, "1", api.OutcomeUnknown, "being_established", 7*time.Second)
			wantOutcome(t, p.add(t, "2"), api.OutcomeUnknown, "being_established")
			tt.find(t, p)
			for _, call := range []string{"1", "2"} {
				p.awaitWrite(t, call, api.OutcomeOK, "", known)
			}
			if rows := db.Query(t, "SELECT id FROM visits"); len(rows) != 1 {
				t.Errorf("%d rows, want one", len(rows))
			}
			p.wantNothingOpen(t)
			p.judge(t)
		})
	}
}
