package serve

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// cupboard is a store that notes what it is asked for. Tests look into it, and
// change it, with open.
type cupboard struct {
	mu sync.Mutex

	requests, conversations, activity, writes, forgotten []time.Time
	free, total                                          uint64
	pruneErr, spaceErr                                   error
}

func (c *cupboard) PruneRequests(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests = append(c.requests, time.Now())
	return c.pruneErr
}

func (c *cupboard) PruneConversations(_ context.Context, before time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conversations = append(c.conversations, before)
	return nil
}

func (c *cupboard) PruneActivity(_ context.Context, before time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.activity = append(c.activity, before)
	return nil
}

func (c *cupboard) PruneWrites(_ context.Context, before time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes = append(c.writes, before)
	return nil
}

func (c *cupboard) ForgetWrites(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgotten = append(c.forgotten, time.Now())
	return nil
}

func (c *cupboard) Space() (free, total uint64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.free, c.total, c.spaceErr
}

// open gives the cupboard to f alone.
func (c *cupboard) open(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

// diary is a log that is read while it is written.
type diary struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (d *diary) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.b.Write(p)
}

func (d *diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.b.String()
}

const tib = 1 << 40

// keptHouse runs housekeeping in a bubble of its own time.
func keptHouse(t *testing.T, c *cupboard, keepEvents, keepAudit time.Duration, test func(log func() string, idled *atomic.Int64)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var out diary
		var idled atomic.Int64
		h := &housekeeping{
			store: c, idle: func() { idled.Add(1) }, log: slog.New(slog.NewTextHandler(&out, nil)),
			keepEvents: keepEvents, keepAudit: keepAudit, now: time.Now,
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { h.run(ctx); close(done) }()
		synctest.Wait()
		test(out.String, &idled)
		stop()
		<-done
	})
}

// pass lets the bubble's time pass.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestWhatIsTooOldGoes(t *testing.T) {
	c := &cupboard{free: tib, total: tib}
	keptHouse(t, c, time.Hour, 24*time.Hour, func(log func() string, idled *atomic.Int64) {
		began := time.Now()
		pass(2*time.Minute + time.Second)
		at := []time.Time{began.Add(time.Minute), began.Add(2 * time.Minute)}
		c.open(func() {
			if diff := cmp.Diff(at, c.requests); diff != "" {
				t.Error(diff)
			}
			for _, pruned := range [][]time.Time{c.conversations, c.writes} {
				if diff := cmp.Diff([]time.Time{at[0].Add(-time.Hour), at[1].Add(-time.Hour)}, pruned); diff != "" {
					t.Error(diff)
				}
			}
			if diff := cmp.Diff(at, c.forgotten); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]time.Time{at[0].Add(-24 * time.Hour), at[1].Add(-24 * time.Hour)}, c.activity); diff != "" {
				t.Error(diff)
			}
		})
		if idled.Load() != 2 || log() != "" {
			t.Errorf("idle conversations were looked for %d times; the log says %s", idled.Load(), log())
		}
		c.open(func() { c.pruneErr = errors.New("disk") })
		pass(time.Minute)
		c.open(func() {
			if !strings.Contains(log(), "old records could not be removed") || len(c.conversations) != 3 || len(c.activity) != 3 {
				t.Errorf("one failure stops the rest, or goes unsaid: %s", log())
			}
		})
	})
}

func TestZeroKeepsForEver(t *testing.T) {
	c := &cupboard{free: tib, total: tib}
	keptHouse(t, c, 0, 0, func(func() string, *atomic.Int64) {
		pass(5 * time.Minute)
		c.open(func() {
			if len(c.conversations)+len(c.activity)+len(c.writes) != 0 || len(c.requests) != 5 || len(c.forgotten) != 5 {
				t.Errorf("pruned at %v, %v, %v", c.requests, c.conversations, c.activity)
			}
		})
	})
}

// TestDiskIsToldOfInTime: at the start, once, every hour, and when it is over.
func TestDiskIsToldOfInTime(t *testing.T) {
	c := &cupboard{free: lowSpace - 1, total: tib}
	keptHouse(t, c, 0, 0, func(log func() string, _ *atomic.Int64) {
		count := func(text string) int { return strings.Count(log(), text) }
		if count("nearly full") != 1 {
			t.Fatalf("at the start: %s", log())
		}
		pass(59 * time.Minute)
		if count("nearly full") != 1 {
			t.Errorf("within the hour: %s", log())
		}
		pass(2 * time.Minute)
		if count("nearly full") != 2 {
			t.Errorf("after an hour: %s", log())
		}
		c.open(func() { c.free = lowSpace })
		pass(time.Minute)
		pass(time.Minute)
		if count("room again") != 1 || count("nearly full") != 2 {
			t.Errorf("with room: %s", log())
		}
		c.open(func() { c.free = 1 })
		pass(time.Minute)
		if count("nearly full") != 3 {
			t.Errorf("the second time: %s", log())
		}
		c.open(func() { c.spaceErr = errors.New("gone") })
		pass(time.Minute)
		if count("not known") != 1 {
			t.Errorf("without knowing: %s", log())
		}
	})
}

func TestSmallDisk(t *testing.T) {
	for _, tt := range []struct {
		free uint64
		want bool
	}{{99, true}, {100, false}} {
		keptHouse(t, &cupboard{free: tt.free, total: 1000}, 0, 0, func(log func() string, _ *atomic.Int64) {
			if got := strings.Contains(log(), "nearly full"); got != tt.want {
				t.Errorf("%d of 1000 free: warned is %v", tt.free, got)
			}
		})
	}
}
