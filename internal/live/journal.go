package live

import (
	"context"
	"time"

	"flowyte/internal/id"
	"flowyte/internal/plan"
	"flowyte/internal/schema"
	"flowyte/internal/target"
)

// Journal makes writes durable. An error means that nothing was kept; the
// engine never takes it for more than that.
type Journal interface {
	// Intend is called before the statement is sent.
	Intend(ctx context.Context, i Intent) error
	// Executed is called when the row is written and before COMMIT is sent. A
	// second call replaces the first: the write was begun anew after a deadlock.
	Executed(ctx context.Context, w id.Write, e target.Evidence, result []byte) error
	// Finish is called once what became of the write is settled, and before
	// anybody is told. It is called again after an error. Until it succeeds the
	// write is open.
	Finish(ctx context.Context, w id.Write, end Ending) error
}

// Intent is a write that is about to be sent. Arguments are personal data, to
// be sealed at rest.
type Intent struct {
	ID           id.Write
	Org          id.Org
	Conversation id.Conversation
	Agent        id.Agent
	Version      id.Version
	Skill        id.Skill
	Kind         schema.Kind
	Object       schema.ColumnRef // without a column
	ToolCallID   string
	Tool         string
	// Plan is the frozen statement. It is kept beside the write, since versions
	// go with their agent and drafts change. In a Written it is nil when it is
	// lost, which leaves a write with evidence unknown.
	Plan       *plan.Plan
	PlanDigest string
	Arguments  string // canonical, as two calls of a tool are compared
	At         time.Time
}

// Ending is what became of a write, for good. A Fate of unknown is final, too:
// it cannot be established any more, and an operator must look.
type Ending struct {
	Fate    target.Fate // committed, rolled_back or unknown
	Outcome Outcome
	Reason  string
	Result  []byte // JSON, nil for none
	At      time.Time
}

// Written is a write as the journal knows it, for Restore and Resume.
type Written struct {
	Intent
	Evidence *target.Evidence // nil: COMMIT was never sent
	Result   []byte           // that came with the evidence
	Ending   *Ending          // nil: open
}
