package live

import (
	"errors"
	"strconv"
	"time"
	"unicode/utf8"

	"flowyte/internal/plan"
	"flowyte/internal/schema"
)

// Limits on what goes back to the model; contract §5.1.
const (
	maxTextRunes   = 500
	maxResultBytes = 4096
	// minTextRunes is how far the texts of a single over-long row are cut
	// before the row is given up.
	minTextRunes = 15
)

// leaf is one column of the answer, prepared at publish.
type leaf struct {
	key  []byte // `"name":`
	kind leafKind
}

type leafKind uint8

const (
	leafText leafKind = iota
	leafInteger
	leafFloat
	leafBoolean
	leafZoned  // datetime with zone
	leafPlain  // digits and separators only: quoted without escaping
	leafString // decimals: quoted
)

func (t *Tool) prepare() {
	t.leaves = make([]leaf, len(t.Plan.Results))
	for i := range t.Plan.Results {
		r := &t.Plan.Results[i]
		key := appendString(nil, r.Leaf, maxTextRunes)
		t.leaves[i] = leaf{key: append(key, ':'), kind: leafKindOf(&r.Type)}
	}
}

func leafKindOf(v *plan.ValueType) leafKind {
	switch v.Type {
	case schema.Integer:
		return leafInteger
	case schema.Number:
		switch v.BaseType {
		case "float4", "float8", "float", "double":
			return leafFloat
		}
		return leafString
	case schema.Boolean:
		return leafBoolean
	case schema.DateTime:
		if v.Zoned {
			return leafZoned
		}
		return leafPlain
	case schema.Date, schema.UUID:
		return leafPlain
	}
	return leafText
}

// errEnough ends a read whose further rows would not be shown anyway.
var errEnough = errors.New("live: result is full")

// shaper turns rows into the bytes of a result as they arrive:
// {"rows":[…],"rowCount":n,"truncated":false}.
type shaper struct {
	leaves    []leaf
	maxRows   int
	location  *time.Location
	buf       []byte
	rows      int
	truncated bool
}

const (
	shapeHead = `{"rows":[`
	// shapeTail is the longest tail: `],"rowCount":25,"truncated":false}`.
	shapeTail = 40
)

func newShaper(t *Tool, location *time.Location) *shaper {
	s := &shaper{leaves: t.leaves, maxRows: t.Plan.MaxRows, location: location}
	s.buf = append(make([]byte, 0, 512), shapeHead...)
	return s
}

// Row implements target.RowSink.
func (s *shaper) Row(cells [][]byte) error {
	if s.rows >= s.maxRows {
		s.truncated = true
		return errEnough
	}
	start := len(s.buf)
	for limit := maxTextRunes; ; limit /= 2 {
		s.buf = s.buf[:start]
		cut := s.appendRow(cells, limit)
		if len(s.buf)+shapeTail <= maxResultBytes {
			s.truncated = s.truncated || cut
			s.rows++
			return nil
		}
		// Only a first row is squeezed: a later one is left out whole.
		if s.rows > 0 || limit <= minTextRunes {
			s.buf = s.buf[:start]
			s.truncated = true
			return errEnough
		}
	}
}

func (s *shaper) appendRow(cells [][]byte, limit int) (cut bool) {
	if s.rows > 0 {
		s.buf = append(s.buf, ',')
	}
	s.buf = append(s.buf, '{')
	for i := range s.leaves {
		if i > 0 {
			s.buf = append(s.buf, ',')
		}
		s.buf = append(s.buf, s.leaves[i].key...)
		var c bool
		s.buf, c = s.leaves[i].append(s.buf, cells[i], limit, s.location)
		cut = cut || c
	}
	s.buf = append(s.buf, '}')
	return cut
}

// bytes finishes the result.
func (s *shaper) bytes() []byte {
	s.buf = append(s.buf, `],"rowCount":`...)
	s.buf = strconv.AppendInt(s.buf, int64(s.rows), 10)
	s.buf = append(s.buf, `,"truncated":`...)
	s.buf = strconv.AppendBool(s.buf, s.truncated)
	return append(s.buf, '}')
}

// append writes one cell. cut tells that text was left out.
func (l *leaf) append(b, cell []byte, limit int, loc *time.Location) (out []byte, cut bool) {
	if cell == nil {
		return append(b, "null"...), false
	}
	switch l.kind {
	case leafInteger:
		if exactInteger(cell) {
			return append(b, cell...), false
		}
	case leafFloat:
		if jsonNumber(cell) {
			return append(b, cell...), false
		}
	case leafBoolean:
		switch string(cell) {
		case "true", "false":
			return append(b, cell...), false
		}
	case leafZoned:
		if t, err := time.Parse(time.RFC3339Nano, string(cell)); err == nil {
			b = append(b, '"')
			b = t.In(loc).AppendFormat(b, time.RFC3339Nano)
			return append(b, '"'), false
		}
	}
	return appendText(b, cell, limit)
}

// exactInteger tells whether the digits are an integer that every JSON reader
// keeps exactly: at most 2^53 in size. Larger ones go out as strings.
func exactInteger(c []byte) bool {
	if len(c) == 0 || len(c) > 17 {
		return false
	}
	n, err := strconv.ParseInt(string(c), 10, 64)
	return err == nil && n >= -(1<<53) && n <= 1<<53
}

// jsonNumber tells whether the text is a JSON number as it stands; NaN and
// Infinity are not.
func jsonNumber(c []byte) bool {
	if len(c) == 0 || len(c) > 32 {
		return false
	}
	i := 0
	if c[0] == '-' {
		i++
	}
	if i >= len(c) || c[i] < '0' || c[i] > '9' {
		return false
	}
	if c[i] == '0' && i+1 < len(c) && c[i+1] >= '0' && c[i+1] <= '9' {
		return false
	}
	_, err := strconv.ParseFloat(string(c), 64)
	return err == nil && c[len(c)-1] != '.'
}

func appendString(b []byte, s string, limit int) []byte {
	b, _ = appendText(b, []byte(s), limit)
	return b
}

const hex = "0123456789abcdef"

// appendText writes text as a JSON string. It is data from a stranger that a
// model will read: control characters and marks that reorder or hide text are
// dropped, invalid UTF-8 is replaced, angle brackets and ampersands are escaped
// so that no markup survives, and anything over limit runes ends in an ellipsis.
func appendText(b, text []byte, limit int) (out []byte, cut bool) {
	b = append(b, '"')
	n := 0
	for i := 0; i < len(text); {
		if n == limit {
			return append(b, "…\""...), true
		}
		c := text[i]
		if c < utf8.RuneSelf {
			i++
			if c >= 0x20 && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&' && c != 0x7f {
				b = append(b, c)
				n++
				continue
			}
			switch c {
			case '"', '\\':
				b = append(b, '\\', c)
			case '\n':
				b = append(b, '\\', 'n')
			case '\t':
				b = append(b, '\\', 't')
			case '<', '>', '&':
				b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			default:
				continue
			}
			n++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		i += size
		if hidden(r) {
			continue
		}
		b = utf8.AppendRune(b, r)
		n++
	}
	return append(b, '"'), false
}

// hidden tells whether a rune changes how text reads without being seen.
func hidden(r rune) bool {
	switch {
	case r >= 0x80 && r <= 0x9f: // C1 controls
		return true
	case r == 0x00ad, r == 0x061c, r == 0x180e, r == 0xfeff:
		return true
	case r >= 0x200b && r <= 0x200f: // zero width and direction marks
		return true
	case r >= 0x2028 && r <= 0x202e: // separators and bidi embeddings
		return true
	case r >= 0x2060 && r <= 0x206f: // joiners and bidi isolates
		return true
	case r >= 0xfff9 && r <= 0xfffb:
		return true
	case r >= 0xe0000 && r <= 0xe007f: // tags
		return true
	}
	return false
}
