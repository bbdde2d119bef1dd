// Package audit keeps the receipts of conversations. Calls hand them over and
// go on; a goroutine writes them behind, in batches. A store that cannot be
// written fills the buffer, and only when that is full are calls refused.
package audit

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/live"
)

const (
	// flushEvery bounds how long a receipt is in memory only.
	flushEvery = 100 * time.Millisecond
	// maxBuffered bounds what waits while the store cannot be written: some
	// 20 MB.
	maxBuffered = 50_000
	// maxBatch is how many receipts one transaction takes.
	maxBatch = 2_000
	// writeLimit bounds one transaction.
	writeLimit = 10 * time.Second
)

// Sink stores a batch, whole or not at all. Neither slice is its to keep.
type Sink interface {
	AppendReceipts(ctx context.Context, conversations []live.Record, events []live.Event) error
}

// Writer buffers receipts and writes them behind. It implements live.Recorder.
type Writer struct {
	sink Sink
	log  *slog.Logger

	mu     sync.Mutex
	events []live.Event         // in order of arrival
	of     []*live.Conversation // whose state is written with the event of the same place
	// strays changed by events that found the buffer full.
	strays map[*live.Conversation]struct{}
	// fresh have never been stored; stored is closed when some have been.
	fresh  map[*live.Conversation]struct{}
	stored chan struct{}
	closed bool

	wake  chan struct{}
	hurry chan struct{} // somebody waits
	stop  chan struct{}
	done  chan struct{}
	once  sync.Once

	failing bool // of the goroutine alone
}

var _ live.Recorder = (*Writer)(nil)

// Open starts the writer; Close writes what is left.
func Open(sink Sink, log *slog.Logger) *Writer {
	w := &Writer{
		sink: sink, log: log, strays: map[*live.Conversation]struct{}{}, fresh: map[*live.Conversation]struct{}{}, stored: make(chan struct{}),
		wake: make(chan struct{}, 1), hurry: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	go w.run()
	return w
}

// Event implements live.Recorder. It refuses when the buffer is full and after
// Close.
func (w *Writer) Event(c *live.Conversation, e live.Event) bool {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return false
	}
	if e.Seq == 1 {
		w.fresh[c] = struct{}{}
	}
	kept := len(w.events) < maxBuffered
	if kept {
		w.events, w.of = append(w.events, e), append(w.of, c)
	} else {
		w.strays[c] = struct{}{}
	}
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
	return kept
}

// Full implements live.Recorder.
func (w *Writer) Full() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closed || len(w.events) >= maxBuffered
}

// Kept implements live.Recorder. As a rule the conversation is older than a
// flush, and there is nothing to wait for.
func (w *Writer) Kept(ctx context.Context, c *live.Conversation) error {
	for {
		w.mu.Lock()
		_, fresh := w.fresh[c]
		stored := w.stored
		w.mu.Unlock()
		if !fresh {
			return nil
		}
		select {
		case w.hurry <- struct{}{}:
		default:
		}
		select {
		case <-stored:
		case <-w.done:
			return fault.New(fault.ShuttingDown)
		case <-ctx.Done():
			return fault.Wrap(fault.StoreUnavailable, ctx.Err())
		}
	}
}

// Buffered is how many receipts wait to be stored.
func (w *Writer) Buffered() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.events)
}

func (w *Writer) run() {
	defer close(w.done)
	timer := time.NewTimer(0)
	<-timer.C
	for {
		select {
		case <-w.wake:
		case <-w.stop:
			w.flush()
			return
		}
		// Wait a moment, so that a busy second is a few transactions and not
		// thousands.
		timer.Reset(flushEvery)
		select {
		case <-timer.C:
		case <-w.hurry:
		case <-w.stop:
			w.flush()
			return
		}
		if !w.flush() {
			// The store is in trouble: try again at the same pace.
			select {
			case w.wake <- struct{}{}:
			default:
			}
		}
	}
}

// flush writes everything that was buffered when it began, and leaves what
// cannot be written. What comes meanwhile has woken run again and waits its own
// moment: writing that at once would be a transaction for every few calls.
func (w *Writer) flush() bool {
	for {
		b := w.next()
		if b.empty() {
			return true
		}
		ctx, cancel := context.WithTimeout(context.Background(), writeLimit)
		err := w.sink.AppendReceipts(ctx, b.records, b.events)
		cancel()
		if err != nil {
			w.putBack(b)
			if !w.failing {
				w.log.Error("receipts cannot be written; calls go on until the buffer is full", "code", fault.CodeOf(err), "cause", fault.Cause(err))
			}
			w.failing = true
			return false
		}
		if w.failing {
			w.log.Info("receipts are written again")
		}
		w.failing = false
		w.written(b)
		if !b.full() {
			return true
		}
	}
}

// batch is what one transaction writes. Its events stay in the buffer until
// they are written.
type batch struct {
	events  []live.Event
	strays  []*live.Conversation
	changed map[*live.Conversation]struct{} // by both
	records []live.Record
}

func (b *batch) empty() bool { return len(b.events)+len(b.strays) == 0 }

// full tells that there may be more than fitted.
func (b *batch) full() bool { return len(b.events) == maxBatch || len(b.strays) == maxBatch }

// next puts together what is to be written next. The conversations are asked
// for their state after the events were taken, so that what is stored of a
// conversation is never behind its events.
func (w *Writer) next() *batch {
	w.mu.Lock()
	n := min(len(w.events), maxBatch)
	b := &batch{events: w.events[:n:n]}
	b.changed = make(map[*live.Conversation]struct{}, 16)
	for _, c := range w.of[:n] {
		b.changed[c] = struct{}{}
	}
	for c := range w.strays {
		if len(b.strays) == maxBatch {
			break
		}
		b.strays = append(b.strays, c)
		b.changed[c] = struct{}{}
		delete(w.strays, c)
	}
	w.mu.Unlock()
	for c := range b.changed {
		b.records = append(b.records, c.Record())
	}
	return b
}

// written takes the events of a batch off the buffer, and lets those go who
// waited for its conversations.
func (w *Writer) written(b *batch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range b.changed {
		delete(w.fresh, c)
	}
	close(w.stored)
	w.stored = make(chan struct{})
	n := len(b.events)
	w.events, w.of = slices.Delete(w.events, 0, n), slices.Delete(w.of, 0, n)
	if len(w.events) == 0 && cap(w.events) > 4*maxBatch { // the memory of a bad hour
		w.events, w.of = nil, nil
	}
}

func (w *Writer) putBack(b *batch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range b.strays {
		w.strays[c] = struct{}{}
	}
}

// Close writes what is left and stops; what comes later is refused. What the
// store does not take then is reported and lost. It may be called twice.
func (w *Writer) Close() {
	w.once.Do(func() {
		w.mu.Lock()
		w.closed = true
		w.mu.Unlock()
		close(w.stop)
		<-w.done
		w.mu.Lock()
		defer w.mu.Unlock()
		if n := len(w.events) + len(w.strays); n > 0 {
			w.log.Error("receipts were lost at the end", "count", n)
		}
	})
}
