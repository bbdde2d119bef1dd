package live

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/target"
)

// TestAnswersOfWrites: what was created by its primary key, what was updated by
// its number; each step in the journal before the next one happens.
func TestAnswersOfWrites(t *testing.T) {
	for _, tt := range []struct {
		tool   string
		values []string
		result string
	}{
		{"book", []string{"+12065550142", "three"}, `{"created":{"id":17}}`},
		{"move", []string{"17", "three"}, `{"updated":1}`},
	} {
		t.Run(tt.tool, func(t *testing.T) {
			d := newDesk(t)
			c := d.ring()
			d.clerk.write = func(_ context.Context, s *statement) error {
				if diff := cmp.Diff([]string{"intend"}, d.book.list()); diff != "" {
					t.Errorf("when the statement was sent (-want +got):\n%s", diff)
				}
				err := s.commit()
				if diff := cmp.Diff([]string{"intend", "executed " + tt.result}, d.book.list()); diff != "" {
					t.Errorf("when COMMIT was sent (-want +got):\n%s", diff)
				}
				return err
			}
			a := d.confirmed(c, "1", tt.tool, tt.values...)
			want(t, a, OK, "")
			if string(a.Result) != tt.result || a.Replayed || a.DB != time.Millisecond || a.ToolCallID != "1" {
				t.Errorf("got %+v with %s", a, a.Result)
			}
			if diff := cmp.Diff([]string{"intend", "executed " + tt.result, "finish committed ok"}, d.book.list()); diff != "" {
				t.Errorf("when the answer was given (-want +got):\n%s", diff)
			}
			w := d.book.written()[0]
			if w.Org != org || w.Agent != agent || w.Conversation != c.ID || w.Version != "ver_1" || w.Skill != id.Skill("skl_"+tt.tool) ||
				w.ToolCallID != "1" || w.Tool != tt.tool || w.Object.Object != "appointments" || w.Plan == nil || w.PlanDigest != w.Plan.Digest() ||
				w.Arguments == "" || w.At.IsZero() || string(w.Ending.Result) != tt.result {
				t.Errorf("the journal has %+v", w)
			}
		})
	}
}

// TestOutcomesOfWrites goes through what an adapter may report of a write that
// was certainly not done. What ran is recorded; what did not asks for no new
// confirmation.
func TestOutcomesOfWrites(t *testing.T) {
	for _, tt := range []struct {
		code     fault.Code
		outcome  Outcome
		reason   string
		recorded bool
	}{
		{fault.AlreadyExists, Conflict, "already_exists", true},
		{fault.ConstraintViolated, Conflict, "constraint", true},
		{fault.MoreThanOneRow, Conflict, "more_than_one_row", true},
		{fault.NoRow, NotFound, "", true},
		{fault.NotWritten, Failed, "not_written", true},
		{fault.RowLocked, Failed, "row_locked", true},
		{fault.DatabaseTimeout, Failed, "deadline", true},
		{fault.DatabaseError, Failed, "database_error", true},
		{fault.Internal, Failed, "internal", true},
		{fault.DatabaseBusy, Busy, "pool", false},
		{fault.ServerBusy, Busy, "server_full", false},
		{fault.ConnectionLost, Unavailable, "unreachable", false},
		{fault.CredentialsRejected, Unavailable, "credentials_rejected", false},
		{fault.RoleCannotWrite, Unavailable, "role_cannot_write", false},
		{fault.IdentityChanged, Unavailable, "reconnected_elsewhere", false},
	} {
		t.Run(string(tt.code), func(t *testing.T) {
			d := newDesk(t)
			d.clerk.write = failsWrite(tt.code)
			c := d.ring()
			r := d.request("1", "move", "17", "three")
			r.ConfirmationToken = d.token(c, "move", "17", "three")
			a := d.ask(c, r)
			want(t, a, tt.outcome, tt.reason)
			if a.Result != nil || !fault.Is(a.Err, tt.code) {
				t.Errorf("got %+v", a)
			}
			if w := d.book.written()[0]; w.Ending == nil || w.Ending.Fate != target.FateRolledBack || w.Ending.Outcome != tt.outcome || w.Ending.Reason != tt.reason {
				t.Errorf("the journal has %+v", w.Ending)
			}
			d.clerk.set(func(c *clerk) { c.write = nil })
			again := d.ask(c, r)
			if tt.recorded {
				if want(t, again, tt.outcome, tt.reason); !again.Replayed {
					t.Error("what ran was not recorded")
				}
				d.clerk.wantSent(t, 1)
				// Under a new id it runs, when the caller has agreed anew.
				r.ToolCallID = "2"
				want(t, d.ask(c, r), ConfirmationRequired, "confirmation_not_valid")
				want(t, d.confirmed(c, "2", "move", "17", "three"), OK, "")
			} else if want(t, again, OK, ""); again.Replayed {
				t.Error("what did not run was recorded")
			}
			if tt.code == fault.MoreThanOneRow != (len(d.gone) == 1) {
				t.Errorf("suspended %v", d.gone)
			}
		})
	}
}

// TestLostBeforeItsCommitHavingRun: the row was written, so the call ran, and
// certainly nothing came of it.
func TestLostBeforeItsCommitHavingRun(t *testing.T) {
	d := newDesk(t)
	d.clerk.write = func(_ context.Context, s *statement) error {
		if err := s.row(); err != nil {
			return err
		}
		return fault.New(fault.ConnectionLost)
	}
	c := d.ring()
	a := d.confirmed(c, "1", "book", "a", "b")
	want(t, a, Failed, "connection_lost")
	// The cause is for the log once, however often the agent asks again.
	again := d.late(c, "1")
	want(t, again, Failed, "connection_lost")
	if a.Err == nil || again.Err != nil {
		t.Errorf("behind the answer is %v, behind its replay %v", a.Err, again.Err)
	}
}

// TestOrderOfWriteChecks begins with everything wrong at once and takes the
// reasons away one by one, in the order of the contract.
func TestOrderOfWriteChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		c := d.ring()
		move := d.version.byName["move"]
		d.suspend(move.Skill)
		c.memory.writeIDs = maxWrites
		move.RequiresVerifiedIdentity = true
		if !c.takeTurn(t.Context()) {
			t.Fatal("the turn is taken")
		}
		d.book.set(failing("intend"))

		r := d.request("1", "move", "", "three")
		want(t, d.ask(c, r), InvalidArguments, "")
		r = d.request("1", "move", "17", "three")
		want(t, d.ask(c, r), Unavailable, "suspended")
		d.suspend()
		want(t, d.ask(c, r), Refused, "too_many_writes")
		c.memory.writeIDs = 0
		want(t, d.ask(c, r), VerificationRequired, "")
		move.RequiresVerifiedIdentity = false
		a := d.ask(c, r)
		want(t, a, ConfirmationRequired, "")
		r.ConfirmationToken = a.Confirmation.Token
		began := time.Now()
		a = d.ask(c, r)
		want(t, a, Busy, "another_write")
		if time.Since(began) != time.Second || a.RetryAfter == 0 {
			t.Errorf("waited for %v, retry after %v", time.Since(began), a.RetryAfter)
		}
		c.giveTurn()
		want(t, d.ask(c, r), Unavailable, "journal_unavailable")
		d.clerk.wantSent(t, 0)
		d.book.set(nil)
		want(t, d.ask(c, r), OK, "")
	})
}

// TestPending: the caller is released at the tool's deadline, the write goes on,
// and its outcome is there for whoever asks again by POST or GET.
func TestPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.clerk.write = takes(3500 * time.Millisecond)
		c := d.ring()
		r := d.request("1", "book", "a", "three")
		r.ConfirmationToken = d.token(c, "book", "a", "three")
		began := time.Now()
		a := d.ask(c, r)
		want(t, a, Pending, "")
		if took := time.Since(began); took != time.Second || a.Latency != time.Second || a.RetryAfter <= 0 || a.Result != nil {
			t.Errorf("after %v: %+v", took, a)
		}
		r.ConfirmationToken = ""
		want(t, d.ask(c, r), Pending, "")    // until two seconds
		want(t, d.late(c, "1"), Pending, "") // until three
		for _, a := range []*Answer{d.ask(c, r), d.late(c, "1")} {
			want(t, a, OK, "")
			if !a.Replayed || string(a.Result) != `{"created":{"id":17}}` || a.ToolCallID != "1" || a.Latency != 3500*time.Millisecond {
				t.Errorf("got %+v", a)
			}
		}
		d.clerk.wantSent(t, 1)
		d.refused(c, d.request("1", "book", "a", "four"), fault.ToolCallIDReused)
		d.End(c)
		want(t, d.late(c, "1"), OK, "")

		var types []string
		for _, e := range d.rec.list() {
			types = append(types, e.Type)
		}
		if diff := cmp.Diff([]string{"conversation.started", "tool.called", "tool.called", "tool.finished", "conversation.ended"}, types); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]Outcome{OK}, d.meter.finished); diff != "" {
			t.Errorf("counted (-want +got):\n%s", diff)
		}
		if n := len(d.meter.calls); n != 2 || d.meter.calls[1].Outcome != Pending {
			t.Errorf("counted %v", d.meter.calls)
		}
	})
}

// TestWriteOutlivesItsCaller: a caller who hangs up takes nothing with him.
func TestWriteOutlivesItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.clerk.write = takes(300 * time.Millisecond)
		c := d.ring()
		r := d.request("1", "book", "a", "three")
		r.ConfirmationToken = d.token(c, "book", "a", "three")
		ctx, hangUp := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer hangUp()
		if a, err := d.Call(ctx, c, r); err != nil || a.Outcome != Pending {
			t.Errorf("got %+v, %v", a, err)
		}
		d.End(c)
		want(t, d.late(c, "1"), OK, "")
	})
}

// TestFiveSecondsAtMost: a write that is not done by then is stopped, and failed.
func TestFiveSecondsAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.clerk.write = takes(time.Hour)
		c := d.ring()
		began := time.Now()
		want(t, d.confirmed(c, "1", "book", "a", "three"), Pending, "")
		<-time.After(4100 * time.Millisecond)
		want(t, d.late(c, "1"), Failed, "deadline")
		if took := time.Since(began); took > 5250*time.Millisecond {
			t.Errorf("took %v", took)
		}
	})
}

// TestPromisedOutcome: whoever was told pending gets one of the outcomes that a
// write ends in, though nothing was tried.
func TestPromisedOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			code   fault.Code
			reason string
		}{{fault.DatabaseBusy, "pool"}, {fault.Unreachable, "unreachable"}} {
			d := newDesk(t)
			d.clerk.write = func(ctx context.Context, _ *statement) error {
				pause(ctx, 2*time.Second)
				return fault.New(tt.code)
			}
			c := d.ring()
			want(t, d.confirmed(c, "1", "book", "a", "three"), Pending, "")
			<-time.After(2 * time.Second)
			if a := d.late(c, "1"); a.RetryAfter != 0 {
				t.Errorf("got %+v", a)
			} else {
				want(t, a, Failed, tt.reason)
			}
			d.clerk.wantSent(t, 1)
		}
	})
}

// TestDriverThatDoesNotReturn: the caller leaves at the deadline, the next write
// of the conversation begins after five seconds, and what became of the stuck
// one is asked for; without evidence it never can be committed.
func TestDriverThatDoesNotReturn(t *testing.T) {
	for name, evidence := range map[string]bool{"evidence": true, "none": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t)
				thaw := make(chan struct{})
				var refused error
				d.clerk.write = func(_ context.Context, s *statement) error {
					if evidence {
						if err := s.row(); err != nil {
							t.Error(err)
						}
					}
					<-thaw
					refused = s.executed(target.Evidence{})
					return refused
				}
				c := d.ring()
				want(t, d.confirmed(c, "1", "book", "a", "three"), Pending, "")
				<-time.After(5 * time.Second)
				if evidence {
					want(t, d.late(c, "1"), OK, "")
				} else {
					want(t, d.late(c, "1"), Failed, "deadline")
				}
				stuck := d.table.Connections[postgresOf]
				if stuck.stuck.Load() != 1 {
					t.Errorf("%d runs are known to be stuck", stuck.stuck.Load())
				}
				d.clerk.set(func(c *clerk) { c.write = nil })
				want(t, d.confirmed(c, "2", "jot", "n"), OK, "")
				close(thaw)
				synctest.Wait()
				if refused == nil || stuck.stuck.Load() != 0 {
					t.Errorf("a write that was given up may still commit: %v; %d stuck", refused, stuck.stuck.Load())
				}
			})
		})
	}
}

// TestOneWriteAtATime: different writes of a conversation do not overlap, and
// those of two conversations do.
func TestOneWriteAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		var mu sync.Mutex
		now, most := 0, 0
		count := func(by int) {
			mu.Lock()
			defer mu.Unlock()
			now += by
			most = max(most, now)
		}
		d.clerk.write = func(ctx context.Context, s *statement) error {
			count(1)
			defer count(-1)
			return takes(200*time.Millisecond)(ctx, s)
		}
		c := d.ring()
		var all sync.WaitGroup
		for _, at := range []string{"one", "two", "three", "four"} {
			all.Go(func() { want(t, d.confirmed(c, at, "move", "17", at), OK, "") })
		}
		all.Wait()
		if most != 1 {
			t.Errorf("%d writes at a time", most)
		}
		other := d.ring()
		all.Go(func() { want(t, d.confirmed(c, "5", "move", "17", "five"), OK, "") })
		all.Go(func() { want(t, d.confirmed(other, "5", "move", "17", "five"), OK, "") })
		all.Wait()
		if most != 2 {
			t.Errorf("%d writes at a time of two conversations", most)
		}
	})
}

// TestSecondWriteIsBusy: it waits within its own deadline, and its confirmation
// stays valid.
func TestSecondWriteIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.clerk.write = takes(3 * time.Second)
		c := d.ring()
		r := d.request("2", "jot", "n")
		r.ConfirmationToken = d.token(c, "jot", "n")
		want(t, d.confirmed(c, "1", "book", "a", "three"), Pending, "")
		began := time.Now()
		want(t, d.ask(c, r), Busy, "another_write")
		if took := time.Since(began); took != time.Second {
			t.Errorf("waited for %v", took)
		}
		if _, err := d.Late(t.Context(), c, "2"); !fault.Is(err, fault.NotFound) {
			t.Errorf("busy was recorded: %v", err)
		}
		<-time.After(time.Second)
		d.clerk.set(func(c *clerk) { c.write = nil })
		want(t, d.ask(c, r), OK, "")
	})
}

// TestEndedWhileWaiting: who hangs up before his write begins does not get one.
func TestEndedWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		c := d.ring()
		r := d.request("1", "jot", "n")
		r.ConfirmationToken = d.token(c, "jot", "n")
		if !c.takeTurn(t.Context()) {
			t.Fatal("no turn")
		}
		var all sync.WaitGroup
		all.Go(func() { d.refused(c, r, fault.ConversationEnded) })
		synctest.Wait()
		d.End(c)
		c.giveTurn()
		all.Wait()
		d.clerk.wantSent(t, 0)
	})
}

// TestSuspendedWhileWaiting: the gates are asked again when the turn has come.
func TestSuspendedWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		c := d.ring()
		r := d.request("1", "jot", "n")
		r.ConfirmationToken = d.token(c, "jot", "n")
		if !c.takeTurn(t.Context()) {
			t.Fatal("no turn")
		}
		var all sync.WaitGroup
		all.Go(func() { want(t, d.ask(c, r), Unavailable, "suspended") })
		synctest.Wait()
		d.suspend("skl_jot")
		c.giveTurn()
		all.Wait()
		d.suspend()
		want(t, d.ask(c, r), OK, "")
	})
}

// TestConfirmationOfAWrite: a token stands for one call of one conversation, is
// used up when the intent is journalled, and not before.
func TestConfirmationOfAWrite(t *testing.T) {
	d := newDesk(t)
	c := d.ring()
	token := d.token(c, "move", "17", "three")
	with := func(c *Conversation, id string, values ...string) *Answer {
		r := d.request(id, "move", values...)
		r.ConfirmationToken = token
		return d.ask(c, r)
	}
	want(t, with(c, "1", "17", "four"), ConfirmationRequired, "confirmation_not_valid")
	want(t, with(d.ring(), "1", "17", "three"), ConfirmationRequired, "confirmation_not_valid")
	d.book.set(failing("intend"))
	want(t, with(c, "1", "17", "three"), Unavailable, "journal_unavailable")
	d.book.set(nil)
	d.clerk.wantSent(t, 0)
	want(t, with(c, "another id", "17", "three"), OK, "")
	want(t, d.confirmed(c, "2", "move", "17", "two"), OK, "")
	want(t, with(c, "3", "17", "three"), ConfirmationRequired, "confirmation_not_valid")
	d.clerk.wantSent(t, 2)
}

// TestTooManyWrites: their outcomes are not forgotten, so they are bounded.
func TestTooManyWrites(t *testing.T) {
	d := newDesk(t)
	c := d.ring()
	for i := range maxWrites {
		want(t, d.confirmed(c, phoneOf(i), "jot", phoneOf(i)), OK, "")
	}
	want(t, d.confirmed(c, "one more", "jot", "one more"), Refused, "too_many_writes")
	want(t, d.confirmed(c, "again", "jot", phoneOf(0)), Refused, "too_many_writes")
	d.clerk.wantSent(t, maxWrites)
	for i := range maxKept + 3 { // reads do not push them out
		d.ask(c, Request{ToolCallID: "read" + phoneOf(i), Tool: "jot"})
	}
	for i := range maxWrites {
		if a := d.late(c, phoneOf(i)); a.Outcome != OK || !a.Replayed {
			t.Fatalf("write %d was forgotten: %+v", i, a)
		}
	}
	d.End(c)
	d.conversations.forgetOldest()
	if used := d.answers.used.Load(); used != 0 {
		t.Errorf("%d bytes are still counted", used)
	}
}

// TestWritesHaveAConversationToAskIn: before a write is journalled its
// conversation is kept; when it cannot be, nothing is journalled or sent.
func TestWritesHaveAConversationToAskIn(t *testing.T) {
	d := newDesk(t)
	c := d.ring()
	var kept []string
	fails := true
	d.rec.onKept = func(k *Conversation) error {
		kept = append(kept, string(k.ID)+fmt.Sprint(d.book.list()))
		if fails {
			return fault.New(fault.StoreUnavailable)
		}
		return nil
	}
	want(t, d.confirmed(c, "1", "book", "+12065550142", "three"), Unavailable, reasonJournal)
	d.clerk.wantSent(t, 0)
	fails = false
	want(t, d.confirmed(c, "2", "book", "+12065550142", "three"), OK, "")
	if diff := cmp.Diff([]string{string(c.ID) + "[]", string(c.ID) + "[]"}, kept); diff != "" {
		t.Errorf("the conversation was kept when the journal had (-want +got):\n%s", diff)
	}
}
