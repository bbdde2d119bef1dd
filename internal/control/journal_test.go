package control

import (
	"bytes"
	"database/sql"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"flowyte/api"
	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/live"
	"flowyte/internal/plan"
	"flowyte/internal/schema"
	"flowyte/internal/secret"
	"flowyte/internal/store"
	"flowyte/internal/target"
)

// desk is a store with a journal, and what both said in the log.
type desk struct {
	dir     string
	store   *store.Store
	ring    *secret.Keyring
	journal *Journal
	org     store.Org
	log     *diary
}

// diary is a log that is read while it is written.
type diary struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (d *diary) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.b.Write(p)
}

func (d *diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.b.String()
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{dir: filepath.Join(t.TempDir(), "data"), log: &diary{}}
	d.open(t)
	var err error
	if d.org, err = d.store.EnsureOrg(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *desk) open(t *testing.T) {
	t.Helper()
	var err error
	if d.store, err = store.Open(t.Context(), d.dir, store.Options{Serve: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.store.Close() })
	if d.ring, _, err = d.store.Keyring(t.Context(), filepath.Join(d.dir, "master.key")); err != nil {
		t.Fatal(err)
	}
	d.journal = NewJournal(d.store, d.ring, slog.New(slog.NewTextHandler(d.log, nil)))
}

// alter changes the file behind the store's back.
func (d *desk) alter(t *testing.T, query string, args ...any) {
	t.Helper()
	raw, err := sql.Open("sqlite", filepath.Join(d.dir, "flowyte.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if _, err := raw.Exec(query, args...); err != nil {
		t.Fatal(err)
	}
}

var moved = &plan.Plan{
	Format: plan.Format, Kind: schema.Postgres, Action: plan.Update, Object: schema.ColumnRef{Schema: "public", Object: "appointments"}, Statement: "UPDATE …",
	Slots:  []plan.Slot{{Source: plan.FromParam, Name: "to", Column: "starts_at"}, {Source: plan.FromParam, Name: "number"}},
	Params: []plan.Param{}, Results: []plan.Result{},
	Uses:     []plan.Use{{Schema: "public", Object: "appointments", Columns: []string{"number", "starts_at"}, Digest: "d"}},
	Identity: "one",
}

const said = `{"number":"A-1000","to":"2027-01-01T15:00:00"}`

func (d *desk) intent(call string) live.Intent {
	return live.Intent{
		ID: id.New[id.Write](), Org: d.org.ID, Conversation: "cnv_a", Agent: "agt_a", Version: "ver_a", Skill: "skl_a", Kind: schema.Postgres, Object: moved.Object,
		ToolCallID: call, Tool: "move", Plan: moved, PlanDigest: moved.Digest(), Arguments: said, At: time.UnixMilli(1_800_000_000_123).UTC(),
	}
}

var evidence = target.Evidence{Identity: "one", XID: "771", Timeline: 1, Key: []target.Value{{Text: "A-1000"}}, Before: []byte{1}, After: []byte{2}}

func (d *desk) loaded(t *testing.T) []live.Written {
	t.Helper()
	all, err := d.journal.load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all["cnv_a"]
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v (cause %v)", err, fault.Cause(err))
	}
}

// TestJournalGivesBackWhatItTook: after each record, over a restart, and after
// the end while the conversation is open.
func TestJournalGivesBackWhatItTook(t *testing.T) {
	d := newDesk(t)
	must(t, d.store.AppendBatch(t.Context(), []store.ConversationRecord{{ID: "cnv_a", OrgID: d.org.ID, StartedAt: time.Now(), ActiveAt: time.Now()}}, nil))
	i := d.intent("call_1")
	want := live.Written{Intent: i}
	check := func() {
		t.Helper()
		must(t, d.store.Close())
		d.open(t)
		if diff := cmp.Diff([]live.Written{want}, d.loaded(t)); diff != "" {
			t.Errorf("want -, got +:\n%s", diff)
		}
	}
	must(t, d.journal.Intend(t.Context(), i))
	check()
	want.Evidence, want.Result = &evidence, []byte(`{"number":"A-1000"}`)
	must(t, d.journal.Executed(t.Context(), i.ID, target.Evidence{Identity: "before the deadlock"}, nil))
	must(t, d.journal.Executed(t.Context(), i.ID, evidence, want.Result))
	check()
	want.Ending = &live.Ending{Fate: target.FateCommitted, Outcome: live.OK, Reason: "why", Result: []byte(`{"rows":1}`), At: i.At.Add(time.Second)}
	must(t, d.journal.Finish(t.Context(), i.ID, *want.Ending))
	check()
	must(t, d.journal.Finish(t.Context(), i.ID, *want.Ending)) // the answer to the first got lost
	check()
	for _, fate := range []target.Fate{target.FateRolledBack, target.FateUnknown} {
		other := d.intent("call_" + string(fate))
		must(t, d.journal.Intend(t.Context(), other))
		must(t, d.journal.Finish(t.Context(), other.ID, live.Ending{Fate: fate, Outcome: live.Failed, At: i.At}))
		if w := d.loaded(t); w[len(w)-1].Ending == nil || w[len(w)-1].Ending.Fate != fate {
			t.Errorf("%s is %+v", fate, w[len(w)-1])
		}
	}
	if err := d.journal.Intend(t.Context(), d.intent("call_1")); !fault.Is(err, fault.ToolCallIDReused) {
		t.Errorf("a second write of the call: %v", err)
	}
	for _, err := range []error{d.journal.Executed(t.Context(), "wrt_none", evidence, nil), d.journal.Finish(t.Context(), "wrt_none", live.Ending{})} {
		if !fault.Is(err, fault.NotFound) {
			t.Errorf("a record of a write that is not there: %v", err)
		}
	}
}

// TestJournalIsSealed: nothing that a caller said or a database gave stands in
// the files of the data folder.
func TestJournalIsSealed(t *testing.T) {
	d := newDesk(t)
	i := d.intent("call_1")
	must(t, d.journal.Intend(t.Context(), i))
	must(t, d.journal.Executed(t.Context(), i.ID, evidence, []byte("canary-result")))
	must(t, d.journal.Finish(t.Context(), i.ID, live.Ending{Fate: target.FateCommitted, Outcome: live.OK, Result: []byte("canary-result"), At: i.At}))
	raw, err := sql.Open("sqlite", filepath.Join(d.dir, "flowyte.db"))
	must(t, err)
	defer raw.Close()
	var all string
	must(t, raw.QueryRow(`SELECT GROUP_CONCAT(CAST(arguments AS TEXT) || CAST(execution AS TEXT) || CAST(result AS TEXT) || writes.object || outcome || tool) FROM writes`).Scan(&all))
	for _, word := range []string{"A-1000", "canary", "771", "15:00"} {
		if strings.Contains(all, word) {
			t.Errorf("the journal shows %s", word)
		}
	}
}

// TestDamagedRecordIsNeverTakenForNothing: what cannot be read is unknown, and
// never a write that did not happen.
func TestDamagedRecordIsNeverTakenForNothing(t *testing.T) {
	for name, query := range map[string]string{
		"a flipped bit":        `UPDATE writes SET execution = CAST(SUBSTR(execution, 1, LENGTH(execution) - 1) || x'00' AS BLOB) WHERE id = ?1`,
		"another field's":      `UPDATE writes SET execution = arguments WHERE id = ?1`,
		"another write's":      `UPDATE writes SET execution = (SELECT execution FROM writes WHERE id <> ?1) WHERE id = ?1`,
		"arguments of another": `UPDATE writes SET arguments = (SELECT arguments FROM writes WHERE id <> ?1) WHERE id = ?1`,
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			i, other := d.intent("call_1"), d.intent("call_2")
			for _, in := range []live.Intent{i, other} {
				must(t, d.journal.Intend(t.Context(), in))
				must(t, d.journal.Executed(t.Context(), in.ID, evidence, nil))
			}
			d.alter(t, query, i.ID)
			w := d.loaded(t)
			if len(w) != 2 || w[0].Ending == nil || w[0].Ending.Fate != target.FateUnknown || w[0].Ending.Reason != "journal_damaged" || w[1].Ending != nil {
				t.Fatalf("read as %+v", w)
			}
			if !strings.Contains(d.log.String(), string(i.ID)) {
				t.Error("the log does not name the write")
			}
			if w = d.loaded(t); len(w) != 1 || w[0].ID != other.ID { // it has ended, for good
				t.Errorf("the next start reads %+v", w)
			}
			if reports, err := d.store.VerifyAudit(t.Context()); err != nil || len(reports[2].Breaks) != 0 {
				t.Errorf("the end was not chained: %+v, %v", reports[2], err)
			}
		})
	}
}

// TestLostPlanLeavesEvidence: the live path is told that there is no plan, and
// that COMMIT may have been sent.
func TestLostPlanLeavesEvidence(t *testing.T) {
	d := newDesk(t)
	i := d.intent("call_1")
	must(t, d.journal.Intend(t.Context(), i))
	must(t, d.journal.Executed(t.Context(), i.ID, evidence, nil))
	d.alter(t, `UPDATE write_plans SET plan = '{}'`)
	if w := d.loaded(t); len(w) != 1 || w[0].Plan != nil || w[0].Evidence == nil || w[0].Ending != nil {
		t.Errorf("read as %+v", w)
	}
}

// TestWhatToCheck: an operator is told where to look, and nothing that anybody
// said.
func TestWhatToCheck(t *testing.T) {
	d := newDesk(t)
	insert := &plan.Plan{
		Format: plan.Format, Kind: schema.MySQL, Action: plan.Insert, Object: schema.ColumnRef{Schema: "clinic", Object: "notes"},
		Slots:  []plan.Slot{{Source: plan.FromParam, Name: "text", Column: "body"}},
		Params: []plan.Param{}, Results: []plan.Result{{Leaf: "id", Key: true, From: schema.ColumnRef{Schema: "clinic", Object: "notes", Column: "id"}}}, Uses: []plan.Use{},
	}
	loud := *insert
	loud.Slots = []plan.Slot{{Source: plan.FromParam, Name: "text", Column: "\x1b[2Jbody, id; nothing\n"}}
	for _, c := range []struct {
		plan     *plan.Plan
		executed bool
		fate     target.Fate // "" while open
		want     string
	}{
		{moved, false, "", `nothing, its COMMIT was not sent; the service settles it`},
		{moved, true, "", `nothing yet, the service asks the database`},
		{moved, true, target.FateUnknown, `one row by number, columns starts_at; written from 2027-01-15T08:00:00.123Z to `},
		{moved, true, target.FateUnknown, `; transaction 771: SELECT pg_xact_status('771')`},
		{insert, true, target.FateUnknown, `a new row, key id, columns body; written from 2027-01-15T08:00:00.123Z to `},
		{&loud, true, target.FateUnknown, `columns "\x1b[2Jbody, id; nothing\n"; written from `},
		{moved, true, target.FateCommitted, `nothing, it is settled`},
	} {
		i := d.intent(string(id.New[id.Event]()))
		i.Plan, i.PlanDigest, i.Kind, i.Object = c.plan, c.plan.Digest(), c.plan.Kind, c.plan.Object
		must(t, d.journal.Intend(t.Context(), i))
		if c.executed {
			must(t, d.journal.Executed(t.Context(), i.ID, evidence, nil))
		}
		if c.fate != "" {
			must(t, d.journal.Finish(t.Context(), i.ID, live.Ending{Fate: c.fate, Outcome: api.OutcomeUnknown, Reason: "timeline", At: i.At}))
		}
		entries, err := d.journal.Entries(t.Context(), true)
		must(t, err)
		e := entries[len(entries)-1]
		if e.ID != i.ID || e.Organisation != "acme" || e.Tool != "move" || e.Object != i.Object.Schema+"."+i.Object.Object || !strings.Contains(e.Check, c.want) {
			t.Errorf("%s is told as %+v, want %q", c.fate, e, c.want)
		}
		if strings.Contains(e.Check, "A-1000") {
			t.Errorf("a value is told: %s", e.Check)
		}
	}
	entries, err := d.journal.Entries(t.Context(), false)
	must(t, err)
	if len(entries) != 6 {
		t.Errorf("%d writes are open or unknown", len(entries))
	}
}

func TestSettledByAnOperator(t *testing.T) {
	d := newDesk(t)
	for _, committed := range []bool{true, false} {
		i := d.intent(string(id.New[id.Event]()))
		must(t, d.journal.Intend(t.Context(), i))
		if err := d.journal.Settle(t.Context(), i.ID, committed); !fault.Is(err, fault.WriteNotUnknown) {
			t.Errorf("an open write was settled: %v", err)
		}
		must(t, d.journal.Finish(t.Context(), i.ID, live.Ending{Fate: target.FateUnknown, Outcome: api.OutcomeUnknown, At: i.At}))
		must(t, d.journal.Settle(t.Context(), i.ID, committed))
		if err := d.journal.Settle(t.Context(), i.ID, committed); !fault.Is(err, fault.WriteNotUnknown) {
			t.Errorf("a settled write was settled again: %v", err)
		}
	}
	if err := d.journal.Settle(t.Context(), "wrt_none", true); !fault.Is(err, fault.NotFound) {
		t.Errorf("a write that is not there: %v", err)
	}
	entries, err := d.journal.Entries(t.Context(), true)
	must(t, err)
	if entries[0].State != "committed" || entries[1].State != "rolled_back" || entries[0].Reason != "settled_by_operator" {
		t.Errorf("settled as %+v", entries)
	}
}

// TestHarmfulSkillIsSuspended at once and for good, one that left its draft,
// too; and the trail says so.
func TestHarmfulSkillIsSuspended(t *testing.T) {
	d := newDesk(t)
	by := store.Actor{Org: d.org.ID}
	agent, err := d.store.CreateAgent(t.Context(), by, store.Agent{Name: "a"})
	must(t, err)
	kept, err := d.store.CreateSkill(t.Context(), by, store.Skill{AgentID: agent.ID, Kind: "postgres", Name: "k", ToolName: "k", Binding: []byte(`{}`)})
	must(t, err)
	left := id.New[id.Skill]()
	s := New(Options{Store: d.store, Ring: d.ring, Engine: live.New(live.Options{}), Log: slog.New(slog.NewTextHandler(d.log, nil))})
	s.publishing.Lock() // a publish is under way
	for range 2 {
		for _, skill := range []id.Skill{kept.ID, left} {
			s.SuspendHarmful(d.org.ID, agent.ID, skill, "more_than_one_row")
			if !s.served().Suspended[skill] {
				t.Error("a harmful skill is served")
			}
		}
	}
	s.publishing.Unlock()
	s.Close()
	states, err := d.store.LoadSkillStates(t.Context())
	must(t, err)
	found := map[id.Skill]string{}
	for _, st := range states {
		if st.Suspended {
			found[st.SkillID] = st.StatusReason
		}
	}
	if diff := cmp.Diff(map[id.Skill]string{kept.ID: "more_than_one_row", left: ""}, found); diff != "" {
		t.Error(diff)
	}
	list, err := d.store.Activities(t.Context(), d.org.ID, store.Page{})
	must(t, err)
	if list.Items[0].Action != "skill.suspend" || list.Items[0].KeyID != "" {
		t.Errorf("the trail says %+v", list.Items[0])
	}
	if got := d.log.String(); strings.Count(got, "level=WARN") != 4 || !strings.Contains(got, "more_than_one_row") {
		t.Errorf("the log says %s", got)
	}
}

// TestOpenWritesEndWithoutTheirDatabase: at the start every open write is seen
// to, also of conversations, agents and connections that are gone. What was
// never sent to be committed was not done; of the rest nobody can say.
func TestOpenWritesEndWithoutTheirDatabase(t *testing.T) {
	d := newDesk(t)
	unsent, sent := d.intent("call_1"), d.intent("call_2")
	for _, i := range []live.Intent{unsent, sent} {
		must(t, d.journal.Intend(t.Context(), i))
	}
	must(t, d.journal.Executed(t.Context(), sent.ID, evidence, nil))
	engine := live.New(live.Options{Journal: d.journal})
	s := New(Options{Store: d.store, Ring: d.ring, Engine: engine, Journal: d.journal, Log: slog.New(slog.NewTextHandler(d.log, nil))})
	t.Cleanup(s.Close)
	t.Cleanup(engine.Close)
	must(t, s.Load(t.Context()))
	want := map[id.Write]string{unsent.ID: "rolled_back ", sent.ID: "unknown not_connected"}
	for deadline := time.Now().Add(5 * time.Second); ; {
		entries, err := d.journal.Entries(t.Context(), true)
		must(t, err)
		got := map[id.Write]string{}
		for _, e := range entries {
			got[e.ID] = e.State + " " + strings.TrimPrefix(e.Reason, "rolled_back")
		}
		diff := cmp.Diff(want, got)
		if diff == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(diff)
		}
		<-time.After(5 * time.Millisecond)
	}
}
