package apptest

import (
	"strings"
	"testing"

	"flowyte/api"
	"flowyte/internal/dbtest"
)

// TestAutoBind: a goal becomes a disabled draft that, enabled as it is,
// publishes and answers a call; a goal that nothing serves is refused with what
// to say instead; a dry run keeps nothing.
func TestAutoBind(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		app := New(t)
		app.Connected(t, db, Clinic(t, db))
		c, ctx, kind := app.Client(), t.Context(), string(db.Kind)
		agent, err := c.CreateAgent(ctx, api.AgentRequest{Name: "Front desk", Country: "US"})
		if err != nil {
			t.Fatal(err)
		}
		auto := func(body any) (api.AutoBound, error) {
			var out api.AutoBound
			err := c.Do(ctx, "POST", "/agents/"+agent.ID+"/integrations/"+kind+"/bindings/auto", body, &out)
			return out, err
		}
		goal := map[string]any{"goal": "Look up the time and status of an appointment by the caller's phone number"}
		trial, err := auto(map[string]any{"goal": goal["goal"], "dryRun": true})
		if err != nil {
			t.Fatal(err)
		}
		if trial.Skill != nil || trial.Proposal.Operation != "appointments.read" || trial.Proposal.Filter != "phone" || trial.Proposal.Rationale == "" {
			t.Errorf("a dry run answers %+v", trial)
		}
		skills, err := c.Raw(ctx, "GET", "/agents/"+agent.ID+"/skills", nil, nil)
		if err != nil || strings.Contains(string(skills), "skl_") {
			t.Errorf("a dry run kept something: %s %v", skills, err)
		}
		bound, err := auto(goal)
		if err != nil {
			t.Fatal(err)
		}
		if bound.Skill == nil || bound.Skill.IsEnabled || bound.Skill.Status != "disabled" {
			t.Fatalf("the draft must land disabled: %+v", bound.Skill)
		}
		if _, err := c.PatchSkill(ctx, agent.ID, bound.Skill.ID, api.SkillPatch{IsEnabled: new(true)}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Publish(ctx, agent.ID, ""); err != nil {
			t.Fatal(err)
		}
		conv, err := c.Start(ctx, agent.ID, api.ConversationRequest{Channel: "voice", Caller: &api.Caller{Phone: CanaryPhone}})
		if err != nil {
			t.Fatal(err)
		}
		a, err := c.Call(ctx, conv.ID, api.ToolCallRequest{ToolCallID: "1", Tool: bound.Skill.ToolName})
		if err != nil || a.Outcome != api.OutcomeOK {
			t.Errorf("a call answers %s, %v", a.Outcome, err)
		}
		for _, unserveable := range []string{"delete all appointments", "how many appointments did we have last month", "drop the customers table", "xyzzy plugh"} {
			_, err := auto(map[string]any{"goal": unserveable})
			wantProblem(t, err, 422, "no_confident_match")
		}
	})
}
