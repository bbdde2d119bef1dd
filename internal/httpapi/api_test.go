package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"flowyte/api"
	"flowyte/internal/auth"
	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/secret"
)

// keyring is what the tests know as the table of keys. A key's name tells its
// organisation; "all" may do everything, "read" only read integrations.
type keyring struct {
	mu      sync.Mutex
	byKey   map[string]auth.Principal
	revoked map[id.Key]bool
}

func newKeys() *keyring {
	all := auth.ScopesOf(auth.AllScopes()...)
	return &keyring{revoked: map[id.Key]bool{}, byKey: map[string]auth.Principal{
		"all":   {OrgID: "org_a", KeyID: "key_a", Scopes: all},
		"read":  {OrgID: "org_a", KeyID: "key_r", Scopes: auth.ScopesOf(auth.IntegrationsRead)},
		"other": {OrgID: "org_b", KeyID: "key_b", Scopes: all},
	}}
}

func (k *keyring) Authenticate(key string) (auth.Principal, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p, ok := k.byKey[key]
	if !ok || k.revoked[p.KeyID] {
		return auth.Principal{}, fault.New(fault.Unauthorized)
	}
	return p, nil
}

func (k *keyring) Active(key id.Key) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !k.revoked[key]
}

func (k *keyring) revoke(key id.Key) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.revoked[key] = true
}

// logBuffer collects the log; handlers write it from many goroutines.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// lines decodes the log.
func (l *logBuffer) lines(t *testing.T) []map[string]any {
	t.Helper()
	var lines []map[string]any
	dec := json.NewDecoder(strings.NewReader(l.String()))
	for {
		var line map[string]any
		if err := dec.Decode(&line); err == io.EOF {
			return lines
		} else if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
}

type kit struct {
	*API
	keys *keyring
	logs *logBuffer
	idem *memoryIdempotency
}

func newKit(t *testing.T) *kit {
	t.Helper()
	k := &kit{keys: newKeys(), logs: &logBuffer{}, idem: &memoryIdempotency{entries: map[string]*entry{}}}
	k.API = New(Options{
		Keys: k.keys, Idempotency: k.idem, Ring: ring(t),
		Log:   slog.New(slog.NewJSONHandler(k.logs, nil)),
		Ready: func(context.Context) error { return nil },
	})
	return k
}

var ring = func() func(t *testing.T) *secret.Keyring {
	var once sync.Once
	var made *secret.Keyring
	return func(t *testing.T) *secret.Keyring {
		t.Helper()
		once.Do(func() {
			master, err := secret.CreateMaster(filepath.Join(t.TempDir(), "master"))
			if err != nil {
				t.Fatal(err)
			}
			if made, _, err = master.NewKeyring(); err != nil {
				t.Fatal(err)
			}
		})
		return made
	}
}()

// ask sends one request and returns its answer. Headers are pairs; a body of ""
// is none, and a body without a Content-Type is JSON.
func (k *kit) ask(t *testing.T, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, target, reader)
	r.Header.Set("Authorization", "Bearer all")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Del(headers[i])
		if headers[i+1] != "" {
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	w := httptest.NewRecorder()
	k.ServeHTTP(w, r)
	return w
}

// wantProblem asserts a whole problem document.
func wantProblem(t *testing.T, w *httptest.ResponseRecorder, code fault.Code) api.Problem {
	t.Helper()
	def, _ := fault.Lookup(code)
	var p api.Problem
	dec := json.NewDecoder(bytes.NewReader(w.Body.Bytes()))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		t.Fatalf("status %d, body %s: %v", w.Code, w.Body, err)
	}
	id := w.Header().Get("X-Request-Id")
	if w.Code != def.Status || p.Status != def.Status || p.Code != string(code) || p.Title != def.Title || p.Type != "/problems/"+string(code) {
		t.Errorf("status %d, problem %+v; want %s", w.Code, p, code)
	}
	if id == "" || p.RequestID != id || p.Instance != "/requests/"+id {
		t.Errorf("request id %q in the header, %q and %q in the body", id, p.RequestID, p.Instance)
	}
	if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type %q", got)
	}
	if len(p.Fixes) == 0 || p.Detail == "" {
		t.Errorf("the problem says nothing to do: %+v", p)
	}
	return p
}

// eventually polls until ok or fails the test.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen", what)
		}
		<-tick.C
	}
}

// thing is what the sample routes take and answer.
type thing struct {
	Name  string `json:"name"`
	Count int    `json:"count,omitempty"`
	Text  string `json:"text,omitempty" text:"multiline" max:"65536"`
}

type thingInput struct {
	Kind string `path:"kind"`
	Body thing
}

// addSample registers one route of each sort.
func (k *kit) addSample() {
	Handle(k.API, Op{Method: "POST", Path: "/things/{kind}", Scope: auth.IntegrationsWrite, Summary: "Make a thing", Tag: "Things", Status: 201},
		func(_ context.Context, p auth.Principal, in *thingInput) (map[string]any, error) {
			return map[string]any{"org": p.OrgID, "kind": in.Kind, "name": in.Body.Name, "count": in.Body.Count, "bytes": len(in.Body.Text)}, nil
		})
	type listInput struct {
		Paging
		Q      string   `query:"q" required:"true"`
		Type   string   `query:"type" enum:"object,field"`
		Tables []string `query:"tables"`
		Deep   bool     `query:"deep"`
	}
	Handle(k.API, Op{Method: "GET", Path: "/things", Scope: auth.IntegrationsRead, Summary: "List things", Tag: "Things"},
		func(_ context.Context, _ auth.Principal, in *listInput) (Page[thing], error) {
			p := Page[thing]{NextCursor: "after " + in.Cursor}
			if in.Q == "none" {
				return Page[thing]{}, nil
			}
			for i, name := range append([]string{in.Q, in.Type, in.Cursor}, in.Tables...) {
				p.Items = append(p.Items, thing{Name: name, Count: i + in.Limit})
			}
			return p, nil
		})
	Handle(k.API, Op{Method: "POST", Path: "/things/{kind}/refresh", Scope: auth.IntegrationsWrite, Summary: "Refresh", Tag: "Things"},
		func(_ context.Context, _ auth.Principal, in *struct {
			Kind string `path:"kind"`
		}) (string, error) {
			return "refreshed " + in.Kind, nil
		})
	Handle(k.API, Op{Method: "PATCH", Path: "/things/{kind}", Scope: auth.IntegrationsWrite, Summary: "Change", Tag: "Things"},
		func(_ context.Context, _ auth.Principal, in *struct {
			Kind    string `path:"kind"`
			IfMatch *int   `header:"If-Match"`
			Body    *thing
		}) (map[string]any, error) {
			return map[string]any{"revision": in.IfMatch, "body": in.Body}, nil
		})
}

var discard = slog.New(slog.DiscardHandler)

// code is the code of a problem document.
func code(body []byte) string {
	var p api.Problem
	_ = json.Unmarshal(body, &p) // what is no document has no code, and is found out by it
	return p.Code
}
