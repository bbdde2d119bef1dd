package httpapi

import (
	"bytes"
	"context"
	"mime"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"time"

	"flowyte/internal/auth"
	"flowyte/internal/fault"
)

// HandleStream registers a route that tells its progress to clients that ask
// for text/event-stream: `event: progress` with an Event, as often as fn calls
// progress, then `event: done` with the answer that other clients get, or
// `event: error` with the problem document. For other clients progress is
// dropped. The context ends when the client goes away or its key is revoked.
func HandleStream[In, Out, Event any](a *API, op Op, fn func(ctx context.Context, p auth.Principal, in *In, progress func(Event)) (Out, error)) {
	rt := newRoute[In, Out](op)
	rt.event = reflect.TypeFor[Event]()
	rt.run = func(x *exchange, r *http.Request) error {
		in := new(In)
		body, err := rt.input.read(x, r, reflect.ValueOf(in).Elem())
		if err != nil {
			return err
		}
		if !wantsStream(r) {
			x.send(x.once(r, body, func() reply {
				out, err := fn(r.Context(), x.principal, in, func(Event) {})
				return x.outcome(in, out, err)
			}))
			return nil
		}
		return x.stream(func(s *stream) reply {
			return x.once(r, body, func() reply {
				s.open()
				out, err := fn(s.ctx, x.principal, in, func(e Event) { s.event("progress", encode(e)) })
				if cause := context.Cause(s.ctx); err != nil && fault.Is(cause, fault.Unauthorized) {
					err = cause
				}
				return x.outcome(in, out, err)
			})
		})
	}
	a.add(rt)
}

// outcome is what a use case answered.
func (x *exchange) outcome(in, out any, err error) reply {
	if err != nil {
		return x.problem(err)
	}
	return reply{status: x.route.Status, body: encode(envelope(in, out))}
}

func wantsStream(r *http.Request) bool {
	for _, value := range r.Header["Accept"] {
		for accepted := range strings.SplitSeq(value, ",") {
			if media, _, err := mime.ParseMediaType(accepted); err == nil && media == "text/event-stream" {
				return true
			}
		}
	}
	return false
}

// stream is one open answer of Server-Sent Events. Its methods may be called
// by several goroutines.
type stream struct {
	x      *exchange
	ctx    context.Context
	cancel context.CancelCauseFunc

	mu     sync.Mutex
	opened bool
}

// stream runs work whose answer may be a stream, and ends the stream with it.
// Until the work opens the stream its reply is sent in the ordinary way.
func (x *exchange) stream(work func(s *stream) reply) error {
	select {
	case x.api.streams <- struct{}{}:
		defer func() { <-x.api.streams }()
	default:
		return fault.New(fault.Overloaded)
	}
	s := &stream{x: x}
	s.ctx, s.cancel = context.WithCancelCause(x.req.Context())
	var watching sync.WaitGroup
	watching.Go(s.watch)
	defer watching.Wait()
	defer s.cancel(nil)

	last := work(s)
	if !s.opened && last.status >= 400 {
		x.send(last)
		return nil
	}
	s.open()
	if last.status >= 400 {
		s.event("error", last.body)
	} else {
		s.event("done", last.body)
	}
	return nil
}

// open sends the header of the stream, once.
func (s *stream) open() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opened {
		return
	}
	s.opened = true
	h := s.x.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("X-Accel-Buffering", "no") // nginx would otherwise hold events back
	s.x.WriteHeader(http.StatusOK)
	s.flush()
}

// event sends one event. JSON has no line breaks of its own here.
func (s *stream) event(name string, data []byte) {
	s.write("event: " + name + "\ndata: " + string(bytes.TrimSpace(data)) + "\n\n")
}

// write sends bytes if the stream is open. A client that does not take them
// in time, or has gone, ends the work.
func (s *stream) write(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.opened {
		return
	}
	// Without deadlines, as in tests, there is nothing to set.
	_ = http.NewResponseController(s.x).SetWriteDeadline(time.Now().Add(s.x.api.limits.write))
	if _, err := s.x.Write([]byte(text)); err != nil {
		s.cancel(err)
		return
	}
	s.flush()
}

func (s *stream) flush() {
	if err := http.NewResponseController(s.x).Flush(); err != nil {
		s.cancel(err)
	}
}

// watch keeps the stream alive and ends it when its key is revoked.
func (s *stream) watch() {
	keys := time.NewTicker(s.x.api.limits.keyCheck)
	defer keys.Stop()
	alive := time.NewTicker(s.x.api.limits.keepAlive)
	defer alive.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-keys.C:
			if !s.x.api.Keys.Active(s.x.principal.KeyID) {
				s.cancel(fault.New(fault.Unauthorized))
			}
		case <-alive.C:
			s.write(": still working\n\n")
		}
	}
}
