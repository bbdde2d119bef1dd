package postgres_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"flowyte/api"
	"flowyte/internal/egress/egresstest"
	"flowyte/internal/schema"
	"flowyte/internal/target"
	"flowyte/internal/target/targettest"

	"github.com/jackc/pgx/v5/pgproto3"
)

// roguePassword is the one a rogue server knows, as one that was taken over
// would.
const roguePassword = "correct horse battery staple"

// rogue starts a server that behaves as play says on its first connection and
// closes all others, or holds them in silence after holdOthers. It makes
// credentials that trust the server.
func rogue(t *testing.T, play func(p *peer)) *target.Credentials {
	t.Helper()
	authority := egresstest.NewAuthority(t, egresstest.Certificate{})
	config := &tls.Config{Certificates: []tls.Certificate{authority.Leaf(t, egresstest.Certificate{Addrs: []string{"127.0.0.1"}})}}
	var connections atomic.Int32
	var hold atomic.Bool
	listener := egresstest.Listen(t, "127.0.0.1:0", func(conn net.Conn) {
		p := &peer{t: t, Conn: conn, config: config, hold: &hold}
		defer func() {
			if v := recover(); v != nil && v != errGone {
				panic(v)
			}
		}()
		if connections.Add(1) == 1 {
			play(p)
		} else if hold.Load() {
			p.silence()
		}
	})
	return targettest.Parse(t, api.Credentials{
		Host: "127.0.0.1", Port: api.Port(strconv.Itoa(int(listener.Port()))), Database: "db", User: "someone",
		Password: roguePassword, SSLMode: "verify-full", CAPEM: string(authority.PEM()),
	}, schema.Postgres)
}

// errGone ends a play when the client has left.
var errGone = fmt.Errorf("the client has gone")

// peer is one connection as the server has it.
type peer struct {
	net.Conn
	t       *testing.T
	config  *tls.Config
	backend *pgproto3.Backend
	hold    *atomic.Bool
	spoiled bool // TLS is up already, and a spoiler on it
}

// holdOthers leaves the connections of cancel requests without an answer.
func (p *peer) holdOthers() { p.hold.Store(true) }

func gone(err error) {
	if err != nil {
		panic(errGone)
	}
}

// silence says nothing until the client leaves. A spoiled connection ends
// instead, so that nobody waits for bytes that were lost.
func (p *peer) silence() {
	if !p.spoiled {
		_, _ = io.Copy(io.Discard, p.Conn)
	}
}

func (p *peer) write(b ...byte) {
	_, err := p.Conn.Write(b)
	gone(err)
}

// request reads the client's request for TLS.
func (p *peer) request() {
	var b [8]byte
	_, err := io.ReadFull(p.Conn, b[:])
	gone(err)
	if !bytes.Equal(b[:], []byte{0, 0, 0, 8, 4, 210, 22, 47}) {
		p.t.Errorf("the first bytes are not a request for TLS: %x", b)
	}
}

// secure answers the request and does the handshake.
func (p *peer) secure() {
	p.request()
	p.write('S')
	secure := tls.Server(p.Conn, p.config)
	gone(secure.Handshake())
	p.Conn = secure
	p.backend = pgproto3.NewBackend(secure, secure)
}

func (p *peer) startup() {
	if !p.spoiled {
		p.secure()
	}
	_, err := p.backend.ReceiveStartupMessage()
	gone(err)
}

func (p *peer) send(messages ...pgproto3.BackendMessage) {
	for _, m := range messages {
		p.backend.Send(m)
	}
	gone(p.backend.Flush())
}

// raw sends a message with a header of one's choice.
func (p *peer) raw(kind byte, length uint32, body ...byte) {
	p.write(append(binary.BigEndian.AppendUint32([]byte{kind}, length), body...)...)
}

// challenge begins SCRAM and answers the client's first message.
func (p *peer) challenge(salt string, iterations string) (clientFirst, serverFirst string) {
	p.send(&pgproto3.AuthenticationSASL{AuthMechanisms: []string{"SCRAM-SHA-256"}})
	gone(p.backend.SetAuthType(pgproto3.AuthTypeSASL))
	message, err := p.backend.Receive()
	gone(err)
	first, ok := message.(*pgproto3.SASLInitialResponse)
	if !ok {
		panic(errGone) // it says goodbye
	}
	_, clientFirst, _ = strings.Cut(string(first.Data), ",,")
	_, nonce, _ := strings.Cut(clientFirst, "r=")
	serverFirst = "r=" + nonce + "server,s=" + salt + ",i=" + iterations
	p.send(&pgproto3.AuthenticationSASLContinue{Data: []byte(serverFirst)})
	gone(p.backend.SetAuthType(pgproto3.AuthTypeSASLContinue))
	return clientFirst, serverFirst
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// authenticate does all of SCRAM, with a signature that is right when the
// password is.
func (p *peer) authenticate(password string) {
	salt := []byte("0123456789abcdef")
	clientFirst, serverFirst := p.challenge(base64.StdEncoding.EncodeToString(salt), "4096")
	message, err := p.backend.Receive()
	gone(err)
	final, ok := message.(*pgproto3.SASLResponse)
	if !ok {
		panic(errGone) // it says goodbye
	}
	withoutProof, _, _ := strings.Cut(string(final.Data), ",p=")
	salted, err := pbkdf2.Key(sha256.New, password, salt, 4096, sha256.Size)
	gone(err)
	signature := mac(mac(salted, "Server Key"), clientFirst+","+serverFirst+","+withoutProof)
	p.send(&pgproto3.AuthenticationSASLFinal{Data: []byte("v=" + base64.StdEncoding.EncodeToString(signature))})
}

// login gets the client to the point where it may send statements.
func (p *peer) login() {
	p.startup()
	p.authenticate(roguePassword)
	p.send(&pgproto3.AuthenticationOk{},
		&pgproto3.ParameterStatus{Name: "server_version", Value: "15.1"},
		&pgproto3.BackendKeyData{ProcessID: 42, SecretKey: []byte{1, 2, 3, 4}},
		&pgproto3.ReadyForQuery{TxStatus: 'I'})
}

// query reads the client's messages up to the next Sync and gives the text of
// the last Parse.
func (p *peer) query() (text string) {
	for {
		message, err := p.backend.Receive()
		gone(err)
		switch m := message.(type) {
		case *pgproto3.Parse:
			text = m.Query
		case *pgproto3.Sync:
			return text
		case *pgproto3.Terminate:
			panic(errGone)
		}
	}
}

func description(oids ...uint32) *pgproto3.RowDescription {
	d := &pgproto3.RowDescription{}
	for _, oid := range oids {
		d.Fields = append(d.Fields, pgproto3.FieldDescription{Name: []byte("c"), DataTypeOID: oid})
	}
	return d
}

func row(cells ...string) *pgproto3.DataRow {
	d := &pgproto3.DataRow{}
	for _, cell := range cells {
		d.Values = append(d.Values, []byte(cell))
	}
	return d
}

// answer sends a complete result of a statement that was parsed with it.
func (p *peer) answer(columns *pgproto3.RowDescription, rows ...pgproto3.BackendMessage) {
	p.send(append(append([]pgproto3.BackendMessage{&pgproto3.ParseComplete{}, &pgproto3.BindComplete{}, columns}, rows...), finished...)...)
}

var finished = []pgproto3.BackendMessage{&pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")}, &pgproto3.ReadyForQuery{TxStatus: 'I'}}

var greetingColumns = description(25, 23, 16, 25, 23, 19, 26, 20)

// greet answers the first statement of every session.
func (p *peer) greet() {
	p.login()
	p.query()
	p.answer(greetingColumns, row("on", "42", "f", "15.1", "150001", "db", "5", "77"))
}

// prepare answers the preparation of a statement with one parameter.
func (p *peer) prepare(columns *pgproto3.RowDescription) {
	p.greet()
	p.query()
	p.send(&pgproto3.ParseComplete{}, &pgproto3.ParameterDescription{ParameterOIDs: []uint32{23}}, columns, &pgproto3.ReadyForQuery{TxStatus: 'I'})
}
