package live

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/plan"
	"flowyte/internal/schema"
	"flowyte/internal/target"
)

// clerk is a Runner whose writes a test steers. It keeps what was sent.
type clerk struct {
	database
	mu    sync.Mutex
	sent  []sentence
	asked int // what became of a write
	// write is the statement's run; nil writes the row and commits.
	write func(ctx context.Context, s *statement) error
	// resolve answers what became of a write; nil knows that it is committed.
	resolve func(ctx context.Context) (target.Fate, error)
}

// sentence is one statement with its values, NULL as "NULL".
type sentence struct {
	statement string
	values    []string
	trial     bool
}

// statement is a write that has reached the database.
type statement struct {
	number   int // from 1
	plan     *plan.Plan
	values   []string
	sink     target.RowSink
	executed func(target.Evidence) error
}

// row writes the row and hands over the evidence.
func (s *statement) row() error {
	if len(s.plan.Results) > 0 {
		if err := s.sink.Row(cellsOf([]string{strconv.Itoa(16 + s.number)})); err != nil {
			return err
		}
	}
	return s.executed(target.Evidence{Identity: "db", XID: strconv.Itoa(s.number)})
}

// commit writes the row and commits.
func (s *statement) commit() error { return s.row() }

func (c *clerk) Write(ctx context.Context, p *plan.Plan, values []target.Value, sink target.RowSink, executed func(target.Evidence) error) (target.Stats, error) {
	return target.Stats{DB: time.Millisecond}, c.run(ctx, p, values, sink, executed, false)
}

func (c *clerk) Trial(ctx context.Context, p *plan.Plan, values []target.Value, sink target.RowSink) (target.Stats, error) {
	return target.Stats{DB: time.Millisecond}, c.run(ctx, p, values, sink, func(target.Evidence) error { return nil }, true)
}

func (c *clerk) run(ctx context.Context, p *plan.Plan, values []target.Value, sink target.RowSink, executed func(target.Evidence) error, trial bool) error {
	s := &statement{plan: p, sink: sink, executed: executed}
	for _, v := range values {
		text := v.Text
		if v.Null {
			text = "NULL"
		}
		s.values = append(s.values, text)
	}
	c.mu.Lock()
	c.sent = append(c.sent, sentence{p.Statement, s.values, trial})
	s.number = len(c.sent)
	write := c.write
	c.mu.Unlock()
	if write == nil {
		return s.commit()
	}
	return write(ctx, s)
}

func (c *clerk) Resolve(ctx context.Context, _ *plan.Plan, _ target.Evidence) (target.Fate, error) {
	c.mu.Lock()
	c.asked++
	resolve := c.resolve
	c.mu.Unlock()
	if resolve == nil {
		return target.FateCommitted, nil
	}
	return resolve(ctx)
}

func (c *clerk) statements() []sentence {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.sent)
}

func (c *clerk) set(change func(c *clerk)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(c)
}

// wantSent compares how many statements reached the database.
func (c *clerk) wantSent(t *testing.T, n int) {
	t.Helper()
	if got := c.statements(); len(got) != n {
		t.Errorf("%d statements were sent, want %d: %v", len(got), n, got)
	}
}

// failsWrite answers every write with a fault, before its row is written.
func failsWrite(code fault.Code) func(context.Context, *statement) error {
	return func(context.Context, *statement) error { return fault.New(code) }
}

// loses writes the row, sends COMMIT and hears nothing.
func loses(_ context.Context, s *statement) error {
	if err := s.row(); err != nil {
		return err
	}
	return fault.New(fault.CommitUnknown)
}

// takes lets a write last.
func takes(d time.Duration) func(context.Context, *statement) error {
	return func(ctx context.Context, s *statement) error {
		if !pause(ctx, d) {
			return fault.New(fault.DatabaseTimeout)
		}
		return s.commit()
	}
}

// ledgerBook is a Journal in memory that can be made to fail.
type ledgerBook struct {
	mu    sync.Mutex
	order []id.Write
	by    map[id.Write]*Written
	steps []string
	// fails gives the error of a step: intend, executed or finish.
	fails func(step string) error
	// until is how long the latest intent is waited for.
	until context.Context
}

var errDiskFull = errors.New("the disk is full")

func failing(steps ...string) func(string) error {
	return func(step string) error {
		if slices.Contains(steps, step) {
			return errDiskFull
		}
		return nil
	}
}

func (b *ledgerBook) step(name, shown string, keep func()) error {
	b.mu.Lock()
	fails := b.fails
	b.mu.Unlock()
	if fails != nil { // it may block or panic
		if err := fails(name); err != nil {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.by == nil {
		b.by = map[id.Write]*Written{}
	}
	b.steps = append(b.steps, shown)
	keep()
	return nil
}

func (b *ledgerBook) Intend(ctx context.Context, i Intent) error {
	b.mu.Lock()
	b.until = ctx
	b.mu.Unlock()
	return b.step("intend", "intend", func() {
		b.order = append(b.order, i.ID)
		b.by[i.ID] = &Written{Intent: i}
	})
}

func (b *ledgerBook) Executed(_ context.Context, w id.Write, e target.Evidence, result []byte) error {
	return b.step("executed", "executed "+string(result), func() { b.by[w].Evidence, b.by[w].Result = &e, result })
}

func (b *ledgerBook) Finish(_ context.Context, w id.Write, end Ending) error {
	shown := "finish " + string(end.Fate) + " " + string(end.Outcome)
	if end.Reason != "" {
		shown += " " + end.Reason
	}
	return b.step("finish", shown, func() { b.by[w].Ending = &end })
}

func (b *ledgerBook) set(fails func(string) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fails = fails
}

func (b *ledgerBook) list() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.steps)
}

// holds makes the journal that of an earlier process.
func (b *ledgerBook) holds(writes []Written) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.by, b.order = map[id.Write]*Written{}, nil
	for _, w := range writes {
		b.by[w.ID] = &w
		b.order = append(b.order, w.ID)
	}
}

// written is what a start would read.
func (b *ledgerBook) written() []Written {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []Written
	for _, w := range b.order {
		all = append(all, *b.by[w])
	}
	return all
}

// desk is a kit with tools that write.
type desk struct {
	*kit
	clerk *clerk
	book  *ledgerBook
	meter *ledger
	gone  []id.Skill // suspended by the engine
}

// newDesk offers book (an insert), move (an update) and jot (an insert into
// another table).
func newDesk(t *testing.T, tools ...*Tool) *desk {
	t.Helper()
	if len(tools) == 0 {
		tools = []*Tool{
			writes("book", plan.Insert, "appointments", "phone", "starts_at"),
			writes("move", plan.Update, "appointments", "id", "starts_at"),
			writes("jot", plan.Insert, "notes", "note"),
		}
	}
	d := &desk{clerk: &clerk{database: oneRow}, book: &ledgerBook{}, meter: &ledger{}}
	d.kit = newKitWith(t, Options{Journal: d.book, Meter: d.meter, Suspend: func(o id.Org, a id.Agent, s id.Skill, reason string) {
		if o != org || a != agent || reason != "more_than_one_row" {
			t.Errorf("told to suspend %s of %s and %s for %s", s, o, a, reason)
		}
		d.gone = append(d.gone, s)
	}}, oneRow, tools...)
	d.connect(connection(d.clerk))
	return d
}

// writes makes a tool that writes its parameters into columns of their names.
func writes(name string, action plan.Action, table string, params ...string) *Tool {
	p := &plan.Plan{
		Format: plan.Format, Kind: schema.Postgres, Operation: table + "." + string(action), Action: action,
		Object: schema.ColumnRef{Schema: "public", Object: table}, Statement: string(action) + " " + table, TimeoutMs: 1000,
	}
	for _, param := range params {
		p.Params = append(p.Params, plan.Param{Name: param, Type: text(), Required: true})
		p.Slots = append(p.Slots, plan.Slot{Source: plan.FromParam, Name: param, Column: param, Type: text()})
	}
	if action == plan.Insert {
		p.Results = []plan.Result{{Leaf: "id", Type: plan.ValueType{Type: schema.Integer, BaseType: "int8"}, Key: true}}
	}
	return &Tool{Skill: id.Skill("skl_" + name), Name: name, Plan: p, PlanDigest: p.Digest(), RequiresConfirmation: true}
}

// request is a call with text arguments, in the order of the tool's parameters.
func (d *desk) request(toolCallID, tool string, values ...string) Request {
	r := Request{ToolCallID: toolCallID, Tool: tool}
	for i, v := range values {
		r.Args = append(r.Args, Arg{d.version.byName[tool].Plan.Params[i].Name, quoted(v)})
	}
	return r
}

// confirmed asks, and agrees if there is a question.
func (d *desk) confirmed(c *Conversation, toolCallID, tool string, values ...string) *Answer {
	d.t.Helper()
	r := d.request(toolCallID, tool, values...)
	a := d.ask(c, r)
	if a.Outcome == ConfirmationRequired {
		r.ConfirmationToken = a.Confirmation.Token
		a = d.ask(c, r)
	}
	return a
}

// token asks for the confirmation of a call.
func (d *desk) token(c *Conversation, tool string, values ...string) string {
	d.t.Helper()
	a := d.ask(c, d.request("question", tool, values...))
	want(d.t, a, ConfirmationRequired, a.Reason)
	if a.Confirmation == nil {
		d.t.Fatal("no question")
	}
	return a.Confirmation.Token
}

func (d *desk) late(c *Conversation, toolCallID string) *Answer {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), time.Second)
	defer cancel()
	a, err := d.Late(ctx, c, toolCallID)
	if err != nil {
		d.t.Errorf("late: %v", err)
		return &Answer{}
	}
	return a
}
