package plan

import (
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
)

// holds tells whether a character set of the MySQL family has every character
// of the text. A server refuses to compare such a column with another text, so
// the question must not reach it. Sets that are not listed are left to it.
func holds(charset, text string) bool {
	switch charset {
	case "ascii":
		return below(text, 0x80)
	case "utf8", "utf8mb3", "ucs2":
		return below(text, 0x10000)
	}
	set, known := charsets[charset]
	if !known || below(text, 0x80) {
		return true
	}
	_, err := set.NewEncoder().String(text)
	return err == nil
}

// tinyBytes is what a TINYTEXT keeps, whose limit is not one of characters. Of
// the other texts without a length none is shorter than an argument may be.
const tinyBytes = 255

// bytesIn is how long a text is in a character set. Of a set that is not known
// it is the least that it may be.
func bytesIn(charset, text string) int {
	switch charset {
	case "", "utf8", "utf8mb3":
		return len(text)
	}
	return utf8.RuneCountInString(text)
}

func below(text string, limit rune) bool {
	for _, r := range text {
		if r >= limit {
			return false
		}
	}
	return true
}

// charsets by the server's names; its latin1 is Windows-1252.
var charsets = map[string]encoding.Encoding{
	"latin1": charmap.Windows1252, "latin2": charmap.ISO8859_2, "latin5": charmap.ISO8859_9, "latin7": charmap.ISO8859_13,
	"cp1250": charmap.Windows1250, "cp1251": charmap.Windows1251, "cp1256": charmap.Windows1256, "cp1257": charmap.Windows1257,
	"cp850": charmap.CodePage850, "cp852": charmap.CodePage852, "cp866": charmap.CodePage866,
	"koi8r": charmap.KOI8R, "koi8u": charmap.KOI8U, "greek": charmap.ISO8859_7, "hebrew": charmap.ISO8859_8, "tis620": charmap.Windows874,
}
