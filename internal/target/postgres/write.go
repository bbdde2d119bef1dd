package postgres

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"flowyte/internal/fault"
	"flowyte/internal/plan"
	"flowyte/internal/target"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	timeline = "pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8)"
	// started tells since when the server has not crashed: it drops its
	// statistics then, also where only one of its processes was killed, and
	// keeps them when it is stopped in order.
	started = "(SELECT CAST(pg_catalog.date_part('epoch', b.stats_reset) AS pg_catalog.text) FROM pg_catalog.pg_stat_bgwriter b)"
)

var (
	// beginWrite names the level, whatever the role's or the server's default is.
	beginWrite = command{text: "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"}
	// askTimeline asks in which history of the server a number is given: the
	// name of a file of the log begins with the timeline.
	askTimeline = command{text: "SELECT " + timeline + ", " + started}
	// constraintsNow has the server judge before COMMIT what it would judge
	// there, so that a refused COMMIT is rare and a trial meets the same rules.
	constraintsNow = command{text: "SET CONSTRAINTS ALL IMMEDIATE"}
)

// tryTimeline learns whether the server tells its timeline; some keep it to
// themselves, and asking in a transaction would fail that.
func (s *Session) tryTimeline(ctx context.Context) error {
	_, err := s.one(ctx, askTimeline.text)
	var refused sqlState
	if errors.As(fault.Cause(err), &refused) && !s.Broken() {
		s.timelineHidden = true
		return nil
	}
	return err
}

// written is what a write's transaction said before its end.
type written struct {
	rows     int   // that RETURNING gave
	affected int64 // that the server counted
	cells    [][]byte
	xid      string
	timeline uint32
	started  string
}

// Write implements target.Session.
func (s *Session) Write(ctx context.Context, p *plan.Plan, args []target.Value, sink target.RowSink, executed func(target.Evidence) error) error {
	if s.purpose != target.ForWrites || p.Action == plan.Read || len(args) != len(p.Slots) {
		return fault.Wrap(fault.Internal, errors.New("postgres: not a write, or not its session or arguments"))
	}
	if s.server.Replica {
		// The host may lead to the primary by now.
		s.broken = true
		return fault.Wrap(fault.ConnectionLost, errReplica)
	}
	for again := false; ; again = true {
		w, err := s.send(ctx, p, s.args.encode(p.Slots, args))
		if err == nil {
			err = w.judge(p)
		}
		if err == nil {
			return s.complete(ctx, p, w, sink, executed)
		}
		s.rollBack()
		if fault.Is(err, fault.ConnectionLost) {
			s.broken = true // also when the server only refuses to write
		}
		if again || !s.conflicted(err) {
			return err
		}
		if target.Yield(ctx); ctx.Err() != nil {
			return err
		}
	}
}

var errReplica = errors.New("postgres: the server is a replica")

// conflicted recognises a deadlock or a serialisation failure, after which the
// transaction is gone and the session is not.
func (s *Session) conflicted(err error) bool {
	var state sqlState
	return errors.As(fault.Cause(err), &state) && (state == stateDeadlock || state == stateSerialization) && !s.Broken()
}

// send begins a transaction and runs the statement in it, in one round trip. A
// statement that the server forgot, or has other columns for by now, is
// prepared anew, once.
func (s *Session) send(ctx context.Context, p *plan.Plan, values [][]byte) (*written, error) {
	if s.pooled {
		w, err := s.sendOnce(ctx, p, command{text: p.Statement, values: values}, nil)
		return w, writeFault(err)
	}
	_, known := s.statements[p.Statement]
	for {
		st, err := s.ready(ctx, p)
		if err != nil {
			return nil, writeFault(err)
		}
		w, err := s.sendOnce(ctx, p, command{prepared: st.description, values: values}, st)
		if !known || !s.outdated(err) {
			return w, writeFault(err)
		}
		known = false
		if err := s.forget(ctx, p.Statement); err != nil {
			return nil, err
		}
	}
}

// ready gives the prepared statement of a plan.
func (s *Session) ready(ctx context.Context, p *plan.Plan) (*statement, error) {
	if st, known := s.statements[p.Statement]; known {
		return st, st.check(p, st.description.Fields)
	}
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	return s.prepare(ctx, p)
}

// sendOnce leaves the transaction open when it succeeds. st is nil behind a
// pooler.
func (s *Session) sendOnce(ctx context.Context, p *plan.Plan, c command, st *statement) (*written, error) {
	commands := []command{beginWrite}
	if s.pooled {
		commands = append(commands, s.settings(s.standardMs()))
	}
	if !s.timelineHidden {
		commands = append(commands, askTimeline)
	}
	at := len(commands)
	commands = append(commands, c, constraintsNow)
	w := &written{}
	err := s.batch(ctx, commands, func(i int, rr *pgconn.ResultReader) (err error) {
		switch {
		case i == at && st == nil:
			if st, err = newStatement(p, len(c.values), rr.FieldDescriptions()); err != nil {
				return err
			}
			return s.take(w, rr, st)
		case i == at:
			return s.take(w, rr, st)
		case commands[i].text == askTimeline.text:
			err = s.readTimeline(w, rr)
		}
		return err
	})
	if w.rows > 1 {
		// What came behind them, such as an exhausted budget, matters less.
		err = fault.New(fault.MoreThanOneRow)
	}
	return w, err
}

// take reads what the statement returned: the row's key and the transaction's
// id. Further rows are counted only.
func (s *Session) take(w *written, rr *pgconn.ResultReader, st *statement) error {
	for ; rr.NextRow(); w.rows++ {
		if w.rows > 0 {
			continue
		}
		cells := rr.Values()
		if len(cells) != len(st.columns) {
			s.broken = true
			return violation("a row of %d values for %d columns", len(cells), len(st.columns))
		}
		for i, cell := range cells {
			if cell != nil {
				converted, err := st.columns[i].apply(slices.Clone(cell))
				if err != nil {
					s.broken = true
					return err
				}
				cell = converted
			}
			w.cells = append(w.cells, cell)
		}
		last := len(w.cells) - 1
		w.xid, w.cells = string(w.cells[last]), w.cells[:last]
		if _, err := strconv.ParseUint(w.xid, 10, 64); err != nil {
			s.broken = true
			return violation("a transaction without an id")
		}
	}
	tag, _ := rr.Close() // the batch has the error, too
	w.affected = tag.RowsAffected()
	return nil
}

func (s *Session) readTimeline(w *written, rr *pgconn.ResultReader) error {
	if !rr.NextRow() || len(rr.Values()) != 2 {
		s.broken = true
		return violation("no timeline")
	}
	n, err := strconv.ParseUint(string(rr.Values()[0]), 16, 32)
	if err != nil {
		s.broken = true
		return violation("a timeline that is no number")
	}
	w.timeline, w.started = uint32(n), string(rr.Values()[1])
	return nil
}

// judge holds a write to its one row. A trigger or a rule may have made of it
// none, or many.
func (w *written) judge(p *plan.Plan) error {
	switch {
	case w.rows > 1 || w.affected > 1:
		return fault.New(fault.MoreThanOneRow)
	case w.rows == 1 && w.affected == 1:
		return nil
	case p.Action == plan.Update && w.rows == 0:
		return fault.New(fault.NoRow)
	}
	return fault.New(fault.NotWritten)
}

// complete hands the row over and commits, unless somebody has an objection.
func (s *Session) complete(ctx context.Context, p *plan.Plan, w *written, sink target.RowSink, executed func(target.Evidence) error) (err error) {
	sent := false
	defer func() {
		if !sent {
			s.rollBack()
		}
	}()
	if p.Action == plan.Insert {
		if err := sink.Row(w.cells); err != nil {
			return err
		}
	}
	if err := executed(target.Evidence{Identity: s.server.Identity, XID: w.xid, Timeline: w.timeline, Started: w.started}); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return fault.Wrap(fault.DatabaseTimeout, ctx.Err())
	}
	if err := s.begin(ctx); err != nil {
		return err
	}
	sent = true
	tag, err := s.conn.ExecParams(ctx, commit.text, nil, nil, nil, nil).Close()
	switch {
	case err != nil:
		return s.uncommitted(ctx, err)
	case tag.String() != commit.text:
		return fault.New(fault.DatabaseError) // the server rolled back
	}
	return nil
}

// uncommitted explains a COMMIT that was not answered with its name. Few errors
// say for certain that it did nothing; after every other one the connection is
// of no more use, and somebody has to ask.
func (s *Session) uncommitted(ctx context.Context, err error) error {
	state := stateOf(err)
	switch {
	case state == stateIdleInTransaction: // ended before COMMIT came
		s.broken = true
		return fault.Wrap(fault.DatabaseTimeout, plain(err))
	case state != "" && slices.Contains(refusedCommits, state[:2]) && !s.conn.IsClosed():
		s.rollBack()
		return writeFault(statementFault(ctx, err))
	}
	f := s.failed(ctx, err)
	s.broken = true
	return fault.Wrap(fault.CommitUnknown, fault.Cause(f))
}

// refusedCommits are the classes of SQLSTATE with which a server refuses a
// COMMIT: constraints and what their triggers raise, and conflicts.
var refusedCommits = []string{"23", "40", "44", "P0"}
