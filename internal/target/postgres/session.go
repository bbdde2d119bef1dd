package postgres

import (
	"context"
	"strings"
	"time"

	"flowyte/internal/egress"
	"flowyte/internal/fault"
	"flowyte/internal/schema"
	"flowyte/internal/target"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// closeLimit bounds Close: a goodbye, and the clean-up after a cancelled
	// statement, may be waiting for a peer that has gone.
	closeLimit = 900 * time.Millisecond
	// rollbackLimit bounds the one round trip that ends a failed transaction.
	rollbackLimit = 500 * time.Millisecond
	// grace is how much later than the server's own limit a statement is given
	// up when nobody set an earlier deadline.
	grace = 500 * time.Millisecond
	// late is how much later than the driver's own deadline the connection's
	// is: where the driver keeps its own, it also cancels the server's work.
	late = 20 * time.Millisecond
)

// Session is one connection. It implements target.Session.
type Session struct {
	conn    *pgconn.PgConn
	dialer  *dialer
	purpose target.Purpose
	limits  target.Limits
	server  schema.Server

	// pooled: a pooler stands between, so neither settings nor prepared
	// statements outlive a transaction.
	pooled bool
	broken bool
	// timelineHidden: the server does not say on which timeline it is.
	timelineHidden bool
	// inSnapshot: a read-only transaction is open, and reads belong to it.
	inSnapshot bool

	// limitMs is after how long the server ends a statement of a direct session
	// by itself; zero while that is not known.
	limitMs int

	statements map[string]*statement // by text, direct sessions only
	named      int                   // statements ever prepared
	args       arguments             // reused by every run
}

var _ target.Session = (*Session)(nil)

// Server implements target.Session.
func (s *Session) Server() schema.Server { return s.server }

// ServerKey implements target.Session.
func (s *Session) ServerKey() egress.Pin { return s.dialer.key }

// Broken implements target.Session.
func (s *Session) Broken() bool {
	return s.broken || s.conn.IsClosed() || s.conn.TxStatus() != 'I' || s.readOnlyLost()
}

// readOnlyLost tells whether the server reported that a session for reading
// may write. Servers report it from version 14 on.
func (s *Session) readOnlyLost() bool {
	return !s.pooled && s.purpose != target.ForWrites && s.conn.ParameterStatus("default_transaction_read_only") == "off"
}

// Close implements target.Session.
func (s *Session) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	defer s.dialer.raw.Close()
	_ = s.dialer.raw.SetStageDeadline(time.Now().Add(closeLimit))
	if !s.conn.IsClosed() {
		_ = s.conn.Close(ctx) // a failed goodbye is a goodbye
		return
	}
	select {
	case <-s.conn.CleanupDone():
	case <-ctx.Done():
	}
}

// begin starts a statement: its budgets in bytes and time hold from here, the
// latter until the next one begins. The driver has deadlines of its own, but
// forgets them when a server says too early that it is ready. On a session that
// is of no more use nothing begins.
func (s *Session) begin(ctx context.Context) error {
	if s.broken || s.conn.IsClosed() {
		return fault.Wrap(fault.ConnectionLost, pgconn.ErrConnClosed)
	}
	deadline := time.Now().Add(s.limits.Statement + grace)
	if own, ok := ctx.Deadline(); ok && own.Before(deadline) {
		deadline = own
	}
	s.dialer.raw.BeginStatementUpTo(s.limits.Bytes)
	if err := s.dialer.raw.SetStageDeadline(deadline.Add(late)); err != nil {
		return s.failed(ctx, err)
	}
	return nil
}

// command is one statement of a batch. Its values are text, nil for NULL.
type command struct {
	text     string
	values   [][]byte
	prepared *pgconn.StatementDescription // instead of text, where there is one
}

var (
	beginReadOnly = command{text: "BEGIN READ ONLY"}
	begin         = command{text: "BEGIN"}
	commit        = command{text: "COMMIT"}
	rollback      = command{text: "ROLLBACK"}
)

// localSettings carries the session's settings into a transaction where the
// session itself cannot: it applies sessionSettings to the present transaction and returns
// whether that is read-only. The statement's limit is its one argument.
func localSettings(purpose target.Purpose) string {
	var text strings.Builder
	text.WriteString("SELECT pg_catalog.current_setting('transaction_read_only')")
	for _, set := range sessionSettings(purpose) {
		value := "'" + set.value + "'"
		if set.name == statementLimit {
			value = "$1"
		}
		text.WriteString(", pg_catalog.set_config('" + set.name + "', " + value + ", true)")
	}
	return text.String()
}

// pooledSettings holds the texts, which are the same for every session.
var pooledSettings = map[target.Purpose]string{
	target.ForReads:   localSettings(target.ForReads),
	target.ForWrites:  localSettings(target.ForWrites),
	target.ForCatalog: localSettings(target.ForCatalog),
}

// opening is how a read-only transaction of this session begins.
func (s *Session) opening() []command {
	switch {
	case s.pooled:
		return []command{beginReadOnly, s.settings(s.standardMs())}
	case s.limitMs != s.standardMs():
		s.limitMs = 0 // a rollback would bring back what was there
		return []command{beginReadOnly, limitTo(s.standardMs())}
	}
	return []command{beginReadOnly}
}

// settings are those of a transaction behind a pooler.
func (s *Session) settings(limitMs int) command {
	return command{text: pooledSettings[s.purpose], values: limitTo(limitMs).values}
}

// read runs one read-only statement and hands its result to each: by itself on
// a direct session, whose default is a read-only transaction, else as
// transaction, settings, statement and commit in one round trip. The server
// ends it after limitMs. Errors are faults, except each's own.
func (s *Session) read(ctx context.Context, limitMs int, c command, each func(*pgconn.ResultReader) error) error {
	if s.pooled && !s.inSnapshot {
		commands := []command{beginReadOnly, s.settings(limitMs), c, commit}
		return s.batch(ctx, commands, func(i int, rr *pgconn.ResultReader) error {
			if i == len(commands)-2 {
				return each(rr)
			}
			return nil
		})
	}
	if limitMs != s.limitMs {
		return s.within(ctx, limitMs, c, each)
	}
	if err := s.begin(ctx); err != nil {
		return err
	}
	rr := s.conn.ExecParams(ctx, c.text, c.values, nil, nil, nil)
	return s.finish(ctx, rr, each(rr))
}

// finish reads a result to its end. own is what the reader of the rows made of
// them; the server's error is the better one.
func (s *Session) finish(ctx context.Context, rr *pgconn.ResultReader, own error) error {
	if s.broken {
		// Nobody waits for the rest of what a broken session sends.
		return own
	}
	_, err := rr.Close()
	if err != nil {
		return s.failed(ctx, err)
	}
	return own
}

// failed translates a driver's error and remembers what it means for the
// session: after the server's own error it goes on, after any other it cannot.
// Unless the time was up, when the driver still has the server's work to
// cancel, the connection is of no more use to anybody.
func (s *Session) failed(ctx context.Context, err error) error {
	if stateOf(err) == "" {
		s.broken = true
		if ctx.Err() == nil {
			s.dialer.raw.Close()
		}
	}
	return statementFault(ctx, err)
}

// batch runs commands in one round trip and hands the result of each to each,
// by its index. In a pooled session the second command must be its settings,
// whose answer is checked here. After a server's error the transaction is
// rolled back.
func (s *Session) batch(ctx context.Context, commands []command, each func(i int, rr *pgconn.ResultReader) error) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	var batch pgconn.Batch
	for _, c := range commands {
		if c.prepared != nil {
			batch.ExecStatement(c.prepared, c.values, nil, nil)
		} else {
			batch.ExecParams(c.text, c.values, nil, nil, nil)
		}
	}
	readOnly := "on"
	if commands[0].text == beginWrite.text {
		readOnly = "off"
	}
	results := s.conn.ExecBatch(ctx, &batch)
	var own error
	answered := 0
	for ; own == nil && results.NextResult(); answered++ {
		rr := results.ResultReader()
		if s.pooled && answered == 1 {
			own = s.mustBe(readOnly, rr)
		} else {
			own = each(answered, rr)
		}
		if s.broken {
			return own
		}
		if _, err := rr.Close(); err != nil {
			break // results.Close has it, too
		}
	}
	if err := results.Close(); err != nil {
		f := s.failed(ctx, err)
		s.rollBack()
		return f
	}
	if own == nil && answered != len(commands) {
		s.broken = true
		return violation("%d answers to %d commands", answered, len(commands))
	}
	return own
}

// mustBe reads the answer to the settings.
func (s *Session) mustBe(readOnly string, rr *pgconn.ResultReader) error {
	if rr.NextRow() && len(rr.Values()) > 0 && string(rr.Values()[0]) == readOnly {
		return nil
	}
	s.broken = true
	return fault.New(fault.NotReadOnly)
}

// rollBack ends a transaction that failed, so that a pooler gets its server
// connection back at once.
func (s *Session) rollBack() {
	if s.conn.IsClosed() || s.conn.TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), rollbackLimit)
	defer cancel()
	if s.begin(ctx) != nil {
		return
	}
	if _, err := s.conn.ExecParams(ctx, rollback.text, nil, nil, nil, nil).Close(); err != nil {
		s.broken = true
	}
}
