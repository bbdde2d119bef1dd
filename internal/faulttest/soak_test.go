package faulttest

import (
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"flowyte/api"
	"flowyte/client"
	"flowyte/internal/dbtest"
	"flowyte/internal/faultproxy"
	"flowyte/internal/privatedb"
)

// soak is for `make soak`.
var soak = flag.Duration("soak", 0, "soak for so long, and with 1,000 organisations, instead of the short forms")

const (
	soakCallers = 50
	shortSoak   = time.Minute
	// weatherLasts is the longest time between two faults; breath is that
	// between two calls of one caller, long enough for other tests beside it.
	weatherLasts = 2 * time.Second
	breath       = 100 * time.Millisecond
	// What the process may hold more at the end than at the beginning, quiet
	// both times; of memory, which first has to reach its level, more than
	// half-way. In a minute that is 2 KB a call, since the race detector's own
	// memory grows by more than half of it; how much grows in an hour only an
	// hour can tell.
	moreGoroutines, moreFiles, moreMemory = 15, 15, 24 << 20
)

// toxics are what the network does next, picked at random.
var toxics = []faultproxy.Faults{
	{}, {}, {},
	{Latency: 50 * time.Millisecond, Jitter: 25 * time.Millisecond},
	{BytesPerSecond: 1000},
	{Slice: 1},
	{CloseAfter: 300 * time.Millisecond},
	{CutAfter: 100}, {CutAfter: 1, Reset: true}, {CutAfter: 2000, Reset: true},
	{Hole: true},
	{Refuse: true}, {Refuse: true, Reset: true},
}

// footprint is what a process holds: memory is resident, in bytes.
type footprint struct{ goroutines, files, memory int }

func (f footprint) String() string {
	return fmt.Sprintf("%d goroutines, %d files, %.1f MiB", f.goroutines, f.files, float64(f.memory)/(1<<20))
}

func (one *process) scrape(t *testing.T) []byte {
	t.Helper()
	resp, err := http.Get("http://" + one.metrics + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// wantCounted wants the counters to say what the callers heard.
func (one *process) wantCounted(t *testing.T, tenants []*tenant) {
	t.Helper()
	var calls, good, counted, countedGood int64
	for _, w := range tenants {
		calls, good = calls+w.calls.Load(), good+w.good.Load()
	}
	for _, found := range regexp.MustCompile(`(?m)^flowyte_tool_calls_total{kind="\w+",outcome="(\w+)"} (\S+)$`).FindAllSubmatch(one.scrape(t), -1) {
		n, err := strconv.ParseFloat(string(found[2]), 64)
		if err != nil {
			t.Fatal(err)
		}
		counted += int64(n)
		if string(found[1]) == string(api.OutcomeOK) {
			countedGood += int64(n)
		}
	}
	if counted != calls || countedGood != good {
		t.Errorf("%d calls, %d of them good, are counted as %d and %d", calls, good, counted, countedGood)
	}
}

// footprint reads what the kernel knows of the service, and its metrics.
func (one *process) footprint(t *testing.T) footprint {
	t.Helper()
	folder := "/proc/" + strconv.Itoa(one.cmd.Process.Pid)
	files, err := os.ReadDir(folder + "/fd")
	if err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile(folder + "/status")
	if err != nil {
		t.Fatal(err)
	}
	text := one.scrape(t)
	number := func(in []byte, pattern string) int {
		found := regexp.MustCompile(pattern).FindSubmatch(in)
		if found == nil {
			t.Fatalf("nothing is %s", pattern)
		}
		n, err := strconv.Atoi(string(found[1]))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return footprint{number(text, `(?m)^go_goroutines (\d+)$`), len(files), number(status, `VmRSS:\s+(\d+) kB`) << 10}
}

// swarm is many callers of many organisations.
type swarm struct {
	tenants []*tenant
	counts  sync.Map // of outcomes
	calls   atomic.Int64
}

// run has callers ask for some time. Every answer is right, or an honest outcome
// in its time.
func (s *swarm) run(t *testing.T, callers int, lasting time.Duration, late time.Duration) {
	t.Helper()
	end := time.Now().Add(lasting)
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			w := s.tenants[i%len(s.tenants)]
			tick := time.NewTicker(breath)
			defer tick.Stop()
			for ; time.Now().Before(end) && !t.Failed(); <-tick.C {
				a, took := w.ask(t)
				s.calls.Add(1)
				n, _ := s.counts.LoadOrStore(a.Outcome, &atomic.Int64{})
				n.(*atomic.Int64).Add(1)
				switch a.Outcome {
				case api.OutcomeOK, api.OutcomeTimedOut, api.OutcomeUnavailable, api.OutcomeBusy:
				default:
					t.Errorf("%s: %s", w.name, a.Outcome)
				}
				if took > deadline+late {
					t.Errorf("%s: %s after %v", w.name, a.Outcome, took)
				}
			}
		})
	}
	all.Wait()
}

func (s *swarm) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d calls", s.calls.Load())
	s.counts.Range(func(outcome, n any) bool {
		fmt.Fprintf(&b, ", %d %s", n.(*atomic.Int64).Load(), outcome)
		return true
	})
	return b.String()
}

// weather has all callers ask while the networks do something else every moment.
// In the end these are well.
func (s *swarm) weather(t *testing.T, random *rand.Rand, proxies []*faultproxy.Proxy, lasting time.Duration) {
	t.Helper()
	stop := make(chan struct{})
	var weather sync.WaitGroup
	weather.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Duration(random.Int64N(int64(weatherLasts)))):
			}
			proxy := proxies[random.IntN(len(proxies))]
			if random.IntN(6) == 0 {
				proxy.Cut()
			}
			proxy.Set(toxics[random.IntN(len(toxics))])
		}
	})
	s.run(t, soakCallers, lasting, 4*slack)
	close(stop)
	weather.Wait()
	for _, proxy := range proxies {
		proxy.Set(faultproxy.Faults{})
	}
}

// calm wants everybody to be well again, and gives what the process holds then,
// with its pools as full as all callers together make them: soon no more than
// at first.
func (s *swarm) calm(t *testing.T, one *process, first *footprint) footprint {
	t.Helper()
	well := &swarm{tenants: s.tenants}
	well.run(t, len(well.tenants), recovery+slack, 4*slack) // finds everybody again
	for _, w := range s.tenants {
		if a, _ := w.ask(t); a.Outcome != api.OutcomeOK {
			t.Errorf("%s is not well: %s", w.name, a.Outcome)
		}
	}
	well.run(t, soakCallers, 2*time.Second, 4*slack)
	now := one.footprint(t)
	if first != nil {
		within(t, 15*time.Second, "quiet", func() bool {
			now = one.footprint(t)
			return now.goroutines <= first.goroutines+moreGoroutines && now.files <= first.files+moreFiles
		})
	}
	return now
}

// moved gives the tenants clients of the service as it is now.
func (p *practice) moved(tenants []*tenant) {
	for _, w := range tenants {
		w.client = client.New(p.URL, w.key, p.HTTP)
	}
}

// TestSoak is Z01: fifty callers at once, on databases of both kinds whose
// network does something else every moment. Nothing is lost but calls: at the
// end the process holds what it held at the beginning. `make soak` takes longer.
func TestSoak(t *testing.T) {
	t.Parallel()
	lasting := max(*soak, shortSoak)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, seed))
	p := behind(t, dbtest.Postgres(t))
	var proxies []*faultproxy.Proxy
	s := &swarm{}
	for _, flavor := range []privatedb.Flavor{privatedb.Postgres, privatedb.MariaDB} {
		on := dbtest.On(t, flavor)
		proxy := proxyTo(t, faultproxy.Address(0), on.Server)
		proxies = append(proxies, proxy)
		for i := range 3 {
			w, err := settle(t, p.App, dbtest.New(t, on.Server), fmt.Sprintf("%s-%d", flavor, i), proxy.Port())
			if err != nil {
				t.Fatal(err)
			}
			s.tenants = append(s.tenants, w)
		}
	}
	one := p.apart(t)
	p.moved(s.tenants)
	before := s.calm(t, one, nil)
	var half, after footprint
	for _, f := range []*footprint{&half, &after} {
		s.weather(t, random, proxies, lasting/2)
		*f = s.calm(t, one, &before)
	}
	t.Logf("before: %v\nhalf-way: %v\nafter: %v\n%v", before, half, after, s)
	if after.memory > half.memory+moreMemory {
		t.Errorf("the process held %v half-way and holds %v", half, after)
	}
	if n, _ := s.counts.Load(api.OutcomeOK); n == nil || n.(*atomic.Int64).Load() < s.calls.Load()/10 {
		t.Errorf("hardly anything went well: %v", s)
	}
	one.wantCounted(t, s.tenants)
	one.stop(t)
}
