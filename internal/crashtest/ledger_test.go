package crashtest

import (
	"encoding/json"
	"fmt"
	"strconv"
	"testing"
	"time"

	"flowyte/api"
	"flowyte/client"
	"flowyte/internal/apptest"
	"flowyte/internal/dbtest"
	"flowyte/internal/wiretest"
)

// tables take every write as often as it comes: nothing but the product keeps a
// booking from being there twice, and changes has a row for every change of a
// slot, in the transaction that made it.
var tables = map[string][]string{
	"postgres": {
		`CREATE TABLE bookings (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, marker varchar(40) NOT NULL)`,
		`CREATE TABLE slots (id int PRIMARY KEY, marker varchar(40) NOT NULL)`,
		`CREATE TABLE changes (slot int NOT NULL, marker varchar(40) NOT NULL)`,
		`CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
			$$ BEGIN INSERT INTO public.changes VALUES (NEW.id, NEW.marker); RETURN NULL; END $$`,
		`CREATE TRIGGER note AFTER UPDATE ON slots FOR EACH ROW EXECUTE FUNCTION note()`,
		`INSERT INTO slots SELECT n, 'free' FROM generate_series(1, 20000) n`,
	},
	"mysql": {
		`CREATE TABLE bookings (id int AUTO_INCREMENT PRIMARY KEY, marker varchar(40) NOT NULL)`,
		`CREATE TABLE slots (id int PRIMARY KEY, marker varchar(40) NOT NULL)`,
		`CREATE TABLE changes (slot int NOT NULL, marker varchar(40) NOT NULL)`,
		`CREATE TRIGGER note AFTER UPDATE ON slots FOR EACH ROW INSERT INTO changes VALUES (NEW.id, NEW.marker)`,
		`INSERT INTO slots WITH RECURSIVE n AS (SELECT 1 AS id UNION ALL SELECT id + 1 FROM n WHERE id < 900) SELECT id, 'free' FROM n`,
		`INSERT INTO slots SELECT n.id + 900 * m.id, 'free' FROM slots n, slots m WHERE m.id <= 21`,
	},
}

var bindings = []api.BindingRequest{
	{ToolName: "Book", Operation: "bookings.insert", IsWrite: true, InputObjectMap: []api.InputObject{{Field: "marker", Param: "marker"}}},
	{
		ToolName: "Take a slot", Operation: "slots.update", IsWrite: true, SQLWrite: &api.SQLWrite{KeyColumn: "id", KeyParam: "slot"},
		InputObjectMap: []api.InputObject{{Field: "marker", Param: "marker"}},
	},
}

// business is a connected, bound and published database.
type business struct {
	*apptest.App
	db    *dbtest.Database
	agent string
}

// open publishes the two writes over db, connected to through port, behind which
// tap is. What is said until the end of the test is judged then (INV4).
func open(t *testing.T, db *dbtest.Database, tap *wiretest.Wiretap, port int) *business {
	t.Helper()
	db.Exec(t, tables[db.Kind]...)
	qualified := ""
	if db.Kind == "mysql" {
		qualified = db.Name + "."
	}
	reader, writer := db.User(t, "SELECT"), db.User(t, "SELECT", "INSERT ON "+qualified+"bookings", "UPDATE ON "+qualified+"slots")
	b := &business{db: db, App: apptest.New(t, apptest.Options{Connect: func(c *api.Credentials) {
		c.Port, c.WriteUser, c.WritePassword = api.Port(strconv.Itoa(port)), writer.User, writer.Password
	}})}
	b.Connected(t, db, reader)
	c := b.Client()
	agent, err := c.CreateAgent(t.Context(), api.AgentRequest{Name: "Front desk", Country: "US"})
	if err != nil {
		t.Fatal(err)
	}
	b.agent = agent.ID
	for _, binding := range bindings {
		skill, err := c.Bind(t.Context(), agent.ID, db.Kind, binding)
		if err != nil {
			t.Fatalf("bind: %v", err)
		}
		if _, err := c.PatchSkill(t.Context(), agent.ID, skill.ID, api.SkillPatch{IsEnabled: new(true), PlanDigest: &skill.ExecutionConfig.PlanDigest}); err != nil {
			t.Fatalf("enable: %v", err)
		}
	}
	if _, err := c.SetCallerVerification(t.Context(), agent.ID, api.CallerVerificationRequest{Method: "asserted"}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Publish(t.Context(), agent.ID, ""); err != nil {
		t.Fatalf("publish: %v", err)
	}
	compiled := b.Compiled(t)
	t.Cleanup(func() { tap.Check(t, compiled) })
	return b
}

// write is one that an agent asks for. Its marker is no other's.
type write struct {
	conversation string
	marker       string
	slot         int // 0: a booking
}

// ring starts a conversation of a verified caller.
func ring(t *testing.T, c *client.Client, agent string) string {
	t.Helper()
	conv, err := c.Start(t.Context(), agent, api.ConversationRequest{Channel: "voice", Caller: &api.Caller{Phone: "+12065550177"}})
	if err != nil {
		t.Fatalf("start a conversation: %v", err)
	}
	verify(t, c, conv.ID)
	return conv.ID
}

func verify(t *testing.T, c *client.Client, conversation string) {
	t.Helper()
	if a, err := c.Verify(t.Context(), conversation, api.VerificationRequest{Asserted: true, Subject: json.RawMessage(`1`)}); err != nil || !a.Verified {
		t.Fatalf("assert: %+v, %v", a, err)
	}
}

// ask asks for the write, and consents when asked.
func (w write) ask(t *testing.T, c *client.Client, call string) (api.ToolCallAnswer, error) {
	r := api.ToolCallRequest{ToolCallID: call, Tool: "book", Arguments: map[string]json.RawMessage{"marker": json.RawMessage(strconv.Quote(w.marker))}}
	if w.slot != 0 {
		r.Tool, r.Arguments["slot"] = "take_a_slot", json.RawMessage(strconv.Itoa(w.slot))
	}
	a, err := c.Call(t.Context(), w.conversation, r)
	if err == nil && a.Confirmation != nil {
		r.ConfirmationToken = a.Confirmation.Token
		a, err = c.Call(t.Context(), w.conversation, r)
	}
	return a, err
}

// insist asks until there is more to say than that it cannot be done just now.
func (w write) insist(t *testing.T, c *client.Client, call string) (api.ToolCallAnswer, error) {
	for limit := time.Now().Add(2 * knownWithin); ; {
		a, err := w.ask(t, c, call)
		waits := a.Outcome == api.OutcomeBusy || a.Outcome == api.OutcomePending || a.Outcome == api.OutcomeUnavailable
		if err != nil || !waits || time.Now().After(limit) {
			return a, err
		}
		if a.RetryAfterMs != nil { // as agents are told to
			<-time.After(time.Duration(*a.RetryAfterMs) * time.Millisecond)
		}
	}
}

// ledger is what the database says was written: the results under which it was.
type ledger map[string][]string

// read reads the ledger of the markers that begin with prefix.
func read(t *testing.T, db *dbtest.Database, prefix string) ledger {
	t.Helper()
	l := ledger{}
	for _, row := range db.Query(t, fmt.Sprintf(`SELECT marker, id FROM bookings WHERE marker LIKE '%s%%'`, prefix)) {
		l[row[0]] = append(l[row[0]], `{"created":{"id":`+row[1]+`}}`)
	}
	for _, row := range db.Query(t, fmt.Sprintf(`SELECT marker, slot FROM changes WHERE marker LIKE '%s%%'`, prefix)) {
		l[row[0]] = append(l[row[0]], `{"updated":1}`)
	}
	return l
}

// compare holds an outcome against the ledger: ok is there, once and as it was
// told, and everything else is not.
func (l ledger) compare(t *testing.T, when string, w write, a api.ToolCallAnswer) {
	t.Helper()
	rows := l[w.marker]
	switch {
	case len(rows) > 1:
		t.Errorf("%s: %s is there %d times", when, w.marker, len(rows))
	case a.Outcome == api.OutcomeOK && len(rows) == 0:
		t.Errorf("%s: %s was acknowledged, and is not there", when, w.marker)
	case a.Outcome == api.OutcomeOK && string(a.Result) != rows[0]:
		t.Errorf("%s: %s is there as %s, and was acknowledged as %s", when, w.marker, rows[0], a.Result)
	case a.Outcome != api.OutcomeOK && len(rows) != 0:
		t.Errorf("%s: %s is there, and was answered %s", when, w.marker, a.Outcome)
	}
}
