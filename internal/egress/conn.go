package egress

import (
	"errors"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// ReadyBudget is how many bytes a server may send until it is ready for
	// the first statement: greeting, certificates, authentication, settings.
	ReadyBudget = 1 << 20
	// StatementBudget is how many bytes a server may send for one statement.
	StatementBudget = 8 << 20
)

// ErrBudget is the error of a read past the budget. The connection is closed
// by then.
var ErrBudget = errors.New("egress: the peer sent more than its budget")

// Conn is a connection whose peer can neither send without end nor keep us
// waiting without end. Bytes are counted as they come from the network, that is
// with TLS's own, so that the bound holds before any parser sees them.
//
// A Conn starts with ReadyBudget. Like any net.Conn it may be used by one
// reader and one writer at once; the other methods are safe at any time.
type Conn struct {
	net.Conn
	raw *net.TCPConn

	// left is one more than what the peer may still send: the read that gets
	// the extra byte proves that the budget was passed, while a peer that used
	// exactly its budget is not punished.
	left atomic.Int64
	// asked: something was written since the last read.
	asked atomic.Bool

	mu    sync.Mutex // guards the deadlines; never taken by Read or Write
	stage time.Time
	read  time.Time
	write time.Time
}

func newConn(raw *net.TCPConn, wrap func(net.Conn) net.Conn) *Conn {
	c := &Conn{Conn: raw, raw: raw}
	if wrap != nil {
		c.Conn = wrap(raw)
	}
	c.grant(ReadyBudget)
	return c
}

func (c *Conn) grant(bytes int64) { c.left.Store(bytes + 1) }

// Ready ends the phase until ready: from here the statement budget holds.
func (c *Conn) Ready() { c.grant(StatementBudget) }

// BeginStatementUpTo starts a new statement with a full budget: StatementBudget
// as a rule, more for the catalogue queries of discovery, whose answers grow
// with the schema.
func (c *Conn) BeginStatementUpTo(bytes int64) { c.grant(bytes) }

// Read reads within the budget. Past it the error is ErrBudget and the
// connection is closed.
func (c *Conn) Read(b []byte) (int, error) {
	left := c.left.Load()
	if left <= 0 {
		return 0, ErrBudget
	}
	if c.asked.Load() {
		// The answer is not there yet: others may go on meanwhile. To look for it
		// at once costs a system call, and being woken for it another two.
		c.asked.Store(false)
		runtime.Gosched()
	}
	if int64(len(b)) > left {
		b = b[:left]
	}
	n, err := c.Conn.Read(b)
	if c.left.Add(-int64(n)) <= 0 && n > 0 {
		c.Close()
		return 0, ErrBudget
	}
	return n, err
}

// Write writes.
func (c *Conn) Write(b []byte) (int, error) {
	c.asked.Store(true)
	return c.Conn.Write(b)
}

// SetStageDeadline sets the moment by which the present stage must be over,
// whatever the driver sets in between: of the two the earlier holds. The zero
// time ends the stage.
func (c *Conn) SetStageDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stage = t
	return c.apply()
}

// SetDeadline sets the driver's deadline for reads and writes.
func (c *Conn) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read, c.write = t, t
	return c.apply()
}

// SetReadDeadline sets the driver's deadline for reads.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read = t
	return c.Conn.SetReadDeadline(earlier(c.read, c.stage))
}

// SetWriteDeadline sets the driver's deadline for writes.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.write = t
	return c.Conn.SetWriteDeadline(earlier(c.write, c.stage))
}

func (c *Conn) apply() error {
	read, write := earlier(c.read, c.stage), earlier(c.write, c.stage)
	if read.Equal(write) { // one timer instead of two
		return c.Conn.SetDeadline(read)
	}
	return errors.Join(c.Conn.SetReadDeadline(read), c.Conn.SetWriteDeadline(write))
}

// earlier treats the zero time as "none".
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// SyscallConn lets a driver ask the kernel whether an idle connection is still
// alive without reading from it in earnest.
func (c *Conn) SyscallConn() (syscall.RawConn, error) { return c.raw.SyscallConn() }
