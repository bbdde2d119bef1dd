package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"flowyte/api"
	"flowyte/internal/auth"
	"flowyte/internal/fault"
	"flowyte/internal/id"
)

// newLimited is an API with one route of each sort and a clock that stands.
func newLimited(t *testing.T, control, live Rate) (*kit, *time.Time) {
	t.Helper()
	k := newKit(t)
	now := time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC)
	k.Now = func() time.Time { return now }
	k.API.control, k.API.live, k.epoch = newLimiter(control), newLimiter(live), now
	done := func(context.Context, auth.Principal, *nothing) (string, error) { return "done", nil }
	Handle(k.API, Op{Method: "GET", Path: "/integrations", Scope: auth.IntegrationsRead, Tag: "T", Summary: "s"}, done)
	HandleRaw[nothing, string](k.API, Op{Method: "POST", Path: "/conversations/calls", Scope: auth.ConversationsWrite, Tag: "T", Summary: "s"},
		func(w http.ResponseWriter, _ *http.Request, _ auth.Principal) error {
			w.WriteHeader(http.StatusOK)
			return nil
		})
	return k, &now
}

func (k *kit) status(t *testing.T, method, path, key string) int {
	t.Helper()
	return k.ask(t, method, api.Base+path, "", "Authorization", "Bearer "+key).Code
}

// TestRateLimit is A17: the limit is the organisation's, whatever keys it has.
func TestRateLimit(t *testing.T) {
	k, now := newLimited(t, Rate{PerSecond: 2, AtOnce: 4}, Rate{PerSecond: 1, AtOnce: 1})
	for i, key := range []string{"all", "read", "all", "read"} {
		if got := k.status(t, "GET", "/integrations", key); got != 200 {
			t.Fatalf("request %d answers %d", i, got)
		}
	}
	for _, key := range []string{"all", "read"} {
		w := k.ask(t, "GET", api.Base+"/integrations", "", "Authorization", "Bearer "+key)
		wantProblem(t, w, fault.RateLimited)
		for name, want := range map[string]string{"Retry-After": "1", "RateLimit-Limit": "4", "RateLimit-Remaining": "0", "RateLimit-Reset": "2"} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
	}
	// Others, and the other sort of routes, are not touched.
	if a, b, c := k.status(t, "GET", "/integrations", "other"), k.status(t, "POST", "/conversations/calls", "all"), k.status(t, "POST", "/conversations/calls", "all"); a != 200 || b != 200 || c != 429 {
		t.Errorf("another organisation is answered %d, the live route %d and then %d", a, b, c)
	}
	// Half a second is one request.
	*now = now.Add(499 * time.Millisecond)
	if got := k.status(t, "GET", "/integrations", "all"); got != 429 {
		t.Errorf("too early: %d", got)
	}
	*now = now.Add(time.Millisecond)
	if a, b := k.status(t, "GET", "/integrations", "all"), k.status(t, "GET", "/integrations", "all"); a != 200 || b != 429 {
		t.Errorf("after half a second: %d, %d", a, b)
	}
	// A pause fills the allowance, and no more than that.
	*now = now.Add(time.Hour)
	for i := range 5 {
		if got := k.status(t, "GET", "/integrations", "read"); (got == 200) != (i < 4) {
			t.Errorf("request %d after an hour: %d", i, got)
		}
	}
}

// TestRateLimitIsToldInRefusalsAlone: other answers must not differ by what
// was asked before.
func TestRateLimitIsToldInRefusalsAlone(t *testing.T) {
	k, _ := newLimited(t, Rate{PerSecond: 1, AtOnce: 2}, Rate{})
	for range 100 { // without a key nobody's allowance is touched
		if got := k.status(t, "GET", "/integrations", "nobody"); got != 401 {
			t.Fatalf("a wrong key is answered %d", got)
		}
		if got := k.status(t, "POST", "/conversations/calls", "all"); got != 200 {
			t.Fatalf("no limit is answered %d", got)
		}
	}
	if w := k.ask(t, "GET", api.Base+"/integrations", ""); w.Code != 200 || w.Header().Get("RateLimit-Limit") != "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	// What the key may not do counts, too.
	if got := k.status(t, "POST", "/conversations/calls", "read"); got != 403 {
		t.Errorf("without the scope: %d", got)
	}
	if a, b := k.status(t, "GET", "/integrations", "all"), k.status(t, "GET", "/integrations", "all"); a != 200 || b != 429 {
		t.Errorf("%d, %d", a, b)
	}
	w := httptest.NewRecorder()
	k.ServeHTTP(w, httptest.NewRequest("GET", "/healthz", nil))
	if w.Code != 200 {
		t.Errorf("health is limited: %d", w.Code)
	}
}

// TestLimiterKeepsItsPromise: in no stretch of time are there more requests
// than AtOnce and what PerSecond adds, and none is refused that fits.
func TestLimiterKeepsItsPromise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Rate{PerSecond: rapid.IntRange(1, 1000).Draw(t, "rate"), AtOnce: rapid.IntRange(1, 50).Draw(t, "at once")}
		l := newLimiter(r)
		var now time.Duration
		var admitted []time.Duration
		for range rapid.IntRange(1, 200).Draw(t, "requests") {
			now += time.Duration(rapid.Int64Range(0, int64(3*l.every)).Draw(t, "pause"))
			next, whole, ok := l.take("org_a", now)
			if ok {
				admitted = append(admitted, now)
				for i, from := range admitted {
					most := r.AtOnce + int((now-from)/l.every)
					if n := len(admitted) - i; n > most {
						t.Fatalf("%d requests in %v, at most %d", n, now-from, most)
					}
				}
				continue
			}
			if next <= 0 || next > l.every || whole < next || whole > l.depth {
				t.Fatalf("refused for %v, whole after %v", next, whole)
			}
			if _, _, ok := l.take("org_a", now+next-1); ok {
				t.Fatal("it was not to wait so long")
			}
			now += next
			if _, _, ok := l.take("org_a", now); !ok {
				t.Fatal("it waited as long as it was told, and is refused again")
			}
			admitted = append(admitted, now)
		}
	})
}

func TestLimiterCountsEachOnce(t *testing.T) {
	l := newLimiter(Rate{PerSecond: 1, AtOnce: 1000})
	var admitted atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 500 {
				if _, _, ok := l.take("org_a", time.Hour); ok {
					admitted.Add(1)
				}
			}
		})
	}
	all.Wait()
	if n := admitted.Load(); n != 1000 {
		t.Errorf("%d are admitted", n)
	}
}

// TestLimiterForgets keeps the memory to those who ask now.
func TestLimiterForgets(t *testing.T) {
	l := newLimiter(Rate{PerSecond: 1, AtOnce: 1})
	const waves, orgs = 20, 2000
	for wave := range waves {
		for i := range orgs {
			l.take(id.Org(fmt.Sprint("org_", wave, "_", i)), time.Duration(wave)*time.Hour)
		}
	}
	held := 0
	for i := range l.shards {
		held += len(l.shards[i].buckets)
	}
	if most := len(l.shards)*firstSweep + 2*orgs; held > most || held < orgs {
		t.Errorf("%d organisations are held, want from %d to %d", held, orgs, most)
	}
	// One that is held back stays so, whoever else comes.
	l.take("org_kept", 0)
	for i := range 100 * orgs {
		l.take(id.Org(fmt.Sprint("org_crowd_", i)), 0)
	}
	if _, _, ok := l.take("org_kept", 0); ok {
		t.Error("an organisation was forgotten before its time")
	}
}

func TestLimiterAllocatesNothing(t *testing.T) {
	l := newLimiter(Rate{PerSecond: 1000, AtOnce: 10})
	l.take("org_a", 0)
	var now time.Duration
	if n := testing.AllocsPerRun(500, func() { now += 100 * time.Microsecond; l.take("org_a", now) }); n > 0 {
		t.Errorf("%v allocations a request", n)
	}
}

func BenchmarkLimiter(b *testing.B) {
	l := newLimiter(Rate{PerSecond: 1_000_000, AtOnce: 1_000_000})
	began := time.Now()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			l.take("org_a", time.Since(began))
		}
	})
}
