package live

import (
	"bytes"
	"errors"
	"strconv"
	"time"

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
	leafText leafKind = iota // also decimals, dates and what else goes out as it came
	leafInteger
	leafFloat
	leafBoolean
	leafZoned // datetime with zone
)

func leavesOf(results []plan.Result) []leaf {
	leaves := make([]leaf, len(results))
	for i := range results {
		leaves[i] = leaf{key: append(appendExact(nil, results[i].Leaf), ':'), kind: leafKindOf(&results[i].Type)}
	}
	return leaves
}

func leafKindOf(v *plan.ValueType) leafKind {
	switch v.Type {
	case schema.Integer:
		return leafInteger
	case schema.Number:
		switch v.BaseType {
		case "float4", "float8", "float", "double", "double precision", "real":
			return leafFloat
		}
	case schema.Boolean:
		return leafBoolean
	case schema.DateTime:
		if v.Zoned {
			return leafZoned
		}
	}
	return leafText
}

var (
	// errEnough ends a read whose further rows would not be shown anyway.
	errEnough = errors.New("live: the result is full")
	// errCells is a bug: the adapter compares the columns with the plan.
	errCells = errors.New("live: a row without the plan's columns")
)

// shaper turns rows into the bytes of a result as they arrive:
// {"rows":[…],"rowCount":n,"truncated":false}.
type shaper struct {
	leaves    []leaf
	maxRows   int
	location  *time.Location
	buf       []byte // used again by the next call
	rows      int
	truncated bool
}

const (
	shapeHead = `{"rows":[`
	// shapeTail is more than the longest tail, `],"rowCount":25,"truncated":false}`.
	shapeTail = 40
)

// begin readies the shaper for a call.
func (s *shaper) begin(t *Tool, location *time.Location) {
	*s = shaper{leaves: t.leaves, maxRows: t.Plan.MaxRows, location: location, buf: append(s.buf[:0], shapeHead...)}
}

// Row implements target.RowSink.
func (s *shaper) Row(cells [][]byte) error {
	if len(cells) != len(s.leaves) {
		return errCells
	}
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

// result is a copy of the bytes, complete.
func (s *shaper) result() []byte {
	s.buf = append(s.buf, `],"rowCount":`...)
	s.buf = strconv.AppendInt(s.buf, int64(s.rows), 10)
	s.buf = append(s.buf, `,"truncated":`...)
	s.buf = strconv.AppendBool(s.buf, s.truncated)
	s.buf = append(s.buf, '}')
	return bytes.Clone(s.buf)
}

// append writes one cell. What is not of the form that its type promises goes
// out as text. cut tells that text was left out.
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
		if s := string(cell); s == "true" || s == "false" {
			return append(b, cell...), false
		}
	case leafZoned:
		if t, err := time.Parse(time.RFC3339Nano, string(cell)); err == nil {
			return appendMoment(b, t, loc), false
		}
	}
	return appendText(b, cell, limit)
}

// appendMoment writes a moment as clocks in loc show it. RFC 3339 knows neither
// the year 10000 nor the seconds in the offsets of long ago: those are in UTC.
func appendMoment(b []byte, t time.Time, loc *time.Location) []byte {
	local := t.In(loc)
	if _, offset := local.Zone(); offset%60 != 0 || local.Year() < 0 || local.Year() > 9999 {
		local = t.UTC()
	}
	b = append(b, '"')
	b = local.AppendFormat(b, time.RFC3339Nano)
	return append(b, '"')
}

// exactInteger tells whether the digits are an integer as JSON writes it that
// every reader keeps exactly: at most 2^53 in size. Others go out as strings.
func exactInteger(c []byte) bool {
	if len(c) > len("-9007199254740992") {
		return false
	}
	n, err := strconv.ParseInt(string(c), 10, 64)
	var again [24]byte
	return err == nil && n >= -(1<<53) && n <= 1<<53 && string(strconv.AppendInt(again[:0], n, 10)) == string(c)
}

// digits counts the decimal digits from i on.
func digits(c []byte, i int) int {
	n := 0
	for i+n < len(c) && c[i+n] >= '0' && c[i+n] <= '9' {
		n++
	}
	return n
}

// jsonNumber tells whether the text is a JSON number as it stands, and one that
// a double holds; NaN and Infinity are not.
func jsonNumber(c []byte) bool {
	i := 0
	if len(c) > 0 && c[0] == '-' {
		i++
	}
	whole := digits(c, i)
	if whole == 0 || whole > 1 && c[i] == '0' || len(c) > 400 {
		return false
	}
	i += whole
	if i < len(c) && c[i] == '.' {
		n := digits(c, i+1)
		if n == 0 {
			return false
		}
		i += 1 + n
	}
	if i < len(c) && c[i]|0x20 == 'e' {
		i++
		if i < len(c) && (c[i] == '+' || c[i] == '-') {
			i++
		}
		n := digits(c, i)
		if n == 0 {
			return false
		}
		i += n
	}
	if i != len(c) {
		return false
	}
	_, err := strconv.ParseFloat(string(c), 64)
	return err == nil
}
