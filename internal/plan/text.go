package plan

import (
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"
)

// judgeText checks a text and reads it in its format.
func judgeText(p *Param, text, country string) (string, string, bool) {
	if !visible(text) {
		return "", WantVisibleText, false
	}
	switch p.Format {
	case Phone:
		number, ok := parsePhone(text, country)
		if !ok {
			return "", WantPhone, false
		}
		text = number.e164
	case Email:
		var ok bool
		if text, ok = canonicalEmail(text); !ok {
			return "", WantEmail, false
		}
	}
	if strings.TrimSpace(text) == "" {
		return "", WantText, false
	}
	if canonical, isNetwork, ok := network(p.Type.BaseType, text); isNetwork {
		if !ok {
			return "", WantNetwork, false
		}
		return canonical, WantNetwork, true
	}
	if !holds(p.Type.Charset, text) {
		return "", WantColumnText, false
	}
	if n := p.Type.MaxLength; n != nil && utf8.RuneCountInString(text) > *n {
		return "", WantShorterText, false
	}
	if p.Type.BaseType == "tinytext" && bytesIn(p.Type.Charset, text) > tinyBytes {
		return "", WantShorterText, false
	}
	return text, WantText, true
}

// visible tells whether a text is valid UTF-8 and holds nothing that a reader
// cannot see: no control characters but line breaks and tabs, no marks that
// hide or reorder text, no private or non-characters.
func visible(s string) bool {
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			if c < 0x20 && c != '\n' && c != '\t' && c != '\r' || c == 0x7f {
				return false
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 || unseen(r) {
			return false
		}
		i += size
	}
	return true
}

// unseen knows the characters that change what a text says without showing:
// C1 controls, format characters (zero width, bidirectional, tags), line and
// paragraph separators, fillers that render as nothing, private use and
// non-characters.
func unseen(r rune) bool {
	switch r {
	case 0x034f, 0x115f, 0x1160, 0x17b4, 0x17b5, 0x3164, 0xffa0:
		return true
	}
	if r&0xfffe == 0xfffe || r >= 0xfdd0 && r <= 0xfdef {
		return true
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp)
}

// unquote reads a JSON string. Unlike encoding/json it refuses what it would
// have to replace: lone surrogates and invalid UTF-8.
func unquote(raw []byte) (string, bool) {
	n := len(raw)
	if n < 2 || raw[0] != '"' || raw[n-1] != '"' {
		return "", false
	}
	body := raw[1 : n-1]
	if !utf8.Valid(body) {
		return "", false
	}
	escaped := false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case c < 0x20 || c == '"':
			return "", false
		case c == '\\':
			escaped = true
			if i++; i == len(body) {
				return "", false
			}
			if body[i] == 'u' {
				used, ok := escape(body[i-1:])
				if !ok {
					return "", false
				}
				i += used - 2
			}
		}
	}
	if !escaped {
		return string(body), true
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return s, true
}

// escape reads \uXXXX, or a pair of surrogates, at the start of b and returns
// how many bytes it takes; ok is false for half a pair.
func escape(b []byte) (used int, ok bool) {
	first, ok := hex4(b)
	switch {
	case !ok:
		return 0, false
	case first < 0xd800 || first > 0xdfff:
		return 6, true
	case first > 0xdbff: // a low half without its high one
		return 0, false
	}
	second, ok := hex4(b[6:])
	return 12, ok && second >= 0xdc00 && second <= 0xdfff
}

// hex4 is the number of a \uXXXX at the start of b.
func hex4(b []byte) (n uint32, ok bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	for _, c := range b[2:6] {
		if !isHex(c) {
			return 0, false
		}
		d := uint32(c | 0x20)
		if d >= 'a' {
			d -= 'a' - 10
		} else {
			d -= '0'
		}
		n = n<<4 | d
	}
	return n, true
}
