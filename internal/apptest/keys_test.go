package apptest

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"flowyte/api"
	"flowyte/internal/auth"
)

func made(t *testing.T, a *App, by string, scopes ...string) api.APIKey {
	t.Helper()
	k, err := a.ClientWith(by).CreateKey(t.Context(), api.APIKeyRequest{Name: "desk", Scopes: scopes})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestKeyIsMadeShownOnceAndRevoked is A06 beside the whole life of a key.
func TestKeyIsMadeShownOnceAndRevoked(t *testing.T) {
	app := New(t)
	k := made(t, app, app.Key, "agents:read", "agents:read")
	if k.Name != "desk" || !slices.Equal(k.Scopes, []string{"agents:read"}) || !strings.HasSuffix(k.Key, k.LastFour) || k.RevokedAt != nil || k.CreatedAt.IsZero() {
		t.Errorf("a new key is %+v", k)
	}
	// It holds from the next request on, for what it may and no more.
	theirs := app.ClientWith(k.Key)
	if err := theirs.Do(t.Context(), "GET", "/agents", nil, nil); err != nil {
		t.Fatal(err)
	}
	_, err := theirs.CreateAgent(t.Context(), api.AgentRequest{Name: "x"})
	wantProblem(t, err, 403, "missing_scope")

	raw, err := app.Client().Raw(t.Context(), "GET", "/api-keys", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(raw); strings.Contains(text, k.Key) || !strings.Contains(text, k.ID) || strings.Contains(text, `"key":`) {
		t.Errorf("the list is %s", text)
	}
	for where, text := range map[string]string{"the log": app.Log.String(), "the data folder": dataFolder(t, app.Data)} {
		if strings.Contains(text, k.Key) {
			t.Errorf("%s holds the key", where)
		}
	}

	revoked, err := app.Client().RevokeKey(t.Context(), k.ID)
	if err != nil || revoked.RevokedAt == nil || revoked.ID != k.ID || revoked.Key != "" {
		t.Fatalf("%+v, %v", revoked, err)
	}
	wantProblem(t, theirs.Do(t.Context(), "GET", "/agents", nil, nil), 401, "unauthorized")
	again, err := app.Client().RevokeKey(t.Context(), k.ID)
	if err != nil || !again.RevokedAt.Equal(*revoked.RevokedAt) {
		t.Errorf("revoking again answers %+v, %v", again, err)
	}
	keys, err := app.Client().Keys(t.Context())
	if err != nil || len(keys) != 2 || keys[1].RevokedAt == nil || keys[0].RevokedAt != nil {
		t.Errorf("the list is %+v, %v", keys, err)
	}
}

// TestKeyMakesNoBroaderKey is A05, for every scope on its own and for a chain.
func TestKeyMakesNoBroaderKey(t *testing.T) {
	app := New(t)
	narrow := made(t, app, app.Key, "keys:write", "agents:read")
	for _, scope := range auth.AllScopes() {
		may := scope == auth.KeysWrite || scope == auth.AgentsRead
		k, err := app.ClientWith(narrow.Key).CreateKey(t.Context(), api.APIKeyRequest{Scopes: []string{"agents:read", string(scope)}})
		if may {
			if err != nil {
				t.Errorf("%s: %v", scope, err)
			}
			continue
		}
		if p := wantProblem(t, err, 403, "missing_scope"); !strings.Contains(p.Detail, string(scope)) || k.Key != "" {
			t.Errorf("%s: %s", scope, p.Detail)
		}
	}
	// What was given up does not come back.
	narrower := made(t, app, narrow.Key, "keys:write")
	_, err := app.ClientWith(narrower.Key).CreateKey(t.Context(), api.APIKeyRequest{Scopes: []string{"agents:read"}})
	wantProblem(t, err, 403, "missing_scope")
	// The first that lacks is named, in the order in which scopes are shown.
	_, err = app.ClientWith(narrower.Key).CreateKey(t.Context(), api.APIKeyRequest{Scopes: []string{"keys:read", "skills:read", "agents:read"}})
	if p := wantProblem(t, err, 403, "missing_scope"); !strings.Contains(p.Detail, "agents:read") || strings.Contains(p.Detail, "skills:read") {
		t.Errorf("it says %s", p.Detail)
	}
	// Nothing was made of what was refused.
	keys, err := app.Client().Keys(t.Context())
	if err != nil || len(keys) != 5 {
		t.Errorf("%d keys, %v", len(keys), err)
	}
}

func TestKeyRequestsThatAreRefused(t *testing.T) {
	app := New(t)
	c := app.Client()
	for _, scopes := range [][]string{{}, {"all"}, {"agents:read", "agents:everything"}, {""}} {
		_, err := c.CreateKey(t.Context(), api.APIKeyRequest{Scopes: scopes})
		wantProblem(t, err, 422, "value_invalid")
	}
	for _, body := range []any{
		map[string]any{"name": "x"}, map[string]any{"scopes": "agents:read"}, map[string]any{"scopes": []string{"agents:read"}, "organizationId": "org_0"},
		map[string]any{"scopes": []string{"agents:read"}, "name": "two\nlines"}, map[string]any{"scopes": []string{"agents:read"}, "name": strings.Repeat("n", 201)},
	} {
		wantProblem(t, c.Do(t.Context(), "POST", "/api-keys", body, nil), 400, "invalid_request")
	}
	_, err := c.RevokeKey(t.Context(), "key_0")
	wantProblem(t, err, 404, "not_found")

	// A repeated request makes no second key and shows none again.
	header := http.Header{"Idempotency-Key": {"once"}}
	body := api.APIKeyRequest{Scopes: []string{"agents:read"}}
	if _, err := c.Raw(t.Context(), "POST", "/api-keys", body, header); err != nil {
		t.Fatal(err)
	}
	_, err = c.Raw(t.Context(), "POST", "/api-keys", body, header)
	wantProblem(t, err, 409, "secret_already_shown")
	if keys, err := c.Keys(t.Context()); err != nil || len(keys) != 2 {
		t.Errorf("%d keys, %v", len(keys), err)
	}
}
