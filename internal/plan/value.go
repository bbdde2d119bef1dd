package plan

import (
	"slices"
	"strings"
	"time"

	"flowyte/internal/schema"
)

// MaxValueBytes is the longest argument that is looked at.
const MaxValueBytes = 4096

// What is wanted of a value that was refused. The phrases are fixed: they
// never repeat what was sent.
const (
	WantText         = "a text that is not empty"
	WantVisibleText  = "a text without control characters or invisible characters"
	WantColumnText   = "a text in characters that the column can hold"
	WantShorterText  = "a shorter text"
	WantInteger      = "a whole number"
	WantIntegerRange = "a whole number within the range of the column"
	WantDecimal      = "a decimal number without an exponent"
	WantDecimalRange = "a decimal number with no more digits than the column keeps"
	WantBoolean      = "true or false"
	WantDate         = "a date such as 2026-05-01"
	WantTime         = "a time of day such as 15:04 or 15:04:05"
	WantDateTime     = "a date and time without a zone, such as 2026-05-01T15:04:05"
	WantZoned        = "a date and time with its offset, such as 2026-05-01T15:04:05+02:00"
	WantUUID         = "a UUID such as 123e4567-e89b-12d3-a456-426614174000"
	WantEnum         = "one of the listed values"
	WantPhone        = "a phone number with its country code, such as +12065550142"
	WantEmail        = "an e-mail address"
	WantNetwork      = "a network address in its usual form"
	WantNothing      = "no value: the type of the column cannot be given"
)

// Judge reads one JSON value against its parameter before anything is sent. It
// returns the canonical text, which is what is bound, hashed and shown; or ok
// false and want, a fixed phrase that completes "wanted: …".
//
// No value passes through a floating-point number and none is rounded, padded
// or cut: what does not fit as it stands is refused. JSON null and the empty
// text are never a value. The canonical text has the form that
// target.RowSink documents; a zoned moment is in UTC with a trailing Z.
//
// country (ISO 3166 alpha-2) is assumed of phone numbers without a country
// code, location of zoned moments without an offset; without them such values
// are refused.
func Judge(p *Param, raw []byte, country string, location *time.Location) (canonical, want string, ok bool) {
	raw = trimSpace(raw)
	if len(raw) > 0 && raw[0] == '"' {
		text, ok := unquote(raw)
		if !ok {
			return "", WantVisibleText, false
		}
		return JudgeText(p, text, country, location)
	}
	switch p.Type.Type {
	case schema.Integer, schema.Number, schema.Boolean:
		return JudgeText(p, string(raw), country, location)
	}
	return "", Wanted(p), false
}

// JudgeText is Judge for a text that is not wrapped in JSON: what the
// conversation knows, a constant.
func JudgeText(p *Param, text, country string, location *time.Location) (canonical, want string, ok bool) {
	if len(text) > MaxValueBytes {
		return "", WantShorterText, false
	}
	t := &p.Type
	want = Wanted(p)
	switch t.Type {
	case schema.String:
		return judgeText(p, text, country)
	case schema.Integer:
		return judgeInteger(t, text)
	case schema.Number:
		return judgeNumber(t, text)
	case schema.Boolean:
		canonical, ok = text, text == "true" || text == "false"
	case schema.Enum:
		canonical, ok = text, slices.Contains(t.EnumValues, text)
	case schema.UUID:
		canonical, ok = canonicalUUID(text)
	case schema.Date:
		canonical, ok = text, isDate(text)
	case schema.Time:
		canonical, ok = canonicalTime(t, text)
	case schema.DateTime:
		canonical, ok = canonicalDateTime(t, text, location)
	}
	if !ok {
		return "", want, false
	}
	return canonical, want, true
}

// Wanted is the phrase for a value of the parameter.
func Wanted(p *Param) string {
	switch p.Type.Type {
	case schema.Integer:
		return WantInteger
	case schema.Number:
		return WantDecimal
	case schema.Boolean:
		return WantBoolean
	case schema.Date:
		return WantDate
	case schema.Time:
		return WantTime
	case schema.DateTime:
		if p.Type.Zoned {
			return WantZoned
		}
		return WantDateTime
	case schema.UUID:
		return WantUUID
	case schema.Enum:
		return WantEnum
	case schema.String:
		switch p.Format {
		case Phone:
			return WantPhone
		case Email:
			return WantEmail
		}
		return WantText
	}
	return WantNothing
}

// canonicalUUID takes the one hyphenated form, in either case.
func canonicalUUID(s string) (string, bool) {
	if len(s) != 36 {
		return "", false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return "", false
			}
		case !isHex(c):
			return "", false
		}
	}
	return strings.ToLower(s), true
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// trimSpace takes JSON's own white space off both ends.
func trimSpace(b []byte) []byte {
	space := func(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
	for len(b) > 0 && space(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && space(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}
