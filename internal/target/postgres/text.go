package postgres

import (
	"bytes"
	"strings"
	"unicode"
)

// The object identifiers of the built-in types that need a hand.
const (
	oidBool        = 16
	oidInt8        = 20
	oidInt2        = 21
	oidInt2Vector  = 22
	oidInt4        = 23
	oidOID         = 26
	oidXID         = 28
	oidOIDVector   = 30
	oidFloat4      = 700
	oidFloat8      = 701
	oidBoolArray   = 1000
	oidCharArray   = 1002
	oidNameArray   = 1003
	oidInt2Array   = 1005
	oidInt4Array   = 1007
	oidTextArray   = 1009
	oidVarchars    = 1015
	oidInt8Array   = 1016
	oidOIDArray    = 1028
	oidFixedText   = 1042
	oidTimestamp   = 1114
	oidTimestampTZ = 1184
	oidTimeTZ      = 1266
)

// conversion is what turns the server's text into the canonical one.
type conversion byte

const (
	asIs conversion = iota
	boolean
	timestamp
	zonedTimestamp
	zonedTime
	fixedText
)

func conversionOf(oid uint32) conversion {
	switch oid {
	case oidBool:
		return boolean
	case oidTimestamp:
		return timestamp
	case oidTimestampTZ:
		return zonedTimestamp
	case oidTimeTZ:
		return zonedTime
	case oidFixedText:
		return fixedText
	}
	return asIs
}

var (
	textTrue  = []byte("true")
	textFalse = []byte("false")
	zeroZone  = []byte("+00")
)

// apply converts one cell, in place where it can. The only error is the fault
// protocol_error, for a server that does not keep to the settings it agreed to.
func (c conversion) apply(cell []byte) ([]byte, error) {
	switch c {
	case boolean:
		switch {
		case len(cell) == 1 && cell[0] == 't':
			return textTrue, nil
		case len(cell) == 1 && cell[0] == 'f':
			return textFalse, nil
		}
		return nil, violation("a boolean that is neither t nor f")
	case timestamp:
		return isoMoment(cell), nil
	case zonedTimestamp:
		if beyondISO(cell) {
			return cell, nil
		}
		bare, ok := bytes.CutSuffix(cell, zeroZone)
		if !ok {
			return nil, violation("a time stamp outside UTC")
		}
		return append(isoMoment(bare), 'Z'), nil
	case zonedTime:
		if bare, ok := bytes.CutSuffix(cell, zeroZone); ok {
			return append(bare, 'Z'), nil
		}
	case fixedText: // the blanks that fill it up are no part of it
		return bytes.TrimRight(cell, " "), nil
	}
	return cell, nil
}

// isoMoment puts the T of ISO 8601 between date and time: "2006-01-02 15:04:05".
// What is not of that form (infinity, five-digit years, BC) stays.
func isoMoment(cell []byte) []byte {
	const dateLen = len("2006-01-02")
	if !beyondISO(cell) && len(cell) > dateLen && cell[dateLen] == ' ' {
		cell[dateLen] = 'T'
	}
	return cell
}

// beyondISO recognises moments that the canonical form cannot say.
func beyondISO(cell []byte) bool {
	return len(cell) < 5 || cell[4] != '-' || bytes.HasSuffix(cell, []byte(" BC"))
}

// appendArray appends PostgreSQL's text form of a one-dimensional array.
// Every element is quoted, so none of them is NULL or empty by accident.
func appendArray(dst []byte, elements []string) []byte {
	dst = append(dst, '{')
	for i, e := range elements {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '"')
		for j := range len(e) {
			if e[j] == '"' || e[j] == '\\' {
				dst = append(dst, '\\')
			}
			dst = append(dst, e[j])
		}
		dst = append(dst, '"')
	}
	return append(dst, '}')
}

// parseArray reads the text form of a one-dimensional array; NULL elements
// become "". The only error is the fault protocol_error.
func parseArray(text string) ([]string, error) {
	if strings.HasPrefix(text, "[") { // unusual bounds are written before it
		_, text, _ = strings.Cut(text, "=")
	}
	inner, ok := strings.CutPrefix(text, "{")
	if !ok {
		return nil, violation("an array that does not begin")
	}
	elements := []string{}
	if inner == "}" {
		return elements, nil
	}
	for {
		element, rest, err := parseElement(inner)
		if err != nil {
			return nil, err
		}
		elements = append(elements, element)
		switch {
		case rest == "}":
			return elements, nil
		case strings.HasPrefix(rest, ","):
			inner = rest[1:]
		default:
			return nil, violation("an array that does not end")
		}
	}
}

// parseElement reads up to the comma or brace that ends an element.
func parseElement(s string) (element, rest string, err error) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, `,}`)
		if end < 0 || strings.ContainsAny(s[:end], `{"\`) {
			return "", "", violation("a malformed array")
		}
		if element = s[:end]; element == "NULL" {
			element = ""
		}
		return element, s[end:], nil
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], nil
		case '\\':
			if i++; i == len(s) {
				return "", "", violation("a malformed array")
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", violation("a malformed array")
}

// clean makes a server's text safe to show: valid UTF-8, without control
// characters or those that change how text reads without being seen, and at
// most limit bytes.
func clean(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "")
	}
	return text
}
