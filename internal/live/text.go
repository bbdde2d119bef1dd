package live

import (
	"unicode"
	"unicode/utf8"
)

const hex = "0123456789abcdef"

// appendExact writes a text of ours, or an id that was checked when it came, as
// a JSON string that reads back as it is.
func appendExact(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0 // of what needs no escaping
	for i := range len(s) {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[start:i]...)
		start = i + 1
		if c < 0x20 {
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		} else {
			b = append(b, '\\', c)
		}
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

// maxScan bounds what is read of one text in search of characters to show.
const maxScan = 16 << 10

// appendText writes text as a JSON string of at most limit characters. It is
// data from a stranger that a model will read: what cannot be seen is dropped,
// invalid UTF-8 is replaced, angle brackets and ampersands are escaped, and a
// text that is cut ends in an ellipsis.
func appendText(b, text []byte, limit int) (out []byte, cut bool) {
	if len(text) > maxScan {
		text, cut = wholeRunes(text, maxScan), true
	}
	b = append(b, '"')
	n := 0
	mark := len(b) // where the text ends if the ellipsis is needed
	for i := 0; i < len(text); {
		start := len(b)
		r, size := rune(text[i]), 1
		if r < utf8.RuneSelf {
			b = appendASCII(b, text[i])
		} else if r, size = utf8.DecodeRune(text[i:]); !hidden(r) {
			b = utf8.AppendRune(b, r)
		}
		i += size
		if len(b) == start {
			continue
		}
		if n++; n > limit {
			cut = true
			break
		}
		if n < limit {
			mark = len(b)
		}
	}
	if !cut {
		return append(b, '"'), false
	}
	if n >= limit {
		b = b[:mark]
	}
	return append(b, "…\""...), true
}

// wholeRunes is the text up to about n bytes, not cut within a character.
func wholeRunes(text []byte, n int) []byte {
	for end := n; end > n-utf8.UTFMax; end-- {
		if utf8.RuneStart(text[end]) {
			return text[:end]
		}
	}
	return text[:n] // not UTF-8 anyway
}

// appendASCII writes one character. A control character that is not a line
// break or tab is dropped.
func appendASCII(b []byte, c byte) []byte {
	switch {
	case c == '"' || c == '\\':
		return append(b, '\\', c)
	case c == '\n':
		return append(b, '\\', 'n')
	case c == '\t':
		return append(b, '\\', 't')
	case c == '<' || c == '>' || c == '&':
		return append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
	case c < 0x20 || c == 0x7f:
		return b
	}
	return append(b, c)
}

// hidden tells whether a character changes how text reads without being seen:
// controls, format characters (zero width, bidirectional, tags), separators,
// variation selectors, fillers, private use and non-characters.
func hidden(r rune) bool {
	if r >= 0xa0 && r < 0x300 {
		return r == 0xad // most text that is not ASCII, spared the tables
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp,
		unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector, unicode.Noncharacter_Code_Point)
}
