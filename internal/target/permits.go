package target

import (
	"context"
	"sync"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/id"

	"golang.org/x/sync/semaphore"
)

// permitWait is how long a new session waits for another one to end when a cap
// is reached.
const permitWait = 500 * time.Millisecond

// roomEvery is how often room is asked for while somebody waits: a session may
// become idle later, or another one may have taken the room that was made.
const roomEvery = 20 * time.Millisecond

// permits caps the sessions of an organisation and of the process. Those who
// wait are served in order of arrival.
type permits struct {
	perOrg int64
	total  *semaphore.Weighted

	mu   sync.Mutex
	orgs map[id.Org]*orgPermits
}

type orgPermits struct {
	sem  *semaphore.Weighted
	uses int // sessions held or waited for
}

func newPermits(perOrg, total int) *permits {
	return &permits{perOrg: int64(perOrg), total: semaphore.NewWeighted(int64(total)), orgs: map[id.Org]*orgPermits{}}
}

// acquire takes one permit and gives the function that returns it. When a cap
// is reached makeRoom is asked, again and again, to end an idle session, of the
// organisation when it is that one's cap. The error is the fault database_busy.
func (p *permits) acquire(ctx context.Context, org id.Org, makeRoom func(onlyOrg bool)) (release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, permitWait)
	defer cancel()
	own := p.of(org)
	if err := take(ctx, own, func() { makeRoom(true) }); err != nil {
		p.done(org)
		return nil, err
	}
	if err := take(ctx, p.total, func() { makeRoom(false) }); err != nil {
		own.Release(1)
		p.done(org)
		return nil, err
	}
	return func() {
		p.total.Release(1)
		own.Release(1)
		p.done(org)
	}, nil
}

func take(ctx context.Context, sem *semaphore.Weighted, makeRoom func()) error {
	if sem.TryAcquire(1) {
		return nil
	}
	makeRoom()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go keepMakingRoom(ctx, makeRoom)
	if err := sem.Acquire(ctx, 1); err != nil {
		return fault.Wrap(fault.DatabaseBusy, err).WithRetryAfter(permitWait)
	}
	return nil
}

func keepMakingRoom(ctx context.Context, makeRoom func()) {
	ticker := time.NewTicker(roomEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			makeRoom()
		}
	}
}

func (p *permits) of(org id.Org) *semaphore.Weighted {
	p.mu.Lock()
	defer p.mu.Unlock()
	o := p.orgs[org]
	if o == nil {
		o = &orgPermits{sem: semaphore.NewWeighted(p.perOrg)}
		p.orgs[org] = o
	}
	o.uses++
	return o.sem
}

func (p *permits) done(org id.Org) {
	p.mu.Lock()
	defer p.mu.Unlock()
	o := p.orgs[org]
	if o.uses--; o.uses == 0 {
		delete(p.orgs, org)
	}
}
