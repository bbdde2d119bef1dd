package apptest

import (
	"io"
	"net/http"
	"regexp"
	"sort"
	"strings"
	"testing"

	"flowyte/api"
	"flowyte/internal/auth"
	"flowyte/internal/dbtest"
	"flowyte/internal/httpapi"
)

// bodies are acceptable bodies for the routes that read one. A new route with
// a body must be added here: TestEveryRoute… fails until it is.
var bodies = map[string]string{
	"POST /api/v1/integrations/{kind}/sql/test":                           `{"credentials":{"host":"db.example.com","port":"5432","database":"d","user":"u","password":"p","sslmode":"disable"}}`,
	"POST /api/v1/integrations/{kind}/connect":                            `{"credentials":{"host":"db.example.com","port":"5432","database":"d","user":"u","password":"p","sslmode":"disable"}}`,
	"PATCH /api/v1/integrations/{kind}/scoping":                           `{}`,
	"POST /api/v1/agents":                                                 `{"name":"x"}`,
	"PATCH /api/v1/agents/{agentId}":                                      `{"name":"x"}`,
	"POST /api/v1/agents/{agentId}/integrations/{kind}/bindings":          `{"toolName":"Look","operation":"appointments.read"}`,
	"POST /api/v1/agents/{agentId}/integrations/{kind}/bindings/auto":     `{"goal":"find an appointment by phone number"}`,
	"PUT /api/v1/agents/{agentId}/integrations/{kind}/bindings/{skillId}": `{"toolName":"Look","operation":"appointments.read"}`,
	"PATCH /api/v1/agents/{agentId}/skills/{skillId}":                     `{"description":"x"}`,
	"POST /api/v1/agents/{agentId}/skills/{skillId}/test":                 `{}`,
	"POST /api/v1/agents/{agentId}/publish":                               `{}`,
	"POST /api/v1/agents/{agentId}/rollback":                              `{"versionId":"VERSION"}`,
	"POST /api/v1/agents/{agentId}/conversations":                         `{"channel":"voice"}`,
	"PUT /api/v1/agents/{agentId}/caller-verification":                    `{"method":"none"}`,
	"POST /api/v1/conversations/{id}/verification":                        `{"fields":{}}`,
	"POST /api/v1/api-keys":                                               `{"name":"x","scopes":["keys:write"]}`,
	"POST /api/v1/conversations/{id}/tool-calls":                          `{"toolCallId":"c","tool":"look_up_an_appointment"}`,
}

// query are the required query parameters.
var query = map[string]string{
	"GET /api/v1/integrations/{kind}/sql/scripts": "?database=d",
	"GET /api/v1/integrations/{kind}/search":      "?q=x",
}

type ids map[string]string // by path parameter

var parameter = regexp.MustCompile(`\{([a-zA-Z]+)\}`)

// send makes the request of a route with these ids.
func (a *App) send(t *testing.T, op httpapi.Op, with ids, key string, header http.Header) (status int, head, body string) {
	t.Helper()
	route := op.Method + " " + op.Path
	path := parameter.ReplaceAllStringFunc(op.Path, func(p string) string {
		v, ok := with[strings.Trim(p, "{}")]
		if !ok {
			t.Fatalf("%s has the path parameter %s, which this test does not know", route, p)
		}
		return v
	})
	req, err := http.NewRequestWithContext(t.Context(), op.Method, a.URL+path+query[route], nil)
	if err != nil {
		t.Fatal(err)
	}
	if text, ok := bodies[route]; ok {
		req.Body = io.NopCloser(strings.NewReader(strings.ReplaceAll(text, "VERSION", with["versionId"])))
		req.ContentLength = -1
		req.Header.Set("Content-Type", "application/json")
	}
	for k, v := range header {
		req.Header[k] = v
	}
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := a.HTTP.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, headers(resp.Header), requestID.ReplaceAllString(string(raw), "REQUEST")
}

var requestID = regexp.MustCompile(`req_[0-9A-Za-z]+`)

// headers joins everything that is not different by nature.
func headers(h http.Header) string {
	var lines []string
	for k, v := range h {
		if k != "Date" && k != "X-Request-Id" {
			lines = append(lines, k+": "+strings.Join(v, ","))
		}
	}
	sort.Strings(lines)
	return requestID.ReplaceAllString(strings.Join(lines, "\n"), "REQUEST")
}

// TestAnotherOrganisationsIDs is A01, generated from the router: on every route
// that takes an id, another organisation's id answers as one that never was.
func TestAnotherOrganisationsIDs(t *testing.T) {
	db := dbtest.Postgres(t)
	p := Published(t, db)
	conv := p.Ring(t)
	Ask(t, p.Client(), conv.ID, "theirs")
	agent, err := p.Client().Agent(t.Context(), p.Agent.ID)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := p.Client().Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	theirs := ids{
		"keyId": keys[0].ID,
		"kind":  "postgres", "agentId": p.Agent.ID, "skillId": p.Skill.ID, "versionId": *agent.PublishedVersionID,
		"id": conv.ID, "toolCallId": "theirs", "name": "appointments",
	}
	mine := p.NewKey(t, "other")
	tried := 0
	for _, op := range p.Server.Routes() {
		if !strings.Contains(op.Path, "{agentId}") && !strings.Contains(op.Path, "{id}") && !strings.Contains(op.Path, "{keyId}") {
			continue
		}
		tried++
		t.Run(op.Method+" "+op.Path, func(t *testing.T) {
			never := ids{"kind": "postgres", "name": "appointments", "toolCallId": "never"}
			for _, k := range []string{"agentId", "skillId", "versionId", "id", "keyId"} {
				never[k] = theirs[k][:4] + strings.Repeat("0", len(theirs[k])-4)
			}
			status, head, body := p.send(t, op, theirs, mine, nil)
			wantStatus, wantHead, wantBody := p.send(t, op, never, mine, nil)
			if status != wantStatus || head != wantHead || body != wantBody {
				t.Errorf("theirs: %d\n%s\n%s\nnever: %d\n%s\n%s", status, head, body, wantStatus, wantHead, wantBody)
			}
			if status != http.StatusNotFound && status != http.StatusForbidden {
				t.Errorf("answers %d, want 404: %s", status, body)
			}
		})
	}
	if tried < 15 {
		t.Fatalf("the router gave %d routes with ids; the test proves too little", tried)
	}
	// They are untouched, after DELETE and all.
	if a := Ask(t, p.Client(), conv.ID, "still"); a.Outcome != api.OutcomeOK {
		t.Errorf("their conversation answers %s after another organisation tried everything", a.Outcome)
	}
}

// TestEveryRouteAndEveryScope is A04, generated from the router.
func TestEveryRouteAndEveryScope(t *testing.T) {
	app := New(t)
	keys := map[auth.Scope]string{}
	for _, s := range auth.AllScopes() {
		keys[s] = app.NewKey(t, "acme", string(s))
	}
	nobody := ids{
		"kind": "postgres", "agentId": "agt_0", "skillId": "skl_0", "versionId": "ver_0", "id": "cnv_0", "toolCallId": "c", "name": "n",
		"keyId": "key_0",
	}
	for _, op := range app.Server.Routes() {
		t.Run(op.Method+" "+op.Path, func(t *testing.T) {
			for _, s := range auth.AllScopes() {
				status, _, body := app.send(t, op, nobody, keys[s], nil)
				refused := strings.Contains(body, `"code":"missing_scope"`)
				switch {
				case s == op.Scope && (refused || status == http.StatusUnauthorized || status == http.StatusBadRequest):
					t.Errorf("with its scope %s: %d %s", s, status, body)
				case s != op.Scope && (!refused || status != http.StatusForbidden):
					t.Errorf("with the scope %s instead of %s: %d %s", s, op.Scope, status, body)
				case s != op.Scope && !strings.Contains(body, string(op.Scope)):
					t.Errorf("the refusal does not name %s: %s", op.Scope, body)
				}
			}
			if status, _, body := app.send(t, op, nobody, "flowyte_sk_wrong", nil); status != http.StatusUnauthorized {
				t.Errorf("with a wrong key: %d %s", status, body)
			}
		})
	}
}

// TestOrganisationCannotBeChosen is A03.
func TestOrganisationCannotBeChosen(t *testing.T) {
	p := Published(t, dbtest.Postgres(t))
	mine := p.NewKey(t, "other")
	get := httpapi.Op{Method: "GET", Path: "/api/v1/agents/" + p.Agent.ID}
	if status, _, _ := p.send(t, get, nil, mine, http.Header{"X-Organization-Id": {p.Agent.OrganizationID}}); status != 404 {
		t.Errorf("with the other organisation in a header: %d", status)
	}
	list := httpapi.Op{Method: "GET", Path: "/api/v1/agents?organizationId=" + p.Agent.OrganizationID}
	if status, _, body := p.send(t, list, nil, mine, nil); status != 400 {
		t.Errorf("with the other organisation in the query: %d %s", status, body)
	}
	c := p.ClientWith(mine)
	err := c.Do(t.Context(), "POST", "/agents", map[string]string{"name": "x", "organizationId": p.Agent.OrganizationID}, nil)
	wantProblem(t, err, 400, "invalid_request")
}

// TestAnotherOrganisationsCursor is A02.
func TestAnotherOrganisationsCursor(t *testing.T) {
	app := New(t)
	c := app.Client()
	for _, name := range []string{"one", "two", "three"} {
		if _, err := c.CreateAgent(t.Context(), api.AgentRequest{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := c.Raw(t.Context(), "GET", "/agents?limit=1", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	cursor := regexp.MustCompile(`"nextCursor":"([^"]+)"`).FindStringSubmatch(string(raw))
	if cursor == nil {
		t.Fatalf("no cursor in %s", raw)
	}
	other := app.ClientWith(app.NewKey(t, "other"))
	raw, err = other.Raw(t.Context(), "GET", "/agents?limit=1&cursor="+cursor[1], nil, nil)
	if err == nil && strings.Contains(string(raw), `"agt_`) {
		t.Errorf("another organisation's cursor shows agents: %s", raw)
	}
}

// TestIdempotencyKeysAreAnOrganisationsOwn is A02 and W20 on the wire.
func TestIdempotencyKeys(t *testing.T) {
	app := New(t)
	post := func(key, body string) (int, string, string) {
		req, err := http.NewRequestWithContext(t.Context(), "POST", app.URL+"/api/v1/agents", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = http.Header{"Authorization": {"Bearer " + key}, "Content-Type": {"application/json"}, "Idempotency-Key": {"k-1"}}
		resp, err := app.HTTP.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b), resp.Header.Get("Idempotency-Replayed")
	}
	status, first, _ := post(app.Key, `{"name":"x"}`)
	if status != 201 {
		t.Fatalf("%d %s", status, first)
	}
	if status, again, replayed := post(app.Key, `{"name":"x"}`); status != 201 || again != first || replayed != "true" {
		t.Errorf("the same request again: %d, replayed %q, %s", status, replayed, again)
	}
	if status, body, _ := post(app.Key, `{"name":"y"}`); status != 422 || !strings.Contains(body, "idempotency_key_reused") {
		t.Errorf("another body under the same key: %d %s", status, body)
	}
	other := app.NewKey(t, "other")
	if status, body, replayed := post(other, `{"name":"x"}`); status != 201 || replayed != "" || body == first {
		t.Errorf("another organisation's use of the same key: %d, replayed %q", status, replayed)
	}
}
