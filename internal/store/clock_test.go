package store

import (
	"testing"
	"time"
)

// TestClockJumps is F17 for what is kept: whatever the wall clock does, records
// are taken, chains hold, nothing fresh is pruned, and a request is answered
// once.
func TestClockJumps(t *testing.T) {
	s, w, by := newChained(t)
	c := conversationOf(s, by)
	r := Request{OrgID: by.Org, Key: "k", Route: "POST /agents", BodyMAC: mac(1)}
	if answer, err := s.BeginRequest(t.Context(), r); err != nil || answer != nil {
		t.Fatalf("%v, %v", answer, err)
	}
	must(t, s.FinishRequest(t.Context(), by.Org, r.Key, Answer{Status: 201, Sealed: []byte("sealed")}))
	agents := 0
	for i, jump := range []time.Duration{time.Hour, -time.Hour, -24 * time.Hour, time.Hour, 23 * time.Hour} {
		w.advance(jump)
		newAgent(t, s, by, "a")
		agents++
		must(t, s.AppendBatch(t.Context(), []ConversationRecord{c}, eventsOf(c, int64(i+1), int64(i+1))))
		must(t, s.PruneActivity(t.Context(), w.Now().Add(-30*24*time.Hour)))
		must(t, s.PruneConversations(t.Context(), w.Now().Add(-30*24*time.Hour)))
		must(t, s.PruneRequests(t.Context()))
		answer, err := s.BeginRequest(t.Context(), r)
		if err != nil || answer == nil || answer.Status != 201 {
			t.Errorf("after %v the request is answered %v, %v", jump, answer, err)
		}
	}
	if events := readEvents(t, s, c, 200); len(events) != agents {
		t.Errorf("%d events", len(events))
	}
	receipts, changes := audited(t, s)
	if receipts.Breaks != nil || changes.Breaks != nil || changes.Last != int64(agents) {
		t.Errorf("%+v, %+v", receipts, changes)
	}
}
