package faultproxy

import (
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// link is one connection through the proxy.
type link struct {
	proxy     *Proxy
	near, far net.Conn
	sent      atomic.Int64 // bytes of the server's that the client got
	since     atomic.Int64 // of them before the faults of now
	once      sync.Once
	ended     chan struct{}
}

// piece is bytes on their way.
type piece struct {
	bytes []byte
	due   time.Time
}

// inFlight is how many pieces may be on their way in one direction.
const inFlight = 256

// end closes both sides.
func (l *link) end(reset bool) {
	l.once.Do(func() {
		close(l.ended)
		shut(l.near, reset)
		shut(l.far, reset)
	})
}

// pass reads from one side and has the bytes delivered to the other. The end of
// one side is the end of the link.
func (l *link) pass(from, to net.Conn, fromServer bool) {
	pieces := make(chan piece, inFlight)
	delivered := make(chan struct{})
	go func() {
		defer close(delivered)
		l.deliver(to, pieces, fromServer)
	}()
	l.read(from, pieces, fromServer)
	close(pieces)
	<-delivered
	w := l.proxy.weather.Load()
	l.wait(w.CloseAfter)
	l.end(w.Reset)
}

// read takes what comes, with the time at which it is to arrive.
func (l *link) read(from net.Conn, pieces chan<- piece, fromServer bool) {
	last := time.Time{}
	for {
		buf := make([]byte, 16<<10)
		n, err := from.Read(buf)
		if fromServer {
			l.proxy.received.Add(int64(n))
		}
		if n > 0 {
			due := time.Now().Add(l.proxy.weather.Load().latency())
			if due.Before(last) {
				due = last
			}
			last = due
			select {
			case pieces <- piece{buf[:n], due}:
			case <-l.ended:
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (w *weather) latency() time.Duration {
	if w.Jitter == 0 {
		return w.Latency
	}
	return max(0, w.Latency-w.Jitter+time.Duration(rand.Int64N(2*int64(w.Jitter))))
}

// deliver writes the pieces when they are due, as the faults of that moment let
// it.
func (l *link) deliver(to net.Conn, pieces <-chan piece, fromServer bool) {
	for p := range pieces {
		if !l.wait(time.Until(p.due)) {
			continue // it ended; take what is left, so that the reader can go
		}
		for rest := p.bytes; len(rest) > 0; {
			w := l.clear()
			if w == nil {
				break
			}
			n := w.slice(len(rest))
			if fromServer && w.CutAfter > 0 {
				left := w.CutAfter - (l.sent.Load() - l.since.Load())
				if left <= 0 {
					l.end(w.Reset)
					break
				}
				n = int(min(int64(n), left))
			}
			if _, err := to.Write(rest[:n]); err != nil {
				l.end(false)
				break
			}
			if fromServer {
				l.sent.Add(int64(n))
			}
			rest = rest[n:]
			if w.BytesPerSecond > 0 && !l.wait(time.Duration(n)*time.Second/time.Duration(w.BytesPerSecond)) {
				break
			}
		}
	}
}

// slice is how many of n bytes are sent at once: at a low rate a tenth of a
// second's.
func (w *weather) slice(n int) int {
	if w.Slice > 0 {
		n = min(n, w.Slice)
	}
	if w.BytesPerSecond > 0 {
		n = min(n, max(1, w.BytesPerSecond/10))
	}
	return n
}

// clear waits while nothing may pass, and gives the faults of then; nil when the
// link has ended.
func (l *link) clear() *weather {
	for {
		w := l.proxy.weather.Load()
		if !w.Hole {
			select {
			case <-l.ended:
				return nil
			default:
				return w
			}
		}
		select {
		case <-w.changed:
		case <-l.ended:
			return nil
		}
	}
}

// wait is false when the link ended meanwhile.
func (l *link) wait(d time.Duration) bool {
	if d <= 0 {
		select {
		case <-l.ended:
			return false
		default:
			return true
		}
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.ended:
		return false
	}
}
