package target

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"flowyte/internal/egress"
	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/plan"
	"flowyte/internal/schema"

	"github.com/jackc/puddle/v2"
)

// Stats say where the time of a Run went.
type Stats struct {
	Wait time.Duration // for a session, opening it included
	DB   time.Duration // from sending the statement to its last row
}

// Database is one connected database with its sessions. It is safe for
// concurrent use. A Fleet makes it.
type Database struct {
	connection id.Connection
	org        id.Org
	driver     Driver
	creds      *Credentials
	guard      *egress.Guard
	fleet      *Fleet

	reads    *pool
	lastUsed atomic.Int64 // Unix nanoseconds

	// closing ends when Close begins.
	closing context.Context
	close   context.CancelFunc

	mu     sync.Mutex
	closed bool
	writes *pool          // nil until somebody writes
	alone  sync.WaitGroup // sessions outside the pools
}

// Organisation owns the connection.
func (d *Database) Organisation() id.Org { return d.org }

// SeparateWriter tells whether writes have a user of their own.
func (d *Database) SeparateWriter() bool { return d.creds.WriteUser != d.creds.User }

// Warmed tells whether there is a session for reads, in use or waiting.
func (d *Database) Warmed() bool { return d.reads.members.Stat().TotalResources() > 0 }

// Trouble is why the last attempt to connect for reads failed; nil when it did
// not, or there was none. It asks nobody.
func (d *Database) Trouble() error { return d.reads.gate.trouble() }

// Run executes a read on a pooled session and hands its rows to sink. A session
// that died before its first row is replaced once, when there is time; so a
// restart of the database does not fail the next call.
//
// Errors are faults, except sink's own: identity_changed when the plan was
// compiled for another database, database_busy when no session became free in
// ctx's time, database_timeout when time ran out otherwise, credentials_rejected
// and the faults of connecting, at once while the last attempt's failure
// counts, and those of the statement.
func (d *Database) Run(ctx context.Context, p *plan.Plan, args []Value, sink RowSink) (Stats, error) {
	var stats Stats
	for again := false; ; again = true {
		begun := time.Now()
		d.lastUsed.Store(begun.UnixNano())
		res, err := d.reads.acquire(ctx)
		acquired := time.Now()
		stats.Wait += acquired.Sub(begun)
		if err != nil {
			return stats, err
		}
		rows, err := d.reads.run(ctx, res, p, args, sink)
		stats.DB += time.Since(acquired)
		d.reads.makeWay()
		if again || rows > 0 || ctx.Err() != nil || !fault.Is(err, fault.ConnectionLost) {
			return stats, err
		}
	}
}

// WithSession lends a session to f: from the pool of reads or writes, or, for
// ForCatalog, one that is opened for the purpose and closed afterwards. The
// session must not be kept. Errors are those of acquiring, and f's.
func (d *Database) WithSession(ctx context.Context, purpose Purpose, f func(Session) error) error {
	d.lastUsed.Store(time.Now().UnixNano())
	if purpose == ForCatalog {
		return d.withOwn(ctx, f)
	}
	p, err := d.pool(purpose)
	if err != nil {
		return err
	}
	res, err := p.acquire(ctx)
	if err != nil {
		return err
	}
	defer p.put(res)
	err = res.Value().call(f)
	p.learn(res.Value(), err)
	return err
}

var errClosed = errors.New("target: the database is closed")

// withOwn opens a session outside the pools.
func (d *Database) withOwn(ctx context.Context, f func(Session) error) error {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return fault.Wrap(fault.NotConnected, errClosed)
	}
	d.alone.Add(1)
	d.mu.Unlock()
	defer d.alone.Done()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(d.closing, cancel)()
	m, err := d.open(ctx, ForCatalog, d.reads.gate)
	if err != nil {
		return err
	}
	defer d.end(m)
	return m.call(f)
}

// Warm opens sessions for reads until there are n of them, as far as the cap
// allows. It stops at the first failure.
func (d *Database) Warm(ctx context.Context, n int) error {
	for d.reads.members.Stat().TotalResources() < int32(min(n, d.fleet.options.Reads)) {
		err := d.reads.members.CreateResource(ctx)
		if errors.Is(err, puddle.ErrNotAvailable) {
			return nil // callers have taken what there was room for
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Close ends all sessions and waits until they are gone: idle ones at once,
// busy ones when their statement is over. Calls that come later get the fault
// not_connected. It may be called twice.
func (d *Database) Close() {
	d.close()
	d.mu.Lock()
	d.closed = true
	writes := d.writes
	d.mu.Unlock()
	d.reads.members.Close()
	if writes != nil {
		writes.members.Close()
	}
	d.alone.Wait()
}

// pool gives the pool of a purpose, and makes that of writes on first use.
func (d *Database) pool(purpose Purpose) (*pool, error) {
	if purpose == ForReads {
		return d.reads, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, fault.Wrap(fault.NotConnected, errClosed)
	}
	if d.writes == nil {
		g := d.reads.gate
		if d.SeparateWriter() {
			g = &gate{} // another user's password is another matter
		}
		d.writes = newPool(d, ForWrites, g, d.fleet.options.Writes)
	}
	return d.writes, nil
}

// pools lists the pools that exist.
func (d *Database) pools() []*pool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.writes != nil {
		return []*pool{d.reads, d.writes}
	}
	return []*pool{d.reads}
}

// open opens a session if caps and gate allow it.
func (d *Database) open(ctx context.Context, purpose Purpose, g *gate) (*member, error) {
	var m *member
	err := g.attempt(ctx, func(limit time.Duration) error {
		release, err := d.fleet.permits.acquire(ctx, d.org, func(onlyOrg bool) { d.fleet.makeRoom(d.org, onlyOrg) })
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		session, server, err := openSession(ctx, d.driver, d.guard, d.creds, purpose)
		if err != nil {
			release()
			return err
		}
		now := time.Now()
		m = &member{session: session, release: release, opened: now, expires: now.Add(lifetime(d.fleet.options.Lifetime)), identity: server.Identity}
		return nil
	})
	return m, err
}

// openSession calls the driver and makes a fault of its panic.
func openSession(ctx context.Context, driver Driver, guard *egress.Guard, creds *Credentials, purpose Purpose) (session Session, server schema.Server, err error) {
	defer func() {
		if v := recover(); v != nil {
			session, err = nil, panicFault(v)
		}
	}()
	if session, err = driver.Open(ctx, guard, creds, purpose); err == nil {
		server = session.Server()
	}
	return session, server, err
}

// end closes a session. It is the pools' destructor and runs in a goroutine of
// its own, where a panic would end the process.
func (d *Database) end(m *member) {
	defer m.release()
	_ = m.call(func(s Session) error { s.Close(); return nil }) // nobody is left to be told
}
