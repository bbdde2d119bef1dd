package apptest

import (
	"errors"
	"testing"

	"flowyte/client"
	"flowyte/internal/serve"
)

// TestRateLimitOfAnOrganisation is A17 on the wire, with the limits as the
// settings give them: two keys share one allowance, another organisation has
// its own, and a conversation has a third.
func TestRateLimitOfAnOrganisation(t *testing.T) {
	const atOnce = 40
	app := New(t, Options{Serve: func(o *serve.Options) {
		// So slow that the test's own time adds nothing.
		o.RequestsPerSecond, o.RequestsAtOnce, o.CallsPerSecond, o.CallsAtOnce = 1, atOnce, 1, 1
	}})
	second := made(t, app, app.Key, "agents:read")
	other := app.NewKey(t, "other")
	ask := func(key string, most int) (answered int) {
		t.Helper()
		var err error
		for err == nil && answered <= most {
			err = app.ClientWith(key).Do(t.Context(), "GET", "/agents", nil, nil)
			answered++
		}
		wantProblem(t, err, 429, "rate_limited")
		return answered
	}
	answered := ask(app.Key, 10*atOnce)
	ask(second.Key, atOnce/2) // has nothing of its own
	// One is spent on making the key; a slow machine gains one a second.
	if answered < atOnce-1 || answered > 5*atOnce {
		t.Errorf("%d requests were answered, want about %d", answered, atOnce)
	}
	if err := app.ClientWith(other).Do(t.Context(), "GET", "/agents", nil, nil); err != nil {
		t.Errorf("another organisation pays for it: %v", err)
	}
	var e *client.Error
	if err := app.Client().Do(t.Context(), "GET", "/conversations/cnv_0/tool-calls/c", nil, nil); !errors.As(err, &e) || e.Code != "not_found" {
		t.Errorf("a conversation pays for it: %v", err)
	}
}
