package mysql

import (
	"context"
	"crypto/tls"
	"database/sql/driver"
	"io"
	"testing"

	"flowyte/internal/egress/egresstest"
	"flowyte/internal/fault"
	"flowyte/internal/plan"
	"flowyte/internal/target"
	"flowyte/internal/target/targettest"
)

// explosive is a driver's connection, statement and result in one, which
// panics in the call that is named.
type explosive struct{ at string }

func (e *explosive) call(name string) {
	if e.at == name {
		panic(name)
	}
}

func (e *explosive) PrepareContext(context.Context, string) (driver.Stmt, error) {
	e.call("prepare")
	return e, nil
}

func (e *explosive) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	e.call("exec")
	return driver.ResultNoRows, nil
}

// wire is its connection, whose QueryContext has another shape than the
// statement's.
type wire struct{ *explosive }

func (e wire) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	e.call("query")
	return result(e), nil
}

func (e wire) Close() error              { e.call("close"); return nil }
func (e wire) Begin() (driver.Tx, error) { return nil, driver.ErrSkip }

func (e wire) Prepare(string) (driver.Stmt, error) { return nil, driver.ErrSkip }

func (e *explosive) QueryContext(context.Context, []driver.NamedValue) (driver.Rows, error) {
	e.call("execute")
	return result{e}, nil
}

func (e *explosive) Exec([]driver.Value) (driver.Result, error) { return nil, driver.ErrSkip }
func (e *explosive) Query([]driver.Value) (driver.Rows, error)  { return nil, driver.ErrSkip }
func (e *explosive) NumInput() int                              { e.call("parameters"); return 0 }
func (e *explosive) Close() error                               { e.call("close statement"); return nil }

type result struct{ *explosive }

func (r result) Columns() []string                     { r.call("columns"); return []string{"one"} }
func (r result) ColumnTypeDatabaseTypeName(int) string { r.call("type"); return "BIGINT" }
func (r result) Next([]driver.Value) error             { r.call("next"); return io.EOF }
func (r result) Close() error                          { r.call("close result"); return nil }

// TestPanics: wherever the driver panics, the caller gets a fault and the
// session is gone.
func TestPanics(t *testing.T) {
	listener := egresstest.Listen(t, "127.0.0.1:0", nil)
	creds, _ := rogue(t, func(p *peer) { p.silence() })
	creds.Port = listener.Port()
	p := read("SELECT 1", nil, []column{integer}, 1)
	run := func(s *Session) error { return s.Run(t.Context(), p, nil, targettest.Discard{}) }
	forget := func(s *Session) error {
		for i := range maxStatements {
			s.statements[string(rune(i))] = &statement{prepared: s.conn.(wire).explosive}
		}
		return run(s)
	}
	explain := func(s *Session) error { _, err := s.Explain(t.Context(), p); return err }
	insert := func(s *Session) error {
		_, err := s.Explain(t.Context(), &plan.Plan{Action: plan.Insert, Statement: "INSERT"})
		return err
	}
	selects := func(s *Session) error {
		return s.Select(t.Context(), "SELECT 1", nil, func([]any) error { return nil })
	}
	prove := func(s *Session) error { _, err := s.ProveReadOnly(t.Context()); return err }
	rights := func(s *Session) error { _, err := s.Privileges(t.Context()); return err }
	count := func(s *Session) error { _, err := s.SchemaReadable(t.Context()); return err }
	setUp := func(s *Session) error { return s.setUp(t.Context()) }
	probe := func(s *Session) error { return s.Probe(t.Context()) }
	for _, c := range []struct {
		at string
		do func(*Session) error
	}{
		{"prepare", run}, {"parameters", run}, {"execute", run}, {"columns", run}, {"type", run}, {"next", run}, {"close result", run},
		{"close statement", forget}, {"prepare", insert}, {"exec", explain}, {"execute", explain}, {"close statement", explain},
		{"query", selects}, {"next", selects}, {"query", prove}, {"query", rights}, {"query", count}, {"query", probe}, {"exec", setUp},
	} {
		raw, err := targettest.Guard(t).Dial(t.Context(), creds.Host, creds.Port)
		must(t, err)
		d := &dialer{creds: creds, greeting: &greeting{}}
		d.screen = newScreen(raw, tls.Client(raw, &tls.Config{}), d.greeting)
		s := newSession(wire{&explosive{at: c.at}}, d, target.ForReads)
		if err := c.do(s); !fault.Is(err, fault.ProtocolError) {
			t.Errorf("%s: %v, want %s", c.at, err, fault.ProtocolError)
		}
		if !s.Broken() {
			t.Errorf("%s: the session goes on", c.at)
		}
		s.conn = wire{&explosive{at: "close"}}
		s.Close()
	}
}

// TestPanicWhileConnecting: a panic in the login leaves no connection behind.
func TestPanicWhileConnecting(t *testing.T) {
	creds, _ := rogue(t, func(p *peer) { p.silence() })
	d := &dialer{guard: nil, creds: creds, tls: creds.TLS} // a guard that is not there makes the dialer panic
	_, err := connect(t.Context(), d, accountFor(creds, target.ForReads))
	wantFault(t, err, fault.ProtocolError)
}
