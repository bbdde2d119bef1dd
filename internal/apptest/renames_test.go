package apptest

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"flowyte/api"
	"flowyte/internal/dbtest"
)

// TestRenamesAreTold: a block follows what it holds over a rename. The scoping
// route says where it went, and no other answer speaks of either name.
func TestRenamesAreTold(t *testing.T) {
	db := dbtest.Postgres(t)
	app := New(t)
	app.Connected(t, db, Clinic(t, db))
	c := app.Client()
	patch := api.ScopingPatch{
		BlockedTables:  json.RawMessage(`["Payments"]`),
		BlockedColumns: json.RawMessage(`{"customers": ["SSN", "card_last4"]}`),
	}
	s, err := c.SetScoping(t.Context(), "postgres", patch)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]api.RenamedBlock{}, s.Renamed); diff != "" {
		t.Fatalf("renamed before any rename (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]api.AlsoBlocked{{Name: "payment_totals", Reason: "view"}}, s.AlsoBlocked); diff != "" {
		t.Errorf("blocked along (-want +got):\n%s", diff)
	}
	db.Exec(t, "ALTER TABLE payments RENAME TO takings", "ALTER TABLE customers RENAME ssn TO social")
	discovered, err := c.Raw(t.Context(), "POST", "/integrations/postgres/discover", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []api.RenamedBlock{{Entry: "customers.SSN", Now: "customers.social"}, {Entry: "Payments", Now: "takings"}}
	told := func(s api.Scoping, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, s.Renamed); diff != "" {
			t.Errorf("renamed (-want +got):\n%s", diff)
		}
		if len(s.Unmatched) != 0 {
			t.Errorf("the entries still hold something, but %v are called unmatched", s.Unmatched)
		}
	}
	told(c.Scoping(t.Context(), "postgres"))
	told(c.SetScoping(t.Context(), "postgres", api.ScopingPatch{AllowedViews: json.RawMessage(`[]`)}))
	schema, err := c.Raw(t.Context(), "GET", "/integrations/postgres/schema", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"payments", "takings", "ssn", "social"} {
		for what, answer := range map[string][]byte{"discovery": discovered, "schema": schema} {
			if strings.Contains(strings.ToLower(string(answer)), name) {
				t.Errorf("the %s speaks of %s", what, name)
			}
		}
	}
	// Without the entry there is nothing to follow.
	want = []api.RenamedBlock{{Entry: "customers.SSN", Now: "customers.social"}}
	told(c.SetScoping(t.Context(), "postgres", api.ScopingPatch{BlockedTables: json.RawMessage(`null`)}))
}
