package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"flowyte/api"
	"flowyte/internal/auth"
	"flowyte/internal/fault"
)

func data(t *testing.T, w *httptest.ResponseRecorder, status int) string {
	t.Helper()
	var answer struct {
		Success bool            `json:"success"`
		Data    json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != status || !answer.Success {
		t.Fatalf("status %d, body %s; want %d", w.Code, w.Body, status)
	}
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type %q", got)
	}
	return string(answer.Data)
}

func TestHandleAnswers(t *testing.T) {
	k := newKit(t)
	k.addSample()
	got := data(t, k.ask(t, "POST", "/api/v1/things/a%20b", `{"name":"<x>","count":3}`), 201)
	if want := `{"bytes":0,"count":3,"kind":"a b","name":"<x>","org":"org_a"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, body := range []string{"", "{}", " { } "} {
		if got := data(t, k.ask(t, "POST", "/api/v1/things/x/refresh", body), 200); got != `"refreshed x"` {
			t.Errorf("body %q: got %s", body, got)
		}
	}
	for _, tt := range []struct{ header, body, want string }{
		{"", "", `{"body":null,"revision":null}`},
		{"3", `{"name":"n"}`, `{"body":{"name":"n"},"revision":3}`},
		{`"3"`, "", `{"body":null,"revision":3}`},
		{`W/"3"`, "", `{"body":null,"revision":3}`},
	} {
		if got := data(t, k.ask(t, "PATCH", "/api/v1/things/x", tt.body, "If-Match", tt.header), 200); got != tt.want {
			t.Errorf("If-Match %s, body %s: got %s, want %s", tt.header, tt.body, got, tt.want)
		}
	}
}

func TestPages(t *testing.T) {
	k := newKit(t)
	k.addSample()
	var page api.ListResponse[thing]
	w := k.ask(t, "GET", "/api/v1/things?q=%C3%A4%20b&tables=a,%20b,&limit=200&type=field", "")
	if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil || w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	want := []thing{{Name: "ä b", Count: 200}, {Name: "field", Count: 201}, {Name: "", Count: 202}, {Name: "a", Count: 203}, {Name: "b", Count: 204}}
	if diff := cmp.Diff(want, page.Data); diff != "" || page.Pagination.Limit != 200 || page.Pagination.NextCursor == nil {
		t.Fatalf("page %+v: %s", page.Pagination, diff)
	}
	w = k.ask(t, "GET", "/api/v1/things?q=x&cursor="+*page.Pagination.NextCursor, "")
	if !strings.Contains(w.Body.String(), `{"name":"after ","count":52}`) {
		t.Errorf("the cursor did not come back: %s", w.Body)
	}
	w = k.ask(t, "GET", "/api/v1/things?q=none", "")
	if got, want := w.Body.String(), `{"success":true,"data":[],"pagination":{"nextCursor":null,"limit":50}}`+"\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestParameters(t *testing.T) {
	k := newKit(t)
	k.addSample()
	tests := []struct {
		query string
		want  []api.ProblemField
	}{
		{"", []api.ProblemField{{Field: "q", Message: "is required"}}},
		{"q=", []api.ProblemField{{Field: "q", Message: "must not be empty"}}},
		{"q=a&q=b", []api.ProblemField{{Field: "q", Message: "must be given once"}}},
		{"q=a&limit=0", []api.ProblemField{{Field: "limit", Message: "must be from 1 to 200"}}},
		{"q=a&limit=201", []api.ProblemField{{Field: "limit", Message: "must be from 1 to 200"}}},
		{"q=a&limit=1e1", []api.ProblemField{{Field: "limit", Message: "must be a whole number"}}},
		{"q=a&deep=yes", []api.ProblemField{{Field: "deep", Message: "must be true or false"}}},
		{"q=a&type=table", []api.ProblemField{{Field: "type", Message: "must be one of object, field"}}},
		{"q=a&cursor=%3D%3D", []api.ProblemField{{Field: "cursor", Message: "must be the nextCursor of another page"}}},
		{"q=a&cursor=AA", []api.ProblemField{{Field: "cursor", Message: "must be the nextCursor of another page"}}},
		{"q=a%00", []api.ProblemField{{Field: "q", Message: "must be UTF-8 without control characters"}}},
		{"q=%FF", []api.ProblemField{{Field: "q", Message: "must be UTF-8 without control characters"}}},
		{"q=" + strings.Repeat("a", 4097), []api.ProblemField{{Field: "q", Message: "must have at most 4096 bytes"}}},
		{"q=a&zz=1&api_key=hunter2&access_token=hunter2", []api.ProblemField{
			{Field: "access_token", Message: "is not a parameter of this route"}, {Field: "api_key", Message: "is not a parameter of this route"}, {Field: "zz", Message: "is not a parameter of this route"}}},
		{"q=a&organizationId=org_b", []api.ProblemField{{Field: "organizationId", Message: "is not a parameter of this route"}}},
		{"q=a;b=c", []api.ProblemField{{Field: "query", Message: "must be pairs of name=value, percent-encoded"}}},
		{"q=%zz", []api.ProblemField{{Field: "query", Message: "must be pairs of name=value, percent-encoded"}}},
		{"q=flowyte_sk_x", []api.ProblemField{{Field: "query", Message: "must not carry an API key"}}},
	}
	for _, tt := range tests {
		w := k.ask(t, "GET", "/api/v1/things?"+tt.query, "")
		p := wantProblem(t, w, fault.InvalidParameter)
		if diff := cmp.Diff(tt.want, p.Errors); diff != "" {
			t.Errorf("%.60s: -want +got\n%s", tt.query, diff)
		}
	}
	if strings.Contains(k.logs.String(), "hunter2") || strings.Contains(k.logs.String(), "flowyte_sk") {
		t.Error("a query is in the log")
	}
	for _, header := range []string{"*", "x", `"3","4"`} {
		wantProblem(t, k.ask(t, "PATCH", "/api/v1/things/x", "", "If-Match", header), fault.InvalidParameter)
	}
}

// TestKeysOnlyInTheHeader is A09: what authenticates is one Authorization header.
func TestKeysOnlyInTheHeader(t *testing.T) {
	k := newKit(t)
	k.addSample()
	for name, header := range map[string][]string{
		"none": nil, "two": {"Bearer all", "Bearer all"}, "basic": {"Basic all"}, "bare": {"all"}, "unknown": {"Bearer nobody"},
		"two spaces": {"Bearer  all"}, "empty": {""}, "list": {"Bearer all, Bearer all"},
	} {
		r := httptest.NewRequest("GET", "/api/v1/things?q=x&api_key=all&access_token=all", nil)
		r.Header["Authorization"] = header
		r.Header.Set("X-Api-Key", "all")
		r.AddCookie(&http.Cookie{Name: "Authorization", Value: "Bearer all"})
		r.SetBasicAuth("all", "all")
		r.Header["Authorization"] = header
		w := httptest.NewRecorder()
		k.ServeHTTP(w, r)
		wantProblem(t, w, fault.Unauthorized)
		if w.Header().Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("%s: WWW-Authenticate %q", name, w.Header().Get("WWW-Authenticate"))
		}
	}
	data(t, k.ask(t, "POST", "/api/v1/things/x/refresh", "", "Authorization", "bearer all"), 200)
}

func TestScopeAndOrganisation(t *testing.T) {
	k := newKit(t)
	k.addSample()
	p := wantProblem(t, k.ask(t, "POST", "/api/v1/things/x/refresh", "{", "Authorization", "Bearer read"), fault.MissingScope)
	if !strings.Contains(p.Detail, "integrations:write") {
		t.Errorf("the scope is not named: %s", p.Detail)
	}
	if w := k.ask(t, "GET", "/api/v1/things?q=x", "", "Authorization", "Bearer read"); w.Code != 200 {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	// A03: the key fixes the organisation.
	got := data(t, k.ask(t, "POST", "/api/v1/things/x", `{"name":"n"}`, "X-Organization-Id", "org_b"), 201)
	if !strings.Contains(got, `"org":"org_a"`) {
		t.Errorf("another organisation's header counted: %s", got)
	}
	wantProblem(t, k.ask(t, "POST", "/api/v1/things/x", `{"name":"n","organizationId":"org_b"}`), fault.InvalidRequest)
}

func TestUnmatched(t *testing.T) {
	k := newKit(t)
	k.addSample()
	for _, path := range []string{
		"/", "/api", "/api/v1", "/api/v1/nothing", "//api/v1/things", "/api//v1/things", "/api/v1/things/", "/api/v1/../v1/things", "/api/v1/./things",
		"/api/v1/things/x/../y/refresh", "/healthz/", "/api/v1/things/%00/refresh", "/api/v1/things/%FF/refresh", "/api/v1/things/" + strings.Repeat("x", 257) + "/refresh",
	} {
		for _, method := range []string{"GET", "POST", "DELETE", "CONNECT", "BREW"} {
			r := httptest.NewRequest(method, "/", nil)
			r.URL, _ = url.Parse(path)
			r.Header.Set("Authorization", "Bearer all")
			if strings.HasSuffix(path, "/refresh") && !strings.Contains(path, "..") && method != "POST" {
				continue // the route exists, only the value cannot
			}
			if strings.HasPrefix(path, "//") {
				r.URL = &url.URL{Path: path}
			}
			w := httptest.NewRecorder()
			k.ServeHTTP(w, r)
			wantProblem(t, w, fault.NotFound)
		}
	}
	for path, allow := range map[string]string{
		"/api/v1/things": "GET, HEAD", "/api/v1/things/x": "POST, PATCH", "/api/v1/things/x/refresh": "POST", "/healthz": "GET, HEAD",
	} {
		for _, method := range []string{"DELETE", "OPTIONS", "BREW"} {
			w := k.ask(t, method, path, "")
			wantProblem(t, w, fault.MethodNotAllowed)
			if got := w.Header().Get("Allow"); got != allow {
				t.Errorf("%s %s: Allow %q, want %q", method, path, got, allow)
			}
		}
	}
}

func TestSecurityHeaders(t *testing.T) {
	k := newKit(t)
	k.addSample()
	for _, w := range []*httptest.ResponseRecorder{
		k.ask(t, "GET", "/api/v1/things?q=x", "", "Origin", "https://evil.example"),
		k.ask(t, "OPTIONS", "/api/v1/things", "", "Origin", "https://evil.example", "Access-Control-Request-Method", "GET"),
		k.ask(t, "GET", "/nothing", ""),
	} {
		h := w.Header()
		if h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" || h.Get("Content-Security-Policy") == "" {
			t.Errorf("headers %v", h)
		}
		for name := range h {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("A16: %s is sent", name)
			}
		}
	}
	seen := map[string]bool{}
	for range 100 {
		id := k.ask(t, "GET", "/healthz", "", "X-Request-Id", "mine").Header().Get("X-Request-Id")
		if seen[id] || id == "mine" || len(id) != 28 {
			t.Fatalf("request id %q", id)
		}
		seen[id] = true
	}
}

func TestHealthTellsNothingOfTenants(t *testing.T) {
	k := newKit(t)
	if w := k.ask(t, "GET", "/healthz", "", "Authorization", ""); w.Code != 200 || w.Body.String() != `{"status":"ok"}`+"\n" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := k.ask(t, "GET", "/readyz", "", "Authorization", ""); w.Code != 200 || w.Body.String() != `{"status":"ready"}`+"\n" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	k.Ready = func(context.Context) error { return fault.New(fault.ShuttingDown) }
	w := k.ask(t, "GET", "/readyz", "", "Authorization", "")
	wantProblem(t, w, fault.ShuttingDown)
	if w.Header().Get("Retry-After") != "1" {
		t.Errorf("Retry-After %q", w.Header().Get("Retry-After"))
	}
}

// TestShedding is F18: what is too much is refused before a key is looked at or
// a byte is read, with the time to come again, and health is answered.
func TestShedding(t *testing.T) {
	k := newKit(t)
	full := true
	k.Overloaded = func() bool { return full }
	Handle(k.API, Op{Method: "GET", Path: "/x", Scope: auth.SkillsRead}, func(context.Context, auth.Principal, *struct{}) (string, error) { return "served", nil })
	w := k.ask(t, "GET", "/api/v1/x", "", "Authorization", "")
	wantProblem(t, w, fault.Overloaded)
	if w.Code != 503 || w.Header().Get("Retry-After") != "1" {
		t.Errorf("%d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
	if w := k.ask(t, "GET", "/healthz", "", "Authorization", ""); w.Code != 200 {
		t.Errorf("health is answered %d", w.Code)
	}
	full = false
	if w := k.ask(t, "GET", "/api/v1/x", ""); w.Code != 200 {
		t.Errorf("afterwards %d %s", w.Code, w.Body)
	}
}

func TestRegistrationPanics(t *testing.T) {
	type ok struct{}
	op := Op{Method: "GET", Path: "/x", Scope: auth.SkillsRead}
	tests := map[string]func(a *API){
		"no scope": func(a *API) { Handle(a, Op{Method: "GET", Path: "/x"}, idle[ok, string]) },
		"strange scope": func(a *API) {
			Handle(a, Op{Method: "GET", Path: "/x", Scope: "everything"}, idle[ok, string])
		},
		"twice": func(a *API) { Handle(a, op, idle[ok, string]); Handle(a, op, idle[ok, string]) },
		"missing wildcard": func(a *API) {
			Handle(a, op, idle[struct {
				A string `path:"a"`
			}, string])
		},
		"missing field": func(a *API) {
			Handle(a, Op{Method: "GET", Path: "/x/{a}", Scope: auth.SkillsRead}, idle[ok, string])
		},
		"untagged field": func(a *API) { Handle(a, op, idle[struct{ A string }, string]) },
		"float in a query": func(a *API) {
			Handle(a, op, idle[struct {
				A float64 `query:"a"`
			}, string])
		},
		"float in a body": func(a *API) {
			Handle(a, op, idle[struct {
				Body struct {
					F float64 `json:"f"`
				}
			}, string])
		},
		"one bound": func(a *API) {
			Handle(a, op, idle[struct {
				A int `query:"a" min:"1"`
			}, string])
		},
		"page, no paging": func(a *API) { Handle(a, op, idle[ok, Page[string]]) },
		"not a struct":    func(a *API) { Handle(a, op, idle[string, string]) },
	}
	for name, register := range tests {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: accepted", name)
				}
			}()
			register(newKit(t).API)
		}()
	}
}

func idle[In, Out any](context.Context, auth.Principal, *In) (out Out, err error) { return }

func TestRoutesListsTheTable(t *testing.T) {
	k := newKit(t)
	k.addSample()
	var got []string
	for _, op := range k.Routes() {
		got = append(got, op.Method+" "+op.Path+" "+string(op.Scope))
	}
	want := []string{"POST /api/v1/things/{kind} integrations:write", "GET /api/v1/things integrations:read",
		"POST /api/v1/things/{kind}/refresh integrations:write", "PATCH /api/v1/things/{kind} integrations:write"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
