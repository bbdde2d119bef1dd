package crashtest

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"flowyte/api"
	"flowyte/internal/dbtest"
	"flowyte/internal/faultproxy"
	"flowyte/internal/privatedb"
	"flowyte/internal/wiretest"
)

var chaosLasts = flag.Duration("chaos", 5*time.Second, "how long connections are cut while sixteen conversations write")

const talkers = 16

// storm cuts connections at random, between messages and within them, until
// told to stop.
func storm(proxy *faultproxy.Proxy, stop <-chan struct{}) {
	dice := rand.New(rand.NewPCG(3, 3))
	lasts := func(milliseconds int) bool {
		timer := time.NewTimer(time.Duration(1+dice.IntN(milliseconds)) * time.Millisecond)
		defer timer.Stop()
		select {
		case <-timer.C:
			return true
		case <-stop:
			return false
		}
	}
	for lasts(150) {
		proxy.Set(faultproxy.Faults{CutAfter: 1 + dice.Int64N(400), Reset: dice.IntN(2) == 0, Hole: dice.IntN(8) == 0})
		lasts(20)
		if dice.IntN(3) == 0 {
			proxy.Cut()
		}
		proxy.Set(faultproxy.Faults{})
	}
}

// asked is a write under the id under which it was asked for last, and the
// answer.
type asked struct {
	write
	call   string
	answer api.ToolCallAnswer
	tries  int
}

// talk writes until told to stop, bookings and changes of a slot in turn. It
// insists on each of them for a while, every other time under a new id, as an
// agent does that heard nothing, and then goes on to the next.
func (b *business) talk(t *testing.T, n int, stop <-chan struct{}) (all []asked) {
	c, conversation := b.Client(), ""
	for i := 0; ; i++ {
		select {
		case <-stop:
			return all
		default:
		}
		if i%10 == 0 {
			conversation = ring(t, c, b.agent)
		}
		w := write{conversation: conversation, marker: fmt.Sprintf("%d/%d", n, i)}
		if i%2 == 1 {
			w.slot = 1 + n*1000 + i
		}
		last := asked{write: w}
		for try := range 6 {
			last.call = w.marker + "#" + strconv.Itoa(try/2)
			a, err := w.ask(t, c, last.call)
			if err != nil {
				t.Errorf("%s: %v", w.marker, err)
				return all
			}
			last.answer, last.tries = a, try+1
			if a.Outcome == api.OutcomeOK {
				break
			}
			if a.RetryAfterMs != nil && try%2 == 0 {
				<-time.After(time.Duration(*a.RetryAfterMs) * time.Millisecond / 4) // impatient
			}
		}
		all = append(all, last)
	}
}

// TestChaos lets sixteen conversations write while their connections are cut at
// random. When that is over, every write has an outcome within five seconds, and
// the ledger is what was acknowledged.
func TestChaos(t *testing.T) {
	t.Parallel()
	for _, flavor := range []privatedb.Flavor{privatedb.Postgres, privatedb.MariaDB, privatedb.MySQL} {
		t.Run(string(flavor), func(t *testing.T) {
			db := dbtest.On(t, flavor)
			tap := wiretest.New(t, db.Server)
			proxy, err := faultproxy.Listen(t.Context(), faultproxy.Address(0), faultproxy.Address(tap.Port))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(proxy.Close)
			b := open(t, db, tap, proxy.Port())
			stop := make(chan struct{})
			time.AfterFunc(*chaosLasts, func() { close(stop) })
			var mu sync.Mutex
			var all []asked
			var work sync.WaitGroup
			work.Go(func() { storm(proxy, stop) })
			for n := range talkers {
				work.Go(func() {
					did := b.talk(t, n, stop)
					mu.Lock()
					defer mu.Unlock()
					all = append(all, did...)
				})
			}
			work.Wait()
			b.reckon(t, proxy, all)
		})
	}
}

// reckon waits for the outcomes that are still open, and compares all of them
// with the ledger.
func (b *business) reckon(t *testing.T, proxy *faultproxy.Proxy, all []asked) {
	t.Helper()
	quiet := time.Now()
	counts, late, again := map[api.Outcome]int{}, 0, 0
	for i := range all {
		w := &all[i]
		if w.tries > 1 {
			again++
		}
		if w.answer.Outcome == api.OutcomePending || w.answer.Outcome == api.OutcomeUnknown {
			late++
			w.answer = b.settled(t, w, quiet)
		}
		counts[w.answer.Outcome]++
	}
	slowest := time.Since(quiet)
	l := read(t, b.db, "")
	for _, w := range all {
		l.compare(t, "in the end", w.write, w.answer)
		delete(l, w.marker)
	}
	for marker := range l {
		t.Errorf("%s is there, and nobody asked for it", marker)
	}
	t.Logf("%d writes, %v, %d of them asked for again, %d open at the end and known %v later; %d connections",
		len(all), counts, again, late, slowest.Round(time.Millisecond), proxy.Accepted())
	if counts[api.OutcomeOK] < 10 || proxy.Accepted() < 20 {
		t.Error("the weather was too good or too bad to show anything")
	}
}

// settled waits for the outcome of a write that is open.
func (b *business) settled(t *testing.T, w *asked, quiet time.Time) api.ToolCallAnswer {
	t.Helper()
	for {
		a, err := b.Client().ToolCall(t.Context(), w.conversation, w.call)
		if err != nil {
			t.Fatalf("%s: %v", w.marker, err)
		}
		if a.Outcome != api.OutcomePending && a.Outcome != api.OutcomeUnknown {
			return a
		}
		if took := time.Since(quiet); took > knownWithin {
			t.Errorf("%s: after %v it is %s (%s)", w.marker, took, a.Outcome, reason(a))
			return a
		}
		<-time.After(5 * time.Millisecond)
	}
}
