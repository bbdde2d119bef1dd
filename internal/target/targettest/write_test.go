package targettest

import (
	"testing"

	"flowyte/internal/plan"
	"flowyte/internal/schema"
)

// TestWriteIsOneRow: an insert answers with its key, an update with nothing,
// and both leave evidence before their COMMIT.
func TestWriteIsOneRow(t *testing.T) {
	eachWay(t, func(t *testing.T, w *way) {
		for i, place := range []string{"A", "B"} { // prepared once, then from the session's memory
			var made, changed kept
			succeed(t, w.write(t, w.insert, book(place, "1", "2", "x"), &made))
			if len(made.rows) != 1 || len(made.rows[0]) != 1 || made.rows[0][0] != []string{"1", "2"}[i] {
				t.Errorf("the insert gave %q", made.rows)
			}
			changed.before = func() error {
				if got := w.db.Query(t, "SELECT note FROM slots WHERE place = '"+place+"'")[0][0]; got != "x" {
					t.Errorf("%q was seen before the COMMIT", got)
				}
				return nil
			}
			succeed(t, w.write(t, w.update, w.note("y", place), &changed))
			if len(changed.rows) != 0 {
				t.Errorf("the update gave %q", changed.rows)
			}
			for _, p := range []*plan.Plan{w.insert, w.update} {
				e := map[*plan.Plan]*kept{w.insert: &made, w.update: &changed}[p].last(t)
				whole := e.XID != "" && e.Timeline == 1
				if w.kind() == schema.MySQL {
					whole = e.Thread != 0 && len(e.Key) > 0 && e.After != nil && (e.Before == nil) == (p == w.insert)
				}
				if e.Identity != p.Identity || !whole {
					t.Errorf("evidence %+v", e)
				}
			}
		}
		w.wantRows(t, "A 1 2 y", "B 1 2 y")
		if w.busy(t) != "0" {
			t.Error("a transaction is left open")
		}
	})
}
