package target

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/plan"
)

// Evidence is what is known of a write before its COMMIT is sent: enough to ask
// later whether it took effect. Whoever keeps it seals it.
type Evidence struct {
	Identity string  `json:"identity"`           // of the database, schema.Server.Identity
	XID      string  `json:"xid,omitempty"`      // PostgreSQL: the transaction's id
	Timeline uint32  `json:"timeline,omitempty"` // PostgreSQL; 0 when the server keeps it to itself
	Started  string  `json:"started,omitempty"`  // PostgreSQL: since when the server has not crashed
	Thread   uint64  `json:"thread,omitempty"`   // MySQL family: id of the connection
	Key      []Value `json:"key,omitempty"`      // MySQL family: the arguments of plan.Check
	Before   []byte  `json:"before,omitempty"`   // fingerprint of the row's written columns; nil: no row
	After    []byte  `json:"after,omitempty"`
}

// Fate is what became of a write.
type Fate string

// The fates.
const (
	FateCommitted  Fate = "committed"
	FateRolledBack Fate = "rolled_back"
	// FateOpen: still being decided by the server; ask again.
	FateOpen Fate = "open"
	// FateUnknown: cannot be established any more.
	FateUnknown Fate = "unknown"
)

// Write runs a frozen insert or update in a transaction of its own: exactly one
// row, or nothing. sink gets the row of plan.Results of an insert, nothing of
// an update. executed is called when the row is written and before COMMIT is
// sent; its error rolls back and is returned as it is. After a deadlock or a
// lost session, when nothing can have been committed, the write is tried once
// more within ctx, and sink and executed are called again.
//
// Errors are faults, except those of sink and executed. commit_unknown means
// that COMMIT was sent and not answered; every other one: certainly not done.
func (d *Database) Write(ctx context.Context, p *plan.Plan, args []Value, sink RowSink, executed func(Evidence) error) (Stats, error) {
	var stats Stats
	writes, err := d.pool(ForWrites)
	if err != nil {
		return stats, err
	}
	for again := false; ; again = true {
		begun := time.Now()
		d.lastUsed.Store(begun.UnixNano())
		res, err := writes.acquire(ctx)
		acquired := time.Now()
		stats.Wait += acquired.Sub(begun)
		if err != nil {
			return stats, err
		}
		m := res.Value()
		if m.identity != p.Identity {
			writes.stranger(res)
			return stats, fault.New(fault.IdentityChanged)
		}
		var own error // of the caller's functions
		err = m.call(func(s Session) error {
			return s.Write(ctx, p, args, ownErrors{sink, &own}, func(e Evidence) error {
				own = executed(e)
				return own
			})
		})
		stats.DB += time.Since(acquired)
		writes.learn(m, err)
		writes.put(res)
		if again || own != nil || ctx.Err() != nil || !fault.Is(err, fault.ConnectionLost) {
			return stats, err
		}
	}
}

// ownErrors remembers what a sink returned, which may be a fault like those of
// the session.
type ownErrors struct {
	RowSink
	err *error
}

// Row implements RowSink.
func (o ownErrors) Row(cells [][]byte) error {
	*o.err = o.RowSink.Row(cells)
	return *o.err
}

// Yield waits a moment before a transaction that lost a conflict is tried
// again. At once, it could take the same row before the winner wakes up, and
// lose again.
func Yield(ctx context.Context) {
	const least = 25 * time.Millisecond
	pause := time.NewTimer(least + time.Duration(rand.Int64N(int64(least))))
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-ctx.Done():
	}
}

var errTrial = errors.New("target: a trial ends before its COMMIT")

// Trial is Write rolled back at its end. It returns nil when the write would
// have been done. Sequences move, and triggers have run.
func (d *Database) Trial(ctx context.Context, p *plan.Plan, args []Value, sink RowSink) (Stats, error) {
	stats, err := d.Write(ctx, p, args, sink, func(Evidence) error { return errTrial })
	if errors.Is(err, errTrial) {
		err = nil
	}
	return stats, err
}

// Resolve asks what became of a write. It changes nothing, except that it may
// end the connection that the write ran on. Errors are faults, and mean that
// nobody could be asked.
func (d *Database) Resolve(ctx context.Context, p *plan.Plan, e Evidence) (Fate, error) {
	var fate Fate
	err := d.WithSession(ctx, ForWrites, func(s Session) (err error) {
		if s.Server().Identity != e.Identity {
			fate = FateUnknown
			return nil
		}
		fate, err = s.Resolve(ctx, p, e)
		return err
	})
	return fate, err
}
