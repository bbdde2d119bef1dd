package live

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/plan"
	"flowyte/internal/target"
)

const (
	// writeLimit is how long a write may take, whether its caller still waits or
	// not; what is not committed by then is rolled back.
	writeLimit = 5 * time.Second
	// leastIntent is how long the journal has for an intent, however little the
	// caller has left.
	leastIntent = 100 * time.Millisecond
	// writeGrace is how long after it the database's adapter may still say so.
	writeGrace = 250 * time.Millisecond
)

const (
	reasonJournal     = "journal_unavailable"
	reasonDeadline    = "deadline"
	reasonMoreThanOne = "more_than_one_row"
	reasonTrial       = "rolled_back_draft"
	reasonExists      = "already_exists"
	reasonRole        = "role_cannot_write"
)

// write is one write on its way, on a goroutine of its own: the caller may be
// gone before it ends.
type write struct {
	e        *Engine
	c        *Conversation // nil for one that is gone
	x        *execution    // nil without a conversation that asks for it
	tool     *Tool
	conn     *Connection
	values   []target.Value
	intent   Intent
	token    *confirmation // that was used; given back if nothing was tried
	began    time.Time
	patience time.Duration // within which the intent must be durable
	turn     bool          // the conversation's turn is held
	kept     evidence
	stats    target.Stats
	lost     string // why nobody can be asked any more
}

// evidence is what the statement's run hands over before its COMMIT. Once it is
// shut nothing more is taken, and without it no COMMIT is sent.
type evidence struct {
	mu     sync.Mutex
	shut   bool
	is     *target.Evidence
	result []byte
}

var errShut = errors.New("live: the write was given up")

func (v *evidence) put(e target.Evidence, result []byte) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.shut {
		return errShut
	}
	v.is, v.result = &e, result
	return nil
}

// close ends the taking of evidence, and gives what there is.
func (v *evidence) close() (*target.Evidence, []byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.shut = true
	return v.is, v.result
}

// verdict is what became of a write, and what stands behind it for the log. A
// Fate of open means that the database must be asked.
type verdict struct {
	Ending
	retryAfter time.Duration
	err        error
}

func rolledBack(a *Answer) verdict {
	return verdict{Ending: Ending{Fate: target.FateRolledBack, Outcome: a.Outcome, Reason: a.Reason}, retryAfter: a.RetryAfter, err: a.Err}
}

// guarded makes an error of a panic.
func guarded(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicked{v, debug.Stack()}
		}
	}()
	return f()
}

// run takes the write from its turn to its end.
func (w *write) run() {
	defer w.e.crew.leave()
	defer w.survive()
	defer w.release()
	ctx, cancel := context.WithTimeout(w.e.background, writeLimit)
	defer cancel()
	if err := w.intend(ctx); err != nil {
		w.settle(rolledBack(&Answer{Outcome: Unavailable, Reason: reasonJournal, RetryAfter: time.Second, Err: err}))
		return
	}
	v := verdict{Ending: Ending{Fate: target.FateOpen}}
	if err := guarded(func() error { v = w.send(ctx); return nil }); err != nil {
		v = w.interrupted(err)
	}
	w.conclude(ctx, v)
}

// survive keeps the process and the claim after a bug in what is not guarded: the
// write stays as far as the journal has it, and is nobody's to run again.
func (w *write) survive() {
	if v := recover(); v != nil {
		w.overdue()
		w.e.log.Error("a write was left where it is", "writeId", w.intent.ID, "error", &panicked{v, debug.Stack()})
	}
}

// conclude finds out what became of an open write, makes it durable and tells.
// When the engine closes first the write stays open in the journal.
func (w *write) conclude(ctx context.Context, v verdict) {
	if v.Fate == target.FateOpen {
		fate, ok := w.resolve(ctx)
		if !ok {
			return
		}
		err := v.err
		v = w.resolved(fate)
		v.err = err
	}
	v.At = w.e.now()
	if w.finish(v.Ending) {
		w.settle(v)
	}
}

// drafts are rolled back, and not journalled.
func (w *write) drafted() bool { return w.c != nil && w.c.Version.Draft }

// intend makes the intent durable, and before it the conversation: without that
// nobody could ask after a restart what became of the write. The confirmation is
// used up by it. A journal that takes too long is one that is not there: while
// nothing was sent the caller need not be told that a write goes on.
func (w *write) intend(ctx context.Context) error {
	if w.drafted() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, w.patience)
	defer cancel()
	return guarded(func() error {
		if err := w.e.recorder.Kept(ctx, w.c); err != nil {
			return err
		}
		return w.e.journal.Intend(ctx, w.intent)
	})
}

// errStuck is for the log: somebody must know that a driver hangs.
var errStuck = fault.Wrap(fault.DatabaseTimeout, errors.New("live: the run did not return at its deadline"))

// within runs f on a goroutine of its own, and waits for it until shortly after
// ctx ends: errStuck is of a driver that does not return.
func within[T any](ctx context.Context, conn *Connection, f func() (T, error)) (T, error) {
	type returned struct {
		value T
		err   error
	}
	back := make(chan returned, 1)
	go func() {
		var r returned
		r.err = guarded(func() (err error) {
			r.value, err = f()
			return err
		})
		back <- r
	}()
	select {
	case r := <-back:
		return r.value, r.err
	case <-ctx.Done():
	}
	last := time.NewTimer(writeGrace)
	defer last.Stop()
	select {
	case r := <-back:
		return r.value, r.err
	case <-last.C:
	}
	conn.stuck.Add(1)
	go func() {
		<-back
		conn.stuck.Add(-1)
	}()
	var none T
	return none, errStuck
}

// send runs the statement.
func (w *write) send(ctx context.Context) verdict {
	sink := &createdRow{leaves: w.tool.leaves, action: w.tool.Plan.Action, location: w.c.Version.Location}
	stats, err := within(ctx, w.conn, func() (target.Stats, error) { return w.statement(ctx, sink) })
	w.stats = stats
	return w.judge(err, sink)
}

func (w *write) statement(ctx context.Context, sink *createdRow) (target.Stats, error) {
	if w.drafted() {
		return w.conn.Runner.Trial(ctx, w.tool.Plan, w.values, sink)
	}
	return w.conn.Runner.Write(ctx, w.tool.Plan, w.values, sink, func(e target.Evidence) error {
		result := sink.result()
		if err := w.e.journal.Executed(ctx, w.intent.ID, e, result); err != nil {
			return &notJournalled{err}
		}
		return w.kept.put(e, result)
	})
}

// notJournalled is why a write was rolled back before its COMMIT.
type notJournalled struct{ cause error }

func (n *notJournalled) Error() string {
	return "live: the journal did not take the evidence: " + n.cause.Error()
}
func (n *notJournalled) Unwrap() error { return n.cause }

// judge turns what came back into a verdict. Of a COMMIT that was not answered,
// a run that did not return and a panic nothing is known but the evidence.
func (w *write) judge(err error, sink *createdRow) verdict {
	var bug *panicked
	switch {
	case err == nil:
		w.e.drift.heal(w.tool, w.conn)
		v := verdict{Ending: Ending{Fate: target.FateCommitted, Outcome: OK, Result: sink.result()}}
		if w.drafted() {
			v.Fate, v.Reason = target.FateRolledBack, reasonTrial
		}
		return v
	case fault.Is(err, fault.CommitUnknown) || err == errStuck || errors.As(err, &bug):
		return w.interrupted(err)
	}
	is, _ := w.kept.close()
	v := rolledBack(outcomeOfWrite(err, is != nil))
	v.err = err
	switch v.Reason {
	case reasonDrifted:
		w.e.drift.mark(w.tool, w.c.keyOf(w.tool), w.conn, w.e.now())
	case reasonMoreThanOne:
		w.suspend()
	}
	return v
}

// interrupted is the verdict on a write whose run did not say how it ended.
// Without evidence it was certainly not committed, and never will be.
func (w *write) interrupted(err error) verdict {
	if is, _ := w.kept.close(); is != nil {
		return verdict{Ending: Ending{Fate: target.FateOpen}, err: err}
	}
	v := rolledBack(failed(err))
	if err == errStuck {
		v.Reason = reasonDeadline
	}
	return v
}

// suspend takes the skill out of use: its key does not find one row. A draft's
// plan may not be the one that is published.
func (w *write) suspend() {
	if w.e.suspend != nil && !w.drafted() {
		i := &w.intent
		_ = guarded(func() error { w.e.suspend(i.Org, i.Agent, i.Skill, reasonMoreThanOne); return nil })
	}
}

// outcomeOfWrite turns what the database's adapter reported of a write that was
// certainly not done into an outcome. ran tells that its row had been written.
func outcomeOfWrite(err error, ran bool) *Answer {
	if j := (*notJournalled)(nil); errors.As(err, &j) {
		return &Answer{Outcome: Unavailable, Reason: reasonJournal, RetryAfter: time.Second}
	}
	switch fault.CodeOf(err) {
	case fault.AlreadyExists:
		return &Answer{Outcome: Conflict, Reason: reasonExists}
	case fault.ConstraintViolated:
		return &Answer{Outcome: Conflict, Reason: "constraint"}
	case fault.MoreThanOneRow:
		return &Answer{Outcome: Conflict, Reason: reasonMoreThanOne}
	case fault.NoRow:
		return &Answer{Outcome: NotFound}
	case fault.NotWritten:
		return &Answer{Outcome: Failed, Reason: "not_written"}
	case fault.RowLocked:
		return &Answer{Outcome: Failed, Reason: "row_locked"}
	case fault.DatabaseTimeout:
		return &Answer{Outcome: Failed, Reason: reasonDeadline}
	case fault.RoleCannotWrite:
		return &Answer{Outcome: Unavailable, Reason: reasonRole}
	}
	a := outcomeOf(context.Background(), err)
	if ran && a.Reason == reasonUnreachable {
		return &Answer{Outcome: Failed, Reason: "connection_lost"}
	}
	return a
}

// settle ends the write for those who wait for it, and lets the next one begin.
// What nothing was tried for is not repeated and asks for no new confirmation,
// unless somebody was promised an outcome: then it failed.
func (w *write) settle(v verdict) {
	a := &Answer{
		ToolCallID: w.intent.ToolCallID, Tool: w.intent.Tool, Outcome: v.Outcome, Reason: v.Reason, Result: v.Result,
		Latency: w.e.now().Sub(w.began), Wait: w.stats.Wait, DB: w.stats.DB, RetryAfter: v.retryAfter, Err: v.err,
	}
	if v.Outcome == OK {
		a.Rows = 1
	}
	if v.Fate == target.FateUnknown || w.x == nil && v.err != nil {
		w.e.log.Error("a write needs a look; see `flowyte journal`", "writeId", w.intent.ID, "fate", string(v.Fate), "error", v.err)
	}
	if w.x == nil {
		return
	}
	c := w.c
	c.mu.Lock()
	defer c.mu.Unlock()
	told := w.x.write.told
	recorded := v.Outcome != Busy && v.Outcome != Unavailable
	switch {
	case !recorded && told:
		a.Outcome, a.RetryAfter, recorded = Failed, 0, true
	case !recorded:
		c.putBackLocked(w.token)
	}
	w.x.write.answer = a
	if recorded {
		c.memory.settle(w.x, a)
	} else {
		c.memory.settle(w.x, nil)
	}
	if told {
		w.e.record(c, eventFinished, called(w.tool, a))
		w.e.meter.Finished(w.intent.Kind, a.Outcome)
		if a.Err != nil {
			w.e.log.Error("a write ended after its caller was released", "writeId", w.intent.ID, "outcome", string(a.Outcome), "error", a.Err)
		}
	}
}

// release lets the conversation's next write begin, and those go who wait for
// the writes under way.
func (w *write) release() {
	if w.turn {
		w.turn = false
		w.e.crew.rest()
		w.c.giveTurn()
	}
}

// createdRow makes the result of a write: the primary key of the row that an
// insert created, or that one was updated.
type createdRow struct {
	leaves   []leaf
	action   plan.Action
	location *time.Location
	row      []byte
}

// Row implements target.RowSink. A second row is of a second try.
func (r *createdRow) Row(cells [][]byte) error {
	if len(cells) != len(r.leaves) {
		return errCells
	}
	s := shaper{leaves: r.leaves, location: r.location}
	for limit := maxTextRunes; limit >= minTextRunes; limit /= 2 {
		s.buf = nil
		s.appendRow(cells, limit)
		if len(s.buf)+len(`{"created":}`) <= maxResultBytes {
			break
		}
	}
	r.row = s.buf
	return nil
}

func (r *createdRow) result() []byte {
	if r.action == plan.Update {
		return []byte(`{"updated":1}`)
	}
	row := r.row
	if row == nil {
		row = []byte("{}")
	}
	return append(append([]byte(`{"created":`), row...), '}')
}
