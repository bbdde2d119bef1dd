package control

import (
	"testing"
	"time"

	"flowyte/internal/id"
	"flowyte/internal/live"
	"flowyte/internal/plan"
	"flowyte/internal/schema"
)

// TestDue: every connection once in an interval, a marked one at every tick,
// and none that serves nothing.
func TestDue(t *testing.T) {
	a, b := live.ConnectionKey{Org: "a", Kind: schema.Postgres}, live.ConnectionKey{Org: "b", Kind: schema.MySQL}
	served := map[live.ConnectionKey][]user{a: {{}}, b: {{}}}
	looked := map[live.ConnectionKey]time.Time{}
	start := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		after  time.Duration
		marked []live.ConnectionKey
		want   int
	}{
		{0, nil, 2},
		{30 * time.Second, nil, 0},
		{time.Minute, []live.ConnectionKey{b}, 1},
		{DriftInterval - time.Second, nil, 0},
		{DriftInterval, nil, 1}, // a; b was looked at a minute later
		{DriftInterval + time.Minute, nil, 1},
	} {
		if got := due(looked, served, c.marked, start.Add(c.after), DriftInterval); len(got) != c.want {
			t.Errorf("after %v: %v, want %d", c.after, got, c.want)
		}
	}
	delete(served, a)
	if due(looked, served, nil, start.Add(DriftInterval+2*time.Minute), DriftInterval); len(looked) != 1 {
		t.Errorf("%d connections are remembered, one is served", len(looked))
	}
}

// TestObservationSpeaksOfOneDiscovery: what was seen counts against the
// discovery it was compared with, and a later one knows better.
func TestObservationSpeaksOfOneDiscovery(t *testing.T) {
	table := func() *schema.Database {
		return &schema.Database{Objects: []schema.Object{{Schema: "s", Name: "kept"}, {Schema: "s", Name: "dropped"}}}
	}
	first, second := table(), table()
	seen := &observation{of: first, objects: map[schema.ColumnRef]*schema.Object{{Schema: "s", Object: "dropped"}: nil}}
	cats := catalogs{byConnection: map[id.Connection]*catalog{}, observed: map[id.Connection]*observation{}}
	cats.put("c", &catalog{whole: first})
	cats.observe("c", seen)
	if seen.object(first, &plan.Use{Schema: "s", Object: "dropped"}) != nil || seen.object(first, &plan.Use{Schema: "s", Object: "kept"}) == nil {
		t.Error("what was asked for is not what was seen")
	}
	if seen.object(second, &plan.Use{Schema: "s", Object: "dropped"}) == nil || (*observation)(nil).object(first, &plan.Use{Schema: "s", Object: "dropped"}) == nil {
		t.Error("an observation of another discovery counts")
	}
	cats.put("c", &catalog{whole: first}) // another scope over the same discovery
	if cats.seen("c") != seen {
		t.Error("a change of scope forgot what was seen")
	}
	cats.put("c", &catalog{whole: second})
	if cats.seen("c") != nil {
		t.Error("an observation outlived its discovery")
	}
}
