package live

import (
	"maps"
	"sync"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/plan"
)

// Limits of a conversation; contract §5.
const (
	idleEnd = 2 * time.Hour
	// MaxLookups is how many distinct keys of one lookup a conversation may ask for.
	MaxLookups = 5
	// Metadata is the client's own, and stays in memory with the conversation.
	maxMetadata      = 32
	maxMetadataBytes = 8 << 10
)

// Caller is what the telephone side knows about who is calling.
type Caller struct {
	Phone, Name, Email string
}

// Conversation is one call or chat. It keeps the version it began with.
type Conversation struct {
	ID        id.Conversation
	Version   *Version
	Channel   string
	StartedAt time.Time
	Metadata  map[string]string
	// known holds the canonical parameters that the conversation can fill in.
	known map[string]string

	mu            sync.Mutex
	lastUsed      time.Time
	endedAt       time.Time // zero while open
	seq           int64
	calls         int
	outcomes      map[string]int
	memory        memory
	lookups       []lookup
	confirmations []confirmation
	readings      readings
	verified      verified
	failures      int // verifications that did not succeed
	// turn is taken by the write that is under way; made by the first.
	turn chan struct{}
}

// Start opens a conversation on a version. Of the caller's values those that
// are not usable are left out. The error is a fault: value_invalid for the
// metadata, rate_limited when the organisation has too many open, too_many_conversations
// when all together have, or no_published_version when the agent was deleted
// meanwhile.
func (e *Engine) Start(v *Version, channel string, caller Caller, metadata map[string]string) (*Conversation, error) {
	if err := checkMetadata(metadata); err != nil {
		return nil, err
	}
	now := e.now()
	c := &Conversation{
		ID: id.New[id.Conversation](), Version: v, Channel: channel, StartedAt: now, Metadata: maps.Clone(metadata),
		known: knownOf(caller, v.Country), lastUsed: now, outcomes: map[string]int{},
	}
	if err := e.conversations.add(c); err != nil {
		return nil, err
	}
	e.note(c, eventStarted)
	// The agent may have gone between its version being found and now: whoever
	// deletes it takes it out of the table first and ends its conversations then.
	if !v.Draft && e.published.load().Live[v.Agent] == nil {
		e.End(c)
		return nil, fault.New(fault.NoPublishedVersion)
	}
	return c, nil
}

func checkMetadata(metadata map[string]string) error {
	size := 0
	for k, v := range metadata {
		size += len(k) + len(v)
	}
	if len(metadata) > maxMetadata || size > maxMetadataBytes {
		return fault.New(fault.ValueInvalid).WithField("metadata", "must have at most %d entries and %d bytes in all", maxMetadata, maxMetadataBytes)
	}
	return nil
}

// knownOf keeps the caller's values that are usable. A telephone number that
// the network delivers in an unknown form is no reason to refuse the call: it is
// left out, and the agent asks.
func knownOf(caller Caller, country string) map[string]string {
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
	return known
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

// tool finds what the agent was offered.
func (c *Conversation) tool(name string) (*Tool, error) {
	t := c.Version.byName[name]
	if t == nil || !t.offeredOn(c.Channel) {
		return nil, fault.New(fault.UnknownTool)
	}
	return t, nil
}

// touch begins a call. The error is conversation_ended, also for a
// conversation that lay idle for too long and was not swept yet.
func (e *Engine) touch(c *Conversation, now time.Time) error {
	c.mu.Lock()
	ended, idle := !c.endedAt.IsZero(), c.idle(now)
	if !ended && !idle {
		c.lastUsed = now
	}
	c.mu.Unlock()
	if idle {
		e.endAt(c, c.idleSince())
	}
	if ended || idle {
		return fault.New(fault.ConversationEnded)
	}
	return nil
}

// idle tells whether an open conversation has been left for two hours. Called
// with mu held.
func (c *Conversation) idle(now time.Time) bool {
	return c.endedAt.IsZero() && now.Sub(c.lastUsed) >= idleEnd
}

// idleSince is when an idle conversation came to its end.
func (c *Conversation) idleSince() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lastUsed.Add(idleEnd)
}

// End closes the conversation and returns what it leaves behind. Ending twice
// is harmless.
func (e *Engine) End(c *Conversation) Record {
	e.endAt(c, e.now())
	return c.Record()
}

func (e *Engine) endAt(c *Conversation, at time.Time) {
	c.mu.Lock()
	first := c.endedAt.IsZero()
	if first {
		c.endedAt = at
		c.confirmations, c.readings = nil, readings{}
		e.noteLocked(c, eventEnded)
	}
	c.mu.Unlock()
	if first {
		e.conversations.closed(c, e.now())
	}
}

// Record is what is kept of a conversation.
type Record struct {
	ID        id.Conversation
	Org       id.Org
	Agent     id.Agent
	VersionID id.Version
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
	// FailedVerifications count against the version's MaxAttempts.
	FailedVerifications int
	Seq                 int64
}

// Record is a copy of the conversation's present state.
func (c *Conversation) Record() Record {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Record{
		ID: c.ID, Org: c.Version.Org, Agent: c.Version.Agent, VersionID: c.Version.ID, Version: c.Version.Number,
		Draft: c.Version.Draft, Channel: c.Channel, StartedAt: c.StartedAt, EndedAt: c.endedAt, LastUsed: c.lastUsed,
		Calls: c.calls, Outcomes: maps.Clone(c.outcomes), Metadata: c.Metadata, Known: c.known, Seq: c.seq, FailedVerifications: c.failures,
	}
}

// Restore takes up a conversation that was open when the process stopped, with
// its writes in the order in which they were begun. It is false for one that
// has been idle for too long, which is ended instead, and when there is no room.
// What became of its open writes is found out in any case.
func (e *Engine) Restore(r Record, v *Version, writes []Written) bool {
	defer e.Resume(writes) // of those that nobody took up
	if !r.EndedAt.IsZero() {
		return false
	}
	c := &Conversation{
		ID: r.ID, Version: v, Channel: r.Channel, StartedAt: r.StartedAt, Metadata: r.Metadata, known: r.Known,
		lastUsed: r.LastUsed, seq: r.Seq, calls: r.Calls, outcomes: maps.Clone(r.Outcomes), failures: r.FailedVerifications,
	}
	if c.outcomes == nil {
		c.outcomes = map[string]int{}
	}
	if e.conversations.add(c) != nil {
		return false
	}
	e.remember(c, writes)
	if e.now().Sub(r.LastUsed) >= idleEnd {
		e.endAt(c, r.LastUsed.Add(idleEnd))
		return false
	}
	return true
}
