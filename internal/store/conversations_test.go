package store

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"flowyte/internal/fault"
	"flowyte/internal/id"
)

func conversationOf(s *Store, by Actor) ConversationRecord {
	return ConversationRecord{
		ID: id.New[id.Conversation](), OrgID: by.Org, AgentID: "agt_a", VersionID: "ver_a", VersionNumber: 3, Channel: "voice", Draft: true,
		StartedAt: s.clock(), ActiveAt: s.clock(), ToolCalls: 1, Outcomes: map[string]int{"ok": 1},
		Metadata: json.RawMessage(`{"k":"v"}`), State: []byte("sealed"),
	}
}

func eventsOf(c ConversationRecord, from, to int64) []EventRecord {
	var events []EventRecord
	for seq := from; seq <= to; seq++ {
		events = append(events, EventRecord{
			ID: id.Event(fmt.Sprint("evt_", seq)), OrgID: c.OrgID, ConversationID: c.ID, Seq: seq, At: c.StartedAt.Add(time.Duration(seq) * time.Millisecond),
			Channel: "voice", Type: "tool_call.finished", Payload: json.RawMessage(fmt.Sprintf(`{"seq":%d}`, seq)),
		})
	}
	return events
}

func readEvents(t *testing.T, s *Store, c ConversationRecord, limit int) []EventRecord {
	t.Helper()
	var events []EventRecord
	for p := (Page{Limit: limit}); ; {
		list, err := s.Events(t.Context(), c.OrgID, c.ID, p)
		must(t, err)
		if len(list.Items) > limit || (list.Next != "" && len(list.Items) != limit) {
			t.Fatalf("a page of %d events, next %q, for a limit of %d", len(list.Items), list.Next, limit)
		}
		events = append(events, list.Items...)
		if p.Cursor = list.Next; p.Cursor == "" {
			return events
		}
	}
}

func TestConversations(t *testing.T) {
	s, w := newStore(t)
	by := newOrg(t, s, "acme")
	a, b := conversationOf(s, by), conversationOf(s, by)
	b.Draft, b.Metadata, b.State, b.Outcomes = false, nil, nil, nil
	batch := append(eventsOf(a, 1, 2), append(eventsOf(b, 1, 1), eventsOf(a, 3, 3)...)...) // interleaved
	must(t, s.AppendBatch(t.Context(), []ConversationRecord{a, b}, batch))
	for _, c := range []ConversationRecord{a, b} {
		got, err := s.Conversation(t.Context(), by.Org, c.ID)
		must(t, err)
		same(t, c, got)
	}
	same(t, eventsOf(a, 1, 3), readEvents(t, s, a, 2))
	same(t, eventsOf(b, 1, 1), readEvents(t, s, b, 2))

	w.advance(time.Minute)
	ended := s.clock()
	changed := a
	changed.ActiveAt, changed.EndedAt, changed.ToolCalls, changed.Outcomes, changed.State = ended, &ended, 4, map[string]int{"ok": 3, "busy": 1}, nil
	moved := changed
	moved.OrgID = newOrg(t, s, "other").Org // of another organisation: never touched
	moved.ToolCalls = 99
	must(t, s.AppendBatch(t.Context(), []ConversationRecord{changed, moved}, nil))
	got, err := s.Conversation(t.Context(), by.Org, a.ID)
	must(t, err)
	same(t, changed, got)

	open, err := s.LoadOpenConversations(t.Context())
	must(t, err)
	same(t, []ConversationRecord{b}, open)
	list, err := s.Conversations(t.Context(), by.Org, Page{})
	must(t, err)
	same(t, []ConversationRecord{b, changed}, list.Items)
	must(t, s.AppendBatch(t.Context(), nil, nil))
}

// TestEventsComeOnceAndInOrder writes a conversation's events in batches that
// are cut anywhere and written again, as after a failure whose outcome is not
// known.
func TestEventsComeOnceAndInOrder(t *testing.T) {
	s, _ := newStore(t)
	by := newOrg(t, s, "acme")
	other := conversationOf(s, by)
	otherSeq := int64(0)
	rapid.Check(t, func(rt *rapid.T) {
		c := conversationOf(s, by)
		const n = 12
		for written := int64(0); written < n; {
			// From anywhere that was written before, to somewhere beyond.
			from := rapid.Int64Range(1, written+1).Draw(rt, "from")
			to := rapid.Int64Range(written+1, n).Draw(rt, "to")
			batch := eventsOf(c, from, to)
			otherSeq++
			at := rapid.IntRange(0, len(batch)).Draw(rt, "at")
			batch = append(batch[:at:at], append(eventsOf(other, otherSeq, otherSeq), batch[at:]...)...)
			must(t, s.AppendBatch(t.Context(), []ConversationRecord{c, other}, batch))
			written = to
		}
		same(t, eventsOf(c, 1, n), readEvents(t, s, c, rapid.IntRange(1, n+1).Draw(rt, "limit")))
	})
	same(t, eventsOf(other, 1, otherSeq), readEvents(t, s, other, 50))
}

func TestDamagedEventsAreRefused(t *testing.T) {
	c := ConversationRecord{ID: "cnv_a", OrgID: "org_a", StartedAt: time.UnixMilli(1).UTC()}
	body, _ := packEvents(nil, eventsOf(c, 1, 2))
	whole := 0
	for n := range body {
		count := 0
		err := unpackEvents(body[:n], func(EventRecord) { count++ })
		if err == nil {
			whole++ // cut exactly between two events, or behind the head
		}
		if count > 1 {
			t.Errorf("%d events out of %d of %d bytes", count, n, len(body))
		}
	}
	if whole != 2 {
		t.Errorf("%d of %d cuts went unnoticed", whole, len(body))
	}
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")
		_ = unpackEvents(append([]byte{eventForm}, b...), func(EventRecord) {}) // must not panic
	})

	s, _ := newStore(t)
	by := newOrg(t, s, "acme")
	c = conversationOf(s, by)
	must(t, s.AppendBatch(t.Context(), []ConversationRecord{c}, eventsOf(c, 1, 2)))
	alter(t, s, `UPDATE event_segments SET length = length - 1`)
	_, err := s.Events(t.Context(), by.Org, c.ID, Page{})
	wantFault(t, err, fault.StoreDamaged)
}

func TestPruneConversations(t *testing.T) {
	s, w := newStore(t)
	by := newOrg(t, s, "acme")
	old, going := conversationOf(s, by), conversationOf(s, by)
	ended := s.clock()
	old.EndedAt = &ended
	must(t, s.AppendBatch(t.Context(), []ConversationRecord{old, going}, append(eventsOf(old, 1, 1), eventsOf(going, 1, 2)...)))
	w.advance(48 * time.Hour)
	must(t, s.AppendBatch(t.Context(), []ConversationRecord{going}, eventsOf(going, 3, 4)))
	must(t, s.PruneConversations(t.Context(), w.Now().Add(-24*time.Hour)))
	_, err := s.Conversation(t.Context(), by.Org, old.ID)
	wantFault(t, err, fault.NotFound)
	same(t, eventsOf(going, 3, 4), readEvents(t, s, going, 10))
	var segments int
	must(t, s.reader.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM event_segments`).Scan(&segments))
	if segments != 1 {
		t.Errorf("%d segments are left", segments)
	}
}

func BenchmarkAppendBatch(b *testing.B) {
	s, _ := newStore(b)
	by := newOrg(b, s, "acme")
	var conversations []ConversationRecord
	var events []EventRecord
	for range 16 {
		c := conversationOf(s, by)
		conversations = append(conversations, c)
		events = append(events, eventsOf(c, 1, 50)...)
	}
	for b.Loop() {
		must(b, s.AppendBatch(b.Context(), conversations, events))
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*len(events)), "µs/event")
}
