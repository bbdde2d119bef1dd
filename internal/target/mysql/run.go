package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"

	"flowyte/internal/fault"
	"flowyte/internal/plan"
	"flowyte/internal/target"
)

// maxStatements bounds what a session keeps prepared. Servers bound the sum
// over all sessions, by default at 16,382.
const maxStatements = 128

// statement is a plan's text as the server understood it.
type statement struct {
	prepared driver.Stmt
	used     uint64
	// compared is the plan that the columns of a result were last compared with.
	compared *plan.Plan
	columns  []conversion
}

// memory is reused by every run of a session.
type memory struct {
	values  []driver.NamedValue
	raw     []driver.Value
	cells   [][]byte
	columns []conversion
	text    []byte
}

func drift(format string, args ...any) error {
	return fault.Wrap(fault.SchemaDrift, errors.New("mysql: the statement has "+fmt.Sprintf(format, args...)))
}

// Run implements target.Session.
func (s *Session) Run(ctx context.Context, p *plan.Plan, args []target.Value, sink target.RowSink) (err error) {
	defer s.protect(&err)
	if p.Action != plan.Read || len(args) != len(p.Slots) {
		return fault.Wrap(fault.Internal, errors.New("mysql: not a read, or not its arguments"))
	}
	values, err := s.memory.encode(p.Slots, args)
	if err != nil {
		return err
	}
	end, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	_, known := s.statements[p.Statement]
	err = s.execute(ctx, p, values, sink)
	if known && !s.broken && outdated(err) {
		// The server forgot the statement, or could not renew it by itself:
		// what it makes of the text now decides whether that matters.
		if err = s.forget(ctx, p.Statement); err == nil {
			err = s.execute(ctx, p, values, sink)
		}
	}
	return err
}

// outdated recognises the two refusals of a prepared statement that come
// before any row.
func outdated(err error) bool {
	number := refusal(err)
	return number == numberNeedReprepare || number == numberUnknownStmt
}

// execute runs a plan's statement, prepared once for the session.
func (s *Session) execute(ctx context.Context, p *plan.Plan, values []driver.NamedValue, sink target.RowSink) error {
	st, err := s.prepare(ctx, p.Statement, len(p.Slots))
	if err != nil {
		return err
	}
	found, err := s.query(ctx, st.prepared, values)
	if err != nil {
		return err
	}
	changed := s.memory.compare(found, st, p)
	if changed != nil {
		// The rows are read to their end, so that the session can go on.
		sink = nil
	}
	if err := s.deliver(ctx, found, p, sink); err != nil {
		return err
	}
	return changed
}

// prepare gives the statement of a plan's text, and has the server parse it the
// first time.
func (s *Session) prepare(ctx context.Context, text string, parameters int) (*statement, error) {
	s.clock++
	if st, known := s.statements[text]; known {
		st.used = s.clock
		return st, nil
	}
	if len(s.statements) >= maxStatements {
		if err := s.forget(ctx, s.oldest()); err != nil {
			return nil, err
		}
	}
	prepared, err := s.conn.PrepareContext(forever, text)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	if n := prepared.NumInput(); n != parameters {
		if err := prepared.Close(); err != nil {
			return nil, s.failed(ctx, err)
		}
		return nil, drift("%d parameters instead of %d", n, parameters)
	}
	st := &statement{prepared: prepared, used: s.clock}
	s.statements[text] = st
	return st, nil
}

// oldest is the text of the statement that was not used for the longest time.
func (s *Session) oldest() string {
	var oldest string
	least := s.clock
	for text, st := range s.statements {
		if st.used <= least {
			oldest, least = text, st.used
		}
	}
	return oldest
}

// forget drops a prepared statement.
func (s *Session) forget(ctx context.Context, text string) error {
	st := s.statements[text]
	delete(s.statements, text)
	if err := st.prepared.Close(); err != nil {
		return s.failed(ctx, err)
	}
	return nil
}

// deliver reads a result to its end and hands its rows to sink in canonical
// text, at most one more than the plan's.
func (s *Session) deliver(ctx context.Context, found driver.Rows, p *plan.Plan, sink target.RowSink) error {
	m := &s.memory
	var own error
	for n := 0; ; n++ {
		err := found.Next(m.raw)
		if err == io.EOF {
			break
		}
		if err != nil {
			return s.cut(ctx, found, err)
		}
		if n > p.MaxRows {
			// The statement's own LIMIT was not kept. The caller has what he
			// asked for; the rest is nobody's.
			s.abandon()
			_ = found.Close()
			return own
		}
		if sink == nil || own != nil {
			continue
		}
		cells, err := m.convert()
		if err != nil {
			return s.cut(ctx, found, err)
		}
		s.calling = true
		own = sink.Row(cells)
		s.calling = false
	}
	if err := found.Close(); err != nil {
		return s.failed(ctx, err)
	}
	return own
}
