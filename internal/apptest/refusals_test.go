package apptest

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"flowyte/api"
	"flowyte/client"
	"flowyte/internal/dbtest"
	"flowyte/internal/privatedb"
)

// problem is the problem document of an error, which must be one.
func problem(t *testing.T, err error) api.Problem {
	t.Helper()
	var e *client.Error
	if !errors.As(err, &e) {
		t.Fatalf("want a problem document, got %v", err)
	}
	if e.Detail == "" || len(e.Fixes) == 0 || e.Fixes[0] == "" {
		t.Errorf("%s does not say what to do: %+v", e.Code, e.Problem)
	}
	return e.Problem
}

func wantProblem(t *testing.T, err error, status int, code string) api.Problem {
	t.Helper()
	p := problem(t, err)
	if p.Status != status || p.Code != code {
		t.Errorf("got %d %s, want %d %s", p.Status, p.Code, status, code)
	}
	return p
}

func TestRefusedCredentials(t *testing.T) {
	other, err := privatedb.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		app := New(t)
		login := Clinic(t, db)
		for _, c := range []struct {
			name   string
			change func(*api.Credentials)
			code   string
			check  string // the check that fails in a test
		}{
			{"wrong password", func(c *api.Credentials) { c.Password = "wrong-" + c.Password }, "credentials_rejected", "authentication"},
			{"empty password", func(c *api.Credentials) { c.Password = "" }, "password_empty", "reachability_tls"},
			{"unknown database", func(c *api.Credentials) { c.Database = "no_such_database" }, "", "authentication"},
			{"wrong CA", func(c *api.Credentials) { c.CAPEM = other.PEM() }, "certificate_unknown_authority", "reachability_tls"},
			{"no CA", func(c *api.Credentials) { c.CAPEM = "" }, "certificate_unknown_authority", "reachability_tls"},
			{"rubbish CA", func(c *api.Credentials) { c.CAPEM = "rubbish" }, "ca_invalid", "reachability_tls"},
			{"verify-ca without CA", func(c *api.Credentials) { c.SSLMode, c.CAPEM = "verify-ca", "" }, "ca_required", "reachability_tls"},
			{"sslmode disable", func(c *api.Credentials) { c.SSLMode = "disable" }, "sslmode_invalid", "reachability_tls"},
			{"sslmode in capitals", func(c *api.Credentials) { c.SSLMode = "VERIFY-FULL" }, "sslmode_invalid", "reachability_tls"},
			{"socket path", func(c *api.Credentials) { c.Host = "/var/run/postgresql" }, "host_invalid", "reachability_tls"},
			{"two hosts", func(c *api.Credentials) { c.Host = "db.example.com,127.0.0.1" }, "host_invalid", "reachability_tls"},
			{"metadata", func(c *api.Credentials) { c.Host = "169.254.169.254" }, "host_not_allowed", "reachability_tls"},
			{"private", func(c *api.Credentials) { c.Host = "10.0.0.1" }, "host_not_allowed", "reachability_tls"},
			{"low port", func(c *api.Credentials) { c.Port = "22" }, "port_not_allowed", "reachability_tls"},
			{"nobody there", func(c *api.Credentials) { c.Port = "1025" }, "unreachable_or_not_a_database", "reachability_tls"},
		} {
			t.Run(c.name, func(t *testing.T) {
				creds := Credentials(db, login)
				c.change(&creds)
				_, err := app.Client().Connect(t.Context(), string(db.Kind), creds)
				p := problem(t, err)
				if p.Status != 422 || c.code != "" && p.Code != c.code {
					t.Errorf("connect answers %d %s, want 422 %s", p.Status, p.Code, c.code)
				}
				result, err := app.Client().Test(t.Context(), string(db.Kind), creds)
				if err != nil {
					t.Fatalf("test answers %v, want 200", err)
				}
				wantFailedCheck(t, result, c.check, p.Code)
			})
		}
	})
}

// wantFailedCheck wants all six checks, the named one failed, the rest skipped.
func wantFailedCheck(t *testing.T, r api.TestResult, id, code string) {
	t.Helper()
	if r.OK || len(r.Checks) != 6 {
		t.Fatalf("ok %v with %d checks, want false and six", r.OK, len(r.Checks))
	}
	failed := false
	for _, c := range r.Checks {
		switch {
		case c.ID == id:
			failed = true
			if c.Status != "failed" || c.Code != code || c.Fix == "" {
				t.Errorf("check %s is %s with code %s and fix %q, want failed with %s", c.ID, c.Status, c.Code, c.Fix, code)
			}
		case failed && c.Status != "skipped":
			t.Errorf("check %s after the failed one is %s, want skipped", c.ID, c.Status)
		case !failed && c.Status == "failed":
			t.Errorf("check %s failed with %s, want %s to fail", c.ID, c.Code, id)
		}
	}
}

func TestLoopbackNeedsAllowTarget(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		app := New(t, Options{Allow: []netip.Prefix{}})
		_, err := app.Client().Connect(t.Context(), string(db.Kind), Credentials(db, Clinic(t, db)))
		p := wantProblem(t, err, 422, "host_not_allowed")
		if s := p.Detail + strings.Join(p.Fixes, " "); strings.Contains(s, "127.") || strings.Contains(s, "localhost") {
			t.Errorf("the refusal names what it found: %s", s)
		}
	})
}

func TestRefusedBindings(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		app := New(t)
		app.Connected(t, db, Clinic(t, db))
		c, kind := app.Client(), string(db.Kind)
		if _, err := c.SetScoping(t.Context(), kind, map[string]any{
			"blockedTables": []string{"payments"}, "blockedColumns": map[string][]string{"customers": {"ssn", "card_last4"}},
		}); err != nil {
			t.Fatal(err)
		}
		agent, err := c.CreateAgent(t.Context(), api.AgentRequest{Name: "Front desk", Country: "US"})
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			name   string
			change func(*api.BindingRequest)
			codes  []string
		}{
			{"unknown column", func(b *api.BindingRequest) { b.Projection[0].Path = []string{"started"} }, []string{"column_unknown"}},
			{"unindexed filter", func(b *api.BindingRequest) { b.Inputs[0].Arg = "status" }, []string{"filter_not_indexed"}},
			{"blocked column", func(b *api.BindingRequest) { b.Projection[2].Path = []string{"customer", "ssn"} }, []string{"blocked_by_scoping"}},
			{"blocked table", func(b *api.BindingRequest) { b.Operation = "payments.read" }, []string{"blocked_by_scoping"}},
			// The lists do not name it: that it is there must not be told.
			{"view over a blocked table", func(b *api.BindingRequest) { b.Operation = "payment_totals.read" }, []string{"object_unknown"}},
			{"blocked table that does not exist in a schema that does", func(b *api.BindingRequest) { b.Operation = "PAYMENTS.read" }, []string{"blocked_by_scoping"}},
			{"unknown object", func(b *api.BindingRequest) { b.Operation = "appointment.read" }, []string{"object_unknown"}},
			{"all at once", func(b *api.BindingRequest) {
				b.Projection[0].Path, b.Inputs[0].Arg, b.Projection[2].Path = []string{"started"}, "status", []string{"customer", "ssn"}
			}, []string{"column_unknown", "filter_not_indexed", "blocked_by_scoping"}},
		} {
			t.Run(tt.name, func(t *testing.T) {
				b := Lookup()
				tt.change(&b)
				_, err := c.Bind(t.Context(), agent.ID, kind, b)
				p := wantProblem(t, err, 422, "binding_rejected")
				got := map[string]bool{}
				for _, f := range p.Findings {
					got[f.Code] = true
					if f.Path == "" || f.Message == "" || f.Fix == "" {
						t.Errorf("finding without path, message or fix: %+v", f)
					}
					for _, candidate := range f.Candidates {
						if strings.Contains(candidate, "ssn") || strings.Contains(candidate, "payment") {
							t.Errorf("a candidate names something blocked: %s", candidate)
						}
					}
				}
				for _, code := range tt.codes {
					if !got[code] {
						t.Errorf("findings %v lack %s", got, code)
					}
				}
			})
		}
	})
}

func TestBlockedThingsDisappear(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		p := Published(t, db)
		ctx, c := t.Context(), p.Client()
		conv := p.Ring(t)
		if a := Ask(t, c, conv.ID, "before"); a.Outcome != api.OutcomeOK {
			t.Fatalf("before: %s", a.Outcome)
		}
		if _, err := c.SetScoping(ctx, p.Kind, map[string]any{
			"blockedTables": []string{"payments"}, "blockedColumns": map[string][]string{"customers": {"name", "ssn"}},
		}); err != nil {
			t.Fatal(err)
		}
		// What is published stops from the next call on, and says why.
		if a := Ask(t, c, conv.ID, "after"); a.Outcome != api.OutcomeUnavailable || a.Reason == nil || *a.Reason != "blocked_by_scoping" {
			t.Errorf("after blocking: %s %v", a.Outcome, a.Reason)
		}
		for _, path := range []string{"/schema", "/objects", "/search?q=payment%20amount", "/search?q=ssn", "/objects/customers"} {
			raw, err := c.Raw(ctx, "GET", "/integrations/"+p.Kind+path, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, hidden := range []string{"payments", "payment_totals", `"ssn"`, `"amount"`} {
				if strings.Contains(strings.ToLower(string(raw)), hidden) {
					t.Errorf("%s still shows %s", path, hidden)
				}
			}
		}
		if _, err := c.Raw(ctx, "GET", "/integrations/"+p.Kind+"/objects/payments", nil, nil); err != nil {
			wantProblem(t, err, 404, "not_found")
		} else {
			t.Error("a blocked table can still be read")
		}
		// Lifting the block heals.
		if _, err := c.SetScoping(ctx, p.Kind, map[string]any{"blockedTables": nil, "blockedColumns": nil}); err != nil {
			t.Fatal(err)
		}
		if a := Ask(t, c, conv.ID, "healed"); a.Outcome != api.OutcomeOK {
			t.Errorf("after lifting: %s", a.Outcome)
		}
	})
}

func TestStoppedDatabase(t *testing.T) {
	for _, flavor := range []privatedb.Flavor{privatedb.Postgres, privatedb.MariaDB} {
		t.Run(string(flavor), func(t *testing.T) {
			server := dbtest.Own(t, flavor, privatedb.Options{NoSync: true})
			p := Published(t, dbtest.New(t, server))
			c := p.Client()
			conv := p.Ring(t)
			if a := Ask(t, c, conv.ID, "up"); a.Outcome != api.OutcomeOK {
				t.Fatalf("with the database up: %s", a.Outcome)
			}
			if err := server.Stop(context.WithoutCancel(t.Context())); err != nil {
				t.Fatal(err)
			}
			a := Ask(t, c, conv.ID, "down")
			if a.Outcome != api.OutcomeUnavailable || a.Say == nil {
				t.Errorf("with the database stopped: %s, say %v", a.Outcome, a.Say)
			}
			// The service starts while the database is down, and says so.
			data := p.Data
			p.Stop()
			again := New(t, Options{Data: data})
			conv2, err := again.Client().Start(t.Context(), p.Agent.ID, api.ConversationRequest{Channel: "voice", Caller: &api.Caller{Phone: CanaryPhone}})
			if err != nil {
				t.Fatal(err)
			}
			if a := Ask(t, again.Client(), conv2.ID, "still"); a.Outcome != api.OutcomeUnavailable {
				t.Errorf("after a restart: %s", a.Outcome)
			}
			if err := server.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			eventually(t, "an answer after the database is back", func() bool {
				return Ask(t, again.Client(), conv2.ID, "back").Outcome == api.OutcomeOK
			})
			// The conversation that was open goes on.
			if a := Ask(t, again.Client(), conv.ID, "resumed"); a.Outcome != api.OutcomeOK {
				t.Errorf("the conversation of before the restart: %s", a.Outcome)
			}
		})
	}
}

func TestFrozenDatabaseTimesOut(t *testing.T) {
	for _, flavor := range []privatedb.Flavor{privatedb.Postgres, privatedb.MariaDB} {
		t.Run(string(flavor), func(t *testing.T) {
			server := dbtest.Own(t, flavor, privatedb.Options{NoSync: true})
			p := Published(t, dbtest.New(t, server))
			conv := p.Ring(t)
			if a := Ask(t, p.Client(), conv.ID, "thawed"); a.Outcome != api.OutcomeOK {
				t.Fatalf("before: %s", a.Outcome)
			}
			if err := server.Pause(); err != nil {
				t.Fatal(err)
			}
			a := Ask(t, p.Client(), conv.ID, "frozen")
			if err := server.Resume(); err != nil {
				t.Fatal(err)
			}
			if a.Outcome != api.OutcomeTimedOut || a.LatencyMs > 1250 {
				t.Errorf("%s after %.0f ms, want timed_out within 1250 ms", a.Outcome, a.LatencyMs)
			}
		})
	}
}

func TestMissingScope(t *testing.T) {
	app := New(t)
	c := app.ClientWith(app.NewKey(t, "acme", "integrations:read"))
	_, err := c.Discover(t.Context(), "postgres")
	p := wantProblem(t, err, 403, "missing_scope")
	if !strings.Contains(p.Detail, "integrations:write") {
		t.Errorf("the refusal does not name the scope: %s", p.Detail)
	}
}

func TestResultOfAWalk(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		p := Published(t, db)
		conv := p.Ring(t)
		a := Ask(t, p.Client(), conv.ID, "1")
		var result struct {
			Rows      []map[string]any
			RowCount  int
			Truncated bool
		}
		if err := json.Unmarshal(a.Result, &result); err != nil {
			t.Fatal(err)
		}
		if a.Outcome != api.OutcomeOK || result.RowCount != 2 || result.Truncated {
			t.Fatalf("%s %+v", a.Outcome, result)
		}
		first, at := result.Rows[0], "2027-05-01T15:00:00"
		if p.Kind == "mysql" {
			at += "Z" // a TIMESTAMP has a zone there
		}
		if first["appointment_time"] != at || first["appointment_status"] != "confirmed" || first["customer_name"] != "Anna "+CanaryRow {
			t.Errorf("first row %v", first)
		}
		if again := Ask(t, p.Client(), conv.ID, "1"); !again.Replayed || string(again.Result) != string(a.Result) {
			t.Errorf("the same toolCallId is not replayed: %+v", again)
		}
	})
}
