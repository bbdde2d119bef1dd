package apptest

import (
	"testing"

	"flowyte/api"
	"flowyte/internal/dbtest"
	"flowyte/internal/fault"
)

// TestChannels: a conversation is on a channel that its agent serves, and its
// tools are those of that channel.
func TestChannels(t *testing.T) {
	p := Published(t, dbtest.Postgres(t))
	c, agent := p.Client(), "/agents/"+p.Agent.ID
	for _, bad := range []any{
		api.AgentPatch{Channels: &[]string{"fax"}}, api.AgentPatch{Channels: &[]string{"voice", "voice"}}, api.AgentPatch{Name: new("  ")},
	} {
		if err := c.Do(t.Context(), "PATCH", agent, bad, nil); codeOf(err) != fault.ValueInvalid {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if err := c.Do(t.Context(), "PATCH", agent, api.AgentPatch{Channels: &[]string{"voice"}}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Publish(t.Context(), p.Agent.ID, ""); err != nil {
		t.Fatal(err)
	}
	for _, draft := range []bool{false, true} {
		_, err := c.Start(t.Context(), p.Agent.ID, api.ConversationRequest{Channel: "chat", DraftMode: draft})
		if codeOf(err) != fault.ValueInvalid {
			t.Errorf("a chat with an agent for voice: %v", err)
		}
		conversation, err := c.Start(t.Context(), p.Agent.ID, api.ConversationRequest{Channel: "voice", DraftMode: draft})
		if err != nil || len(conversation.Tools) != 1 {
			t.Errorf("a call with an agent for voice: %+v, %v", conversation, err)
		}
	}
	skill := agent + "/skills/" + p.Skill.ID
	if err := c.Do(t.Context(), "PATCH", skill, api.SkillPatch{Channels: &[]string{"chat"}}, nil); err != nil {
		t.Fatal(err)
	}
	trial, err := c.Start(t.Context(), p.Agent.ID, api.ConversationRequest{Channel: "voice", DraftMode: true})
	if err != nil || len(trial.Tools) != 0 {
		t.Errorf("a call has the tools of a chat: %+v, %v", trial, err)
	}
}
