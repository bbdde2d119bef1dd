package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/live"
	"flowyte/internal/plan"
	"flowyte/internal/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// store is a sink in memory that can be out of order, or slow.
type store struct {
	mu       sync.Mutex
	batches  [][]live.Event
	records  [][]live.Record
	attempts int
	broken   error
	// takes is how long a transaction lasts.
	takes time.Duration
	// during is called while a transaction runs.
	during func()
}

func (s *store) AppendReceipts(ctx context.Context, conversations []live.Record, events []live.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempts++
	if s.takes > 0 {
		select {
		case <-time.After(s.takes):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if s.during != nil {
		s.during()
	}
	if s.broken != nil {
		return s.broken
	}
	s.batches = append(s.batches, slices.Clone(events))
	s.records = append(s.records, slices.Clone(conversations))
	return nil
}

// set changes how the store behaves from the next transaction on.
func (s *store) set(change func(*store)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

func (s *store) fail(err error) { s.set(func(s *store) { s.broken = err }) }

func (s *store) all() (events []live.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Concat(s.batches...)
}

// last is the latest state that was stored of a conversation.
func (s *store) last(c id.Conversation) (last live.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range slices.Concat(s.records...) {
		if r.ID == c {
			last = r
		}
	}
	return last
}

// kit is a writer, a sink, its log, and an engine whose recorder the writer is.
type kit struct {
	*Writer
	store  *store
	log    *bytes.Buffer
	engine *live.Engine
}

func open(t *testing.T) *kit {
	t.Helper()
	k := &kit{store: &store{}, log: &bytes.Buffer{}}
	k.Writer = Open(k.store, slog.New(slog.NewJSONHandler(k.log, nil)))
	k.engine = live.New(live.Options{Recorder: k})
	t.Cleanup(func() {
		k.Close()
		k.engine.Close()
	})
	return k
}

const org = id.Org("org_acme")

// nothing is a version whose one tool never runs: its calls are receipts.
func nothing() *live.Version {
	p := &plan.Plan{Kind: schema.Postgres, Action: plan.Read}
	return live.NewVersion(live.Version{Org: org, Agent: "agt_1", Draft: true, Tools: []*live.Tool{{Skill: "skl_1", Name: "nothing", Plan: p}}})
}

func (k *kit) start(t *testing.T) *live.Conversation {
	t.Helper()
	c, err := k.engine.Start(nothing(), "voice", live.Caller{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// call leaves one receipt.
func (k *kit) call(t *testing.T, c *live.Conversation, toolCallID string) *live.Answer {
	t.Helper()
	a, err := k.engine.Call(t.Context(), c, live.Request{ToolCallID: toolCallID, Tool: "nothing"})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// event is one that no engine made.
func event(seq int) live.Event {
	return live.Event{ID: id.Event(fmt.Sprint(seq)), Seq: int64(seq), Org: org, Type: "test", Payload: json.RawMessage(`{}`)}
}

func seqs(events []live.Event) []int64 {
	list := []int64{}
	for _, e := range events {
		list = append(list, e.Seq)
	}
	return list
}

func upTo(n int) []int64 {
	list := []int64{}
	for i := range n {
		list = append(list, int64(i+1))
	}
	return list
}

// TestReceiptsAreWrittenWithin100ms, together with the state that follows from
// them.
func TestReceiptsAreWrittenWithin100ms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := open(t)
		c := k.start(t)
		k.call(t, c, "1")
		<-time.After(flushEvery - time.Millisecond)
		synctest.Wait()
		if n := len(k.store.all()); n != 0 {
			t.Errorf("%d receipts were written one by one", n)
		}
		<-time.After(time.Millisecond)
		synctest.Wait()
		if diff := cmp.Diff(upTo(2), seqs(k.store.all())); diff != "" || k.store.attempts != 1 {
			t.Errorf("%d transactions %s", k.store.attempts, diff)
		}
		if diff := cmp.Diff(c.Record(), k.store.last(c.ID)); diff != "" {
			t.Errorf("state (-want +got):\n%s", diff)
		}
		// And then there is peace.
		<-time.After(time.Minute)
		if k.store.attempts != 1 {
			t.Errorf("%d transactions for nothing", k.store.attempts-1)
		}
	})
}

// TestBatches: a busy moment is few transactions, none of them too large, and
// all in order.
func TestBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := open(t)
		c := k.start(t)
		const n = 2*maxBatch + 500
		for i := 1; i < n; i++ {
			k.Event(c, event(i+1))
		}
		<-time.After(flushEvery)
		synctest.Wait()
		var sizes []int
		for _, b := range k.store.batches {
			sizes = append(sizes, len(b))
		}
		if diff := cmp.Diff([]int{maxBatch, maxBatch, 500}, sizes); diff != "" {
			t.Errorf("batches (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(upTo(n), seqs(k.store.all())); diff != "" {
			t.Error(diff)
		}
	})
}

// TestBackPressure: a store that is out of order fills the buffer, then calls
// are refused; what was accepted is written when the store is back, in order.
func TestBackPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := open(t)
		k.store.fail(fault.Wrap(fault.StoreUnavailable, errors.New("disk full")))
		c := k.start(t)
		for i := 1; i < maxBuffered; i++ {
			if k.Full() || !k.Event(c, event(i+1)) {
				t.Fatalf("refused after %d", i)
			}
		}
		if !k.Full() || k.Event(c, event(maxBuffered+1)) {
			t.Fatal("accepted more than fits")
		}
		<-time.After(time.Minute)
		if !k.Full() || len(k.store.all()) != 0 {
			t.Fatal("a failed write made room")
		}
		if n := strings.Count(k.log.String(), "receipts cannot be written"); n != 1 || !strings.Contains(k.log.String(), "disk full") {
			t.Errorf("logged %d times: %s", n, k.log)
		}
		k.store.fail(nil)
		<-time.After(2 * flushEvery)
		synctest.Wait()
		if diff := cmp.Diff(upTo(maxBuffered), seqs(k.store.all())); diff != "" {
			t.Error(diff)
		}
		if n := cap(k.Writer.events); n > 4*maxBatch {
			t.Errorf("the memory of the outage is kept: room for %d", n)
		}
		if k.Full() || !k.Event(c, event(maxBuffered+1)) || !strings.Contains(k.log.String(), "receipts are written again") {
			t.Errorf("no recovery: %s", k.log)
		}
	})
}

// TestTriesAtTheSamePace: a store that fails is not asked in a hurry.
func TestTriesAtTheSamePace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := open(t)
		k.store.fail(errors.New("no"))
		k.start(t)
		<-time.After(10*flushEvery + time.Millisecond)
		synctest.Wait()
		if n := k.store.attempts; n != 10 {
			t.Errorf("%d attempts in ten times the pace", n)
		}
		k.store.fail(nil)
	})
}

// TestStateOfWhatDidNotFit: a conversation that ends while the buffer is full
// has no event, but its end is stored.
func TestStateOfWhatDidNotFit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := open(t)
		k.store.fail(errors.New("no"))
		c := k.start(t)
		for i := range maxBuffered {
			k.Event(c, event(i+2))
		}
		ended := k.start(t)
		k.engine.End(ended)
		for range maxBatch {
			k.start(t)
		}
		<-time.After(time.Second) // some attempts, after which it must still be there
		k.store.fail(nil)
		<-time.After(2 * flushEvery)
		synctest.Wait()
		if r := k.store.last(ended.ID); r.EndedAt.IsZero() {
			t.Errorf("stored as %+v", r)
		}
		known := map[id.Conversation]bool{}
		for _, batch := range k.store.records {
			if len(batch) > maxBatch+1 { // and the one whose events there are
				t.Errorf("%d conversations in one transaction", len(batch))
			}
			for _, r := range batch {
				known[r.ID] = true
			}
		}
		if len(known) != maxBatch+2 {
			t.Errorf("%d conversations are stored", len(known))
		}
	})
}

// TestChangeDuringAWrite is written with the next batch, not taken for written.
func TestChangeDuringAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := open(t)
		c := k.start(t)
		k.store.set(func(s *store) { s.during = sync.OnceFunc(func() { k.call(t, c, "meanwhile") }) })
		<-time.After(3 * flushEvery)
		synctest.Wait()
		if diff := cmp.Diff(upTo(2), seqs(k.store.all())); diff != "" {
			t.Error(diff)
		}
		if r := k.store.last(c.ID); r.Seq != 2 || r.Calls != 1 {
			t.Errorf("stored as %+v", r)
		}
	})
}

// TestStateIsNeverBehindItsEvents: after a crash the numbers go on behind those
// that are stored.
func TestStateIsNeverBehindItsEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := open(t)
		k.store.set(func(s *store) { s.takes = 10 * time.Millisecond })
		var calls sync.WaitGroup
		for i := range 4 {
			calls.Go(func() {
				c := k.start(t)
				for j := range 50 {
					k.call(t, c, fmt.Sprint(i, j))
					<-time.After(7 * time.Millisecond)
				}
			})
		}
		calls.Wait()
		<-time.After(time.Second)
		for i, events := range k.store.batches {
			state := map[id.Conversation]int64{}
			for _, r := range k.store.records[i] {
				state[r.ID] = r.Seq
			}
			for _, e := range events {
				if state[e.Conversation] < e.Seq {
					t.Fatalf("batch %d has event %d of a conversation stored at %d", i, e.Seq, state[e.Conversation])
				}
			}
		}
		if n := len(k.store.all()); n != 4*51 {
			t.Errorf("%d events", n)
		}
	})
}

// TestHangingStore: one transaction may take so long and no longer.
func TestHangingStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := open(t)
		k.store.set(func(s *store) { s.takes = time.Hour })
		k.start(t)
		<-time.After(flushEvery + writeLimit + time.Millisecond)
		synctest.Wait()
		if !strings.Contains(k.log.String(), "receipts cannot be written") {
			t.Errorf("nobody was told: %s", k.log)
		}
		k.store.set(func(s *store) { s.takes = 0 })
	})
}

func TestCloseWritesWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := open(t)
		c := k.start(t)
		for i := range maxBatch + 10 {
			k.Event(c, event(i+2))
		}
		k.Close()
		if diff := cmp.Diff(upTo(maxBatch+11), seqs(k.store.all())); diff != "" {
			t.Error(diff)
		}
		if k.Event(c, event(1)) || !k.Full() {
			t.Error("accepted something after the end")
		}
		if a := k.call(t, c, "1"); a.Outcome != live.Unavailable {
			t.Errorf("a gate's answer after the end: %s", a.Outcome)
		}
		k.Close()
		if k.log.Len() != 0 {
			t.Errorf("logged %s", k.log)
		}
	})
}

// TestCloseInAnyState writes, whether the writer waits for work, for its pace,
// or is at work.
func TestCloseInAnyState(t *testing.T) {
	for _, after := range []time.Duration{0, flushEvery / 2, flushEvery + 5*time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			k := open(t)
			k.store.set(func(s *store) { s.takes = 10 * time.Millisecond })
			k.start(t)
			<-time.After(after)
			k.start(t)
			k.Close()
			if n := len(k.store.all()); n != 2 {
				t.Errorf("closed after %v: %d receipts", after, n)
			}
		})
	}
}

// TestCloseReportsWhatIsLost: a store that stays out of order costs receipts,
// and that is told.
func TestCloseReportsWhatIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := open(t)
		k.store.fail(errors.New("no"))
		k.start(t)
		k.start(t)
		k.Close()
		if !strings.Contains(k.log.String(), `"msg":"receipts were lost at the end","count":2`) {
			t.Errorf("logged %s", k.log)
		}
	})
}

// TestNothingIsLostOrDoubled: whatever the store does, what was accepted
// arrives once and in order.
func TestNothingIsLostOrDoubled(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.IntRange(0, 9), 1, 60).Draw(rt, "steps")
		synctest.Test(t, func(t *testing.T) {
			k := open(t)
			c := k.start(t)
			n := 1
			for _, step := range steps {
				switch {
				case step < 5:
					for range step * 300 {
						n++
						k.Event(c, event(n))
					}
				case step < 7:
					<-time.After(time.Duration(step-4) * flushEvery / 2)
				case step == 7:
					k.store.fail(errors.New("no"))
				default:
					k.store.fail(nil)
				}
			}
			k.store.fail(nil)
			k.Close()
			if diff := cmp.Diff(upTo(n), seqs(k.store.all())); diff != "" {
				t.Error(diff)
			}
		})
		if t.Failed() {
			rt.Fatalf("failed")
		}
	})
}

// BenchmarkEvent is what a receipt costs the call.
func BenchmarkEvent(b *testing.B) {
	w := Open(&discard{}, slog.New(slog.DiscardHandler))
	defer w.Close()
	e := live.New(live.Options{Recorder: w})
	defer e.Close()
	c, err := e.Start(nothing(), "voice", live.Caller{}, nil)
	if err != nil {
		b.Fatal(err)
	}
	ev := event(1)
	b.ReportAllocs()
	for b.Loop() {
		w.Event(c, ev)
	}
}

type discard struct{}

func (discard) AppendReceipts(context.Context, []live.Record, []live.Event) error { return nil }

// TestSteadyCallsAreWrittenInBatches: receipts that come while others are
// written wait their own moment, however steadily they come.
func TestSteadyCallsAreWrittenInBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := open(t)
		c := k.start(t)
		const calls, pause = 1000, time.Millisecond
		k.store.set(func(s *store) { s.takes = 3 * pause })
		for i := range calls {
			k.call(t, c, fmt.Sprint(i))
			time.Sleep(pause) // the bubble's clock
		}
		time.Sleep(2 * flushEvery)
		k.store.set(func(s *store) {
			if most := int(calls*pause/flushEvery) + 2; len(s.batches) > most {
				t.Errorf("%d transactions for a second of calls, want at most %d", len(s.batches), most)
			}
		})
		if got := len(k.store.all()); got != calls+1 {
			t.Errorf("%d receipts are stored, want %d", got, calls+1)
		}
	})
}

// TestKept: a conversation is stored as soon as somebody needs that, one that
// was stored is not waited for, and who waits does so within the time he has.
func TestKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := open(t)
		k.store.fail(errors.New("disk full"))
		c := k.start(t)
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := k.Kept(short, c); !fault.Is(err, fault.StoreUnavailable) {
			t.Errorf("without a store: %v", err)
		}
		k.store.fail(nil)
		begun := time.Now()
		if err := k.Kept(t.Context(), c); err != nil || k.store.last(c.ID).ID != c.ID {
			t.Errorf("the conversation is not kept: %v", err)
		}
		if took := time.Since(begun); took > flushEvery {
			t.Errorf("that took %v", took)
		}
		k.call(t, c, "1")
		before := k.store.attempts
		if err := k.Kept(t.Context(), c); err != nil || k.store.attempts != before {
			t.Errorf("it was stored once more: %v", err)
		}
		fresh := k.start(t)
		begun = time.Now()
		if err := k.Kept(t.Context(), fresh); err != nil || time.Since(begun) != 0 {
			t.Errorf("with the store at hand: %v after %v", err, time.Since(begun))
		}
		last := k.start(t)
		k.store.fail(errors.New("disk full"))
		k.Close()
		if err := k.Kept(t.Context(), last); !fault.Is(err, fault.ShuttingDown) {
			t.Errorf("after the end: %v", err)
		}
	})
}
