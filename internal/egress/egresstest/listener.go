package egresstest

import (
	"crypto/tls"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
)

// Listener counts the connections it accepts, so that a test can prove that
// nobody came.
type Listener struct {
	ln      net.Listener
	accepts atomic.Int64

	mu    sync.Mutex
	conns []net.Conn
	wg    sync.WaitGroup
}

// Listen starts a listener at an address such as 127.0.0.2:0. serve handles
// each connection, which is closed when serve returns; nil keeps connections
// open and says nothing.
func Listen(t testing.TB, addr string, serve func(net.Conn)) *Listener {
	t.Helper()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	l := &Listener{ln: ln}
	l.wg.Add(1)
	go l.run(serve)
	t.Cleanup(l.close)
	return l
}

// ListenTLS starts a listener that shakes hands and then echoes what it gets.
func ListenTLS(t testing.TB, addr string, config *tls.Config) *Listener {
	t.Helper()
	return Listen(t, addr, func(conn net.Conn) {
		server := tls.Server(conn, config)
		defer server.Close()
		buf := make([]byte, 1024)
		for {
			n, err := server.Read(buf)
			if err != nil {
				return
			}
			if _, err := server.Write(buf[:n]); err != nil {
				return
			}
		}
	})
}

func (l *Listener) run(serve func(net.Conn)) {
	defer l.wg.Done()
	for {
		conn, err := l.ln.Accept()
		if err != nil {
			return
		}
		l.accepts.Add(1)
		l.mu.Lock()
		l.conns = append(l.conns, conn)
		l.mu.Unlock()
		if serve == nil {
			continue
		}
		l.wg.Add(1)
		go func() {
			defer l.wg.Done()
			defer conn.Close()
			serve(conn)
		}()
	}
}

func (l *Listener) close() {
	l.ln.Close()
	l.mu.Lock()
	for _, c := range l.conns {
		c.Close()
	}
	l.mu.Unlock()
	l.wg.Wait()
}

// Addr is where the listener listens.
func (l *Listener) Addr() netip.AddrPort { return l.ln.Addr().(*net.TCPAddr).AddrPort() }

// Port is the port of Addr.
func (l *Listener) Port() uint16 { return l.Addr().Port() }

// Accepts is how many connections came.
func (l *Listener) Accepts() int { return int(l.accepts.Load()) }

// Close stops listening and closes all connections, before the test ends.
func (l *Listener) Close() { l.close() }
