package live

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/plan"
	"flowyte/internal/target"
)

func TestFiveDistinctKeys(t *testing.T) {
	var runs atomic.Int32
	k := newKit(t, counting(&runs, rows()), byPhone(), tool("other", "phone", plan.Phone))
	c := k.ring()
	for i := range MaxLookups {
		want(t, k.ask(c, with("first "+phoneOf(i), phoneOf(i))), NotFound, "")
	}
	want(t, k.ask(c, with("6", phoneOf(5))), Refused, "too_many_lookups")
	if runs.Load() != MaxLookups {
		t.Errorf("%d runs", runs.Load())
	}
	// The same keys go on, in whatever form they are said.
	want(t, k.ask(c, with("7", "(206) 555-0003")), NotFound, "")
	// Another tool and another conversation have limits of their own.
	other := with("8", phoneOf(5))
	other.Tool = "other"
	want(t, k.ask(c, other), NotFound, "")
	want(t, k.ask(k.ring(), with("1", phoneOf(5))), NotFound, "")
}

// TestFiftyNumbersAtOnce: the limit holds also for those who ask all at once,
// and are past its gate before the first of them counts.
func TestFiftyNumbersAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs, refused atomic.Int32
		k := newKit(t, counting(&runs, rows()))
		past := make(chan struct{})
		k.rec.onFull = func() { <-past }
		c := k.ring()
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				if a := k.ask(c, with(phoneOf(i), phoneOf(i))); a.Outcome == Refused {
					refused.Add(1)
				}
			})
		}
		synctest.Wait()
		close(past)
		all.Wait()
		if runs.Load() != MaxLookups || refused.Load() != 50-MaxLookups {
			t.Errorf("%d ran, %d were refused", runs.Load(), refused.Load())
		}
	})
}

// TestKeysCountWhenTheyRun: what a gate stops uses up nothing.
func TestKeysCountWhenTheyRun(t *testing.T) {
	tool := byPhone()
	tool.RequiresVerifiedIdentity = true
	k := newKit(t, oneRow, tool)
	c := k.ring()
	for i := range 3 * MaxLookups {
		want(t, k.ask(c, with(phoneOf(i), phoneOf(i))), VerificationRequired, "")
	}
	tool.RequiresVerifiedIdentity = false
	want(t, k.ask(c, with("1", phoneOf(99))), OK, "")
}

// TestIdentityGateStaysShut: neither the gate nor a statement that asks for the
// caller's own rows opens without a verified caller.
func TestIdentityGateStaysShut(t *testing.T) {
	for name, shut := range map[string]func(*Tool){
		"gate":    func(tool *Tool) { tool.RequiresVerifiedIdentity = true },
		"ownedBy": func(tool *Tool) { tool.Plan.OwnedBy = true },
	} {
		t.Run(name, func(t *testing.T) {
			tool := byPhone()
			shut(tool)
			var runs atomic.Int32
			k := newKit(t, counting(&runs, oneRow), tool)
			want(t, k.ask(k.ring(), with("1", phoneOf(1))), VerificationRequired, "")
			if runs.Load() != 0 {
				t.Error("the statement ran")
			}
		})
	}
}

func confirming(t *testing.T, d database) (*kit, *Conversation) {
	tool := byPhone()
	tool.RequiresConfirmation = true
	k := newKit(t, d, tool)
	return k, k.ring()
}

func TestConfirmation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int32
		k, c := confirming(t, counting(&runs, oneRow))
		asked := k.ask(c, with("1", "(206) 555-0001"))
		want(t, asked, ConfirmationRequired, "")
		q := asked.Confirmation
		if q.Summary != `look up: phone "+12065550001"` || !q.ExpiresAt.Equal(time.Now().Add(5*time.Minute)) || len(q.Token) < 20 {
			t.Errorf("asked %+v", q)
		}
		if again := k.ask(c, with("2", phoneOf(1))).Confirmation; *again != *q {
			t.Errorf("asked something else for the same call: %+v", again)
		}
		confirm := func(id, phone, token string) *Answer {
			r := with(id, phone)
			r.ConfirmationToken = token
			return k.ask(c, r)
		}
		// Other arguments, another token, another conversation.
		other := confirm("3", phoneOf(2), q.Token)
		want(t, other, ConfirmationRequired, "confirmation_not_valid")
		want(t, confirm("3", phoneOf(1), other.Confirmation.Token), ConfirmationRequired, "confirmation_not_valid")
		r := with("3", phoneOf(1))
		r.ConfirmationToken = q.Token
		want(t, k.ask(k.ring(), r), ConfirmationRequired, "confirmation_not_valid")
		if runs.Load() != 0 {
			t.Fatal("the statement ran unconfirmed")
		}
		want(t, confirm("4", phoneOf(1), q.Token), OK, "")
		// Once only, and replays need no token.
		want(t, confirm("5", phoneOf(1), q.Token), ConfirmationRequired, "confirmation_not_valid")
		if a := k.ask(c, with("4", phoneOf(1))); !a.Replayed {
			t.Errorf("got %+v", a)
		}
		if runs.Load() != 1 {
			t.Errorf("%d runs", runs.Load())
		}
	})
}

func TestConfirmationExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, c := confirming(t, oneRow)
		q := k.ask(c, with("1", phoneOf(1))).Confirmation
		<-time.After(confirmationLife)
		r := with("2", phoneOf(1))
		r.ConfirmationToken = q.Token
		a := k.ask(c, r)
		want(t, a, ConfirmationRequired, "confirmation_not_valid")
		if a.Confirmation.Token == q.Token {
			t.Error("an expired token was offered again")
		}
	})
}

// TestBusyLeavesTheConfirmation: the caller is not asked twice for a call that
// did not run.
func TestBusyLeavesTheConfirmation(t *testing.T) {
	k, c := confirming(t, fails(fault.DatabaseBusy))
	r := with("1", phoneOf(1))
	r.ConfirmationToken = k.ask(c, r).Confirmation.Token
	want(t, k.ask(c, r), Busy, "pool")
	k.connect(connection(oneRow))
	want(t, k.ask(c, r), OK, "")
}

// TestTwoUsesOfOneConfirmation: of two calls with one token, one runs.
func TestTwoUsesOfOneConfirmation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, c := confirming(t, func(ctx context.Context, p *plan.Plan, v []target.Value, sink target.RowSink) (target.Stats, error) {
			<-time.After(50 * time.Millisecond)
			return oneRow(ctx, p, v, sink)
		})
		token := k.ask(c, with("1", phoneOf(1))).Confirmation.Token
		var all sync.WaitGroup
		var ran, asked atomic.Int32
		for i := range 5 {
			r := with(phoneOf(i), phoneOf(1))
			r.ConfirmationToken = token
			all.Go(func() {
				switch k.ask(c, r).Outcome {
				case OK:
					ran.Add(1)
				case ConfirmationRequired:
					asked.Add(1)
				}
			})
		}
		all.Wait()
		if ran.Load() != 1 || asked.Load() != 4 {
			t.Errorf("%d ran, %d were asked", ran.Load(), asked.Load())
		}
	})
}

func TestOpenQuestionsAreBounded(t *testing.T) {
	k, c := confirming(t, oneRow)
	first := k.ask(c, with("first", phoneOf(0))).Confirmation.Token
	for i := range 3 * maxConfirmations {
		k.ask(c, with(phoneOf(i), phoneOf(i+1)))
	}
	if n := len(c.confirmations); n != maxConfirmations {
		t.Errorf("%d questions are open", n)
	}
	r := with("late", phoneOf(0))
	r.ConfirmationToken = first
	want(t, k.ask(c, r), ConfirmationRequired, "confirmation_not_valid")
}

// TestSummaryHidesNothing: every value is in it, as it will be sent.
func TestSummaryHidesNothing(t *testing.T) {
	tool := tool("look_up", "note", plan.Plain)
	tool.RequiresConfirmation = true
	k := newKit(t, oneRow, tool)
	long := strings.Repeat("x", 3000) + " end"
	a := k.ask(k.ring(), Request{ToolCallID: "1", Tool: "look_up", Args: []Arg{{"note", quoted(long)}}})
	if a.Confirmation.Summary != `look up: note "`+long+`"` {
		t.Errorf("asked %q", a.Confirmation.Summary)
	}
}
