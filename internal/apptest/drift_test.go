package apptest

import (
	"strings"
	"testing"
	"time"

	"flowyte/api"
	"flowyte/internal/dbtest"
	"flowyte/internal/privatedb"
	"flowyte/internal/serve"
)

// ward is a practice with two look-ups over two tables, of which one changes.
type ward struct {
	*App
	db     *dbtest.Database
	login  privatedb.Login
	agent  string
	visits api.Skill
	conv   api.Conversation
	calls  int
}

// The type stays when the table goes: a plan is bound to it by oid.
const visitStatus = "CREATE TYPE visit_status AS ENUM ('scheduled', 'confirmed', 'cancelled')"

var visitsTable = map[string]string{
	"postgres": `CREATE TABLE visits (id int PRIMARY KEY, phone varchar(32) NOT NULL, day date, room int, status visit_status)`,
	"mysql":    `CREATE TABLE visits (id int PRIMARY KEY, phone varchar(32) NOT NULL, day date, room int, status ENUM('scheduled', 'confirmed', 'cancelled'))`,
}

const visitsIndex = "CREATE INDEX visits_phone ON visits (phone)"

// newWard publishes both look-ups. interval is how often used objects are
// looked at, 0 for the product's own.
func newWard(t *testing.T, db *dbtest.Database, interval time.Duration) *ward {
	t.Helper()
	w := &ward{App: New(t, Options{Serve: func(o *serve.Options) { o.DriftInterval = interval }}), db: db}
	if db.Kind == "postgres" {
		db.Exec(t, visitStatus)
	}
	db.Exec(t, visitsTable[db.Kind], visitsIndex, "CREATE TABLE desks (id int PRIMARY KEY, phone varchar(32) NOT NULL, name varchar(40))",
		"CREATE INDEX desks_phone ON desks (phone)", "INSERT INTO desks VALUES (1, '+12065550177', 'North')")
	w.login = db.User(t, "SELECT")
	w.fill(t)
	w.Connected(t, db, w.login)
	c := w.Client()
	agent, err := c.CreateAgent(t.Context(), api.AgentRequest{Name: "Ward", Country: "US"})
	if err != nil {
		t.Fatal(err)
	}
	w.agent = agent.ID
	w.visits = w.bind(t, "Look up a visit", "visits", "day", "room", "status")
	w.bind(t, "Look up a desk", "desks", "name")
	if _, err := c.Publish(t.Context(), w.agent, ""); err != nil {
		t.Fatalf("publish: %v", err)
	}
	w.conv, err = c.Start(t.Context(), w.agent, api.ConversationRequest{Channel: "voice", Caller: &api.Caller{Phone: CanaryPhone}})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *ward) fill(t *testing.T) {
	t.Helper()
	w.db.Exec(t, "INSERT INTO visits VALUES (1, '+12065550177', '2027-05-01', 7, 'confirmed')")
}

func (w *ward) bind(t *testing.T, name, object string, columns ...string) api.Skill {
	t.Helper()
	r := api.BindingRequest{
		ToolName: name, Operation: object + ".read", Enabled: true,
		Inputs: []api.BindingInput{{Param: "caller_phone", Arg: "phone", Required: new(true)}},
	}
	for _, c := range columns {
		r.Projection = append(r.Projection, api.ProjectionEntry{Path: []string{c}, Leaf: c})
	}
	sk, err := w.Client().Bind(t.Context(), w.agent, w.db.Kind, r)
	if err != nil {
		t.Fatalf("bind %s: %v", name, err)
	}
	return sk
}

// ask calls a tool and wants the outcome and reason.
func (w *ward) ask(t *testing.T, tool, outcome, reason string) {
	t.Helper()
	w.calls++
	a, err := w.Client().Call(t.Context(), w.conv.ID, api.ToolCallRequest{ToolCallID: "call-" + time.Duration(w.calls).String(), Tool: tool})
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	if a.Reason != nil {
		got = *a.Reason
	}
	if string(a.Outcome) != outcome || got != reason {
		t.Errorf("%s answers %s %s, want %s %s", tool, a.Outcome, got, outcome, reason)
	}
}

// status reads the skill over visits as an operator sees it.
func (w *ward) status(t *testing.T) (status, reason string) {
	t.Helper()
	sk, err := w.Client().Skill(t.Context(), w.agent, w.visits.ID)
	if err != nil {
		t.Fatal(err)
	}
	return sk.Status, sk.StatusReason
}

// change is one way in which a table changes under a skill, and the way back.
type change struct {
	name     string
	change   []string
	undo     []string
	dropped  bool // the rows and the reader's grant go with the table
	postgres []string
	back     []string // on PostgreSQL, where the statements differ
}

func (c *change) do(t *testing.T, w *ward) {
	if w.db.Kind == "postgres" && c.postgres != nil {
		w.db.Exec(t, c.postgres...)
		return
	}
	w.db.Exec(t, c.change...)
}

func (c *change) revert(t *testing.T, w *ward) {
	switch {
	case c.dropped:
		w.db.Exec(t, visitsTable[w.db.Kind], visitsIndex)
		if w.db.Kind == "postgres" {
			w.db.Exec(t, "GRANT SELECT ON visits TO "+w.login.User)
		}
		w.fill(t)
	case w.db.Kind == "postgres" && c.back != nil:
		w.db.Exec(t, c.back...)
	default:
		w.db.Exec(t, c.undo...)
	}
}

// changes are F12's.
var changes = []change{
	{name: "column dropped", change: []string{"ALTER TABLE visits DROP COLUMN day"}, undo: []string{"ALTER TABLE visits ADD COLUMN day date"}},
	{name: "column renamed", change: []string{"ALTER TABLE visits RENAME COLUMN day TO visit_day"}, undo: []string{"ALTER TABLE visits RENAME COLUMN visit_day TO day"}},
	{
		name: "type changed", change: []string{"ALTER TABLE visits MODIFY room bigint"}, undo: []string{"ALTER TABLE visits MODIFY room int"},
		postgres: []string{"ALTER TABLE visits ALTER room TYPE bigint"}, back: []string{"ALTER TABLE visits ALTER room TYPE int"},
	},
	{
		name: "index dropped", change: []string{"DROP INDEX visits_phone ON visits"}, undo: []string{visitsIndex},
		postgres: []string{"DROP INDEX visits_phone"},
	},
	{
		name:   "enum value removed",
		change: []string{"ALTER TABLE visits MODIFY status ENUM('scheduled', 'confirmed')"},
		undo:   []string{"ALTER TABLE visits MODIFY status ENUM('scheduled', 'confirmed', 'cancelled')"},
		postgres: []string{"ALTER TYPE visit_status RENAME TO visit_status_before", "CREATE TYPE visit_status AS ENUM ('scheduled', 'confirmed')",
			"ALTER TABLE visits ALTER status TYPE visit_status USING status::text::visit_status"},
		// Not the type that was there before, but one like it.
		back: []string{"ALTER TYPE visit_status RENAME TO visit_status_cut", visitStatus,
			"ALTER TABLE visits ALTER status TYPE visit_status USING status::text::visit_status", "DROP TYPE visit_status_cut", "DROP TYPE visit_status_before"},
	},
	{name: "table dropped", change: []string{"DROP TABLE visits"}, dropped: true},
}

// TestDriftIsSeenBetweenDiscoveries is F12: a skill whose objects change is
// unavailable from the next look on, without any call having met the change,
// the others go on, and it is healed when everything is as it was.
func TestDriftIsSeenBetweenDiscoveries(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		w := newWard(t, db, 50*time.Millisecond)
		w.ask(t, "look_up_a_visit", "ok", "")
		for i := range changes {
			c := &changes[i]
			t.Run(c.name, func(t *testing.T) {
				before := w.Log.String()
				c.do(t, w)
				eventually(t, "marking the skill", func() bool { s, _ := w.status(t); return s == "drifted" })
				if _, reason := w.status(t); reason != "drifted" {
					t.Errorf("the reason of its status is %q", reason)
				}
				w.ask(t, "look_up_a_visit", "unavailable", "drifted")
				w.ask(t, "look_up_a_desk", "ok", "")
				c.revert(t, w)
				eventually(t, "healing the skill", func() bool { s, _ := w.status(t); return s == "active" })
				w.ask(t, "look_up_a_visit", "ok", "")
				logged := strings.TrimPrefix(w.Log.String(), before)
				for _, line := range []string{"a skill uses something that changed", "what a skill uses in its database is as it was"} {
					if n := strings.Count(logged, line); n != 1 {
						t.Errorf("%q is logged %d times", line, n)
					}
				}
			})
		}
	})
}

// TestDriftIsSeenByDiscoveryAndCalls is F12 with the product's own interval: a
// call that meets the change marks its skill at once, a discovery names it, and
// the next discovery heals it.
func TestDriftIsSeenByDiscoveryAndCalls(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		w := newWard(t, db, 0)
		for i := range changes {
			c := &changes[i]
			t.Run(c.name, func(t *testing.T) {
				w.ask(t, "look_up_a_visit", "ok", "")
				c.do(t, w)
				if c.name == "column dropped" || c.name == "column renamed" || c.dropped {
					w.ask(t, "look_up_a_visit", "unavailable", "drifted")
					if s, reason := w.status(t); s != "drifted" || reason != "drifted" {
						t.Errorf("after a call met the change the status is %s, %s", s, reason)
					}
				}
				w.discovered(t, w.visits.ID)
				w.ask(t, "look_up_a_visit", "unavailable", "drifted")
				w.ask(t, "look_up_a_desk", "ok", "")
				c.revert(t, w)
				w.discovered(t)
				w.ask(t, "look_up_a_visit", "ok", "")
			})
		}
	})
}

// discovered runs a discovery and wants it to name these skills as drifted.
func (w *ward) discovered(t *testing.T, affected ...string) {
	t.Helper()
	d, err := w.Client().Discover(t.Context(), w.db.Kind)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.AffectedSkills) != len(affected) {
		t.Fatalf("affected %+v, want %v", d.AffectedSkills, affected)
	}
	for i, skill := range affected {
		if a := d.AffectedSkills[i]; a.SkillID != skill || a.Reason != "drifted" {
			t.Errorf("affected %+v, want %s, drifted", a, skill)
		}
	}
}
