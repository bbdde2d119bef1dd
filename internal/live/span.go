package live

import (
	"context"
	"sync"
	"time"
)

const (
	// watchEvery is how late a call may be told that its time is up or that its
	// caller has gone. Connections have deadlines of their own, to the point.
	watchEvery = 10 * time.Millisecond
	// restAfter is how many looks at nothing end the watching.
	restAfter = 100
)

// watch ends the spans of an engine's calls. A context with a timeout of its
// own for each call would make a timer, a place in its parent and what both
// need: more than all else that a call makes.
type watch struct {
	mu    sync.Mutex
	ring  span // next is the oldest
	awake bool
	hurry bool // rest as soon as there is nothing to watch
	poke  chan struct{}
}

// span is the context of one call: its parent's, until the call's time is up or
// the call is over.
type span struct {
	context.Context
	watch      *watch
	until      time.Time
	prev, next *span // while it is watched

	mu    sync.Mutex
	done  chan struct{} // made for the first who asks
	err   error
	after []*func() // to be called at the end; AfterFunc's
}

func newWatch() *watch {
	w := &watch{poke: make(chan struct{}, 1)}
	w.ring.prev, w.ring.next = &w.ring, &w.ring
	return w
}

// begin makes a span. Its finish must be called.
func (w *watch) begin(parent context.Context, timeout time.Duration) *span {
	s := &span{Context: parent, watch: w, until: time.Now().Add(timeout)}
	if earlier, ok := parent.Deadline(); ok && earlier.Before(s.until) {
		s.until = earlier
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	s.prev, s.next = w.ring.prev, &w.ring
	s.prev.next, s.next.prev = s, s
	if !w.awake {
		w.awake = true
		go w.run()
	}
	return s
}

func (w *watch) run() {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for idle := 0; ; {
		select {
		case <-ticker.C:
		case <-w.poke:
		}
		ended, some := w.look()
		if some {
			idle = 0
		} else if idle++; w.rest(idle) {
			return
		}
		for _, s := range ended {
			s.check()
		}
	}
}

// look gives the spans that are over, and whether there are any at all.
func (w *watch) look() (ended []*span, some bool) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	for s := w.ring.next; s != &w.ring; s = s.next {
		if !now.Before(s.until) || s.Context.Err() != nil {
			ended = append(ended, s)
		}
	}
	return ended, w.ring.next != &w.ring
}

// rest tells whether the watching may end.
func (w *watch) rest(idle int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ring.next != &w.ring || idle < restAfter && !w.hurry {
		return false
	}
	w.awake = false
	return true
}

// close has the watching end with the last call that is under way. Later calls
// are watched all the same.
func (w *watch) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hurry = true
	select {
	case w.poke <- struct{}{}:
	default:
	}
}

// finish ends the span with its call. It lets go of its neighbours: a driver's
// session may hold its last call's context for hours, and would hold through it
// every call that came after.
func (s *span) finish() {
	s.watch.mu.Lock()
	s.prev.next, s.next.prev = s.next, s.prev
	s.prev, s.next = nil, nil
	s.watch.mu.Unlock()
	s.end(context.Canceled)
}

// check ends the span if its time is up or its parent has ended.
func (s *span) check() {
	if err := s.Context.Err(); err != nil {
		s.end(err)
	} else if !time.Now().Before(s.until) {
		s.end(context.DeadlineExceeded)
	}
}

func (s *span) end(err error) {
	s.mu.Lock()
	if s.err != nil {
		s.mu.Unlock()
		return
	}
	s.err = err
	if s.done != nil {
		close(s.done)
	}
	after := s.after
	s.after = nil
	s.mu.Unlock()
	for _, f := range after {
		(*f)()
	}
}

// Deadline implements context.Context.
func (s *span) Deadline() (time.Time, bool) { return s.until, true }

// Done implements context.Context.
func (s *span) Done() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done == nil {
		s.done = make(chan struct{})
		if s.err != nil {
			close(s.done)
		}
	}
	return s.done
}

// Err implements context.Context. It knows that the time is up before the watch
// does.
func (s *span) Err() error {
	s.check()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// AfterFunc is what package context looks for in a context that it does not
// know: without it, it would have a goroutine wait for Done.
func (s *span) AfterFunc(f func()) (stop func() bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		go f()
		return func() bool { return false }
	}
	s.after = append(s.after, &f)
	return func() bool { return s.without(&f) }
}

// without takes a function back, and tells whether it was still to be called.
func (s *span) without(f *func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, waiting := range s.after {
		if waiting == f {
			s.after[i] = s.after[len(s.after)-1]
			s.after = s.after[:len(s.after)-1]
			return true
		}
	}
	return false
}
