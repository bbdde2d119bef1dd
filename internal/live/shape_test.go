package live

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"flowyte/internal/plan"
	"flowyte/internal/schema"
)

func newYork(t testing.TB) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// shaped gives rows to a shaper and returns its result.
func shaped(tool *Tool, loc *time.Location, rows ...[]string) (*shaper, string) {
	tool.prepare()
	s := &shaper{}
	s.begin(tool, loc)
	for _, r := range rows {
		if s.Row(cellsOf(r)) != nil {
			break
		}
	}
	return s, string(s.result())
}

func leavesTool(maxRows int, types ...plan.ValueType) *Tool {
	p := &plan.Plan{MaxRows: maxRows}
	for i, v := range types {
		p.Results = append(p.Results, plan.Result{Leaf: string(rune('a' + i)), Type: v})
	}
	return &Tool{Plan: p}
}

func TestValuesOut(t *testing.T) {
	integer := plan.ValueType{Type: schema.Integer, BaseType: "int8"}
	float := plan.ValueType{Type: schema.Number, BaseType: "float8"}
	decimal := plan.ValueType{Type: schema.Number, BaseType: "numeric"}
	boolean := plan.ValueType{Type: schema.Boolean}
	zoned := plan.ValueType{Type: schema.DateTime, Zoned: true}
	local := plan.ValueType{Type: schema.DateTime}
	for _, tt := range []struct {
		of         plan.ValueType
		cell, want string
	}{
		{integer, "NULL", `null`},
		{integer, "0", `0`},
		{integer, "-42", `-42`},
		{integer, "9007199254740992", `9007199254740992`},
		{integer, "9007199254740993", `"9007199254740993"`},
		{integer, "-9007199254740992", `-9007199254740992`},
		{integer, "-9007199254740993", `"-9007199254740993"`},
		{integer, "18446744073709551615", `"18446744073709551615"`},
		// What a server must not send is text, not broken JSON.
		{integer, "+5", `"+5"`}, {integer, "007", `"007"`}, {integer, "-0", `"-0"`}, {integer, "", `""`}, {integer, "-", `"-"`}, {integer, "1_000", `"1_000"`},
		{integer, "1.5", `"1.5"`}, {integer, "1,2", `"1,2"`},
		{float, "1.5", `1.5`}, {float, "1e+20", `1e+20`}, {float, "-1.5e-07", `-1.5e-07`}, {float, "0", `0`},
		{float, "NaN", `"NaN"`}, {float, "Infinity", `"Infinity"`}, {float, "0x1p-2", `"0x1p-2"`}, {float, "1.", `"1."`}, {float, ".5", `".5"`},
		{float, "1.e5", `"1.e5"`}, {float, "01", `"01"`}, {float, "1e", `"1e"`}, {float, "1e400", `"1e400"`}, {float, "-", `"-"`}, {float, "", `""`}, {float, "1 ", `"1 "`},
		{float, strings.Repeat("1", 401), `"` + strings.Repeat("1", 401) + `"`},
		{plan.ValueType{Type: schema.Number, BaseType: "real"}, "2", `2`},
		{decimal, "12.50", `"12.50"`}, {decimal, "1", `"1"`},
		{boolean, "true", `true`}, {boolean, "false", `false`}, {boolean, "t", `"t"`},
		{local, "2026-05-01T15:00:00", `"2026-05-01T15:00:00"`},
		{zoned, "2026-05-01T15:00:00Z", `"2026-05-01T11:00:00-04:00"`},
		{zoned, "2026-12-01T15:00:00.25Z", `"2026-12-01T10:00:00.25-05:00"`},
		// Before 1883 the clocks of New York were 4:56:02 behind: no RFC 3339 offset.
		{zoned, "1850-01-01T12:00:00Z", `"1850-01-01T12:00:00Z"`},
		{zoned, "infinity", `"infinity"`},
		{plan.ValueType{Type: schema.Date}, "2026-05-01", `"2026-05-01"`},
		{plan.ValueType{Type: schema.UUID}, "123e4567-e89b-12d3-a456-426614174000", `"123e4567-e89b-12d3-a456-426614174000"`},
		{text(), "", `""`},
		{text(), `say "no" \ <b>&</b>`, `"say \"no\" \\ \u003cb\u003e\u0026\u003c/b\u003e"`},
		{text(), "a\nb\tc\r\x00\x1b[31m\x7f", `"a\nb\tc[31m"`},
		{text(), "\u202eevil\u200b \U000e0041\ufe0f\u2066x\u2028\u00ad\u0085\ue000\u115f\u034f", `"evil x"`},
		{text(), "Ünïcödé ž 東京 🎉", `"Ünïcödé ž 東京 🎉"`},
		{text(), "a\xffb\xe2\x80", `"a` + "\uFFFD" + `b` + "\uFFFD\uFFFD" + `"`},
	} {
		if _, got := shaped(leavesTool(5, tt.of), newYork(t), []string{tt.cell}); got != `{"rows":[{"a":`+tt.want+`}],"rowCount":1,"truncated":false}` {
			t.Errorf("%s %q: got %s, want %s", tt.of.Type, tt.cell, got, tt.want)
		}
	}
	// The year 10000 does not exist in RFC 3339 either.
	if _, got := shaped(leavesTool(5, zoned), time.FixedZone("", 2*3600), []string{"9999-12-31T23:30:00Z"}); !strings.Contains(got, `"9999-12-31T23:30:00Z"`) {
		t.Errorf("got %s", got)
	}
}

func TestTextIsCapped(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       int // characters shown
		cut        bool
	}{
		{"as long as it may be", strings.Repeat("é", 500), 500, false},
		{"one more", strings.Repeat("é", 501), 500, true},
		{"hidden characters do not count", strings.Repeat("a", 500) + strings.Repeat("\u200b", 50), 500, false},
		{"100 KB", strings.Repeat("x", 100<<10), 500, true},
		{"100 KB of nothing", "ab" + strings.Repeat("\u200b", 50<<10), 3, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, got := shaped(leavesTool(5, text()), time.UTC, []string{tt.text})
			var result struct{ Rows []map[string]string }
			if err := json.Unmarshal([]byte(got), &result); err != nil {
				t.Fatal(err)
			}
			shown := result.Rows[0]["a"]
			if n := utf8.RuneCountInString(shown); n != tt.want || strings.HasSuffix(shown, "…") != tt.cut || s.truncated != tt.cut || strings.ContainsRune(shown, utf8.RuneError) {
				t.Errorf("%d characters, truncated %v: %.20q…%q", n, s.truncated, shown, shown[max(0, len(shown)-8):])
			}
		})
	}
}

func TestWholeRunes(t *testing.T) {
	for text, want := range map[string]int{"abcdefgh": 5, "abcd東京": 4, "abc東京": 3, "ab東京": 5, "a🎉🎉": 5, "\x80\x80\x80\x80\x80\x80\x80": 5} {
		if got := len(wholeRunes([]byte(text), 5)); got != want {
			t.Errorf("%q is cut at %d, want %d", text, got, want)
		}
	}
}

func TestResultIsCutByWholeRows(t *testing.T) {
	long := strings.Repeat("x", 400)
	row := []string{long, long}
	s, got := shaped(leavesTool(25, text(), text()), time.UTC, row, row, row, row, row, row, row)
	if len(got) > maxResultBytes || s.rows != 4 || strings.Count(got, long) != 8 || !strings.HasSuffix(got, `],"rowCount":4,"truncated":true}`) {
		t.Errorf("%d rows in %d bytes: …%s", s.rows, len(got), got[len(got)-40:])
	}
	// Rows beyond the plan's.
	s, got = shaped(leavesTool(2, text()), time.UTC, []string{"1"}, []string{"2"}, []string{"3"})
	if s.rows != 2 || got != `{"rows":[{"a":"1"},{"a":"2"}],"rowCount":2,"truncated":true}` {
		t.Errorf("got %s", got)
	}
	s, got = shaped(leavesTool(2, text()), time.UTC, []string{"1"}, []string{"2"})
	if s.truncated {
		t.Errorf("nothing was left out of %s", got)
	}
}

// TestOneRowIsSqueezed: the texts of a single row too long are cut shorter
// rather than the row left out; a row that does not fit at all is.
func TestOneRowIsSqueezed(t *testing.T) {
	types := make([]plan.ValueType, 20)
	cells := make([]string, 20)
	for i := range types {
		types[i], cells[i] = text(), strings.Repeat("東", 500)
	}
	s, got := shaped(leavesTool(5, types...), time.UTC, cells)
	if s.rows != 1 || !s.truncated || len(got) > maxResultBytes || strings.Count(got, "…") != 20 {
		t.Errorf("%d rows in %d bytes: %s", s.rows, len(got), got)
	}
	wide := leavesTool(5)
	wide.Plan.Kind, wide.Plan.Action = schema.Postgres, plan.Read
	cells = nil
	for range 200 {
		wide.Plan.Results = append(wide.Plan.Results, plan.Result{Leaf: strings.Repeat("l", 64), Type: text()})
		cells = append(cells, "x")
	}
	s, got = shaped(wide, time.UTC, cells)
	if got != `{"rows":[],"rowCount":0,"truncated":true}` || s.rows != 0 {
		t.Errorf("got %s", got)
	}
	// Which is not the same as no row.
	k := newKit(t, rows(cells), wide)
	wide.Name = "wide"
	k.version.byName["wide"] = wide
	a := k.ask(k.ring(), Request{ToolCallID: "1", Tool: "wide"})
	want(t, a, OK, "")
}

func TestRowWithoutThePlansColumns(t *testing.T) {
	k := newKit(t, rows([]string{"only one"}))
	a := k.ask(k.ring(), with("1", phoneOf(1)))
	want(t, a, Failed, "internal")
	if a.Err != errCells {
		t.Errorf("the log would see %v", a.Err)
	}
}

// clean is what every result must be, whatever the server sent.
func clean(t interface{ Fatalf(string, ...any) }, result []byte, maxRows int) {
	if !json.Valid(result) || !utf8.Valid(result) {
		t.Fatalf("not JSON: %q", result)
	}
	if len(result) > maxResultBytes {
		t.Fatalf("%d bytes", len(result))
	}
	dec := json.NewDecoder(bytes.NewReader(result))
	dec.UseNumber()
	var r struct {
		Rows     []map[string]any
		RowCount int
	}
	if err := dec.Decode(&r); err != nil {
		t.Fatalf("%v: %s", err, result)
	}
	if r.RowCount != len(r.Rows) || len(r.Rows) > maxRows {
		t.Fatalf("%d rows, and says %d", len(r.Rows), r.RowCount)
	}
	for _, row := range r.Rows {
		for _, v := range row {
			s, ok := v.(string)
			if !ok {
				continue
			}
			if n := utf8.RuneCountInString(s); n > maxTextRunes {
				t.Fatalf("a text of %d characters", n)
			}
			for _, c := range s {
				if c != '\n' && c != '\t' && (unicode.IsControl(c) || unicode.In(c, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp,
					unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)) {
					t.Fatalf("%U can be hidden in %q", c, s)
				}
			}
		}
	}
}

var everyKind = leavesTool(3, plan.ValueType{Type: schema.Integer}, plan.ValueType{Type: schema.Number, BaseType: "float8"},
	plan.ValueType{Type: schema.Boolean}, plan.ValueType{Type: schema.DateTime, Zoned: true}, text())

// FuzzShape gives every kind of leaf the same hostile cell.
func FuzzShape(f *testing.F) {
	for _, seed := range []string{"", "1", "-1e5", "0x1p-2", "true", "2026-05-01T15:00:00Z", "\u202e\xff<script>", strings.Repeat("\u200b東", 600), "\"\\\n", "9007199254740993"} {
		f.Add([]byte(seed), uint8(3))
	}
	everyKind.prepare()
	loc := newYork(f)
	f.Fuzz(func(t *testing.T, cell []byte, n uint8) {
		var s shaper
		s.begin(everyKind, loc)
		for range n {
			if s.Row([][]byte{cell, cell, cell, cell, cell}) != nil {
				break
			}
		}
		clean(t, s.result(), everyKind.Plan.MaxRows)
	})
}

// TestResultsAreAlwaysClean is FuzzShape over long rows of many leaves.
func TestResultsAreAlwaysClean(t *testing.T) {
	cell := rapid.OneOf(rapid.String(), rapid.StringMatching(`-?[0-9]{0,20}(\.[0-9]*)?(e[+-]?[0-9]+)?`), rapid.StringN(0, 3000, -1),
		rapid.SampledFrom([]string{"NULL", "true", "2026-05-01T15:00:00.5Z", "\u2028\ufeff", strings.Repeat("<", 600)}))
	kinds := []plan.ValueType{{Type: schema.Integer}, {Type: schema.Number, BaseType: "float4"}, {Type: schema.Number}, {Type: schema.Boolean},
		{Type: schema.DateTime, Zoned: true}, {Type: schema.DateTime}, {Type: schema.String}}
	rapid.Check(t, func(t *rapid.T) {
		tool := leavesTool(rapid.IntRange(1, 25).Draw(t, "maxRows"), rapid.SliceOfN(rapid.SampledFrom(kinds), 1, 12).Draw(t, "leaves")...)
		n := len(tool.Plan.Results)
		rows := rapid.SliceOfN(rapid.SliceOfN(cell, n, n), 0, 8).Draw(t, "rows")
		_, got := shaped(tool, time.UTC, rows...)
		clean(t, []byte(got), tool.Plan.MaxRows)
	})
}
