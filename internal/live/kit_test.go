package live

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/plan"
	"flowyte/internal/schema"
	"flowyte/internal/target"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// database is a Runner that a test makes behave as it likes.
type database func(ctx context.Context, p *plan.Plan, values []target.Value, sink target.RowSink) (target.Stats, error)

// readsOnly is the rest of a Runner that is never asked for a write.
type readsOnly struct{}

func (readsOnly) Write(context.Context, *plan.Plan, []target.Value, target.RowSink, func(target.Evidence) error) (target.Stats, error) {
	panic("a write")
}

func (readsOnly) Trial(context.Context, *plan.Plan, []target.Value, target.RowSink) (target.Stats, error) {
	panic("a trial")
}

func (readsOnly) Resolve(context.Context, *plan.Plan, target.Evidence) (target.Fate, error) {
	panic("a question after a write")
}

func (database) Write(context.Context, *plan.Plan, []target.Value, target.RowSink, func(target.Evidence) error) (target.Stats, error) {
	panic("a write")
}

func (database) Trial(context.Context, *plan.Plan, []target.Value, target.RowSink) (target.Stats, error) {
	panic("a trial")
}

func (database) Resolve(context.Context, *plan.Plan, target.Evidence) (target.Fate, error) {
	panic("a question after a write")
}

func (d database) Run(ctx context.Context, p *plan.Plan, values []target.Value, sink target.RowSink) (target.Stats, error) {
	return d(ctx, p, values, sink)
}

// rows answers every question with the same rows; "NULL" is NULL.
func rows(rows ...[]string) database {
	return func(_ context.Context, _ *plan.Plan, _ []target.Value, sink target.RowSink) (target.Stats, error) {
		for _, r := range rows {
			if err := sink.Row(cellsOf(r)); err != nil {
				return target.Stats{DB: time.Millisecond}, err
			}
		}
		return target.Stats{DB: time.Millisecond}, nil
	}
}

func cellsOf(row []string) [][]byte {
	cells := make([][]byte, len(row))
	for i, text := range row {
		if text != "NULL" {
			cells[i] = []byte(text)
		}
	}
	return cells
}

var oneRow = rows([]string{"2026-05-01T15:00:00", "confirmed"})

// fails answers every question with a fault.
func fails(code fault.Code) database {
	return func(context.Context, *plan.Plan, []target.Value, target.RowSink) (target.Stats, error) {
		return target.Stats{}, fault.New(code)
	}
}

// recorder keeps events in memory and can be full.
type recorder struct {
	mu     sync.Mutex
	events []Event
	of     []*Conversation
	full   bool
	// refuse makes Event refuse although Full said nothing.
	refuse bool
	// onFull is called where a call is past its gates.
	onFull func()
	// onKept is called where a conversation must be kept.
	onKept func(*Conversation) error
}

func (r *recorder) Event(c *Conversation, e Event) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.full || r.refuse {
		return false
	}
	r.events, r.of = append(r.events, e), append(r.of, c)
	return true
}

func (r *recorder) Full() bool {
	if r.onFull != nil {
		r.onFull()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.full
}

func (r *recorder) Kept(_ context.Context, c *Conversation) error {
	if r.onKept != nil {
		return r.onKept(c)
	}
	return nil
}

func (r *recorder) set(full bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.full = full
}

func (r *recorder) list() []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Event(nil), r.events...)
}

const (
	org   = id.Org("org_acme")
	agent = id.Agent("agt_front_desk")
)

var postgresOf = ConnectionKey{org, schema.Postgres}

// kit is an engine with one published version over one connection.
type kit struct {
	t *testing.T
	*Engine
	rec     *recorder
	version *Version
	table   Table
}

func newKit(t *testing.T, d database, tools ...*Tool) *kit {
	return newKitWith(t, Options{}, d, tools...)
}

func newKitWith(t *testing.T, o Options, d database, tools ...*Tool) *kit {
	t.Helper()
	if len(tools) == 0 {
		tools = []*Tool{byPhone()}
	}
	rec := &recorder{}
	o.Recorder = rec
	k := &kit{t: t, Engine: New(o), rec: rec}
	t.Cleanup(k.Close)
	k.version = NewVersion(Version{ID: "ver_1", Number: 1, Org: org, Agent: agent, Country: "US", Tools: tools})
	k.publish(func(next *Table) {
		next.Live = map[id.Agent]*Version{agent: k.version}
		next.Connections = map[ConnectionKey]*Connection{postgresOf: connection(d)}
	})
	return k
}

// connection is a healthy one.
func connection(r Runner) *Connection {
	return &Connection{Runner: r, Standing: func(*plan.Plan) string { return "" }}
}

// publish swaps in a changed table.
func (k *kit) publish(change func(next *Table)) {
	next := k.table
	change(&next)
	k.table = next
	k.Swap(&next)
}

// connect replaces the connection.
func (k *kit) connect(c *Connection) {
	k.publish(func(next *Table) {
		next.Connections = map[ConnectionKey]*Connection{postgresOf: c}
	})
}

func (k *kit) suspend(skills ...id.Skill) {
	k.publish(func(next *Table) {
		next.Suspended = map[id.Skill]bool{}
		for _, s := range skills {
			next.Suspended[s] = true
		}
	})
}

// ring starts a conversation of a caller who is not known.
func (k *kit) ring() *Conversation {
	k.t.Helper()
	return k.ringAs(Caller{})
}

func (k *kit) ringAs(caller Caller) *Conversation {
	k.t.Helper()
	c, err := k.Start(k.version, "voice", caller, nil)
	if err != nil {
		k.t.Fatalf("start: %v", err)
	}
	return c
}

// ask calls and wants an answer, which must be valid JSON. It may be called
// from any goroutine.
func (k *kit) ask(c *Conversation, r Request) *Answer {
	k.t.Helper()
	a, err := k.Call(k.t.Context(), c, r)
	if err != nil {
		k.t.Errorf("call: %v", err)
		return &Answer{}
	}
	if b := a.AppendJSON(nil); !json.Valid(b) {
		k.t.Errorf("the answer is not JSON: %s", b)
	}
	return a
}

// refused calls and wants a fault.
func (k *kit) refused(c *Conversation, r Request, code fault.Code) {
	k.t.Helper()
	a, err := k.Call(k.t.Context(), c, r)
	if !fault.Is(err, code) {
		k.t.Errorf("got %v and %v, want the fault %s", a, err, code)
	}
}

// want compares an answer's outcome and reason.
func want(t *testing.T, a *Answer, o Outcome, reason string) {
	t.Helper()
	if a.Outcome != o || a.Reason != reason {
		t.Errorf("got %s (%s), want %s (%s)", a.Outcome, a.Reason, o, reason)
	}
}

// lookup of an appointment by a phone number, with two leaves.
func byPhone() *Tool { return tool("look_up", "phone", plan.Phone) }

func tool(name, param string, format plan.ParamFormat) *Tool {
	p := &plan.Plan{
		Format: plan.Format, Kind: schema.Postgres, Operation: "appointments.read", Action: plan.Read,
		Statement: "SELECT starts_at, status FROM appointments WHERE " + param + " = ANY($1)",
		Slots:     []plan.Slot{{Source: plan.FromParam, Name: param, Variant: plan.AllVariants, Type: text()}},
		Params:    []plan.Param{{Name: param, Type: text(), Format: format, Required: true}},
		Results: []plan.Result{
			{Leaf: "starts_at", Type: plan.ValueType{Type: schema.DateTime, BaseType: "timestamp"}},
			{Leaf: "status", Type: text()},
		},
		MaxRows: 5, TimeoutMs: 1000,
	}
	if format == plan.Plain {
		p.Slots[0].Variant = 0
	}
	return &Tool{
		Skill: id.Skill("skl_" + name), Name: name, Description: "Looks something up.", Plan: p, PlanDigest: p.Digest(), Timeout: time.Second,
	}
}

func text() plan.ValueType { return plan.ValueType{Type: schema.String, BaseType: "text"} }

// with is a call of look_up with a phone number.
func with(toolCallID, phone string) Request {
	return Request{ToolCallID: toolCallID, Tool: "look_up", Args: []Arg{{"phone", quoted(phone)}}}
}

func quoted(s string) []byte {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return b
}

// phoneOf is one of many numbers.
func phoneOf(i int) string { return fmt.Sprintf("+1206555%04d", i) }
