package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"flowyte/internal/fault"
	"flowyte/internal/plan"
	"flowyte/internal/schema"
	"flowyte/internal/target"

	"github.com/jackc/pgx/v5/pgconn"
)

// maxStatements bounds what a session keeps prepared. An organisation with more
// live statements pays a round trip now and then.
const maxStatements = 256

// statement is a plan's text as the server understood it.
type statement struct {
	description *pgconn.StatementDescription // nil behind a pooler
	columns     []conversion
	// checked is the plan whose results were last compared with the columns.
	checked *plan.Plan
}

// newStatement compares the server's columns with what the plan was compiled
// for. A difference is the fault schema_drift.
func newStatement(p *plan.Plan, parameters int, fields []pgconn.FieldDescription) (*statement, error) {
	if parameters != len(p.Slots) {
		return nil, drift("%d parameters instead of %d", parameters, len(p.Slots))
	}
	st := &statement{columns: make([]conversion, len(fields))}
	for i := range fields {
		st.columns[i] = conversionOf(fields[i].DataTypeOID)
	}
	return st, st.check(p, fields)
}

// check leaves it to the looks at the catalogue to tell apart types that are
// not the server's own: all of them are sent as text.
func (st *statement) check(p *plan.Plan, fields []pgconn.FieldDescription) error {
	if st.checked == p {
		return nil
	}
	columns := len(p.Results)
	if p.Action != plan.Read {
		columns++ // the transaction's id
	}
	if len(fields) != columns {
		return drift("%d columns instead of %d", len(fields), columns)
	}
	for i := range p.Results {
		if want, has := p.Results[i].Type.TypeOID, fields[i].DataTypeOID; want != 0 && has != want && min(want, has) < schema.FirstUserOID {
			return drift("column %d has type %d instead of %d", i, has, want)
		}
	}
	st.checked = p
	return nil
}

func drift(format string, args ...any) error {
	return fault.Wrap(fault.SchemaDrift, errors.New("postgres: the statement has "+fmt.Sprintf(format, args...)))
}

// Run implements target.Session.
func (s *Session) Run(ctx context.Context, p *plan.Plan, args []target.Value, sink target.RowSink) error {
	if p.Action != plan.Read || len(args) != len(p.Slots) {
		return fault.Wrap(fault.Internal, errors.New("postgres: not a read, or not its arguments"))
	}
	values := s.args.encode(p.Slots, args)
	if s.pooled {
		return s.runPooled(ctx, p, values, sink)
	}
	if err := s.begin(ctx); err != nil {
		return err
	}
	st, known := s.statements[p.Statement]
	if !known {
		var err error
		if st, err = s.prepare(ctx, p); err != nil {
			return err
		}
	} else if err := st.check(p, st.description.Fields); err != nil {
		return err
	}
	err := s.execute(ctx, st, p, values, sink)
	if known && s.outdated(err) {
		// The table was altered, or the server forgot the statement: what it
		// makes of the text now decides whether that matters.
		if err = s.forget(ctx, p.Statement); err == nil {
			if st, err = s.prepare(ctx, p); err == nil {
				err = s.execute(ctx, st, p, values, sink)
			}
		}
	}
	return err
}

// outdated recognises the two refusals of a prepared statement that come
// before any row.
func (s *Session) outdated(err error) bool {
	if err == nil { // nearly always; looking into it would cost memory
		return false
	}
	var state sqlState
	return errors.As(fault.Cause(err), &state) && !s.Broken() &&
		(state == stateFeatureNotSupported || state == stateStatementUnknown)
}

// prepare has the server parse the plan's text under a name.
func (s *Session) prepare(ctx context.Context, p *plan.Plan) (*statement, error) {
	if len(s.statements) >= maxStatements {
		for text := range s.statements {
			if err := s.forget(ctx, text); err != nil {
				return nil, err
			}
			break
		}
	}
	if limit := s.limitFor(p); s.limitMs < limit { // to be prepared may mean to wait, too
		if err := s.within(ctx, limit, command{text: "SELECT 1"}, func(*pgconn.ResultReader) error { return nil }); err != nil {
			return nil, err
		}
	}
	s.named++
	description, err := s.conn.Prepare(ctx, "flowyte_"+strconv.Itoa(s.named), p.Statement, nil)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	st, err := newStatement(p, len(description.ParamOIDs), description.Fields)
	if err != nil {
		if lost := s.deallocate(ctx, description.Name); lost != nil {
			return nil, lost
		}
		return nil, err
	}
	for i := range description.Fields {
		// Nobody asks for the names, and they would be kept with the session,
		// at whatever length the server likes.
		description.Fields[i].Name = ""
	}
	st.description = description
	s.statements[p.Statement] = st
	return st, nil
}

// forget drops a prepared statement.
func (s *Session) forget(ctx context.Context, text string) error {
	name := s.statements[text].description.Name
	delete(s.statements, text)
	return s.deallocate(ctx, name)
}

func (s *Session) deallocate(ctx context.Context, name string) error {
	if err := s.conn.Deallocate(ctx, name); err != nil {
		return s.failed(ctx, err)
	}
	return nil
}

func (s *Session) execute(ctx context.Context, st *statement, p *plan.Plan, values [][]byte, sink target.RowSink) error {
	if limit := s.limitFor(p); limit != s.limitMs {
		return s.within(ctx, limit, command{prepared: st.description, values: values}, func(rr *pgconn.ResultReader) error {
			return s.deliver(rr, st, p, sink)
		})
	}
	rr := s.conn.ExecStatement(ctx, st.description, values, nil, nil)
	return s.finish(ctx, rr, s.deliver(rr, st, p, sink))
}

// runPooled prepares nothing: a name given to one server connection means
// nothing, or something else, on the next.
func (s *Session) runPooled(ctx context.Context, p *plan.Plan, values [][]byte, sink target.RowSink) error {
	return s.read(ctx, s.limitFor(p), command{text: p.Statement, values: values}, func(rr *pgconn.ResultReader) error {
		st, err := newStatement(p, len(values), rr.FieldDescriptions())
		if err != nil {
			return err
		}
		return s.deliver(rr, st, p, sink)
	})
}

// deliver hands the rows to sink, in canonical text.
func (s *Session) deliver(rr *pgconn.ResultReader, st *statement, p *plan.Plan, sink target.RowSink) error {
	for rows := 0; rr.NextRow(); rows++ {
		cells := rr.Values()
		if len(cells) != len(st.columns) {
			s.broken = true
			return violation("a row of %d values for %d columns", len(cells), len(st.columns))
		}
		if rows > p.MaxRows {
			// The statement's own LIMIT was not kept. The caller has what he
			// asked for; the rest is nobody's.
			s.broken = true
			return nil
		}
		for i, cell := range cells {
			if cell == nil || st.columns[i] == asIs {
				continue
			}
			converted, err := st.columns[i].apply(cell)
			if err != nil {
				s.broken = true
				return err
			}
			cells[i] = converted
		}
		if err := sink.Row(cells); err != nil {
			return err
		}
	}
	return nil
}

// arguments is the memory in which values are laid out for the wire.
type arguments struct {
	buf    []byte
	ends   []int // end of each value in buf, -1 for NULL
	values [][]byte
}

// encode lays out the values in the order of the slots. The result is valid
// until the next call.
func (a *arguments) encode(slots []plan.Slot, args []target.Value) [][]byte {
	a.buf, a.ends, a.values = a.buf[:0], a.ends[:0], a.values[:0]
	for i := range args {
		switch {
		case args[i].Null:
			a.ends = append(a.ends, -1)
			continue
		case slots[i].Variant == plan.AllVariants:
			a.buf = appendArray(a.buf, args[i].All)
		default:
			a.buf = append(a.buf, args[i].Text...)
		}
		a.ends = append(a.ends, len(a.buf))
	}
	start := 0
	for _, end := range a.ends {
		if end < 0 {
			a.values = append(a.values, nil)
			continue
		}
		a.values = append(a.values, a.buf[start:end:end])
		start = end
	}
	return a.values
}
