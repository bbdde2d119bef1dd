package cli

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flowyte/api"
)

// proposing is a service that proposes a look-up and an alternative, and keeps
// what it is asked to bind.
type proposing struct {
	t     *testing.T
	asked api.AutoBindRequest
	bound []api.BindingRequest
}

func lookup(operation string) api.BindingRequest {
	return api.BindingRequest{
		ToolName: "Look up by phone", Operation: operation, Inputs: []api.BindingInput{{Param: "caller_phone", Arg: "phone"}},
		Projection: []api.ProjectionEntry{{Path: []string{"doctor", "name"}, Leaf: "doctor_name"}},
	}
}

func (s *proposing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer flowyte_sk_test" {
		s.t.Errorf("Authorization is %q", r.Header.Get("Authorization"))
	}
	decode := func(into any) {
		if err := json.NewDecoder(r.Body).Decode(into); err != nil {
			s.t.Errorf("%s: %v", r.URL.Path, err)
		}
	}
	const bindings = api.Base + "/agents/agt_1/integrations/mysql/bindings"
	var data any
	switch r.URL.Path {
	case bindings + "/auto":
		decode(&s.asked)
		if s.asked.Goal == "count them" {
			w.WriteHeader(http.StatusUnprocessableEntity)
			data = api.Problem{Code: "no_confident_match", Status: 422, Detail: "It does not count.", Fixes: []string{"Describe one lookup."},
				Candidates: []api.Alternative{{Binding: lookup("visits.read"), Rationale: "Reads visits."}}}
			if err := json.NewEncoder(w).Encode(data); err != nil {
				s.t.Error(err)
			}
			return
		}
		data = api.AutoBound{Proposal: api.Proposal{
			Binding: lookup("appointments.read"), Confidence: 0.91, Rationale: "Reads appointments by phone.",
			Alternatives: []api.Alternative{{Binding: lookup("customers.read"), Confidence: 0.2, Rationale: "Reads customers."}},
		}}
	case bindings:
		var b api.BindingRequest
		decode(&b)
		s.bound = append(s.bound, b)
		data = api.Skill{ID: "skl_1", ToolName: "look_up_by_phone"}
	default:
		s.t.Errorf("asked for %s", r.URL.Path)
	}
	if err := json.NewEncoder(w).Encode(map[string]any{"success": true, "data": data}); err != nil {
		s.t.Error(err)
	}
}

// TestBind: the proposal is shown, and what was shown is kept when, and only
// when, somebody says so.
func TestBind(t *testing.T) {
	for answer, want := range map[string]string{
		"y\n": "appointments.read", "YES\n": "appointments.read", "1\n": "customers.read", "7\nmaybe\n1\n": "customers.read",
		"n\n": "", "\n": "", "": "", "2\n": "", "0\n": "",
	} {
		service := &proposing{t: t}
		server := httptest.NewServer(service)
		var out bytes.Buffer
		a := &app{ctx: t.Context(), in: strings.NewReader(answer), out: &out, err: &out}
		t.Setenv("FLOWYTE_KEY", "flowyte_sk_test")
		err := bindCommand{Goal: "appointments by phone", URL: server.URL, Agent: "agt_1", Kind: "mysql", ToolName: "Mine"}.Run(a)
		server.Close()
		if err != nil {
			t.Fatalf("%q: %v", answer, err)
		}
		if s := service.asked; !s.DryRun || s.Goal != "appointments by phone" || s.ToolName != "Mine" {
			t.Errorf("%q: it asked %+v", answer, s)
		}
		got := ""
		for _, b := range service.bound {
			got += b.Operation
		}
		if got != want {
			t.Errorf("%q: kept %q, want %q", answer, got, want)
		}
		for _, shown := range []string{"appointments.read", "0.91", "phone = caller_phone", "doctor.name as doctor_name", "Reads appointments by phone.", "Alternative 1", "customers.read"} {
			if !strings.Contains(out.String(), shown) {
				t.Errorf("%q: %q is not shown:\n%s", answer, shown, out.String())
			}
		}
		if strings.Contains(out.String(), "skl_1") != (want != "") {
			t.Errorf("%q: it says\n%s", answer, out.String())
		}
	}
}

// TestBindRefused: what the service says against a goal is told, with what
// comes nearest.
func TestBindRefused(t *testing.T) {
	server := httptest.NewServer(&proposing{t: t})
	defer server.Close()
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("flowyte_sk_test\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("FLOWYTE_KEY", "")
	code, out, errOut := flowyte(t, "bind", "count them", "--url", server.URL, "--agent", "agt_1", "--kind", "mysql", "--key-file", key)
	if code != 1 || !strings.Contains(out, "Nearest 1") || !strings.Contains(out, "visits.read") {
		t.Errorf("exit %d\n%s", code, out)
	}
	if errOut != "flowyte: It does not count. (no_confident_match)\n  Describe one lookup.\n" {
		t.Errorf("it says %q", errOut)
	}
	if code, _, errOut := flowyte(t, "bind", "x", "--url", server.URL, "--agent", "agt_1"); code != 1 || !strings.Contains(errOut, "no API key") {
		t.Errorf("without a key: exit %d, %s", code, errOut)
	}
}
