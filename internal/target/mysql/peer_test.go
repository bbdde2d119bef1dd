package mysql

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"flowyte/api"
	"flowyte/internal/egress/egresstest"
	"flowyte/internal/schema"
	"flowyte/internal/target"
	"flowyte/internal/target/targettest"
)

// roguePassword is what no rogue server may get to see.
const roguePassword = "correct horse battery staple"

// rogue starts a server that behaves on each connection as play says, and
// makes credentials that trust it.
func rogue(t testing.TB, play func(p *peer)) (*target.Credentials, *witness) {
	t.Helper()
	seen := &witness{}
	authority := egresstest.NewAuthority(t, egresstest.Certificate{})
	config := &tls.Config{Certificates: []tls.Certificate{authority.Leaf(t, egresstest.Certificate{Addrs: []string{"127.0.0.1"}})}}
	listener := egresstest.Listen(t, "127.0.0.1:0", func(conn net.Conn) {
		seen.connections.Add(1)
		defer func() {
			if v := recover(); v != nil && v != errGone {
				panic(v)
			}
		}()
		play(&peer{Conn: conn, config: config, seen: seen})
	})
	return targettest.Parse(t, api.Credentials{
		Host: "127.0.0.1", Port: api.Port(strconv.Itoa(int(listener.Port()))), Database: "db", User: "someone",
		Password: roguePassword, SSLMode: "verify-full", CAPEM: string(authority.PEM()),
	}, schema.MySQL), seen
}

// witness remembers what clients sent, inside TLS and out.
type witness struct {
	connections atomic.Int32
	mu          sync.Mutex
	got         []byte
}

func (w *witness) saw(text string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Contains(string(w.got), text)
}

func (w *witness) bytes() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.got)
}

// errGone ends a play when the client has left.
var errGone = errors.New("the client has gone")

// peer is one connection as the server has it. Its methods end the play when
// the client leaves.
type peer struct {
	net.Conn
	config   *tls.Config
	seen     *witness
	sequence byte
	// spoil changes bytes on their way out; nil for none.
	spoil func([]byte) []byte
	// old ends definitions and rows with EOF packets, as servers did before
	// there was a capability to leave them out.
	old bool
}

func gone(err error) {
	if err != nil {
		panic(errGone)
	}
}

// silence says nothing until the client leaves.
func (p *peer) silence() {
	for {
		var b [1024]byte
		n, err := p.Conn.Read(b[:])
		p.note(b[:n])
		gone(err)
	}
}

func (p *peer) note(b []byte) {
	p.seen.mu.Lock()
	defer p.seen.mu.Unlock()
	p.seen.got = append(p.seen.got, b...)
}

// raw sends bytes as they are.
func (p *peer) raw(b ...byte) {
	if p.spoil != nil {
		b = p.spoil(b)
	}
	_, err := p.Conn.Write(b)
	gone(err)
}

// send frames a packet and numbers it.
func (p *peer) send(body ...byte) {
	p.raw(packet(p.sequence, body)...)
	p.sequence++
}

// header announces a packet without sending it.
func (p *peer) header(length int) {
	p.raw(byte(length), byte(length>>8), byte(length>>16), p.sequence)
}

// receive reads a packet.
func (p *peer) receive() []byte {
	var header [headerSize]byte
	_, err := io.ReadFull(p.Conn, header[:])
	gone(err)
	body := make([]byte, packetLength(header[:]))
	_, err = io.ReadFull(p.Conn, body)
	gone(err)
	p.note(body)
	p.sequence = header[3] + 1
	return body
}

// serverCapabilities is what a rogue claims: everything a client might fall for.
const serverCapabilities = usedCapabilities | capTLS | 1<<5 | 1<<7 | 1<<16 | 1<<17 | 1<<18 | 1<<23

// hello is the body of a sound greeting.
func hello(capabilities uint32, plugin string) []byte {
	body := append([]byte{protocolVersion}, "9.9.9-rogue\x00"...)
	body = binary.LittleEndian.AppendUint32(body, 4711)
	body = append(body, "12345678\x00"...)
	body = binary.LittleEndian.AppendUint16(body, uint16(capabilities))
	body = append(body, utf8mb4, 2, 0)
	body = binary.LittleEndian.AppendUint16(body, uint16(capabilities>>16))
	body = append(body, challengeLen+1)
	body = append(body, make([]byte, 10)...)
	body = append(body, "123456789012\x00"...)
	return append(append(body, plugin...), 0)
}

// secure greets and does the handshake.
func (p *peer) secure() {
	capabilities := uint32(serverCapabilities)
	if p.old {
		capabilities &^= capDeprecateEOF
	}
	p.send(hello(capabilities, pluginSHA2)...)
	p.receive()
	secure := tls.Server(p.Conn, p.config)
	gone(secure.Handshake())
	p.Conn = secure
}

// login takes whatever the client says of itself.
func (p *peer) login() {
	p.secure()
	p.receive()
	p.send(acknowledgement...)
}

var acknowledgement = []byte{packetOK, 0, 0, 2, 0, 0, 0}

// end is the end of a result for a client that knows no EOF, eof for one that
// does.
var (
	end = []byte{packetEOF, 0, 0, 2, 0, 0, 0}
	eof = []byte{packetEOF, 0, 0, 2, 0}
)

// define sends definitions of columns or parameters of one type.
func (p *peer) define(n int, kind byte) {
	for range n {
		p.send(definition(kind)...)
	}
	if p.old && n > 0 {
		p.send(eof...)
	}
}

// finish ends the rows of a result.
func (p *peer) finish() {
	if p.old {
		p.send(eof...)
		return
	}
	p.send(end...)
}

// fail sends an error.
func (p *peer) fail(number uint16) {
	body := binary.LittleEndian.AppendUint16([]byte{packetError}, number)
	p.send(append(body, "#HY000canary text of the server"...)...)
}

// definition describes a column of a type: 8 is BIGINT, 253 VARCHAR.
func definition(kind byte) []byte {
	var body []byte
	for _, s := range []string{"def", "db", "t", "t", "c", "c"} {
		body = append(append(body, byte(len(s))), s...)
	}
	return append(body, 12, utf8mb4, 0, 255, 0, 0, 0, kind, 0, 0, 0, 0, 0)
}

// table sends a result in the text form.
func (p *peer) table(rows ...[]string) {
	p.send(byte(len(rows[0])))
	p.define(len(rows[0]), 253)
	for _, row := range rows {
		var body []byte
		for _, cell := range row {
			body = append(append(body, byte(len(cell))), cell...)
		}
		p.send(body...)
	}
	p.finish()
}

// facts are the answer to question.
var rogueFacts = []string{
	"9.9.9", "db", "0", "0", "an-identifier", "host", "3306", "/data", "1", strings.Join(modes, ","), "+00:00", "1", "utf8mb4", "utf8mb4",
}

// serve logs the client in and answers the statements that ready a session;
// every other command is left to answer.
func (p *peer) serve(answer func(command byte, text string)) {
	p.login()
	for {
		body := p.receive()
		switch text := string(body[1:]); {
		case body[0] == comQuit:
			return
		case body[0] == comQuery && strings.HasPrefix(text, "SET "):
			p.send(acknowledgement...)
		case body[0] == comQuery && strings.HasPrefix(text, "SELECT VERSION()"):
			p.table(rogueFacts)
		default:
			answer(body[0], text)
		}
	}
}

// prepared answers a prepare.
func (p *peer) prepared(columns, parameters uint16) {
	body := []byte{packetOK, 1, 0, 0, 0}
	body = binary.LittleEndian.AppendUint16(body, columns)
	body = binary.LittleEndian.AppendUint16(body, parameters)
	p.send(append(body, 0, 0, 0)...)
	p.define(int(parameters), 8)
	p.define(int(columns), 8)
}
