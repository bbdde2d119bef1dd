package apptest

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"flowyte/api"
	"flowyte/internal/dbtest"
)

// seed is the practice in which the page's sentences on writes are held to
// their word, one after the other.
type seed struct {
	*mover
	db   *dbtest.Database
	over func(func()) // at the end of the whole test
}

// sentences on writes, as the page has them.
var sentences = []struct {
	says  string
	holds func(*seed, *testing.T)
}{
	{"a script scoped to only the tables your write skills touch — never blanket write", (*seed).scopedScript},
	{"Nothing runs that you didn't author and approve", (*seed).nothingRuns},
	{"a write is a single-row insert or an update-by-unique-key", (*seed).oneRow},
	{"Writes land disabled for review", (*seed).landsDisabled},
	{"columns you scoped out are rejected", (*seed).scopedOut},
	{"Binding edits the draft. Publish so live callers get real data", (*seed).draft},
	{"the agent supplies the parameters and never sees raw SQL or the full schema", (*seed).seesNoSQL},
	{"The binding compiles to a frozen, parameterized statement", (*seed).frozen},
	{"the agent can look up and update live records mid-call", (*seed).updates},
	{"capture a request", (*seed).captures},
}

// TestTheSeedOnWrites holds the page's sentences on writes, word by word.
func TestTheSeedOnWrites(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		s := &seed{mover: &mover{&reviewing{Practice: &Practice{App: New(t), DB: db, Kind: db.Kind}}}, db: db, over: t.Cleanup}
		db.Exec(t, clinic...)
		made := "CREATE TABLE requests (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, phone varchar(32) NOT NULL, wish varchar(200) NOT NULL)"
		if db.Kind == "mysql" {
			made = strings.Replace(made, "GENERATED ALWAYS AS IDENTITY", "AUTO_INCREMENT", 1)
		}
		db.Exec(t, made)
		for _, sentence := range sentences {
			if !t.Run(sentence.says, func(t *testing.T) { sentence.holds(s, t) }) {
				return
			}
		}
	})
}

// scopedScript connects as the users that the scripts make.
func (s *seed) scopedScript(t *testing.T) {
	out, err := s.Client().Scripts(t.Context(), s.Kind, url.Values{
		"database": {s.db.Name}, "user": {"seed_" + s.db.Name[2:8]}, "tables": {"appointments,requests"},
	})
	if err != nil || out.Write == nil {
		t.Fatalf("scripts: %+v, %v", out, err)
	}
	s.db.Exec(t, out.ReadOnly.SQL, out.Write.SQL)
	s.over(func() { dropScripted(s.db, out) })
	creds := Credentials(s.db, s.Login)
	creds.User, creds.Password, creds.WriteUser, creds.WritePassword = out.ReadOnly.User, out.GeneratedPassword, out.Write.User, out.GeneratedPassword
	c := s.Client()
	if _, err := c.Connect(t.Context(), s.Kind, creds); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Discover(t.Context(), s.Kind); err != nil {
		t.Fatal(err)
	}
	all := []string{"read", "insert", "update"}
	wantCapabilities(t, s.App, s.Kind, map[string][]string{
		"appointments": all, "requests": all, "customers": {"read"}, "payments": {"read"}, "payment_totals": {"read"},
	})
	for _, word := range []string{"DELETE", "TRUNCATE", "ALL PRIVILEGES", "ON ALL TABLES"} {
		if strings.Contains(strings.ToUpper(out.Write.SQL), "GRANT "+word) {
			t.Errorf("the script grants %s", word)
		}
	}
}

// nothingRuns: without a skill, and with one that nobody approved, there is no
// tool that writes.
func (s *seed) nothingRuns(t *testing.T) {
	c := s.Client()
	var err error
	if s.Agent, err = c.CreateAgent(t.Context(), api.AgentRequest{Name: "Front desk", Country: "US"}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Bind(t.Context(), s.Agent.ID, s.Kind, Lookup()); err != nil {
		t.Fatal(err)
	}
	if s.write, err = c.Bind(t.Context(), s.Agent.ID, s.Kind, moveAppointment()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.SetCallerVerification(t.Context(), s.Agent.ID, api.CallerVerificationRequest{Method: "asserted"}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Publish(t.Context(), s.Agent.ID, ""); err != nil {
		t.Fatal(err)
	}
	for _, tool := range []string{"move_an_appointment", "appointments.update", "update"} {
		_, err := c.Call(t.Context(), s.known(t), api.ToolCallRequest{ToolCallID: "1", Tool: tool})
		wantProblem(t, err, 404, "unknown_tool")
	}
}

// oneRow: there is no operation for anything else, and no update by a key that
// several rows may have.
func (s *seed) oneRow(t *testing.T) {
	c := s.Client()
	for _, operation := range []string{"appointments.delete", "appointments.upsert", "appointments.truncate"} {
		b := moveAppointment()
		b.Operation = operation
		if _, err := c.Bind(t.Context(), s.Agent.ID, s.Kind, b); err == nil {
			t.Errorf("%s was bound", operation)
		}
	}
	for _, key := range []string{"phone", "customer_id", "status"} {
		b := moveAppointment()
		b.ToolName, b.SQLWrite.KeyColumn = "Move all", key
		_, err := c.Bind(t.Context(), s.Agent.ID, s.Kind, b)
		wantProblem(t, err, 422, "binding_rejected")
	}
}

// landsDisabled: the request said enabled, and what it takes is the digest of
// what was reviewed.
func (s *seed) landsDisabled(t *testing.T) {
	if !moveAppointment().Enabled || s.write.IsEnabled || s.skill(t).IsEnabled {
		t.Error("a write does not land disabled")
	}
	s.enable(t)
}

func (s *seed) scopedOut(t *testing.T) {
	c := s.Client()
	scope := func(columns ...string) {
		t.Helper()
		blocked := map[string]any{"blockedColumns": map[string][]string{"customers": {"ssn", "card_last4"}, "appointments": columns}}
		if _, err := c.SetScoping(t.Context(), s.Kind, blocked); err != nil {
			t.Fatal(err)
		}
	}
	scope("notes")
	b := moveAppointment()
	b.ToolName = "Move and note"
	_, err := c.Bind(t.Context(), s.Agent.ID, s.Kind, b)
	wantProblem(t, err, 422, "binding_rejected")
	scope()
}

// draft: what is bound and enabled is not live before it is published.
func (s *seed) draft(t *testing.T) {
	tools := func() (names []string) {
		for _, tool := range s.Ring(t).Tools {
			names = append(names, tool.Name)
		}
		return names
	}
	if slices.Contains(tools(), "move_an_appointment") {
		t.Error("the draft is live")
	}
	s.enable(t) // scoping may have taken it back
	if _, err := s.Client().Publish(t.Context(), s.Agent.ID, ""); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(tools(), "move_an_appointment") {
		t.Error("what was published is not live")
	}
}

func (s *seed) seesNoSQL(t *testing.T) {
	for _, tool := range s.Ring(t).Tools {
		told := tool.Name + tool.Description + string(tool.Parameters)
		for _, word := range []string{"SELECT", "UPDATE ", "customer_id", "starts_at", "notes", "payments", "ssn", s.db.Name} {
			if strings.Contains(told, word) {
				t.Errorf("the agent is told %q: %s", word, told)
			}
		}
	}
}

// frozen: what an agent says becomes a value or nothing, and never a statement.
func (s *seed) frozen(t *testing.T) {
	before := s.db.Query(t, `SELECT id, starts_at, status FROM appointments ORDER BY id`)
	conv := s.known(t)
	for i, said := range []string{`"1 OR 1=1"`, `"1; DELETE FROM appointments"`, `"1'--"`, `[1,2]`, `{"$gt":0}`, `null`} {
		if a, err := s.move(t, conv, strconv.Itoa(i), said, clockAt("15:00")); err != nil || a.Outcome != api.OutcomeInvalidArguments {
			t.Errorf("%s: %+v, %v", said, a, err)
		}
	}
	if after := s.db.Query(t, `SELECT id, starts_at, status FROM appointments ORDER BY id`); !equalRows(before, after) {
		t.Errorf("the table was %v and is %v", before, after)
	}
}

func (s *seed) updates(t *testing.T) {
	conv := s.known(t)
	wantOutcome(t, "a look-up", Ask(t, s.Client(), conv, "1"), api.OutcomeOK)
	a, err := s.move(t, conv, "2", "1", clockAt("15:00"))
	if err != nil || a.Outcome != api.OutcomeOK || string(a.Result) != `{"updated":1}` || startsAt(t, s.db) != "15:00" {
		t.Errorf("the move: %+v, %v; it is at %s", a, err, startsAt(t, s.db))
	}
	if a := Ask(t, s.Client(), conv, "3"); a.Outcome != api.OutcomeOK || !strings.Contains(string(a.Result), clockAt("15:00")) {
		t.Errorf("a look-up afterwards: %s %s", a.Outcome, a.Result)
	}
}

// captures a request, and W06: of two identical calls at once one is carried
// out; of two different ones, both, one after the other.
func (s *seed) captures(t *testing.T) {
	c := s.Client()
	var err error
	s.write, err = c.Bind(t.Context(), s.Agent.ID, s.Kind, api.BindingRequest{
		ToolName: "Take a request", Operation: "requests.insert", IsWrite: true,
		InputObjectMap: []api.InputObject{{Field: "phone", System: "caller_phone"}, {Field: "wish", Param: "wish"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.enable(t)
	if _, err := c.Publish(t.Context(), s.Agent.ID, ""); err != nil {
		t.Fatal(err)
	}
	conv := s.known(t)
	var all sync.WaitGroup
	for i, wish := range []string{"a call back", "a call back", "a receipt"} {
		all.Go(func() {
			r := api.ToolCallRequest{ToolCallID: strconv.Itoa(i), Tool: "take_a_request", Arguments: map[string]json.RawMessage{"wish": json.RawMessage(strconv.Quote(wish))}}
			a, err := c.Call(t.Context(), conv, r)
			if err == nil && a.Confirmation != nil {
				r.ConfirmationToken = a.Confirmation.Token
				a, err = c.Call(t.Context(), conv, r)
			}
			if err != nil || a.Outcome != api.OutcomeOK {
				t.Errorf("%s: %+v, %v", wish, a, err)
			}
		})
	}
	all.Wait()
	want := [][]string{{CanaryPhone, "a call back"}, {CanaryPhone, "a receipt"}}
	if rows := s.db.Query(t, `SELECT phone, wish FROM requests ORDER BY wish`); !equalRows(rows, want) {
		t.Errorf("the requests are %v, want %v", rows, want)
	}
}
