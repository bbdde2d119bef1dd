package live

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"flowyte/internal/fault"
	"flowyte/internal/target"
)

// TestAskedFiveTimes: the same write asked in different words, under ids of
// their own, is confirmed once and committed once.
func TestAskedFiveTimes(t *testing.T) {
	d := newDesk(t)
	d.version.byName["book"].Plan.Params[0].Format = "phone"
	c := d.ring()
	first := d.confirmed(c, "1", "book", "+12065550142", "three")
	want(t, first, OK, "")
	for i, said := range []string{"(206) 555-0142", "206-555-0142", "206.555.0142", "2065550142"} {
		id := strconv.Itoa(i + 2)
		a := d.ask(c, d.request(id, "book", said, "three"))
		want(t, a, OK, "")
		if !a.Replayed || a.ToolCallID != id || string(a.Result) != string(first.Result) {
			t.Errorf("asked with %s: %+v", said, a)
		}
		want(t, d.late(c, id), OK, "")
		d.refused(c, d.request(id, "book", said, "four"), fault.ToolCallIDReused)
	}
	d.clerk.wantSent(t, 1)
	// A repetition uses no confirmation up.
	r := d.request("6", "book", "+12065550143", "three")
	r.ConfirmationToken = d.token(c, "book", "+12065550143", "three")
	again := d.request("7", "book", "+12065550142", "three")
	again.ConfirmationToken = r.ConfirmationToken
	want(t, d.ask(c, again), OK, "")
	want(t, d.ask(c, r), OK, "")
	// Another conversation is another matter.
	want(t, d.confirmed(d.ring(), "1", "book", "+12065550142", "three"), OK, "")
	d.clerk.wantSent(t, 3)
}

// TestThreeTwoThree: an appointment moved to three, back to two and to three
// again ends at three.
func TestThreeTwoThree(t *testing.T) {
	d := newDesk(t)
	c := d.ring()
	for i, at := range []string{"three", "two", "three"} {
		if a := d.confirmed(c, strconv.Itoa(i), "move", "17", at); a.Outcome != OK || a.Replayed {
			t.Fatalf("%s: %+v", at, a)
		}
	}
	sent := d.clerk.statements()
	if len(sent) != 3 || sent[2].values[1] != "three" {
		t.Errorf("sent %v", sent)
	}
	if a := d.ask(c, d.request("again", "move", "17", "three")); a.Outcome != OK || !a.Replayed {
		t.Errorf("got %+v", a)
	}
}

// TestOtherObjectsAndFailuresAreNotInBetween: only a write on the same object
// that took effect makes the same one a new one.
func TestOtherObjectsAndFailuresAreNotInBetween(t *testing.T) {
	d := newDesk(t)
	c := d.ring()
	want(t, d.confirmed(c, "1", "book", "a", "three"), OK, "")
	want(t, d.confirmed(c, "2", "jot", "n"), OK, "")
	d.clerk.set(func(c *clerk) { c.write = failsWrite(fault.AlreadyExists) })
	want(t, d.confirmed(c, "3", "book", "b", "three"), Conflict, "already_exists")
	if a := d.ask(c, d.request("4", "book", "a", "three")); a.Outcome != OK || !a.Replayed {
		t.Errorf("got %+v", a)
	}
}

// TestJoinOfAWrite: the same write under a new id joins the one still running,
// within its own deadline, and so does the same id.
func TestJoinOfAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.clerk.write = takes(2500 * time.Millisecond)
		c := d.ring()
		r := d.request("1", "book", "a", "three")
		r.ConfirmationToken = d.token(c, "book", "a", "three")
		var all sync.WaitGroup
		for i := range 5 { // two under the first id, three under others
			mine := r
			mine.ToolCallID = strconv.Itoa(max(1, i))
			all.Go(func() { want(t, d.ask(c, mine), Pending, "") })
		}
		all.Wait()
		d.clerk.wantSent(t, 1)
		<-time.After(time.Second)
		a := d.ask(c, d.request("9", "book", "a", "three"))
		want(t, a, OK, "")
		for _, id := range []string{"1", "2", "3", "4", "9"} {
			if a := d.late(c, id); a.Outcome != OK || !a.Replayed || a.ToolCallID != id {
				t.Errorf("%s: %+v", id, a)
			}
		}
		d.clerk.wantSent(t, 1)
	})
}

// TestJoinOfAWriteThatDidNotRun: whoever joined it runs it himself, with the
// confirmation that was not used.
func TestJoinOfAWriteThatDidNotRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		c := d.ring()
		var n atomic.Int32
		d.clerk.write = func(ctx context.Context, s *statement) error {
			<-time.After(100 * time.Millisecond)
			if n.Add(1) == 1 {
				return fault.New(fault.DatabaseBusy)
			}
			return s.commit()
		}
		token := d.token(c, "book", "a", "three")
		var all sync.WaitGroup
		var ok, busy atomic.Int32
		for i := range 4 {
			r := d.request(strconv.Itoa(i), "book", "a", "three")
			r.ConfirmationToken = token
			all.Go(func() {
				switch a := d.ask(c, r); a.Outcome {
				case OK:
					ok.Add(1)
				case Busy:
					busy.Add(1)
				default:
					t.Errorf("got %+v", a)
				}
			})
		}
		all.Wait()
		if ok.Load() != 3 || busy.Load() != 1 {
			t.Errorf("%d ok, %d busy", ok.Load(), busy.Load())
		}
		d.clerk.wantSent(t, 2)
	})
}

// TestJoinOfOneThatWaits: it is busy for both when the turn does not come.
func TestJoinOfOneThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		c := d.ring()
		token := d.token(c, "book", "a", "three")
		if !c.takeTurn(t.Context()) {
			t.Fatal("no turn")
		}
		var all sync.WaitGroup
		for _, id := range []string{"1", "2"} {
			r := d.request(id, "book", "a", "three")
			r.ConfirmationToken = token
			all.Go(func() { want(t, d.ask(c, r), Busy, "another_write") })
			synctest.Wait()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := d.Late(ctx, c, "1"); !fault.Is(err, fault.ToolCallInProgress) {
			t.Errorf("a write that was not begun: %v", err)
		}
		all.Wait()
		c.giveTurn()
		r := d.request("1", "book", "a", "three")
		r.ConfirmationToken = token
		want(t, d.ask(c, r), OK, "")
		d.clerk.wantSent(t, 1)
	})
}

// TestRepetitionThatShowsLate: the write in between comes to nothing while the
// repetition waits for its turn, so that it repeats after all.
func TestRepetitionThatShowsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		c := d.ring()
		want(t, d.confirmed(c, "1", "move", "17", "three"), OK, "")
		d.clerk.set(func(c *clerk) {
			c.write = func(context.Context, *statement) error {
				<-time.After(500 * time.Millisecond)
				return fault.New(fault.RowLocked)
			}
		})
		var all sync.WaitGroup
		all.Go(func() { want(t, d.confirmed(c, "2", "move", "17", "two"), Failed, "row_locked") })
		synctest.Wait()
		r := d.request("3", "move", "17", "three")
		a := d.ask(c, r)
		want(t, a, ConfirmationRequired, "")
		r.ConfirmationToken = a.Confirmation.Token
		if a = d.ask(c, r); a.Outcome != OK || !a.Replayed {
			t.Errorf("got %+v", a)
		}
		all.Wait()
		d.clerk.wantSent(t, 2)
	})
}

// TestUnknownInsertIsNeverTriedBlindly, whatever came in between.
func TestUnknownInsertIsNeverTriedBlindly(t *testing.T) {
	for _, fate := range []target.Fate{target.FateUnknown, target.FateOpen} {
		synctest.Test(t, func(t *testing.T) {
			d := newDesk(t)
			c := d.ring()
			d.clerk.write = loses
			d.clerk.resolve = func(context.Context) (target.Fate, error) { return fate, nil }
			d.confirmed(c, "1", "book", "a", "three")
			<-time.After(6 * time.Second)
			want(t, d.late(c, "1"), Unknown, map[target.Fate]string{target.FateUnknown: "not_established", target.FateOpen: "being_established"}[fate])
			d.clerk.set(func(c *clerk) { c.write = nil })
			want(t, d.confirmed(c, "2", "book", "b", "three"), OK, "")
			a := d.confirmed(c, "3", "book", "a", "three")
			if a.Outcome != Unknown || !a.Replayed {
				t.Errorf("got %+v", a)
			}
			d.clerk.wantSent(t, 2)
		})
	}
}

// TestTwoAtOnce: of identical calls at the same time with one confirmation, one
// runs.
func TestTwoAtOnce(t *testing.T) {
	d := newDesk(t)
	for range 200 {
		c := d.ring()
		token := d.token(c, "book", "a", "three")
		var all sync.WaitGroup
		for i := range 4 {
			r := d.request(strconv.Itoa(i), "book", "a", "three")
			r.ConfirmationToken = token
			all.Go(func() { want(t, d.ask(c, r), OK, "") })
		}
		all.Wait()
	}
	d.clerk.wantSent(t, 200)
}

// remembered is the contract's rule as a model: what a conversation did, in
// order.
type remembered struct {
	tool, args, object string
	result             string
}

// repeats says which earlier success a call repeats, -1 for none.
func repeats(past []remembered, tool, args, object string) int {
	for i := len(past) - 1; i >= 0; i-- {
		switch {
		case past[i].tool == tool && past[i].args == args:
			return i
		case past[i].object == object:
			return -1
		}
	}
	return -1
}

// TestRepetitionsAgainstTheModel draws sequences of writes, some of which fail,
// and compares each answer and the number of commits with the rule: the same
// write with the same arguments under a new id replays a prior success, unless
// another write on the same object ran in between.
func TestRepetitionsAgainstTheModel(t *testing.T) {
	objects := map[string]string{"book": "appointments", "move": "appointments", "jot": "notes"}
	rapid.Check(t, func(r *rapid.T) {
		d := newDesk(t)
		c := d.ring()
		var past []remembered
		byID := map[string]string{}
		commits := 0
		for n := range rapid.IntRange(1, 25).Draw(r, "length") {
			tool := rapid.SampledFrom([]string{"book", "move", "jot"}).Draw(r, "tool")
			values := []string{rapid.SampledFrom([]string{"a", "b"}).Draw(r, "value")}
			if tool != "jot" {
				values = append(values, rapid.SampledFrom([]string{"two", "three"}).Draw(r, "at"))
			}
			fails := rapid.IntRange(0, 3).Draw(r, "fails") == 0
			d.clerk.set(func(c *clerk) {
				c.write = nil
				if fails {
					c.write = failsWrite(fault.ConstraintViolated)
				}
			})
			id, args := strconv.Itoa(n), fmt.Sprint(values)
			asked := d.ask(c, d.request(id, tool, values...))
			if at := repeats(past, tool, args, objects[tool]); at >= 0 {
				if asked.Outcome != OK || !asked.Replayed || string(asked.Result) != past[at].result {
					r.Fatalf("%s%s is a repetition, got %+v", tool, args, asked)
				}
				byID[id] = past[at].result
				continue
			}
			if asked.Outcome != ConfirmationRequired {
				r.Fatalf("%s%s ran unasked: %+v", tool, args, asked)
			}
			a := d.confirmed(c, id, tool, values...)
			switch {
			case fails:
				if a.Outcome != Conflict || a.Replayed {
					r.Fatalf("got %+v", a)
				}
			case a.Outcome != OK || a.Replayed:
				r.Fatalf("got %+v", a)
			default:
				commits++
				past = append(past, remembered{tool, args, objects[tool], string(a.Result)})
				byID[id] = string(a.Result)
			}
		}
		for id, result := range byID {
			if a := d.late(c, id); a.Outcome != OK || string(a.Result) != result {
				r.Fatalf("%s is remembered as %+v, was %s", id, a, result)
			}
		}
		if n := d.book.committed(); n != commits {
			r.Fatalf("%d commits, the model has %d", n, commits)
		}
	})
}

func (b *ledgerBook) committed() int {
	n := 0
	for _, w := range b.written() {
		if w.Ending.Fate == target.FateCommitted {
			n++
		}
	}
	return n
}
