package discover

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"flowyte/internal/fault"
)

// maxComment is how much of a comment is kept, in bytes.
const maxComment = 1024

// cells is one row of a catalogue query. A cell that is NULL reads as the zero
// value; one of a type that the query cannot yield makes err, since no server
// is trusted to answer what it was asked.
type cells struct {
	reader *reader
	values []any
	err    error
}

func (c *cells) at(i int) any {
	if i >= len(c.values) {
		c.bad()
		return nil
	}
	return c.values[i]
}

func (c *cells) bad() {
	if c.err == nil {
		c.err = fault.New(fault.ProtocolError)
	}
}

func (c *cells) null(i int) bool { return c.at(i) == nil }

// text is a string that occurs once; shared is one that many rows repeat.
func (c *cells) text(i int) string {
	switch v := c.at(i).(type) {
	case nil:
	case string:
		if !utf8.ValidString(v) {
			c.bad()
		}
		return v
	default:
		c.bad()
	}
	return ""
}

func (c *cells) shared(i int) string { return c.reader.intern(c.text(i)) }

func (c *cells) number(i int) int64 {
	switch v := c.at(i).(type) {
	case nil:
	case int64:
		return v
	case float64:
		return int64(v)
	default:
		c.bad()
	}
	return 0
}

// real is a number that may be a fraction.
func (c *cells) real(i int) float64 {
	if v, ok := c.at(i).(float64); ok {
		return v
	}
	return float64(c.number(i))
}

func (c *cells) optional(i int) *int {
	if c.null(i) {
		return nil
	}
	n := int(c.number(i))
	return &n
}

// flag reads a boolean, which the MySQL family writes as a number.
func (c *cells) flag(i int) bool {
	switch v := c.at(i).(type) {
	case nil:
	case bool:
		return v
	case int64:
		return v != 0
	default:
		c.bad()
	}
	return false
}

func (c *cells) list(i int) []string {
	switch v := c.at(i).(type) {
	case nil:
	case []string:
		return v
	default:
		c.bad()
	}
	return nil
}

// numbers reads a list of numbers apart by spaces.
func (c *cells) numbers(i int) []int {
	var list []int
	for word := range strings.FieldsSeq(c.text(i)) {
		n, err := strconv.Atoi(word)
		if err != nil {
			c.bad()
			return nil
		}
		list = append(list, n)
	}
	return list
}

// comment is what a person wrote about an object, for people: without control
// and direction characters, at most maxComment bytes.
func (c *cells) comment(i int) string {
	text := c.text(i)
	if text == "" {
		return ""
	}
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), r == utf8.RuneError:
			return -1
		}
		return r
	}, text)
	if len(text) > maxComment {
		cut := maxComment
		for !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut]
	}
	return strings.Clone(strings.TrimSpace(text))
}
