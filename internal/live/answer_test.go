package live

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"flowyte/api"
)

// read decodes a response's body as a client does, and wants no field that the
// wire types do not have.
func read(t *testing.T, a *Answer) api.ToolCallAnswer {
	t.Helper()
	body := a.AppendResponse(nil)
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	var r api.Response[api.ToolCallAnswer]
	if err := dec.Decode(&r); err != nil || !r.Success {
		t.Fatalf("%v: %s", err, body)
	}
	return r.Data
}

func TestAnswerOnTheWire(t *testing.T) {
	expires := time.Date(2026, 5, 1, 15, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		a    Answer
		want string
	}{
		{
			Answer{ToolCallID: "call_1", Tool: "look_up", Outcome: OK, Result: []byte(`{"rows":[]}`), Latency: 1234567, DB: 1000000},
			`{"toolCallId":"call_1","tool":"look_up","outcome":"ok","reason":null,"result":{"rows":[]},"say":null,"latencyMs":1.234,"dbMs":1,"replayed":false,"retryAfterMs":null,"confirmation":null}`,
		},
		{
			Answer{ToolCallID: "1", Tool: "t", Outcome: Busy, Reason: "pool", RetryAfter: 250 * time.Millisecond, Replayed: true},
			`{"toolCallId":"1","tool":"t","outcome":"busy","reason":"pool","result":null,"say":"The system is busy at the moment. Let me try again shortly.","latencyMs":0,"dbMs":0,"replayed":true,"retryAfterMs":250,"confirmation":null}`,
		},
		{
			Answer{ToolCallID: "1", Tool: "t", Outcome: InvalidArguments, Complaints: []Complaint{{"phone", `say "it"`}, {"b", "c"}}},
			`{"toolCallId":"1","tool":"t","outcome":"invalid_arguments","reason":"phone: say \"it\"","result":null,"say":"I did not get that quite right. Could you tell me again?","latencyMs":0,"dbMs":0,"replayed":false,"retryAfterMs":null,"confirmation":null,"errors":[{"field":"phone","message":"say \"it\""},{"field":"b","message":"c"}]}`,
		},
		{
			Answer{ToolCallID: "1", Tool: "t", Outcome: ConfirmationRequired, RetryAfter: time.Microsecond, Confirmation: &Confirmation{Token: "x", Summary: "a\nb", ExpiresAt: expires.In(time.FixedZone("", 3600))}},
			`{"toolCallId":"1","tool":"t","outcome":"confirmation_required","reason":null,"result":null,"say":"Shall I go ahead with that?","latencyMs":0,"dbMs":0,"replayed":false,"retryAfterMs":1,"confirmation":{"token":"x","summary":"a\u000ab","expiresAt":"2026-05-01T15:00:00Z"}}`,
		},
	} {
		if diff := cmp.Diff(tt.want, string(tt.a.AppendJSON(nil))); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if got, want := string(tt.a.AppendResponse([]byte("#"))), `#{"success":true,"data":`+tt.want+`}`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		read(t, &tt.a)
	}
}

// TestSay: every outcome but ok has one fixed sentence.
func TestSay(t *testing.T) {
	for _, o := range []Outcome{OK, NotFound, InvalidArguments, VerificationRequired, ConfirmationRequired, TimedOut, Unavailable, Refused, Busy, Failed} {
		a := read(t, &Answer{Outcome: o})
		if (a.Say == nil) != (o == OK) {
			t.Errorf("%s says %v", o, a.Say)
		}
		if a.Say != nil && !strings.HasSuffix(*a.Say, ".") && !strings.HasSuffix(*a.Say, "?") {
			t.Errorf("%s does not say a sentence: %q", o, *a.Say)
		}
	}
	if a, b := say(Refused, reasonLookups), say(Refused, "else"); a == b {
		t.Error("the limit of lookups is not told")
	}
}

// TestToolCallIDIsEchoed: an id comes back as it came, whatever characters the
// wire lets in.
func TestToolCallIDIsEchoed(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		id := rapid.StringN(1, 128, -1).Draw(rt, "id")
		body, err := json.Marshal(map[string]any{"toolCallId": id, "tool": "t", "arguments": map[string]any{}})
		if err != nil {
			rt.Fatal(err)
		}
		r, err := ParseRequest(body)
		if err != nil {
			rt.Skip("not an id")
		}
		a := read(t, &Answer{ToolCallID: r.ToolCallID, Outcome: OK})
		if a.ToolCallID != id {
			rt.Fatalf("%q came back as %q", id, a.ToolCallID)
		}
	})
	for _, id := range []string{`a"b\c`, "<&>", "zero\u200bwidth", "\u2028", "é🎉", "/"} {
		if a := read(t, &Answer{ToolCallID: id, Outcome: OK}); a.ToolCallID != id {
			t.Errorf("%q came back as %q", id, a.ToolCallID)
		}
	}
}
