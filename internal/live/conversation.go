package live

import (
	"crypto/rand"
	"encoding/json"
	"sync"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/plan"
)

// Limits of a conversation; contract §5.
const (
	idleEnd = 2 * time.Hour
	// MaxLookups is how many distinct keys of one lookup a conversation may ask for.
	MaxLookups = 5
	// maxRecorded bounds the answers that a conversation keeps for replay.
	maxRecorded = 1000
)

// Caller is what the telephone side knows about who is calling.
type Caller struct {
	Phone, Name, Email string
}

// Conversation is one call or chat. It keeps the version it began with.
type Conversation struct {
	ID        ConversationID
	Version   *Version
	Channel   string
	StartedAt time.Time
	Metadata  map[string]string
	// known holds the canonical parameters that the conversation can fill in.
	known map[string]string

	mu       sync.Mutex
	lastUsed time.Time
	endedAt  time.Time
	seq      int64
	calls    int
	outcomes map[string]int
	recorded map[string]*recorded
	lookups  map[SkillID]map[string]struct{}
}

// recorded is an execution, or one under way: done is closed when it ends.
type recorded struct {
	tool   string
	args   string // canonical
	done   chan struct{}
	answer *Answer // nil when the call was not an execution
}

// Start opens a conversation on a version. The caller's values are judged like
// arguments; one that is not usable is a fault with the field's name.
func (e *Engine) Start(v *Version, channel string, caller Caller, metadata map[string]string) (*Conversation, error) {
	now := e.now()
	c := &Conversation{
		ID: "cnv_" + rand.Text(), Version: v, Channel: channel, StartedAt: now, Metadata: metadata,
		lastUsed: now, outcomes: map[string]int{}, recorded: map[string]*recorded{}, lookups: map[SkillID]map[string]struct{}{},
	}
	known, err := knownOf(caller, v.Country)
	if err != nil {
		return nil, err
	}
	c.known = known
	if !e.conversations.add(c) {
		return nil, fault.New(fault.TooManyOpen).WithRetryAfter(30 * time.Second)
	}
	e.recorder.Conversation(c.Record())
	e.record(c, "conversation.started", startedPayload{VersionID: v.ID, Version: v.Number, Draft: v.Draft})
	return c, nil
}

type startedPayload struct {
	VersionID string `json:"versionId"`
	Version   int    `json:"version"`
	Draft     bool   `json:"draft,omitempty"`
}

// knownOf keeps the caller's values that are usable. A telephone number that
// the network delivers in an unknown form is no reason to refuse the call: it is
// left out, and the agent asks.
func knownOf(caller Caller, country string) (map[string]string, error) {
	known := map[string]string{}
	for _, k := range []struct {
		name   plan.Canonical
		format plan.ParamFormat
		value  string
	}{
		{plan.CallerPhone, plan.Phone, caller.Phone},
		{plan.CallerEmail, plan.Email, caller.Email},
		{plan.CallerName, plan.Plain, caller.Name},
	} {
		if k.value == "" {
			continue
		}
		if _, ok := plan.Forms(k.format, k.value, country); ok {
			known[string(k.name)] = k.value
		}
	}
	return known, nil
}

// Tools lists the tools of the conversation as its agent sees them: what the
// conversation knows is not required, and what only the caller may say is not
// there at all.
func (c *Conversation) Tools() []ToolDoc {
	docs := make([]ToolDoc, 0, len(c.Version.Tools))
	for _, t := range c.Version.Tools {
		if t.offeredOn(c.Channel) {
			docs = append(docs, ToolDoc{Name: t.Name, Description: t.Description, Parameters: t.Plan.ParametersSchema(c.knows)})
		}
	}
	return docs
}

func (c *Conversation) knows(param string) bool {
	_, ok := c.known[param]
	return ok
}

// End closes the conversation and returns what it leaves behind. Ending twice
// is harmless.
func (e *Engine) End(c *Conversation) Record {
	c.mu.Lock()
	first := c.endedAt.IsZero()
	if first {
		c.endedAt = e.now()
	}
	c.mu.Unlock()
	if first {
		e.record(c, "conversation.ended", struct{}{})
		e.recorder.Conversation(c.Record())
	}
	return c.Record()
}

// Record is what is kept of a conversation.
type Record struct {
	ID        ConversationID
	Org       OrgID
	Agent     AgentID
	VersionID VersionID
	Version   int
	Draft     bool
	Channel   string
	StartedAt time.Time
	EndedAt   time.Time // zero while open
	LastUsed  time.Time
	Calls     int
	Outcomes  map[string]int
	Metadata  map[string]string
	// Known are the caller's own values: personal data, to be sealed at rest.
	Known map[string]string
	Seq   int64
}

// Record is a copy of the conversation's present state.
func (c *Conversation) Record() Record {
	c.mu.Lock()
	defer c.mu.Unlock()
	outcomes := make(map[string]int, len(c.outcomes))
	for k, n := range c.outcomes {
		outcomes[k] = n
	}
	return Record{
		ID: c.ID, Org: c.Version.Org, Agent: c.Version.Agent, VersionID: c.Version.ID, Version: c.Version.Number,
		Draft: c.Version.Draft, Channel: c.Channel, StartedAt: c.StartedAt, EndedAt: c.endedAt, LastUsed: c.lastUsed,
		Calls: c.calls, Outcomes: outcomes, Metadata: c.Metadata, Known: c.known, Seq: c.seq,
	}
}

// Restore takes up a conversation that was open when the process stopped.
func (e *Engine) Restore(r Record, v *Version) bool {
	if !r.EndedAt.IsZero() || e.now().Sub(r.LastUsed) > idleEnd {
		return false
	}
	known := r.Known
	if known == nil {
		known = map[string]string{}
	}
	outcomes := r.Outcomes
	if outcomes == nil {
		outcomes = map[string]int{}
	}
	return e.conversations.add(&Conversation{
		ID: r.ID, Version: v, Channel: r.Channel, StartedAt: r.StartedAt, Metadata: r.Metadata, known: known,
		lastUsed: r.LastUsed, seq: r.Seq, calls: r.Calls, outcomes: outcomes,
		recorded: map[string]*recorded{}, lookups: map[SkillID]map[string]struct{}{},
	})
}

// Event is one step of a conversation. Payload never holds an argument or a
// result.
type Event struct {
	ID           string
	Conversation ConversationID
	Org          OrgID
	Seq          int64
	At           time.Time
	Channel      string
	Type         string
	Payload      json.RawMessage
}

// Recorder keeps what happened. Neither method may block for our own store.
type Recorder interface {
	Conversation(Record)
	// Event reports false when no more can be kept; the call is then refused
	// rather than left unrecorded.
	Event(Event) bool
}

func (e *Engine) record(c *Conversation, kind string, payload any) bool {
	body, err := json.Marshal(payload)
	if err != nil { // payloads are plain structs of ours
		panic("live: " + err.Error())
	}
	c.mu.Lock()
	c.seq++
	seq := c.seq
	c.mu.Unlock()
	return e.recorder.Event(Event{
		ID: "evt_" + rand.Text(), Conversation: c.ID, Org: c.Version.Org, Seq: seq,
		At: e.now(), Channel: c.Channel, Type: kind, Payload: body,
	})
}

// conversations holds the open and lately ended ones.
type conversations struct {
	mu   sync.RWMutex
	max  int
	byID map[ConversationID]*Conversation
}

func (s *conversations) add(c *Conversation) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.byID) >= s.max {
		return false
	}
	s.byID[c.ID] = c
	return true
}

func (s *conversations) get(id ConversationID) *Conversation {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.byID[id]
}

// Find returns an organisation's conversation; another's is not found.
func (e *Engine) Find(org OrgID, id ConversationID) (*Conversation, error) {
	c := e.conversations.get(id)
	if c == nil || c.Version.Org != org {
		return nil, fault.New(fault.NotFound)
	}
	return c, nil
}

// Sweep ends conversations that were idle for two hours and forgets ended ones.
// It runs from a ticker of the assembly.
func (e *Engine) Sweep() {
	now := e.now()
	e.conversations.mu.RLock()
	var idle, over []*Conversation
	for _, c := range e.conversations.byID {
		c.mu.Lock()
		switch {
		case !c.endedAt.IsZero() && now.Sub(c.endedAt) > 10*time.Minute:
			over = append(over, c)
		case c.endedAt.IsZero() && now.Sub(c.lastUsed) > idleEnd:
			idle = append(idle, c)
		}
		c.mu.Unlock()
	}
	e.conversations.mu.RUnlock()
	for _, c := range idle {
		e.End(c)
	}
	e.conversations.mu.Lock()
	defer e.conversations.mu.Unlock()
	for _, c := range over {
		delete(e.conversations.byID, c.ID)
	}
}
