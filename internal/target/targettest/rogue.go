package targettest

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"flowyte/api"
	"flowyte/internal/egress/egresstest"
	"flowyte/internal/schema"
)

// RoguePassword is the one that a Rogue knows, as a server would that was
// taken over.
const RoguePassword = "correct horse battery staple"

// Rogue is a server that replays a session and misbehaves on command.
type Rogue struct {
	*egresstest.Listener
	Kind schema.Kind

	authority *egresstest.Authority
	config    *tls.Config
}

// NewRogue starts a rogue server of a kind at addr, such as 127.0.0.1:0. It
// plays each connection with play and closes it when play returns. It ends
// with the test.
func NewRogue(t testing.TB, kind schema.Kind, addr string, play func(p *Peer)) *Rogue {
	t.Helper()
	r := &Rogue{Kind: kind, authority: egresstest.NewAuthority(t, egresstest.Certificate{})}
	leaf := r.authority.Leaf(t, egresstest.Certificate{Addrs: []string{"127.0.0.1"}, Names: []string{"localhost"}})
	r.config = &tls.Config{Certificates: []tls.Certificate{leaf}}
	r.Listener = egresstest.Listen(t, addr, func(conn net.Conn) {
		defer func() {
			if v := recover(); v != nil && v != errLeft {
				panic(v)
			}
		}()
		play(&Peer{Raw: conn, out: conn, rogue: r})
	})
	return r
}

// API makes credentials that trust the rogue.
func (r *Rogue) API() api.Credentials {
	return api.Credentials{
		Host: "127.0.0.1", Port: api.Port(strconv.Itoa(int(r.Port()))), Database: "db", User: "someone",
		Password: RoguePassword, SSLMode: "verify-full", CAPEM: string(r.authority.PEM()),
	}
}

// errLeft ends a play when the client has left.
var errLeft = errors.New("the client has left")

func must(err error) {
	if err != nil {
		panic(errLeft)
	}
}

// Peer is one connection as the rogue has it. Its methods end the play when
// the client leaves.
type Peer struct {
	// Raw is the connection below TLS.
	Raw   net.Conn
	rogue *Rogue
	inner *tls.Conn // nil before TLS
	out   io.Writer
	heard []byte // the client's last words
	scram scram
}

// Spoil has everything that is sent from here on pass through f, which gets a
// writer to what was there before. Before Secure it is the bytes below TLS
// that are spoiled, afterwards those inside.
func (p *Peer) Spoil(f func(to io.Writer) io.Writer) {
	if p.inner == nil {
		p.Raw = spoiled{p.Raw, f(p.Raw)}
		p.out = p.Raw
		return
	}
	p.out = f(p.out)
}

// spoiled is a connection with another way out.
type spoiled struct {
	net.Conn
	w io.Writer
}

func (s spoiled) Write(b []byte) (int, error) { return s.w.Write(b) }

// Send writes bytes as they are.
func (p *Peer) Send(b []byte) {
	_, err := p.out.Write(b)
	must(err)
}

// Listen reads what the client says next.
func (p *Peer) Listen() {
	buf := make([]byte, 16<<10)
	var from io.Reader = p.Raw
	if p.inner != nil {
		from = p.inner
	}
	n, err := from.Read(buf)
	if n == 0 {
		must(err)
	}
	p.heard = buf[:n]
}

// Silence says nothing more and waits until the client leaves.
func (p *Peer) Silence() { _, _ = io.Copy(io.Discard, p.Raw) }

// Secure greets as the session does, takes the request for TLS and does the
// handshake.
func (p *Peer) Secure(s Session) {
	p.Send(s.Greeting)
	p.Request()
	if s.Kind == schema.Postgres {
		p.Send([]byte{'S'})
	}
	p.Handshake()
}

// Request reads the client's request for TLS.
func (p *Peer) Request() {
	size := 8
	if p.rogue.Kind == schema.MySQL {
		size = 36
	}
	_, err := io.ReadFull(p.Raw, make([]byte, size))
	must(err)
}

// Handshake brings TLS up.
func (p *Peer) Handshake() {
	inner := tls.Server(p.Raw, p.rogue.config)
	must(inner.Handshake())
	p.inner, p.out = inner, inner
}

// Replay plays the session's turns from the first to the last but one, each
// when the client has said something, and then the last again and again.
func (p *Peer) Replay(s Session) {
	for i := 0; ; i = min(i+1, len(s.Turns)-1) {
		p.Listen()
		p.Send(p.Turn(s, i))
	}
}

// Until plays the session's turns before the one given, and hears what the
// client says to get that.
func (p *Peer) Until(s Session, turn int) {
	for i := range turn {
		p.Listen()
		p.Send(p.Turn(s, i))
	}
	p.Listen()
}

// Hush lets n more bytes through and then says nothing until the client leaves.
func (p *Peer) Hush(n int) {
	p.Spoil(func(to io.Writer) io.Writer { return &hush{p, to, n} })
}

type hush struct {
	p    *Peer
	to   io.Writer
	left int
}

func (h *hush) Write(b []byte) (int, error) {
	now := min(len(b), h.left)
	h.left -= now
	if n, err := h.to.Write(b[:now]); err != nil || now == len(b) {
		return n, err
	}
	h.p.Silence()
	return 0, errLeft
}

// Drip sends from here on one byte at a time, each so long after the other.
func (p *Peer) Drip(every time.Duration) {
	p.Spoil(func(to io.Writer) io.Writer { return drip{to, every} })
}

type drip struct {
	to    io.Writer
	every time.Duration
}

func (d drip) Write(b []byte) (int, error) {
	tick := time.NewTicker(d.every)
	defer tick.Stop()
	for i := range b {
		<-tick.C
		if _, err := d.to.Write(b[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(b), nil
}

// Turn is a turn as this connection has to get it: what PostgreSQL proves of
// the password depends on the client's own random numbers.
func (p *Peer) Turn(s Session, i int) []byte {
	turn := s.Turns[i]
	if s.Kind != schema.Postgres {
		return turn
	}
	switch i {
	case 1:
		return p.scram.challenge(p.heard)
	case 2:
		return p.scram.final(p.heard, turn)
	}
	return turn
}

// scram is the server's side of the proof of a password, at little cost.
type scram struct{ clientFirst, serverFirst string }

var scramSalt = []byte("0123456789abcdef")

const scramIterations = 32

// challenge answers SASLInitialResponse: mechanism, length, client-first.
func (s *scram) challenge(heard []byte) []byte {
	_, bare, _ := strings.Cut(string(heard), ",,")
	_, nonce, _ := strings.Cut(bare, "r=")
	s.clientFirst = bare
	s.serverFirst = fmt.Sprintf("r=%sserver,s=%s,i=%d", nonce, base64.StdEncoding.EncodeToString(scramSalt), scramIterations)
	return authentication(11, s.serverFirst)
}

// final answers SASLResponse with the recorded turn, whose first message is
// the proof of another client's server.
func (s *scram) final(heard, turn []byte) []byte {
	const header = 5
	if len(heard) < header || len(turn) < header {
		panic(errLeft)
	}
	withoutProof, _, _ := strings.Cut(string(heard[header:]), ",p=")
	salted, err := pbkdf2.Key(sha256.New, RoguePassword, scramSalt, scramIterations, sha256.Size)
	must(err)
	signature := mac(mac(salted, "Server Key"), s.clientFirst+","+s.serverFirst+","+withoutProof)
	proof := authentication(12, "v="+base64.StdEncoding.EncodeToString(signature))
	return append(proof, turn[1+binary.BigEndian.Uint32(turn[1:]):]...)
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// authentication is an authentication request of PostgreSQL.
func authentication(method uint32, data string) []byte {
	b := binary.BigEndian.AppendUint32([]byte{'R'}, uint32(8+len(data)))
	return append(binary.BigEndian.AppendUint32(b, method), data...)
}
