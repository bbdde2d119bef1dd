package plan

import "strings"

// bounds are the least and greatest value of an integer type, as digits with
// an optional sign.
type bounds struct{ min, max string }

var signedBounds = map[string]bounds{
	"tinyint":   {"-128", "127"},
	"smallint":  {"-32768", "32767"},
	"int2":      {"-32768", "32767"},
	"mediumint": {"-8388608", "8388607"},
	"int":       {"-2147483648", "2147483647"},
	"integer":   {"-2147483648", "2147483647"},
	"int4":      {"-2147483648", "2147483647"},
	"bigint":    {"-9223372036854775808", "9223372036854775807"},
	"int8":      {"-9223372036854775808", "9223372036854775807"},
	"oid":       {"0", "4294967295"},
	"year":      {"1901", "2155"},
}

var unsignedBounds = map[string]bounds{
	"tinyint":   {"0", "255"},
	"smallint":  {"0", "65535"},
	"mediumint": {"0", "16777215"},
	"int":       {"0", "4294967295"},
	"integer":   {"0", "4294967295"},
	"bigint":    {"0", "18446744073709551615"},
}

// boundsOf knows every integer type by its base name; one it does not know
// gets the range of 64 bits.
func boundsOf(t *ValueType) bounds {
	table, widest := signedBounds, "bigint"
	if t.Unsigned {
		table = unsignedBounds
	}
	if b, ok := table[t.BaseType]; ok {
		return b
	}
	return table[widest]
}

// judgeInteger takes a canonical decimal integer: no sign but a minus, no
// leading zero, no fraction, no exponent.
func judgeInteger(t *ValueType, s string) (string, string, bool) {
	if !canonicalInteger(s) {
		return "", WantInteger, false
	}
	b := boundsOf(t)
	if compareIntegers(s, b.min) < 0 || compareIntegers(s, b.max) > 0 {
		return "", WantIntegerRange, false
	}
	return s, WantInteger, true
}

func canonicalInteger(s string) bool {
	digits := strings.TrimPrefix(s, "-")
	if digits == "" || digits[0] == '0' && len(s) > 1 {
		return false
	}
	return allDigits(digits)
}

func allDigits(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return true
}

// compareIntegers compares two canonical integers of any length.
func compareIntegers(a, b string) int {
	negA, negB := a[0] == '-', b[0] == '-'
	switch {
	case negA && !negB:
		return -1
	case !negA && negB:
		return 1
	case negA:
		return compareMagnitudes(b[1:], a[1:])
	}
	return compareMagnitudes(a, b)
}

func compareMagnitudes(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// judgeNumber takes a decimal without an exponent. Trailing zeros of the
// fraction mean nothing and are dropped, so that equal numbers have one
// canonical text; any other digit that the column would not keep is refused.
func judgeNumber(t *ValueType, s string) (string, string, bool) {
	d, ok := parseDecimal(s)
	if !ok {
		return "", WantDecimal, false
	}
	if t.Unsigned && d.negative || !d.fits(t) {
		return "", WantDecimalRange, false
	}
	return d.String(), WantDecimal, true
}

// decimal is a number as its digits. whole has no leading zero (it is "" below
// one), fraction no trailing one.
type decimal struct {
	negative        bool
	whole, fraction string
}

func parseDecimal(s string) (decimal, bool) {
	d := decimal{negative: strings.HasPrefix(s, "-")}
	whole, fraction, dotted := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	switch {
	case whole == "" || !allDigits(whole) || len(whole) > 1 && whole[0] == '0':
		return d, false
	case dotted && (fraction == "" || !allDigits(fraction)):
		return d, false
	}
	d.whole = strings.TrimLeft(whole, "0")
	d.fraction = strings.TrimRight(fraction, "0")
	if d.negative && d.whole == "" && d.fraction == "" {
		return d, false // minus zero
	}
	return d, true
}

func (d decimal) String() string {
	s := d.whole
	if s == "" {
		s = "0"
	}
	if d.fraction != "" {
		s += "." + d.fraction
	}
	if d.negative {
		s = "-" + s
	}
	return s
}

// The most digits on either side of the point where the column sets no limit
// of its own.
const (
	maxFloat8Digits  = 15 // a float8 keeps any decimal of 15 digits
	maxFloat4Digits  = 6
	maxNumericDigits = 1000
)

// fits tells whether the column keeps the number as it is.
func (d decimal) fits(t *ValueType) bool {
	switch t.BaseType {
	case "float8", "double", "double precision":
		return d.significant() <= maxFloat8Digits && len(d.whole) <= 300
	case "float4", "float", "real":
		return d.significant() <= maxFloat4Digits && len(d.whole) <= 38
	}
	if t.Precision == nil {
		return len(d.whole)+len(d.fraction) <= maxNumericDigits
	}
	scale := 0
	if t.Scale != nil {
		scale = *t.Scale
	}
	return d.fitsScale(*t.Precision, scale)
}

// fitsScale allows for PostgreSQL's negative scale (whole hundreds) and for a
// scale beyond the precision (leading zeros after the point).
func (d decimal) fitsScale(precision, scale int) bool {
	if len(d.whole) > max(precision-scale, 0) || len(d.fraction) > max(scale, 0) {
		return false
	}
	if zeros := -scale; zeros > 0 && d.whole != "" {
		return strings.HasSuffix(d.whole, strings.Repeat("0", zeros))
	}
	if zeros := scale - precision; zeros > 0 && d.fraction != "" {
		return strings.HasPrefix(d.fraction, strings.Repeat("0", zeros))
	}
	return true
}

// significant counts the digits between the first and the last that matter.
func (d decimal) significant() int {
	digits := strings.TrimLeft(d.whole+d.fraction, "0")
	if d.fraction == "" {
		digits = strings.TrimRight(digits, "0")
	}
	return len(digits)
}
