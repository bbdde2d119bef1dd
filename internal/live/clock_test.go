package live

import (
	"sync/atomic"
	"testing"
	"time"
)

// TestClockJumps is F17: the wall clock is put back or forward under open
// conversations. Going back ends nothing and makes nothing last for ever; going
// forward ends what is over by then, with its own word, and the next
// conversation is served.
func TestClockJumps(t *testing.T) {
	var jump atomic.Int64
	begun := time.Now().Round(0) // the wall clock alone
	now := func() time.Time { return begun.Add(time.Duration(jump.Load())) }
	gated := byPhone()
	gated.RequiresConfirmation = true
	k := newKitWith(t, Options{Now: now}, oneRow, gated)
	for _, by := range []time.Duration{-time.Hour, -24 * time.Hour, time.Minute, 0} {
		jump.Store(0)
		c := k.ring()
		asked := k.ask(c, with("1", phoneOf(1)))
		want(t, asked, ConfirmationRequired, "")
		jump.Store(int64(by))
		r := with("2", phoneOf(1))
		r.ConfirmationToken = asked.Confirmation.Token
		want(t, k.ask(c, r), OK, "")
		again := with("3", phoneOf(1)) // a token is good for once whatever the clock says
		again.ConfirmationToken = asked.Confirmation.Token
		want(t, k.ask(c, again), ConfirmationRequired, "confirmation_not_valid")
		k.Sweep()
	}
	for _, by := range []time.Duration{time.Hour, 24 * time.Hour} {
		jump.Store(0)
		c := k.ring()
		asked := k.ask(c, with("1", phoneOf(1)))
		jump.Store(int64(by))
		k.Sweep()
		if _, err := k.Call(t.Context(), c, with("2", phoneOf(1))); err == nil {
			// It was not idle for long enough: its token is over all the same.
			r := with("3", phoneOf(1))
			r.ConfirmationToken = asked.Confirmation.Token
			want(t, k.ask(c, r), ConfirmationRequired, "confirmation_not_valid")
		}
		want(t, k.ask(k.ring(), with("1", phoneOf(1))), ConfirmationRequired, "")
	}
}
