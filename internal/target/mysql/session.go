package mysql

import (
	"context"
	"database/sql/driver"
	"time"

	"flowyte/internal/egress"
	"flowyte/internal/fault"
	"flowyte/internal/schema"
	"flowyte/internal/target"
)

// closeLimit bounds Close: the goodbye and the end of a statement's work may
// be waiting for a peer that has gone.
const closeLimit = 900 * time.Millisecond

// grace is how much later than the server's own limit the connection is given
// up when nobody set an earlier deadline.
const grace = 500 * time.Millisecond

// Session is one connection. It implements target.Session.
type Session struct {
	conn    connection
	dialer  *dialer
	purpose target.Purpose
	limits  target.Limits
	server  schema.Server

	broken bool
	// ready is set when the session is. Before, it has no work on the server
	// that would have to be ended.
	ready bool
	// calling is true while the caller's own code runs, whose panics are its.
	calling bool
	// stopped is closed when the work of an abandoned statement has been ended;
	// nil while there was none.
	stopped chan struct{}

	statements map[string]*statement // by text
	clock      uint64                // orders the uses of statements
	memory     memory
}

var _ target.Session = (*Session)(nil)

func newSession(conn connection, d *dialer, purpose target.Purpose) *Session {
	return &Session{conn: conn, dialer: d, purpose: purpose, limits: target.LimitsFor(purpose), statements: map[string]*statement{}}
}

// Server implements target.Session.
func (s *Session) Server() schema.Server { return s.server }

// ServerKey implements target.Session.
func (s *Session) ServerKey() egress.Pin { return s.dialer.key }

// Broken implements target.Session.
func (s *Session) Broken() bool { return s.broken }

// Close implements target.Session.
func (s *Session) Close() {
	deadline := time.Now().Add(closeLimit)
	_ = s.dialer.screen.raw.SetStageDeadline(deadline)
	if s.broken {
		s.dialer.screen.Close()
	}
	s.goodbye()
	s.dialer.screen.Close()
	if s.stopped != nil {
		timer := time.NewTimer(time.Until(deadline))
		defer timer.Stop()
		select {
		case <-s.stopped:
		case <-timer.C:
		}
	}
}

// goodbye ends the driver's part, its watching goroutine included.
func (s *Session) goodbye() {
	defer func() { _ = recover() }() // a failed goodbye is a goodbye
	_ = s.conn.Close()
}

// begin starts a statement: its budgets in bytes and time hold from here. The
// deadline is ctx's, or the session's own limit when that is earlier or the
// only one. end must be called when the statement is over.
//
// The driver itself gets a context that never ends: it would wake a goroutine
// twice for each statement, where a deadline on the connection wakes nobody.
func (s *Session) begin(ctx context.Context) (end func(), err error) {
	if s.broken {
		return nil, fault.Wrap(fault.ConnectionLost, driver.ErrBadConn)
	}
	if ctx.Err() != nil {
		return nil, fault.Wrap(fault.DatabaseTimeout, ctx.Err())
	}
	deadline := time.Now().Add(s.limits.Statement + grace)
	if earlier, ok := ctx.Deadline(); ok && earlier.Before(deadline) {
		deadline = earlier
	}
	raw := s.dialer.screen.raw
	raw.BeginStatementUpTo(s.limits.Bytes)
	if err := raw.SetStageDeadline(deadline); err != nil {
		return nil, s.failed(ctx, err)
	}
	release := afterwards(ctx, func() { raw.Close() })
	return func() {
		if !release() {
			s.abandon() // the connection is closed, or about to be
		}
	}, nil
}

// afterwards is context.AfterFunc for a function that returns at once. A context
// that can call functions itself, as that of a live call, need not be wrapped.
func afterwards(ctx context.Context, f func()) (stop func() bool) {
	if c, ok := ctx.(interface {
		AfterFunc(func()) func() bool
	}); ok {
		return c.AfterFunc(f)
	}
	return context.AfterFunc(ctx, f)
}

// forever is what the driver gets for a context.
var forever = context.Background()

// failed translates a driver's error and remembers what it means for the
// session: after the server's own error it goes on, after any other it cannot.
// The work of a statement that ran out of time is ended on the server.
func (s *Session) failed(ctx context.Context, err error) error {
	if number := numberOf(err); number != 0 {
		code := codeOf(number)
		if code == fault.ConnectionLost {
			s.abandon()
		}
		return fault.Wrap(code, serverError(number))
	}
	f := lost(ctx, s.dialer, err, fault.ConnectionLost)
	s.abandon()
	if s.ready && fault.Is(f, fault.DatabaseTimeout) {
		s.stop()
	}
	return f
}

// broke ends the session over something that this package found.
func (s *Session) broke(err error) error {
	s.abandon()
	return err
}

// abandon makes the session useless and its connection gone.
func (s *Session) abandon() {
	s.broken = true
	s.dialer.screen.Close()
}

// protect is deferred by every method that calls the driver.
func (s *Session) protect(err *error) {
	if s.calling {
		return
	}
	if v := recover(); v != nil {
		s.abandon()
		*err = panicked(v)
	}
}
