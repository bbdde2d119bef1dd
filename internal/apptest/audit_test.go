package apptest

import (
	"database/sql"
	"path/filepath"
	"testing"

	"flowyte/internal/dbtest"
	"flowyte/internal/serve"
	"flowyte/internal/store"
)

// audit walks along the chains of a data folder, beside a service or alone.
func audit(t *testing.T, data string) (receipts, changes store.ChainReport) {
	t.Helper()
	s, err := store.Open(t.Context(), data, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, _, err := s.Keyring(t.Context(), filepath.Join(data, serve.MasterKeyName)); err != nil {
		t.Fatal(err)
	}
	reports, err := s.VerifyAudit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return reports[0], reports[1]
}

// TestCallsAreChained is K14 from the call to the proof: what agents asked and
// what operators changed can be proven beside the running service, and after
// it, and a receipt that is removed is missed.
func TestCallsAreChained(t *testing.T) {
	p := Published(t, dbtest.Postgres(t))
	conv := p.Ring(t)
	eventually(t, "the first receipt is stored", func() bool { r, _ := audit(t, p.Data); return r.Last > 0 })
	first, _ := audit(t, p.Data)
	Ask(t, p.Client(), conv.ID, "1")
	eventually(t, "the second receipt is stored", func() bool { r, _ := audit(t, p.Data); return r.Last > first.Last })
	if _, err := p.Client().End(t.Context(), conv.ID); err != nil {
		t.Fatal(err)
	}
	p.Stop()
	receipts, changes := audit(t, p.Data)
	if receipts.First != 1 || receipts.Last < 3 || receipts.Breaks != nil || changes.Last < 5 || changes.Breaks != nil {
		t.Fatalf("%+v, %+v", receipts, changes)
	}
	raw, err := sql.Open("sqlite", filepath.Join(p.Data, "flowyte.db"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := raw.Exec(`DELETE FROM event_batches WHERE id = 2`); err != nil {
		t.Fatal(err)
	}
	if err := raw.Close(); err != nil {
		t.Fatal(err)
	}
	receipts, changes = audit(t, p.Data)
	if len(receipts.Breaks) != 1 || receipts.Breaks[0].From != 2 || receipts.Breaks[0].To != 2 || changes.Breaks != nil {
		t.Errorf("%+v, %+v", receipts, changes)
	}
}
