package apptest

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"flowyte/api"
	"flowyte/client"
	"flowyte/internal/dbtest"
	"flowyte/internal/privatedb"
)

// counter is a published agent whose skills write into a database of the test's own.
type counter struct {
	*App
	db     *dbtest.Database
	login  privatedb.Login
	agent  api.Agent
	skills []api.Skill
	conv   api.Conversation
}

// counterOf connects to the database with a user who may read and write it all,
// binds the requests, enables what writes and starts a conversation.
func counterOf(t *testing.T, db *dbtest.Database, requests ...api.BindingRequest) *counter {
	t.Helper()
	return counterOn(t, db, Options{}, requests...)
}

// counterOn is counterOf for a service that is opened otherwise.
func counterOn(t *testing.T, db *dbtest.Database, options Options, requests ...api.BindingRequest) *counter {
	t.Helper()
	d := &counter{App: New(t, options), db: db, login: db.User(t, "SELECT", "INSERT", "UPDATE")}
	d.Connected(t, db, d.login)
	c := d.Client()
	var err error
	if d.agent, err = c.CreateAgent(t.Context(), api.AgentRequest{Name: "Desk", Country: "US", TimeZone: "America/New_York"}); err != nil {
		t.Fatal(err)
	}
	for _, r := range requests {
		s, err := c.Bind(t.Context(), d.agent.ID, string(db.Kind), r)
		if err != nil {
			var refused *client.Error
			errors.As(err, &refused)
			t.Fatalf("bind %s: %v, %+v", r.ToolName, err, refused.Findings)
		}
		d.skills = append(d.skills, s)
		if s.IsWrite {
			if _, err = c.PatchSkill(t.Context(), d.agent.ID, s.ID, api.SkillPatch{IsEnabled: new(true), PlanDigest: &s.ExecutionConfig.PlanDigest}); err != nil {
				t.Fatalf("enable %s: %v", r.ToolName, err)
			}
		}
	}
	if _, err := c.SetCallerVerification(t.Context(), d.agent.ID, api.CallerVerificationRequest{Method: "asserted"}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Publish(t.Context(), d.agent.ID, ""); err != nil {
		t.Fatalf("publish: %v", err)
	}
	d.ring(t)
	return d
}

// ring starts a conversation of a verified caller.
func (d *counter) ring(t *testing.T) {
	t.Helper()
	var err error
	if d.conv, err = d.Client().Start(t.Context(), d.agent.ID, api.ConversationRequest{Channel: "voice", Caller: &api.Caller{Phone: CanaryPhone}}); err != nil {
		t.Fatal(err)
	}
	if a, err := d.Client().Verify(t.Context(), d.conv.ID, api.VerificationRequest{Asserted: true}); err != nil || !a.Verified {
		t.Fatalf("assert: %+v, %v", a, err)
	}
}

// ask calls a tool with the arguments as JSON.
func (d *counter) ask(t *testing.T, call, tool, arguments, token string) api.ToolCallAnswer {
	t.Helper()
	r := api.ToolCallRequest{ToolCallID: call, Tool: tool, ConfirmationToken: token}
	if err := json.Unmarshal([]byte(arguments), &r.Arguments); err != nil {
		t.Fatalf("%s: %v", arguments, err)
	}
	a, err := d.Client().Call(t.Context(), d.conv.ID, r)
	if err != nil {
		t.Fatalf("call %s %.200s: %v", tool, arguments, err)
	}
	return a
}

// confirmed is ask, and consents when asked.
func (d *counter) confirmed(t *testing.T, call, tool, arguments string) api.ToolCallAnswer {
	t.Helper()
	a := d.ask(t, call, tool, arguments, "")
	if a.Confirmation == nil {
		return a
	}
	return d.ask(t, call, tool, arguments, a.Confirmation.Token)
}

// written is a value that is said for a column, and what the server has then;
// "" means that it is refused before it is sent.
type written struct{ said, kept string }

const (
	longText = 4096
	refused  = ""
)

// writtenColumns are columns of both kinds and what is said for them. A server's
// own name of a type stands in words of its own below.
var writtenColumns = map[string][]written{
	"small smallint":      {{`32767`, "32767"}, {`-32768`, "-32768"}, {`32768`, refused}, {`"12"`, "12"}, {`1.0`, refused}, {`1e2`, refused}, {`" 1"`, refused}, {`"٣"`, refused}, {`true`, refused}},
	"big bigint":          {{`9223372036854775807`, "9223372036854775807"}, {`"-9223372036854775808"`, "-9223372036854775808"}, {`9223372036854775808`, refused}, {`9007199254740993`, "9007199254740993"}},
	"price decimal(20,4)": {{`1234567890123456.7891`, "1234567890123456.7891"}, {`"-0.5"`, "-0.5000"}, {`0.00001`, refused}, {`12345678901234567`, refused}, {`1.10000`, "1.1000"}, {`-0`, refused}},
	"day date":            {{`"2028-02-29"`, "2028-02-29"}, {`"2027-02-29"`, refused}, {`"0000-00-00"`, refused}, {`"10000-01-01"`, refused}, {`"9999-12-31"`, "9999-12-31"}, {`"27-1-2"`, refused}, {`"01/02/2027"`, refused}},
	"said varchar(20)": {
		{`"Zoë 🙂 – ok"`, "Zoë 🙂 – ok"}, {`"` + strings.Repeat("🙂", 20) + `"`, strings.Repeat("🙂", 20)}, {`"` + strings.Repeat("x", 21) + `"`, refused}, {`""`, refused}, {`" "`, refused},
		{`"O'Brien\\ \"%_\";--"`, `O'Brien\ "%_";--`}, {`"a\u202eb"`, refused}, {`"a\u200bb"`, refused}, {`12`, refused}, {`"e\u0301"`, "e\u0301"}, {`"null"`, "null"},
	},
	"body text":             {{`"` + strings.Repeat("x", longText) + `"`, strings.Repeat("x", longText)}},
	"clock time":            {{`"15:04"`, "15:04:00"}, {`"23:59:59"`, "23:59:59"}, {`"24:00"`, refused}, {`"3 pm"`, refused}},
	"agreed boolean":        {{`true`, "t"}, {`false`, "f"}, {`1`, refused}, {`"yes"`, refused}},
	"rate double precision": {{`0.1`, "0.1"}, {`1e300`, refused}, {`0.12345678901234567`, refused}},
}

var writtenPostgres = map[string][]written{
	"local timestamp":    {{`"2027-03-14T02:30:00"`, "2027-03-14 02:30:00"}, {`"2027-05-01 15:04"`, "2027-05-01 15:04:00"}, {`"2027-05-01T15:04:00Z"`, refused}, {`"2027-05-01T15:04:00.123456"`, "2027-05-01 15:04:00.123456"}, {`"2027-05-01T15:04:00.1234567"`, refused}, {`"10000-01-01T00:00:00"`, refused}},
	"zoned timestamptz":  {{`"2027-03-14T02:30:00"`, refused}, {`"2027-11-07T01:30:00"`, refused}, {`"2027-11-07T01:30:00-04:00"`, "2027-11-07 05:30:00+00"}, {`"2027-05-01T15:04:00"`, "2027-05-01 19:04:00+00"}, {`"2027-05-01T15:04:00+05:30"`, "2027-05-01 09:34:00+00"}},
	"whole timestamp(0)": {{`"2027-05-01T15:04:00.5"`, refused}, {`"2027-05-01T15:04:00.0"`, "2027-05-01 15:04:00"}},
	"key_of uuid":        {{`"123E4567-e89b-12d3-a456-426614174000"`, "123e4567-e89b-12d3-a456-426614174000"}, {`"123e4567e89b12d3a456426614174000"`, refused}},
	"mood mood":          {{`"so 'so'"`, "so 'so'"}, {`"bad"`, refused}, {`"OK"`, refused}},
	"positive positive":  {{`5`, "5"}},
	"fixed char(3)":      {{`"abc"`, "abc"}, {`"abcd"`, refused}},
	"anything numeric":   {{`123456789012345678901234567890.123456789`, "123456789012345678901234567890.123456789"}},
	"host inet":          {{`"192.168.0.1"`, "192.168.0.1"}, {`"nonsense"`, refused}},
	"tiny real":          {{`1.5`, "1.5"}, {`16777217`, refused}},
}

var writtenMySQL = map[string][]written{
	"local datetime":                         {{`"2027-03-14T02:30:00"`, "2027-03-14 02:30:00"}, {`"2027-05-01T15:04:00Z"`, refused}, {`"2027-05-01T15:04:00.5"`, refused}, {`"10000-01-01T00:00:00"`, refused}},
	"fine datetime(3)":                       {{`"2027-05-01T15:04:00.123"`, "2027-05-01 15:04:00.123"}, {`"2027-05-01T15:04:00.1234"`, refused}},
	"zoned timestamp NULL":                   {{`"2027-03-14T02:30:00"`, refused}, {`"2027-11-07T01:30:00-04:00"`, "2027-11-07 05:30:00"}, {`"2038-01-19T03:14:07Z"`, "2038-01-19 03:14:07"}, {`"2038-01-19T03:14:08Z"`, refused}, {`"1969-12-31T23:59:59Z"`, refused}},
	"mood enum('ok','so so','1')":            {{`"so so"`, "so so"}, {`"bad"`, refused}, {`2`, refused}, {`"1"`, "1"}},
	"huge bigint unsigned":                   {{`18446744073709551615`, "18446744073709551615"}, {`-1`, refused}, {`18446744073709551616`, refused}},
	"wide decimal(65,30)":                    {{`"12345678901234567890123456789012345.123456789012345678901234567891"`, "12345678901234567890123456789012345.123456789012345678901234567891"}},
	"tiny float":                             {{`1.5`, "1.5"}, {`16777217`, refused}},
	"age tinyint unsigned":                   {{`255`, "255"}, {`256`, refused}},
	"annum year":                             {{`2027`, "2027"}, {`27`, refused}},
	"latin varchar(10) CHARACTER SET latin1": {{`"Zoë"`, "Zoë"}, {`"Łódź"`, refused}, {`"🙂"`, refused}},
	"old varchar(10) CHARACTER SET utf8mb3":  {{`"Łódź"`, "Łódź"}, {`"🙂"`, refused}},
	"short_text tinytext":                    {{`"` + strings.Repeat("x", 255) + `"`, strings.Repeat("x", 255)}, {`"` + strings.Repeat("x", 256) + `"`, refused}, {`"` + strings.Repeat("é", 200) + `"`, refused}},
}

// TestWrittenValues: what is said is what the column has then, or nothing is
// sent; an optional value that is left out is NULL.
func TestWrittenValues(t *testing.T) {
	dbtest.Every(t, func(t *testing.T, db *dbtest.Database) {
		own, prepare := writtenPostgres, []string{"CREATE TYPE mood AS ENUM ('ok', 'so ''so''')", "CREATE DOMAIN positive AS int CHECK (VALUE > 0)"}
		if db.Kind == "mysql" {
			own, prepare = writtenMySQL, nil
		}
		db.Exec(t, prepare...)
		columns := map[string][]written{}
		create := "CREATE TABLE samples (id int PRIMARY KEY"
		b := api.BindingRequest{
			ToolName: "Keep a sample", Operation: "samples.insert", IsWrite: true,
			InputObjectMap: []api.InputObject{{Field: "id", Param: "number", Required: new(true)}},
		}
		for _, set := range []map[string][]written{writtenColumns, own} {
			for definition, values := range set {
				name, _, _ := strings.Cut(definition, " ")
				if db.Kind == "mysql" && strings.HasSuffix(definition, "text") && name == "body" {
					definition += " CHARACTER SET utf8mb4"
				}
				if db.Kind == "mysql" && name == "said" {
					definition += " CHARACTER SET utf8mb4"
				}
				create += ", " + definition
				columns[name] = values
				b.InputObjectMap = append(b.InputObjectMap, api.InputObject{Field: name, Param: "p_" + name, Required: new(false)})
			}
		}
		db.Exec(t, create+")")
		d := counterOf(t, db, b)
		number := 0
		for name, values := range columns {
			d.ring(t) // no more than 128 writes in one
			for _, v := range values {
				number++
				n := string(mustJSON(t, number))
				a := d.confirmed(t, n, "keep_a_sample", `{"number": `+n+`, "p_`+name+`": `+v.said+`}`)
				if v.kept == refused {
					if a.Outcome != api.OutcomeInvalidArguments {
						t.Errorf("%s %s: %s (%s)", name, v.said, a.Outcome, reasonOf(a))
					}
					continue
				}
				if a.Outcome != api.OutcomeOK || string(a.Result) != `{"created":{"id":`+n+`}}` {
					t.Errorf("%s %s: %s (%s) %s %+v", name, v.said, a.Outcome, reasonOf(a), a.Result, a.Errors)
					continue
				}
				if kept := db.Query(t, "SELECT "+name+" FROM samples WHERE id = "+n)[0][0]; kept != v.kept && !(name == "agreed" && db.Kind == "mysql") {
					t.Errorf("%s %s: kept as %q, want %q", name, v.said, kept, v.kept)
				}
			}
		}
	})
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
