package httpapi

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"flowyte/api"
	"flowyte/internal/auth"
	"flowyte/internal/fault"
)

// TestOpenAPIDocumentIsUpToDate holds api/openapi.json to the routes that the
// program serves.
func TestOpenAPIDocumentIsUpToDate(t *testing.T) {
	k := newKit(t)
	Register(k.API, nil, nil)
	golden(t, "../../api/openapi.json", k.openAPI())
	doc := parsed(t, k.openAPI())
	checkDocument(t, doc, k.Routes())
	if n := checkExamples(t, doc); n < len(k.Routes()) {
		t.Errorf("only %d examples were held against their schemas", n)
	}
	parsePage(t, k.ask(t, "GET", "/docs", ""))
}

// TestEveryRouteAsksForItsScope is A04: each route with no key, with a key of
// each single scope, and what it says then. A key that has the scope gets past
// the door; behind it there is nothing here, so the answer is any other.
func TestEveryRouteAsksForItsScope(t *testing.T) {
	k := newKit(t)
	Register(k.API, nil, nil)
	for _, scope := range auth.AllScopes() {
		k.keys.byKey[string(scope)] = auth.Principal{OrgID: "org_a", KeyID: "key_s", Scopes: auth.ScopesOf(scope)}
	}
	wildcard := regexp.MustCompile(`\{\w+\}`)
	for _, op := range k.Routes() {
		path := wildcard.ReplaceAllString(op.Path, "x")
		wantProblem(t, k.ask(t, op.Method, path, "", "Authorization", ""), fault.Unauthorized)
		for _, scope := range auth.AllScopes() {
			w := k.ask(t, op.Method, path, "", "Authorization", "Bearer "+string(scope))
			refused := w.Code == 401 || code(w.Body.Bytes()) == string(fault.MissingScope)
			if refused != (scope != op.Scope) {
				t.Errorf("%s %s with %s: %d %s", op.Method, op.Path, scope, w.Code, w.Body)
			}
		}
	}
	if len(k.Routes()) < 35 {
		t.Errorf("only %d routes", len(k.Routes()))
	}
}

// TestTheDoorAllocatesLittle bounds what a live call pays for its way here:
// request id, log, key, scope, body and headers.
func TestTheDoorAllocatesLittle(t *testing.T) {
	k := newKit(t)
	HandleRaw[struct {
		ID   string `path:"id"`
		Body api.ToolCallRequest
	}, api.ToolCallAnswer](k.API, Op{Method: "POST", Path: "/conversations/{id}/tool-calls", Scope: auth.ConversationsWrite, Quiet: true},
		func(w http.ResponseWriter, r *http.Request, _ auth.Principal) error {
			body, err := ReadBody(w, r, nil)
			if err == nil {
				_, err = w.Write(body)
			}
			return err
		})
	body := strings.NewReader("")
	r := httptest.NewRequest("POST", "/api/v1/conversations/cnv_1/tool-calls", body)
	r.Header.Set("Authorization", "Bearer all")
	r.Header.Set("Content-Type", "application/json")
	w := &emptyWriter{header: http.Header{}}
	allocs := testing.AllocsPerRun(500, func() {
		body.Reset(`{"toolCallId":"c1","tool":"look_up","arguments":{"caller_phone":"+31612345678"}}`)
		r.ContentLength = int64(body.Len())
		clear(w.header)
		k.ServeHTTP(w, r)
	})
	if w.status != 200 || allocs > 14 {
		t.Errorf("status %d, %v allocations", w.status, allocs)
	}
}

// emptyWriter is a ResponseWriter that keeps nothing.
type emptyWriter struct {
	header http.Header
	status int
}

func (w *emptyWriter) Header() http.Header         { return w.header }
func (w *emptyWriter) WriteHeader(status int)      { w.status = status }
func (w *emptyWriter) Write(b []byte) (int, error) { w.status = max(w.status, 200); return len(b), nil }
