package target_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/target"
)

// A wrong password is sent once, however many callers come, and then once in
// 30 s: servers lock accounts.
func TestWrongPasswordIsTriedOnce(t *testing.T) {
	rejecting := true
	d := &driver{open: func(context.Context, target.Purpose) error {
		<-time.After(20 * time.Millisecond)
		if rejecting {
			return fault.New(fault.CredentialsRejected)
		}
		return nil
	}}
	one(t, target.Options{}, d, func(t *testing.T, db *target.Database) {
		for minute := range 4 {
			var all sync.WaitGroup
			for range 50 {
				all.Go(func() { wantCode(t, ask(t, db), fault.CredentialsRejected) })
			}
			all.Wait()
			begun := time.Now()
			wantCode(t, ask(t, db), fault.CredentialsRejected)
			wantCode(t, db.WithSession(t.Context(), target.ForCatalog, func(target.Session) error { return nil }), fault.CredentialsRejected)
			wantCode(t, db.WithSession(t.Context(), target.ForWrites, func(target.Session) error { return nil }), fault.CredentialsRejected)
			if time.Since(begun) > 0 {
				t.Error("a refusal took time")
			}
			if d.tries() != minute+1 {
				t.Fatalf("%d attempts in interval %d", d.tries(), minute)
			}
			pass(30 * time.Second)
		}
		rejecting = false
		wantCode(t, ask(t, db), "")
		wantCode(t, db.Trouble(), "")
	})
}

// The write user's password is another matter.
func TestWriteUserHasItsOwnGate(t *testing.T) {
	d := &driver{open: func(_ context.Context, p target.Purpose) error {
		if p == target.ForWrites {
			return fault.New(fault.CredentialsRejected)
		}
		return nil
	}}
	inFleet(t, target.Options{}, func(t *testing.T, f *target.Fleet) {
		creds := someone()
		creds.WriteUser = "w"
		db := f.Open("con_1", firstOrg, d, creds)
		for range 2 {
			wantCode(t, db.WithSession(t.Context(), target.ForWrites, func(target.Session) error { return nil }), fault.CredentialsRejected)
		}
		wantCode(t, ask(t, db), "")
		if d.tries() != 2 {
			t.Errorf("%d attempts", d.tries())
		}
	})
}

// While a database is down, calls are answered at once and attempts are rare;
// the first good answer comes within a second after it is back.
func TestBreaker(t *testing.T) {
	down := true
	d := &driver{open: func(context.Context, target.Purpose) error {
		if down {
			return fault.New(fault.Unreachable)
		}
		return nil
	}}
	one(t, target.Options{}, d, func(t *testing.T, db *target.Database) {
		wantCode(t, ask(t, db), fault.Unreachable)
		wantCode(t, ask(t, db), fault.Unreachable)
		wantCode(t, db.Trouble(), fault.Unreachable)
		tripped := d.tries()
		_, err := db.Run(t.Context(), aPlan, nil, &rows{})
		wantCode(t, err, fault.Unreachable)
		if f, _ := fault.As(err); f.RetryAfter <= 0 || f.RetryAfter > time.Second {
			t.Errorf("RetryAfter %v", f.RetryAfter)
		}
		if d.tries() != tripped {
			t.Error("the breaker lets calls through")
		}
		const callEvery = 10 * time.Millisecond
		for range 1000 {
			begun := time.Now()
			wantCode(t, ask(t, db), fault.Unreachable)
			if time.Since(begun) > 0 {
				t.Error("an answer took time")
			}
			pass(callEvery)
		}
		// 10 s at one attempt in 600 to 800 ms, and a few quick ones before.
		if n := d.tries() - tripped; n < 12 || n > 20 {
			t.Errorf("%d attempts in 10 s", n)
		}
		down = false
		back := time.Now()
		for ask(t, db) != nil {
			pass(callEvery)
		}
		if took := time.Since(back); took > time.Second {
			t.Errorf("the first good answer came after %v", took)
		}
	})
}

// The attempt that finds out is alone, and short, but for every fourth. Nobody
// else waits for it.
func TestProbeIsAlone(t *testing.T) {
	var mu sync.Mutex
	now, most, waited := 0, 0, 0
	var limits []time.Duration
	d := &driver{open: func(ctx context.Context, _ target.Purpose) error {
		end, _ := ctx.Deadline()
		mu.Lock()
		now++
		most = max(most, now)
		limits = append(limits, time.Until(end))
		mu.Unlock()
		<-ctx.Done()
		mu.Lock()
		now--
		mu.Unlock()
		return fault.Wrap(fault.Unreachable, ctx.Err())
	}}
	one(t, target.Options{}, d, func(t *testing.T, db *target.Database) {
		for range 300 {
			for range 3 {
				go func() {
					mu.Lock()
					shut := len(limits) > 2
					mu.Unlock()
					begun := time.Now()
					_ = ask(t, db)
					mu.Lock()
					defer mu.Unlock()
					if shut && time.Since(begun) > 0 {
						waited++
					}
				}()
			}
			pass(50 * time.Millisecond)
		}
		pass(4 * time.Second)
		if most != 1 {
			t.Errorf("%d attempts at once", most)
		}
		if waited > len(limits) {
			t.Errorf("%d callers waited for %d attempts", waited, len(limits))
		}
		long := 0
		for _, limit := range limits[2:] {
			if limit == target.ConnectLimit {
				long++
			} else if limit != 800*time.Millisecond {
				t.Errorf("a probe of %v", limit)
			}
		}
		if probes := len(limits) - 2; long == 0 || long > probes/4+1 {
			t.Errorf("%d long ones of %d", long, probes)
		}
	})
}

// A warm pool does not care that nothing can be opened.
func TestWarmPoolGoesOn(t *testing.T) {
	down := false
	d := &driver{open: func(context.Context, target.Purpose) error {
		if down {
			return fault.New(fault.HostUnresolvable)
		}
		return nil
	}}
	one(t, target.Options{}, d, func(t *testing.T, db *target.Database) {
		wantCode(t, ask(t, db), "")
		down = true
		for range 5 {
			wantCode(t, db.WithSession(t.Context(), target.ForCatalog, func(target.Session) error { return nil }), fault.HostUnresolvable)
		}
		wantCode(t, ask(t, db), "")
	})
}

// Callers who share a failed attempt may each add to their fault.
func TestSharedFailureIsNotSharedMemory(t *testing.T) {
	d := &driver{open: func(context.Context, target.Purpose) error {
		<-time.After(time.Millisecond)
		return fault.New(fault.Unreachable)
	}}
	one(t, target.Options{}, d, func(t *testing.T, db *target.Database) {
		seen := map[*fault.Error]bool{}
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				f, _ := fault.As(ask(t, db))
				mu.Lock()
				defer mu.Unlock()
				if seen[f] {
					t.Error("two callers hold the same fault")
				}
				seen[f] = true
			})
		}
		all.Wait()
		synctest.Wait()
	})
}
