package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"flowyte/internal/fault"
)

// port reads itself, as api.Port does.
type port string

func (p *port) UnmarshalJSON(b []byte) error {
	var n json.Number
	if err := json.Unmarshal(b, &n); err != nil {
		return err
	}
	*p = port(n)
	return nil
}

func (port) Wanted() string { return "a port" }

type inner struct {
	Path []string `json:"path"`
	Leaf string   `json:"leaf"`
}

type sample struct {
	Name     string                     `json:"name"`
	Port     port                       `json:"port"`
	Note     string                     `json:"note,omitempty" text:"multiline" max:"8"`
	Enabled  bool                       `json:"enabled,omitempty"`
	Count    int                        `json:"count,omitempty"`
	Small    uint8                      `json:"small,omitempty"`
	Patch    *string                    `json:"patch,omitempty"`
	Nullable *int                       `json:"nullable"`
	Rows     []inner                    `json:"rows,omitempty"`
	Labels   map[string]string          `json:"labels,omitempty"`
	Raw      json.RawMessage            `json:"raw,omitempty"`
	Args     map[string]json.RawMessage `json:"args,omitempty"`
	At       *time.Time                 `json:"at,omitempty"`
	Ignored  string                     `json:"-"`
	//lint:ignore U1000 that an unexported field is not filled from outside is the point
	hidden string
}

func decode(t *testing.T, doc string) (sample, *fault.Error) {
	t.Helper()
	var s sample
	err := Decode([]byte(doc), &s)
	if err == nil {
		return s, nil
	}
	f, ok := fault.As(err)
	if !ok {
		t.Fatalf("%.60q: error %v is not a fault", doc, err)
	}
	return s, f
}

func TestDecodeGood(t *testing.T) {
	text, seven := "x", 7
	at := time.Date(2026, 5, 1, 15, 0, 0, 0, time.UTC)
	tests := []struct {
		doc  string
		want sample
	}{
		{`{"name":"a","port":"5432"}`, sample{Name: "a", Port: "5432"}},
		{" \t\r\n{ \"port\" : 5432 , \"name\" : \"\" } \n", sample{Port: "5432"}},
		{`{"name":"\u00e4\ud83d\ude00\"\\\/","port":"1"}`, sample{Name: "ä😀\"\\/", Port: "1"}},
		{`{"name":"a","port":"1","note":"a\n\tb"}`, sample{Name: "a", Port: "1", Note: "a\n\tb"}},
		{`{"name":"a","port":"1","enabled":true,"count":-7,"small":255}`, sample{Name: "a", Port: "1", Enabled: true, Count: -7, Small: 255}},
		{`{"name":"a","port":"1","patch":"x","nullable":7}`, sample{Name: "a", Port: "1", Patch: &text, Nullable: &seven}},
		{`{"name":"a","port":"1","nullable":null}`, sample{Name: "a", Port: "1"}},
		{`{"name":"a","port":"1","rows":[{"path":["a","b"],"leaf":"l"},{"path":[],"leaf":""}]}`,
			sample{Name: "a", Port: "1", Rows: []inner{{Path: []string{"a", "b"}, Leaf: "l"}, {Path: []string{}}}}},
		{`{"name":"a","port":"1","labels":{"x":"y"},"raw":null,"args":{"n":12345678901234567890.10,"z":null}}`,
			sample{Name: "a", Port: "1", Labels: map[string]string{"x": "y"}, Raw: json.RawMessage("null"),
				Args: map[string]json.RawMessage{"n": json.RawMessage("12345678901234567890.10"), "z": json.RawMessage("null")}}},
		{`{"name":"a","port":"1","at":"2026-05-01T15:00:00Z"}`, sample{Name: "a", Port: "1", At: &at}},
	}
	for _, tt := range tests {
		got, err := decode(t, tt.doc)
		if err != nil {
			t.Errorf("%s: %v %v", tt.doc, err, err.Fields)
			continue
		}
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(sample{})); diff != "" {
			t.Errorf("%s: -want +got\n%s", tt.doc, diff)
		}
	}
}

func TestDecodeMalformed(t *testing.T) {
	ok := `{"name":"a","port":"1"`
	deep := func(n int) string { return ok + `,"raw":` + strings.Repeat("[", n) + strings.Repeat("]", n) + "}" }
	many := func(last string) string {
		var b strings.Builder
		for i := range 40 {
			fmt.Fprintf(&b, `"k%d":1,`, i)
		}
		return ok + `,"raw":{` + b.String() + last + `}}`
	}
	if _, err := decode(t, deep(MaxDepth-1)); err != nil {
		t.Errorf("depth %d: %v", MaxDepth, err)
	}
	if _, err := decode(t, many(`"k40":1`)); err != nil {
		t.Errorf("41 names: %v", err.Fields)
	}
	tests := map[string]struct{ doc, field string }{
		"empty":                 {"", "body"},
		"white space":           {" \n", "body"},
		"trailing bytes":        {ok + "} x", "body"},
		"second value":          {ok + "}{}", "body"},
		"NUL behind":            {ok + "}\x00", "body"},
		"byte order mark":       {"\xef\xbb\xbf" + ok + "}", "body"},
		"UTF-16":                {"\xff\xfe{\x00}\x00", "body"},
		"not UTF-8":             {`{"name":"` + "\xff" + `","port":"1"}`, "body"},
		"encoded surrogate":     {`{"name":"` + "\xed\xa0\x80" + `","port":"1"}`, "body"},
		"lone high surrogate":   {`{"name":"\ud800","port":"1"}`, "name"},
		"lone low surrogate":    {`{"name":"\udc00","port":"1"}`, "name"},
		"two high surrogates":   {`{"name":"\ud800\ud800","port":"1"}`, "name"},
		"surrogate in raw":      {ok + `,"raw":["\ud800x"]}`, "raw[0]"},
		"surrogate in a name":   {ok + `,"labels":{"\ud800":"x"}}`, "labels"},
		"line comment":          {"// hello\n" + ok + "}", "body"},
		"block comment":         {`{"name":/* x */"a","port":"1"}`, "name"},
		"NaN":                   {ok + `,"count":NaN}`, "count"},
		"Infinity":              {ok + `,"raw":-Infinity}`, "raw"},
		"plus sign":             {ok + `,"count":+1}`, "count"},
		"leading zero":          {ok + `,"count":01}`, "body"},
		"bare point":            {ok + `,"raw":1.}`, "raw"},
		"bare exponent":         {ok + `,"raw":1e}`, "raw"},
		"hexadecimal":           {ok + `,"raw":0x10}`, "body"},
		"endless number":        {ok + `,"raw":` + strings.Repeat("9", 300) + `}`, "raw"},
		"trailing comma":        {ok + ",}", "body"},
		"trailing comma, list":  {ok + `,"rows":[1,]}`, "rows[1]"},
		"single quotes":         {"{'name':'a'}", "body"},
		"bare name":             {"{name:1}", "body"},
		"missing colon":         {`{"name" "a"}`, "name"},
		"raw control character": {"{\"name\":\"a\tb\",\"port\":\"1\"}", "name"},
		"unknown escape":        {`{"name":"\x41","port":"1"}`, "name"},
		"short escape":          {`{"name":"\u00"}`, "name"},
		"not closed":            {`{"name":"a`, "name"},
		"not closed, escaped":   {`{"name":"a\n`, "name"},
		"misspelt literal":      {ok + `,"enabled":tRUE}`, "enabled"},
		"duplicate":             {ok + `,"name":"b"}`, "name"},
		"duplicate, escaped":    {ok + `,"n\u0061me":"b"}`, "name"},
		"duplicate, nested":     {`{"name":"a","port":"1","rows":[{"path":[],"leaf":"x","leaf":"y"}]}`, "rows[0].leaf"},
		"duplicate, map":        {ok + `,"labels":{"x":"1","x":"2"}}`, "labels.x"},
		"duplicate, raw":        {ok + `,"raw":{"a":[{"b":1,"b":1}]}}`, "raw.a[0].b"},
		"duplicate, arguments":  {ok + `,"args":{"p":{"q":1,"q":2}}}`, "args.p.q"},
		"duplicate, unknown":    {ok + `,"nope":{"a":1,"a":2}}`, "nope.a"},
		"duplicate among many":  {many(`"k3":1`), "raw.k3"},
		"too deep":              {deep(MaxDepth), "raw" + strings.Repeat("[0]", MaxDepth-1)},
		"100,000 deep":          {strings.Repeat("[", 100_000), strings.Repeat("[0]", MaxDepth)},
	}
	for name, tt := range tests {
		_, err := decode(t, tt.doc)
		if err == nil || err.Code != fault.InvalidJSON {
			t.Errorf("%s: error %v, want invalid_json", name, err)
			continue
		}
		if len(err.Fields) != 1 || err.Fields[0].Field != tt.field {
			t.Errorf("%s: told %v, want the field %s", name, err.Fields, tt.field)
		}
	}
}

func TestDecodeWrongForm(t *testing.T) {
	const ok = `{"name":"a","port":"1"`
	control := "must not contain control characters"
	tests := []struct {
		doc  string
		want []fault.Field
	}{
		{`[]`, []fault.Field{{Field: "body", Message: "must be an object"}}},
		{`null`, []fault.Field{{Field: "body", Message: "must be an object, not null; leave the field out when there is nothing to say"}}},
		{`{}`, []fault.Field{{Field: "name", Message: "is required"}, {Field: "port", Message: "is required"}}},
		{ok + `,"organizationId":1,"sql":"x"}`, []fault.Field{
			{Field: "organizationId", Message: "is not a field of this request"}, {Field: "sql", Message: "is not a field of this request"}}},
		{ok + `,"ENABLED":true}`, []fault.Field{{Field: "ENABLED", Message: "is not a field; upper and lower case count, and the field is called enabled"}}},
		{ok + `,"Ignored":"x","hidden":"y","-":"z"}`, []fault.Field{
			{Field: "Ignored", Message: "is not a field of this request"}, {Field: "hidden", Message: "is not a field of this request"}, {Field: "*", Message: "is not a field of this request"}}},
		{`{"name":1,"port":true,"enabled":"yes","count":"1","rows":{},"labels":[],"note":[1]}`, []fault.Field{
			{Field: "name", Message: "must be a string"}, {Field: "port", Message: "must be a port"}, {Field: "enabled", Message: "must be true or false"},
			{Field: "count", Message: "must be a whole number"}, {Field: "rows", Message: "must be a list"}, {Field: "labels", Message: "must be an object"}, {Field: "note", Message: "must be a string"}}},
		{ok + `,"rows":[{"path":"x","leaf":null},{"leaf":"a","more":1}]}`, []fault.Field{
			{Field: "rows[0].path", Message: "must be a list"},
			{Field: "rows[0].leaf", Message: "must be a string, not null; leave the field out when there is nothing to say"},
			{Field: "rows[1].more", Message: "is not a field of this request"},
			{Field: "rows[1].path", Message: "is required"}}},
		{ok + `,"count":1.0}`, []fault.Field{{Field: "count", Message: "must be a whole number, without a point or exponent"}}},
		{ok + `,"count":1e3}`, []fault.Field{{Field: "count", Message: "must be a whole number, without a point or exponent"}}},
		{ok + `,"count":99999999999999999999,"small":256}`, []fault.Field{{Field: "count", Message: "is too large or too small"}, {Field: "small", Message: "is too large or too small"}}},
		{ok + `,"patch":null}`, []fault.Field{{Field: "patch", Message: "must be a string, not null; leave the field out when there is nothing to say"}}},
		{ok + `,"labels":{"a":null}}`, []fault.Field{{Field: "labels.a", Message: "must be a string, not null; leave the field out when there is nothing to say"}}},
		{`{"name":"a\u0000","port":"1"}`, []fault.Field{{Field: "name", Message: control}}},
		{`{"name":"a\n","port":"1"}`, []fault.Field{{Field: "name", Message: control}}},
		{`{"name":"\u007f","port":"1\u0085"}`, []fault.Field{{Field: "name", Message: control}, {Field: "port", Message: control}}},
		{ok + `,"note":"\u0007"}`, []fault.Field{{Field: "note", Message: control + " other than line breaks and tabs"}}},
		{ok + `,"note":"123456789"}`, []fault.Field{{Field: "note", Message: "must have at most 8 bytes"}}},
		{ok + `,"raw":{"a":["\u0001"],"\u0002":1}}`, []fault.Field{{Field: "raw.a[0]", Message: control}, {Field: "raw.*", Message: control}}},
		{ok + `,"labels":{"` + strings.Repeat("k", DefaultMax+1) + `":""}}`, []fault.Field{{Field: "labels.*", Message: "must have at most 4096 bytes"}}},
		{ok + `,"at":"yesterday"}`, []fault.Field{{Field: "at", Message: "must be of the form that the OpenAPI document shows"}}},
	}
	for _, tt := range tests {
		_, err := decode(t, tt.doc)
		if err == nil || err.Code != fault.InvalidRequest {
			t.Errorf("%s: error %v, want invalid_request", tt.doc, err)
			continue
		}
		if diff := cmp.Diff(tt.want, err.Fields); diff != "" {
			t.Errorf("%s: -want +got\n%s", tt.doc, diff)
		}
	}
}

// TestErrorsNeverRepeatValues puts a canary wherever a value or a name may stand.
func TestErrorsNeverRepeatValues(t *testing.T) {
	const canary = "hunter-2"
	key := "flowyte_sk_" + strings.Repeat("a", 33)
	for _, doc := range []string{
		`{"name":{"x":"` + canary + `"},"port":"` + canary + `"}`,
		`{"` + canary + `":1}`, `{"` + key + `":1}`, `{"labels":{"` + canary + `":1}}`,
		`{"name":"` + canary + `\u0000"}`, `{"name":"` + canary + strings.Repeat("x", 5000) + `"}`,
		`{"name":"` + canary, `{"raw":{"` + canary + `":1,"` + canary + `":1}}`, `{"name":` + canary + `}`,
		`{"at":"` + canary + `","enabled":"` + canary + `","count":"` + canary + `"}`,
	} {
		var s sample
		err := Decode([]byte(doc), &s)
		f, ok := fault.As(err)
		if !ok {
			t.Errorf("%.40s: accepted", doc)
			continue
		}
		told := fmt.Sprint(f.Fields, f.Detail, f.Fixes)
		if strings.Contains(told, canary) || strings.Contains(told, key) {
			t.Errorf("%.40s: the error repeats it: %s", doc, told)
		}
	}
}

func TestErrorsAreBounded(t *testing.T) {
	_, err := decode(t, `{"name":"a","port":"1","rows":[`+strings.Repeat("1,", 50_000)+`1]}`)
	if err == nil || len(err.Fields) != maxErrors {
		t.Fatalf("got %v, want %d fields", err, maxErrors)
	}
}

func TestDecodeAtNamesThePath(t *testing.T) {
	var tables []string
	err := DecodeAt("blockedTables", []byte(`["a",1,null]`), &tables)
	f, _ := fault.As(err)
	want := []fault.Field{{Field: "blockedTables[1]", Message: "must be a string"},
		{Field: "blockedTables[2]", Message: "must be a string, not null; leave the field out when there is nothing to say"}}
	if f == nil || !cmp.Equal(want, f.Fields) {
		t.Errorf("got %v, want %v", err, want)
	}
	if err := DecodeAt("blockedTables", []byte(`["a"]`), &tables); err != nil || !cmp.Equal(tables, []string{"a"}) {
		t.Errorf("got %v, %v", tables, err)
	}
}

func TestCheckRefusesTypes(t *testing.T) {
	type recursive struct {
		Next *recursive `json:"next,omitempty"`
	}
	type embedded struct{ inner }
	for _, v := range []any{
		struct {
			F float64 `json:"f"`
		}{},
		struct {
			N json.Number `json:"n"`
		}{},
		struct {
			B []byte `json:"b"`
		}{},
		struct {
			A any `json:"a"`
		}{},
		struct{ NoTag string }{},
		struct {
			M map[int]string `json:"m"`
		}{},
		struct {
			S string `json:"s" max:"many"`
		}{},
		struct {
			S string `json:"s" text:"poem"`
		}{},
		struct {
			embedded `json:"e"`
		}{},
		struct {
			Inner inner `json:""`
		}{}, recursive{},
	} {
		if err := Check(reflect.TypeOf(v)); err == nil {
			// An unexported embedded struct has no readable fields and is skipped.
			if reflect.TypeOf(v).NumField() == 1 && !reflect.TypeOf(v).Field(0).IsExported() {
				continue
			}
			t.Errorf("%T is accepted", v)
		}
	}
	if err := Check(reflect.TypeFor[sample]()); err != nil {
		t.Error(err)
	}
	var f struct {
		F float64 `json:"f"`
	}
	if err := Decode([]byte(`{"f":1}`), &f); err == nil || errors.Is(err, fault.New(fault.InvalidRequest)) {
		t.Errorf("decoding into a float: %v", err)
	}
}
