package targettest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"flowyte/internal/id"
	"flowyte/internal/schema"
	"flowyte/internal/target"
)

// TestHostileOrganisation is R21: two hundred calls at once of one organisation
// to servers that let it in and then say nothing hold the organisation's own
// places and no more, and every call of another is answered meanwhile.
func TestHostileOrganisation(t *testing.T) {
	eachKind(t, func(t *testing.T, kind schema.Kind) {
		const databases, callsOfEach, patience = 10, 20, 800 * time.Millisecond
		session := Recorded(t, Flavor(kind), Reading)
		question := 4 // the turn after the settings
		if kind == schema.MySQL {
			question = 3
		}
		var held, most atomic.Int64
		full := make(chan struct{})
		var filled sync.Once
		hostile := NewRogue(t, kind, "127.0.0.1:0", func(p *Peer) {
			p.Secure(session)
			p.Until(session, question)
			now := held.Add(1)
			defer held.Add(-1)
			for m := most.Load(); now > m && !most.CompareAndSwap(m, now); m = most.Load() {
			}
			if now == capOfOneOrg {
				filled.Do(func() { close(full) })
			}
			p.Silence()
		})
		good := NewRogue(t, kind, "127.0.0.1:0", func(p *Peer) { p.Secure(session); p.Replay(session) })
		fleet := target.NewFleet(Guard(t), target.Options{})
		defer fleet.Shutdown()
		p, args, want := LookUp(kind, identity(t, Parse(t, good.API(), kind)))
		open := func(connection string, org id.Org, r *Rogue) *target.Database {
			return fleet.Open(id.Connection(connection), org, drivers[kind], Parse(t, r.API(), kind))
		}
		var calls sync.WaitGroup
		over := make(chan struct{})
		for i := range databases {
			db := open(fmt.Sprint("con_", i), "org_hostile", hostile)
			for range callsOfEach {
				calls.Go(func() {
					for {
						ctx, cancel := context.WithTimeout(t.Context(), patience)
						_, err := db.Run(ctx, p, args, Discard{})
						cancel()
						if err == nil {
							t.Error("a silent server answered")
						}
						select {
						case <-over:
							return
						case <-time.After(retryAfter(err)):
						}
					}
				})
			}
		}
		select {
		case <-full:
		case <-time.After(20 * time.Second):
			t.Errorf("the hostile organisation got %d places at most; this proves nothing", most.Load())
		}
		other := open("con_other", "org_other", good)
		for i := range 50 {
			ctx, cancel := context.WithTimeout(t.Context(), target.ConnectLimit)
			var got Rows
			_, err := other.Run(ctx, p, args, &got)
			cancel()
			if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("call %d of the other organisation: %v, %q", i, err, got)
			}
		}
		close(over)
		calls.Wait()
		if most.Load() > capOfOneOrg {
			t.Errorf("the hostile organisation held %d places", most.Load())
		}
	})
}
