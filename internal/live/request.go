package live

import (
	"slices"
	"strings"
	"unicode/utf8"

	"flowyte/api"
	"flowyte/internal/fault"
	"flowyte/internal/wire"
)

// Limits of a request's names, in characters.
const (
	maxToolCallID = 128
	maxTool       = 64
)

// ParseRequest reads the body of a tool call (api.ToolCallRequest) by the rules
// of package wire. The error is a fault: invalid_json or invalid_request, with
// the fields that are wrong. Args point into body.
//
// Bodies as clients write them, flat and without escapes, are read here in one
// pass. Anything else, and everything that is wrong, goes to wire, so that
// there is one place that judges and words it.
func ParseRequest(body []byte) (Request, error) {
	r, ok := scanRequest(body)
	if !ok {
		var err error
		if r, err = decodeRequest(body); err != nil {
			return Request{}, err
		}
	}
	if err := checkLengths(&r); err != nil {
		return Request{}, err
	}
	return r, nil
}

func checkLengths(r *Request) error {
	id, tool := utf8.RuneCountInString(r.ToolCallID), utf8.RuneCountInString(r.Tool)
	idOK, toolOK := id >= 1 && id <= maxToolCallID, tool >= 1 && tool <= maxTool
	if idOK && toolOK {
		return nil
	}
	bad := fault.New(fault.InvalidRequest)
	if !idOK {
		bad.WithField("toolCallId", "must have from 1 to %d characters", maxToolCallID)
	}
	if !toolOK {
		bad.WithField("tool", "must have from 1 to %d characters", maxTool)
	}
	return bad
}

func decodeRequest(body []byte) (Request, error) {
	var in api.ToolCallRequest
	if err := wire.Decode(body, &in); err != nil {
		return Request{}, err
	}
	r := Request{ToolCallID: in.ToolCallID, Tool: in.Tool, ConfirmationToken: in.ConfirmationToken}
	for name, raw := range in.Arguments {
		r.Args = append(r.Args, Arg{Name: name, Raw: raw})
	}
	slices.SortFunc(r.Args, func(a, b Arg) int { return strings.Compare(a.Name, b.Name) })
	return r, nil
}

// requestScanner reads the plain form of a request. It gives up, which is no
// judgement, at the first byte that is not of that form.
type requestScanner struct {
	b   []byte
	pos int
}

// The fields of a request, as bits.
const (
	hasToolCallID = 1 << iota
	hasTool
	hasArguments
	hasToken
	hasRequired = hasToolCallID | hasTool
)

func scanRequest(body []byte) (r Request, ok bool) {
	if !utf8.Valid(body) {
		return r, false
	}
	s := requestScanner{b: body}
	s.space()
	seen := 0
	ok = s.members(func(name []byte) bool {
		field, ok := 0, false
		switch string(name) {
		case "toolCallId":
			field = hasToolCallID
			r.ToolCallID, ok = s.text()
		case "tool":
			field = hasTool
			r.Tool, ok = s.text()
		case "confirmationToken":
			field = hasToken
			r.ConfirmationToken, ok = s.text()
		case "arguments":
			field = hasArguments
			r.Args, ok = s.arguments()
		}
		ok = ok && seen&field == 0
		seen |= field
		return ok
	})
	s.space()
	return r, ok && s.pos == len(body) && seen&hasRequired == hasRequired
}

// members reads an object. value is called at each value and steps over it.
func (s *requestScanner) members(value func(name []byte) bool) bool {
	if !s.next('{') {
		return false
	}
	if s.space(); s.next('}') {
		return true
	}
	for {
		s.space()
		name, ok := s.plain()
		if !ok {
			return false
		}
		if s.space(); !s.next(':') {
			return false
		}
		if s.space(); !value(name) {
			return false
		}
		if s.space(); s.next('}') {
			return true
		}
		if !s.next(',') {
			return false
		}
	}
}

// maxScanned is how many arguments are compared for duplicates here.
const maxScanned = 16

func (s *requestScanner) arguments() (args []Arg, ok bool) {
	ok = s.members(func(name []byte) bool {
		start := s.pos
		if len(args) == maxScanned || !s.scalar() {
			return false
		}
		for i := range args {
			if args[i].Name == string(name) {
				return false
			}
		}
		args = append(args, Arg{Name: string(name), Raw: s.b[start:s.pos:s.pos]})
		return true
	})
	return args, ok
}

func (s *requestScanner) space() {
	for s.pos < len(s.b) {
		switch s.b[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

func (s *requestScanner) next(c byte) bool {
	if s.pos < len(s.b) && s.b[s.pos] == c {
		s.pos++
		return true
	}
	return false
}

// plain reads a string without escapes and control characters, within the
// length that every string may have.
func (s *requestScanner) plain() (text []byte, ok bool) {
	if !s.next('"') {
		return nil, false
	}
	start := s.pos
	for ; s.pos < len(s.b); s.pos++ {
		switch c := s.b[s.pos]; {
		case c == '"':
			text = s.b[start:s.pos]
			s.pos++
			return text, len(text) <= wire.DefaultMax
		case c == '\\' || c < 0x20 || c == 0x7f:
			return nil, false
		case c == 0xc2 && s.b[s.pos+1] < 0xa0: // a control character beyond ASCII
			return nil, false
		}
	}
	return nil, false
}

func (s *requestScanner) text() (string, bool) {
	text, ok := s.plain()
	return string(text), ok
}

// maxNumber is the length up to which a number needs no closer look.
const maxNumber = 64

// scalar steps over a string, a number, true, false or null.
func (s *requestScanner) scalar() bool {
	if s.pos == len(s.b) {
		return false
	}
	switch s.b[s.pos] {
	case '"':
		_, ok := s.plain()
		return ok
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	}
	start := s.pos
	for s.pos < len(s.b) && isNumberByte(s.b[s.pos]) {
		s.pos++
	}
	return s.pos-start <= maxNumber && jsonNumber(s.b[start:s.pos])
}

func isNumberByte(c byte) bool {
	return c >= '0' && c <= '9' || c == '-' || c == '+' || c == '.' || c|0x20 == 'e'
}

func (s *requestScanner) word(w string) bool {
	if len(s.b)-s.pos < len(w) || string(s.b[s.pos:s.pos+len(w)]) != w {
		return false
	}
	s.pos += len(w)
	return true
}
