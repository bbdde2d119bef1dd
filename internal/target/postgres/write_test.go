package postgres_test

import (
	"context"
	"testing"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/plan"
	"flowyte/internal/schema"
	"flowyte/internal/target"
	"flowyte/internal/target/targettest"

	"github.com/jackc/pgx/v5/pgproto3"
)

// done is the answer to a command without rows.
func done(tag string) []pgproto3.BackendMessage {
	return []pgproto3.BackendMessage{&pgproto3.ParseComplete{}, &pgproto3.BindComplete{}, &pgproto3.NoData{}, &pgproto3.CommandComplete{CommandTag: []byte(tag)}}
}

// update answers the opening of a session for writes and an update of one row,
// up to the COMMIT.
func (p *peer) update() {
	p.greet()
	timeline := []pgproto3.BackendMessage{&pgproto3.ParseComplete{}, &pgproto3.BindComplete{}, description(25, 25), row("00000001", "1700000000.5"), &pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")}}
	p.query()
	p.send(append(timeline, &pgproto3.ReadyForQuery{TxStatus: 'I'})...)
	p.query()
	p.send(&pgproto3.ParseComplete{}, &pgproto3.ParameterDescription{ParameterOIDs: []uint32{23}}, description(25), &pgproto3.ReadyForQuery{TxStatus: 'I'})
	p.query()
	p.send(append(done("BEGIN"), timeline...)...)
	p.send(&pgproto3.BindComplete{}, row("4711"), &pgproto3.CommandComplete{CommandTag: []byte("UPDATE 1")})
	p.send(append(done("SET CONSTRAINTS"), &pgproto3.ReadyForQuery{TxStatus: 'T'})...)
	p.query()
}

// refused is the server's error in answer to COMMIT.
func refused(severity, state string) func(*peer) {
	return func(p *peer) {
		p.send(&pgproto3.ErrorResponse{Severity: severity, SeverityUnlocalized: severity, Code: state, Message: "no"})
		if severity == "ERROR" {
			p.send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		}
	}
}

// TestAnswersToCommit: only what says so for certain is taken for the end of a
// write, and whatever else comes leaves it unknown and the session unusable.
func TestAnswersToCommit(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(*peer)
		want   fault.Code // "" for success
		goesOn bool
	}{
		"committed":          {func(p *peer) { p.send(append(done("COMMIT"), &pgproto3.ReadyForQuery{TxStatus: 'I'})...) }, "", true},
		"rolled back":        {func(p *peer) { p.send(append(done("ROLLBACK"), &pgproto3.ReadyForQuery{TxStatus: 'I'})...) }, fault.DatabaseError, true},
		"a constraint":       {refused("ERROR", "23505"), fault.AlreadyExists, true},
		"a conflict":         {refused("ERROR", "40001"), fault.RowLocked, true},
		"idle for too long":  {refused("FATAL", "25P03"), fault.DatabaseTimeout, false},
		"ended by an admin":  {refused("FATAL", "57P01"), fault.CommitUnknown, false},
		"cancelled":          {refused("ERROR", "57014"), fault.CommitUnknown, false},
		"its own trouble":    {refused("ERROR", "XX000"), fault.CommitUnknown, false},
		"a pooler's trouble": {refused("FATAL", "08P01"), fault.CommitUnknown, false},
		"silence":            {(*peer).silence, fault.CommitUnknown, false},
		"nobody":             {func(*peer) {}, fault.CommitUnknown, false},
		"rubbish":            {func(p *peer) { p.raw('?', 4) }, fault.CommitUnknown, false},
	} {
		t.Run(name, func(t *testing.T) {
			creds := rogue(t, func(p *peer) { p.update(); c.answer(p); p.silenceUnless(c.want == fault.CommitUnknown) })
			s := open(t, creds, target.ForWrites)
			p := &plan.Plan{Format: plan.Format, Kind: schema.Postgres, Action: plan.Update, Statement: "UPDATE …", Slots: make([]plan.Slot, 1)}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			var evidence []target.Evidence
			err := s.Write(ctx, p, targettest.Text("1"), targettest.Discard{}, func(e target.Evidence) error {
				evidence = append(evidence, e)
				return nil
			})
			if got := fault.CodeOf(err); got != c.want {
				t.Errorf("%q (%v) instead of %q", got, fault.Cause(err), c.want)
			}
			if len(evidence) != 1 || evidence[0].XID != "4711" || evidence[0].Timeline != 1 {
				t.Errorf("evidence %+v", evidence)
			}
			if s.Broken() == c.goesOn {
				t.Errorf("the session is broken: %v", s.Broken())
			}
		})
	}
}

// silenceUnless holds the connection, unless it is to end.
func (p *peer) silenceUnless(over bool) {
	if !over {
		p.silence()
	}
}
