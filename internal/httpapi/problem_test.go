package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"flowyte/api"
	"flowyte/internal/auth"
	"flowyte/internal/fault"
)

// failing registers a route that ends with whatever err holds.
func (k *kit) failing(err *error) {
	Handle(k.API, Op{Method: "GET", Path: "/fail", Scope: auth.SkillsRead, Summary: "Fail", Tag: "Things"},
		func(context.Context, auth.Principal, *struct{}) (string, error) { return "", *err })
}

// TestEveryFaultIsAProblem sends each row of the table over the wire.
func TestEveryFaultIsAProblem(t *testing.T) {
	k := newKit(t)
	var err error
	k.failing(&err)
	for _, def := range fault.All() {
		err = fault.Wrap(def.Code, errors.New("pq: hunter2 at 10.0.0.1"))
		w := k.ask(t, "GET", "/api/v1/fail", "")
		p := wantProblem(t, w, def.Code)
		if p.Detail != def.Detail || !cmp.Equal(p.Fixes, []string{def.Fix}) {
			t.Errorf("%s: detail %q, fixes %q", def.Code, p.Detail, p.Fixes)
		}
		if strings.Contains(w.Body.String(), "hunter2") {
			t.Errorf("%s shows its cause: %s", def.Code, w.Body)
		}
		retry := w.Header().Get("Retry-After")
		if must := def.Status == 429 || def.Status == 503; must != (retry != "") {
			t.Errorf("%s: Retry-After %q", def.Code, retry)
		}
		if must := def.Status == 401; must != (w.Header().Get("WWW-Authenticate") != "") {
			t.Errorf("%s: WWW-Authenticate %q", def.Code, w.Header().Get("WWW-Authenticate"))
		}
		lines := k.logs.lines(t)
		last := lines[len(lines)-1]
		if last["level"] != def.Level.String() && def.Level >= 0 || def.Level >= 0 && last["code"] != string(def.Code) {
			t.Errorf("%s was logged as %v", def.Code, last)
		}
		if def.Level >= 0 && (last["cause"] == nil || last["request"] != p.RequestID) {
			t.Errorf("%s: the log lacks cause or request: %v", def.Code, last)
		}
	}
}

func TestProblemMembers(t *testing.T) {
	k := newKit(t)
	var err error
	k.failing(&err)
	findings := []api.Finding{{Code: "not_indexed", Severity: "error", Path: "inputs[0].arg", Message: "<no index>", Fix: "Add one."}}
	checks := []api.Check{{ID: "latency", Name: "Latency", Status: "failed"}}
	err = fmt.Errorf("bind: %w", fault.New(fault.BindingRejected).WithDetail("Two %s.", "things").WithField("a.b", "is odd").
		WithFix("Do this.").WithExtra("findings", findings).WithExtra("checks", checks).WithExtra("current", map[string]int{"version": 3}).
		WithRetryAfter(1500*time.Millisecond))
	w := k.ask(t, "GET", "/api/v1/fail", "")
	p := wantProblem(t, w, fault.BindingRejected)
	def, _ := fault.Lookup(fault.BindingRejected)
	want := api.Problem{Type: p.Type, Title: def.Title, Status: 422, Detail: "Two things.", Instance: p.Instance, Code: p.Code, RequestID: p.RequestID,
		Errors: []api.ProblemField{{Field: "a.b", Message: "is odd"}}, Fixes: []string{def.Fix, "Do this."}, Findings: findings, Checks: checks, Current: []byte(`{"version":3}`)}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if got := w.Header().Get("Retry-After"); got != "2" {
		t.Errorf("Retry-After %q", got)
	}

	err = fault.New(fault.NotDiscovered).WithStatus(409)
	if w := k.ask(t, "GET", "/api/v1/fail", ""); w.Code != 409 || !strings.Contains(w.Body.String(), `"status":409`) {
		t.Errorf("status %d, body %s", w.Code, w.Body)
	}

	err = fault.New(fault.BindingRejected).WithExtra("password", "x")
	wantProblem(t, k.ask(t, "GET", "/api/v1/fail", ""), fault.Internal)
}

// TestNotFoundNeverDiffers is A01 and INV8 at the transport: whatever a use
// case adds, the answer is the same to the byte apart from the request id.
func TestNotFoundNeverDiffers(t *testing.T) {
	k := newKit(t)
	var err error
	k.failing(&err)
	answer := func() string {
		w := k.ask(t, "GET", "/api/v1/fail", "")
		id := w.Header().Get("X-Request-Id")
		return strings.ReplaceAll(fmt.Sprint(w.Code, w.Header(), w.Body), id, "ID")
	}
	err = fault.New(fault.NotFound)
	want := answer()
	for _, err = range []error{
		fault.Wrap(fault.NotFound, errors.New("belongs to another")), fault.New(fault.NotFound).WithDetail("Not yours."),
		fault.New(fault.NotFound).WithField("id", "is another's").WithFix("Ask them.").WithExtra("current", 1).WithRetryAfter(time.Second),
	} {
		if got := answer(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestBugsAreInternal(t *testing.T) {
	k := newKit(t)
	var err error
	k.failing(&err)
	Handle(k.API, Op{Method: "GET", Path: "/panic", Scope: auth.SkillsRead}, func(context.Context, auth.Principal, *struct{}) (string, error) {
		panic(errors.New("secret hunter2"))
	})
	Handle(k.API, Op{Method: "GET", Path: "/unencodable", Scope: auth.SkillsRead}, func(context.Context, auth.Principal, *struct{}) (any, error) {
		return make(chan int), nil
	})
	err = errors.New("secret hunter2")
	for _, path := range []string{"/api/v1/fail", "/api/v1/panic", "/api/v1/unencodable"} {
		w := k.ask(t, "GET", path, "")
		p := wantProblem(t, w, fault.Internal)
		if def, _ := fault.Lookup(fault.Internal); p.Detail != def.Detail || strings.Contains(w.Body.String(), "hunter2") {
			t.Errorf("%s: %s", path, w.Body)
		}
		lines := k.logs.lines(t)
		last := lines[len(lines)-1]
		if last["level"] != "ERROR" || last["cause"] == nil || last["request"] != p.RequestID || last["org"] != "org_a" {
			t.Errorf("%s was logged as %v", path, last)
		}
		stack, _ := last["stack"].(string)
		if must := path != "/api/v1/fail"; must != strings.Contains(stack, "httpapi") {
			t.Errorf("%s: stack %q", path, stack)
		}
	}
}

// TestPanicMidAnswerAborts: a client must not take half an answer for a whole one.
func TestPanicMidAnswerAborts(t *testing.T) {
	k := newKit(t)
	HandleRaw[struct{}, string](k.API, Op{Method: "GET", Path: "/half", Scope: auth.SkillsRead}, func(w http.ResponseWriter, _ *http.Request, _ auth.Principal) error {
		_, _ = w.Write([]byte(`{"success":true,`))
		panic("gone")
	})
	server := httptest.NewServer(k)
	defer server.Close()
	r, _ := http.NewRequest("GET", server.URL+"/api/v1/half", nil)
	r.Header.Set("Authorization", "Bearer all")
	resp, err := server.Client().Do(r)
	if err == nil {
		defer resp.Body.Close()
		if _, err = resp.Body.Read(make([]byte, 100)); err == nil {
			_, err = resp.Body.Read(make([]byte, 100))
		}
	}
	if err == nil || err.Error() == "EOF" {
		t.Errorf("the answer looks whole: %v", err)
	}
	eventually(t, "the log line", func() bool { return strings.Contains(k.logs.String(), "panic: gone") })
}

func TestRequestLog(t *testing.T) {
	k := newKit(t)
	k.addSample()
	HandleRaw[struct{}, string](k.API, Op{Method: "GET", Path: "/quiet", Scope: auth.SkillsRead, Quiet: true}, func(w http.ResponseWriter, r *http.Request, _ auth.Principal) error {
		if r.Header.Get("Fail") != "" {
			return fault.New(fault.Overloaded)
		}
		_, err := w.Write([]byte("{}"))
		return err
	})
	k.ask(t, "POST", "/api/v1/things/secret-kind", `{"name":"hunter2"}`)
	k.ask(t, "GET", "/api/v1/things?q=hunter2", "")
	k.ask(t, "HUNTER2", "/hunter2/hunter2", "")
	k.ask(t, "GET", "/api/v1/quiet", "")
	k.ask(t, "GET", "/api/v1/quiet", "", "Fail", "yes")
	var got []string
	for _, line := range k.logs.lines(t) {
		got = append(got, fmt.Sprint(line["level"], " ", line["method"], " ", line["route"], " ", line["status"], " ", line["org"], " ", line["key"], " ", line["code"]))
		if line["durationMs"].(float64) < 0 || line["request"] == "" {
			t.Errorf("line %v", line)
		}
	}
	want := []string{
		"INFO POST POST /api/v1/things/{kind} 201 org_a key_a <nil>",
		"INFO GET GET /api/v1/things 200 org_a key_a <nil>",
		"INFO other none 404 <nil> <nil> not_found",
		"WARN GET GET /api/v1/quiet 503 org_a key_a overloaded",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if strings.Contains(strings.ToLower(k.logs.String()), "hunter2") || strings.Contains(k.logs.String(), "secret-kind") {
		t.Errorf("the log holds what a client sent: %s", k.logs)
	}
}

// TestAClientThatLeavesWakesNobody: a cancelled request is no fault of ours.
func TestAClientThatLeavesWakesNobody(t *testing.T) {
	k := newKit(t)
	var err error
	k.failing(&err)
	for _, err = range []error{fmt.Errorf("query: %w", context.Canceled), fault.Wrap(fault.Internal, context.Canceled)} {
		k.ask(t, "GET", "/api/v1/fail", "")
	}
	for _, line := range k.logs.lines(t) {
		if line["level"] != "INFO" {
			t.Errorf("logged as %v", line)
		}
	}
	if len(k.logs.lines(t)) != 2 {
		t.Error("not logged")
	}
}
