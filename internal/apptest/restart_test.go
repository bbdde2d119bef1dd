package apptest

import (
	"errors"
	"slices"
	"testing"

	"flowyte/api"
	"flowyte/client"
	"flowyte/internal/dbtest"
	"flowyte/internal/fault"
)

// reopen stops the service and opens it again on the same folder.
func (p *Practice) reopen(t *testing.T) {
	t.Helper()
	p.Stop()
	key := p.Key
	p.App = New(t, Options{Data: p.Data})
	p.Key = key
}

func codeOf(err error) fault.Code {
	var problem *client.Error
	if errors.As(err, &problem) {
		return fault.Code(problem.Code)
	}
	return ""
}

// TestSuspensionOutlivesDeletionAndRestart: what was switched off everywhere
// stays off where it is still served.
func TestSuspensionOutlivesDeletionAndRestart(t *testing.T) {
	p := Published(t, dbtest.Postgres(t))
	skill := "/agents/" + p.Agent.ID + "/skills/" + p.Skill.ID
	for _, step := range []struct{ method, path string }{{"POST", skill + "/suspend"}, {"DELETE", skill}} {
		if err := p.Client().Do(t.Context(), step.method, step.path, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, when := range []string{"before", "after"} {
		a := Ask(t, p.Client(), p.Ring(t).ID, "c1")
		if a.Outcome != api.OutcomeUnavailable || a.Reason == nil || *a.Reason != "suspended" {
			t.Errorf("%s the restart the removed skill answers %s", when, a.Outcome)
		}
		p.reopen(t)
	}
}

// TestOverStaysOver: an ended conversation is told from one that never was,
// also when only the store remembers it, and a trial that no restart can go on
// with does not stay open for ever.
func TestOverStaysOver(t *testing.T) {
	p := Published(t, dbtest.Postgres(t))
	c := p.Client()
	ended, going := p.Ring(t), p.Ring(t)
	trial, err := c.Start(t.Context(), p.Agent.ID, api.ConversationRequest{Channel: "chat", DraftMode: true})
	if err != nil {
		t.Fatal(err)
	}
	var before, after api.Receipt
	if err := c.Do(t.Context(), "POST", "/conversations/"+ended.ID+"/end", nil, &before); err != nil {
		t.Fatal(err)
	}
	p.reopen(t)
	c = p.Client()
	for _, over := range []string{ended.ID, trial.ID} {
		_, err := c.Call(t.Context(), over, api.ToolCallRequest{ToolCallID: "c1", Tool: "look_up_an_appointment"})
		if codeOf(err) != fault.ConversationEnded {
			t.Errorf("a call in a conversation that is over: %v", err)
		}
	}
	if err := c.Do(t.Context(), "POST", "/conversations/"+ended.ID+"/end", nil, &after); err != nil || after.Status != "ended" || after.EndedAt.UnixMilli() != before.EndedAt.UnixMilli() {
		t.Errorf("the receipt after the restart: %+v, %v", after, err)
	}
	var receipts []api.Receipt
	if err := c.Do(t.Context(), "GET", "/conversations", nil, &receipts); err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(receipts, func(r api.Receipt) bool { return r.ID == trial.ID })
	if at < 0 || receipts[at].Status != "ended" {
		t.Errorf("the trial after the restart: %+v", receipts)
	}
	if a := Ask(t, c, going.ID, "c1"); a.Outcome != api.OutcomeOK {
		t.Errorf("the open conversation answers %s", a.Outcome)
	}
	_, err = c.Call(t.Context(), "cnv_0000000000000000000000", api.ToolCallRequest{ToolCallID: "c1", Tool: "look_up_an_appointment"})
	if codeOf(err) != fault.NotFound {
		t.Errorf("a conversation that never was: %v", err)
	}
}

// TestPublishRenewsTheDraft: after a reconnect elsewhere, discover and publish
// are all it takes, for the skill's status and for trials too.
func TestPublishRenewsTheDraft(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		p := Published(t, db)
		other := dbtest.New(t, db.Server)
		p.Connected(t, other, Clinic(t, other))
		skill := func() (s api.Skill) {
			t.Helper()
			if err := p.Client().Do(t.Context(), "GET", "/agents/"+p.Agent.ID+"/skills/"+p.Skill.ID, nil, &s); err != nil {
				t.Fatal(err)
			}
			return s
		}
		if s := skill(); s.StatusReason != "reconnected_elsewhere" {
			t.Fatalf("after the reconnect the skill is %s (%s)", s.Status, s.StatusReason)
		}
		revision := p.Agent.Version
		if _, err := p.Client().Publish(t.Context(), p.Agent.ID, ""); err != nil {
			t.Fatal(err)
		}
		if s := skill(); s.Status != "active" || !s.LiveAfterPublish {
			t.Errorf("after publishing the skill is %s (%s)", s.Status, s.StatusReason)
		}
		trial, err := p.Client().Start(t.Context(), p.Agent.ID, api.ConversationRequest{Channel: "chat", DraftMode: true, Caller: &api.Caller{Phone: CanaryPhone}})
		if err != nil {
			t.Fatal(err)
		}
		if a := Ask(t, p.Client(), trial.ID, "c1"); a.Outcome != api.OutcomeOK {
			t.Errorf("a trial answers %s", a.Outcome)
		}
		var agent api.Agent
		if err := p.Client().Do(t.Context(), "GET", "/agents/"+p.Agent.ID, nil, &agent); err != nil || agent.Version != revision+1 {
			t.Errorf("publishing counts as a change: revision %d, %v", agent.Version, err)
		}
	})
}
