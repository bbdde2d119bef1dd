package live

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"flowyte/internal/plan"
	"flowyte/internal/schema"
	"flowyte/internal/target"
)

func moments(base schema.Type, zoned bool, precision *int) plan.ValueType {
	return plan.ValueType{Type: base, Zoned: zoned, Precision: precision}
}

// enter is a write with a slot of every source.
func enter() *Tool {
	tool := writes("enter", plan.Insert, "appointments", "note")
	p := tool.Plan
	p.Params[0].Required = false
	system := func(name, column string, v plan.ValueType) {
		p.Slots = append(p.Slots, plan.Slot{Source: plan.FromSystem, Name: name, Column: column, Type: v})
	}
	system("now", "created_at", moments(schema.DateTime, false, nil))
	system("now", "created_tz", moments(schema.DateTime, true, ptr(0)))
	system("now", "created_on", moments(schema.Date, false, nil))
	system("uuid", "ref", text())
	system("uuid", "ref_again", text())
	system("conversation_id", "source", text())
	system("caller_phone", "phone", text())
	p.Slots = append(p.Slots, plan.Slot{Source: plan.FromConst, Const: "booked", Column: "status", Type: text()})
	tool.PlanDigest = p.Digest()
	return tool
}

// TestValuesOfAWrite: what nobody says is filled in, once for an execution; an
// optional parameter that is left out is NULL.
func TestValuesOfAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, enter())
		<-time.After(1234567891 * time.Nanosecond)
		c := d.ringAs(Caller{Phone: "(206) 555-0142"})
		d.clerk.write = func(_ context.Context, s *statement) error {
			_ = s.row() // a deadlock: the adapter begins anew with the same values
			<-time.After(time.Second / 2)
			return s.commit()
		}
		want(t, d.confirmed(c, "1", "enter"), OK, "")
		v := d.clerk.statements()[0].values
		if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(v[4]) {
			t.Errorf("uuid %s", v[4])
		}
		if diff := cmp.Diff([]string{
			"NULL", "2000-01-01T00:00:01.234567", "2000-01-01T00:00:01Z", "2000-01-01", v[4], v[4], string(c.ID), "+12065550142", "booked",
		}, v); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		d.clerk.set(func(c *clerk) { c.write = nil })
		want(t, d.confirmed(d.ringAs(Caller{Phone: "+12065550142"}), "1", "enter", "n"), OK, "")
		if other := d.clerk.statements()[1].values; other[4] == v[4] || other[0] != "n" {
			t.Errorf("got %v", other)
		}
		// A second try replaces what the first one left.
		if w := d.book.written()[0]; string(w.Ending.Result) != `{"created":{"id":17}}` {
			t.Errorf("the journal has %s", w.Ending.Result)
		}
	})
}

// TestCallerWhoseNumberIsNotKnown: the write cannot be made at all.
func TestCallerWhoseNumberIsNotKnown(t *testing.T) {
	d := newDesk(t, enter())
	a := d.ask(d.ring(), d.request("1", "enter", "n"))
	want(t, a, InvalidArguments, "")
	if len(a.Complaints) != 1 || a.Complaints[0].Param != "caller_phone" {
		t.Errorf("got %v", a.Complaints)
	}
	d.clerk.wantSent(t, 0)
}

// TestSummaryOfAWrite names the tool, each parameter with its value, and what is
// entered without being asked.
func TestSummaryOfAWrite(t *testing.T) {
	d := newDesk(t, enter(), writes("move", plan.Update, "appointments", "id", "starts_at"))
	c := d.ringAs(Caller{Phone: "(206) 555-0142"})
	for _, tt := range []struct {
		r    Request
		want string
	}{
		{d.request("1", "enter", "bring x-rays"), `enter: note "bring x-rays", created at now, created tz now, created on now, phone "+12065550142", status "booked"`},
		{d.request("2", "enter"), `enter: created at now, created tz now, created on now, phone "+12065550142", status "booked"`},
		{d.request("3", "move", "17", "three"), `move: id "17", starts at "three"`},
		{d.request("4", "move", `1", starts at "nine`, "three"), `move: id "1\", starts at \"nine", starts at "three"`},
	} {
		a := d.ask(c, tt.r)
		if a.Confirmation == nil || a.Confirmation.Summary != tt.want {
			t.Errorf("asked %+v, want %s", a.Confirmation, tt.want)
		}
	}
}

// TestSummaryHasTheAgentsTime: whoever agrees to nine o'clock was not asked
// about noon.
func TestSummaryHasTheAgentsTime(t *testing.T) {
	at := writes("set", plan.Update, "appointments", "id", "starts_at")
	at.Plan.Params[1].Type = plan.ValueType{Type: schema.DateTime, BaseType: "timestamptz", Zoned: true}
	d := newDesk(t, at)
	d.version.Location = time.FixedZone("", -7*3600)
	for said, want := range map[string]string{
		"2026-05-01T15:00": "2026-05-01T15:00:00-07:00", "2026-05-01T15:00:00.5Z": "2026-05-01T08:00:00.5-07:00",
	} {
		a := d.ask(d.ring(), d.request("1", "set", "17", said))
		if a.Confirmation == nil || a.Confirmation.Summary != `set: id "17", starts at `+want {
			t.Errorf("%s: asked %s %+v, want %s", said, a.Outcome, a.Confirmation, want)
		}
	}
}

// TestNothingHidesInASummary: what cannot be seen is shown by its number.
func TestNothingHidesInASummary(t *testing.T) {
	for said, shown := range map[string]string{
		"a\u202eb\u200bc": `a\u{202e}b\u{200b}c`, "tab\tnew\nline": `tab\u{9}new\u{a}line`, "\u00ad\ufe0f\u2063": `\u{ad}\u{fe0f}\u{2063}`,
		`q"b\`: `q\"b\\`, "\xff": `\xff`, "\u00a0\u3164": `\u{a0}\u{3164}`, "Zoë 東京 ok": "Zoë 東京 ok", "\U000e0041": `\u{e0041}`,
	} {
		if got := revealed(said); got != shown {
			t.Errorf("%q is shown as %s, want %s", said, got, shown)
		}
	}
}

// TestEventsOfWritesHoldNoValues, and neither does what would be logged.
func TestEventsOfWritesHoldNoValues(t *testing.T) {
	const canary = "canary7f3a"
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		c := d.ring()
		d.clerk.write = func(ctx context.Context, s *statement) error {
			pause(ctx, 2*time.Second)
			_ = s.sink.Row(cellsOf([]string{canary}))
			return s.executed(target.Evidence{Key: []target.Value{{Text: canary}}})
		}
		want(t, d.confirmed(c, "1", "book", canary, canary), Pending, "")
		<-time.After(2 * time.Second)
		if a := d.late(c, "1"); !strings.Contains(string(a.Result), canary) {
			t.Fatalf("got %+v", a)
		}
		d.clerk.set(func(c *clerk) { c.write = func(context.Context, *statement) error { panic(canary) } })
		a := d.confirmed(c, "2", "book", canary, "three")
		if want(t, a, Failed, "internal"); strings.Contains(a.Err.Error(), canary) {
			t.Errorf("the log would show %v", a.Err)
		}
		finished := 0
		for _, e := range d.rec.list() {
			if b, err := json.Marshal(e); err != nil || strings.Contains(string(b), canary) {
				t.Errorf("recorded %s (%v)", b, err)
			}
			if e.Type == "tool.finished" {
				finished++
				const payload = `{"toolCallId":"1","tool":"book","skillId":"skl_book","planDigest":"`
				if !strings.HasPrefix(string(e.Payload), payload) || !strings.Contains(string(e.Payload), `"outcome":"ok"`) {
					t.Errorf("recorded %s", e.Payload)
				}
			}
		}
		if finished != 1 {
			t.Errorf("%d writes have finished", finished)
		}
	})
}

// TestLongKeysAreCut: the result of a write is bounded like that of a read.
func TestLongKeysAreCut(t *testing.T) {
	tool := writes("book", plan.Insert, "appointments", "phone")
	tool.Plan.Results = nil
	for _, leaf := range strings.Split("abcdefghijklmnopqrst", "") {
		tool.Plan.Results = append(tool.Plan.Results, plan.Result{Leaf: leaf, Type: text(), Key: true})
	}
	d := newDesk(t, tool)
	d.clerk.write = func(_ context.Context, s *statement) error {
		row := make([]string, len(tool.Plan.Results))
		for i := range row {
			row[i] = strings.Repeat("<", 600)
		}
		if err := s.sink.Row(cellsOf(row)); err != nil {
			return err
		}
		return s.executed(target.Evidence{})
	}
	a := d.confirmed(d.ring(), "1", "book", "a")
	want(t, a, OK, "")
	if len(a.Result) > maxResultBytes || !json.Valid(a.Result) {
		t.Errorf("%d bytes: %s", len(a.Result), a.Result)
	}
}

// TestBlockedKeysAreNotRepeated: what became of a write is told, and no column
// that was blocked since.
func TestBlockedKeysAreNotRepeated(t *testing.T) {
	d := newDesk(t)
	c := d.ring()
	want(t, d.confirmed(c, "1", "book", "a", "three"), OK, "")
	d.connect(&Connection{Runner: d.clerk, Standing: func(*plan.Plan) string { return "blocked_by_scoping" }})
	for _, a := range []*Answer{d.ask(c, d.request("1", "book", "a", "three")), d.late(c, "1")} {
		if want(t, a, OK, ""); a.Result != nil {
			t.Errorf("the key left: %s", a.Result)
		}
	}
	want(t, d.ask(c, d.request("2", "book", "a", "three")), Unavailable, "blocked_by_scoping")
}

// TestWhatAnAgentMaySay: each outcome of a write has a sentence of its own, and
// each that changed nothing says so.
func TestWhatAnAgentMaySay(t *testing.T) {
	seen := map[string]bool{}
	for _, a := range []Answer{
		{Outcome: Pending}, {Outcome: Unknown, Reason: "not_established"}, {Outcome: Failed, Reason: "deadline"}, {Outcome: Conflict, Reason: "already_exists"},
		{Outcome: Conflict, Reason: "constraint"}, {Outcome: Conflict, Reason: "more_than_one_row"}, {Outcome: Busy, Reason: "another_write"},
		{Outcome: Refused, Reason: "too_many_writes"}, {Outcome: Unavailable, Reason: "journal_unavailable"},
	} {
		said := say(a.Outcome, a.Reason)
		if seen[said] || said == "" {
			t.Errorf("%s (%s) says %q", a.Outcome, a.Reason, said)
		}
		seen[said] = true
		done := a.Outcome == Pending || a.Outcome == Unknown || a.Outcome == Busy || a.Outcome == Refused
		if strings.Contains(said, "nothing was changed") == done {
			t.Errorf("%s (%s) says %q", a.Outcome, a.Reason, said)
		}
	}
}
