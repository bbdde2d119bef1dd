// Package live answers a caller's question: it finds the published plan,
// checks the arguments, asks the database and shapes the answer.
//
// Everything a read needs is in memory. Published versions sit in an immutable
// table behind one atomic pointer; publishing builds a new table and swaps it.
// The package knows neither the store nor the compiler.
package live

import (
	"context"
	"encoding/json"
	"slices"
	"sync/atomic"
	"time"

	"flowyte/internal/id"
	"flowyte/internal/plan"
	"flowyte/internal/schema"
	"flowyte/internal/target"
)

// Runner asks one customer's database. *target.Database is one. It is expected
// to return when ctx ends; callers are released also when it does not.
type Runner interface {
	Run(ctx context.Context, p *plan.Plan, values []target.Value, sink target.RowSink) (target.Stats, error)
	Write(ctx context.Context, p *plan.Plan, values []target.Value, sink target.RowSink, executed func(target.Evidence) error) (target.Stats, error)
	Trial(ctx context.Context, p *plan.Plan, values []target.Value, sink target.RowSink) (target.Stats, error)
	Resolve(ctx context.Context, p *plan.Plan, e target.Evidence) (target.Fate, error)
}

// Version is one published state of an agent, ready to serve. It never changes.
type Version struct {
	ID       id.Version
	Number   int // 0 for a draft
	Org      id.Org
	Agent    id.Agent
	Country  string         // ISO 3166 alpha-2, for phones
	Location *time.Location // for zoned values
	Draft    bool
	Channels []string // that the agent serves
	Tools    []*Tool
	// Verification is how callers prove who they are, nil for not at all.
	Verification *Verification
	byName       map[string]*Tool
}

// NewVersion prepares a version's tools for serving.
func NewVersion(v Version) *Version {
	if v.Location == nil {
		v.Location = time.UTC
	}
	v.byName = make(map[string]*Tool, len(v.Tools))
	for _, t := range v.Tools {
		t.prepare()
		v.byName[t.Name] = t
	}
	if v.Verification != nil {
		v.Verification = v.Verification.prepared()
	}
	return &v
}

// Statements lists whatever the version may run: its tools, and the verifier.
func (v *Version) Statements() []*Tool {
	if v.Verification == nil || v.Verification.Verifier == nil {
		return v.Tools
	}
	return append(slices.Clone(v.Tools), v.Verification.Verifier)
}

// Tool is one skill of a version.
type Tool struct {
	Skill       id.Skill
	Name        string // machine name, unique in the version
	Description string
	Channels    []string // empty means every channel
	Plan        *plan.Plan
	PlanDigest  string
	// Timeout is the whole call's; zero means a second, and it is kept between
	// 100 ms and 2 s.
	Timeout time.Duration
	// RequiresConfirmation and RequiresVerifiedIdentity are the gates before
	// the statement runs.
	RequiresConfirmation     bool
	RequiresVerifiedIdentity bool

	leaves     []leaf // how each column of a row is written
	needsPhone bool   // the statement takes the caller's number from the conversation
	label      []byte // what its receipts say of it
	standing   atomic.Pointer[standing]
}

// Bounds of a call's time; contract §5.1.
const (
	defaultTimeout = time.Second
	minTimeout     = 100 * time.Millisecond
	maxTimeout     = 2 * time.Second
)

func (t *Tool) prepare() {
	if t.Timeout == 0 {
		t.Timeout = defaultTimeout
	}
	t.Timeout = min(max(t.Timeout, minTimeout), maxTimeout)
	t.leaves = leavesOf(t.Plan.Results)
	t.needsPhone = asksPhone(t.Plan)
	t.label = labelOf(t)
}

func (t *Tool) offeredOn(channel string) bool {
	return len(t.Channels) == 0 || slices.Contains(t.Channels, channel)
}

// Connection is what serving needs to know of one organisation's connection:
// whether a plan may be used on it at this moment. A change makes a new one.
type Connection struct {
	Runner Runner
	// Standing gives the reason why a plan cannot be used, "" when it can:
	// "blocked_by_scoping", "drifted", "reconnected_elsewhere" … It is a pure
	// function of the connection's schema, scoping and identity.
	Standing func(*plan.Plan) string

	// stuck counts the runs that did not return at their deadline.
	stuck atomic.Int32
}

// ConnectionKey finds a connection.
type ConnectionKey struct {
	Org  id.Org
	Kind schema.Kind
}

// standing is what a Connection said of a tool's plan, kept until the
// connection is replaced in the table.
type standing struct {
	by     *Connection
	reason string
}

// Table is everything published, at one moment.
type Table struct {
	// Live maps an agent to the version that new conversations get.
	Live map[id.Agent]*Version
	// Connections are consulted at every call, also for conversations that
	// began with an older version.
	Connections map[ConnectionKey]*Connection
	// Suspended skills are switched off in every version at once.
	Suspended map[id.Skill]bool
}

const (
	reasonSuspended    = "suspended"
	reasonBlocked      = "blocked_by_scoping"
	reasonNotConnected = "not_connected"
	reasonElsewhere    = "reconnected_elsewhere"
)

// standingOf gives the connection to run the tool on, or the reason why it
// cannot be used now.
func (t *Table) standingOf(key ConnectionKey, tool *Tool) (*Connection, string) {
	if t.Suspended[tool.Skill] {
		return nil, reasonSuspended
	}
	c := t.Connections[key]
	if c == nil || c.Runner == nil {
		return nil, reasonNotConnected
	}
	if s := tool.standing.Load(); s != nil && s.by == c {
		return c, s.reason
	}
	s := &standing{by: c, reason: c.Standing(tool.Plan)}
	tool.standing.Store(s)
	return c, s.reason
}

// withdrawn tells whether an operator has taken the tool's data back since it
// was answered with: what is withdrawn is not repeated either. "" means no.
func (t *Table) withdrawn(key ConnectionKey, tool *Tool) string {
	if _, reason := t.standingOf(key, tool); reason == reasonSuspended || reason == reasonBlocked {
		return reason
	}
	return ""
}

// published is the pointer that serving reads and publishing swaps.
type published struct{ p atomic.Pointer[Table] }

func (p *published) load() *Table { return p.p.Load() }

// Swap makes t what serving sees from now on. t must not be changed afterwards.
func (e *Engine) Swap(t *Table) {
	e.published.p.Store(t)
	e.drift.forget(t)
}

// Runner is the database behind an organisation's connection, nil without one.
func (e *Engine) Runner(org id.Org, kind schema.Kind) Runner {
	if c := e.published.load().Connections[ConnectionKey{Org: org, Kind: kind}]; c != nil {
		return c.Runner
	}
	return nil
}

// LiveVersion is the version that a new conversation of this agent would get.
func (e *Engine) LiveVersion(org id.Org, agent id.Agent) (*Version, bool) {
	v, ok := e.published.load().Live[agent]
	if !ok || v.Org != org {
		return nil, false
	}
	return v, true
}

// ToolDoc is all that an agent gets to know of a skill in one conversation.
type ToolDoc struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Parameters  json.RawMessage `json:"parameters"`
}
