package apptest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"

	"flowyte/api"
	"flowyte/internal/dbtest"
	"flowyte/internal/privatedb"
	"flowyte/internal/schema"
)

// described holds every answer that passes through it against the service's
// own OpenAPI document.
type described struct {
	t     *testing.T
	next  http.RoundTripper
	doc   map[string]any
	seen  map[string]bool // "GET /path 200"
	cache map[string]*jsonschema.Resolved
}

// describe puts the check between the test and the service.
func describe(t *testing.T, app *App) *described {
	t.Helper()
	d := &described{t: t, next: app.HTTP.Transport, seen: map[string]bool{}, cache: map[string]*jsonschema.Resolved{}}
	resp, err := app.HTTP.Get(app.URL + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&d.doc); err != nil {
		t.Fatal(err)
	}
	app.HTTP.Transport = d
	return d
}

// RoundTrip implements http.RoundTripper.
func (d *described) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := d.next.RoundTrip(r)
	if err != nil || !strings.HasPrefix(r.URL.Path, api.Base) {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	d.check(r, resp, body)
	return resp, nil
}

func (d *described) check(r *http.Request, resp *http.Response, body []byte) {
	d.t.Helper()
	path := d.template(r.URL.Path)
	name := fmt.Sprintf("%s %s %d", r.Method, path, resp.StatusCode)
	d.seen[name] = true
	answer := d.member(d.doc, "paths", path, strings.ToLower(r.Method), "responses", fmt.Sprint(resp.StatusCode))
	if answer == nil {
		d.t.Errorf("%s is not described", name)
		return
	}
	if ref, ok := answer["$ref"].(string); ok {
		answer = d.member(d.doc, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
	}
	kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	content := d.member(answer, "content", kind)
	if content == nil {
		d.t.Errorf("%s answers %s, which is not described", name, kind)
		return
	}
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		d.t.Errorf("%s: %v", name, err)
		return
	}
	if err := d.schema(name, content["schema"]).Validate(value); err != nil {
		d.t.Errorf("%s is not as described: %v\n%.600s", name, err, body)
	}
}

// template is the documented path that a path of a request belongs to. Names
// that are written out come before parameters.
func (d *described) template(path string) string {
	best, literal := path, -1
	segments := strings.Split(path, "/")
	for candidate := range d.member(d.doc, "paths") {
		parts := strings.Split(candidate, "/")
		same := len(parts) == len(segments)
		count := 0
		for i := 0; same && i < len(parts); i++ {
			if parts[i] == segments[i] {
				count++
			} else {
				same = strings.HasPrefix(parts[i], "{")
			}
		}
		if same && count > literal {
			best, literal = candidate, count
		}
	}
	return best
}

func (d *described) member(v any, keys ...string) map[string]any {
	for _, key := range keys {
		object, _ := v.(map[string]any)
		v = object[key]
	}
	object, _ := v.(map[string]any)
	return object
}

// schema resolves a schema of the document together with its components.
func (d *described) schema(name string, of any) *jsonschema.Resolved {
	d.t.Helper()
	if s := d.cache[name]; s != nil {
		return s
	}
	// A resolver finds components below $defs.
	var s jsonschema.Schema
	defs, err := json.Marshal(map[string]any{"$defs": d.member(d.doc, "components", "schemas"), "allOf": []any{of}})
	if err == nil {
		err = json.Unmarshal(bytes.ReplaceAll(defs, []byte("#/components/schemas/"), []byte("#/$defs/")), &s)
	}
	if err != nil {
		d.t.Fatal(err)
	}
	resolved, err := s.Resolve(nil)
	if err != nil {
		d.t.Fatalf("%s: %v", name, err)
	}
	d.cache[name] = resolved
	return resolved
}

// TestEveryAnswerIsAsDescribed takes the walkthrough and what an operator does
// around it, and holds each answer against the document.
func TestEveryAnswerIsAsDescribed(t *testing.T) {
	for kind, flavor := range map[schema.Kind]privatedb.Flavor{schema.Postgres: privatedb.Postgres, schema.MySQL: privatedb.MariaDB} {
		t.Run(string(kind), func(t *testing.T) {
			db := dbtest.Own(t, flavor, privatedb.Options{NoSync: true})
			app := New(t)
			d := describe(t, app)
			env := walk(t, app, db, kind)
			around(t, app, string(kind), env)
			for _, want := range []string{
				"POST /api/v1/integrations/{kind}/sql/test 200", "GET /api/v1/integrations/{kind}/schema 200",
				"POST /api/v1/conversations/{id}/tool-calls 200", "GET /api/v1/conversations/{id}/events 200",
				"POST /api/v1/agents/{agentId}/publish 422", "GET /api/v1/agents/{agentId}/skills 200",
			} {
				if !d.seen[want] {
					t.Errorf("%s was not held against the document", want)
				}
			}
		})
	}
}

// around asks everything that the walkthrough does not.
func around(t *testing.T, app *App, kind string, env map[string]string) {
	t.Helper()
	agent, conversation := "/agents/"+env["AGENT_ID"], "/conversations/"+env["CONVERSATION_ID"]
	k := "/integrations/" + kind
	var skills []api.Skill
	var versions []api.Version
	if err := app.Client().Do(t.Context(), "GET", agent+"/skills", nil, &skills); err != nil {
		t.Fatal(err)
	}
	if err := app.Client().Do(t.Context(), "GET", agent+"/versions", nil, &versions); err != nil {
		t.Fatal(err)
	}
	skill, version := agent+"/skills/"+skills[0].ID, agent+"/versions/"+versions[0].ID
	call := func(id string, arguments string) []byte {
		return fmt.Appendf(nil, `{"toolCallId":%q,"tool":"look_up_an_appointment","arguments":%s}`, id, arguments)
	}
	for _, ask := range []struct {
		method, path string
		body         []byte
	}{
		{"GET", "/integrations/catalog", nil}, {"GET", "/integrations", nil}, {"GET", k, nil}, {"GET", k + "/schema", nil},
		{"GET", k + "/objects?limit=2", nil}, {"GET", k + "/objects/appointments", nil}, {"GET", k + "/objects/nothing", nil},
		{"GET", k + "/scoping", nil}, {"GET", k + "/sql/scripts", nil}, {"GET", "/integrations/shopify/schema", nil},
		{"POST", k + "/sql/retest", nil}, {"POST", k + "/sql/test", []byte(`{"credentials":{}}`)},
		{"POST", k + "/sql/test", []byte(`{"credentials":{"host":"10.0.0.1","port":5432,"database":"d","user":"u","password":"p","sslmode":"disable"}}`)},
		{"POST", k + "/connect", []byte(`{"credentials":{"host":"10.0.0.1","port":5432,"database":"d","user":"u","password":"p","sslmode":"verify-full"}}`)},
		{"GET", "/agents?limit=1", nil}, {"GET", agent, nil}, {"PATCH", agent, []byte(`{"description":"x"}`)}, {"POST", "/agents", []byte(`{"name":""}`)},
		{"POST", agent + k + "/bindings", []byte(`{"toolName":"x","operation":"appointments.read"}`)}, {"POST", agent + "/skills", nil},
		{"GET", skill, nil}, {"PATCH", skill, []byte(`{"timeoutMs":5}`)}, {"PATCH", skill, []byte(`{"timeoutMs":900}`)},
		{"GET", version, nil}, {"GET", version + "/diff", nil}, {"GET", agent + "/prepublish-report", nil},
		{"POST", conversation + "/tool-calls", call("described-1", `{}`)}, {"POST", conversation + "/tool-calls", call("described-2", `{"x":1}`)},
		{"POST", conversation + "/tool-calls", call("described-3", `{"caller_phone":"+12065550100"}`)},
		{"POST", conversation + "/tool-calls", []byte(`{"toolCallId":"1","tool":"none"}`)},
		{"GET", conversation + "/tool-calls/described-1", nil}, {"GET", conversation, nil}, {"GET", conversation + "/events", nil}, {"GET", "/conversations", nil},
		{"POST", skill + "/suspend", nil}, {"POST", conversation + "/tool-calls", call("described-4", `{}`)}, {"POST", agent + "/publish", nil},
		{"POST", skill + "/resume", nil}, {"POST", agent + "/rollback", fmt.Appendf(nil, `{"versionId":%q}`, versions[0].ID)},
		{"POST", conversation + "/end", nil}, {"POST", conversation + "/tool-calls", call("described-5", `{}`)},
		{"DELETE", k, nil}, {"GET", k + "/schema", nil}, {"DELETE", skill, nil}, {"DELETE", agent, nil}, {"GET", agent, nil},
	} {
		req, err := http.NewRequestWithContext(t.Context(), ask.method, app.URL+api.Base+ask.path, bytes.NewReader(ask.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+app.Key)
		if ask.body != nil {
			req.Header.Set("Content-Type", "application/json")
		}
		resp, err := app.HTTP.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
}
