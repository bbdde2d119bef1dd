package apptest

import (
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"flowyte/api"
	"flowyte/internal/dbtest"
	"flowyte/internal/serve"
)

// metered opens the metrics' listener.
func metered(o *serve.Options) { o.MetricsAddr = "127.0.0.1:0" }

func (a *App) scrape(t *testing.T) string {
	t.Helper()
	resp, err := a.HTTP.Get("http://" + a.Server.MetricsAddr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%d: %v", resp.StatusCode, err)
	}
	return string(text)
}

// TestMetrics asks a service that has worked for what it counted, and looks
// for everything that must not be there (L01, L06, A24).
func TestMetrics(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		p := Published(t, db, Options{Serve: metered})
		conv := p.Ring(t)
		Ask(t, p.Client(), conv.ID, "call-canary-1")
		Ask(t, p.Client(), conv.ID, "call-canary-1") // told again, not counted again
		for _, path := range []string{"/api/v1/agents/agt_canary", "/path-canary/x"} {
			resp, err := p.HTTP.Get(p.URL + path + "?query=canary")
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
		}
		if err := p.Client().Do(t.Context(), "GET", "/agents/agt_canary", nil, nil); err == nil {
			t.Error("an agent that never was is there")
		}
		eventually(t, "receipts are stored", func() bool { return strings.Contains(p.scrape(t), "\nflowyte_receipts_buffered 0\n") })
		text := p.scrape(t)
		for _, line := range []string{
			`flowyte_tool_calls_total{kind="KIND",outcome="ok"} 1`,
			`flowyte_tool_call_stage_seconds_count{kind="KIND",stage="db"} 1`,
			`flowyte_databases{gate="open",kind="KIND"} 1`,
			`flowyte_databases{gate="shut",kind="KIND"} 0`,
			`flowyte_database_sessions{kind="KIND",state="in_use"} 0`,
			`flowyte_http_requests_total{route="POST /api/v1/conversations/{id}/tool-calls",status="2xx"} 2`,
			`flowyte_http_requests_total{route="GET /api/v1/agents/{agentId}",status="4xx"} 2`,
			`flowyte_http_requests_total{route="none",status="4xx"} 1`,
			`flowyte_build_info{version="test"} 1`,
		} {
			if !strings.Contains(text, "\n"+strings.ReplaceAll(line, "KIND", p.Kind)+"\n") {
				t.Errorf("%s is not in the metrics", line)
			}
		}
		for _, canary := range []string{
			"canary", "Anna", strings.TrimPrefix(CanaryPhone, "+1"), "acme", p.Agent.OrganizationID, p.Agent.ID, p.Skill.ID, conv.ID, p.Key, p.Login.User, p.Login.Password,
			db.Name, "127.0.0.1", "localhost", "look_up",
		} {
			if line := lineWith(text, canary); line != "" {
				t.Errorf("the metrics hold %q: %s", canary, line)
			}
		}
		wantRoutesOnly(t, p.App, text)
		if resp, err := p.HTTP.Get(p.URL + "/metrics"); err != nil || resp.StatusCode != http.StatusNotFound {
			t.Errorf("the API serves metrics: %v %v", resp.StatusCode, err)
		} else {
			resp.Body.Close()
		}
	})
}

// wantRoutesOnly wants every route in the metrics to be one of the table, a
// page of the API itself, or none.
func wantRoutesOnly(t *testing.T, a *App, text string) {
	t.Helper()
	known := []string{"none"}
	for _, op := range a.Server.Routes() {
		known = append(known, op.Method+" "+op.Path)
	}
	page := regexp.MustCompile(`^GET /(healthz|readyz|openapi\.json|docs[^ ]*|problems(/\{code\})?)$`)
	for _, found := range regexp.MustCompile(`route="([^"]*)"`).FindAllStringSubmatch(text, -1) {
		if !slices.Contains(known, found[1]) && !page.MatchString(found[1]) {
			t.Errorf("the route %q is not one of the table", found[1])
		}
	}
}

// TestMetricsListenerIsOwn: no organisation may send the service to its own
// metrics, even where loopback is allowed.
func TestMetricsListenerIsOwn(t *testing.T) {
	app := New(t, Options{Serve: metered})
	_, port, _ := strings.Cut(app.Server.MetricsAddr().String(), ":")
	_, err := app.Client().Connect(t.Context(), "postgres", api.Credentials{
		Host: "127.0.0.1", Port: api.Port(port), Database: "d", User: "u", Password: "p", SSLMode: "require",
	})
	wantProblem(t, err, 422, "host_not_allowed")
	if app.scrape(t) == "" {
		t.Error("nothing is served there at all")
	}
	if other := New(t); other.Server.MetricsAddr() != nil {
		t.Error("metrics are served although nobody asked for them")
	}
}
