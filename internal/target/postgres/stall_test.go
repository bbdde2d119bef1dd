package postgres_test

import (
	"testing"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/target"
	"flowyte/internal/target/targettest"

	"github.com/jackc/pgx/v5/pgproto3"
)

// A server that says it is ready in the middle of an answer makes the driver
// forget its deadline. The caller is released at his all the same.
func TestReadyTooEarly(t *testing.T) {
	greetPooled := func(p *peer) {
		p.login()
		p.query()
		p.answer(greetingColumns, row("on", "4711", "f", "15.1", "150001", "db", "5", "77")) // another backend's pid: a pooler
		p.query()
	}
	settings := []pgproto3.BackendMessage{&pgproto3.ParseComplete{}, &pgproto3.BindComplete{}, &pgproto3.CommandComplete{},
		&pgproto3.ParseComplete{}, &pgproto3.BindComplete{}, description(25), row("on"), &pgproto3.CommandComplete{}}
	for name, play := range map[string]func(p *peer){
		"in a batch": func(p *peer) { greetPooled(p); p.send(&pgproto3.ReadyForQuery{TxStatus: 'I'}) },
		"before the settings": func(p *peer) {
			greetPooled(p)
			p.send(append(settings[:6:6], &pgproto3.ReadyForQuery{TxStatus: 'I'})...)
		},
		"inside a row": func(p *peer) {
			greetPooled(p)
			p.send(settings...)
			p.send(&pgproto3.ParseComplete{}, &pgproto3.BindComplete{}, description(25), &pgproto3.ReadyForQuery{TxStatus: 'I'})
		},
		"in a prepare": func(p *peer) {
			p.greet()
			p.query()
			p.send(&pgproto3.ParseComplete{}, &pgproto3.ReadyForQuery{TxStatus: 'I'})
		},
		"in an execute": func(p *peer) { p.prepare(description(25)); p.query(); p.send(&pgproto3.ReadyForQuery{TxStatus: 'I'}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, rogue(t, func(p *peer) { play(p); p.silence() }), target.ForReads)
			const budget = 200 * time.Millisecond
			begun := time.Now()
			err := s.Run(deadline(t, budget), read("SELECT $1", 1, 1, 1), targettest.Text("1"), targettest.Discard{})
			if took := time.Since(begun); took > budget+slack {
				t.Errorf("released after %v", took)
			}
			if _, ok := err.(*fault.Error); !ok || !s.Broken() {
				t.Errorf("%v, broken %v", err, s.Broken())
			}
			begun = time.Now()
			s.Close()
			if took := time.Since(begun); took > time.Second+slack {
				t.Errorf("closed after %v", took)
			}
		})
	}
}

// A session that was lost says so to everything that is asked of it, instead of
// answering that there is nothing.
func TestLostSessionTells(t *testing.T) {
	s := open(t, rogue(t, func(p *peer) { p.greet(); p.query() }), target.ForReads)
	if err := s.Probe(t.Context()); !fault.Is(err, fault.ConnectionLost) {
		t.Fatal(err)
	}
	p := read("SELECT 1", 0, 1, 1)
	for name, ask := range map[string]func() error{
		"Run":            func() error { return s.Run(t.Context(), p, nil, targettest.Discard{}) },
		"Explain":        func() error { _, err := s.Explain(t.Context(), p); return err },
		"Select":         func() error { return s.Select(t.Context(), "SELECT 1", nil, func([]any) error { return nil }) },
		"SchemaReadable": func() error { _, err := s.SchemaReadable(t.Context()); return err },
		"ProveReadOnly":  func() error { _, err := s.ProveReadOnly(t.Context()); return err },
		"Privileges":     func() error { _, err := s.Privileges(t.Context()); return err },
	} {
		if err := ask(); !fault.Is(err, fault.ConnectionLost) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
