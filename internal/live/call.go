package live

import (
	"context"
	"errors"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/plan"
)

// Request is one tool call.
type Request struct {
	ToolCallID string
	Tool       string
	Args       []Arg
}

// Call answers one question. The order of the checks is the contract's:
// arguments, availability, limits, then the database. The error is a fault for
// what is not an outcome: an unknown tool, an ended conversation, a reused id.
func (e *Engine) Call(ctx context.Context, c *Conversation, r Request) (*Answer, error) {
	began := e.now()
	if err := c.touch(began); err != nil {
		return nil, err
	}
	t := c.Version.byName[r.Tool]
	if t == nil || !t.offeredOn(c.Channel) {
		return nil, fault.New(fault.UnknownTool)
	}
	ctx, cancel := context.WithDeadline(ctx, began.Add(t.Timeout))
	defer cancel()

	j, complaints := c.judge(t, r.Args)
	if complaints != nil {
		return e.finish(c, t, began, &Answer{ToolCallID: r.ToolCallID, Outcome: InvalidArguments, Complaints: complaints}), nil
	}
	mine, earlier, err := c.claim(r, j.canonical)
	if err != nil {
		return nil, err
	}
	if mine == nil {
		return e.replay(ctx, c, t, began, r, earlier)
	}
	answer := e.execute(ctx, c, t, j)
	answer.ToolCallID = r.ToolCallID
	answer = e.finish(c, t, began, answer)
	c.settle(r.ToolCallID, mine, answer)
	return answer, nil
}

// Late returns the recorded answer of an earlier call.
func (e *Engine) Late(ctx context.Context, c *Conversation, toolCallID string) (*Answer, error) {
	c.mu.Lock()
	rec := c.recorded[toolCallID]
	c.mu.Unlock()
	if rec == nil {
		return nil, fault.New(fault.NotFound)
	}
	select {
	case <-rec.done:
	case <-ctx.Done():
		return nil, fault.New(fault.ToolCallInProgress)
	}
	if rec.answer == nil {
		return nil, fault.New(fault.NotFound)
	}
	return rec.answer.asReplay(toolCallID), nil
}

func (c *Conversation) touch(now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.endedAt.IsZero() || now.Sub(c.lastUsed) > idleEnd {
		return fault.New(fault.ConversationEnded)
	}
	c.lastUsed = now
	return nil
}

// claim takes the call id for this call, or finds the call that has it.
func (c *Conversation) claim(r Request, args string) (mine, earlier *recorded, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if rec := c.recorded[r.ToolCallID]; rec != nil {
		if rec.tool != r.Tool || rec.args != args {
			return nil, nil, fault.New(fault.ToolCallIDReused)
		}
		return nil, rec, nil
	}
	if len(c.recorded) >= maxRecorded {
		return nil, nil, fault.New(fault.ConversationEnded).WithDetail("The conversation has reached its limit of %d calls.", maxRecorded)
	}
	rec := &recorded{tool: r.Tool, args: args, done: make(chan struct{})}
	c.recorded[r.ToolCallID] = rec
	return rec, nil, nil
}

// settle keeps the answer when the call was an execution, and gives the id back
// when it was not: a gate's answer is never replayed.
func (c *Conversation) settle(id string, rec *recorded, a *Answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if a.execution() {
		rec.answer = a
	} else {
		delete(c.recorded, id)
	}
	close(rec.done)
}

// replay answers with what the first call under this id got, waiting for it
// within this call's own deadline.
func (e *Engine) replay(ctx context.Context, c *Conversation, t *Tool, began time.Time, r Request, rec *recorded) (*Answer, error) {
	select {
	case <-rec.done:
	case <-ctx.Done():
		return e.finish(c, t, began, &Answer{ToolCallID: r.ToolCallID, Outcome: Busy, Reason: "tool_call_in_progress", RetryAfter: 200 * time.Millisecond}), nil
	}
	if rec.answer != nil {
		return rec.answer.asReplay(r.ToolCallID), nil
	}
	// The first one did not run; this one may.
	return e.Call(ctx, c, r)
}

// execute runs the gates after the arguments, then the statement.
func (e *Engine) execute(ctx context.Context, c *Conversation, t *Tool, j *judged) *Answer {
	if s, ok := e.published.load().Standings[t.Skill]; ok && s.Reason != "" {
		return &Answer{Outcome: Unavailable, Reason: s.Reason}
	}
	runner := e.runners.Runner(c.Version.Org, t.Plan.Kind)
	if runner == nil {
		return &Answer{Outcome: Unavailable, Reason: "not_connected"}
	}
	if !c.admitLookup(t, j.canonical) {
		return &Answer{Outcome: Refused, Reason: "too_many_lookups"}
	}
	shape := newShaper(t, c.Version.Location)
	stats, err := runner.Run(ctx, t.Plan, c.values(t, j), shape)
	if err != nil && !errors.Is(err, errEnough) {
		a := answerOf(err, ctx.Err())
		a.DB = stats.DB
		return a
	}
	a := &Answer{Outcome: OK, Result: shape.bytes(), Rows: shape.rows, DB: stats.DB}
	if shape.rows == 0 && !shape.truncated {
		a.Outcome = NotFound
	}
	return a
}

// admitLookup counts the distinct keys that a conversation asks a lookup for,
// so that nobody walks through the customers one by one.
func (c *Conversation) admitLookup(t *Tool, key string) bool {
	if t.Plan.Action != plan.Read {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := c.lookups[t.Skill]
	if seen == nil {
		seen = map[string]struct{}{}
		c.lookups[t.Skill] = seen
	}
	if _, again := seen[key]; again {
		return true
	}
	if len(seen) >= MaxLookups {
		return false
	}
	seen[key] = struct{}{}
	return true
}

// finish completes an answer and records it.
func (e *Engine) finish(c *Conversation, t *Tool, began time.Time, a *Answer) *Answer {
	a.Tool = t.Name
	a.Latency = e.now().Sub(began)
	c.mu.Lock()
	c.calls++
	c.outcomes[string(a.Outcome)]++
	c.mu.Unlock()
	kept := e.record(c, "tool.called", calledPayload{
		ToolCallID: a.ToolCallID, Tool: t.Name, SkillID: t.Skill, PlanDigest: t.PlanDigest, Outcome: a.Outcome, Reason: a.Reason,
		Rows: a.Rows, LatencyMs: ms(a.Latency), DBMs: ms(a.DB),
	})
	if !kept && a.execution() {
		return &Answer{
			ToolCallID: a.ToolCallID, Tool: a.Tool, Outcome: Busy, Reason: "receipts_full",
			RetryAfter: time.Second, Latency: a.Latency, DB: a.DB,
		}
	}
	return a
}

type calledPayload struct {
	ToolCallID string  `json:"toolCallId,omitempty"`
	Tool       string  `json:"tool"`
	SkillID    string  `json:"skillId"`
	PlanDigest string  `json:"planDigest"`
	Outcome    Outcome `json:"outcome"`
	Reason     string  `json:"reason,omitempty"`
	Rows       int     `json:"rows"`
	LatencyMs  float64 `json:"latencyMs"`
	DBMs       float64 `json:"dbMs"`
}
