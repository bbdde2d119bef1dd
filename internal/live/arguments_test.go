package live

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"flowyte/internal/plan"
	"flowyte/internal/schema"
	"flowyte/internal/target"
)

// varied is a tool with one parameter of each kind.
func varied() *Tool {
	t := tool("varied", "caller_phone", plan.Phone)
	t.Plan.Params = []plan.Param{
		{Name: "caller_phone", Type: text(), Format: plan.Phone, Required: true, CallerOnly: true},
		{Name: "caller_email", Type: text(), Format: plan.Email, Required: true},
		{Name: "count", Type: plan.ValueType{Type: schema.Integer, BaseType: "int4"}, Required: true},
		{Name: "note", Type: text()},
	}
	t.Plan.Slots = []plan.Slot{
		{Source: plan.FromParam, Name: "caller_phone", Variant: plan.AllVariants, Type: text()},
		{Source: plan.FromParam, Name: "caller_email", Variant: 0, Type: text()},
		{Source: plan.FromParam, Name: "caller_email", Variant: 1, Type: text()},
		{Source: plan.FromParam, Name: "count", Type: t.Plan.Params[2].Type},
		{Source: plan.FromParam, Name: "note", Type: text()},
		{Source: plan.FromConst, Const: "open", Type: text()},
		{Source: plan.FromParam, Name: "count", Type: t.Plan.Params[2].Type},
	}
	return t
}

// TestArgumentsReachTheirSlots shows what the database is given.
func TestArgumentsReachTheirSlots(t *testing.T) {
	anna := Caller{Phone: "(206) 555-0142", Email: "Anna@x.com"}
	phones := target.Value{All: []string{"+12065550142", "2065550142", "12065550142", "(206) 555-0142"}}
	for _, tt := range []struct {
		name   string
		caller Caller
		args   []Arg
		want   []target.Value
	}{
		{"filled in", anna, []Arg{{"count", []byte("7")}}, []target.Value{
			phones, {Text: "Anna@x.com"}, {Text: "anna@x.com"}, {Text: "7"}, {Null: true}, {Text: "open"}, {Text: "7"},
		}},
		{"said", anna, []Arg{{"note", []byte(`"by\u0020hand"`)}, {"count", []byte(`"7"`)}, {"caller_email", []byte(`" Bob@x.com"`)}}, []target.Value{
			phones, {Text: "Bob@x.com"}, {Text: "bob@x.com"}, {Text: "7"}, {Text: "by hand"}, {Text: "open"}, {Text: "7"},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []target.Value
			k := newKit(t, func(ctx context.Context, p *plan.Plan, v []target.Value, sink target.RowSink) (target.Stats, error) {
				got = slices.Clone(v)
				return oneRow(ctx, p, v, sink)
			}, varied())
			c := k.ringAs(tt.caller)
			for _, id := range []string{"1", "2"} { // the second time from what the conversation remembers
				want(t, k.ask(c, Request{ToolCallID: id, Tool: "varied", Args: tt.args}), OK, "")
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestComplaints(t *testing.T) {
	anna := Caller{Phone: "+12065550142", Email: "Anna@x.com"}
	count := Arg{"count", []byte("7")}
	const only = wantOnly + "caller_email, count, note"
	for _, tt := range []struct {
		name   string
		caller Caller
		args   []Arg
		want   []Complaint
	}{
		{"nothing known, nothing said", Caller{}, nil, []Complaint{
			{"caller_phone", wantFromCall}, {"caller_email", "required: " + plan.WantEmail}, {"count", "required: " + plan.WantInteger},
		}},
		{"the caller's own cannot be said", anna, []Arg{count, {"caller_phone", []byte(`"+12065550142"`)}}, []Complaint{{"arguments", only}}},
		{"the caller's own cannot be said when it is not known", Caller{Email: "a@x.com"}, []Arg{count, {"caller_phone", []byte(`"+12065550142"`)}}, []Complaint{
			{"arguments", only},
		}},
		{"unknown name", anna, []Arg{count, {"Count", []byte("7")}}, []Complaint{{"arguments", only}}},
		{"name twice", anna, []Arg{count, count}, []Complaint{{"arguments", only}}},
		{"null is no value", anna, []Arg{count, {"note", []byte("null")}}, []Complaint{{"note", plan.WantText}}},
		{"null does not make what is known be used", anna, []Arg{count, {"caller_email", []byte("null")}}, []Complaint{{"caller_email", plan.WantEmail}}},
		{"all together", anna, []Arg{{"count", []byte("1.5")}, {"note", []byte(`""`)}, {"x", nil}}, []Complaint{
			{"count", plan.WantInteger}, {"note", plan.WantText}, {"arguments", only},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := newKit(t, oneRow, varied())
			a := k.ask(k.ringAs(tt.caller), Request{ToolCallID: "1", Tool: "varied", Args: tt.args})
			want(t, a, InvalidArguments, "")
			if diff := cmp.Diff(tt.want, a.Complaints); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	none := tool("none", "x", plan.Plain)
	none.Plan.Params, none.Plan.Slots = nil, nil
	k := newKit(t, oneRow, none)
	a := k.ask(k.ring(), Request{ToolCallID: "1", Tool: "none", Args: []Arg{count}})
	if diff := cmp.Diff([]Complaint{{"arguments", wantOnly + "none"}}, a.Complaints); diff != "" {
		t.Error(diff)
	}
	want(t, k.ask(k.ring(), Request{ToolCallID: "1", Tool: "none"}), OK, "")
}

// TestZonedArgumentsUseTheAgentsZone: a time without an offset is the agent's.
func TestZonedArgumentsUseTheAgentsZone(t *testing.T) {
	at := tool("at", "at", plan.Plain)
	at.Plan.Params[0].Type = plan.ValueType{Type: schema.DateTime, BaseType: "timestamptz", Zoned: true}
	var got string
	k := newKit(t, func(ctx context.Context, p *plan.Plan, v []target.Value, sink target.RowSink) (target.Stats, error) {
		got = v[0].Text
		return oneRow(ctx, p, v, sink)
	}, at)
	k.version.Location = time.FixedZone("", -7*3600)
	want(t, k.ask(k.ring(), Request{ToolCallID: "1", Tool: "at", Args: []Arg{{"at", []byte(`"2026-05-01T15:00"`)}}}), OK, "")
	if got != "2026-05-01T22:00:00Z" {
		t.Errorf("the database was given %s", got)
	}
}

// TestReadingsAreAsFresh: what a conversation remembers of a number is what
// reading it again would give, however many there were in between.
func TestReadingsAreAsFresh(t *testing.T) {
	k := newKit(t, oneRow, varied())
	texts := []string{"+12065550142", "(206) 555-0142", "206.555.0143", "+4930901820", "nonsense", "", "+1 206 555 0144", "00"}
	rapid.Check(t, func(t *rapid.T) {
		c := &Conversation{Version: k.version}
		phone, email := &k.version.Tools[0].Plan.Params[0], &k.version.Tools[0].Plan.Params[1]
		for range 20 {
			p := rapid.SampledFrom([]*plan.Param{phone, email}).Draw(t, "param")
			said := rapid.SampledFrom(append(texts, "Anna@x.com", "a@b.c")).Draw(t, "said")
			isJSON := rapid.Bool().Draw(t, "json")
			raw := []byte(said)
			if isJSON {
				raw = quoted(said)
			}
			got, wanted := c.read(p, raw, isJSON)
			fresh, want := (&Conversation{Version: k.version}).read(p, raw, isJSON)
			if diff := cmp.Diff(fresh, got, cmp.AllowUnexported(argument{})); diff != "" || want != wanted {
				t.Fatalf("%s: %s", said, diff)
			}
		}
	})
}

// TestNumbersAreNoTexts: a number is not taken for the text that the
// conversation knows and has read before.
func TestNumbersAreNoTexts(t *testing.T) {
	k := newKit(t, oneRow, tool("look_up", "caller_phone", plan.Phone))
	c := k.ringAs(Caller{Phone: "2065550142"})
	want(t, k.ask(c, Request{ToolCallID: "1", Tool: "look_up"}), OK, "")
	want(t, k.ask(c, Request{ToolCallID: "2", Tool: "look_up", Args: []Arg{{"caller_phone", []byte("2065550142")}}}), InvalidArguments, "")
}

// TestCanonicalTellsSetsApart: two sets of values have one canonical text only
// if they are equal.
func TestCanonicalTellsSetsApart(t *testing.T) {
	value := rapid.Custom(func(t *rapid.T) argument {
		text := rapid.SampledFrom([]string{"", "a", "aa"}).Draw(t, "text")
		return argument{given: text != "", text: text}
	})
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 4).Draw(t, "parameters")
		a := rapid.SliceOfN(value, n, n).Draw(t, "a")
		b := rapid.SliceOfN(value, n, n).Draw(t, "b")
		if (canonical(a) == canonical(b)) != slices.Equal(a, b) {
			t.Fatalf("%q and %q", canonical(a), canonical(b))
		}
	})
}
