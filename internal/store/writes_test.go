package store

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/id"
)

const planText = `{"statement":"UPDATE …"}`

// writeOf is a write that is about to be sent in a conversation.
func writeOf(c ConversationRecord, call string) WriteRecord {
	return WriteRecord{
		ID: id.New[id.Write](), OrgID: c.OrgID, ConversationID: c.ID, AgentID: c.AgentID, VersionID: c.VersionID, SkillID: "skl_a", Kind: "postgres",
		Object: "public.appointments", Tool: "move", ToolCallID: call, Plan: []byte(planText), PlanDigest: digestOf([]byte(planText)),
		IntendedAt: c.StartedAt, Arguments: []byte("sealed arguments"),
	}
}

// intended is a write that the journal knows of.
func intended(t testing.TB, s *Store, c ConversationRecord, call string) WriteRecord {
	t.Helper()
	w := writeOf(c, call)
	must(t, s.IntendWrite(t.Context(), w))
	return w
}

func finish(t testing.TB, s *Store, w WriteRecord, state WriteState) {
	t.Helper()
	must(t, s.FinishWrite(t.Context(), w.OrgID, w.ID, WriteEnd{State: state, Outcome: "ok", Result: []byte("sealed result"), At: s.clock()}))
}

// kept is a conversation's writes by id.
func kept(t testing.TB, s *Store, c ConversationRecord) map[id.Write]WriteRecord {
	t.Helper()
	list, err := s.Writes(t.Context(), true)
	must(t, err)
	byID := map[id.Write]WriteRecord{}
	for _, w := range list {
		if w.ConversationID == c.ID {
			byID[w.ID] = w
		}
	}
	return byID
}

// journalIntact wants the chain of the journal to hold.
func journalIntact(t testing.TB, s *Store) ChainReport {
	t.Helper()
	r := journalReport(t, s)
	same(t, []Break(nil), r.Breaks)
	return r
}

func journalReport(t testing.TB, s *Store) ChainReport {
	t.Helper()
	reports, err := s.VerifyAudit(t.Context())
	must(t, err)
	return reports[2]
}

func TestThreeRecords(t *testing.T) {
	s, wall, by := newChained(t)
	c := conversationOf(s, by)
	want := intended(t, s, c, "call_1")
	want.State = WriteIntended
	check := func() {
		t.Helper()
		same(t, map[id.Write]WriteRecord{want.ID: want}, kept(t, s, c))
		journalIntact(t, s)
	}
	check()
	for _, evidence := range []string{"before a deadlock", "after it"} {
		wall.advance(time.Second)
		now := wall.Now()
		must(t, s.ExecuteWrite(t.Context(), by.Org, want.ID, []byte(evidence)))
		want.State, want.Execution, want.ExecutedAt = WriteExecuted, []byte(evidence), &now
		check()
	}
	wall.advance(time.Second)
	now := wall.Now()
	end := WriteEnd{State: WriteUnknown, Outcome: "unknown", Reason: "timeline", At: now}
	must(t, s.FinishWrite(t.Context(), by.Org, want.ID, end))
	want.State, want.Outcome, want.Reason, want.EndedAt = WriteUnknown, "unknown", "timeline", &now
	check()
	end = WriteEnd{State: WriteCommitted, Outcome: "ok", Result: []byte("row"), At: now} // it could be asked after all
	for range 2 {                                                                        // the second time changes nothing
		must(t, s.FinishWrite(t.Context(), by.Org, want.ID, end))
		want.State, want.Outcome, want.Reason, want.Result = WriteCommitted, "ok", "", []byte("row")
		check()
	}
	if r := journalIntact(t, s); r.Last != 5 {
		t.Errorf("%d records", r.Last)
	}
	wantFault(t, s.ExecuteWrite(t.Context(), by.Org, want.ID, nil), fault.WriteNotOpen)
	end.State = WriteRolledBack
	wantFault(t, s.FinishWrite(t.Context(), by.Org, want.ID, end), fault.WriteNotOpen)
	wantFault(t, s.IntendWrite(t.Context(), WriteRecord{ID: id.New[id.Write](), OrgID: "org_nobody"}), fault.NotFound)
	check()
	if owner, err := s.WriteOwner(t.Context(), want.ID); err != nil || owner != by.Org {
		t.Errorf("the owner is %q, %v", owner, err)
	}
	_, err := s.WriteOwner(t.Context(), "wrt_none")
	wantFault(t, err, fault.NotFound)
}

// TestOneWriteACall: a call that may have written does not write again.
func TestOneWriteACall(t *testing.T) {
	s, _, by := newChained(t)
	c, other := conversationOf(s, by), conversationOf(s, by)
	w := intended(t, s, c, "call_1")
	again := func(code fault.Code) {
		t.Helper()
		if err := s.IntendWrite(t.Context(), writeOf(c, "call_1")); code == "" {
			must(t, err)
		} else {
			wantFault(t, err, code)
		}
	}
	again(fault.ToolCallIDReused)
	intended(t, s, c, "call_2")
	intended(t, s, other, "call_1")
	must(t, s.ExecuteWrite(t.Context(), by.Org, w.ID, nil))
	again(fault.ToolCallIDReused)
	finish(t, s, w, WriteUnknown)
	again(fault.ToolCallIDReused)
	finish(t, s, w, WriteRolledBack)
	again("")
	again(fault.ToolCallIDReused)
	if r := journalIntact(t, s); r.Last != 7 {
		t.Errorf("a refused intent left a record: %d", r.Last)
	}
	var results sync.Map
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			w := writeOf(c, "call_3")
			if s.IntendWrite(t.Context(), w) == nil {
				results.Store(w.ID, true)
			}
		})
	}
	all.Wait()
	n := 0
	results.Range(func(any, any) bool { n++; return true })
	if n != 1 {
		t.Errorf("of eight intents of one call %d were kept", n)
	}
}

// TestWritesOutliveTheirAgent: what happened stays, whoever goes.
func TestWritesOutliveTheirAgent(t *testing.T) {
	s, _, by := newChained(t)
	a := newAgent(t, s, by, "a")
	_, err := s.PutConnection(t.Context(), by, connectionOf(s))
	must(t, err)
	c := conversationOf(s, by)
	c.AgentID = a.ID
	open, settled := intended(t, s, c, "call_1"), intended(t, s, c, "call_2")
	finish(t, s, settled, WriteCommitted)
	must(t, s.DeleteAgent(t.Context(), by, a.ID))
	must(t, s.DeleteConnection(t.Context(), by, "postgres"))
	if got := kept(t, s, c); len(got) != 2 || string(got[open.ID].Plan) != planText {
		t.Errorf("left are %+v", got)
	}
	list, err := s.Writes(t.Context(), false)
	must(t, err)
	if len(list) != 1 || list[0].ID != open.ID {
		t.Errorf("unsettled are %+v", list)
	}
	if list, err = s.Writes(t.Context(), true); err != nil || len(list) != 2 {
		t.Errorf("all are %+v, %v", list, err)
	}
	// A plan that is not what it was is not used.
	alter(t, s, `UPDATE write_plans SET plan = plan || ' '`)
	if got := kept(t, s, c); got[open.ID].Plan != nil {
		t.Error("a changed plan was read")
	}
}

// TestWritesToTakeUp: what is open, and what may be asked for again.
func TestWritesToTakeUp(t *testing.T) {
	s, _, by := newChained(t)
	talking, over := conversationOf(s, by), conversationOf(s, by)
	ended := s.clock()
	over.EndedAt = &ended
	must(t, s.AppendBatch(t.Context(), []ConversationRecord{talking, over}, nil))
	var want []id.Write
	for i, c := range []ConversationRecord{talking, over, conversationOf(s, by)} {
		for j, state := range []WriteState{WriteIntended, WriteExecuted, WriteUnknown, WriteCommitted} {
			w := intended(t, s, c, fmt.Sprint("call_", j))
			switch state {
			case WriteIntended:
			case WriteExecuted:
				must(t, s.ExecuteWrite(t.Context(), by.Org, w.ID, nil))
			default:
				finish(t, s, w, state)
			}
			if i == 0 || j < 2 {
				want = append(want, w.ID)
			}
		}
	}
	list, err := s.LoadWrites(t.Context())
	must(t, err)
	var got []id.Write
	for _, w := range list {
		got = append(got, w.ID)
	}
	same(t, want, got)
}

func TestSettledByHand(t *testing.T) {
	s, wall, by := newChained(t)
	c := conversationOf(s, by)
	w := intended(t, s, c, "call_1")
	settle := func(by Actor, state WriteState) error {
		return s.SettleWrite(t.Context(), by, w.ID, state, "failed")
	}
	wantFault(t, settle(by, WriteCommitted), fault.WriteNotUnknown)
	must(t, s.FinishWrite(t.Context(), by.Org, w.ID, WriteEnd{State: WriteUnknown, Outcome: "unknown", At: wall.Now()}))
	wantFault(t, settle(newOrg(t, s, "other"), WriteCommitted), fault.NotFound)
	wall.advance(time.Minute)
	must(t, settle(Actor{Org: by.Org}, WriteRolledBack))
	wantFault(t, settle(by, WriteCommitted), fault.WriteNotUnknown)
	got := kept(t, s, c)[w.ID]
	if got.State != WriteRolledBack || got.Outcome != "failed" || got.Reason != "settled_by_operator" || !got.EndedAt.Equal(wall.Now()) {
		t.Errorf("settled as %+v", got)
	}
	list, err := s.Activities(t.Context(), by.Org, Page{})
	must(t, err)
	if len(list.Items) != 1 || list.Items[0].Action != "write.settle_rolled_back" || list.Items[0].Target != string(w.ID) || list.Items[0].KeyID != "" {
		t.Errorf("activity %+v", list.Items)
	}
	journalIntact(t, s)
}

// TestSealedContentIsForgotten: a day after the conversation, when the write is
// settled, and never before.
func TestSealedContentIsForgotten(t *testing.T) {
	s, wall, by := newChained(t)
	c := conversationOf(s, by)
	must(t, s.AppendBatch(t.Context(), []ConversationRecord{c}, nil))
	settled, unknown := intended(t, s, c, "call_1"), intended(t, s, c, "call_2")
	gone := intended(t, s, conversationOf(s, by), "call_1") // its conversation is not kept any more
	finish(t, s, settled, WriteCommitted)
	finish(t, s, unknown, WriteUnknown)
	finish(t, s, gone, WriteRolledBack)
	left := func(want int) {
		t.Helper()
		must(t, s.ForgetWrites(t.Context()))
		list, err := s.Writes(t.Context(), true)
		must(t, err)
		n := 0
		for _, w := range list {
			if w.Arguments != nil && w.Result != nil {
				n++
			} else if w.Arguments != nil || w.Result != nil || w.Execution != nil {
				t.Errorf("half forgotten: %+v", w)
			}
		}
		if n != want {
			t.Errorf("%d writes are sealed whole, want %d", n, want)
		}
		journalIntact(t, s)
	}
	wall.advance(WriteContentKept - time.Millisecond)
	left(3)
	wall.advance(time.Millisecond)
	left(2) // gone
	ended := s.clock()
	c.EndedAt = &ended
	must(t, s.AppendBatch(t.Context(), []ConversationRecord{c}, nil))
	wall.advance(WriteContentKept - time.Millisecond)
	left(2)
	wall.advance(time.Millisecond)
	left(1) // settled
	finish(t, s, unknown, WriteCommitted)
	wall.advance(WriteContentKept)
	left(0)
}

// TestPrunedJournal: what is settled goes, what is open stays however old, and
// the chain holds.
func TestPrunedJournal(t *testing.T) {
	s, wall, by := newChained(t)
	talking, over := conversationOf(s, by), conversationOf(s, by)
	ended := s.clock()
	over.EndedAt = &ended
	must(t, s.AppendBatch(t.Context(), []ConversationRecord{talking, over}, nil))
	stay := map[id.Write]bool{}
	for i, of := range []struct {
		c     ConversationRecord
		state WriteState
		stays bool
	}{
		{over, WriteCommitted, false}, {over, WriteUnknown, true}, {over, WriteRolledBack, false}, {over, WriteIntended, true},
		{over, WriteExecuted, true}, {talking, WriteCommitted, true}, {over, WriteCommitted, false},
	} {
		w := intended(t, s, of.c, fmt.Sprint("call_", i))
		switch of.state {
		case WriteIntended:
		case WriteExecuted:
			must(t, s.ExecuteWrite(t.Context(), by.Org, w.ID, nil))
		default:
			finish(t, s, w, of.state)
		}
		if of.stays {
			stay[w.ID] = true
		}
	}
	wall.advance(time.Hour)
	late := intended(t, s, over, "late")
	finish(t, s, late, WriteCommitted)
	before := journalIntact(t, s)
	must(t, s.PruneWrites(t.Context(), wall.Now().Add(-2*time.Hour)))
	same(t, before, journalIntact(t, s)) // nothing is that old
	for range 2 {
		must(t, s.PruneWrites(t.Context(), wall.Now()))
		list, err := s.Writes(t.Context(), true)
		must(t, err)
		got := map[id.Write]bool{}
		for _, w := range list {
			got[w.ID] = true
		}
		want := map[id.Write]bool{late.ID: true}
		for w := range stay {
			want[w] = true
		}
		same(t, want, got)
		if r := journalIntact(t, s); r.Last != before.Last+4 || r.First != before.Last-1 {
			t.Errorf("links %d to %d", r.First, r.Last)
		}
	}
	wall.advance(time.Hour)
	for w := range stay {
		if err := s.FinishWrite(t.Context(), by.Org, w, WriteEnd{State: WriteCommitted, At: s.clock()}); err != nil {
			t.Error(err)
		}
	}
	talking.EndedAt = &ended
	must(t, s.AppendBatch(t.Context(), []ConversationRecord{talking}, nil))
	wall.advance(time.Hour)
	must(t, s.PruneWrites(t.Context(), wall.Now()))
	if r := journalIntact(t, s); r.First <= r.Last {
		t.Errorf("links %d to %d are left", r.First, r.Last)
	}
	for _, table := range []string{"writes", "write_links", "write_plans"} {
		var n int
		must(t, s.reader.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM `+table).Scan(&n))
		if n != 0 {
			t.Errorf("%d rows are left in %s", n, table)
		}
	}
}

// TestChangedWritesAreFound edits the journal behind the store's back.
func TestChangedWritesAreFound(t *testing.T) {
	for _, tt := range []struct {
		name, query string
		want        []Break
	}{
		{"state", `UPDATE writes SET state = 'rolled_back' WHERE link = 2`, []Break{{2, 2, brokenRow}}},
		{"outcome", `UPDATE writes SET outcome = 'conflict' WHERE link = 2`, []Break{{2, 2, brokenRow}}},
		{"object", `UPDATE writes SET object = 'public.other' WHERE link = 4`, []Break{{4, 4, brokenRow}}},
		{"time", `UPDATE writes SET ended_at = ended_at + 1 WHERE link = 4`, []Break{{4, 4, brokenRow}}},
		{"sealed", `UPDATE writes SET arguments = x'00' WHERE link = 2`, []Break{{2, 2, brokenRow}}},
		{"sealed and its digest", `UPDATE writes SET arguments = x'00', sealed_digest = ZEROBLOB(32) WHERE link = 2`, []Break{{2, 2, brokenRow}}},
		{"forgotten too early", `UPDATE writes SET arguments = NULL, execution = NULL, result = NULL WHERE link = 2`, []Break{{2, 2, brokenRow}}},
		{"forgotten while open", `UPDATE writes SET arguments = NULL WHERE link = 5`, []Break{{5, 5, brokenRow}}},
		{"plan", `UPDATE write_plans SET plan = '{}'`, []Break{{2, 2, brokenRow}, {4, 4, brokenRow}, {5, 5, brokenRow}}},
		{"removed", `DELETE FROM writes WHERE link = 4`, []Break{{4, 4, brokenRow}}},
		{"set back", `UPDATE writes SET link = 3, state = 'intended', outcome = '', ended_at = NULL, result = NULL WHERE link = 4`, []Break{{3, 3, brokenRow}, {4, 4, brokenRow}}},
		{"added", `INSERT INTO writes SELECT 'wrt_new', org_id, conversation_id, agent_id, version_id, skill_id, kind, object, tool, 'new', plan_digest, state, outcome,
			reason, intended_at, executed_at, ended_at, arguments, execution, result, sealed_digest, 9 FROM writes WHERE link = 2`, []Break{{9, 9, brokenNoLink}}},
		{"record edited", `UPDATE write_links SET content = ZEROBLOB(32) WHERE link = 2`, []Break{{2, 2, brokenContent}, {2, 2, brokenRow}}},
		{"record given to another", `UPDATE write_links SET write_id = 'wrt_x' WHERE link = 1`, []Break{{1, 1, brokenContent}, {1, 1, brokenRow}}},
		{"records removed", `DELETE FROM write_links WHERE link IN (1, 2)`, []Break{{1, 2, brokenGap}, {2, 2, brokenNoLink}}},
		{"record cut off", `DELETE FROM write_links WHERE link = 5`, []Break{{5, 5, brokenEnd}, {5, 5, brokenNoLink}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, wall, by := newChained(t)
			c := conversationOf(s, by)
			for _, call := range []string{"call_1", "call_2"} {
				w := intended(t, s, c, call)
				wall.advance(time.Second)
				finish(t, s, w, WriteCommitted)
			}
			intended(t, s, c, "call_3")
			journalIntact(t, s)
			alter(t, s, `DROP TRIGGER write_links_are_not_changed`)
			alter(t, s, `DROP TRIGGER write_links_are_not_removed`)
			alter(t, s, tt.query)
			same(t, tt.want, journalReport(t, s).Breaks)
		})
	}
}

// TestJournalIsAppendedTo: the file itself refuses to rewrite the records.
func TestJournalIsAppendedTo(t *testing.T) {
	s, _, by := newChained(t)
	intended(t, s, conversationOf(s, by), "call_1")
	for _, query := range []string{`UPDATE write_links SET at = 0`, `DELETE FROM write_links`} {
		if _, err := s.writer.ExecContext(t.Context(), query); err == nil {
			t.Errorf("%s was done", query)
		}
	}
}

// TestJournalOfALockedStore: another process holds the file, and whoever is on
// a call is told within his time; reads go on, and the writer waits as before.
func TestJournalOfALockedStore(t *testing.T) {
	s, _, by := newChained(t)
	c := conversationOf(s, by)
	w := intended(t, s, c, "call_1")
	holder := open(t, s.dir, Options{})
	tx, err := holder.writer.BeginTx(t.Context(), nil)
	must(t, err)
	for name, record := range map[string]func(ctx context.Context) error{
		"intend":  func(ctx context.Context) error { return s.IntendWrite(ctx, writeOf(c, "call_2")) },
		"execute": func(ctx context.Context) error { return s.ExecuteWrite(ctx, by.Org, w.ID, nil) },
		"finish": func(ctx context.Context) error {
			return s.FinishWrite(ctx, by.Org, w.ID, WriteEnd{State: WriteCommitted})
		},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		begun := time.Now()
		wantFault(t, record(ctx), fault.StoreUnavailable)
		if took := time.Since(begun); took > 550*time.Millisecond {
			t.Errorf("%s was refused after %v", name, took)
		}
		cancel()
	}
	if got := kept(t, s, c); len(got) != 1 || got[w.ID].State != WriteIntended {
		t.Errorf("kept are %+v", got)
	}
	must(t, tx.Rollback())
	var wait string
	must(t, s.writer.QueryRowContext(t.Context(), `PRAGMA busy_timeout`).Scan(&wait))
	if wait != "5000" {
		t.Errorf("the writer waits %s ms", wait)
	}
	finish(t, s, w, WriteCommitted)
	journalIntact(t, s)
}

// TestJournalOnAFullDisk: a write that cannot be journalled is refused, and
// nothing of it is kept.
func TestJournalOnAFullDisk(t *testing.T) {
	s, _, by := newChained(t)
	c := conversationOf(s, by)
	w := intended(t, s, c, "call_1")
	var pages int
	must(t, s.writer.QueryRowContext(t.Context(), `PRAGMA page_count`).Scan(&pages))
	alter(t, s, fmt.Sprintf(`PRAGMA max_page_count = %d`, pages))
	big := writeOf(c, "call_2")
	big.Arguments = make([]byte, 1<<20)
	wantFault(t, s.IntendWrite(t.Context(), big), fault.StoreUnavailable)
	wantFault(t, s.ExecuteWrite(t.Context(), by.Org, w.ID, big.Arguments), fault.StoreUnavailable)
	if got := kept(t, s, c); len(got) != 1 || got[w.ID].State != WriteIntended {
		t.Errorf("kept are %+v", got)
	}
	journalIntact(t, s)
	alter(t, s, `PRAGMA max_page_count = 1073741823`)
	must(t, s.IntendWrite(t.Context(), big))
}

// journalForever writes one write after the other into the journal, and tells
// of each record only when the store has said that it is kept.
func journalForever(ctx context.Context, s *Store) error {
	org, err := s.EnsureOrg(ctx, "acme")
	if err != nil {
		return err
	}
	c := conversationOf(s, Actor{Org: org.ID})
	c.ID = "cnv_crash"
	for {
		w := writeOf(c, string(id.New[id.Event]()))
		if err := s.IntendWrite(ctx, w); err != nil {
			return err
		}
		fmt.Println(WriteIntended, w.ID)
		if err := s.ExecuteWrite(ctx, org.ID, w.ID, []byte("sealed")); err != nil {
			return err
		}
		fmt.Println(WriteExecuted, w.ID)
		if err := s.FinishWrite(ctx, org.ID, w.ID, WriteEnd{State: WriteCommitted, At: s.clock()}); err != nil {
			return err
		}
		fmt.Println(WriteCommitted, w.ID)
	}
}

// TestKillKeepsTheJournal kills a process right after each of the three
// records, and in the work on the next.
func TestKillKeepsTheJournal(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	first := open(t, dir, Options{Serve: true})
	_, _, err := first.Keyring(t.Context(), filepath.Join(dir, "master.key"))
	must(t, err)
	must(t, first.Close())
	far := map[WriteState]int{WriteIntended: 1, WriteExecuted: 2, WriteCommitted: 3}
	acked := map[id.Write]WriteState{}
	for records := range 9 {
		w := start(t, "journal", dir, false)
		if got := w.line(); got != "open" {
			t.Fatalf("the writer says %q", got)
		}
		for range records + 1 {
			state, write, ok := strings.Cut(w.line(), " ")
			if !ok {
				t.Fatalf("the writer says %q", state)
			}
			acked[id.Write(write)] = WriteState(state)
		}
		must(t, w.cmd.Process.Kill())
		w.end()

		s := open(t, dir, Options{Serve: true})
		list, err := s.Writes(t.Context(), true)
		must(t, err)
		got := map[id.Write]WriteState{}
		for _, w := range list {
			got[w.ID] = w.State
		}
		for write, state := range acked {
			if far[got[write]] < far[state] {
				t.Errorf("a write that was acked as %s is %q", state, got[write])
			}
		}
		must(t, s.Close())
	}
}

// BenchmarkJournal is the cost of the three records of one write, alone and
// with fifteen others at once; one operation is one write.
func BenchmarkJournal(b *testing.B) {
	for _, atOnce := range []int{1, 16} {
		b.Run(fmt.Sprintf("%d at once", atOnce), func(b *testing.B) {
			s, _ := newStore(b)
			_, _, err := s.Keyring(b.Context(), filepath.Join(s.dir, "master.key"))
			must(b, err)
			by := newOrg(b, s, "acme")
			todo := make(chan struct{})
			var all sync.WaitGroup
			for range atOnce {
				c := conversationOf(s, by)
				all.Go(func() {
					for range todo {
						w := intended(b, s, c, string(id.New[id.Event]()))
						must(b, s.ExecuteWrite(b.Context(), by.Org, w.ID, make([]byte, 600)))
						finish(b, s, w, WriteCommitted)
					}
				})
			}
			for b.Loop() {
				todo <- struct{}{}
			}
			close(todo)
			all.Wait()
		})
	}
}
