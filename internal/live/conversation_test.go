package live

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/plan"
	"flowyte/internal/target"
)

func TestStartKeepsWhatIsUsable(t *testing.T) {
	k := newKit(t, oneRow)
	for _, tt := range []struct {
		caller Caller
		known  map[string]string
	}{
		{Caller{}, map[string]string{}},
		{Caller{Phone: "(206) 555-0142", Name: "Anna", Email: "Anna@x.com"}, map[string]string{"caller_phone": "(206) 555-0142", "caller_name": "Anna", "caller_email": "Anna@x.com"}},
		{Caller{Phone: "anonymous", Name: "a\x00b", Email: "nobody"}, map[string]string{}},
		{Caller{Name: "An\u200bna"}, map[string]string{}},
	} {
		if diff := cmp.Diff(tt.known, k.ringAs(tt.caller).Record().Known); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", tt.caller, diff)
		}
	}
}

// TestToolsAsTheAgentSeesThem: what is known is not required, what only the
// caller may say is not there.
func TestToolsAsTheAgentSeesThem(t *testing.T) {
	open, closed := tool("open", "caller_phone", plan.Phone), tool("closed", "caller_phone", plan.Phone)
	closed.Plan.Params[0].CallerOnly = true
	k := newKit(t, oneRow, open, closed)
	type parameters struct {
		Properties map[string]any
		Required   []string
	}
	for _, tt := range []struct {
		caller   Caller
		required []string
	}{{Caller{}, []string{"caller_phone"}}, {Caller{Phone: "+12065550142"}, []string{}}} {
		docs := k.ringAs(tt.caller).Tools()
		var p [2]parameters
		for i := range p {
			if err := json.Unmarshal(docs[i].Parameters, &p[i]); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(tt.required, p[0].Required); diff != "" || len(p[0].Properties) != 1 {
			t.Errorf("%+v: %v %s", tt.caller, p[0], diff)
		}
		if len(p[1].Properties) != 0 || len(p[1].Required) != 0 || strings.Contains(string(docs[1].Parameters), "caller_phone") {
			t.Errorf("caller only, and yet shown: %s", docs[1].Parameters)
		}
	}
}

func TestIdleConversationsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, oneRow)
		c, swept := k.ring(), k.ring()
		began := time.Now()
		<-time.After(idleEnd - time.Second)
		want(t, k.ask(c, with("1", phoneOf(1))), OK, "") // which begins the two hours anew
		<-time.After(time.Second)
		k.Sweep()
		if r := swept.Record(); !r.EndedAt.Equal(began.Add(idleEnd)) {
			t.Errorf("swept: ended at %v", r.EndedAt)
		}
		if r := c.Record(); !r.EndedAt.IsZero() {
			t.Error("a conversation in use was ended")
		}
		<-time.After(idleEnd - time.Second)
		// Not swept, and over all the same; at the time when it came to its end.
		<-time.After(time.Minute)
		k.refused(c, with("2", phoneOf(1)), fault.ConversationEnded)
		if r := c.Record(); !r.EndedAt.Equal(began.Add(2*idleEnd - time.Second)) {
			t.Errorf("ended at %v", r.EndedAt)
		}
		if n := k.count(eventEnded); n != 2 {
			t.Errorf("%d ends were recorded", n)
		}
	})
}

func (k *kit) count(kind string) int {
	n := 0
	for _, e := range k.rec.list() {
		if e.Type == kind {
			n++
		}
	}
	return n
}

func TestEndIsForgottenLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, oneRow)
		c := k.ring()
		k.ask(c, with("1", phoneOf(1)))
		first := k.End(c)
		<-time.After(time.Minute)
		if diff := cmp.Diff(first, k.End(c)); diff != "" {
			t.Errorf("the second end differs (-first +second):\n%s", diff)
		}
		if first.EndedAt.IsZero() || k.count(eventEnded) != 1 {
			t.Errorf("ended at %v, %d events", first.EndedAt, k.count(eventEnded))
		}
		<-time.After(rememberEnded - 2*time.Minute)
		k.Sweep()
		k.refused(c, with("1", phoneOf(1)), fault.ConversationEnded)
		if found, err := k.Find(org, c.ID); err != nil || found != c {
			t.Errorf("within ten minutes: %v", err)
		}
		<-time.After(time.Minute)
		k.Sweep()
		if _, err := k.Find(org, c.ID); !fault.Is(err, fault.NotFound) {
			t.Errorf("after ten minutes: %v", err)
		}
		if n := k.answers.used.Load(); n != 0 {
			t.Errorf("%d bytes of answers are still counted", n)
		}
	})
}

func TestFindKeepsOrganisationsApart(t *testing.T) {
	k := newKit(t, oneRow)
	c := k.ring()
	for _, o := range []id.Org{"org_other", ""} {
		if _, err := k.Find(o, c.ID); !fault.Is(err, fault.NotFound) {
			t.Errorf("%q finds it: %v", o, err)
		}
	}
	if _, err := k.Find(org, "cnv_unknown"); !fault.Is(err, fault.NotFound) {
		t.Errorf("an unknown id: %v", err)
	}
	if _, ok := k.LiveVersion("org_other", agent); ok {
		t.Error("another organisation gets the version")
	}
	if v, ok := k.LiveVersion(org, agent); !ok || v != k.version {
		t.Error("the own version is not found")
	}
}

// TestRunner finds the database of a connection, for whoever wants to warm it.
func TestRunner(t *testing.T) {
	k := newKit(t, oneRow)
	if k.Runner(org, postgresOf.Kind) == nil {
		t.Error("the connection's database is not found")
	}
	if k.Runner("org_other", postgresOf.Kind) != nil || k.Runner(org, "mysql") != nil {
		t.Error("a database is found where there is none")
	}
}

func TestConversationsAreBounded(t *testing.T) {
	k := newKitWith(t, Options{MaxConversations: 4, MaxPerOrg: 3}, oneRow)
	others := NewVersion(Version{Org: "org_other", Agent: agent, Draft: true})
	full := func(v *Version, code fault.Code) {
		t.Helper()
		_, err := k.Start(v, "voice", Caller{}, nil)
		if f, ok := fault.As(err); !ok || f.Code != code || f.RetryAfter == 0 {
			t.Fatalf("got %v, want %s", err, code)
		}
	}
	first := k.ring()
	k.ring()
	k.ring()
	full(k.version, fault.RateLimited) // no organisation takes all the room
	if _, err := k.Start(others, "chat", Caller{}, nil); err != nil {
		t.Fatal(err)
	}
	full(others, fault.TooManyOpen)
	// An ended one makes room, for its own organisation and in all.
	k.End(first)
	again := k.ring()
	full(k.version, fault.RateLimited)
	full(others, fault.TooManyOpen)
	if _, err := k.Find(org, first.ID); !fault.Is(err, fault.NotFound) {
		t.Error("the ended one is still there")
	}
	k.End(again)
	if _, err := k.Start(others, "chat", Caller{}, nil); err != nil {
		t.Errorf("room was not given back: %v", err)
	}
}

func TestDefaultsOfBounds(t *testing.T) {
	e := New(Options{Recorder: &recorder{}})
	defer e.Close()
	if e.conversations.max != 100_000 || e.conversations.perOrg != 25_000 {
		t.Errorf("at most %d, %d of one organisation", e.conversations.max, e.conversations.perOrg)
	}
}

func TestMetadataIsBounded(t *testing.T) {
	k := newKit(t, oneRow)
	many := map[string]string{}
	for i := range maxMetadata + 1 {
		many[fmt.Sprint(i)] = ""
	}
	for name, m := range map[string]map[string]string{"many": many, "long": {"a": strings.Repeat("x", maxMetadataBytes)}} {
		if _, err := k.Start(k.version, "voice", Caller{}, m); !fault.Is(err, fault.ValueInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	m := map[string]string{"a": strings.Repeat("x", maxMetadataBytes-1)}
	c, err := k.Start(k.version, "voice", Caller{}, m)
	if err != nil {
		t.Fatal(err)
	}
	m["a"] = "changed by whoever passed it"
	if len(c.Record().Metadata["a"]) != maxMetadataBytes-1 {
		t.Error("the conversation shares the map")
	}
}

// TestAgentThatIsGone: its conversations end, and one that begins at that very
// moment does not stay.
func TestAgentThatIsGone(t *testing.T) {
	k := newKit(t, oneRow)
	c := k.ring()
	other, err := k.Start(NewVersion(Version{Org: org, Agent: "agt_other", Draft: true}), "voice", Caller{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	k.publish(func(next *Table) { next.Live = nil })
	k.EndAgent(agent)
	k.refused(c, with("1", phoneOf(1)), fault.ConversationEnded)
	if r := other.Record(); !r.EndedAt.IsZero() {
		t.Error("another agent's conversation ended, too")
	}
	if _, err := k.Start(k.version, "voice", Caller{}, nil); !fault.Is(err, fault.NoPublishedVersion) {
		t.Errorf("started on a deleted agent: %v", err)
	}
	if n := k.conversations.open[org]; n != 1 {
		t.Errorf("%d conversations count as open, want the other agent's", n)
	}
}

// TestDraftsRunWithoutBeingPublished: a trial conversation has no version.
func TestDraftsRunWithoutBeingPublished(t *testing.T) {
	k := newKit(t, oneRow)
	k.publish(func(next *Table) { next.Live = nil })
	draft := NewVersion(Version{Org: org, Agent: agent, Country: "US", Draft: true, Tools: []*Tool{byPhone()}})
	c, err := k.Start(draft, "chat", Caller{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want(t, k.ask(c, with("1", phoneOf(1))), OK, "")
	if r := c.Record(); !r.Draft || r.Version != 0 {
		t.Errorf("recorded as %+v", r)
	}
	if e := k.rec.list()[0]; string(e.Payload) != `{"versionId":"","version":0,"draft":true}` {
		t.Errorf("started with %s", e.Payload)
	}
}

func TestRestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := newKit(t, oneRow)
		c := before.ringAs(Caller{Phone: "+12065550142"})
		before.ask(c, with("1", phoneOf(1)))
		left := c.Record()

		k := newKit(t, oneRow, tool("look_up", "caller_phone", plan.Phone))
		<-time.After(idleEnd - time.Minute)
		if !k.Restore(left, k.version, nil) {
			t.Fatal("an open conversation was not taken up")
		}
		again, err := k.Find(org, c.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(left, again.Record()); diff != "" {
			t.Errorf("(-left +taken up):\n%s", diff)
		}
		want(t, k.ask(again, Request{ToolCallID: "1", Tool: "look_up"}), OK, "")
		if e := k.rec.list(); e[0].Seq != left.Seq+1 {
			t.Errorf("the next event has the number %d after %d", e[0].Seq, left.Seq)
		}
		if r := again.Record(); r.Calls != 2 || r.Outcomes["ok"] != 2 || left.Outcomes["ok"] != 1 {
			t.Errorf("counted %v", r.Outcomes)
		}
	})
}

// TestRecordsAreCopies: what was read of a conversation does not change.
func TestRecordsAreCopies(t *testing.T) {
	k := newKit(t, oneRow)
	c := k.ring()
	k.ask(c, with("1", phoneOf(1)))
	r := c.Record()
	k.ask(c, with("2", phoneOf(1)))
	if r.Outcomes["ok"] != 1 || c.Record().Outcomes["ok"] != 2 {
		t.Errorf("%v became %v", r.Outcomes, c.Record().Outcomes)
	}
}

// TestRestoreEndsWhatIsOver: a conversation whose two hours passed while the
// process was away must not stay open in the store for ever.
func TestRestoreEndsWhatIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, oneRow)
		left := Record{ID: "cnv_1", Org: org, Agent: agent, Channel: "voice", LastUsed: time.Now(), Seq: 7}
		<-time.After(idleEnd)
		if k.Restore(left, k.version, nil) {
			t.Error("taken up")
		}
		events := k.rec.list()
		if len(events) != 1 || events[0].Type != eventEnded || events[0].Seq != 8 {
			t.Fatalf("recorded %v", events)
		}
		if r := k.rec.of[0].Record(); !r.EndedAt.Equal(left.LastUsed.Add(idleEnd)) {
			t.Errorf("ended at %v", r.EndedAt)
		}
		left.EndedAt = time.Now()
		if k.Restore(left, k.version, nil) || len(k.rec.list()) != 1 {
			t.Error("an ended conversation was taken up")
		}
	})
	k := newKitWith(t, Options{MaxConversations: 1}, oneRow)
	k.ring()
	if k.Restore(Record{ID: "cnv_1", LastUsed: time.Now()}, k.version, nil) {
		t.Error("taken up without room")
	}
}

// TestManyAtOnce has every operation at work at the same time, for the race
// detector, and every call answered.
func TestManyAtOnce(t *testing.T) {
	k := newKit(t, func(ctx context.Context, p *plan.Plan, v []target.Value, sink target.RowSink) (target.Stats, error) {
		return oneRow(ctx, p, v, sink)
	})
	stop := make(chan struct{})
	var others, calls sync.WaitGroup
	others.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				k.suspend("skl_other")
				k.connect(connection(oneRow))
				k.Sweep()
				k.Drifted("skl_look_up")
				k.ExpectedLatency("x")
			}
		}
	})
	for range 8 {
		calls.Go(func() {
			for range 20 {
				c := k.ring()
				for i := range 3 {
					want(t, k.ask(c, with(phoneOf(i%2), phoneOf(i%2))), OK, "")
				}
				c.Record()
				if a, err := k.Late(t.Context(), c, phoneOf(0)); err != nil || !a.Replayed {
					t.Errorf("late: %v", err)
				}
				k.End(c)
			}
		})
	}
	calls.Wait()
	close(stop)
	others.Wait()
	if n := len(k.conversations.open); n != 0 {
		t.Errorf("%d organisations have open conversations", n)
	}
}
