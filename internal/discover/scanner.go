package discover

import "strings"

// tokenKind is what a scanner found.
type tokenKind int

const (
	symbol        tokenKind = iota // one character that belongs to nothing else
	word                           // a bare name, keyword or number
	quotedName                     // `name`
	stringLiteral                  // 'text'
)

// scanner splits SQL as the MySQL family writes it in its own catalogue: names
// in backticks, strings in quotes, a quote doubled or escaped by a backslash.
type scanner struct {
	rest string
	kind tokenKind
	text string // without quotes and escapes
	// unclosed: a quote was opened and the text ended before it was closed.
	unclosed bool
}

func newScanner(sql string) *scanner { return &scanner{rest: sql} }

// next moves to the next token, false at the end. White space is skipped.
func (s *scanner) next() bool {
	s.rest = strings.TrimLeft(s.rest, " \t\r\n")
	if s.rest == "" {
		return false
	}
	switch first := s.rest[0]; {
	case first == '`' || first == '\'' || first == '"':
		s.quoted(first)
	case wordByte(first):
		n := 1
		for n < len(s.rest) && wordByte(s.rest[n]) {
			n++
		}
		s.kind, s.text, s.rest = word, s.rest[:n], s.rest[n:]
	default:
		s.kind, s.text, s.rest = symbol, s.rest[:1], s.rest[1:]
	}
	return true
}

func (s *scanner) quoted(quote byte) {
	s.kind = stringLiteral
	if quote == '`' {
		s.kind = quotedName
	}
	var text strings.Builder
	i := 1
	for i < len(s.rest) {
		switch b := s.rest[i]; {
		case b == quote && i+1 < len(s.rest) && s.rest[i+1] == quote:
			text.WriteByte(quote)
			i += 2
			continue
		case b == quote:
			s.text, s.rest = text.String(), s.rest[i+1:]
			return
		case b == '\\' && quote != '`' && i+1 < len(s.rest):
			text.WriteByte(escaped(s.rest[i+1]))
			i += 2
			continue
		default:
			text.WriteByte(b)
			i++
		}
	}
	s.text, s.rest, s.unclosed = text.String(), "", true
}

func wordByte(b byte) bool {
	return b == '_' || b == '$' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= 0x80
}

// escaped is the character that a backslash and b stand for.
func escaped(b byte) byte {
	switch b {
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case '0':
		return 0
	}
	return b
}

// unescaped undoes one level of backslashes over a whole text: MySQL keeps the
// expressions of generated columns and of functional indexes so.
func unescaped(sql string) string {
	if !strings.Contains(sql, "\\") {
		return sql
	}
	var text strings.Builder
	for i := 0; i < len(sql); i++ {
		if sql[i] == '\\' && i+1 < len(sql) {
			i++
			text.WriteByte(escaped(sql[i]))
			continue
		}
		text.WriteByte(sql[i])
	}
	return text.String()
}
