package live

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/target"
)

// How often a database is asked what became of a write, and the journal to take
// an ending, while they cannot. The last bound, and that of one try, keep an
// open write known within five seconds of the database's return.
const (
	firstRetry = 25 * time.Millisecond
	lastRetry  = time.Second
	oneTry     = 2 * time.Second
)

const (
	reasonRolledBack     = "rolled_back"
	reasonNotEstablished = "not_established"
)

// resolve asks the database what became of the write until it says. While ctx
// lasts the write is under way; afterwards it is unresolved and holds nobody
// up. ok is false when the engine closes first.
func (w *write) resolve(ctx context.Context) (fate target.Fate, ok bool) {
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		if ctx.Err() != nil {
			w.overdue()
			ctx = w.e.background
		}
		if fate, err := w.ask(ctx); err == nil && fate != target.FateOpen {
			return fate, true
		}
		if !pause(ctx, wait) && w.e.background.Err() != nil {
			return "", false
		}
	}
}

// pause is false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// overdue ends the time in which the write is under way.
func (w *write) overdue() {
	if w.x != nil {
		w.c.mu.Lock()
		w.x.write.stage = unresolved
		w.c.mu.Unlock()
	}
	w.release()
}

var errNobody = errors.New("live: there is no connection to ask")

// ask asks once, over the connection of now. The error means that nobody could
// be asked. A database that the organisation is not connected with any more
// will never be asked again.
func (w *write) ask(ctx context.Context) (target.Fate, error) {
	e, _ := w.kept.close()
	if e == nil {
		return target.FateRolledBack, nil
	}
	if w.intent.Plan == nil {
		return target.FateUnknown, nil
	}
	conn := w.e.published.load().Connections[ConnectionKey{w.intent.Org, w.intent.Kind}]
	switch {
	case conn == nil:
		w.lost = reasonNotConnected
		return target.FateUnknown, nil
	case conn.Standing(w.intent.Plan) == reasonElsewhere:
		w.lost = reasonElsewhere
		return target.FateUnknown, nil
	case conn.Runner == nil || conn.stuck.Load() >= maxStuck:
		return "", errNobody
	}
	ctx, cancel := context.WithTimeout(ctx, oneTry)
	defer cancel()
	return within(ctx, conn, func() (target.Fate, error) { return conn.Runner.Resolve(ctx, w.intent.Plan, *e) })
}

// resolved is the verdict on a write that had to be asked for.
func (w *write) resolved(fate target.Fate) verdict {
	end := Ending{Fate: fate}
	switch fate {
	case target.FateCommitted:
		_, end.Result = w.kept.close()
		end.Outcome = OK
	case target.FateRolledBack:
		end.Outcome, end.Reason = Failed, reasonRolledBack
	default:
		end.Outcome, end.Reason = Unknown, cmp.Or(w.lost, reasonNotEstablished)
	}
	return verdict{Ending: end}
}

// finish makes the ending durable, however long that takes: nobody is told
// before. It is false when the engine closes first.
func (w *write) finish(end Ending) bool {
	if w.drafted() {
		return true
	}
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		ctx, cancel := context.WithTimeout(w.e.background, oneTry)
		err := guarded(func() error { return w.e.journal.Finish(ctx, w.intent.ID, end) })
		cancel()
		if err == nil {
			return true
		}
		w.release()
		if !pause(w.e.background, wait) {
			return false
		}
	}
}

// Resume takes up open writes whose conversations are gone. What is not open, or
// was taken up before, is passed over.
func (e *Engine) Resume(writes []Written) {
	for i := range writes {
		if writes[i].Ending == nil {
			e.takeUp(&writes[i], nil, nil)
		}
	}
}

// Recorded is the answer of a write whose conversation is gone, as the journal
// has it; nil for one that was no execution.
func (e *Engine) Recorded(r *Written) *Answer {
	a := &Answer{ToolCallID: r.ToolCallID, Tool: r.Tool, Outcome: Unknown, Reason: reasonResolving, Replayed: true}
	if r.Ending == nil {
		return a
	}
	a.Outcome, a.Reason, a.Result = r.Ending.Outcome, r.Ending.Reason, r.Ending.Result
	conn := e.published.load().Connections[ConnectionKey{r.Org, r.Kind}]
	switch {
	case r.Ending.nothing():
		return nil
	case r.Plan == nil || conn != nil && conn.Standing(r.Plan) == reasonBlocked:
		a.Result = nil
	}
	return a
}

// nothing tells that the write was not tried, so that it may be tried again.
func (end *Ending) nothing() bool { return end.Outcome == Busy || end.Outcome == Unavailable }

// takeUp finds out in the background what became of an open write.
func (e *Engine) takeUp(r *Written, c *Conversation, x *execution) {
	if !e.crew.enlist(r.ID) {
		return
	}
	w := &write{e: e, c: c, x: x, intent: r.Intent, began: e.now(), kept: evidence{shut: true, is: r.Evidence, result: r.Result}}
	if x != nil {
		w.tool = x.tool
	}
	go func() {
		defer e.crew.leave()
		defer w.survive()
		w.conclude(e.background, verdict{Ending: Ending{Fate: target.FateOpen}})
	}()
}

// remember fills a conversation's memory with its writes, the oldest first, and
// takes up those that are open.
func (e *Engine) remember(c *Conversation, writes []Written) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := &c.memory
	m.byID, m.held = make(map[string]*execution, len(writes)), &e.answers
	for i := range writes {
		r := &writes[i]
		t := c.Version.byName[r.Tool]
		nothing := r.Ending != nil && r.Ending.nothing()
		if t == nil || t.PlanDigest != r.PlanDigest || nothing || m.byID[r.ToolCallID] != nil {
			if r.Ending == nil {
				e.takeUp(r, nil, nil)
			}
			continue
		}
		x := &execution{toolCallID: r.ToolCallID, tool: t, args: r.Arguments}
		m.byID[x.toolCallID] = x
		m.enlist(x)
		m.begin(x)
		x.write.id, x.write.stage, x.write.told = r.ID, unresolved, true
		if r.Ending == nil {
			e.takeUp(r, c, x)
			continue
		}
		x.write.answer = &Answer{ToolCallID: r.ToolCallID, Tool: r.Tool, Outcome: r.Ending.Outcome, Reason: r.Ending.Reason, Result: r.Ending.Result}
		m.settle(x, x.write.answer)
	}
}

// crew counts the writes at work, so that a process that stops can wait for
// them.
type crew struct {
	mu       sync.Mutex
	stopping bool
	underWay int
	idle     chan struct{} // made by who waits; closed when none is under way
	known    map[id.Write]bool
	all      sync.WaitGroup
}

// sign lets a write begin; false when no more may.
func (w *crew) sign() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopping {
		return false
	}
	w.underWay++
	w.all.Add(1)
	return true
}

// rest is told that a write is not under way any more: nobody need wait for it.
func (w *crew) rest() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.underWay--; w.underWay == 0 && w.idle != nil {
		close(w.idle)
		w.idle = nil
	}
}

// enlist lets an open write of former times be looked after; false when it is
// already, or no more may be.
func (w *crew) enlist(open id.Write) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopping || w.known[open] {
		return false
	}
	if w.known == nil {
		w.known = map[id.Write]bool{}
	}
	w.known[open] = true
	w.all.Add(1)
	return true
}

func (w *crew) leave() { w.all.Done() }

// stop lets no more begin, and gives a channel that is closed when none is
// under way.
func (w *crew) stop() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopping = true
	idle := w.idle
	if idle == nil {
		idle = make(chan struct{})
		if w.underWay == 0 {
			close(idle)
		} else {
			w.idle = idle
		}
	}
	return idle
}

// Drain lets no more writes begin and waits for those under way, which is five
// seconds at most, or until ctx ends. Writes whose fate is not known by then
// stay open in the journal. The error is the fault shutting_down for writes
// that are still under way.
func (e *Engine) Drain(ctx context.Context) error {
	idle := e.crew.stop()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
	}
	select {
	case <-idle: // both at once
		return nil
	default:
		return fault.Wrap(fault.ShuttingDown, ctx.Err())
	}
}
