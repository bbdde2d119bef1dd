package apptest

import (
	"encoding/json"
	"strings"
	"testing"

	"flowyte/api"
)

// Skills of the differential test beside the good read: two writes to a table
// with a blocked column, and the read by which callers are verified.
const (
	changesPhone = `{"toolName":"Change a phone","operation":"customers.update","isWrite":true,"inputObjectMap":[{"field":"phone","param":"new_phone","required":true}],
		"sqlWrite":{"keyColumn":"id","keyParam":"customer_number"}}`
	addsCustomer = `{"toolName":"Add a customer","operation":"customers.insert","isWrite":true,"inputObjectMap":[
		{"field":"id","param":"customer_number","required":true},{"field":"email","param":"email","required":true}]}`
	findsCaller = `{"toolName":"Find the caller","operation":"customers.read","inputs":[{"param":"customer_number","arg":"id","required":true}],
		"projection":[{"path":["id"],"leaf":"customer_id"},{"path":["email"],"leaf":"email"}],"enabled":true}`
	whoCallsCustomers = `{"method":"verifier_skill","verifierSkillId":"VERIFIER","requiredFields":["customer_number","email"],"subject":"customer_id"}`
)

// filled is a body with the ids that only the run knows.
func (s *side) filled(body string) string {
	return strings.NewReplacer("VERSION", s.ids["versionId"], "VERIFIER", s.ids["verifier"]).Replace(body)
}

// mayWrite binds and enables the writes and names the verifier.
func (s *side) mayWrite(t *testing.T) {
	t.Helper()
	c, agent := s.Client(), "/agents/"+s.ids["agentId"]
	for _, binding := range []string{findsCaller, changesPhone, addsCustomer} {
		var skill api.Skill
		if err := c.Do(t.Context(), "POST", agent+"/integrations/"+s.db.Kind+"/bindings", json.RawMessage(binding), &skill); err != nil {
			t.Fatal(err)
		}
		if !skill.IsWrite {
			s.ids["verifier"] = skill.ID
			continue
		}
		path := "/api/v1" + agent + "/skills/" + skill.ID
		s.try(t, "GET", path, "", nil)
		s.try(t, "PATCH", path, `{"isEnabled":true}`, nil)
		s.try(t, "PATCH", path, `{"isEnabled":true,"planDigest":"`+skill.ExecutionConfig.PlanDigest+`"}`, nil)
		s.try(t, "POST", path+"/test", `{"arguments":{"customer_number":1,"new_phone":"+12065550178"}}`, nil)
		s.try(t, "POST", path+"/test", `{"arguments":{"customer_number":2,"email":"bo@example.com"}}`, nil)
	}
	s.try(t, "PUT", "/api/v1"+agent+"/caller-verification", s.filled(whoCallsCustomers), nil)
}

// write does the writes in a conversation of its own, after the caller is
// verified, and records every answer.
func (s *side) write(t *testing.T) {
	t.Helper()
	conv, err := s.Client().Start(t.Context(), s.ids["agentId"], api.ConversationRequest{Channel: "chat"})
	if err != nil {
		t.Fatal(err)
	}
	s.conversations++
	path := "/api/v1/conversations/" + conv.ID
	s.try(t, "POST", path+"/verification", `{"fields":{"customer_number":1,"email":"nobody@example.com"}}`, nil)
	s.try(t, "POST", path+"/verification", `{"fields":{"customer_number":1,"email":"anna@example.com"}}`, nil)
	for _, call := range []api.ToolCallRequest{
		{ToolCallID: "w1", Tool: "change_a_phone", Arguments: map[string]json.RawMessage{"customer_number": json.RawMessage("1"), "new_phone": json.RawMessage(`"+12065550177"`)}},
		{ToolCallID: "w2", Tool: "add_a_customer", Arguments: map[string]json.RawMessage{"customer_number": json.RawMessage("2"), "email": json.RawMessage(`"bo@example.com"`)}},
		{ToolCallID: "w3", Tool: "add_a_customer", Arguments: map[string]json.RawMessage{"customer_number": json.RawMessage("2"), "email": json.RawMessage(`"cy@example.com"`)}},
	} {
		a, err := s.Client().Call(t.Context(), conv.ID, call)
		if err != nil || a.Confirmation == nil {
			t.Fatalf("%s asks for no confirmation: %+v, %v", call.Tool, a, err)
		}
		call.ToolCallID += "-confirmed"
		call.ConfirmationToken = a.Confirmation.Token
		body, err := json.Marshal(call)
		if err != nil {
			t.Fatal(err)
		}
		s.try(t, "POST", path+"/tool-calls", string(body), nil)
	}
}
