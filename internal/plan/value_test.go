package plan_test

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"flowyte/internal/plan"
	"flowyte/internal/schema"
)

func number(n int) *int { return &n }

func param(t schema.Type, base string) *plan.Param {
	return &plan.Param{Name: "p", Type: plan.ValueType{Type: t, BaseType: base}}
}

func unsigned(base string) *plan.Param {
	p := param(schema.Integer, base)
	p.Type.Unsigned = true
	return p
}

func numeric(precision, scale int) *plan.Param {
	p := param(schema.Number, "numeric")
	p.Type.Precision, p.Type.Scale = number(precision), number(scale)
	return p
}

func length(n int) *plan.Param {
	p := param(schema.String, "varchar")
	p.Type.MaxLength = number(n)
	return p
}

func charset(name string) *plan.Param {
	p := param(schema.String, "varchar")
	p.Type.Charset = name
	return p
}

func format(f plan.ParamFormat) *plan.Param {
	p := param(schema.String, "text")
	p.Format = f
	return p
}

func enum(values ...string) *plan.Param {
	p := param(schema.Enum, "enum")
	p.Type.EnumValues = values
	return p
}

func zoned(base string) *plan.Param {
	p := param(schema.DateTime, base)
	p.Type.Zoned = true
	return p
}

func seconds(t schema.Type, digits int) *plan.Param {
	p := param(t, "time")
	p.Type.Precision = number(digits)
	return p
}

// judged are single values: what becomes of each, or "" and what is wanted.
var judged = []struct {
	name  string
	param *plan.Param
	raw   string
	want  string // canonical, or the phrase when refused
	ok    bool
}{
	{"integer", param(schema.Integer, "int4"), `42`, "42", true},
	{"integer as text", param(schema.Integer, "int4"), `"42"`, "42", true},
	{"integer with white space around it", param(schema.Integer, "int4"), " 42\n", "42", true},
	{"negative integer", param(schema.Integer, "int4"), `-7`, "-7", true},
	{"zero", param(schema.Integer, "int4"), `0`, "0", true},
	{"minus zero", param(schema.Integer, "int4"), `-0`, plan.WantInteger, false},
	{"leading zero", param(schema.Integer, "int4"), `"042"`, plan.WantInteger, false},
	{"V03 condition", param(schema.Integer, "int4"), `"1 or 1=1"`, plan.WantInteger, false},
	{"V03 letters after digits", param(schema.Integer, "int4"), `"1abc"`, plan.WantInteger, false},
	{"V03 space before", param(schema.Integer, "int4"), `" 1"`, plan.WantInteger, false},
	{"V03 fraction of zero", param(schema.Integer, "int4"), `1.0`, plan.WantInteger, false},
	{"V03 exponent of zero", param(schema.Integer, "int4"), `1e0`, plan.WantInteger, false},
	{"V03 other script", param(schema.Integer, "int4"), `"٣"`, plan.WantInteger, false},
	{"V03 plus sign", param(schema.Integer, "int4"), `"+1"`, plan.WantInteger, false},
	{"V04 fraction", param(schema.Integer, "int4"), `1.5`, plan.WantInteger, false},
	{"V04 exponent", param(schema.Integer, "int4"), `1e3`, plan.WantInteger, false},
	{"V04 beyond the float", param(schema.Integer, "int8"), `9007199254740993`, "9007199254740993", true},
	{"V04 greatest int8", param(schema.Integer, "int8"), `9223372036854775807`, "9223372036854775807", true},
	{"V04 one more", param(schema.Integer, "int8"), `9223372036854775808`, plan.WantIntegerRange, false},
	{"V04 least int8", param(schema.Integer, "int8"), `-9223372036854775808`, "-9223372036854775808", true},
	{"V04 one less", param(schema.Integer, "int8"), `-9223372036854775809`, plan.WantIntegerRange, false},
	{"V04 NaN", param(schema.Integer, "int4"), `"NaN"`, plan.WantInteger, false},
	{"int2 over", param(schema.Integer, "int2"), `32768`, plan.WantIntegerRange, false},
	{"int4 over", param(schema.Integer, "int4"), `2147483648`, plan.WantIntegerRange, false},
	{"tinyint over", param(schema.Integer, "tinyint"), `128`, plan.WantIntegerRange, false},
	{"tinyint under", param(schema.Integer, "tinyint"), `-129`, plan.WantIntegerRange, false},
	{"tinyint unsigned", unsigned("tinyint"), `255`, "255", true},
	{"tinyint unsigned below zero", unsigned("tinyint"), `-1`, plan.WantIntegerRange, false},
	{"mediumint", param(schema.Integer, "mediumint"), `8388607`, "8388607", true},
	{"bigint unsigned greatest", unsigned("bigint"), `18446744073709551615`, "18446744073709551615", true},
	{"bigint unsigned one more", unsigned("bigint"), `18446744073709551616`, plan.WantIntegerRange, false},
	{"a type of unknown width", param(schema.Integer, "serial9"), `9223372036854775808`, plan.WantIntegerRange, false},
	{"integer true", param(schema.Integer, "int4"), `true`, plan.WantInteger, false},
	{"V12 null", param(schema.Integer, "int4"), `null`, plan.WantInteger, false},
	{"nothing", param(schema.Integer, "int4"), ``, plan.WantInteger, false},
	{"empty text as integer", param(schema.Integer, "int4"), `""`, plan.WantInteger, false},
	{"array", param(schema.Integer, "int4"), `[1]`, plan.WantInteger, false},

	{"decimal", numeric(10, 2), `12.50`, "12.5", true},
	{"decimal as text", numeric(10, 2), `"12.5"`, "12.5", true},
	{"whole decimal", numeric(10, 2), `12`, "12", true},
	{"decimal of zero", numeric(10, 2), `0.00`, "0", true},
	{"below one", numeric(10, 2), `0.07`, "0.07", true},
	{"negative decimal", numeric(10, 2), `-0.5`, "-0.5", true},
	{"V11 fraction too long", numeric(10, 2), `1.005`, plan.WantDecimalRange, false},
	{"V11 whole too long", numeric(4, 2), `100`, plan.WantDecimalRange, false},
	{"V11 whole just fits", numeric(4, 2), `99.99`, "99.99", true},
	{"decimal exponent", numeric(10, 2), `1e1`, plan.WantDecimal, false},
	{"decimal minus zero", numeric(10, 2), `-0.0`, plan.WantDecimal, false},
	{"decimal leading zero", numeric(10, 2), `"01.5"`, plan.WantDecimal, false},
	{"decimal without whole", numeric(10, 2), `".5"`, plan.WantDecimal, false},
	{"decimal without fraction", numeric(10, 2), `"5."`, plan.WantDecimal, false},
	{"decimal comma", numeric(10, 2), `"1,5"`, plan.WantDecimal, false},
	{"decimal infinity", numeric(10, 2), `"Infinity"`, plan.WantDecimal, false},
	{"negative scale keeps hundreds", numeric(3, -2), `12300`, "12300", true},
	{"negative scale refuses tens", numeric(3, -2), `12340`, plan.WantDecimalRange, false},
	{"scale beyond precision", numeric(2, 4), `0.0012`, "0.0012", true},
	{"scale beyond precision, too great", numeric(2, 4), `0.0112`, plan.WantDecimalRange, false},
	{"numeric without limits", param(schema.Number, "numeric"), `123456789012345678901234567890.123456789`, "123456789012345678901234567890.123456789", true},
	{"numeric of a thousand and one digits", param(schema.Number, "numeric"), strings.Repeat("9", 1001), plan.WantDecimalRange, false},
	{"float8 keeps fifteen digits", param(schema.Number, "float8"), `0.123456789012345`, "0.123456789012345", true},
	{"float8 would round", param(schema.Number, "float8"), `0.1234567890123456`, plan.WantDecimalRange, false},
	{"float4 would round", param(schema.Number, "float4"), `16777217`, plan.WantDecimalRange, false},
	{"float8 large and round", param(schema.Number, "double"), `120000000000000000000`, "120000000000000000000", true},

	{"true", param(schema.Boolean, "bool"), `true`, "true", true},
	{"false as text", param(schema.Boolean, "bool"), `"false"`, "false", true},
	{"one as boolean", param(schema.Boolean, "bool"), `1`, plan.WantBoolean, false},
	{"yes as boolean", param(schema.Boolean, "bool"), `"yes"`, plan.WantBoolean, false},

	{"V07 date", param(schema.Date, "date"), `"2026-05-01"`, "2026-05-01", true},
	{"V07 day that does not exist", param(schema.Date, "date"), `"2024-02-30"`, plan.WantDate, false},
	{"V07 leap day", param(schema.Date, "date"), `"2024-02-29"`, "2024-02-29", true},
	{"V07 short year", param(schema.Date, "date"), `"24-1-2"`, plan.WantDate, false},
	{"V07 zero date", param(schema.Date, "date"), `"0000-00-00"`, plan.WantDate, false},
	{"V07 year zero", param(schema.Date, "date"), `"0000-01-01"`, plan.WantDate, false},
	{"V07 year 10000", param(schema.Date, "date"), `"10000-01-01"`, plan.WantDate, false},
	{"date as number", param(schema.Date, "date"), `20260501`, plan.WantDate, false},
	{"infinite date", param(schema.Date, "date"), `"infinity"`, plan.WantDate, false},

	{"time", param(schema.Time, "time"), `"15:04"`, "15:04:00", true},
	{"time with fraction", param(schema.Time, "time"), `"15:04:05.120"`, "15:04:05.12", true},
	{"time with more than is kept", seconds(schema.Time, 0), `"15:04:05.1"`, plan.WantTime, false},
	{"time with zeros only", seconds(schema.Time, 0), `"15:04:05.000"`, "15:04:05", true},
	{"seven digits of a second", param(schema.Time, "time"), `"15:04:05.1234567"`, plan.WantTime, false},
	{"leap second", param(schema.Time, "time"), `"23:59:60"`, plan.WantTime, false},
	{"24 o'clock", param(schema.Time, "time"), `"24:00"`, plan.WantTime, false},
	{"dangling point", param(schema.Time, "time"), `"15:04:05."`, plan.WantTime, false},
	{"half past three", param(schema.Time, "time"), `"3:30 pm"`, plan.WantTime, false},

	{"datetime", param(schema.DateTime, "timestamp"), `"2026-05-01T15:04:05"`, "2026-05-01T15:04:05", true},
	{"datetime with a space", param(schema.DateTime, "timestamp"), `"2026-05-01 15:04"`, "2026-05-01T15:04:00", true},
	{"zone where there is none", param(schema.DateTime, "timestamp"), `"2026-05-01T15:04:05Z"`, plan.WantDateTime, false},
	{"date only", param(schema.DateTime, "timestamp"), `"2026-05-01"`, plan.WantDateTime, false},
	{"zoned", zoned("timestamptz"), `"2026-05-01T15:04:05+02:00"`, "2026-05-01T13:04:05Z", true},
	{"zoned in UTC", zoned("timestamptz"), `"2026-05-01T15:04:05.5Z"`, "2026-05-01T15:04:05.5Z", true},
	{"agent's zone", zoned("timestamptz"), `"2026-05-01T15:04:05"`, "2026-05-01T13:04:05Z", true},
	{"V07 skipped hour", zoned("timestamptz"), `"2026-03-29T02:30:00"`, plan.WantZoned, false},
	{"V07 repeated hour", zoned("timestamptz"), `"2026-10-25T02:30:00"`, plan.WantZoned, false},
	{"V07 repeated hour with offset", zoned("timestamptz"), `"2026-10-25T02:30:00+01:00"`, "2026-10-25T01:30:00Z", true},
	{"offset out of range", zoned("timestamptz"), `"2026-05-01T15:04:05+15:00"`, plan.WantZoned, false},
	{"offset without colon", zoned("timestamptz"), `"2026-05-01T15:04:05+0200"`, plan.WantZoned, false},
	{"year 10000 by its offset", zoned("timestamptz"), `"9999-12-31T23:59:59-05:00"`, plan.WantZoned, false},
	{"MySQL timestamp", zoned("timestamp"), `"2038-01-19T03:14:07Z"`, "2038-01-19T03:14:07Z", true},
	{"MySQL timestamp a second later", zoned("timestamp"), `"2038-01-19T03:14:08Z"`, plan.WantZoned, false},

	{"uuid", param(schema.UUID, "uuid"), `"123E4567-e89b-12d3-a456-426614174000"`, "123e4567-e89b-12d3-a456-426614174000", true},
	{"uuid without hyphens", param(schema.UUID, "uuid"), `"123e4567e89b12d3a456426614174000"`, plan.WantUUID, false},
	{"uuid in braces", param(schema.UUID, "uuid"), `"{123e4567-e89b-12d3-a456-426614174000}"`, plan.WantUUID, false},
	{"uuid with a letter too far", param(schema.UUID, "uuid"), `"123g4567-e89b-12d3-a456-426614174000"`, plan.WantUUID, false},

	{"enum", enum("open", "closed"), `"open"`, "open", true},
	{"enum in other case", enum("open", "closed"), `"Open"`, plan.WantEnum, false},
	{"enum of nothing", enum(), `"open"`, plan.WantEnum, false},

	{"V05 leading zeros", param(schema.String, "varchar"), `"007"`, "007", true},
	{"V01 number for a text", param(schema.String, "varchar"), `612345678`, plan.WantText, false},
	{"boolean for a text", param(schema.String, "varchar"), `true`, plan.WantText, false},
	{"null for a text", param(schema.String, "varchar"), `null`, plan.WantText, false},
	{"object for a text", param(schema.String, "varchar"), `{}`, plan.WantText, false},
	{"V12 empty", param(schema.String, "varchar"), `""`, plan.WantText, false},
	{"V12 blank", param(schema.String, "varchar"), `" \t"`, plan.WantText, false},
	{"escapes", param(schema.String, "text"), `"a\"\\\/\n\u00e9\ud83d\ude00"`, "a\"\\/\né😀", true},
	{"I14 pattern characters", param(schema.String, "text"), `"100%_'; --"`, "100%_'; --", true},
	{"V09 NUL", param(schema.String, "text"), `"a\u0000b"`, plan.WantVisibleText, false},
	{"V09 raw control", param(schema.String, "text"), "\"a\x01b\"", plan.WantVisibleText, false},
	{"V09 escape character", param(schema.String, "text"), `"\u001b[31m"`, plan.WantVisibleText, false},
	{"V09 C1", param(schema.String, "text"), `"a\u0085b"`, plan.WantVisibleText, false},
	{"V09 invalid UTF-8", param(schema.String, "text"), "\"a\xff\"", plan.WantVisibleText, false},
	{"V09 lone high surrogate", param(schema.String, "text"), `"\ud800"`, plan.WantVisibleText, false},
	{"V09 lone low surrogate", param(schema.String, "text"), `"\udc00x"`, plan.WantVisibleText, false},
	{"V09 two high surrogates", param(schema.String, "text"), `"\ud800\ud800"`, plan.WantVisibleText, false},
	{"V09 bidi override", param(schema.String, "text"), `"abc\u202edef"`, plan.WantVisibleText, false},
	{"V09 bidi isolate", param(schema.String, "text"), `"\u2066a"`, plan.WantVisibleText, false},
	{"V09 zero width space", param(schema.String, "text"), `"a\u200bb"`, plan.WantVisibleText, false},
	{"V09 zero width joiner", param(schema.String, "text"), `"a\u200db"`, plan.WantVisibleText, false},
	{"V09 byte order mark", param(schema.String, "text"), `"\ufeffa"`, plan.WantVisibleText, false},
	{"V09 soft hyphen", param(schema.String, "text"), `"a\u00adb"`, plan.WantVisibleText, false},
	{"V09 tag character", param(schema.String, "text"), "\"a\U000e0041\"", plan.WantVisibleText, false},
	{"V09 Hangul filler", param(schema.String, "text"), `"\u3164"`, plan.WantVisibleText, false},
	{"V09 private use", param(schema.String, "text"), `"\ue000"`, plan.WantVisibleText, false},
	{"V09 non-character", param(schema.String, "text"), `"\uffff"`, plan.WantVisibleText, false},
	{"unfinished text", param(schema.String, "text"), `"abc`, plan.WantVisibleText, false},
	{"unknown escape", param(schema.String, "text"), `"\x41"`, plan.WantVisibleText, false},
	{"escape at the end", param(schema.String, "text"), `"\"`, plan.WantVisibleText, false},
	{"two texts", param(schema.String, "text"), `"a" "b"`, plan.WantVisibleText, false},
	{"as long as the column", length(3), `"äöü"`, "äöü", true},
	{"V10 longer than the column", length(3), `"abcd"`, plan.WantShorterText, false},
	{"I11 4 KiB", param(schema.String, "text"), `"` + strings.Repeat("a", 4096) + `"`, strings.Repeat("a", 4096), true},
	{"V10 more bytes than a tiny text has", param(schema.String, "tinytext"), `"` + strings.Repeat("é", 128) + `"`, plan.WantShorterText, false},
	{"I11 4 KiB and one", param(schema.String, "text"), `"` + strings.Repeat("a", 4097) + `"`, plan.WantShorterText, false},

	{"inet", param(schema.String, "inet"), `"10.0.0.1"`, "10.0.0.1", true},
	{"inet in capitals", param(schema.String, "inet"), `"2001:DB8::1"`, "2001:db8::1", true},
	{"inet with a mask", param(schema.String, "inet"), `"10.0.0.1/8"`, "10.0.0.1/8", true},
	{"inet out of range", param(schema.String, "inet"), `"10.0.0.256"`, plan.WantNetwork, false},
	{"inet with a zone", param(schema.String, "inet"), `"fe80::1%eth0"`, plan.WantNetwork, false},
	{"cidr with host bits", param(schema.String, "cidr"), `"10.0.0.1/8"`, plan.WantNetwork, false},
	{"inet4 of the other family", param(schema.String, "inet4"), `"::1"`, plan.WantNetwork, false},
	{"macaddr", param(schema.String, "macaddr"), `"08-00-2B-01-02-03"`, "08:00:2b:01:02:03", true},
	{"macaddr of eight bytes", param(schema.String, "macaddr"), `"08:00:2b:01:02:03:04:05"`, plan.WantNetwork, false},

	{"latin1 keeps an umlaut", charset("latin1"), `"Müller"`, "Müller", true},
	{"latin1 keeps the euro sign", charset("latin1"), `"5 €"`, "5 €", true},
	{"latin1 has no emoji", charset("latin1"), `"😀"`, plan.WantColumnText, false},
	{"latin1 has no Greek", charset("latin1"), `"α"`, plan.WantColumnText, false},
	{"greek has it", charset("greek"), `"α"`, "α", true},
	{"ascii has no umlaut", charset("ascii"), `"Müller"`, plan.WantColumnText, false},
	{"utf8mb3 has no emoji", charset("utf8mb3"), `"😀"`, plan.WantColumnText, false},
	{"an unknown set is the server's business", charset("gb18030"), `"予"`, "予", true},

	{"json", param(schema.JSON, "jsonb"), `{"a":1}`, plan.WantNothing, false},
	{"bytes", param(schema.Bytes, "bytea"), `"00"`, plan.WantNothing, false},

	{"phone", format(plan.Phone), `"+31 6 1234-5678"`, "+31612345678", true},
	{"phone of the country", format(plan.Phone), `"06 12345678"`, "+31612345678", true},
	{"phone with trunk zero in brackets", format(plan.Phone), `"+31 (0)6 12345678"`, "+31612345678", true},
	{"phone with 00", format(plan.Phone), `"0031612345678"`, "+31612345678", true},
	{"phone that no plan knows", format(plan.Phone), `"+15550100"`, "+15550100", true},
	{"vanity number", format(plan.Phone), `"+1-800-FLOWERS"`, plan.WantPhone, false},
	{"phone in other digits", format(plan.Phone), `"٠٦١٢٣٤٥٦٧٨"`, plan.WantPhone, false},
	{"phone with extension", format(plan.Phone), `"0612345678;ext=5"`, plan.WantPhone, false},
	{"phone too short", format(plan.Phone), `"12"`, plan.WantPhone, false},
	{"phone too long", format(plan.Phone), `"+1234567890123456"`, plan.WantPhone, false},
	{"phone as number", format(plan.Phone), `31612345678`, plan.WantPhone, false},
	{"anonymous", format(plan.Phone), `"anonymous"`, plan.WantPhone, false},

	{"email", format(plan.Email), `" Anna@X.com "`, "Anna@X.com", true},
	{"email without at", format(plan.Email), `"anna"`, plan.WantEmail, false},
	{"email with two", format(plan.Email), `"a@b@c"`, plan.WantEmail, false},
	{"email with a space", format(plan.Email), `"anna smith@x.com"`, plan.WantEmail, false},
	{"email without name", format(plan.Email), `"@x.com"`, plan.WantEmail, false},
	{"email too long", format(plan.Email), `"` + strings.Repeat("a", 250) + `@x.com"`, plan.WantEmail, false},
}

func TestJudge(t *testing.T) {
	amsterdam := location(t, "Europe/Amsterdam")
	for _, c := range judged {
		t.Run(c.name, func(t *testing.T) {
			canonical, want, ok := plan.Judge(c.param, []byte(c.raw), "NL", amsterdam)
			if ok != c.ok {
				t.Fatalf("ok = %v, canonical %q, wanted %q", ok, canonical, want)
			}
			got := canonical
			if !ok {
				got = want
				if canonical != "" {
					t.Errorf("a refused value came back: %q", canonical)
				}
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestJudgeWithoutLocale(t *testing.T) {
	for raw, p := range map[string]*plan.Param{
		`"0612345678"`:          format(plan.Phone),
		`"2026-05-01T15:04:05"`: zoned("timestamptz"),
	} {
		if canonical, _, ok := plan.Judge(p, []byte(raw), "", nil); ok {
			t.Errorf("%s was read as %q although nothing says how", raw, canonical)
		}
	}
}

// Judging a canonical text again must change nothing: it is compared, hashed
// and replayed.
func TestJudgeIsStable(t *testing.T) {
	amsterdam := location(t, "Europe/Amsterdam")
	for _, c := range judged {
		if !c.ok {
			continue
		}
		again, want, ok := plan.JudgeText(c.param, c.want, "NL", amsterdam)
		if !ok || again != c.want {
			t.Errorf("%s: %q became %q, %v (%s)", c.name, c.want, again, ok, want)
		}
	}
}

// Every integer inside the bounds passes unchanged and every other is refused,
// whatever its length.
func TestJudgeIntegerRange(t *testing.T) {
	bases := map[string][2]string{
		"int2": {"-32768", "32767"}, "int4": {"-2147483648", "2147483647"},
		"int8": {"-9223372036854775808", "9223372036854775807"}, "mediumint": {"-8388608", "8388607"},
	}
	rapid.Check(t, func(t *rapid.T) {
		base := rapid.SampledFrom([]string{"int2", "int4", "int8", "mediumint"}).Draw(t, "base")
		n, _ := new(big.Int).SetString(rapid.StringMatching(`-?[1-9][0-9]{0,20}|0`).Draw(t, "n"), 10)
		low, _ := new(big.Int).SetString(bases[base][0], 10)
		high, _ := new(big.Int).SetString(bases[base][1], 10)
		inside := n.Cmp(low) >= 0 && n.Cmp(high) <= 0
		got, _, ok := plan.Judge(param(schema.Integer, base), []byte(n.String()), "", nil)
		if ok != inside || ok && got != n.String() {
			t.Fatalf("%s in %s: got %q, %v", n, base, got, ok)
		}
	})
}

// A text that passes is the text that was sent, byte for byte.
func TestJudgeTextIsWhatWasSent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		raw, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		got, _, ok := plan.Judge(param(schema.String, "text"), raw, "", nil)
		if ok && got != s {
			t.Fatalf("%q became %q", s, got)
		}
	})
}

func FuzzJudge(f *testing.F) {
	params := make([]*plan.Param, len(judged))
	for i, c := range judged {
		params[i] = c.param
		f.Add(i, []byte(c.raw))
	}
	amsterdam := location(f, "Europe/Amsterdam")
	f.Fuzz(func(t *testing.T, i int, raw []byte) {
		p := params[uint(i)%uint(len(params))]
		canonical, want, ok := plan.Judge(p, raw, "NL", amsterdam)
		if want == "" {
			t.Error("nothing is said about what is wanted")
		}
		if !ok {
			return
		}
		if !utf8.ValidString(canonical) || strings.ContainsRune(canonical, 0) || canonical == "" || len(canonical) > plan.MaxValueBytes {
			t.Errorf("canonical %q", canonical)
		}
		again, _, stable := plan.JudgeText(p, canonical, "NL", amsterdam)
		if !stable || again != canonical {
			t.Errorf("%q became %q on a second reading", canonical, again)
		}
	})
}

func TestForms(t *testing.T) {
	for _, c := range []struct {
		name    string
		format  plan.ParamFormat
		text    string
		country string
		want    [plan.Variants]string
	}{
		{"US", plan.Phone, "+12065550142", "US", [4]string{"+12065550142", "2065550142", "12065550142", "(206) 555-0142"}},
		{"lower-case country", plan.Phone, "2065550142", "us", [4]string{"+12065550142", "2065550142", "12065550142", "(206) 555-0142"}},
		{"NL", plan.Phone, "0612345678", "NL", [4]string{"+31612345678", "0612345678", "31612345678", "06 12345678"}},
		{"a foreign number has no national form", plan.Phone, "+447911123456", "NL", [4]string{"+447911123456", "00447911123456", "447911123456", "+44 7911 123456"}},
		{"no country, no national form", plan.Phone, "+31612345678", "", [4]string{"+31612345678", "0031612345678", "31612345678", "+31 6 12345678"}},
		{"in no numbering plan", plan.Phone, "+15550100", "US", [4]string{"+15550100", "15550100", "15550100", "15550100"}},
		{"email", plan.Email, " Anna@X.com", "", [4]string{"Anna@X.com", "anna@x.com", "anna@x.com", "anna@x.com"}},
		{"email in lower case", plan.Email, "anna@x.com", "", [4]string{"anna@x.com", "anna@x.com", "anna@x.com", "anna@x.com"}},
		{"plain", plan.Plain, "Anna", "", [4]string{"Anna", "Anna", "Anna", "Anna"}},
	} {
		got, ok := plan.Forms(c.format, c.text, c.country)
		if !ok {
			t.Errorf("%s: refused", c.name)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
	for format, text := range map[plan.ParamFormat]string{plan.Phone: "anonymous", plan.Email: "anna", plan.Plain: "a\x00"} {
		if forms, ok := plan.Forms(format, text, "US"); ok {
			t.Errorf("%s %q has forms %q", format, text, forms)
		}
	}
}

func location(t testing.TB, name string) *time.Location {
	t.Helper()
	l, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return l
}
