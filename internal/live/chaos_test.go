package live

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/plan"
	"flowyte/internal/target"
)

// shaky is a database that loses connections at every point of a write, and
// knows what it committed.
type shaky struct {
	database
	mu        sync.Mutex
	dice      *rand.Rand
	calm      bool
	next      int
	committed map[string]int  // by the values of the write
	byXID     map[string]bool // committed
	openUntil map[string]time.Time
}

func newShaky(seed uint64) *shaky {
	return &shaky{
		database: oneRow, dice: rand.New(rand.NewPCG(seed, 1)),
		committed: map[string]int{}, byXID: map[string]bool{}, openUntil: map[string]time.Time{},
	}
}

// rolls tells whether something goes wrong that does once in n times.
func (s *shaky) rolls(n int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.calm && s.dice.IntN(n) == 0
}

func (s *shaky) lasts() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Duration(s.dice.IntN(1500)) * time.Millisecond
}

func (s *shaky) begin() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	return strconv.Itoa(s.next)
}

func (s *shaky) commit(xid, row string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.committed[row]++
	s.byXID[xid] = true
	s.openUntil[xid] = at
}

func (s *shaky) Write(ctx context.Context, p *plan.Plan, values []target.Value, sink target.RowSink, executed func(target.Evidence) error) (target.Stats, error) {
	if s.rolls(10) {
		return target.Stats{}, fault.New(fault.DatabaseBusy)
	}
	if s.rolls(10) {
		return target.Stats{}, fault.New(fault.Unreachable)
	}
	if !pause(ctx, s.lasts()) {
		return target.Stats{}, fault.New(fault.DatabaseTimeout)
	}
	if s.rolls(10) {
		return target.Stats{}, fault.New(fault.RowLocked)
	}
	if s.rolls(20) {
		panic("before the row")
	}
	xid := s.begin()
	if err := sink.Row(cellsOf([]string{xid})); err != nil {
		return target.Stats{}, err
	}
	if err := executed(target.Evidence{Identity: "db", XID: xid}); err != nil {
		return target.Stats{}, err
	}
	row := values[0].Text
	switch {
	case s.rolls(10):
		return target.Stats{}, fault.New(fault.ConnectionLost)
	case s.rolls(8): // lost on its way
		return target.Stats{}, fault.New(fault.CommitUnknown)
	case s.rolls(8): // done, and the answer lost
		s.commit(xid, row, time.Now().Add(s.lasts()))
		return target.Stats{}, fault.New(fault.CommitUnknown)
	case s.rolls(20):
		s.commit(xid, row, time.Time{})
		panic("after the commit")
	case s.rolls(20): // a driver that does not return for long
		s.commit(xid, row, time.Time{})
		<-time.After(20 * time.Second)
		return target.Stats{}, fault.New(fault.CommitUnknown)
	}
	s.commit(xid, row, time.Time{})
	return target.Stats{}, nil
}

func (s *shaky) Resolve(_ context.Context, _ *plan.Plan, e target.Evidence) (target.Fate, error) {
	if s.rolls(2) {
		return "", fault.New(fault.Unreachable)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case time.Now().Before(s.openUntil[e.XID]):
		return target.FateOpen, nil
	case s.byXID[e.XID]:
		return target.FateCommitted, nil
	}
	return target.FateRolledBack, nil
}

// TestChaos lets sixteen conversations write while the database and the journal
// fail at every step. Each asks until it has an outcome, often under new ids, as
// an agent does that heard nothing. In the end no row is there twice, every ok is
// there, and nothing is there that was said to have failed.
func TestChaos(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { chaos(t, seed) })
		})
	}
}

func chaos(t *testing.T, seed uint64) {
	d := newDesk(t)
	db := newShaky(seed)
	d.connect(connection(db))
	d.book.set(func(string) error {
		if db.rolls(10) {
			return errDiskFull
		}
		return nil
	})
	var mu sync.Mutex
	ends := map[string]*Answer{}
	var all sync.WaitGroup
	for n := range 16 {
		all.Go(func() {
			c := d.ring()
			for i := range 6 {
				row := fmt.Sprintf("%d/%d", n, i)
				a := insist(t, d, c, row)
				mu.Lock()
				ends[row] = a
				mu.Unlock()
			}
		})
	}
	all.Wait()
	db.mu.Lock()
	db.calm = true
	db.mu.Unlock()
	<-time.After(time.Minute)
	for row, a := range ends {
		committed := db.committed[row]
		if (a.Outcome == OK) != (committed == 1) || committed > 1 {
			t.Errorf("%s is there %d times, and its answer was %s (%s)", row, committed, a.Outcome, a.Reason)
		}
	}
	for _, w := range d.book.written() {
		if w.Ending == nil || w.Ending.Fate == target.FateUnknown {
			t.Errorf("a write is still open in the journal: %+v", w.Ending)
		}
	}
}

// insist asks for a row until it has the final outcome of its last try. Every
// other time it comes back with a new id.
func insist(t *testing.T, d *desk, c *Conversation, row string) *Answer {
	for try := 0; ; try++ {
		id := row + "#" + strconv.Itoa(try/2)
		r := d.request(id, "jot", row)
		a := d.ask(c, r)
		if a.Outcome == ConfirmationRequired {
			if try > 40 {
				return a
			}
			r.ConfirmationToken = a.Confirmation.Token
			a = d.ask(c, r)
		}
		switch a.Outcome {
		case OK:
			return a
		case Failed: // certainly not done: the last try counts
			if try > 3 {
				return a
			}
		case Pending, Unknown, Busy, Unavailable:
			<-time.After(300 * time.Millisecond)
		default:
			t.Errorf("got %s (%s)", a.Outcome, a.Reason)
			return a
		}
	}
}
