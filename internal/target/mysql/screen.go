package mysql

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"net"

	"flowyte/internal/egress"
	"flowyte/internal/fault"
)

const (
	// maxPacket bounds one packet. The driver makes room for a packet when it
	// has read its header, so the bound is also one of memory.
	maxPacket = egress.StatementBudget
	// maxLoginPacket bounds one packet of the login.
	maxLoginPacket = 4096
	// maxLoginPackets bounds their number: an answer, a switch, its outcome.
	maxLoginPackets = 8
	// maxColumns is what a table can have, and twice over for a join.
	maxColumns = 2 * 4096
	// maxDefinition bounds one definition: five names of 256 characters at most
	// and a few fixed fields. The driver keeps those of prepared statements.
	maxDefinition = 6 << 10
	// prefix is how much of a packet is looked at: the longest fields that
	// decide are two long integers and a status.
	prefix = 64
)

// stage is what the screen expects from the server next.
type stage uint8

const (
	login       stage = iota
	idle              // nothing
	answer            // OK, an error, or the number of columns
	acknowledge       // OK or an error
	prepared          // the outcome of a prepare
	definitions       // of columns or parameters
	rows              // rows up to their end
)

// Commands that the driver sends.
const (
	comQuit         = 0x01
	comQuery        = 0x03
	comPing         = 0x0e
	comStmtPrepare  = 0x16
	comStmtExecute  = 0x17
	comStmtLongData = 0x18
	comStmtClose    = 0x19
)

// Flags of a server's status.
const (
	statusInTransaction = 0x0001
	// statusMoreResults announces another result, which no statement of ours has.
	statusMoreResults = 0x0008
)

// screen is the connection as the driver sees it. It lets a packet through
// only when it is what the protocol has next, and no larger than agreed.
type screen struct {
	*tls.Conn
	raw *egress.Conn
	in  *bufio.Reader

	first   []byte // the greeting, not yet read by the driver
	passing int    // bytes of the present packet not yet read by the driver

	// shift is what the request for TLS, which the driver knows nothing of,
	// adds to the sequence numbers of the login.
	shift        byte
	answered     bool // the driver has sent its side of the greeting
	loginPackets int
	deprecateEOF bool
	unproven     bool // the method wanted is one that is only gone through

	// inTransaction is what the server last said of the session.
	inTransaction bool

	stage stage
	// left and then: packets of definitions still to come, and what follows.
	left int
	then stage
	// columns of a prepared statement, which follow its parameters.
	columns int

	// err is why the connection is of no more use; the driver keeps reasons
	// to itself.
	err error
}

var _ net.Conn = (*screen)(nil)

func newScreen(raw *egress.Conn, secure *tls.Conn, g *greeting) *screen {
	return &screen{
		Conn: secure, raw: raw, in: bufio.NewReaderSize(secure, 4096), first: g.forDriver(), shift: 1,
		deprecateEOF: g.capabilities&capDeprecateEOF != 0,
	}
}

// Close ends the connection at once. A goodbye at the level of TLS could wait
// for the peer.
func (s *screen) Close() error { return s.raw.Close() }

// Read gives the driver what has passed.
func (s *screen) Read(b []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if len(s.first) > 0 {
		n := copy(b, s.first)
		s.first = s.first[n:]
		return n, nil
	}
	if s.passing == 0 {
		if err := s.next(); err != nil {
			return 0, s.fail(err)
		}
	}
	n, err := s.in.Read(b[:min(len(b), s.passing)])
	s.passing -= n
	if err != nil {
		return n, s.fail(err)
	}
	return n, nil
}

func (s *screen) fail(err error) error {
	if s.err == nil {
		s.err = err
	}
	s.raw.Close()
	return s.err
}

// next reads the head of a packet and decides about it.
func (s *screen) next() error {
	header, err := s.in.Peek(headerSize)
	if err != nil {
		return err
	}
	length, limit := packetLength(header), maxPacket
	switch s.stage {
	case login:
		limit = maxLoginPacket
	case definitions:
		limit = maxDefinition
	}
	if length == 0 || length > limit {
		return violation("a packet of %d bytes", length)
	}
	head, err := s.in.Peek(headerSize + min(length, prefix))
	if err != nil {
		return err
	}
	// The bytes are still in the buffer, from which the driver will read them.
	head[3] -= s.shift
	if err := s.judge(head[headerSize:], length); err != nil {
		return err
	}
	s.passing = headerSize + length
	return nil
}

// judge decides about a packet by its first bytes and moves to the next stage.
func (s *screen) judge(head []byte, length int) error {
	if head[0] == packetError && s.stage != definitions {
		s.stage = idle
		return judgeError(head)
	}
	switch s.stage {
	case login:
		return s.judgeLogin(head, length)
	case answer:
		return s.judgeAnswer(head, length)
	case acknowledge:
		s.stage = idle
		return s.judgeOK(head)
	case prepared:
		return s.judgePrepared(head)
	case definitions:
		if head[0] == packetError {
			return violation("an error among definitions")
		}
		if s.left--; s.left == 0 {
			s.enter(s.then)
		}
		return nil
	case rows:
		if head[0] != packetEOF {
			return nil
		}
		s.stage = idle
		return s.judgeEnd(head)
	}
	return violation("a packet that nobody asked for")
}

// judgeError wants the number, and the state where one is announced.
func judgeError(head []byte) error {
	if len(head) < 4 || head[3] == '#' && len(head) < 9 {
		return violation("an error packet of %d bytes", len(head))
	}
	return nil
}

func (s *screen) judgeLogin(head []byte, length int) error {
	if s.loginPackets++; s.loginPackets > maxLoginPackets {
		return violation("a login without end")
	}
	switch head[0] {
	case packetOK:
		s.stage = idle
		return s.judgeOK(head)
	case packetMore:
		// caching_sha2_password: taken, or the whole password is wanted.
		if length != 2 {
			return violation("a step of the login with %d bytes", length)
		}
		return nil
	case packetEOF:
		return s.judgeSwitch(head, length)
	}
	return violation("a packet of kind %#x in the login", head[0])
}

// judgeSwitch admits a change of method to one that is accepted, with a
// challenge of the length that it has.
func (s *screen) judgeSwitch(head []byte, length int) error {
	end := bytes.IndexByte(head, 0)
	if end < 0 {
		return fault.Wrap(fault.AuthMethodRefused, violation("a method without a name"))
	}
	plugin := string(head[1:end])
	s.unproven = plugin == pluginSHA256
	if !acceptedPlugin(plugin) && !s.unproven {
		return fault.New(fault.AuthMethodRefused)
	}
	want := challengeLen
	if plugin == pluginEd25519 {
		want = 32
	}
	// A final NUL may or may not be there.
	if got := length - end - 1; got != want && got != want+1 {
		return violation("a challenge of %d bytes", got)
	}
	return nil
}

func (s *screen) judgeAnswer(head []byte, length int) error {
	switch head[0] {
	case packetOK:
		s.stage = idle
		return s.judgeOK(head)
	case packetLocalFile:
		return violation("a request for a file of this machine")
	}
	count, size := lengthEncoded(head)
	if size == 0 || size != length || count == 0 || count > maxColumns {
		return violation("a result of %d columns", count)
	}
	s.await(int(count), rows)
	return nil
}

func (s *screen) judgeOK(head []byte) error {
	if head[0] != packetOK {
		return violation("a packet of kind %#x instead of an acknowledgement", head[0])
	}
	return s.judgeStatus(head[1:])
}

// judgeStatus reads past two integers to the status.
func (s *screen) judgeStatus(b []byte) error {
	for range 2 {
		_, size := lengthEncoded(b)
		if size == 0 {
			return violation("an acknowledgement that is cut short")
		}
		b = b[size:]
	}
	if len(b) < 2 {
		return violation("an acknowledgement without a status")
	}
	return s.noMoreResults(binary.LittleEndian.Uint16(b))
}

func (s *screen) judgeEnd(head []byte) error {
	if s.deprecateEOF {
		return s.judgeStatus(head[1:])
	}
	if len(head) != 5 {
		return violation("an end of %d bytes", len(head))
	}
	return s.noMoreResults(binary.LittleEndian.Uint16(head[3:]))
}

func (s *screen) noMoreResults(status uint16) error {
	s.inTransaction = status&statusInTransaction != 0
	if status&statusMoreResults != 0 {
		return violation("more than one result")
	}
	return nil
}

// judgePrepared reads how many definitions follow.
func (s *screen) judgePrepared(head []byte) error {
	if head[0] != packetOK || len(head) < 12 {
		return violation("the outcome of a prepare with %d bytes", len(head))
	}
	columns, parameters := int(binary.LittleEndian.Uint16(head[5:])), int(binary.LittleEndian.Uint16(head[7:]))
	if columns > maxColumns {
		return violation("a statement of %d columns", columns)
	}
	s.columns = columns
	if parameters > 0 {
		s.await(parameters, prepared)
	} else {
		s.enter(prepared)
	}
	return nil
}

// await expects definitions, and what older servers end them with.
func (s *screen) await(count int, then stage) {
	s.stage, s.left, s.then = definitions, count, then
	if !s.deprecateEOF {
		s.left++
	}
}

// enter goes on after definitions. Those of a statement's parameters are
// followed by those of its columns.
func (s *screen) enter(next stage) {
	if next != prepared {
		s.stage = next
		return
	}
	columns := s.columns
	s.columns, s.stage = 0, idle
	if columns > 0 {
		s.await(columns, idle)
	}
}

// Write sends a packet of the driver, which always writes whole ones.
func (s *screen) Write(b []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if len(b) <= headerSize {
		return 0, s.fail(violation("a packet without a body from the driver"))
	}
	if s.stage == login {
		return s.writeLogin(b)
	}
	if err := s.expect(b[headerSize]); err != nil {
		return 0, s.fail(err)
	}
	n, err := s.Conn.Write(b)
	if err != nil {
		return n, s.fail(err)
	}
	return n, nil
}

// writeLogin renumbers a packet of the login. The first one repeats the
// capabilities of the request for TLS.
func (s *screen) writeLogin(b []byte) (int, error) {
	sent := bytes.Clone(b)
	sent[3] += s.shift
	if !s.answered && len(sent) >= headerSize+4 {
		sent[headerSize+1] |= capTLS >> 8
		s.answered = true
	}
	n, err := s.Conn.Write(sent)
	if err != nil {
		return n, s.fail(err)
	}
	return n, nil
}

// expect notes what a command is answered with.
func (s *screen) expect(command byte) error {
	if s.stage != idle || s.passing > 0 {
		return violation("a command before the end of the last answer")
	}
	s.shift = 0
	switch command {
	case comQuery, comStmtExecute:
		s.stage = answer
	case comPing:
		s.stage = acknowledge
	case comStmtPrepare:
		s.stage = prepared
	case comQuit, comStmtLongData, comStmtClose:
	default:
		return violation("the command %#x", command)
	}
	return nil
}
