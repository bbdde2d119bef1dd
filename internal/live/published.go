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
	"sync/atomic"
	"time"

	"flowyte/internal/plan"
	"flowyte/internal/schema"
	"flowyte/internal/target"
)

// The ids are opaque outside the store.
type (
	OrgID          = string
	AgentID        = string
	SkillID        = string
	VersionID      = string
	ConversationID = string
)

// Runner asks one customer's database. *target.Database is one.
type Runner interface {
	Run(ctx context.Context, p *plan.Plan, values []target.Value, sink target.RowSink) (target.Stats, error)
}

// Runners finds the database of an organisation's connection; nil when there
// is none.
type Runners interface {
	Runner(org OrgID, kind schema.Kind) Runner
}

// Version is one published state of an agent, ready to serve. It never changes.
type Version struct {
	ID       VersionID
	Number   int // 0 for a draft
	Org      OrgID
	Agent    AgentID
	Country  string         // ISO 3166 alpha-2, for phones
	Location *time.Location // for zoned values
	Draft    bool
	Tools    []*Tool
	byName   map[string]*Tool
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
	return &v
}

// Tool is one skill of a version.
type Tool struct {
	Skill       SkillID
	Name        string // machine name, unique in the version
	Description string
	Channels    []string // empty means every channel
	Plan        *plan.Plan
	PlanDigest  string
	Timeout     time.Duration

	leaves []leaf // how each column of a row is written
}

func (t *Tool) offeredOn(channel string) bool {
	if len(t.Channels) == 0 {
		return true
	}
	for _, c := range t.Channels {
		if c == channel {
			return true
		}
	}
	return false
}

// Standing is why a published skill cannot be used at the moment. The zero
// value means that it can.
type Standing struct {
	Reason string // "suspended", "blocked_by_scoping", "drifted", "not_connected", "reconnected_elsewhere"
}

// Table is everything published, at one moment.
type Table struct {
	// Live maps an agent to the version that new conversations get.
	Live map[AgentID]*Version
	// Standings holds the skills that cannot be used now. It is consulted at
	// every call, also for conversations that began with an older version.
	Standings map[SkillID]Standing
}

// published is the pointer that serving reads and publishing swaps.
type published struct{ p atomic.Pointer[Table] }

func (p *published) load() *Table {
	if t := p.p.Load(); t != nil {
		return t
	}
	return &Table{}
}

// Swap makes t what serving sees from now on. t must not be changed afterwards.
func (e *Engine) Swap(t *Table) { e.published.p.Store(t) }

// LiveVersion is the version that a new conversation of this agent would get.
func (e *Engine) LiveVersion(org OrgID, agent AgentID) (*Version, bool) {
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
