package live

import (
	"context"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/plan"
)

const (
	reasonNotServed = "writes_not_served"
	reasonStopping  = "stopping"
)

// writes tells whether the tool changes something.
func (t *Tool) writes() bool { return t.Plan.Action != plan.Read }

// served tells whether the engine runs the tool: a read always, a write where it
// is journalled or rolled back.
func (k *call) served() bool {
	return !k.t.writes() || k.e.journal != nil || k.c.Version.Draft
}

// write takes a claimed call of a write through the gates, and waits for the
// write until the caller's deadline. It settles the claim or hands it to the
// write, whatever happens. Without an answer there is the earlier write that
// the call repeats. The error is conversation_ended.
func (k *call) write(ctx context.Context, mine *execution) (a *Answer, earlier *execution, err error) {
	var token *confirmation
	claimed := true
	defer func() {
		if claimed { // an error, or a panic: somebody may be waiting
			k.drop(mine, token)
		}
	}()
	_, stop := k.available()
	if stop == nil {
		earlier, token, stop = k.admit(mine)
	}
	if stop == nil && earlier == nil && !k.c.takeTurn(ctx) {
		stop = busy(nil, reasonAnother)
	}
	var w *write
	if stop == nil && earlier == nil {
		w, earlier, stop, err = k.begin(ctx, mine, token)
	}
	switch {
	case err != nil:
		return nil, nil, err
	case stop != nil:
		k.c.putBack(token)
		claimed = false
		return k.finish(mine, stop), nil, nil
	case earlier != nil:
		k.c.putBack(token)
		claimed = false
		return nil, earlier, nil
	}
	claimed = false
	go w.run()
	return k.outcome(ctx, mine), nil, nil
}

// drop lets go of a claim that comes to nothing.
func (k *call) drop(mine *execution, token *confirmation) {
	k.c.putBack(token)
	k.c.mu.Lock()
	defer k.c.mu.Unlock()
	k.c.memory.settle(mine, nil)
}

// admit finds the write that the call repeats, or makes it one of the
// conversation's: all at once, so that of two calls at the same time one joins
// the other. A call that repeats needs no confirmation and uses none up.
func (k *call) admit(mine *execution) (earlier *execution, token *confirmation, stop *Answer) {
	c := k.c
	c.mu.Lock()
	defer c.mu.Unlock()
	earlier = c.memory.earlier(k.t, k.args.canonical, mine)
	switch {
	case c.memory.writeIDs >= maxWrites:
		return nil, nil, &Answer{Outcome: Refused, Reason: reasonWrites}
	case earlier != nil:
		c.memory.repeat(mine, earlier)
		return earlier, nil, nil
	case k.t.RequiresConfirmation:
		if token = c.takeToken(k.t, k.args.canonical, k.token, k.began); token == nil {
			return nil, nil, &Answer{Outcome: ConfirmationRequired, Reason: k.refusedToken(), Confirmation: c.question(k.t, &k.args, k.began)}
		}
	}
	c.memory.enlist(mine)
	return nil, token, nil
}

// begin readies a write whose turn has come. Much may have changed while it
// waited: the gates are asked again, and the write before it may have come to
// nothing, which makes this one a repetition after all. The turn goes to the
// write, or is given back.
func (k *call) begin(ctx context.Context, mine *execution, token *confirmation) (w *write, earlier *execution, stop *Answer, err error) {
	mayRun := false
	defer func() {
		if !mayRun {
			k.c.giveTurn()
		}
	}()
	conn, stop := k.available()
	switch {
	case stop != nil:
		return nil, nil, stop, nil
	case k.e.recorder.Full():
		return nil, nil, receiptsFull(), nil
	case !k.e.drift.try(k.t, conn, k.began):
		return nil, nil, &Answer{Outcome: Unavailable, Reason: reasonDrifted}, nil
	}
	k.args.system = k.c.system(k.t, k.e.now())
	values, ok := k.args.fill(k.t.Plan, nil)
	if !ok {
		return nil, nil, failed(errSlots), nil
	}
	c := k.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.endedAt.IsZero() {
		return nil, nil, nil, fault.New(fault.ConversationEnded)
	}
	if earlier = c.memory.earlier(k.t, k.args.canonical, mine); earlier != nil {
		c.memory.repeat(mine, earlier)
		return nil, earlier, nil, nil
	}
	if !k.e.crew.sign() {
		return nil, nil, &Answer{Outcome: Unavailable, Reason: reasonStopping, RetryAfter: time.Second}, nil
	}
	mayRun = true
	c.memory.begin(mine)
	return &write{
		e: k.e, c: c, x: mine, tool: k.t, conn: conn, values: values, token: token, began: k.began, turn: true,
		intent: k.intent(mine), patience: patience(ctx),
	}, nil, nil, nil
}

// patience is nine tenths of what the caller has left: the rest is for the
// answer that nothing was sent.
func patience(ctx context.Context) time.Duration {
	deadline, _ := ctx.Deadline()
	return max(time.Until(deadline)*9/10, leastIntent)
}

func (k *call) intent(mine *execution) Intent {
	v, p := k.c.Version, k.t.Plan
	i := Intent{
		ID: mine.write.id, Org: v.Org, Conversation: k.c.ID, Agent: v.Agent, Version: v.ID, Skill: k.t.Skill, Kind: p.Kind,
		Object: p.Object, ToolCallID: k.id, Tool: k.t.Name, Plan: p, PlanDigest: k.t.PlanDigest, Arguments: k.args.canonical, At: k.args.system.now,
	}
	i.Object.Column = ""
	return i
}

// outcome waits for the end of the call's own write, and promises one when the
// caller's time is over first.
func (k *call) outcome(ctx context.Context, mine *execution) *Answer {
	_, _ = k.c.wait(ctx, mine) // it may have ended at the last moment
	k.c.mu.Lock()
	defer k.c.mu.Unlock()
	a := mine.write.answer
	if a == nil {
		return k.finishLocked(nil, mine.unfinished(k.id))
	}
	own := *a // finish completes it, and replays share it
	return k.finishLocked(nil, &own)
}

// join waits for the write that the call repeats. It is nil when that one came
// to nothing, so that this call may run.
func (k *call) join(ctx context.Context, earlier *execution) *Answer {
	a, err := k.c.waitWrite(ctx, earlier, k.id)
	switch {
	case err != nil:
		return k.finish(nil, busy(nil, reasonAnother))
	case a == nil:
		return nil
	case a.Latency == 0: // not at its end
		a.Latency = k.e.now().Sub(k.began)
	}
	return k.e.published.load().reduced(k.c.keyOf(k.t), k.t, a)
}

// reduced takes out of a write's answer what an operator has blocked since. What
// became of the write is told in any case.
func (t *Table) reduced(key ConnectionKey, tool *Tool, a *Answer) *Answer {
	if a.Result == nil || t.withdrawn(key, tool) != reasonBlocked {
		return a
	}
	less := *a
	less.Result = nil
	return &less
}
