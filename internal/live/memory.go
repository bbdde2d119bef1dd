package live

import (
	"context"
	"sync/atomic"

	"flowyte/internal/fault"
)

// What is kept for replay. A read that is asked again after its answer was
// forgotten runs again, which is harmless.
const (
	// maxKept and maxKeptBytes bound what one conversation keeps.
	maxKept      = 128
	maxKeptBytes = 256 << 10
	// maxHeldBytes bounds all of them together: beyond it a conversation keeps
	// only its latest answer.
	maxHeldBytes = 64 << 20
)

// execution is a call that ran, or one that is under way.
type execution struct {
	toolCallID string
	tool       *Tool
	args       string // canonical
	subject    string // of the caller whose own rows it asked for, "" for anybody's
	answer     *Answer
	// done is closed when the call ends; made when somebody waits for it.
	done  chan struct{}
	ended bool
	write *writing // nil for a read
}

// memory holds a conversation's executions by their toolCallId. It is guarded
// by the conversation's mu.
type memory struct {
	byID  map[string]*execution
	kept  []*execution // that have an answer, oldest first
	bytes int
	held  *budget
	gone  bool // the conversation is forgotten

	writes   []*execution
	writeIDs int // under which they were asked for
	begun    int // of them, ever
}

// budget counts the bytes of all answers that are kept.
type budget struct {
	max  int64
	used atomic.Int64
}

// claim takes the id for a call that is about to run, or finds the one that has
// it. The error is tool_call_id_reused when that one is another call: args is
// nil for arguments that did not pass, which no execution had.
func (m *memory) claim(b *budget, toolCallID string, t *Tool, args *string) (mine, earlier *execution, err error) {
	if x := m.byID[toolCallID]; x != nil {
		if x.tool != t || args == nil || x.args != *args {
			return nil, nil, fault.New(fault.ToolCallIDReused)
		}
		return nil, x, nil
	}
	if args == nil {
		return nil, nil, nil
	}
	if m.byID == nil {
		m.byID, m.held = make(map[string]*execution, 8), b
	}
	x := &execution{toolCallID: toolCallID, tool: t, args: *args}
	m.byID[toolCallID] = x
	return x, nil, nil
}

// settle ends a call. An answer makes it an execution that is kept; without
// one the id is free again. A write is kept as long as the conversation.
func (m *memory) settle(x *execution, a *Answer) {
	x.ended, x.answer = true, a
	if x.done != nil {
		close(x.done)
	}
	if a == nil || m.gone {
		delete(m.byID, x.toolCallID)
		if x.write != nil {
			m.dismiss(x)
		}
		return
	}
	m.count(len(a.Result))
	if x.write != nil {
		return
	}
	m.kept = append(m.kept, x)
	limit := maxKeptBytes
	if m.held.used.Load() > m.held.max {
		limit = 0
	}
	for len(m.kept) > maxKept || m.bytes > limit && len(m.kept) > 1 {
		m.forgetOldest()
	}
}

func (m *memory) count(bytes int) {
	m.bytes += bytes
	m.held.used.Add(int64(bytes))
}

func (m *memory) forgetOldest() {
	x := m.kept[0]
	m.kept[0] = nil
	m.kept = m.kept[1:]
	delete(m.byID, x.toolCallID)
	m.count(-len(x.answer.Result))
}

// clear forgets all answers, and those that are still to come.
func (m *memory) clear() {
	m.gone = true
	for len(m.kept) > 0 {
		m.forgetOldest()
	}
	for _, x := range m.writes {
		if x.answer != nil {
			m.count(-len(x.answer.Result))
		}
	}
	m.writes = nil
}

// wait returns the answer of a call that may still be under way; nil when it
// was no execution. The error is that of ctx.
func (c *Conversation) wait(ctx context.Context, x *execution) (*Answer, error) {
	c.mu.Lock()
	if x.ended {
		defer c.mu.Unlock()
		return x.answer, nil
	}
	if x.done == nil {
		x.done = make(chan struct{})
	}
	done := x.done
	c.mu.Unlock()
	select {
	case <-done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return x.answer, nil
}

// Late returns the answer of an earlier call again, waiting within ctx for one
// that is under way. The error is a fault: not_found for an id that no
// execution has, tool_call_in_progress when ctx ends first; a write that was
// begun has an answer at any time.
func (e *Engine) Late(ctx context.Context, c *Conversation, toolCallID string) (*Answer, error) {
	c.mu.Lock()
	x := c.memory.byID[toolCallID]
	c.mu.Unlock()
	if x == nil {
		return nil, fault.New(fault.NotFound)
	}
	var a *Answer
	var err error
	if x.tool.writes() {
		a, err = c.waitWrite(ctx, x, toolCallID)
	} else {
		a, err = c.wait(ctx, x)
	}
	switch {
	case err != nil:
		return nil, fault.Wrap(fault.ToolCallInProgress, err)
	case a == nil:
		return nil, fault.New(fault.NotFound)
	case x.tool.writes(): // it says that it was done, and nothing of anybody
		return e.published.load().reduced(c.keyOf(x.tool), x.tool, a), nil
	}
	if reason := e.published.load().withdrawn(c.keyOf(x.tool), x.tool); reason != "" {
		return &Answer{ToolCallID: toolCallID, Tool: a.Tool, Outcome: Unavailable, Reason: reason}, nil
	}
	if who := c.identify(x.tool, e.now()); who.unverified || who.subject != x.subject {
		return &Answer{ToolCallID: toolCallID, Tool: a.Tool, Outcome: VerificationRequired, Reason: who.reason}, nil
	}
	return a.asReplay(toolCallID), nil
}
