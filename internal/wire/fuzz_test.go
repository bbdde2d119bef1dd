package wire

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"flowyte/internal/fault"
)

// FuzzDecode compares with encoding/json: what is accepted here must be valid
// there and mean the same, and what is not JSON there must be refused here.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"name":"a","port":"5432"}`, `{"name":"\ud83d\ude00","port":1,"raw":{"a":[1e9,-0.5]},"nullable":null}`,
		`{"name":"a","port":"1","rows":[{"path":["x"],"leaf":"y"}],"labels":{"a":"b"},"args":{"p":null}}`,
		`{"name":"a","NAME":"b","port":"1"}`, `{"name":"a","name":"b","port":"1"}`, "\ufeff{}", `{"name":"\ud800"}`, `[[[[`, `1 2`,
		`{"name":"a","port":"1","at":"2026-05-01T15:00:00Z","count":-12,"small":3,"patch":"p","note":"\n"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		var ours sample
		err := Decode(doc, &ours)
		if err != nil {
			if _, ok := fault.As(err); !ok {
				t.Fatalf("error %v is not a fault", err)
			}
			return
		}
		if !json.Valid(doc) {
			t.Fatalf("accepted what is not JSON: %q", doc)
		}
		var theirs sample
		dec := json.NewDecoder(bytes.NewReader(doc))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&theirs); err != nil {
			t.Fatalf("accepted what encoding/json refuses: %q: %v", doc, err)
		}
		if !cmp.Equal(ours, theirs, cmp.AllowUnexported(sample{})) {
			t.Fatalf("%q differs:\n%s", doc, cmp.Diff(theirs, ours, cmp.AllowUnexported(sample{})))
		}
	})
}

// FuzzSkip compares the bare grammar: documents that differ from JSON's only
// in what strictness forbids are told apart by their reason.
func FuzzSkip(f *testing.F) {
	for _, seed := range []string{`{"a":[1,2.5e-3,"x",true,false,null,{}]}`, `"\u00e4"`, `-0`, `[`, `{"a":1,}`, `01`, `"\x"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		var raw json.RawMessage
		err := Decode(doc, &raw)
		if err == nil && !json.Valid(doc) {
			t.Fatalf("accepted what is not JSON: %q", doc)
		}
		if err == nil && !bytes.Equal(bytes.TrimSpace(doc), raw) {
			t.Fatalf("kept %q of %q", raw, doc)
		}
	})
}

// TestDecodeReadsWhatIsWritten is the other direction of FuzzDecode: whatever
// encoding/json writes for a value is read back as that value.
func TestDecodeReadsWhatIsWritten(t *testing.T) {
	text := rapid.StringOfN(rapid.RuneFrom(nil, unicode.L, unicode.N, unicode.P, unicode.S, unicode.Zs), 0, 40, -1)
	rapid.Check(t, func(t *rapid.T) {
		want := sample{
			Name:    text.Draw(t, "name"),
			Port:    port(rapid.StringMatching(`[1-9][0-9]{0,4}`).Draw(t, "port")),
			Enabled: rapid.Bool().Draw(t, "enabled"),
			Count:   rapid.Int().Draw(t, "count"),
			Small:   rapid.Uint8().Draw(t, "small"),
			Labels:  rapid.MapOfN(text, text, 1, 20).Draw(t, "labels"),
			Rows: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) inner {
				return inner{Path: rapid.SliceOfN(text, 0, 3).Draw(t, "path"), Leaf: text.Draw(t, "leaf")}
			}), 1, 4).Draw(t, "rows"),
		}
		if rapid.Bool().Draw(t, "has nullable") {
			n := rapid.Int().Draw(t, "nullable")
			want.Nullable = &n
		}
		for i := range want.Rows {
			if want.Rows[i].Path == nil {
				want.Rows[i].Path = []string{}
			}
		}
		doc, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got sample
		if err := Decode(doc, &got); err != nil {
			f, _ := fault.As(err)
			t.Fatalf("%s: %v %v", doc, err, f.Fields)
		}
		if !reflect.DeepEqual(want, got) {
			t.Fatalf("%s: -want +got\n%s", doc, cmp.Diff(want, got, cmp.AllowUnexported(sample{})))
		}
	})
}
