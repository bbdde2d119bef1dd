package live

import (
	"context"
	"slices"
	"time"

	"flowyte/internal/id"
	"flowyte/internal/plan"
)

// maxWrites bounds the ids under which one conversation asks for writes. What
// became of them is not forgotten while the conversation lives.
const maxWrites = 128

const (
	reasonWrites  = "too_many_writes"
	reasonAnother = "another_write"
	// reasonResolving is of a write whose COMMIT was not answered: the database
	// is being asked what became of it.
	reasonResolving = "being_established"
)

// again is when somebody who was told pending should come back.
const again = 500 * time.Millisecond

// stage is how far a write has come.
type stage uint8

const (
	waiting    stage = iota // for its turn; nothing is journalled
	underWay                // journalled, and at most five seconds on the server
	unresolved              // the five seconds are over and nobody knows
)

// writing is what an execution of a write has beyond that of a read. It is
// guarded by the conversation's mu.
type writing struct {
	id    id.Write
	stage stage
	order int // in which the conversation's writes were begun, from 1
	// told tells that somebody was promised an outcome under this toolCallId.
	told bool
	// answer is how it ended, also when that is nothing to repeat.
	answer *Answer
	// others are further ids under which it was asked for.
	others []string
}

// mayHaveHappened tells whether the write took effect, or may have, or may yet.
func (x *execution) mayHaveHappened() bool {
	return !x.ended && x.write.stage != waiting ||
		x.ended && x.answer != nil && (x.answer.Outcome == OK || x.answer.Outcome == Unknown)
}

func (x *execution) sameObject(o *execution) bool {
	p, q := x.tool.Plan, o.tool.Plan
	return p.Kind == q.Kind && p.Object.Schema == q.Object.Schema && p.Object.Object == q.Object.Object
}

// earlier finds the write that the call repeats: the latest with the same
// arguments that succeeded or is still going on, unless another write on the
// same object came in between. An insert of which nobody knows yet whether it
// succeeded is repeated in any case: it might be there twice. except is not
// looked at. Called with the conversation's mu held.
func (m *memory) earlier(t *Tool, args string, except *execution) *execution {
	var found, queued *execution
	for _, x := range m.writes {
		switch {
		case x == except || x.tool != t || x.args != args:
		case !x.ended && x.write.stage == waiting:
			queued = x
		case !x.mayHaveHappened():
		case t.Plan.Action == plan.Insert && x.isOpen():
			return x
		case found == nil || x.write.order > found.write.order:
			found = x
		}
	}
	if found != nil && !slices.ContainsFunc(m.writes, func(x *execution) bool {
		return x.write.order > found.write.order && x.mayHaveHappened() && x.sameObject(found)
	}) {
		return found
	}
	return queued
}

// isOpen tells whether nobody knows what became of the write.
func (x *execution) isOpen() bool { return !x.ended || x.answer.Outcome == Unknown }

// enlist makes a claimed call one of the conversation's writes, whose turn has
// not come yet. Called with mu held.
func (m *memory) enlist(x *execution) {
	x.write = &writing{id: id.New[id.Write]()}
	m.writes = append(m.writes, x)
	m.writeIDs++
}

// begin gives a write its place among those of the conversation. Called with mu
// held.
func (m *memory) begin(x *execution) {
	m.begun++
	x.write.order, x.write.stage = m.begun, underWay
}

// repeat gives the id of a claimed call to the earlier write that it repeats.
// Called with mu held.
func (m *memory) repeat(mine, earlier *execution) {
	m.settle(mine, nil)
	m.byID[mine.toolCallID] = earlier
	earlier.write.others = append(earlier.write.others, mine.toolCallID)
	m.writeIDs++
}

// dismiss takes a write out of the conversation's that came to nothing. Called
// with mu held.
func (m *memory) dismiss(x *execution) {
	m.writes = slices.DeleteFunc(m.writes, func(o *execution) bool { return o == x })
	m.writeIDs -= 1 + len(x.write.others)
	for _, other := range x.write.others {
		delete(m.byID, other)
	}
}

// unfinished is the answer to somebody who will not wait any longer for a write
// that was begun; nil when it was not. What it promises is kept: the write ends
// in an outcome that is repeated. Called with mu held.
func (x *execution) unfinished(toolCallID string) *Answer {
	if x.write == nil || x.write.stage == waiting {
		return nil
	}
	x.write.told = true
	if x.write.stage == unresolved {
		return &Answer{ToolCallID: toolCallID, Tool: x.tool.Name, Outcome: Unknown, Reason: reasonResolving}
	}
	return &Answer{ToolCallID: toolCallID, Tool: x.tool.Name, Outcome: Pending, RetryAfter: again}
}

// waitWrite is wait for a write: who does not get its outcome within ctx gets
// what there is to say meanwhile. Both are nil for a write that came to nothing.
// The error is that of ctx, for one that was not begun.
func (c *Conversation) waitWrite(ctx context.Context, x *execution, toolCallID string) (*Answer, error) {
	a, err := c.wait(ctx, x)
	if err == nil {
		if a != nil {
			a = a.asReplay(toolCallID)
		}
		return a, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if x.ended {
		if x.answer != nil {
			return x.answer.asReplay(toolCallID), nil
		}
		return nil, nil
	}
	if a := x.unfinished(toolCallID); a != nil {
		a.Replayed = true
		return a, nil
	}
	return nil, err
}

// takeTurn waits until no other write of the conversation is under way. The
// turn is given back by giveTurn.
func (c *Conversation) takeTurn(ctx context.Context) bool {
	c.mu.Lock()
	if c.turn == nil {
		c.turn = make(chan struct{}, 1)
	}
	turn := c.turn
	c.mu.Unlock()
	select {
	case turn <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	if ctx.Err() != nil {
		<-turn
		return false
	}
	return true
}

func (c *Conversation) giveTurn() { <-c.turn }
