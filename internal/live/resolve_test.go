package live

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"flowyte/internal/fault"
	"flowyte/internal/plan"
	"flowyte/internal/target"
)

// TestLostCommit: a COMMIT that was not answered is asked for at once, and never
// sent again.
func TestLostCommit(t *testing.T) {
	for _, tt := range []struct {
		fate    target.Fate
		outcome Outcome
		reason  string
	}{
		{target.FateCommitted, OK, ""},
		{target.FateRolledBack, Failed, "rolled_back"},
		{target.FateUnknown, Unknown, "not_established"},
	} {
		t.Run(string(tt.fate), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t)
				d.clerk.write = loses
				open := 2 // the server is still deciding
				d.clerk.resolve = func(context.Context) (target.Fate, error) {
					if open--; open >= 0 {
						return target.FateOpen, nil
					}
					return tt.fate, nil
				}
				c := d.ring()
				a := d.confirmed(c, "1", "book", "a", "three")
				want(t, a, tt.outcome, tt.reason)
				if !fault.Is(a.Err, fault.CommitUnknown) || (tt.outcome == OK) != (string(a.Result) == `{"created":{"id":17}}`) {
					t.Errorf("got %+v with %s", a, a.Result)
				}
				if w := d.book.written()[0]; w.Ending.Fate != tt.fate || w.Ending.Outcome != tt.outcome {
					t.Errorf("the journal has %+v", w.Ending)
				}
				want(t, d.late(c, "1"), tt.outcome, tt.reason)
				d.clerk.wantSent(t, 1)
			})
		})
	}
}

// TestUnknownForNow: while nobody can be asked it is pending for five seconds,
// then unknown, and settled within five seconds of the database's return.
func TestUnknownForNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		var down atomic.Bool
		down.Store(true)
		d.clerk.write = loses
		d.clerk.resolve = func(ctx context.Context) (target.Fate, error) {
			if down.Load() {
				pause(ctx, time.Hour) // a black hole
				return "", fault.New(fault.Unreachable)
			}
			return target.FateCommitted, nil
		}
		c := d.ring()
		r := d.request("1", "book", "a", "three")
		began := time.Now()
		want(t, d.confirmed(c, "1", "book", "a", "three"), Pending, "")
		for time.Since(began) < 4*time.Second {
			want(t, d.ask(c, r), Pending, "")
		}
		<-time.After(1500 * time.Millisecond)
		for _, a := range []*Answer{d.ask(c, r), d.late(c, "1"), d.ask(c, d.request("2", "book", "a", "three"))} {
			if want(t, a, Unknown, "being_established"); !a.Replayed {
				t.Errorf("got %+v", a)
			}
		}
		if steps := d.book.list(); len(steps) != 2 {
			t.Errorf("an open write has an end in the journal: %v", steps)
		}
		// It holds up no other write of the conversation.
		d.clerk.set(func(c *clerk) { c.write = nil })
		want(t, d.confirmed(c, "3", "jot", "n"), OK, "")
		<-time.After(time.Hour)
		down.Store(false)
		<-time.After(5 * time.Second)
		for _, id := range []string{"1", "2"} {
			if a := d.late(c, id); string(a.Result) != `{"created":{"id":17}}` {
				t.Errorf("got %+v", a)
			} else {
				want(t, a, OK, "")
			}
		}
		d.clerk.wantSent(t, 2)
	})
}

// TestResolvingThatDoesNotReturn: the next try does not wait for it.
func TestResolvingThatDoesNotReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		thaw := make(chan struct{})
		var mu sync.Mutex
		first := true
		d.clerk.write = loses
		d.clerk.resolve = func(context.Context) (target.Fate, error) {
			mu.Lock()
			stuck := first
			first = false
			mu.Unlock()
			if stuck {
				<-thaw
			}
			return target.FateCommitted, nil
		}
		c := d.ring()
		want(t, d.confirmed(c, "1", "book", "a", "three"), Pending, "")
		<-time.After(3 * time.Second)
		want(t, d.late(c, "1"), OK, "")
		close(thaw)
	})
}

// stopped is the journal of a process that was killed with these writes.
func stopped(t *testing.T, do func(d *desk, c *Conversation)) (Record, []Written) {
	t.Helper()
	d := newDesk(t)
	c := d.ring()
	do(d, c)
	written := d.book.written()
	return c.Record(), written
}

// TestRestoredWrites: what had ended is repeated as it was, an intent without
// evidence was certainly not done, and one with evidence is asked for.
func TestRestoredWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		record, written := stopped(t, func(d *desk, c *Conversation) {
			want(t, d.confirmed(c, "ended", "jot", "n"), OK, "")
			want(t, d.confirmed(c, "intended", "move", "17", "three"), OK, "")
			want(t, d.confirmed(c, "executed", "book", "a", "three"), OK, "")
			d.clerk.set(func(c *clerk) { c.write = failsWrite(fault.DatabaseBusy) })
			want(t, d.confirmed(c, "busy", "book", "b", "three"), Busy, "pool")
		})
		written[1].Ending, written[1].Evidence, written[1].Result = nil, nil, nil
		written[2].Ending = nil

		d := newDesk(t)
		var down atomic.Bool
		down.Store(true)
		d.clerk.resolve = func(context.Context) (target.Fate, error) {
			if down.Load() {
				return "", fault.New(fault.Unreachable)
			}
			return target.FateCommitted, nil
		}
		d.book.holds(written)
		if !d.Restore(record, d.version, written) {
			t.Fatal("the conversation is not taken up")
		}
		d.Resume(written) // they are looked after already
		c, err := d.Find(org, record.ID)
		if err != nil {
			t.Fatal(err)
		}
		a := d.ask(c, d.request("ended", "jot", "n"))
		if want(t, a, OK, ""); !a.Replayed || string(a.Result) != `{"created":{"id":17}}` {
			t.Errorf("got %+v", a)
		}
		want(t, d.late(c, "intended"), Failed, "rolled_back")
		want(t, d.late(c, "executed"), Unknown, "being_established")
		want(t, d.ask(c, d.request("again", "book", "a", "three")), Unknown, "being_established")
		d.refused(c, d.request("executed", "book", "a", "four"), fault.ToolCallIDReused)
		if _, err := d.Late(t.Context(), c, "busy"); !fault.Is(err, fault.NotFound) {
			t.Errorf("busy was recorded: %v", err)
		}
		<-time.After(time.Minute)
		down.Store(false)
		<-time.After(5 * time.Second)
		for _, id := range []string{"executed", "again"} {
			if a := d.late(c, id); a.Outcome != OK || string(a.Result) != `{"created":{"id":19}}` {
				t.Errorf("%s: %+v with %s", id, a, a.Result)
			}
		}
		d.clerk.wantSent(t, 0)
		if diff := cmp.Diff([]string{"finish rolled_back failed rolled_back", "finish committed ok"}, d.book.list()); diff != "" {
			t.Error(diff)
		}
		// A confirmation does not outlive the process.
		want(t, d.ask(c, d.request("new", "move", "17", "three")), ConfirmationRequired, "")
	})
}

// TestThreeTwoThreeOverARestart: the order of the writes outlives the process.
func TestThreeTwoThreeOverARestart(t *testing.T) {
	record, written := stopped(t, func(d *desk, c *Conversation) {
		want(t, d.confirmed(c, "1", "move", "17", "three"), OK, "")
		want(t, d.confirmed(c, "2", "move", "17", "two"), OK, "")
	})
	d := newDesk(t)
	if !d.Restore(record, d.version, written) {
		t.Fatal("the conversation is not taken up")
	}
	c, err := d.Find(org, record.ID)
	if err != nil {
		t.Fatal(err)
	}
	if a := d.ask(c, d.request("3", "move", "17", "two")); a.Outcome != OK || !a.Replayed {
		t.Errorf("got %+v", a)
	}
	if a := d.confirmed(c, "4", "move", "17", "three"); a.Outcome != OK || a.Replayed {
		t.Errorf("got %+v", a)
	}
}

// TestOpenWritesOfConversationsThatAreGone: they are resolved all the same, each
// once, whoever brings them.
func TestOpenWritesOfConversationsThatAreGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		record, written := stopped(t, func(d *desk, c *Conversation) {
			want(t, d.confirmed(c, "1", "book", "a", "three"), OK, "")
			want(t, d.confirmed(c, "2", "book", "b", "three"), OK, "")
			want(t, d.confirmed(c, "3", "jot", "n"), OK, "")
		})
		for i := range written {
			written[i].Ending = nil
		}
		written[1].Evidence = nil
		written[2].Plan = nil // its statement is lost
		d := newDesk(t)
		d.book.holds(written)
		d.book.set(failing("finish"))
		record.EndedAt = time.Now()
		if d.Restore(record, d.version, written[:1]) {
			t.Error("a conversation that is over was taken up")
		}
		d.Resume(written)
		<-time.After(time.Minute)
		d.book.set(nil)
		<-time.After(5 * time.Second)
		var ends []target.Fate
		for _, w := range d.book.written() {
			ends = append(ends, w.Ending.Fate)
		}
		if diff := cmp.Diff([]target.Fate{target.FateCommitted, target.FateRolledBack, target.FateUnknown}, ends); diff != "" {
			t.Error(diff)
		}
		if len(d.book.list()) != 3 {
			t.Errorf("the journal was told %v", d.book.list())
		}
	})
}

// TestDatabaseThatWillNeverBeAsked: what cannot be established is said to be so.
func TestDatabaseThatWillNeverBeAsked(t *testing.T) {
	for reason, change := range map[string]func(d *desk){
		"not_connected": func(d *desk) { d.publish(func(next *Table) { next.Connections = nil }) },
		"reconnected_elsewhere": func(d *desk) {
			d.connect(&Connection{Runner: d.clerk, Standing: func(*plan.Plan) string { return "reconnected_elsewhere" }})
		},
	} {
		t.Run(reason, func(t *testing.T) {
			d := newDesk(t)
			d.clerk.write = func(ctx context.Context, s *statement) error {
				change(d)
				return loses(ctx, s)
			}
			want(t, d.confirmed(d.ring(), "1", "book", "a", "three"), Unknown, reason)
		})
	}
}

// TestDrain lets the writes under way end, and no other begin; who is not done
// in time stays open in the journal.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.clerk.write = takes(3 * time.Second)
		c, other := d.ring(), d.ring()
		want(t, d.confirmed(c, "1", "book", "a", "three"), Pending, "")
		began := time.Now()
		var all sync.WaitGroup
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			if err := d.Drain(ctx); err != nil || time.Since(began) != 2*time.Second {
				t.Errorf("drained after %v: %v", time.Since(began), err)
			}
		})
		synctest.Wait()
		want(t, d.confirmed(other, "1", "jot", "n"), Unavailable, "stopping")
		all.Wait()
		want(t, d.late(c, "1"), OK, "")
		if err := d.Drain(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestCloseBreaksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.clerk.write = loses
		d.clerk.resolve = func(context.Context) (target.Fate, error) { return "", errors.New("down") }
		c := d.ring()
		want(t, d.confirmed(c, "1", "book", "a", "three"), Pending, "")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := d.Drain(ctx); !fault.Is(err, fault.ShuttingDown) {
			t.Errorf("got %v", err)
		}
		d.Close()
		w := d.book.written()[0]
		if w.Evidence == nil || w.Ending != nil {
			t.Errorf("the journal has %+v", w)
		}
		want(t, d.late(c, "1"), Pending, "")
	})
}

// TestRecorded: what the journal has of a call whose conversation is gone is
// told as the conversation would have told it.
func TestRecorded(t *testing.T) {
	_, written := stopped(t, func(d *desk, c *Conversation) { want(t, d.confirmed(c, "1", "book", "a", "three"), OK, "") })
	d := newDesk(t)
	recorded := func(change func(w *Written)) *Answer {
		w, end := written[0], *written[0].Ending
		w.Ending = &end
		change(&w)
		return d.Recorded(&w)
	}
	if a := recorded(func(*Written) {}); a.Outcome != OK || !a.Replayed || a.ToolCallID != "1" || a.Tool != "book" || string(a.Result) != `{"created":{"id":17}}` {
		t.Errorf("done: %+v with %s", a, a.Result)
	}
	want(t, recorded(func(w *Written) { w.Ending = nil }), Unknown, "being_established")
	if a := recorded(func(w *Written) { w.Ending.Outcome, w.Ending.Reason = Unavailable, "role_cannot_write" }); a != nil {
		t.Errorf("what was not tried: %+v", a)
	}
	if a := recorded(func(w *Written) { w.Plan = nil }); a.Outcome != OK || a.Result != nil {
		t.Errorf("without its plan: %+v", a)
	}
	blocked := connection(d.clerk)
	blocked.Standing = func(*plan.Plan) string { return "blocked_by_scoping" }
	d.connect(blocked)
	if a := recorded(func(*Written) {}); a.Outcome != OK || a.Result != nil {
		t.Errorf("blocked since: %+v", a)
	}
}
