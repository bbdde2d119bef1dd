// Package faultproxy stands between a client and a server on loopback and
// passes every byte on, as badly as it is told to: late, slowly, in pieces, not
// at all, or up to some byte and no further. What a bad network does to
// connections is done here to real ones, in the process of the test.
package faultproxy

import (
	"context"
	"errors"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Faults are what a proxy does to bytes from now on. The zero Faults pass them
// on at once.
type Faults struct {
	// Latency is added to every byte, in each direction; half of a round trip.
	Latency time.Duration
	// Jitter is the most that the latency of one piece differs from Latency.
	// Pieces keep their order.
	Jitter time.Duration
	// BytesPerSecond bounds each direction of each connection; 0 does not.
	BytesPerSecond int
	// Slice is the most bytes that are sent at once; 0 is no limit.
	Slice int
	// CloseAfter is how much later than one side the other hears of an end.
	CloseAfter time.Duration
	// CutAfter ends a connection when so many bytes came from the server since
	// the fault was set; 0 never does.
	CutAfter int64
	// Reset makes ends abrupt: a reset instead of a farewell.
	Reset bool
	// Hole keeps connections open and lets nothing through, which is what a
	// firewall that drops packets looks like. What was held passes afterwards.
	Hole bool
	// Refuse ends every new connection before its first byte.
	Refuse bool
}

// Proxy passes connections on to one server. Its methods may be called from
// several goroutines.
type Proxy struct {
	listener net.Listener
	server   string
	weather  atomic.Pointer[weather]
	accepted atomic.Int64
	received atomic.Int64

	mu     sync.Mutex
	links  map[*link]struct{}
	closed bool
	work   sync.WaitGroup
}

// weather is the faults of one time. changed is closed when another one begins.
type weather struct {
	Faults
	changed chan struct{}
}

// Listen opens a proxy at addr, "127.0.0.1:0" for a port of its own, before the
// server at server. Close ends it.
func Listen(ctx context.Context, addr, server string) (*Proxy, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: l, server: server, links: map[*link]struct{}{}}
	p.weather.Store(&weather{changed: make(chan struct{})})
	p.work.Go(p.accept)
	return p, nil
}

// Port is where the proxy listens.
func (p *Proxy) Port() int { return p.listener.Addr().(*net.TCPAddr).Port }

// Set changes what happens to all connections, those that are open too.
func (p *Proxy) Set(f Faults) {
	p.mu.Lock()
	links := p.list()
	for _, l := range links {
		l.since.Store(l.sent.Load())
	}
	old := p.weather.Swap(&weather{Faults: f, changed: make(chan struct{})})
	p.mu.Unlock()
	close(old.changed)
}

// Accepted is how many connections came so far.
func (p *Proxy) Accepted() int64 { return p.accepted.Load() }

// Received is how many bytes came from the server so far.
func (p *Proxy) Received() int64 { return p.received.Load() }

// Open is how many connections there are.
func (p *Proxy) Open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.links)
}

// Cut ends all connections, with a reset where the faults say so.
func (p *Proxy) Cut() {
	p.mu.Lock()
	links := p.list()
	p.mu.Unlock()
	for _, l := range links {
		l.end(p.weather.Load().Reset)
	}
}

// list needs mu.
func (p *Proxy) list() []*link {
	links := make([]*link, 0, len(p.links))
	for l := range p.links {
		links = append(links, l)
	}
	return links
}

// Close ends all connections and waits until nothing of the proxy runs.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	_ = p.listener.Close() // it ends either way
	p.Cut()
	p.work.Wait()
}

func (p *Proxy) accept() {
	for {
		near, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		p.accepted.Add(1)
		w := p.weather.Load()
		if w.Refuse {
			shut(near, w.Reset)
			continue
		}
		p.work.Go(func() { p.serve(near) })
	}
}

// serve passes one connection on until it ends.
func (p *Proxy) serve(near net.Conn) {
	far, err := net.Dial("tcp", p.server)
	if err != nil {
		shut(near, true)
		return
	}
	l := &link{proxy: p, near: near, far: far, ended: make(chan struct{})}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		l.end(false)
		return
	}
	p.links[l] = struct{}{}
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { l.pass(near, far, false) })
	both.Go(func() { l.pass(far, near, true) })
	both.Wait()
	p.mu.Lock()
	delete(p.links, l)
	p.mu.Unlock()
}

// shut closes a connection, abruptly if it is to be.
func shut(c net.Conn, reset bool) {
	if t, ok := c.(*net.TCPConn); ok && reset {
		_ = t.SetLinger(0) // then it ends with a farewell
	}
	_ = c.Close() // it is given up either way
}

// Address is a loopback address with a port, for Listen.
func Address(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }
