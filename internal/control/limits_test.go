package control

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/id"
)

// TestTurns: one at a time for each connection, and whoever gives up waiting is
// told.
func TestTurns(t *testing.T) {
	l := turns{busy: map[id.Connection]chan struct{}{}}
	var inside, most atomic.Int32
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			done, err := l.take(t.Context(), "con_1")
			if err != nil {
				t.Error(err)
				return
			}
			most.Store(max(most.Load(), inside.Add(1)))
			inside.Add(-1)
			done()
		})
	}
	all.Wait()
	if most.Load() != 1 || len(l.busy) != 0 {
		t.Errorf("%d at once, %d kept", most.Load(), len(l.busy))
	}
	done, err := l.take(t.Context(), "con_1")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := l.take(ctx, "con_1"); !fault.Is(err, fault.DatabaseBusy) {
		t.Errorf("waiting for a turn in vain: %v", err)
	}
	if _, err := l.take(t.Context(), "con_2"); err != nil {
		t.Errorf("another connection: %v", err)
	}
	done()
}
