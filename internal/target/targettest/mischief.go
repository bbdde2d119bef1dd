package targettest

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"time"

	"flowyte/internal/schema"
)

// Mischief is what goes wrong on one connection with a rogue. It is drawn from
// a seed, which a failure needs to name and nothing else.
type Mischief struct {
	random *rand.Rand
	// below is the byte from which the connection under TLS goes wrong, -1
	// when it is only what TLS protects that does.
	below int
	// strikes are the turns that go wrong, by number from the connection's
	// first.
	strikes map[int]bool
	last    int
	// struck is when the wrong that is being done began; zero when all is well.
	struck time.Time
}

// NewMischief draws what goes wrong in a session.
func NewMischief(seed uint64, s Session) *Mischief {
	const opening = 1200 // bytes that a server sends until TLS is up, about
	m := &Mischief{random: rand.New(rand.NewPCG(seed, 3)), below: -1, strikes: map[int]bool{}}
	if m.random.IntN(6) == 0 {
		m.below = m.random.IntN(len(s.Greeting) + opening)
	}
	for range 1 + m.random.IntN(3) {
		turn := m.random.IntN(len(s.Turns) + 2) // the last one comes again
		m.strikes[turn] = true
		m.last = max(m.last, turn)
	}
	return m
}

// Struck is how long the connection has been going wrong without a break, zero
// when it is not.
func (m *Mischief) Struck() time.Duration {
	if m.struck.IsZero() {
		return 0
	}
	return time.Since(m.struck)
}

// Play replays the session and lets it go wrong. After the last strike the
// server answers once more, and leaves.
func (m *Mischief) Play(p *Peer, s Session) {
	if m.below >= 0 {
		p.Spoil(func(to io.Writer) io.Writer { return &offender{m: m, p: p, to: to, at: m.below} })
	}
	p.Secure(s)
	for turn := 0; turn <= m.last+1; turn++ {
		p.Listen()
		said := p.Turn(s, min(turn, len(s.Turns)-1))
		if m.strikes[turn] {
			m.struck = time.Now()
			m.strike(p, s.Kind, said)
			m.struck = time.Time{}
		} else {
			p.Send(said)
		}
	}
}

// offender spoils a stream at one byte.
type offender struct {
	m    *Mischief
	p    *Peer
	to   io.Writer
	at   int
	sent int
}

func (o *offender) Write(b []byte) (int, error) {
	at := o.at - o.sent
	o.sent += len(b)
	if at < 0 || at >= len(b) {
		return o.to.Write(b)
	}
	if _, err := o.to.Write(b[:at]); err != nil {
		return 0, err
	}
	o.m.struck = time.Now()
	if _, err := o.to.Write(o.m.offend(o.p, o.to, bytes.Clone(b[at:]))); err != nil {
		return 0, err
	}
	o.m.struck = time.Time{}
	return len(b), nil
}

// strike sends what the server says, with something wrong in it.
func (m *Mischief) strike(p *Peer, kind schema.Kind, said []byte) {
	at := m.random.IntN(len(said) + 1)
	if m.random.IntN(2) == 0 {
		if messages := split(kind, said); len(messages) > 0 {
			p.Send(m.rearrange(kind, messages))
			return
		}
	}
	p.Send(said[:at])
	p.Send(m.offend(p, p.out, bytes.Clone(said[at:])))
}

// offend spoils the beginning of b, or the connection.
func (m *Mischief) offend(p *Peer, to io.Writer, b []byte) []byte {
	few := min(len(b), 1+m.random.IntN(8))
	switch kind := m.random.IntN(14); kind {
	case 0:
		if len(b) > 0 {
			b[0] ^= 1 << m.random.IntN(8)
		}
	case 1, 2:
		for i := range few {
			b[i] = byte(m.random.IntN(256))
		}
	case 3:
		for i := range b {
			b[i] = byte(m.random.IntN(256))
		}
	case 4:
		return b[few:]
	case 5:
		return append(bytes.Clone(b[:few]), b...)
	case 6:
		return append([]byte{0xff, 0xff, 0xff, byte(m.random.IntN(256))}, b...)
	case 7:
		return append(bytes.Repeat([]byte{byte(m.random.IntN(256))}, 1<<m.random.IntN(18)), b...)
	case 8:
		panic(errLeft) // the connection is closed
	case 9:
		if tcp, ok := rawOf(p.Raw).(*net.TCPConn); ok {
			must(tcp.SetLinger(0)) // and reset
		}
		panic(errLeft)
	case 10, 11:
		p.Silence()
		panic(errLeft)
	case 12:
		m.flood(to, b)
	case 13:
		m.drip(to, b)
	}
	return b
}

func rawOf(conn net.Conn) net.Conn {
	if s, ok := conn.(spoiled); ok {
		return s.Conn
	}
	return conn
}

// flood sends the same again and again until the client leaves.
func (m *Mischief) flood(to io.Writer, b []byte) {
	chunk := bytes.Repeat(append(b, 0), 1+(16<<10)/(len(b)+1))
	for {
		_, err := to.Write(chunk)
		must(err)
	}
}

// drip sends a byte now and then until the client leaves.
func (m *Mischief) drip(to io.Writer, b []byte) {
	tick := time.NewTicker(time.Duration(20+m.random.IntN(280)) * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		<-tick.C
		_, err := to.Write([]byte{append(b, 0)[i%(len(b)+1)]})
		must(err)
	}
}

// split cuts what a server says into its messages.
func split(kind schema.Kind, said []byte) [][]byte {
	var messages [][]byte
	for len(said) > 4 {
		size := 1 + int(binary.BigEndian.Uint32(said[1:]))
		if kind == schema.MySQL {
			size = 4 + int(binary.LittleEndian.Uint32(said)&0xffffff)
		}
		if size > len(said) {
			break
		}
		messages = append(messages, bytes.Clone(said[:size]))
		said = said[size:]
	}
	return messages
}

// rearrange makes whole messages lie, disappear, come twice or out of turn.
func (m *Mischief) rearrange(kind schema.Kind, messages [][]byte) []byte {
	i := m.random.IntN(len(messages))
	j := m.random.IntN(len(messages))
	switch m.random.IntN(6) {
	case 0:
		messages[i] = nil
	case 1:
		messages[i] = bytes.Repeat(messages[i], 2+m.random.IntN(40))
	case 2:
		messages[i], messages[j] = messages[j], messages[i]
	case 3: // a length that lies
		lengths := []uint32{0, 1, 3, 4, 5, 1 << 16, 1<<20 + 1, 8 << 20, 1<<24 - 1, 1 << 30, 1<<31 - 1, 1<<32 - 5}
		setLength(kind, messages[i], lengths[m.random.IntN(len(lengths))])
	case 4: // cut short, with a length that says so
		head := 5
		if kind == schema.MySQL {
			head = 4
		}
		size := head + m.random.IntN(len(messages[i])-head+1)
		messages[i] = messages[i][:size]
		length := uint32(size - 1)
		if kind == schema.MySQL {
			length = uint32(size - head)
		}
		setLength(kind, messages[i], length)
	case 5: // another kind of message, or of packet
		at := 0
		if kind == schema.MySQL && len(messages[i]) > 4 {
			at = 4
		}
		messages[i][at] = byte(m.random.IntN(256))
	}
	return bytes.Join(messages, nil)
}

func setLength(kind schema.Kind, message []byte, length uint32) {
	if kind == schema.MySQL {
		message[0], message[1], message[2] = byte(length), byte(length>>8), byte(length>>16)
		return
	}
	binary.BigEndian.PutUint32(message[1:], length)
}
