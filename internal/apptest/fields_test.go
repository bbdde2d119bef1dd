package apptest

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"flowyte/api"
	"flowyte/client"
	"flowyte/internal/dbtest"
)

// TestAnswersHaveTheFieldsOfTheContract: what the contract lists is there also
// when there is nothing to say, and a list is never null.
func TestAnswersHaveTheFieldsOfTheContract(t *testing.T) {
	db := dbtest.Postgres(t)
	p := Published(t, db)
	conv := p.Ring(t)
	Ask(t, p.Client(), conv.ID, "c1")
	agent, integration := "/agents/"+p.Agent.ID, "/integrations/"+p.Kind
	credentials := api.CredentialsRequest{Credentials: Credentials(db, p.Login)}
	refused := credentials
	refused.Credentials.SSLMode = "disable"
	for _, test := range []struct {
		method, path string
		body         any
		at           string // where in the answer the object is
		fields       string
	}{
		{"GET", "/integrations/catalog", nil, "data.0", "kind displayName category description connected"},
		{"GET", "/integrations", nil, "pagination", "nextCursor limit"},
		{"GET", integration, nil, "data", "kind status server lastDiscoveredAt lastTestedAt latency"},
		{"GET", integration + "/sql/scripts?database=d&tables=t", nil, "data", "readOnly write generatedPassword"},
		{"GET", integration + "/sql/scripts?database=d&tables=t", nil, "data.write", "user sql tables notes"},
		{"POST", integration + "/sql/test", credentials, "data", "ok checks server latency"},
		{"POST", integration + "/sql/test", credentials, "data.checks.0", "id name status code detail fix durationMs"},
		{"POST", integration + "/sql/test", credentials, "data.server", "product version replica"},
		{"POST", integration + "/sql/test", credentials, "data.latency", "p50Ms p95Ms samples verdict"},
		{"POST", integration + "/sql/test", refused, "data", "ok checks server latency"},
		{"POST", integration + "/sql/test", refused, "data.checks.5", "id name status code detail fix durationMs"},
		{"POST", integration + "/discover", nil, "data", "objectCount fieldCount edgeCount operationCount durationMs schemaDigest changes affectedSkills"},
		{"POST", integration + "/discover", nil, "data.changes", "added removed changed"},
		{"GET", integration + "/schema", nil, "data", "kind server discoveredAt schemaDigest objects"},
		{"GET", integration + "/objects/appointments", nil, "data", "name schema type comment estimatedRows supported reason fields primaryKey uniqueKeys indexes relationships capabilities operations"},
		{"GET", integration + "/objects/appointments", nil, "data.fields.0", "name type nativeType zoned nullable hasDefault generated enumValues maxLength precision scale comment piiClass searchable unique"},
		{"GET", integration + "/objects/appointments", nil, "data.indexes.0", "name columns unique usable reason"},
		{"GET", integration + "/objects/appointments", nil, "data.relationships.0", "name fields target targetFields cardinality inferred"},
		{"GET", integration + "/objects/appointments", nil, "data.operations.0.arguments.0", "name type required"},
		{"GET", integration + "/search?q=customers", nil, "data.0", "type object field operation score why piiClass"},
		{"GET", integration + "/scoping", nil, "data", "blockedTables blockedColumns allowedViews columnClasses unmatched affectedSkills"},
		{"GET", agent, nil, "data", "version publishedVersionId publishedVersion"},
		{"GET", agent + "/skills", nil, "pagination", "nextCursor limit"},
		{"GET", agent + "/skills", nil, "data.0", "id agentId organizationId name toolName description skillType parametersSchema requiredParams executionConfig binding dataEgressMap allowedFields isWrite requiresVerifiedIdentity requiresConfirmation nonParallelizable channels errorHandling isEnabled expectedLatencyMs status statusReason liveAfterPublish createdAt updatedAt"},
		{"GET", agent + "/skills", nil, "data.0.executionConfig", "kind operation statement parameters results maxRows timeoutMs plan planDigest"},
		{"POST", agent + "/publish", nil, "data", "id agentId version compiledConfig note publishedAt publishedBy"},
		{"POST", agent + "/conversations", api.ConversationRequest{Channel: "chat"}, "data", "id agentId versionId version tools startedAt"},
		{"POST", agent + "/conversations", api.ConversationRequest{Channel: "chat"}, "data.tools.0", "name description parameters"},
		{"GET", "/conversations/" + conv.ID + "/tool-calls/c1", nil, "data", "toolCallId tool outcome reason result say latencyMs dbMs replayed retryAfterMs confirmation"},
		{"GET", "/conversations/" + conv.ID + "/tool-calls/c1", nil, "data.result", "rows rowCount truncated"},
	} {
		raw, err := p.Client().Raw(t.Context(), test.method, test.path, test.body, nil)
		if err != nil {
			t.Errorf("%s %s: %v", test.method, test.path, err)
			continue
		}
		hasFields(t, test.method+" "+test.path, raw, test.at, test.fields)
	}
	err := p.Client().Do(t.Context(), "POST", agent+"/skills", nil, nil)
	problem, ok := err.(*client.Error)
	if !ok || problem.Errors == nil || len(problem.Fixes) == 0 {
		t.Errorf("a problem without errors and fixes: %+v", err)
	}
	binding := Lookup()
	binding.ToolName, binding.Projection[0].Path = "Another", []string{"a", "b", "c"}
	err = p.Client().Do(t.Context(), "POST", agent+integration+"/bindings", binding, nil)
	if problem, ok = err.(*client.Error); !ok || len(problem.Findings) == 0 || problem.Findings[0].Candidates == nil {
		t.Errorf("a finding without candidates: %+v", err)
	}
}

// hasFields tells which fields are missing, and which lists are null.
func hasFields(t *testing.T, name string, raw []byte, at, fields string) {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	for step := range strings.SplitSeq(at, ".") {
		if list, ok := v.([]any); ok {
			if i, err := strconv.Atoi(step); err == nil && i < len(list) {
				v = list[i]
			}
			continue
		}
		object, _ := v.(map[string]any)
		v = object[step]
	}
	object, ok := v.(map[string]any)
	if !ok {
		t.Errorf("%s: %s is no object: %v", name, at, v)
		return
	}
	lists := map[string]bool{
		"checks": true, "tables": true, "notes": true, "added": true, "removed": true, "changed": true, "affectedSkills": true, "objects": true,
		"fields": true, "primaryKey": true, "uniqueKeys": true, "indexes": true, "relationships": true, "capabilities": true, "operations": true,
		"enumValues": true, "blockedTables": true, "allowedViews": true, "unmatched": true, "requiredParams": true, "dataEgressMap": true,
		"allowedFields": true, "channels": true, "parameters": true, "results": true, "tools": true, "rows": true,
	}
	for field := range strings.FieldsSeq(fields) {
		value, there := object[field]
		switch {
		case !there:
			t.Errorf("%s: %s lacks %s", name, at, field)
		case lists[field] && value == nil:
			t.Errorf("%s: %s.%s is null", name, at, field)
		}
	}
}
