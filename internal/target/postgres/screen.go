package postgres

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"

	"flowyte/internal/fault"
)

const (
	// maxGreeting bounds one message before the server is ready. Error
	// messages are the longest that honest servers send.
	maxGreeting = 64 << 10
	// maxGreetings bounds how many there are.
	maxGreetings = 256
	// maxStatuses and maxStatus bound the ParameterStatus messages of a
	// session's whole life, in number and in bytes of each: the driver keeps
	// the latest of each name for as long.
	maxStatuses = 1024
	maxStatus   = 4 << 10
	// maxIterations bounds the work that a server may ask of us to prove the
	// password, about 50 ms. PostgreSQL's default is 4096.
	maxIterations = 100_000
)

// Authentication requests, by number.
const (
	authOK           = 0
	authSASL         = 10
	authSASLContinue = 11
	authSASLFinal    = 12
)

// answers are the kinds of messages that a server has for us once it is ready.
// Copies, calls of functions and further authentication are never asked for,
// and would be waited for or replied to.
var answers = []byte("123ACDEINSTZnt")

// screen reads a server's messages before the driver does. Until the server is
// ready it takes them whole and refuses what may not come: another way to
// authenticate than SCRAM, a success that was not proven, more iterations than
// a password is worth. From then on it lets bytes through and follows the
// frames only, to bound what the driver keeps.
//
// Its errors are faults, and reach the caller through the driver.
type screen struct {
	r     io.Reader
	judge bool   // still before ready
	whole []byte // the judged message, header included
	next  []byte // what is left of whole for the driver

	challenged bool // the server has asked us to prove the password
	proven     bool // the server has shown that it knows it, too
	greetings  int
	statuses   int

	header [5]byte
	have   int // bytes of header read
	body   int // bytes of the present message still to come
}

func newScreen(r io.Reader) *screen { return &screen{r: r, judge: true} }

// Read implements io.Reader.
func (s *screen) Read(b []byte) (int, error) {
	if len(s.next) == 0 && s.judge {
		if err := s.receive(); err != nil {
			return 0, err
		}
	}
	if len(s.next) > 0 {
		n := copy(b, s.next)
		s.next = s.next[n:]
		return n, nil
	}
	n, err := s.r.Read(b)
	if bad := s.follow(b[:n]); bad != nil {
		return 0, bad
	}
	return n, err
}

// receive takes one message and judges it. It reads no byte beyond.
func (s *screen) receive() error {
	if _, err := io.ReadFull(s.r, s.header[:]); err != nil {
		return err
	}
	length := int64(binary.BigEndian.Uint32(s.header[1:]))
	if length < 4 || length > maxGreeting {
		return violation("a message of %d bytes before ready", length)
	}
	if s.greetings++; s.greetings > maxGreetings {
		return violation("too many messages before ready")
	}
	s.whole = append(s.whole[:0], s.header[:]...)
	s.whole = append(s.whole, make([]byte, length-4)...)
	body := s.whole[len(s.header):]
	if _, err := io.ReadFull(s.r, body); err != nil {
		return err
	}
	if err := s.admit(s.header[0], body); err != nil {
		return err
	}
	s.next = s.whole
	return nil
}

func (s *screen) admit(kind byte, body []byte) error {
	switch kind {
	case 'R':
		return s.authentication(body)
	case 'S':
		return s.status(len(body))
	case 'Z':
		s.judge = false
		s.header, s.have = [5]byte{}, 0
		return nil
	case 'E', 'K', 'N':
		return nil
	}
	return violation("message %q before ready", kind)
}

// status counts a parameter report.
func (s *screen) status(length int) error {
	if s.statuses++; s.statuses > maxStatuses || length > maxStatus {
		return violation("too many parameter reports, or one of %d bytes", length)
	}
	return nil
}

func (s *screen) authentication(body []byte) error {
	if len(body) < 4 {
		return violation("a short authentication request")
	}
	method, data := binary.BigEndian.Uint32(body), body[4:]
	switch method {
	case authSASL:
		for _, name := range bytes.Split(data, []byte{0}) {
			if string(name) == "SCRAM-SHA-256" {
				return nil
			}
		}
	case authSASLContinue:
		if s.challenged {
			// Each challenge costs us the iterations anew.
			return violation("a second challenge")
		}
		s.challenged = true
		return affordable(data)
	case authSASLFinal:
		// The driver verifies the signature before it asks for more bytes.
		s.proven = true
		return nil
	case authOK:
		if s.proven {
			return nil
		}
	}
	return fault.Wrap(fault.AuthMethodRefused, fmt.Errorf("postgres: authentication request %d", method))
}

// affordable judges the SCRAM challenge r=nonce,s=salt,i=iterations.
func affordable(challenge []byte) error {
	var salt, iterations []byte
	for _, attribute := range bytes.Split(challenge, []byte{','}) {
		if rest, ok := bytes.CutPrefix(attribute, []byte("s=")); ok {
			salt = rest
		} else if rest, ok := bytes.CutPrefix(attribute, []byte("i=")); ok {
			iterations = rest
		}
	}
	n, err := strconv.ParseUint(string(iterations), 10, 32)
	switch {
	case err != nil || n == 0 || len(salt) == 0:
		return violation("a malformed challenge")
	case n > maxIterations:
		return violation("a challenge that costs more than a password is worth")
	}
	return nil
}

// follow walks the frames in p.
func (s *screen) follow(p []byte) error {
	for len(p) > 0 {
		if s.body > 0 {
			n := min(s.body, len(p))
			s.body -= n
			p = p[n:]
			continue
		}
		n := copy(s.header[s.have:], p)
		s.have += n
		p = p[n:]
		if s.have < len(s.header) {
			return nil
		}
		s.have = 0
		length := int64(binary.BigEndian.Uint32(s.header[1:]))
		if length < 4 || length > maxMessage {
			return violation("a message of %d bytes", length)
		}
		if bytes.IndexByte(answers, s.header[0]) < 0 {
			return violation("message %q in answer to a statement", s.header[0])
		}
		s.body = int(length) - 4
		if s.header[0] == 'S' {
			if err := s.status(s.body); err != nil {
				return err
			}
		}
	}
	return nil
}

// idle tells whether the last that the server said is that it waits for us.
func (s *screen) idle() bool { return s.header[0] == 'Z' && s.have == 0 && s.body == 0 }

func violation(format string, args ...any) error {
	return fault.Wrap(fault.ProtocolError, errors.New("postgres: "+fmt.Sprintf(format, args...)))
}
