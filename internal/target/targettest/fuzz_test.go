package targettest

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/schema"
	"flowyte/internal/target"
)

// FuzzPostgres and FuzzMySQL put any bytes in the place of one turn of a real
// server's session, and leave: opening the session and the look-up on it give
// rows or a fault, whatever comes, in the time of the caller.
func FuzzPostgres(f *testing.F) { fuzzTurn(f, schema.Postgres, "postgres", "postgres18") }

func FuzzMySQL(f *testing.F) { fuzzTurn(f, schema.MySQL, "mariadb", "mysql") }

func fuzzTurn(f *testing.F, kind schema.Kind, flavors ...string) {
	f.Helper()
	const limit, slack = 500 * time.Millisecond, 2 * time.Second
	sessions := make([]Session, len(flavors))
	for i, flavor := range flavors {
		sessions[i] = Recorded(f, flavor, Reading)
		f.Add(i, -1, sessions[i].Greeting)
		for turn, said := range sessions[i].Turns {
			f.Add(i, turn, said)
		}
	}
	type script struct {
		session Session
		turn    int
		said    []byte
	}
	var played atomic.Pointer[script]
	rogue := NewRogue(f, kind, "127.0.0.1:0", func(p *Peer) {
		s := played.Load()
		if s.turn >= 0 {
			p.Secure(s.session)
			p.Until(s.session, s.turn)
		}
		p.Send(s.said)
	})
	creds, err := target.ParseCredentials(rogue.API(), kind)
	if err != nil {
		f.Fatal(err)
	}
	guard := Guard(f)
	f.Fuzz(func(t *testing.T, flavor, at int, bytes []byte) {
		if flavor < 0 || flavor >= len(sessions) || at < -1 || at >= len(sessions[flavor].Turns) {
			t.Skip("no such turn")
		}
		played.Store(&script{sessions[flavor], at, bytes})
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		begun := time.Now()
		s, err := drivers[kind].Open(ctx, guard, creds, target.ForReads)
		if err == nil {
			p, args, _ := LookUp(kind, s.Server().Identity)
			var got Rows
			err = s.Run(ctx, p, args, &got)
			s.Close()
		}
		if took := time.Since(begun); took > limit+slack {
			t.Errorf("it took %v", took)
		}
		if _, ok := err.(*fault.Error); err != nil && !ok || fault.Is(err, fault.Internal) {
			t.Errorf("the error is a %T: %v (%v)", err, err, fault.Cause(err))
		}
	})
}
