package store

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"pgregory.net/rapid"

	"flowyte/internal/fault"
)

// newChained is an unlocked store, so that its chains are sealed.
func newChained(t *testing.T) (*Store, *wall, Actor) {
	t.Helper()
	s, w := newStore(t)
	_, _, err := s.Keyring(t.Context(), filepath.Join(s.dir, "master.key"))
	must(t, err)
	return s, w, newOrg(t, s, "acme")
}

// audited are the reports on the chains of receipts and of changes.
func audited(t testing.TB, s *Store) (receipts, changes ChainReport) {
	t.Helper()
	reports, err := s.VerifyAudit(t.Context())
	must(t, err)
	if len(reports) != 3 || reports[0].Name != "receipts" || reports[1].Name != "changes" || reports[2].Name != "writes" {
		t.Fatalf("reports %+v", reports)
	}
	return reports[0], reports[1]
}

// tamper makes chains of six links each and changes the file behind the
// store's back.
func tamper(t *testing.T, queries ...string) (receipts, changes ChainReport) {
	t.Helper()
	s, w, by := newChained(t)
	c := conversationOf(s, by)
	for i := range int64(6) {
		w.advance(time.Minute)
		must(t, s.AppendBatch(t.Context(), []ConversationRecord{c}, eventsOf(c, 2*i+1, 2*i+2)))
		newAgent(t, s, by, fmt.Sprint("agent ", i))
	}
	a, b := audited(t, s)
	if a.Breaks != nil || b.Breaks != nil || a.Last != 6 || b.Last != 6 || a.First != 1 || b.First != 1 || a.Uncovered+b.Uncovered != 0 {
		t.Fatalf("before anything was changed: %+v, %+v", a, b)
	}
	alter(t, s, `DROP TRIGGER activity_is_not_changed`)
	alter(t, s, `DROP TRIGGER activity_is_not_removed`)
	for _, query := range queries {
		alter(t, s, query)
	}
	return audited(t, s)
}

// TestChainNamesThePlace is K14: edited, removed, reordered, cut off.
func TestChainNamesThePlace(t *testing.T) {
	for _, tt := range []struct {
		name    string
		queries []string
		want    []Break
	}{
		{"body edited", []string{`UPDATE event_batches SET body = body || x'00' WHERE id = 3`}, []Break{{3, 3, brokenContent}}},
		{"time edited", []string{`UPDATE event_batches SET at = at + 1 WHERE id = 6`}, []Break{{6, 6, brokenContent}}},
		{"given to another", []string{`UPDATE event_segments SET org_id = 'org_b' WHERE batch_id = 2`}, []Break{{2, 2, brokenContent}}},
		{"given to another conversation", []string{`UPDATE event_segments SET conversation_id = 'cnv_b' WHERE batch_id = 1`}, []Break{{1, 1, brokenContent}}},
		{"part hidden", []string{`DELETE FROM event_segments WHERE batch_id = 4`}, []Break{{4, 4, brokenContent}}},
		{"part hidden by its bounds", []string{`UPDATE event_segments SET last_seq = 0 WHERE batch_id = 4`}, []Break{{4, 4, brokenContent}}},
		{"hash removed", []string{`UPDATE event_batches SET hash = NULL WHERE id = 2`}, []Break{{2, 2, brokenContent}, {3, 3, brokenContent}}},
		{"edited and hashed anew", []string{`UPDATE event_batches SET body = x'01', hash = ZEROBLOB(32) WHERE id = 4`}, []Break{{4, 4, brokenContent}, {5, 5, brokenContent}}},
		{"first removed", []string{`DELETE FROM event_batches WHERE id = 1`}, []Break{{1, 1, brokenGap}}},
		{"middle removed", []string{`DELETE FROM event_batches WHERE id IN (3, 4)`}, []Break{{3, 4, brokenGap}}},
		{"cut off", []string{`DELETE FROM event_batches WHERE id > 4`}, []Break{{5, 6, brokenEnd}}},
		{"all removed", []string{`DELETE FROM event_batches`}, []Break{{1, 6, brokenEnd}}},
		{"reordered", []string{
			`PRAGMA foreign_keys = off`, `UPDATE event_batches SET id = 99 WHERE id = 3`, `UPDATE event_batches SET id = 3 WHERE id = 4`, `UPDATE event_batches SET id = 4 WHERE id = 99`,
		}, []Break{{3, 3, brokenContent}, {4, 4, brokenContent}, {5, 5, brokenContent}}},
		{"added behind the end", []string{`INSERT INTO event_batches (id, at, body, hash) SELECT 7, at, body, hash FROM event_batches WHERE id = 6`}, []Break{{7, 7, brokenBeyond}}},
		{"cut off with the end moved", []string{
			`DELETE FROM event_batches WHERE id > 4`, `UPDATE chains SET head = 4, head_hash = (SELECT hash FROM event_batches WHERE id = 4) WHERE name = 'receipts'`,
		}, []Break{{1, 4, brokenSeal}}},
		{"beginning removed with the anchor moved", []string{
			`UPDATE chains SET anchor = 2, anchor_hash = (SELECT hash FROM event_batches WHERE id = 2) WHERE name = 'receipts'`, `DELETE FROM event_batches WHERE id <= 2`,
		}, []Break{{3, 6, brokenSeal}}},
		{"declared to be from before the chain", []string{`UPDATE chains SET legacy = 6, anchor = 6 WHERE name = 'receipts'`}, []Break{{7, 6, brokenSeal}, {6, 6, brokenHead}}},
		{"seal removed", []string{`UPDATE chains SET seal = NULL WHERE name = 'receipts'`}, []Break{{1, 6, brokenSeal}}},
		{"seal of the other chain", []string{`UPDATE chains SET seal = (SELECT seal FROM chains WHERE name = 'changes') WHERE name = 'receipts'`}, []Break{{1, 6, brokenSeal}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			receipts, changes := tamper(t, tt.queries...)
			same(t, tt.want, receipts.Breaks)
			same(t, []Break(nil), changes.Breaks)
		})
	}
}

func TestChainOfChangesNamesThePlace(t *testing.T) {
	for column, value := range map[string]string{
		"id": "'act_x'", "org_id": "'org_x'", "key_id": "''", "action": "'agent.delete'", "target": "'agt_x'", "at": "at - 1",
	} {
		receipts, changes := tamper(t, `UPDATE activity SET `+column+` = `+value+` WHERE link = 3`)
		same(t, []Break{{3, 3, brokenContent}}, changes.Breaks)
		same(t, []Break(nil), receipts.Breaks)
	}
	for query, want := range map[string][]Break{
		`DELETE FROM activity WHERE link = 2`:                                                  {{2, 2, brokenGap}},
		`DELETE FROM activity WHERE link = 6`:                                                  {{6, 6, brokenEnd}},
		`UPDATE activity SET link = NULL WHERE link = 6`:                                       {{6, 6, brokenEnd}},
		`UPDATE activity SET link = CASE link WHEN 2 THEN -3 ELSE -2 END WHERE link IN (2, 3)`: {{2, 3, brokenGap}},
	} {
		_, changes := tamper(t, query)
		same(t, want, changes.Breaks)
	}
}

// TestPrunedChainHolds: what is too old goes, and the rest can still be proven.
func TestPrunedChainHolds(t *testing.T) {
	s, w, by := newChained(t)
	c := conversationOf(s, by)
	var noted string
	for i := range int64(6) {
		w.advance(time.Hour)
		must(t, s.AppendBatch(t.Context(), []ConversationRecord{c}, eventsOf(c, i+1, i+1)))
		newAgent(t, s, by, fmt.Sprint("agent ", i))
	}
	receipts, _ := audited(t, s)
	noted = receipts.Head
	before := w.Now().Add(-2 * time.Hour) // four are older than that, or not younger
	prune := func() {
		t.Helper()
		must(t, s.PruneConversations(t.Context(), before))
		must(t, s.PruneActivity(t.Context(), before))
	}
	prune()
	prune() // again changes nothing
	receipts, changes := audited(t, s)
	same(t, ChainReport{Name: "receipts", First: 4, Last: 6, Head: noted}, receipts)
	same(t, ChainReport{Name: "changes", First: 4, Last: 6, Head: changes.Head}, changes)
	list, err := s.Activities(t.Context(), by.Org, Page{})
	must(t, err)
	if len(list.Items) != 3 {
		t.Errorf("%d changes are left", len(list.Items))
	}
	same(t, eventsOf(c, 4, 6), readEvents(t, s, c, 10))

	// Everything goes, and the numbers go on.
	before = w.Now().Add(time.Hour)
	prune()
	receipts, changes = audited(t, s)
	if receipts.First != 7 || receipts.Last != 6 || receipts.Head != noted || receipts.Breaks != nil || changes.First != 7 || changes.Breaks != nil {
		t.Errorf("%+v, %+v", receipts, changes)
	}
	must(t, s.AppendBatch(t.Context(), []ConversationRecord{c}, eventsOf(c, 7, 7)))
	newAgent(t, s, by, "late")
	if receipts, changes = audited(t, s); receipts.Last != 7 || receipts.Breaks != nil || changes.Last != 7 || changes.Breaks != nil {
		t.Errorf("%+v, %+v", receipts, changes)
	}
	// What was removed does not come back unnoticed, and the first that is
	// kept is tied to what is gone.
	alter(t, s, `INSERT INTO event_batches (id, at, body, hash) SELECT 2, at, body, hash FROM event_batches WHERE id = 7`)
	alter(t, s, `UPDATE chains SET anchor_hash = ZEROBLOB(32) WHERE name = 'changes'`)
	receipts, changes = audited(t, s)
	same(t, []Break{{2, 2, brokenBefore}}, receipts.Breaks)
	same(t, []Break{{7, 7, brokenSeal}, {7, 7, brokenContent}}, changes.Breaks)
}

// TestPruningHidesNothing: a gap that was there before stays a gap.
func TestPruningHidesNothing(t *testing.T) {
	s, w, by := newChained(t)
	c := conversationOf(s, by)
	for i := range int64(4) {
		must(t, s.AppendBatch(t.Context(), []ConversationRecord{c}, eventsOf(c, i+1, i+1)))
		w.advance(time.Hour)
	}
	alter(t, s, `DELETE FROM event_batches WHERE id = 2`)
	must(t, s.PruneConversations(t.Context(), w.Now().Add(-150*time.Minute)))
	receipts, _ := audited(t, s)
	same(t, []Break{{2, 2, brokenGap}}, receipts.Breaks)
}

// TestAnyChangeIsFound appends and prunes at random, and then flips one byte of
// one batch that is kept.
func TestAnyChangeIsFound(t *testing.T) {
	s, w, by := newChained(t)
	rapid.Check(t, func(rt *rapid.T) {
		c := conversationOf(s, by)
		for i := range rapid.Int64Range(1, 6).Draw(rt, "batches") {
			w.advance(time.Duration(rapid.IntRange(0, 60).Draw(rt, "minutes")) * time.Minute)
			must(t, s.AppendBatch(t.Context(), []ConversationRecord{c}, eventsOf(c, i+1, i+1)))
			if rapid.Bool().Draw(rt, "prune") {
				must(t, s.PruneConversations(t.Context(), w.Now().Add(-time.Duration(rapid.IntRange(0, 90).Draw(rt, "keep"))*time.Minute)))
			}
		}
		receipts, _ := audited(t, s)
		if receipts.Breaks != nil {
			rt.Fatalf("nothing was changed: %+v", receipts)
		}
		if receipts.Last < receipts.First {
			return
		}
		n := rapid.Int64Range(receipts.First, receipts.Last).Draw(rt, "which")
		var body []byte
		must(t, s.reader.QueryRowContext(t.Context(), `SELECT body FROM event_batches WHERE id = ?`, n).Scan(&body))
		changed := slices.Clone(body)
		changed[rapid.IntRange(0, len(body)-1).Draw(rt, "byte")] ^= byte(rapid.IntRange(1, 255).Draw(rt, "flip"))
		alter(t, s, `UPDATE event_batches SET body = ? WHERE id = ?`, changed, n)
		receipts, _ = audited(t, s)
		same(t, []Break{{n, n, brokenContent}}, receipts.Breaks)
		alter(t, s, `UPDATE event_batches SET body = ? WHERE id = ?`, body, n)
	})
}

// TestChainBeginsInAnOldStore: what was written before is kept, and told apart.
func TestChainBeginsInAnOldStore(t *testing.T) {
	old := fstest.MapFS{}
	for _, name := range []string{"00001_initial.sql", "00002_key_names.sql", "00003_left_suspended.sql"} {
		data, err := fs.ReadFile(formats(), name)
		must(t, err)
		old[name] = &fstest.MapFile{Data: data}
	}
	dir, w := filepath.Join(t.TempDir(), "data"), newWall()
	s := open(t, dir, Options{Serve: true, Now: w.Now, formats: old})
	by := newOrg(t, s, "acme")
	alter(t, s, `INSERT INTO event_batches (id, at, body) VALUES (4, ?, x'01'), (5, ?, x'01')`, millis(w.Now()), millis(w.Now()))
	alter(t, s, `INSERT INTO activity (id, org_id, key_id, action, target, at) VALUES ('act_1', ?, '', 'agent.create', 'agt_1', ?)`, by.Org, millis(w.Now()))
	must(t, s.Close())

	s = open(t, dir, Options{Serve: true, Now: w.Now})
	_, _, err := s.Keyring(t.Context(), filepath.Join(dir, "master.key"))
	must(t, err)
	receipts, changes := audited(t, s)
	if receipts.Uncovered != 2 || receipts.First != 6 || receipts.Last != 5 || changes.Uncovered != 1 || changes.First != 1 || receipts.Breaks != nil || changes.Breaks != nil {
		t.Errorf("%+v, %+v", receipts, changes)
	}
	w.advance(time.Hour)
	c := conversationOf(s, by)
	must(t, s.AppendBatch(t.Context(), []ConversationRecord{c}, eventsOf(c, 1, 1)))
	newAgent(t, s, by, "a")
	must(t, s.PruneConversations(t.Context(), w.Now()))
	must(t, s.PruneActivity(t.Context(), w.Now()))
	receipts, changes = audited(t, s)
	if receipts.Uncovered != 0 || receipts.First != 6 || receipts.Last != 6 || changes.Uncovered != 0 || changes.Last != 1 || receipts.Breaks != nil || changes.Breaks != nil {
		t.Errorf("after pruning: %+v, %+v", receipts, changes)
	}
}

// TestChainWithoutItsKey: somebody who has the file and not the master key
// cannot vouch for it, and a chain that has lost its row is not begun anew.
func TestChainWithoutItsKey(t *testing.T) {
	s, _, by := newChained(t)
	newAgent(t, s, by, "a")
	must(t, s.Close())
	again := open(t, s.dir, Options{Serve: true})
	_, changes := audited(t, again)
	same(t, []Break{{1, 1, brokenSeal}}, changes.Breaks)
	alter(t, again, `DELETE FROM chains`)
	_, err := again.CreateAgent(t.Context(), by, Agent{Name: "b"})
	wantFault(t, err, fault.StoreDamaged)
}

func TestSpace(t *testing.T) {
	s, _ := newStore(t)
	free, total, err := s.Space()
	must(t, err)
	if total == 0 || free > total {
		t.Errorf("%d of %d bytes are free", free, total)
	}
}
