package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"slices"
	"strconv"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/plan"
	"flowyte/internal/schema"
	"flowyte/internal/target"

	"github.com/go-sql-driver/mysql"
)

// The commands of a transaction. MySQL ends an idle one only along with every
// other idle session, so there the limit holds as long as the transaction.
const (
	beginText    = "START TRANSACTION READ WRITE"
	commitText   = "COMMIT"
	rollbackText = "ROLLBACK"
	patientText  = "SET SESSION wait_timeout = DEFAULT"
)

// rollbackLimit bounds the end of a failed transaction.
const rollbackLimit = 500 * time.Millisecond

// transaction is one attempt at a write.
type transaction struct {
	plan   *plan.Plan
	args   []target.Value
	values []driver.NamedValue
	// made is the id that the server gave an inserted row.
	made uint64
	// before and after are fingerprints of the row.
	before, after []byte
}

// Write implements target.Session.
func (s *Session) Write(ctx context.Context, p *plan.Plan, args []target.Value, sink target.RowSink, executed func(target.Evidence) error) (err error) {
	defer s.protect(&err)
	if s.purpose != target.ForWrites || p.Action == plan.Read || len(args) != len(p.Slots) {
		return fault.Wrap(fault.Internal, errors.New("mysql: not a write, or not its session or arguments"))
	}
	values, err := s.memory.encode(p.Slots, args)
	if err != nil {
		return err
	}
	values = slices.Clone(values) // the check has values of its own
	for again := false; ; again = true {
		_, known := s.statements[p.Statement]
		w := &transaction{plan: p, args: args, values: values}
		if err = s.send(ctx, w); err == nil {
			return s.complete(ctx, w, sink, executed)
		}
		s.rollBack()
		if again || s.broken {
			return err
		}
		switch {
		case known && outdated(err):
			if err := s.forgetPlan(ctx, p); err != nil {
				return err
			}
		case conflicted(err):
			target.Yield(ctx)
		default:
			return err
		}
		if ctx.Err() != nil {
			return err
		}
	}
}

// conflicted recognises what another transaction's doings make of this one.
func conflicted(err error) bool {
	number := refusal(err)
	return number == numberDeadlock || number == numberChanged
}

func (s *Session) forgetPlan(ctx context.Context, p *plan.Plan) error {
	texts := []string{p.Statement}
	if p.Check != nil {
		texts = append(texts, p.Check.Statement)
	}
	end, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	for _, text := range texts {
		if _, known := s.statements[text]; known {
			if err := s.forget(ctx, text); err != nil {
				return err
			}
		}
	}
	return nil
}

// send begins a transaction and writes the row, and leaves the transaction open
// when exactly one was written.
func (s *Session) send(ctx context.Context, w *transaction) error {
	end, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	if err := s.open(ctx); err != nil {
		return err
	}
	check := w.plan.Check
	if check != nil && w.plan.Action == plan.Update {
		if w.before, err = s.fingerprint(ctx, w.plan, w.key(), fault.NoRow); err != nil {
			return err
		}
	}
	if !s.dialer.screen.inTransaction {
		return s.broke(violation("the transaction is over before its statement"))
	}
	if err := s.write(ctx, w); err != nil {
		return err
	}
	if check != nil {
		// A trigger may have given the row another key: then it is not the one
		// that was asked for, and nobody could find it again.
		w.after, err = s.fingerprint(ctx, w.plan, w.key(), fault.NotWritten)
	}
	return err
}

// open begins a transaction.
func (s *Session) open(ctx context.Context) error {
	texts := []string{beginText}
	if s.server.Flavor == schema.FlavorMySQL {
		texts = []string{"SET SESSION wait_timeout = " + seconds(s.limits.Idle), beginText}
	}
	for _, text := range texts {
		if _, err := s.conn.ExecContext(forever, text, nil); err != nil {
			return s.refusedWrite(ctx, err)
		}
	}
	return nil
}

// write runs the statement and holds it to its one row.
func (s *Session) write(ctx context.Context, w *transaction) error {
	st, err := s.prepare(ctx, w.plan.Statement, len(w.plan.Slots))
	if err != nil {
		return writeFault(err)
	}
	result, err := st.prepared.(driver.StmtExecContext).ExecContext(forever, w.values)
	if err != nil {
		return s.refusedWrite(ctx, err)
	}
	affected, err := result.RowsAffected()
	if err != nil {
		return s.failed(ctx, err)
	}
	made, err := result.LastInsertId()
	if err != nil {
		return s.failed(ctx, err)
	}
	w.made = uint64(made)
	switch {
	case affected == 1:
		return nil
	case affected > 1:
		return fault.New(fault.MoreThanOneRow)
	case w.plan.Action == plan.Update:
		return fault.New(fault.NoRow)
	}
	return fault.New(fault.NotWritten)
}

// key gives the arguments of the check.
func (w *transaction) key() []target.Value {
	key := make([]target.Value, len(w.plan.Check.Slots))
	for i, slot := range w.plan.Check.Slots {
		if slot > 0 {
			key[i] = w.args[slot-1]
		} else {
			key[i].Text = w.id()
		}
	}
	return key
}

func (w *transaction) id() string { return strconv.FormatUint(w.made, 10) }

// complete hands the row over and commits, unless somebody has an objection.
func (s *Session) complete(ctx context.Context, w *transaction, sink target.RowSink, executed func(target.Evidence) error) error {
	if err := s.handOver(ctx, w, sink, executed); err != nil {
		s.rollBack()
		return err
	}
	if !s.dialer.screen.inTransaction {
		// Something committed by itself.
		return s.broke(fault.Wrap(fault.CommitUnknown, errors.New("mysql: the transaction is over before its COMMIT")))
	}
	end, err := s.begin(ctx)
	if err != nil {
		s.rollBack()
		return err
	}
	defer end()
	if _, err := s.conn.ExecContext(forever, commitText, nil); err != nil {
		return s.uncommitted(ctx, err)
	}
	s.relax()
	return nil
}

// handOver gives the caller's functions what is theirs.
func (s *Session) handOver(ctx context.Context, w *transaction, sink target.RowSink, executed func(target.Evidence) error) error {
	s.calling = true
	if w.plan.Action == plan.Insert {
		if err := sink.Row(w.cells()); err != nil {
			s.calling = false
			return err
		}
	}
	e := target.Evidence{Identity: s.server.Identity, Thread: uint64(s.dialer.greeting.thread), Before: w.before, After: w.after}
	if w.plan.Check != nil {
		e.Key = w.key()
	}
	err := executed(e)
	s.calling = false
	if err == nil && ctx.Err() != nil {
		err = fault.Wrap(fault.DatabaseTimeout, ctx.Err())
	}
	return err
}

// cells is the key of an inserted row.
func (w *transaction) cells() [][]byte {
	cells := make([][]byte, len(w.plan.Results))
	for i, r := range w.plan.Results {
		switch {
		case r.Slot == 0:
			cells[i] = []byte(w.id())
		case !w.args[r.Slot-1].Null:
			cells[i] = []byte(w.args[r.Slot-1].Text)
		}
	}
	return cells
}

// uncommitted explains a COMMIT that was not answered with success. Few errors
// say for certain that it did nothing; after every other one the connection is
// of no more use, and somebody has to ask.
func (s *Session) uncommitted(ctx context.Context, err error) error {
	switch number := numberOf(err); number {
	case numberDeadlock, numberRolledBack: // a cluster refused it
		s.rollBack()
		return fault.Wrap(fault.RowLocked, serverError(number))
	case numberIdleTooLong: // ended before COMMIT came
		s.abandon()
		return fault.Wrap(fault.DatabaseTimeout, serverError(number))
	}
	cause := fault.Cause(s.failed(ctx, err))
	s.abandon()
	return fault.Wrap(fault.CommitUnknown, cause)
}

// rollBack ends a transaction that failed. Where that fails, too, the server
// does it when it finds the connection gone.
func (s *Session) rollBack() {
	if s.broken {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), rollbackLimit)
	defer cancel()
	if s.exec(ctx, rollbackText) != nil {
		s.abandon()
		return
	}
	s.relax()
}

// relax lets the session wait between transactions as long as any other.
func (s *Session) relax() {
	if s.server.Flavor != schema.FlavorMySQL || s.broken {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), rollbackLimit)
	defer cancel()
	if s.exec(ctx, patientText) != nil {
		s.abandon()
	}
}

// refusedWrite is failed for what a write sends.
func (s *Session) refusedWrite(ctx context.Context, err error) error {
	f := s.failed(ctx, err)
	var e *mysql.MySQLError
	if !errors.As(err, &e) {
		return f
	}
	code := writeCodeOf(e.Number, string(e.SQLState[:]))
	if code == fault.ConnectionLost {
		s.abandon() // also when the server only refuses to write
	}
	return fault.Wrap(code, serverError(e.Number))
}

// writeFault sorts a fault of a statement again for a write.
func writeFault(err error) error {
	if number := refusal(err); number != 0 {
		return fault.Wrap(writeCodeOf(uint16(number), ""), number)
	}
	return err
}
