package live

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"flowyte/internal/fault"
	"flowyte/internal/plan"
)

// TestEventsOfAConversation shows what is recorded, whole.
func TestEventsOfAConversation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tool := byPhone()
		tool.PlanDigest = "digest"
		k := newKit(t, oneRow, tool)
		c := k.ring()
		k.ask(c, with(`call "1"`, phoneOf(1)))
		k.connect(connection(fails(fault.SchemaDrift)))
		k.ask(c, with("2", phoneOf(1)))
		k.ask(c, with("3", "nonsense"))
		k.End(c)
		type step struct {
			Seq     int64
			Type    string
			Payload string
		}
		var got []step
		for _, e := range k.rec.list() {
			got = append(got, step{e.Seq, e.Type, string(e.Payload)})
			if e.ID == "" || e.Conversation != c.ID || e.Org != org || e.Channel != "voice" || !e.At.Equal(time.Now()) {
				t.Errorf("got %+v", e)
			}
		}
		if diff := cmp.Diff([]step{
			{1, "conversation.started", `{"versionId":"ver_1","version":1}`},
			{2, "tool.called", `{"toolCallId":"call \"1\"","tool":"look_up","skillId":"skl_look_up","planDigest":"digest","outcome":"ok","rows":1,"latencyMs":0,"dbMs":1}`},
			{3, "tool.called", `{"toolCallId":"2","tool":"look_up","skillId":"skl_look_up","planDigest":"digest","outcome":"unavailable","reason":"drifted","rows":0,"latencyMs":0,"dbMs":0}`},
			{4, "tool.called", `{"toolCallId":"3","tool":"look_up","skillId":"skl_look_up","planDigest":"digest","outcome":"invalid_arguments","rows":0,"latencyMs":0,"dbMs":0}`},
			{5, "conversation.ended", `{}`},
		}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		r := c.Record()
		if diff := cmp.Diff(map[string]int{"ok": 1, "unavailable": 1, "invalid_arguments": 1}, r.Outcomes); diff != "" || r.Calls != 3 || r.Seq != 5 {
			t.Errorf("%+v %s", r, diff)
		}
	})
}

// TestEventsKeepTheirOrder: the recorder gets the steps of a conversation in
// the order of their numbers, without gaps, whoever calls at the same time.
func TestEventsKeepTheirOrder(t *testing.T) {
	k := newKit(t, oneRow)
	c := k.ring()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 50 {
				k.ask(c, with(phoneOf(100*i+j), phoneOf(1)))
			}
		})
	}
	all.Wait()
	for i, e := range k.rec.list() {
		if e.Seq != int64(i+1) {
			t.Fatalf("event %d has the number %d", i+1, e.Seq)
		}
	}
	if n := len(k.rec.list()); n != 401 {
		t.Errorf("%d events", n)
	}
}

// TestRefusedEventsTakeNoNumber: a gap would look like a lost receipt.
func TestRefusedEventsTakeNoNumber(t *testing.T) {
	k := newKit(t, oneRow)
	c := k.ring()
	k.rec.set(true)
	k.ask(c, with("1", "nonsense"))
	k.ask(c, with("2", phoneOf(1)))
	k.rec.set(false)
	k.ask(c, with("3", phoneOf(1)))
	if e := k.rec.list(); len(e) != 2 || e[1].Seq != 2 || c.Record().Seq != 2 {
		t.Errorf("recorded %v", e)
	}
}

// TestEventsHoldNoArgumentsAndNoResults puts a canary everywhere a value can
// come from, in every kind of answer, and looks for it in what is recorded and
// what would be logged.
func TestEventsHoldNoArgumentsAndNoResults(t *testing.T) {
	const canary = "canary7f3a"
	tool := tool("look_up", "note", plan.Plain)
	k := newKit(t, rows([]string{canary, canary}), tool)
	c, err := k.Start(k.version, "voice", Caller{Name: canary, Email: canary + "@x.com", Phone: "+1206" + canary}, map[string]string{canary: canary})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(id string, args ...Arg) *Answer {
		a := k.ask(c, Request{ToolCallID: id, Tool: "look_up", Args: args, ConfirmationToken: canary})
		if a.Err != nil && strings.Contains(a.Err.Error(), canary) {
			t.Errorf("the log would show %v", a.Err)
		}
		return a
	}
	note := Arg{"note", quoted(canary)}
	want(t, ask("1", note), OK, "")
	for id, args := range map[string][]Arg{
		"extra":   {note, {canary, quoted(canary)}},
		"wrong":   {{"note", []byte(`{"` + canary + `":1}`)}},
		"hidden":  {{"note", quoted(canary + "\u200b")}},
		"missing": {{canary, quoted(canary)}},
	} {
		a := ask(id, args...)
		want(t, a, InvalidArguments, "")
		if b := a.AppendJSON(nil); strings.Contains(string(b), canary) {
			t.Errorf("the answer repeats what was sent: %s", b)
		}
	}
	tool.RequiresConfirmation = true
	want(t, ask("confirm", note), ConfirmationRequired, "confirmation_not_valid")
	tool.RequiresConfirmation = false
	for id, code := range map[string]fault.Code{"busy": fault.DatabaseBusy, "drift": fault.SchemaDrift, "failed": fault.DatabaseError} {
		k.connect(connection(fails(code)))
		ask(id, note)
	}
	k.End(c)
	events := k.rec.list()
	if len(events) != 11 {
		t.Errorf("%d events", len(events))
	}
	for _, e := range events {
		if b, err := json.Marshal(e); err != nil || strings.Contains(string(b), canary) {
			t.Errorf("recorded %s (%v)", b, err)
		}
	}
}
