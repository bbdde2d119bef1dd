package target

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"flowyte/internal/fault"
)

const (
	// tripAfter is how many attempts to connect may fail one after the other
	// before the next ones are refused without trying.
	tripAfter = 2
	// firstPause doubles with every further failure up to longestPause, which
	// keeps the promise of an answer within a second after the database is back.
	firstPause   = 200 * time.Millisecond
	longestPause = 800 * time.Millisecond
	// probeLimit is the time of an attempt while the gate is shut: a packet
	// sent into a dead network must not delay the next one for seconds. Every
	// patientProbe-th attempt gets the whole ConnectLimit, for databases so far
	// away that they need it.
	probeLimit   = 800 * time.Millisecond
	patientProbe = 4
	// rejectedPause protects the customer's account: many servers lock it
	// after a few wrong passwords.
	rejectedPause = 30 * time.Second
)

// gate decides whether a session may be opened. It is shut after failures and
// opened by one successful attempt. Until a user's first success, and after
// every failure, one attempt is made at a time and all who come meanwhile share
// its outcome, so that a wrong password is sent once and not once a caller.
type gate struct {
	mu       sync.Mutex
	proven   bool         // the last attempt succeeded
	failures int          // in a row
	last     *fault.Error // of the last attempt, when it failed
	until    time.Time    // no attempt before
	flight   *flight      // the attempt under way, unless proven
}

// flight is one attempt that others wait for.
type flight struct {
	done chan struct{}
	err  error // set before done is closed
}

// attempt calls open when the gate lets it, with the time it may take, and
// learns from its error. Errors are faults: open's own, or the last failure's
// code with RetryAfter when the gate is shut.
func (g *gate) attempt(ctx context.Context, open func(limit time.Duration) error) error {
	for {
		limit, mine, others, err := g.enter()
		switch {
		case err != nil:
			return err
		case others != nil:
			select {
			case <-others.done:
			case <-ctx.Done():
				return fault.Wrap(fault.DatabaseTimeout, ctx.Err())
			}
			if others.err != nil {
				return copyOf(others.err)
			}
		default:
			err := open(limit)
			g.leave(mine, err)
			return err
		}
	}
}

// enter gives either the time for an attempt, with the flight it stands for
// when others may come to wait for it, or somebody else's flight to wait for,
// or the refusal.
func (g *gate) enter() (limit time.Duration, mine, others *flight, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.proven {
		return ConnectLimit, nil, nil, nil
	}
	limit = ConnectLimit
	if g.shut() {
		wait := time.Until(g.until)
		if g.flight != nil || wait > 0 {
			return 0, nil, nil, copyOf(g.last).WithRetryAfter(max(wait, firstPause))
		}
		if g.last.Code != fault.CredentialsRejected && g.failures%patientProbe != 0 {
			limit = probeLimit
		}
	}
	if g.flight != nil {
		return 0, nil, g.flight, nil
	}
	g.flight = &flight{done: make(chan struct{})}
	return limit, g.flight, nil, nil
}

func (g *gate) shut() bool {
	return g.failures >= tripAfter || g.failures > 0 && g.last.Code == fault.CredentialsRejected
}

// leave records how an attempt ended.
func (g *gate) leave(mine *flight, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if mine != nil {
		mine.err = err
		close(mine.done)
		g.flight = nil
	}
	if err == nil {
		g.proven, g.failures, g.last = true, 0, nil
		return
	}
	f, ok := fault.As(err)
	if !ok {
		f = fault.Wrap(fault.Unreachable, err)
	}
	if f.Code == fault.DatabaseBusy {
		return // the database was not even asked
	}
	g.proven = false
	g.failures++
	g.last = f
	g.until = time.Now().Add(g.pause())
}

func (g *gate) pause() time.Duration {
	if g.last.Code == fault.CredentialsRejected {
		return rejectedPause
	}
	if g.failures < tripAfter {
		return 0
	}
	pause := longestPause
	if doublings := g.failures - tripAfter; doublings < 2 {
		pause = firstPause << doublings
	}
	// Up to a quarter less, so that many processes do not come back as one.
	return pause - time.Duration(rand.Int64N(int64(pause)/4))
}

// trouble is the last attempt's failure, or nil.
func (g *gate) trouble() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.last == nil {
		return nil
	}
	return copyOf(g.last)
}

// copyOf makes a fault that its receiver may add to.
func copyOf(err error) *fault.Error {
	if f, ok := fault.As(err); ok {
		return fault.Wrap(f.Code, fault.Cause(f))
	}
	return fault.Wrap(fault.Unreachable, err)
}
