package target

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/plan"

	"github.com/jackc/puddle/v2"
)

// pool keeps the sessions of one database for one purpose. It opens them when
// they are needed and never more than its cap.
type pool struct {
	db      *Database
	purpose Purpose
	gate    *gate
	members *puddle.Pool[*member]

	// timeouts counts statements that ran into their deadline since the last
	// one that did not.
	timeouts atomic.Int32
	// handed counts the sessions that were given out, waiting those who want one.
	handed  atomic.Int64
	waiting atomic.Int32
}

// resetAfter is the number of timeouts in a row after which idle sessions are
// dropped, too: after a failover the old address may swallow everything, and
// the new one is found by connecting again.
const resetAfter = 2

// strangerLife is how long a session is kept that leads to another database
// than the statement was compiled for. Then the next one finds out where the
// host leads by now, which may be back; dead sessions would never tell.
const strangerLife = time.Second

// member is a session in a pool. It stands between the session and the
// caller's sink to count rows.
type member struct {
	session  Session
	release  func() // gives the permit back
	opened   time.Time
	expires  time.Time
	identity string
	panicked bool

	sink RowSink
	rows int
}

// Row implements RowSink.
func (m *member) Row(cells [][]byte) error {
	m.rows++
	return m.sink.Row(cells)
}

func newPool(db *Database, purpose Purpose, g *gate, size int) *pool {
	p := &pool{db: db, purpose: purpose, gate: g}
	members, err := puddle.NewPool(&puddle.Config[*member]{
		Constructor: p.open,
		Destructor:  p.db.end,
		MaxSize:     int32(size),
	})
	if err != nil { // only for a size below one, which Options rules out
		panic("target: " + err.Error())
	}
	p.members = members
	return p
}

// open is the pool's constructor. It runs in a goroutine of its own and goes
// on when the caller for whom it began has left.
func (p *pool) open(ctx context.Context) (*member, error) { return p.db.open(ctx, p.purpose, p.gate) }

// acquire gives a session of one's own. It waits no longer than ctx. Errors are
// faults: those of opening, database_busy when others had the sessions,
// database_timeout when nobody had one and one was still being opened,
// not_connected when the database was closed.
func (p *pool) acquire(ctx context.Context) (*puddle.Resource[*member], error) {
	before := p.handed.Load()
	p.waiting.Add(1)
	res, err := p.members.Acquire(ctx)
	p.waiting.Add(-1)
	switch {
	case err == nil:
		p.handed.Add(1)
		return res, nil
	case errors.Is(err, puddle.ErrClosedPool):
		return nil, fault.Wrap(fault.NotConnected, err)
	case ctx.Err() == nil:
		return nil, err
	}
	if s := p.members.Stat(); s.AcquiredResources() > 0 || s.ConstructingResources() == 0 || p.handed.Load() != before {
		return nil, fault.Wrap(fault.DatabaseBusy, err).WithRetryAfter(permitWait)
	}
	return nil, fault.Wrap(fault.DatabaseTimeout, err)
}

// put ends the use of a session.
func (p *pool) put(res *puddle.Resource[*member]) {
	m := res.Value()
	if m.broken() || time.Now().After(m.expires) {
		res.Destroy()
		return
	}
	res.Release()
}

// makeWay is called after a session was put back. Who waits for it has only to
// send a statement, and the database works meanwhile; the caller has an answer
// to write, which keeps this processor busy. On a busy pool that order is worth
// 6 to 9 % of all calls; see docs/performance.md.
func (p *pool) makeWay() {
	if p.waiting.Load() > 0 {
		runtime.Gosched()
	}
}

// run executes a read on an acquired session and returns the session.
func (p *pool) run(ctx context.Context, res *puddle.Resource[*member], pl *plan.Plan, args []Value, sink RowSink) (rows int, err error) {
	m := res.Value()
	if m.identity != pl.Identity {
		p.stranger(res)
		return 0, fault.New(fault.IdentityChanged)
	}
	err = m.run(ctx, pl, args, sink)
	rows = m.rows
	p.learn(m, err)
	p.put(res)
	return rows, err
}

// stranger ends the use of a session that leads to another database than the
// statement was compiled for.
func (p *pool) stranger(res *puddle.Resource[*member]) {
	m := res.Value()
	if end := m.opened.Add(strangerLife); end.Before(m.expires) {
		m.expires = end
	}
	p.put(res)
}

// learn draws conclusions about the other sessions from what happened on one.
// A timeout that the server itself reported is an answer like any other.
func (p *pool) learn(m *member, err error) {
	switch {
	case err == nil:
	case fault.Is(err, fault.ConnectionLost):
		p.members.Reset()
		return
	case fault.Is(err, fault.DatabaseTimeout) && m.broken():
		if p.timeouts.Add(1) >= resetAfter {
			p.timeouts.Store(0)
			p.members.Reset()
		}
		return
	}
	if p.timeouts.Load() != 0 {
		p.timeouts.Store(0)
	}
}

// sweep ends sessions that are too old or have been idle for too long.
func (p *pool) sweep(idle time.Duration) {
	for _, res := range p.members.AcquireAllIdle() {
		if res.IdleDuration() > idle || time.Now().After(res.Value().expires) {
			res.Destroy()
		} else {
			res.ReleaseUnused()
		}
	}
}

// evict ends one idle session and tells whether there was one.
func (p *pool) evict() bool {
	idle := p.members.AcquireAllIdle()
	for i, res := range idle {
		if i == 0 {
			res.Destroy()
		} else {
			res.ReleaseUnused()
		}
	}
	return len(idle) > 0
}

// run calls the driver, whose panics end the session and nothing else.
func (m *member) run(ctx context.Context, p *plan.Plan, args []Value, sink RowSink) (err error) {
	defer m.recover(&err)
	m.sink, m.rows = sink, 0
	err = m.session.Run(ctx, p, args, m)
	m.sink = nil
	return err
}

// call runs f, which calls the driver, under the same protection.
func (m *member) call(f func(Session) error) (err error) {
	defer m.recover(&err)
	return f(m.session)
}

func (m *member) broken() bool {
	if m.panicked {
		return true
	}
	broken := true
	_ = m.call(func(s Session) error { broken = s.Broken(); return nil }) // a panic leaves true
	return broken
}

func (m *member) recover(err *error) {
	if v := recover(); v != nil {
		m.panicked = true
		*err = panicFault(v)
	}
}

// panicFault is what a panic of a driver becomes: hostile bytes are the only
// known cause. The log gets the stack, which holds no values.
func panicFault(v any) error {
	return fault.Wrap(fault.ProtocolError, fmt.Errorf("target: the driver panicked with a %T\n%s", v, debug.Stack()))
}

// lifetime shortens a session's life by up to a tenth, so that the sessions of
// a pool do not all end at once.
func lifetime(whole time.Duration) time.Duration {
	return whole - time.Duration(rand.Int64N(int64(whole)/10+1))
}
