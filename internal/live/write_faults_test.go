package live

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"flowyte/internal/fault"
	"flowyte/internal/plan"
	"flowyte/internal/target"
)

// TestJournalThatDoesNotTakeTheEvidence: no COMMIT is sent.
func TestJournalThatDoesNotTakeTheEvidence(t *testing.T) {
	d := newDesk(t)
	d.book.set(failing("executed"))
	committed := false
	d.clerk.write = func(_ context.Context, s *statement) error {
		err := s.row()
		committed = err == nil
		return err
	}
	c := d.ring()
	a := d.confirmed(c, "1", "book", "a", "three")
	want(t, a, Unavailable, "journal_unavailable")
	if committed || !strings.Contains(say(a.Outcome, a.Reason), "nothing was changed") {
		t.Errorf("committed: %v; the caller hears %q", committed, say(a.Outcome, a.Reason))
	}
	if diff := cmp.Diff([]string{"intend", "finish rolled_back unavailable journal_unavailable"}, d.book.list()); diff != "" {
		t.Error(diff)
	}
}

// TestJournalThatDoesNotTakeTheEnd: nobody is told before the end is durable,
// and the conversation's other writes are not held up for it.
func TestJournalThatDoesNotTakeTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.book.set(failing("finish"))
		c := d.ring()
		want(t, d.confirmed(c, "1", "book", "a", "three"), Pending, "")
		<-time.After(time.Minute)
		want(t, d.late(c, "1"), Pending, "")
		want(t, d.confirmed(c, "2", "jot", "n"), Pending, "")
		d.book.set(nil)
		for _, id := range []string{"1", "2"} {
			want(t, d.late(c, id), OK, "")
		}
		d.clerk.wantSent(t, 2)
	})
}

// TestPanics: wherever one happens, the claim is not lost and nothing is guessed.
func TestPanics(t *testing.T) {
	for name, tt := range map[string]struct {
		write   func(context.Context, *statement) error
		book    func(step string) error
		resolve func(context.Context) (target.Fate, error)
		outcome Outcome
		reason  string
	}{
		"before the row":  {write: func(context.Context, *statement) error { panic("bug") }, outcome: Failed, reason: "internal"},
		"after evidence":  {write: func(_ context.Context, s *statement) error { _ = s.row(); panic("bug") }, outcome: OK},
		"in the intent":   {book: panicsIn("intend"), outcome: Unavailable, reason: "journal_unavailable"},
		"in the evidence": {book: panicsIn("executed"), outcome: Failed, reason: "internal"},
		"rolled back": {write: func(_ context.Context, s *statement) error { _ = s.row(); panic("bug") },
			resolve: func(context.Context) (target.Fate, error) { return target.FateRolledBack, nil }, outcome: Failed, reason: "rolled_back"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			d.clerk.write, d.clerk.resolve = tt.write, tt.resolve
			d.book.set(tt.book)
			c := d.ring()
			a := d.confirmed(c, "1", "book", "a", "three")
			want(t, a, tt.outcome, tt.reason)
			d.book.set(nil)
			d.clerk.set(func(c *clerk) { c.write = nil })
			want(t, d.confirmed(c, "2", "jot", "n"), OK, "")
		})
	}
}

func panicsIn(step string) func(string) error {
	return func(s string) error {
		if s == step {
			panic("bug")
		}
		return nil
	}
}

// TestPanicsThatPass: in the resolving and the ending they are tried again.
func TestPanicsThatPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		asked, finished := 0, 0
		d.clerk.write = loses
		d.clerk.resolve = func(context.Context) (target.Fate, error) {
			if asked++; asked < 3 {
				panic("bug")
			}
			return target.FateCommitted, nil
		}
		d.book.set(func(step string) error {
			if step == "finish" {
				if finished++; finished < 3 {
					panic("bug")
				}
			}
			return nil
		})
		want(t, d.confirmed(d.ring(), "1", "book", "a", "three"), OK, "")
	})
}

// TestDrafts are rolled back and not journalled, and say so.
func TestDrafts(t *testing.T) {
	d := newDesk(t)
	draft := *d.version
	draft.Draft = true
	d.version = NewVersion(draft)
	c := d.ring()
	a := d.confirmed(c, "1", "book", "a", "three")
	want(t, a, OK, "rolled_back_draft")
	if string(a.Result) != `{"created":{"id":17}}` {
		t.Errorf("got %s", a.Result)
	}
	if again := d.confirmed(c, "2", "book", "a", "three"); !again.Replayed || again.Reason != "rolled_back_draft" {
		t.Errorf("got %+v", again)
	}
	d.clerk.set(func(c *clerk) { c.write = failsWrite(fault.MoreThanOneRow) })
	want(t, d.confirmed(c, "3", "move", "17", "three"), Conflict, "more_than_one_row")
	for _, s := range d.clerk.statements() {
		if !s.trial {
			t.Errorf("a draft wrote for good: %v", s)
		}
	}
	if steps := d.book.list(); len(steps) != 0 || len(d.gone) != 0 {
		t.Errorf("journalled %v, suspended %v", steps, d.gone)
	}
}

// TestWritesNeedAJournal: without one, only drafts are served.
func TestWritesNeedAJournal(t *testing.T) {
	k := newKit(t, oneRow, writes("jot", plan.Insert, "notes", "note"))
	want(t, k.ask(k.ring(), Request{ToolCallID: "1", Tool: "jot", Args: []Arg{{"note", quoted("n")}}}), Unavailable, "writes_not_served")
}

// TestBugOfOurs: a panic where nothing is expected to fail ends neither the
// process nor the claim, and holds up no other write.
func TestBugOfOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		c := d.ring()
		r := d.request("1", "book", "a", "three")
		r.ConfirmationToken = d.token(c, "book", "a", "three")
		d.clerk.write = func(ctx context.Context, s *statement) error {
			d.Engine.now = func() time.Time { panic("bug") }
			return s.commit()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		func() {
			defer func() { _ = recover() }() // the caller's own part of it
			_, _ = d.Call(ctx, c, r)
		}()
		d.Engine.now = time.Now
		d.clerk.set(func(c *clerk) { c.write = nil })
		want(t, d.late(c, "1"), Unknown, "being_established")
		want(t, d.ask(c, d.request("2", "book", "a", "three")), Unknown, "being_established")
		want(t, d.confirmed(c, "3", "jot", "n"), OK, "")
		d.clerk.wantSent(t, 2)
	})
}

// TestReceiptsOfWritesThatCannotBeKept: a write does not begin without room for
// its receipt; once it is done its answer is given, for the journal has it.
func TestReceiptsOfWritesThatCannotBeKept(t *testing.T) {
	d := newDesk(t)
	c := d.ring()
	r := d.request("1", "book", "a", "three")
	r.ConfirmationToken = d.token(c, "book", "a", "three")
	d.rec.set(true)
	want(t, d.ask(c, r), Busy, "receipts_full")
	d.clerk.wantSent(t, 0)
	d.rec.set(false)
	d.rec.refuse = true
	want(t, d.ask(c, r), OK, "")
}

// TestJournalThatIsSlow: while the intent is not durable nothing is sent and
// nothing goes on, so the caller is told within the deadline that the write was
// refused, and keeps the confirmation.
func TestJournalThatIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		c := d.ring()
		r := d.request("1", "book", "a", "three")
		r.ConfirmationToken = d.token(c, "book", "a", "three")
		d.book.set(func(step string) error {
			if step == "intend" {
				<-d.book.until.Done()
				return d.book.until.Err()
			}
			return nil
		})
		began := time.Now()
		want(t, d.ask(c, r), Unavailable, "journal_unavailable")
		if took := time.Since(began); took > time.Second {
			t.Errorf("took %v", took)
		}
		d.clerk.wantSent(t, 0)
		d.book.set(nil)
		want(t, d.ask(c, r), OK, "")
	})
}
