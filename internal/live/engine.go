package live

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"flowyte/internal/id"
)

// Options assemble an engine.
type Options struct {
	Recorder Recorder
	Meter    Meter // nil counts nothing
	// Journal keeps writes; nil serves none but those of drafts.
	Journal Journal
	// Suspend is told of a skill whose write found more than one row: it must
	// not be used again until an operator has looked. It must not block. nil
	// tells nobody.
	Suspend func(org id.Org, agent id.Agent, skill id.Skill, reason string)
	// Log is for what nobody waits for any more; nil discards it.
	Log *slog.Logger
	// MaxConversations bounds those in memory; 0 means 100,000.
	MaxConversations int
	// MaxPerOrg bounds the open ones of one organisation, so that none can
	// lock out the others; 0 means a quarter of MaxConversations.
	MaxPerOrg int
	Now       func() time.Time
}

// Engine serves calls. It is safe for concurrent use. Close ends what it keeps
// running.
type Engine struct {
	published     published
	conversations conversations
	answers       budget
	brake         brake
	journal       Journal
	suspend       func(id.Org, id.Agent, id.Skill, string)
	log           *slog.Logger
	crew          crew
	// background is what writes live in; it ends with the engine.
	background context.Context
	cancel     context.CancelFunc
	recorder   Recorder
	meter      Meter
	drift      drift
	latencies  latencies
	watch      *watch
	jobs       sync.Pool
	now        func() time.Time
}

// New makes an engine that serves nothing until the first Swap.
func New(o Options) *Engine {
	if o.MaxConversations == 0 {
		o.MaxConversations = 100_000
	}
	if o.MaxPerOrg == 0 {
		o.MaxPerOrg = max(1, o.MaxConversations/4)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Meter == nil {
		o.Meter = unmetered{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	e := &Engine{
		meter: o.Meter, conversations: newConversations(o.MaxConversations, o.MaxPerOrg), recorder: o.Recorder,
		journal: o.Journal, suspend: o.Suspend, log: o.Log, now: o.Now, watch: newWatch(),
	}
	e.background, e.cancel = context.WithCancel(context.Background())
	e.answers.max = maxHeldBytes
	e.jobs.New = func() any { return newJob() }
	e.Swap(&Table{})
	return e
}

// Close leaves reads alone: those under way go on to their end, and later ones
// are still answered. Writes under way are broken off, and
// what became of them is found out at the next start: Drain first.
func (e *Engine) Close() {
	e.crew.stop()
	e.cancel()
	e.crew.all.Wait()
	e.watch.close()
}
