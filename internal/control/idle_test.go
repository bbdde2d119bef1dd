package control

import (
	"testing"
	"time"

	"flowyte/internal/id"
	"flowyte/internal/schema"
)

// TestIdleCataloguesKeepNoIndex: an index nobody searches is let go and built
// again by the next search; one that is searched stays.
func TestIdleCataloguesKeepNoIndex(t *testing.T) {
	start := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	db := &schema.Database{Kind: schema.Postgres, DefaultSchema: "public", Objects: []schema.Object{{
		Schema: "public", Name: "pets", Type: schema.Table, Supported: true, Fields: []schema.Field{{Name: "species", Type: schema.String, NativeType: "text"}},
	}}}
	idle, busy := newCatalog(db, schema.Scope{}), newCatalog(db, schema.Scope{})
	all := catalogs{byConnection: map[id.Connection]*catalog{"idle": idle, "busy": busy}}
	first, stays := idle.words(start), busy.words(start)
	idle.goals(start)
	if idle.words(start.Add(time.Minute)) != first {
		t.Error("an index in use was built again")
	}
	later := start.Add(time.Minute + idleAfter)
	busy.words(later)
	all.rest(later.Add(-idleAfter))
	if idle.index.value != first {
		t.Error("an index was let go before its time")
	}
	all.rest(later.Add(time.Second - idleAfter))
	if idle.index.value != nil || idle.forGoals.value != nil || busy.index.value != stays {
		t.Errorf("idle: %v, %v; busy: %v", idle.index.value, idle.forGoals.value, busy.index.value)
	}
	if hits := idle.words(later).Search("species", "", 5); len(hits) == 0 || first.Search("species", "", 5)[0] != hits[0] {
		t.Errorf("the index built again finds %v", hits)
	}
	// One that is being made is not waited for.
	idle.index.mu.Lock()
	all.rest(later.Add(time.Hour))
	idle.index.mu.Unlock()
	if idle.index.value == nil {
		t.Error("an index was let go under its builder's hands")
	}
}
