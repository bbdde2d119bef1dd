package wire

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	// MaxDepth is how deep objects and arrays may nest.
	MaxDepth = 32
	// maxNumber is how many bytes a number may have; DECIMAL(65,30) fits.
	maxNumber = 256
)

// malformed says why the bytes are not one strict JSON value. The message is
// a fixed phrase.
type malformed struct {
	message string
	offset  int
}

func (m *malformed) Error() string { return fmt.Sprintf("%s (byte %d)", m.message, m.offset) }

var errNotUTF8 = errors.New("must be UTF-8 without a byte order mark")

// scanner walks over a document once. Its position is always at a token.
type scanner struct {
	data  []byte
	pos   int
	depth int
	path  path
}

func (s *scanner) fail(message string) error { return &malformed{message, s.pos} }

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// peek is the next byte, or 0 at the end, which starts no value.
func (s *scanner) peek() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

// end asks for nothing but white space up to the end of the document.
func (s *scanner) end() error {
	s.space()
	if s.pos < len(s.data) {
		return s.fail("there must be nothing after the value")
	}
	return nil
}

// object calls member for each name, with the position at its value.
func (s *scanner) object(member func(name string) error) error {
	if err := s.enter(); err != nil {
		return err
	}
	var names nameSet
	if s.space(); s.peek() == '}' {
		return s.leave()
	}
	for {
		if s.space(); s.peek() != '"' {
			return s.fail("a field name in double quotes is wanted")
		}
		at := s.pos
		name, err := s.text()
		if err != nil {
			return err
		}
		s.path.name(name)
		if !names.add(name) {
			s.pos = at
			return s.fail("the field appears twice")
		}
		if s.space(); s.peek() != ':' {
			return s.fail("a colon is wanted")
		}
		s.pos++
		s.space()
		if err := member(name); err != nil {
			return err
		}
		s.path.pop()
		if more, err := s.more('}'); err != nil || !more {
			return err
		}
	}
}

// array calls element for each index, with the position at its value.
func (s *scanner) array(element func(i int) error) error {
	if err := s.enter(); err != nil {
		return err
	}
	if s.space(); s.peek() == ']' {
		return s.leave()
	}
	for i := 0; ; i++ {
		s.path.index(i)
		s.space()
		if err := element(i); err != nil {
			return err
		}
		s.path.pop()
		if more, err := s.more(']'); err != nil || !more {
			return err
		}
	}
}

func (s *scanner) enter() error {
	if s.depth == MaxDepth {
		return s.fail("values may nest at most " + strconv.Itoa(MaxDepth) + " deep")
	}
	s.depth++
	s.pos++
	return nil
}

func (s *scanner) leave() error {
	s.depth--
	s.pos++
	return nil
}

// more steps over the comma to the next member, or over the closing bracket.
func (s *scanner) more(closing byte) (bool, error) {
	s.space()
	switch s.peek() {
	case ',':
		s.pos++
		return true, nil
	case closing:
		return false, s.leave()
	}
	return false, s.fail("a comma or a closing bracket is wanted")
}

// skip steps over any value and hands its names and strings to judge, which
// may be nil.
func (s *scanner) skip(judge func(text string)) error {
	switch c := s.peek(); {
	case c == '{':
		return s.object(func(name string) error {
			if judge != nil {
				judge(name)
			}
			return s.skip(judge)
		})
	case c == '[':
		return s.array(func(int) error { return s.skip(judge) })
	case c == '"':
		text, err := s.text()
		if err == nil && judge != nil {
			judge(text)
		}
		return err
	case c == '-' || c >= '0' && c <= '9':
		_, err := s.number()
		return err
	case c == 't':
		return s.literal("true")
	case c == 'f':
		return s.literal("false")
	case c == 'n':
		return s.literal("null")
	}
	return s.fail("a JSON value is wanted")
}

func (s *scanner) literal(word string) error {
	end := s.pos + len(word)
	if end > len(s.data) || string(s.data[s.pos:end]) != word {
		return s.fail("a JSON value is wanted")
	}
	s.pos = end
	return nil
}

// number is the text of a number as it stands in the document.
func (s *scanner) number() (string, error) {
	start := s.pos
	if s.peek() == '-' {
		s.pos++
	}
	if s.peek() == '0' {
		s.pos++ // nothing but a point or an exponent may follow
	} else if !s.digits() {
		return "", s.fail("a digit is wanted")
	}
	if s.peek() == '.' {
		s.pos++
		if !s.digits() {
			return "", s.fail("a digit is wanted after the point")
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.pos++
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		if !s.digits() {
			return "", s.fail("a digit is wanted in the exponent")
		}
	}
	if s.pos-start > maxNumber {
		return "", s.fail("a number may have at most " + strconv.Itoa(maxNumber) + " characters")
	}
	return string(s.data[start:s.pos]), nil
}

func (s *scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.data) && s.data[s.pos] >= '0' && s.data[s.pos] <= '9' {
		s.pos++
	}
	return s.pos > start
}

// text is the value of a string. The document is known to be UTF-8.
func (s *scanner) text() (string, error) {
	s.pos++ // the opening quote
	start := s.pos
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; {
		case c == '"':
			s.pos++
			return string(s.data[start : s.pos-1]), nil
		case c == '\\':
			return s.escaped(start)
		case c < ' ':
			return "", s.fail("a control character in a string must be escaped")
		default:
			s.pos++
		}
	}
	return "", s.fail("a string is not closed")
}

// escaped goes on with text at its first backslash.
func (s *scanner) escaped(start int) (string, error) {
	out := append(make([]byte, 0, s.pos-start+64), s.data[start:s.pos]...)
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; {
		case c == '"':
			s.pos++
			return string(out), nil
		case c == '\\':
			s.pos++
			r, err := s.escape()
			if err != nil {
				return "", err
			}
			out = utf8.AppendRune(out, r)
		case c < ' ':
			return "", s.fail("a control character in a string must be escaped")
		default:
			out = append(out, c)
			s.pos++
		}
	}
	return "", s.fail("a string is not closed")
}

var shortEscapes = map[byte]rune{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escape reads what follows a backslash.
func (s *scanner) escape() (rune, error) {
	c := s.peek()
	if r, ok := shortEscapes[c]; ok {
		s.pos++
		return r, nil
	}
	if c != 'u' {
		return 0, s.fail("this escape does not exist in JSON")
	}
	r, err := s.hex()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	if s.peek() == '\\' {
		if s.pos++; s.peek() == 'u' {
			low, err := s.hex()
			if err != nil {
				return 0, err
			}
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				return pair, nil
			}
		}
	}
	return 0, s.fail("half of a surrogate pair stands alone")
}

// hex reads the u and four digits of an escape.
func (s *scanner) hex() (rune, error) {
	s.pos++
	if s.pos+4 > len(s.data) {
		return 0, s.fail("four hexadecimal digits are wanted")
	}
	var r rune
	for _, c := range s.data[s.pos : s.pos+4] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, s.fail("four hexadecimal digits are wanted")
		}
	}
	s.pos += 4
	return r, nil
}

// nameSet finds duplicates among the names of one object. Most objects are
// small, so that a list beats a map.
type nameSet struct {
	few  []string
	many map[string]struct{}
}

func (n *nameSet) add(name string) bool {
	if n.many != nil {
		if _, twice := n.many[name]; twice {
			return false
		}
		n.many[name] = struct{}{}
		return true
	}
	if slices.Contains(n.few, name) {
		return false
	}
	n.few = append(n.few, name)
	if len(n.few) > 16 {
		n.many = make(map[string]struct{}, 4*len(n.few))
		for _, name := range n.few {
			n.many[name] = struct{}{}
		}
	}
	return true
}
