package targettest

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"flowyte/internal/egress/egresstest"
	"flowyte/internal/privatedb"
)

// Turn is what one side said, and what the other answered, in clear.
type Turn struct{ Client, Server []byte }

// Wire is one connection as it passed a Tap.
type Wire struct {
	// Greeting is what a MySQL server says before TLS.
	Greeting []byte

	mu    sync.Mutex
	turns []Turn
	// muted: the server's next answer does not arrive.
	muted bool
}

// Turns is a copy of what passed so far, inside TLS.
func (w *Wire) Turns() []Turn {
	w.mu.Lock()
	defer w.mu.Unlock()
	turns := make([]Turn, len(w.turns))
	for i, t := range w.turns {
		turns[i] = Turn{bytes.Clone(t.Client), bytes.Clone(t.Server)}
	}
	return turns
}

// mute keeps the server's next answer from the client.
func (w *Wire) mute() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.muted = true
}

func (w *Wire) client(b []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.turns); n == 0 || len(w.turns[n-1].Server) > 0 {
		w.turns = append(w.turns, Turn{})
	}
	last := &w.turns[len(w.turns)-1]
	last.Client = append(last.Client, b...)
}

// server keeps what the server said, and tells whether it may pass.
func (w *Wire) server(b []byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.turns) > 0 {
		last := &w.turns[len(w.turns)-1]
		last.Server = append(last.Server, b...)
	}
	return !w.muted
}

// Cut is where a Tap ends a connection.
type Cut int

// The cuts.
const (
	BeforeServer Cut = iota + 1 // what the client said does not reach the server
	BeforeClient                // the server's answer does not reach the client
)

// Tap stands before a real server with that server's own key, so that clients
// cannot tell the two apart, and keeps what passes, in clear.
type Tap struct {
	// Port is where it listens, on the server's host.
	Port int

	t      testing.TB
	server *privatedb.Server
	port   int // of the server, or of the pooler before it
	config *tls.Config

	mu    sync.Mutex
	wires []*Wire
	cut   Cut
	word  []byte
}

// NewTap starts a tap that ends with the test.
func NewTap(t testing.TB, server *privatedb.Server) *Tap {
	t.Helper()
	return NewTapAt(t, server, server.Port)
}

// NewTapAt is a tap before what listens on another port in the server's place,
// such as a pooler.
func NewTapAt(t testing.TB, server *privatedb.Server, port int) *Tap {
	t.Helper()
	// The certificate lies beside the data folder.
	home := filepath.Dir(server.DataDir)
	pair, err := tls.LoadX509KeyPair(filepath.Join(home, "server.pem"), filepath.Join(home, "server-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	tap := &Tap{t: t, server: server, port: port, config: &tls.Config{Certificates: []tls.Certificate{pair}}}
	listener := egresstest.Listen(t, "127.0.0.1:0", tap.serve)
	tap.Port = int(listener.Port())
	return tap
}

// Wires are the connections that came so far.
func (t *Tap) Wires() []*Wire {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]*Wire(nil), t.wires...)
}

// CutAt ends the first connection whose client says word from now on.
func (t *Tap) CutAt(word string, cut Cut) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.word, t.cut = []byte(word), cut
}

// Pending tells whether the cut is still to come.
func (t *Tap) Pending() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.cut != 0
}

// client keeps what a client said, and tells whether it may pass.
func (t *Tap) client(w *Wire, b []byte) bool {
	w.client(b)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cut == 0 || !bytes.Contains(b, t.word) {
		return true
	}
	cut := t.cut
	t.cut = 0
	if cut == BeforeClient {
		w.mute()
	}
	return cut == BeforeClient
}

func (t *Tap) serve(client net.Conn) {
	server, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(t.port)))
	if err != nil {
		return // the server is down, and so is the tap
	}
	defer server.Close()
	w := &Wire{}
	open := openMySQL
	if t.server.Kind() == "postgres" {
		open = openPostgres
	}
	if !open(w, client, server) {
		return
	}
	inner := tls.Server(client, t.config)
	outer := tls.Client(server, &tls.Config{InsecureSkipVerify: true}) // our own server, on loopback
	if inner.Handshake() != nil || outer.Handshake() != nil {
		return
	}
	t.mu.Lock()
	t.wires = append(t.wires, w)
	t.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		pass(inner, outer, w.server)
	}()
	pass(outer, inner, func(b []byte) bool { return t.client(w, b) })
	<-done
}

// pass copies until either side ends or keep refuses, and ends both.
func pass(to, from *tls.Conn, keep func([]byte) bool) {
	defer to.NetConn().Close()
	defer from.NetConn().Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if !keep(buf[:n]) {
				return
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// openPostgres passes the request for TLS and its answer.
func openPostgres(_ *Wire, client, server net.Conn) bool {
	return relay(server, client, 8) != nil && bytes.Equal(relay(client, server, 1), []byte{'S'})
}

// openMySQL passes the greeting and the request for TLS.
func openMySQL(w *Wire, client, server net.Conn) bool {
	w.Greeting = relayPacket(client, server)
	return w.Greeting != nil && relayPacket(server, client) != nil
}

// relay passes n bytes and returns them, nil when they did not come.
func relay(to io.Writer, from io.Reader, n int) []byte {
	b := make([]byte, n)
	if _, err := io.ReadFull(from, b); err != nil {
		return nil
	}
	if _, err := to.Write(b); err != nil {
		return nil
	}
	return b
}

// relayPacket passes one packet of MySQL's.
func relayPacket(to io.Writer, from io.Reader) []byte {
	head := relay(to, from, 4)
	if head == nil {
		return nil
	}
	body := relay(to, from, int(binary.LittleEndian.Uint32(append(head[:3:3], 0))))
	if body == nil {
		return nil
	}
	return append(head, body...)
}
