package httpapi

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Bounds of a server. They are about bytes and time that a client can hold
// without having shown a key.
const (
	maxHeaderBytes    = 32 << 10
	readHeaderTimeout = 5 * time.Second
	idleTimeout       = time.Minute
	// writeTimeout bounds a whole answer, from the end of the headers on; a
	// stream moves it forward with each event.
	writeTimeout = 90 * time.Second
	// silentAtStop is how long a connection without a request stays when the
	// server is shut down. net/http would wait for those that never sent one.
	silentAtStop = 500 * time.Millisecond
	// maxHTTP2Streams is of one connection.
	maxHTTP2Streams = 100
)

// NewServer makes the server for a handler, with bounds on headers, times and
// connections. At most maxConnections are open: when one more comes, the one
// that has waited longest without a request is closed, and when all are at
// work the new one is. Requests are logged by the handler; log gets what
// net/http has to say about connections, at debug level.
func NewServer(handler http.Handler, maxConnections int, log *slog.Logger) *http.Server {
	open := newConnections(maxConnections)
	s := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		WriteTimeout:      writeTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ConnState:         open.state,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		// OPTIONS * is answered like any path that is not there.
		DisableGeneralOptionsHandler: true,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxHTTP2Streams,
			SendPingTimeout:      15 * time.Second,
			PingTimeout:          5 * time.Second,
			WriteByteTimeout:     10 * time.Second,
		},
	}
	s.RegisterOnShutdown(func() { time.AfterFunc(silentAtStop, open.shutWaiting) })
	return s
}

// connections holds the number of open connections to a bound.
type connections struct {
	max int

	mu      sync.Mutex
	waiting place // the ring's end: next is the connection that has waited longest
	all     map[net.Conn]*place
}

// place is a connection's, in the ring of those without a request while it has
// none. It is kept for the connection's life: each request enters and leaves.
type place struct {
	conn       net.Conn
	prev, next *place // nil while at work
}

func newConnections(max int) *connections {
	c := &connections{max: max, all: map[net.Conn]*place{}}
	c.waiting.prev, c.waiting.next = &c.waiting, &c.waiting
	return c
}

func (c *connections) wait(p *place) {
	p.prev, p.next = c.waiting.prev, &c.waiting
	p.prev.next, p.next.prev = p, p
}

func (p *place) leave() {
	if p.next != nil {
		p.prev.next, p.next.prev = p.next, p.prev
		p.prev, p.next = nil, nil
	}
}

// state is http.Server's ConnState. A connection counts as waiting until the
// headers of a request are complete, so that slow ones give way first.
func (c *connections) state(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.all[conn]
	if state == http.StateNew {
		if len(c.all) >= c.max && !c.makeRoom() {
			shut(conn)
			return
		}
		p = &place{conn: conn}
		c.all[conn] = p
	}
	if p == nil { // shut, and about to say that it is closed
		return
	}
	p.leave()
	switch state {
	case http.StateNew, http.StateIdle:
		c.wait(p)
	case http.StateHijacked, http.StateClosed:
		delete(c.all, conn)
	}
}

// makeRoom closes the connection that has waited longest.
func (c *connections) makeRoom() bool {
	first := c.waiting.next
	if first == &c.waiting {
		return false
	}
	first.leave()
	delete(c.all, first.conn)
	shut(first.conn)
	return true
}

// shutWaiting closes the connections that have no request.
func (c *connections) shutWaiting() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.makeRoom() {
	}
}

// shut closes without a TLS farewell, which would wait for a peer that does
// not read.
func shut(conn net.Conn) {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	_ = conn.Close() // it is given up either way
}
