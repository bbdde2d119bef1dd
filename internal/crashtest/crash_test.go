package crashtest

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"flowyte/api"
	"flowyte/client"
	"flowyte/internal/dbtest"
	"flowyte/internal/privatedb"
	"flowyte/internal/wiretest"
)

var (
	crashes = flag.Int("crashes", 15, "how often the service is killed at each failpoint, on each kind of database; on MySQL a third")
	outages = flag.Int("outages", 1, "how often each database is killed at each station")
)

// knownWithin is how long after the return of what was killed the outcome of
// every write may stay open.
const knownWithin = 5 * time.Second

// run is a business that is served again and again, and what came of it.
type run struct {
	*business
	*service
	dice *rand.Rand
	slot int
	// struck counts how often the database was.
	struck int
	came   map[string]int // by failpoint and outcome
	slow   time.Duration
}

// begin publishes a business on a server, and serves it in another process.
func begin(t *testing.T, db *dbtest.Database) *run {
	t.Helper()
	tap := wiretest.New(t, db.Server)
	r := &run{business: open(t, db, tap, tap.Port), dice: rand.New(rand.NewPCG(7, 7)), came: map[string]int{}}
	r.Stop()
	r.service = start(t, r.Data, r.Key)
	return r
}

// each runs a test on both kinds at once, and on MySQL where it is.
func each(t *testing.T, test func(t *testing.T, db *dbtest.Database)) {
	t.Helper()
	for _, flavor := range []privatedb.Flavor{privatedb.Postgres, privatedb.MariaDB, privatedb.MySQL} {
		t.Run(string(flavor), func(t *testing.T) {
			t.Parallel()
			test(t, dbtest.New(t, dbtest.Own(t, flavor)))
		})
	}
}

// TestKilled is W18: the service is killed at every failpoint, again and again.
// What it had acknowledged is there; of everything else it says in time what
// became of it; and an agent that asks again, under the same id and under
// another, has it done once.
func TestKilled(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *dbtest.Database) {
		r := begin(t, db)
		times := *crashes
		if db.Server.Install.Flavor == privatedb.MySQL {
			times = (times + 2) / 3 // the driver is that of MariaDB
		}
		for i := range times {
			for _, point := range failpoints {
				r.kill(t, point.name, point.stations[i%len(point.stations)], i)
				if t.Failed() {
					return
				}
			}
		}
		r.report(t)
	})
}

// kill lets two conversations write, and kills the service at a station of one
// of the writes.
func (r *run) kill(t *testing.T, point string, at station, round int) {
	t.Helper()
	name := fmt.Sprintf("%s %d", at, round)
	writes := r.pair(t, name)
	r.trap(t, at, r.nth(at), "die")
	said := r.askAll(t, writes)
	r.died(t)
	r.service = start(t, r.Data, r.Key)
	r.settle(t, name, point, r.ready, writes, said)
}

// TestOutages: at the same places the database is killed, instead of the service.
func TestOutages(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *dbtest.Database) {
		r := begin(t, db)
		for i := range *outages {
			for _, point := range failpoints {
				for _, at := range point.stations {
					r.outage(t, point.name, at, i)
					if t.Failed() {
						return
					}
				}
			}
		}
		r.report(t)
	})
}

// outage kills the database while a write waits at a station, and starts it
// again, every other time only when the callers have been answered.
func (r *run) outage(t *testing.T, point string, at station, round int) {
	t.Helper()
	name := fmt.Sprintf("out %s %d", at, round)
	writes := r.pair(t, name)
	r.trap(t, at, r.nth(at), "wait")
	answers := make(chan []api.ToolCallAnswer, 1)
	go func() { answers <- r.askAll(t, writes) }()
	if got := r.hear(t); got != saidReached {
		t.Fatalf("the service says %q: %s", got, r.log)
	}
	r.struck++
	restart := r.strike(t)
	r.tell(t, tellGo)
	if r.struck/2%2 == 0 {
		restart()
		returned := time.Now()
		r.settle(t, name, point, returned, writes, <-answers)
		return
	}
	said := <-answers
	restart()
	r.settle(t, name, point, time.Now(), writes, said)
}

// TestPowerCut: service and database are gone at once, and come back.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *dbtest.Database) {
		r := begin(t, db)
		for i := range *outages {
			for _, point := range failpoints {
				for _, at := range point.stations {
					r.powerCut(t, point.name, at, i)
					if t.Failed() {
						return
					}
				}
			}
		}
		r.report(t)
	})
}

func (r *run) powerCut(t *testing.T, point string, at station, round int) {
	t.Helper()
	name := fmt.Sprintf("cut %s %d", at, round)
	writes := r.pair(t, name)
	r.trap(t, at, r.nth(at), "die")
	said := r.askAll(t, writes)
	r.died(t)
	if err := r.db.Server.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := r.db.Server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.service = start(t, r.Data, r.Key)
	r.settle(t, name, point, r.ready, writes, said)
}

// strike kills the database, and gives what waits until it is back. Every other
// time one of PostgreSQL's processes is all that is killed: then it ends the
// others, forgets what it had in memory, and goes on by itself.
func (r *run) strike(t *testing.T) (restart func()) {
	t.Helper()
	server := r.db.Server
	if r.db.Kind == "postgres" && r.struck%2 == 0 {
		const writer = `SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'`
		rows := r.db.Query(t, writer)
		pid, err := strconv.Atoi(rows[0][0])
		if err == nil {
			err = syscall.Kill(pid, syscall.SIGKILL)
		}
		if err != nil {
			t.Fatal(err)
		}
		return func() {
			for t.Context().Err() == nil {
				now, err := server.Query(t.Context(), "", writer)
				if err == nil && len(now) == 1 && now[0][0] != rows[0][0] {
					return
				}
			}
		}
	}
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := server.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// nth is which write, or which message of one, is struck.
func (r *run) nth(at station) int {
	if at == sent && r.db.Kind == "mysql" {
		return 1 + r.dice.IntN(6)
	}
	return 1 + r.dice.IntN(2)
}

// pair gives a booking and the change of a slot, in two conversations in which
// there were writes before.
func (r *run) pair(t *testing.T, name string) []write {
	t.Helper()
	var all []write
	for i := range 2 {
		w := write{conversation: ring(t, r.Client, r.agent)}
		if i == 1 {
			r.slot++
			w.slot = r.slot
		}
		for _, part := range []string{"before", "struck"} {
			w.marker = fmt.Sprintf("%s %d %s", name, i, part)
			if part == "struck" {
				break
			}
			if a, err := w.insist(t, r.Client, "0"); err != nil || a.Outcome != api.OutcomeOK {
				t.Fatalf("%s: %+v, %v\n%s", w.marker, a, err, r.log)
			}
		}
		all = append(all, w)
	}
	return all
}

// askAll asks for all writes at once, and gives what was answered before the
// service died.
func (r *run) askAll(t *testing.T, writes []write) []api.ToolCallAnswer {
	t.Helper()
	said := make([]api.ToolCallAnswer, len(writes))
	var all sync.WaitGroup
	for i, w := range writes {
		all.Go(func() {
			if a, err := w.ask(t, r.Client, "1"); err == nil {
				said[i] = a
			}
		})
	}
	all.Wait()
	return said
}

// settle compares what is known after a return with the ledger, asks again, and
// compares once more.
func (r *run) settle(t *testing.T, name, point string, returned time.Time, writes []write, said []api.ToolCallAnswer) {
	t.Helper()
	before := make([]api.ToolCallAnswer, len(writes))
	for i, w := range writes {
		before[i] = r.outcome(t, w, returned)
		if said[i].Outcome == api.OutcomeOK && before[i].Outcome != api.OutcomeOK {
			t.Errorf("%s: %s was acknowledged, and is %s", name, w.marker, before[i].Outcome)
		}
		r.came[point+": "+string(before[i].Outcome)]++
	}
	l := read(t, r.db, name+" ")
	for i, w := range writes {
		l.compare(t, "after the return", w, before[i])
	}
	after := make([]api.ToolCallAnswer, len(writes))
	for i, w := range writes {
		verify(t, r.Client, w.conversation)
		after[i] = r.again(t, w, before[i])
	}
	l = read(t, r.db, name+" ")
	for i, w := range writes {
		l.compare(t, "asked again", w, after[i])
		w.marker = strings.TrimSuffix(w.marker, "struck") + "before"
		if len(l[w.marker]) != 1 {
			t.Errorf("%s is there %d times, and was acknowledged", w.marker, len(l[w.marker]))
		}
		if _, err := r.End(t.Context(), w.conversation); err != nil {
			t.Error(err)
		}
	}
}

// nothing is how a write is counted that was never begun.
const nothing api.Outcome = "never begun"

// outcome waits until it is known what became of a write.
func (r *run) outcome(t *testing.T, w write, returned time.Time) api.ToolCallAnswer {
	t.Helper()
	for {
		a, err := r.ToolCall(t.Context(), w.conversation, "1")
		took := time.Since(returned)
		var problem *client.Error
		switch {
		case errors.As(err, &problem) && problem.Status == http.StatusNotFound:
			return api.ToolCallAnswer{Outcome: nothing}
		case err != nil:
			t.Fatalf("%s: %v\n%s", w.marker, err, r.log)
		case a.Outcome == api.OutcomeOK || a.Outcome == api.OutcomeFailed:
			r.slow = max(r.slow, took)
			return a
		case took > knownWithin || reason(a) == "not_established":
			t.Errorf("%s: after %v it is %s (%s)\n%s", w.marker, took, a.Outcome, reason(a), r.log)
			return a
		}
		<-time.After(2 * time.Millisecond)
	}
}

func reason(a api.ToolCallAnswer) string {
	if a.Reason == nil {
		return ""
	}
	return *a.Reason
}

// again asks for the write as an agent does that heard nothing: under the same
// id, and then under a new one. It gives the last answer.
func (r *run) again(t *testing.T, w write, known api.ToolCallAnswer) api.ToolCallAnswer {
	t.Helper()
	same, err := w.insist(t, r.Client, "1")
	switch {
	case err != nil:
		t.Fatalf("%s: %v\n%s", w.marker, err, r.log)
	case known.Outcome == nothing && same.Outcome == api.OutcomeOK && !same.Replayed:
	case same.Outcome != known.Outcome || !same.Replayed || string(same.Result) != string(known.Result):
		t.Errorf("%s is known as %s %s, and again answered %s %s", w.marker, known.Outcome, known.Result, same.Outcome, same.Result)
	}
	other, err := w.insist(t, r.Client, "2")
	if err != nil || other.Outcome != api.OutcomeOK || other.Replayed != (same.Outcome == api.OutcomeOK) {
		t.Errorf("%s was %s, and under a new id is %s (%s), replayed %t, %v", w.marker, same.Outcome, other.Outcome, reason(other), other.Replayed, err)
	}
	return other
}

// report tells what came of the run, and wants nothing in the ledger that nobody
// asked for.
func (r *run) report(t *testing.T) {
	t.Helper()
	for _, key := range slices.Sorted(maps.Keys(r.came)) {
		t.Logf("%-62s %d", key, r.came[key])
	}
	t.Logf("the slowest outcome was known after %v", r.slow.Round(time.Millisecond))
	doubles := r.db.Query(t, `SELECT count(*) FROM (SELECT marker FROM bookings GROUP BY marker HAVING count(*) > 1
		UNION ALL SELECT marker FROM changes GROUP BY marker HAVING count(*) > 1) AS twice`)
	if doubles[0][0] != "0" {
		t.Errorf("%s writes are there more than once", doubles[0][0])
	}
}
