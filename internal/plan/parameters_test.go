package plan_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"

	"flowyte/internal/plan"
	"flowyte/internal/schema"
)

func named(name string, p *plan.Param, required bool) plan.Param {
	q := *p
	q.Name, q.Required = name, required
	return q
}

var everyKind = plan.Plan{Params: []plan.Param{
	named("zeta", length(40), true),
	named("caller_phone", format(plan.Phone), true),
	named("caller_email", format(plan.Email), true),
	named("number", param(schema.Integer, "int4"), true),
	named("price", numeric(8, 2), false),
	named("paid", param(schema.Boolean, "bool"), true),
	named("day", param(schema.Date, "date"), true),
	named("at", param(schema.Time, "time"), true),
	named("starts", param(schema.DateTime, "timestamp"), true),
	named("moment", zoned("timestamptz"), true),
	named("token", param(schema.UUID, "uuid"), true),
	named("status", enum("open", "closed"), true),
}}

func TestParametersSchema(t *testing.T) {
	const want = `{"type":"object","properties":{` +
		`"zeta":{"type":"string","description":"A text that is not empty.","minLength":1,"maxLength":40},` +
		`"caller_phone":{"type":"string","description":"A phone number with its country code, such as +12065550142.","minLength":1},` +
		`"caller_email":{"type":"string","description":"An e-mail address.","format":"email","minLength":1,"maxLength":4096},` +
		`"number":{"type":"integer","description":"A whole number."},` +
		`"price":{"type":"number","description":"A decimal number without an exponent."},` +
		`"paid":{"type":"boolean","description":"True or false."},` +
		`"day":{"type":"string","description":"A date such as 2026-05-01.","format":"date"},` +
		`"at":{"type":"string","description":"A time of day such as 15:04 or 15:04:05.","pattern":"^\\d{2}:\\d{2}(:\\d{2}(\\.\\d{1,6})?)?$"},` +
		`"starts":{"type":"string","description":"A date and time without a zone, such as 2026-05-01T15:04:05.","pattern":"^\\d{4}-\\d{2}-\\d{2}[T ]\\d{2}:\\d{2}(:\\d{2}(\\.\\d{1,6})?)?$"},` +
		`"moment":{"type":"string","description":"A date and time with its offset, such as 2026-05-01T15:04:05+02:00.","format":"date-time"},` +
		`"token":{"type":"string","description":"A UUID such as 123e4567-e89b-12d3-a456-426614174000.","format":"uuid"},` +
		`"status":{"type":"string","description":"One of the listed values.","enum":["open","closed"]}},` +
		`"required":["zeta","caller_phone","caller_email","number","paid","day","at","starts","moment","token","status"],"additionalProperties":false}`
	if diff := cmp.Diff(want, string(everyKind.ParametersSchema(nil))); diff != "" {
		t.Error(diff)
	}
}

// What the schema promises to a model is what Judge accepts.
func TestParametersSchemaAgreesWithJudge(t *testing.T) {
	var s jsonschema.Schema
	if err := json.Unmarshal(everyKind.ParametersSchema(func(string) bool { return true }), &s); err != nil {
		t.Fatal(err)
	}
	resolved, err := s.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{
		"zeta": `"a"`, "caller_phone": `"+12065550142"`, "caller_email": `"a@b.c"`, "number": `42`, "price": `12.5`, "paid": `true`,
		"day": `"2026-05-01"`, "at": `"15:04"`, "starts": `"2026-05-01T15:04:05.5"`, "moment": `"2026-05-01T15:04:05Z"`,
		"token": `"123e4567-e89b-12d3-a456-426614174000"`, "status": `"open"`,
	}
	for i := range everyKind.Params {
		p := &everyKind.Params[i]
		raw := values[p.Name]
		if _, want, ok := plan.Judge(p, []byte(raw), "", nil); !ok {
			t.Errorf("%s: %s was refused, wanted %s", p.Name, raw, want)
		}
		var instance any
		if err := json.Unmarshal([]byte(`{"`+p.Name+`":`+raw+`}`), &instance); err != nil {
			t.Fatal(err)
		}
		if err := resolved.Validate(instance); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
	if err := resolved.Validate(map[string]any{"other": 1}); err == nil {
		t.Error("a parameter that is not listed is allowed")
	}
}

func TestParametersSchemaOfAConversation(t *testing.T) {
	p := plan.Plan{Params: []plan.Param{
		named("caller_phone", format(plan.Phone), true), named("caller_name", length(9), true), named("note", length(9), false),
	}}
	p.Params[0].CallerOnly = true
	var got struct {
		Properties map[string]any
		Required   []string
	}
	if err := json.Unmarshal(p.ParametersSchema(func(name string) bool { return name == "caller_name" }), &got); err != nil {
		t.Fatal(err)
	}
	if _, there := got.Properties["caller_phone"]; there || len(got.Properties) != 2 || len(got.Required) != 0 {
		t.Errorf("got %+v", got)
	}
	if diff := cmp.Diff([]string{"caller_name"}, p.RequiredParams()); diff != "" {
		t.Error(diff)
	}
}

func TestDigest(t *testing.T) {
	a := plan.Plan{Format: plan.Format, Statement: "SELECT 1"}
	b := a
	if a.Digest() != b.Digest() || len(a.Digest()) != 64 {
		t.Errorf("equal plans, digests %s and %s", a.Digest(), b.Digest())
	}
	if b.Statement = "SELECT 2"; a.Digest() == b.Digest() {
		t.Error("another statement has the same digest")
	}
}
