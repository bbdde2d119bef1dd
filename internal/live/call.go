package live

import (
	"context"
	"errors"
	"time"

	"flowyte/internal/target"
)

// Request is one tool call; ParseRequest reads it from the wire.
type Request struct {
	ToolCallID        string
	Tool              string
	Args              []Arg
	ConfirmationToken string
}

// Call answers one question, within the tool's time whatever the database does.
// The order of the checks is the contract's: arguments, availability, limits,
// verification, confirmation, capacity, and then the database.
//
// The error is a fault for what is not an outcome: unknown_tool,
// conversation_ended, tool_call_id_reused.
func (e *Engine) Call(ctx context.Context, c *Conversation, r Request) (*Answer, error) {
	began := e.now()
	if err := e.touch(c, began); err != nil {
		return nil, err
	}
	t, err := c.tool(r.Tool)
	if err != nil {
		return nil, err
	}
	within := e.watch.begin(ctx, t.Timeout)
	defer within.finish()
	ctx = within

	k := call{e: e, c: c, t: t, id: r.ToolCallID, token: r.ConfirmationToken, began: began, who: c.identify(t, began)}
	complaints := c.judge(t, r.Args, &k.args)
	if complaints == nil && k.who.unverified {
		// Nothing is recorded of such a call, and nothing recorded is repeated to
		// somebody who is not verified.
		return k.finish(nil, k.answer(ctx)), nil
	}
	k.args.ownedBy(k.who.subject)
	for {
		mine, earlier, err := k.claim(complaints)
		switch {
		case err != nil:
			return nil, err
		case complaints != nil:
			return k.finish(nil, &Answer{Outcome: InvalidArguments, Complaints: complaints}), nil
		case mine != nil && k.t.writes():
			a, repeated, err := k.write(ctx, mine)
			if a != nil || err != nil {
				return a, err
			}
			earlier = repeated
		case mine != nil:
			return k.run(ctx, mine), nil
		}
		if a := k.replay(ctx, earlier); a != nil {
			return a, nil
		}
		// The earlier call was no execution after all, so that this one may be.
	}
}

// call is one question on its way.
type call struct {
	e     *Engine
	c     *Conversation
	t     *Tool
	id    string
	token string
	args  judged
	who   identity
	began time.Time
}

func (c *Conversation) keyOf(t *Tool) ConnectionKey {
	return ConnectionKey{c.Version.Org, t.Plan.Kind}
}

func (k *call) claim(complaints []Complaint) (mine, earlier *execution, err error) {
	args := &k.args.canonical
	if complaints != nil {
		args = nil
	}
	k.c.mu.Lock()
	defer k.c.mu.Unlock()
	mine, earlier, err = k.c.memory.claim(&k.e.answers, k.id, k.t, args)
	if mine != nil {
		mine.subject = k.who.subject
	}
	return mine, earlier, err
}

// replay gives the answer of the earlier call under this id, waiting for it
// within this call's own deadline. It is nil when there is none to repeat.
func (k *call) replay(ctx context.Context, earlier *execution) *Answer {
	if k.t.writes() {
		return k.join(ctx, earlier)
	}
	a, err := k.c.wait(ctx, earlier)
	if err != nil {
		return k.finish(nil, &Answer{Outcome: TimedOut, Reason: reasonOf(ctx)})
	}
	if a == nil {
		return nil
	}
	if reason := k.e.published.load().withdrawn(k.c.keyOf(k.t), k.t); reason != "" {
		return k.finish(nil, &Answer{Outcome: Unavailable, Reason: reason})
	}
	return a.asReplay(k.id)
}

// run takes the call through the gates and to the database, and settles the
// claim on its id whatever happens.
func (k *call) run(ctx context.Context, mine *execution) *Answer {
	answered := false
	defer func() {
		if !answered { // a panic: somebody may be waiting
			k.c.mu.Lock()
			defer k.c.mu.Unlock()
			k.c.memory.settle(mine, nil)
		}
	}()
	a := k.finish(mine, k.answer(ctx))
	answered = true
	return a
}

// answer runs the gates after the arguments, then the statement.
func (k *call) answer(ctx context.Context) *Answer {
	conn, stop := k.available()
	if stop != nil {
		return stop
	}
	if reason := k.limit(); reason != "" {
		return &Answer{Outcome: Refused, Reason: reason}
	}
	if k.who.unverified {
		return &Answer{Outcome: VerificationRequired, Reason: k.who.reason}
	}
	var token *confirmation
	if k.t.RequiresConfirmation {
		if token = k.c.confirmed(k.t, k.args.canonical, k.token, k.began); token == nil {
			return &Answer{Outcome: ConfirmationRequired, Reason: k.refusedToken(), Confirmation: k.c.ask(k.t, &k.args, k.began)}
		}
	}
	a := k.admitted(ctx, conn)
	if !a.execution() {
		k.c.putBack(token)
	}
	return a
}

const reasonLookups = "too_many_lookups"

// available finds the connection, or says why the tool cannot be used now.
func (k *call) available() (*Connection, *Answer) {
	conn, reason := k.e.published.load().standingOf(k.c.keyOf(k.t), k.t)
	switch {
	case reason != "":
	case !k.served():
		reason = reasonNotServed
	case k.e.drift.blocked(k.t, conn, k.began):
		reason = reasonDrifted
	case conn.stuck.Load() >= maxStuck:
		return nil, &Answer{Outcome: Unavailable, Reason: reasonUnreachable, RetryAfter: time.Second}
	}
	if reason != "" {
		return nil, &Answer{Outcome: Unavailable, Reason: reason}
	}
	return conn, nil
}

// limit says which limit of the conversation is reached, "" for none.
func (k *call) limit() string {
	switch {
	case k.t.writes():
		k.c.mu.Lock()
		defer k.c.mu.Unlock()
		if k.c.memory.writeIDs >= maxWrites {
			return reasonWrites
		}
	case !k.mayLookUp():
		return reasonLookups
	}
	return ""
}

func (k *call) mayLookUp() bool {
	k.c.mu.Lock()
	defer k.c.mu.Unlock()
	may, _ := k.c.mayLookUp(k.t, k.args.canonical)
	return may
}

func (k *call) refusedToken() string {
	if k.token == "" {
		return ""
	}
	return "confirmation_not_valid"
}

// admitted runs what has passed every gate, if there is room for its receipt.
func (k *call) admitted(ctx context.Context, conn *Connection) *Answer {
	switch {
	case k.e.recorder.Full():
		return receiptsFull()
	case !k.e.drift.try(k.t, conn, k.began):
		return &Answer{Outcome: Unavailable, Reason: reasonDrifted}
	case !k.c.lookUp(k.t, k.args.canonical):
		return &Answer{Outcome: Refused, Reason: reasonLookups}
	}
	a := k.ask(ctx, conn)
	switch {
	case a.execution():
		k.e.drift.heal(k.t, conn)
	case a.Reason == reasonDrifted:
		k.e.drift.mark(k.t, k.c.keyOf(k.t), conn, k.e.now())
	}
	return a
}

var errSlots = errors.New("live: a slot that a read cannot fill")

// ask runs the statement and shapes what comes back.
func (k *call) ask(ctx context.Context, conn *Connection) *Answer {
	j := k.e.jobs.Get().(*job)
	values, ok := k.args.fill(k.t.Plan, j.values[:0])
	if !ok {
		return failed(errSlots)
	}
	j.values = values
	j.shape.begin(k.t, k.c.Version.Location)
	j.run(ctx, conn, k.t, &j.shape)
	a := answerOf(ctx, j)
	j.forget()
	k.e.jobs.Put(j)
	return a
}

func answerOf(ctx context.Context, j *job) *Answer {
	if j.err != nil && !errors.Is(j.err, errEnough) {
		a := outcomeOf(ctx, j.err)
		a.Wait, a.DB, a.Err = j.stats.Wait, j.stats.DB, j.err
		return a
	}
	a := &Answer{Outcome: OK, Result: j.shape.result(), Rows: j.shape.rows, Wait: j.stats.Wait, DB: j.stats.DB}
	if a.Rows == 0 && !j.shape.truncated {
		a.Outcome = NotFound
	}
	return a
}

// finish completes an answer, records it, and settles the claim on the id, if
// there is one. A read's answer whose receipt cannot be kept is not given; a
// write is in the journal.
func (k *call) finish(mine *execution, a *Answer) *Answer {
	k.c.mu.Lock()
	defer k.c.mu.Unlock()
	return k.finishLocked(mine, a)
}

// finishLocked is finish with the conversation's mu held.
func (k *call) finishLocked(mine *execution, a *Answer) *Answer {
	a.ToolCallID, a.Tool = k.id, k.t.Name
	a.Latency = k.e.now().Sub(k.began)
	payload := called(k.t, a)
	c := k.c
	if !k.e.record(c, eventCalled, payload) && a.execution() && !k.t.writes() {
		full := receiptsFull()
		full.ToolCallID, full.Tool, full.Latency, full.Wait, full.DB = a.ToolCallID, a.Tool, a.Latency, a.Wait, a.DB
		a = full
	}
	k.e.meter.Called(k.t.Plan.Kind, a.Outcome, a.Latency, a.Wait, a.DB)
	c.calls++
	c.outcomes[string(a.Outcome)]++
	var kept *Answer
	if a.execution() {
		kept = a
		k.e.latencies.observe(k.t.PlanDigest, a.Latency)
	}
	if mine != nil {
		c.memory.settle(mine, kept)
	}
	return a
}

func receiptsFull() *Answer {
	return &Answer{Outcome: Busy, Reason: "receipts_full", RetryAfter: time.Second}
}

var _ target.RowSink = (*shaper)(nil)
