package live

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"flowyte/internal/id"
	"flowyte/internal/schema"
)

// Event is one step of a conversation. Payload never holds an argument or a
// result.
type Event struct {
	ID           id.Event
	Conversation id.Conversation
	Org          id.Org
	Seq          int64 // from 1 within the conversation
	At           time.Time
	Channel      string
	Type         string
	Payload      json.RawMessage
}

// The types of events.
const (
	eventStarted = "conversation.started"
	eventCalled  = "tool.called"
	// The caller of a conversation proved who they are, or did not.
	eventVerified    = "caller.verified"
	eventNotVerified = "caller.not_verified"
	// A write ended whose caller had been told that it goes on.
	eventFinished = "tool.finished"
	eventEnded    = "conversation.ended"
)

// Recorder keeps what happened. Its methods do not block for our own store.
type Recorder interface {
	// Event keeps one step of c, and sees to it that c's state is kept, too, as
	// it stands when the step is written. It is false when no more steps can be
	// kept. Steps of one conversation come in the order of their Seq. c is
	// locked meanwhile: ask it for its Record later.
	Event(c *Conversation, e Event) bool
	// Full tells that Event would refuse.
	Full() bool
	// Kept returns once c is kept, as it was at its start or later, so that it
	// is there after a restart. It waits for our own store, within ctx.
	Kept(ctx context.Context, c *Conversation) error
}

// Meter counts calls as they end. wait and db are the parts of latency that
// the call spent at the database, both zero when it did not get there.
type Meter interface {
	Called(kind schema.Kind, outcome Outcome, latency, wait, db time.Duration)
	// Finished counts a write that ended after somebody was told that it goes on.
	Finished(kind schema.Kind, outcome Outcome)
}

type unmetered struct{}

func (unmetered) Called(schema.Kind, Outcome, time.Duration, time.Duration, time.Duration) {}
func (unmetered) Finished(schema.Kind, Outcome)                                            {}

// note records a step that has nothing to say but that it happened.
func (e *Engine) note(c *Conversation, kind string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e.noteLocked(c, kind)
}

func (e *Engine) noteLocked(c *Conversation, kind string) {
	payload := []byte("{}")
	if kind == eventStarted {
		payload = append([]byte(`{"versionId":`), appendExact(nil, string(c.Version.ID))...)
		payload = strconv.AppendInt(append(payload, `,"version":`...), int64(c.Version.Number), 10)
		if c.Version.Draft {
			payload = append(payload, `,"draft":true`...)
		}
		payload = append(payload, '}')
	}
	e.record(c, kind, payload)
}

// record hands over one step, in order. A step that is not kept takes no
// number. Called with c.mu held.
func (e *Engine) record(c *Conversation, kind string, payload []byte) bool {
	c.seq++
	kept := e.recorder.Event(c, Event{
		ID: id.New[id.Event](), Conversation: c.ID, Org: c.Version.Org, Seq: c.seq,
		At: e.now(), Channel: c.Channel, Type: kind, Payload: payload,
	})
	if !kept {
		c.seq--
	}
	return kept
}

// recordVerification hands over what came of a verification; no value is in it.
// Called with c.mu held.
func (e *Engine) recordVerification(c *Conversation, v *Verification, a *VerificationAnswer) bool {
	kind := eventNotVerified
	if a.Outcome == OK {
		kind = eventVerified
	}
	b := make([]byte, 0, 256)
	if t := v.Verifier; t == nil {
		b = append(b, `{"method":"asserted"`...)
	} else {
		b = append(b, `{"method":"verifier_skill","skillId":`...)
		b = appendExact(b, string(t.Skill))
		b = append(b, `,"planDigest":`...)
		b = appendExact(b, t.PlanDigest)
	}
	b = append(b, `,"outcome":`...)
	b = appendExact(b, string(a.Outcome))
	if a.Reason != "" {
		b = append(b, `,"reason":`...)
		b = appendExact(b, a.Reason)
	}
	b = append(b, `,"attemptsLeft":`...)
	b = strconv.AppendInt(b, int64(a.AttemptsLeft), 10)
	return e.record(c, kind, append(b, '}'))
}

// labelOf is what the payload of every call of a tool says of the tool.
func labelOf(t *Tool) []byte {
	b := append([]byte(`,"tool":`), appendExact(nil, t.Name)...)
	b = appendExact(append(b, `,"skillId":`...), string(t.Skill))
	b = appendExact(append(b, `,"planDigest":`...), t.PlanDigest)
	return slices.Clip(b)
}

// called is the payload of a tool call: who answered what kind of answer, and
// how long it took.
func called(t *Tool, a *Answer) []byte {
	b := make([]byte, 0, 320)
	b = append(b, `{"toolCallId":`...)
	b = appendExact(b, a.ToolCallID)
	b = append(b, t.label...)
	b = append(b, `,"outcome":`...)
	b = appendExact(b, string(a.Outcome))
	if a.Reason != "" {
		b = append(b, `,"reason":`...)
		b = appendExact(b, a.Reason)
	}
	b = append(b, `,"rows":`...)
	b = strconv.AppendInt(b, int64(a.Rows), 10)
	b = append(b, `,"latencyMs":`...)
	b = appendMs(b, a.Latency)
	b = append(b, `,"dbMs":`...)
	b = appendMs(b, a.DB)
	return append(b, '}')
}
