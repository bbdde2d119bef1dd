package control

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"flowyte/internal/fault"
	"flowyte/internal/id"
)

// testLimits keeps an organisation from using connection tests to scan other
// people's networks.
type testLimits struct {
	perMinute int
	mu        sync.Mutex
	byOrg     map[id.Org]*testLimit
}

type testLimit struct {
	limiter *rate.Limiter
	used    time.Time
}

func (l *testLimits) take(org id.Org, now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.byOrg[org]
	if t == nil {
		l.forget(now)
		t = &testLimit{limiter: rate.NewLimiter(rate.Limit(float64(l.perMinute)/60), l.perMinute)}
		l.byOrg[org] = t
	}
	t.used = now
	r := t.limiter.ReserveN(now, 1)
	if wait := r.DelayFrom(now); wait > 0 {
		r.CancelAt(now)
		return fault.New(fault.TestBudgetReached).WithRetryAfter(wait)
	}
	return nil
}

// forget drops organisations whose allowance is full again anyway.
func (l *testLimits) forget(now time.Time) {
	for org, t := range l.byOrg {
		if now.Sub(t.used) > time.Minute {
			delete(l.byOrg, org)
		}
	}
}
