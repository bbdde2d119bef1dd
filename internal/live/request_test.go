package live

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"flowyte/api"
	"flowyte/internal/fault"
	"flowyte/internal/wire"
)

func TestParseRequest(t *testing.T) {
	for _, tt := range []struct {
		body string
		want Request
		fast bool // read in one pass
	}{
		{`{"toolCallId":"call_1","tool":"look_up","arguments":{"phone":"+12065550142"}}`,
			Request{ToolCallID: "call_1", Tool: "look_up", Args: []Arg{{"phone", []byte(`"+12065550142"`)}}}, true},
		{" {\n\t\"arguments\" : { \"n\" : -1.5e3 , \"t\":true,\"f\" : false,\"z\":null } , \"tool\":\"t\",\"toolCallId\":\"é\"}\r\n",
			Request{ToolCallID: "é", Tool: "t", Args: []Arg{{"n", []byte(`-1.5e3`)}, {"t", []byte("true")}, {"f", []byte("false")}, {"z", []byte("null")}}}, true},
		{`{"toolCallId":"1","tool":"t"}`, Request{ToolCallID: "1", Tool: "t"}, true},
		{`{"toolCallId":"1","tool":"t","arguments":{},"confirmationToken":"tok"}`, Request{ToolCallID: "1", Tool: "t", ConfirmationToken: "tok"}, true},
		{`{"toolCallId":"1","tool":"t","arguments":{"b":{"x":[1]},"a":"\u00e9"}}`,
			Request{ToolCallID: "1", Tool: "t", Args: []Arg{{"a", []byte(`"\u00e9"`)}, {"b", []byte(`{"x":[1]}`)}}}, false},
		{`{"tool\u0043allId":"1","tool":"t","arguments":{}}`, Request{ToolCallID: "1", Tool: "t"}, false},
		{`{"toolCallId":"` + strings.Repeat("é", 128) + `","tool":"` + strings.Repeat("x", 64) + `","arguments":{}}`,
			Request{ToolCallID: strings.Repeat("é", 128), Tool: strings.Repeat("x", 64)}, true},
		{manyArguments(maxScanned), Request{ToolCallID: "1", Tool: "t", Args: numbered(maxScanned)}, true},
		{manyArguments(maxScanned + 1), Request{ToolCallID: "1", Tool: "t", Args: numbered(maxScanned + 1)}, false},
	} {
		got, err := ParseRequest([]byte(tt.body))
		if err != nil {
			t.Errorf("%s: %v", tt.body, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.body, diff)
		}
		if _, fast := scanRequest([]byte(tt.body)); fast != tt.fast {
			t.Errorf("%s: read in one pass %v, want %v", tt.body, fast, tt.fast)
		}
	}
}

func numbered(n int) (args []Arg) {
	for i := range n {
		args = append(args, Arg{string(rune('a' + i)), []byte("0")})
	}
	return args
}

func manyArguments(n int) string {
	var list []string
	for _, a := range numbered(n) {
		list = append(list, fmt.Sprintf("%q:0", a.Name))
	}
	return `{"toolCallId":"1","tool":"t","arguments":{` + strings.Join(list, ",") + `}}`
}

func TestRefusedRequests(t *testing.T) {
	const ok = `{"toolCallId":"1","tool":"t","arguments":{"a":1}}`
	replace := func(old, new string) string { return strings.Replace(ok, old, new, 1) }
	for _, tt := range []struct {
		name, body string
		code       fault.Code
		fields     string // space-separated
	}{
		{"empty", "", fault.InvalidJSON, "body"},
		{"byte order mark", "\ufeff" + ok, fault.InvalidJSON, "body"},
		{"not UTF-8", replace("1", "\xff"), fault.InvalidJSON, "body"},
		{"trailing bytes", ok + "1", fault.InvalidJSON, "body"},
		{"two values", ok + ok, fault.InvalidJSON, "body"},
		{"duplicate field", replace(`"tool"`, `"tool":"t","tool"`), fault.InvalidJSON, "tool"},
		{"duplicate argument", replace(`"a":1`, `"a":1,"a":1`), fault.InvalidJSON, "arguments.a"},
		{"duplicate in disguise", replace(`"a":1`, `"a":1,"\u0061":1`), fault.InvalidJSON, "arguments.a"},
		{"comment", replace(`"a":1`, `"a":1/**/`), fault.InvalidJSON, "arguments"},
		{"NaN", replace(`:1}`, `:NaN}`), fault.InvalidJSON, "arguments.a"},
		{"leading zero", replace(`:1}`, `:01}`), fault.InvalidJSON, "arguments"},
		{"half a surrogate pair", replace(`:1}`, `:"\ud800"}`), fault.InvalidJSON, "arguments.a"},
		{"bare control character", replace(`:1}`, ":\"\n\"}"), fault.InvalidJSON, "arguments.a"},
		{"too deep", replace(`:1}`, ":"+strings.Repeat("[", 100_000)+"}"), fault.InvalidJSON, "arguments.a" + strings.Repeat("[0]", 30)},
		{"a list", `[]`, fault.InvalidRequest, "body"},
		{"nothing in it", `{}`, fault.InvalidRequest, "toolCallId tool"},
		{"unknown field", replace(`"tool"`, `"sql":"x","tool"`), fault.InvalidRequest, "sql"},
		{"other case", replace(`"tool"`, `"TOOL"`), fault.InvalidRequest, "TOOL tool"},
		{"null", replace(`"t"`, `null`), fault.InvalidRequest, "tool"},
		{"number for text", replace(`"1"`, `1`), fault.InvalidRequest, "toolCallId"},
		{"arguments a list", replace(`{"a":1}`, `[]`), fault.InvalidRequest, "arguments"},
		{"control character", replace(`"1"`, `"\u0007"`), fault.InvalidRequest, "toolCallId"},
		{"DEL", replace(`"1"`, "\"\x7f\""), fault.InvalidRequest, "toolCallId"},
		{"control character beyond ASCII", replace(`"1"`, "\"\u0085\""), fault.InvalidRequest, "toolCallId"},
		{"control character in an argument", replace(`:1}`, `:"\u0000"}`), fault.InvalidRequest, "arguments.a"},
		{"argument of 4 KiB + 1", replace(`:1}`, `:"`+strings.Repeat("x", 4097)+`"}`), fault.InvalidRequest, "arguments.a"},
		{"no id", replace(`"1"`, `""`), fault.InvalidRequest, "toolCallId"},
		{"no tool", replace(`"t"`, `""`), fault.InvalidRequest, "tool"},
		{"long id", replace(`"1"`, `"`+strings.Repeat("é", 129)+`"`), fault.InvalidRequest, "toolCallId"},
		{"long tool", replace(`"t"`, `"`+strings.Repeat("x", 65)+`"`), fault.InvalidRequest, "tool"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseRequest([]byte(tt.body))
			f, ok := fault.As(err)
			if !ok || f.Code != tt.code {
				t.Fatalf("got %v, want %s", err, tt.code)
			}
			var fields []string
			for _, field := range f.Fields {
				fields = append(fields, field.Field)
			}
			if got := strings.Join(fields, " "); got != tt.fields {
				t.Errorf("names %q, want %q", got, tt.fields)
			}
		})
	}
}

// agree compares ParseRequest with package wire on a body.
func agree(t *testing.T, body []byte) {
	t.Helper()
	var in api.ToolCallRequest
	want := wire.Decode(body, &in)
	if want == nil {
		want = checkLengths(&Request{ToolCallID: in.ToolCallID, Tool: in.Tool})
	}
	got, err := ParseRequest(body)
	if fieldsOf(want) != fieldsOf(err) {
		t.Fatalf("%q: got %s, want %s", body, fieldsOf(err), fieldsOf(want))
	}
	if err != nil {
		return
	}
	if got.ToolCallID != in.ToolCallID || got.Tool != in.Tool || got.ConfirmationToken != in.ConfirmationToken || len(got.Args) != len(in.Arguments) {
		t.Fatalf("%q: got %+v, want %+v", body, got, in)
	}
	for _, a := range got.Args {
		if raw, ok := in.Arguments[a.Name]; !ok || string(raw) != string(a.Raw) {
			t.Fatalf("%q: argument %q is %q, want %q", body, a.Name, a.Raw, raw)
		}
	}
}

// fieldsOf is all that a fault says about a request.
func fieldsOf(err error) string {
	f, ok := fault.As(err)
	if !ok {
		return fmt.Sprint(err)
	}
	return fmt.Sprintf("%s %q", f.Code, f.Fields)
}

var requestSeeds = []string{
	`{"toolCallId":"call_1","tool":"look_up","arguments":{"phone":"+12065550142","n":1,"t":true}}`,
	` { "arguments" : {} , "confirmationToken" : "x" , "tool" : "t" , "toolCallId" : "é" } `,
	`{"toolCallId":"1","tool":"t","arguments":{"a":1,"a":2}}`, `{"toolCallId":"\u00e9","tool":"t","arguments":{"a":{"b":[null]}}}`,
	"{\"toolCallId\":\"\u0085\",\"tool\":\"t\",\"arguments\":{\"\u00a0\":-0.5e+7}}", `{"tool":"t","Tool":"t","arguments":{"":""}}`,
	`{"toolCallId":"1","tool":"t","arguments":{"a":01}}`, `{"toolCallId":"1","tool":"t","arguments":{"a":1e999}}`, "\ufeff{}", `{"arguments":{"a":nul}}`, `{,}`,
	`{"toolCallId":"1","tool":"t","arguments":{"0":0,"1":0,"2":0,"3":0,"4":0,"5":0,"6":0,"7":0,"8":0,"9":0,"a":0,"b":0,"c":0,"d":0,"e":0,"f":0,"g":0}}`,
}

// FuzzParseRequest holds the reader of calls to the rules of package wire.
func FuzzParseRequest(f *testing.F) {
	for _, seed := range requestSeeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(agree)
}

// TestParseRequestAgrees changes and cuts the seeds at every byte.
func TestParseRequestAgrees(t *testing.T) {
	for _, seed := range requestSeeds {
		for i := range len(seed) {
			agree(t, []byte(seed[:i]))
			for _, c := range "\"\\{}[]:,0e-.tnu \x00\x7f\xc2" {
				agree(t, append(append([]byte(seed[:i]), byte(c)), seed[i:]...))
				agree(t, append(append([]byte(seed[:i]), byte(c)), seed[i+1:]...))
			}
		}
	}
}
