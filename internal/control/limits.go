package control

import (
	"context"
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

// turns lets one discovery of a connection go on at a time: each may keep a
// whole catalogue in memory, of which an organisation needs one.
type turns struct {
	mu   sync.Mutex
	busy map[id.Connection]chan struct{} // closed when the turn is over
}

// take waits for a turn and gives the function that ends it. The error is the
// fault database_busy, when ctx ends before.
func (l *turns) take(ctx context.Context, c id.Connection) (done func(), err error) {
	for {
		l.mu.Lock()
		others, taken := l.busy[c]
		if !taken {
			mine := make(chan struct{})
			l.busy[c] = mine
			l.mu.Unlock()
			return func() {
				l.mu.Lock()
				defer l.mu.Unlock()
				delete(l.busy, c)
				close(mine)
			}, nil
		}
		l.mu.Unlock()
		select {
		case <-others:
		case <-ctx.Done():
			return nil, fault.Wrap(fault.DatabaseBusy, ctx.Err())
		}
	}
}
