package egresstest

import (
	"bytes"
	"errors"
	"net"
	"sync"
	"time"
)

// ErrCut is the error of a connection that Chaos has cut.
var ErrCut = errors.New("egresstest: the connection was cut")

// Chaos is a connection that records everything and misbehaves on command. Its
// Wrap fits egress.Wrap; one Chaos may serve several connections, whose bytes
// are counted together. The zero Chaos only records.
type Chaos struct {
	// CutReadAfter and CutWriteAfter end the connection when that many bytes
	// have passed; 0 never does, a negative number does at once.
	CutReadAfter, CutWriteAfter int
	// FlipRead is the 1-based position of a received byte whose bits are
	// inverted; 0 is none.
	FlipRead int
	// ReadSlice is the most that one Read gets; 0 is no limit.
	ReadSlice int
	// ReadDelay is waited before each Read, deadlines notwithstanding.
	ReadDelay time.Duration

	mu       sync.Mutex
	sent     bytes.Buffer
	received bytes.Buffer
}

// Wrap puts the chaos round a connection.
func (c *Chaos) Wrap(conn net.Conn) net.Conn { return &chaosConn{Conn: conn, chaos: c} }

// Sent is a copy of every byte written so far.
func (c *Chaos) Sent() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Clone(c.sent.Bytes())
}

// Received is a copy of every byte read so far.
func (c *Chaos) Received() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Clone(c.received.Bytes())
}

type chaosConn struct {
	net.Conn
	chaos *Chaos
}

// room is how many of want bytes may pass before the cut after limit bytes.
func room(limit, passed, want int) int {
	if limit == 0 {
		return want
	}
	return min(want, max(0, limit-passed))
}

func (c *chaosConn) Read(b []byte) (int, error) {
	if c.chaos.ReadDelay > 0 {
		<-time.After(c.chaos.ReadDelay)
	}
	c.chaos.mu.Lock()
	passed := c.chaos.received.Len()
	c.chaos.mu.Unlock()
	want := len(b)
	if c.chaos.ReadSlice > 0 {
		want = min(want, c.chaos.ReadSlice)
	}
	allowed := room(c.chaos.CutReadAfter, passed, want)
	if allowed == 0 && want > 0 {
		c.Conn.Close()
		return 0, ErrCut
	}
	n, err := c.Conn.Read(b[:allowed])
	if i := c.chaos.FlipRead - 1 - passed; i >= 0 && i < n {
		b[i] ^= 0xff
	}
	c.chaos.mu.Lock()
	c.chaos.received.Write(b[:n])
	c.chaos.mu.Unlock()
	return n, err
}

func (c *chaosConn) Write(b []byte) (int, error) {
	c.chaos.mu.Lock()
	allowed := room(c.chaos.CutWriteAfter, c.chaos.sent.Len(), len(b))
	c.chaos.mu.Unlock()
	n, err := c.Conn.Write(b[:allowed])
	c.chaos.mu.Lock()
	c.chaos.sent.Write(b[:n])
	c.chaos.mu.Unlock()
	if err == nil && allowed < len(b) {
		c.Conn.Close()
		err = ErrCut
	}
	return n, err
}
