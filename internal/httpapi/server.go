package httpapi

import (
	"container/list"
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
	// maxHTTP2Streams is of one connection.
	maxHTTP2Streams = 100
)

// NewServer makes the server for a handler, with bounds on headers, times and
// connections. At most maxConnections are open: when one more comes, the one
// that has waited longest without a request is closed, and when all are at
// work the new one is. Requests are logged by the handler; log gets what
// net/http has to say about connections, at debug level.
func NewServer(handler http.Handler, maxConnections int, log *slog.Logger) *http.Server {
	open := &connections{max: maxConnections, waiting: list.New(), all: map[net.Conn]*list.Element{}}
	return &http.Server{
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
}

// connections holds the number of open connections to a bound.
type connections struct {
	max int

	mu      sync.Mutex
	waiting *list.List                 // net.Conn without a request, the longest first
	all     map[net.Conn]*list.Element // nil for a connection at work
}

// state is http.Server's ConnState. A connection counts as waiting until the
// headers of a request are complete, so that slow ones give way first.
func (c *connections) state(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		if len(c.all) >= c.max && !c.makeRoom() {
			shut(conn)
			return
		}
		c.all[conn] = c.waiting.PushBack(conn)
	case http.StateActive:
		c.stopWaiting(conn)
		if _, known := c.all[conn]; known {
			c.all[conn] = nil
		}
	case http.StateIdle:
		if _, known := c.all[conn]; known {
			c.all[conn] = c.waiting.PushBack(conn)
		}
	case http.StateHijacked, http.StateClosed:
		c.stopWaiting(conn)
		delete(c.all, conn)
	}
}

func (c *connections) stopWaiting(conn net.Conn) {
	if place := c.all[conn]; place != nil {
		c.waiting.Remove(place)
	}
}

// makeRoom closes the connection that has waited longest.
func (c *connections) makeRoom() bool {
	first := c.waiting.Front()
	if first == nil {
		return false
	}
	conn := c.waiting.Remove(first).(net.Conn)
	delete(c.all, conn)
	shut(conn)
	return true
}

// shut closes without a TLS farewell, which would wait for a peer that does
// not read.
func shut(conn net.Conn) {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	_ = conn.Close() // it is given up either way
}
