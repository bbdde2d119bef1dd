package target_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"flowyte/internal/fault"
	"flowyte/internal/schema"
	"flowyte/internal/target"
)

// of is a driver of a kind.
type of struct {
	*driver
	kind schema.Kind
}

func (o of) Kind() schema.Kind { return o.kind }

func TestCensus(t *testing.T) {
	inFleet(t, target.Options{}, func(t *testing.T, f *target.Fleet) {
		busy := &driver{}
		release := busy.hold()
		db := f.Open("con_busy", firstOrg, of{busy, schema.Postgres}, someone())
		f.Open("con_quiet", firstOrg, of{&driver{}, schema.Postgres}, someone())
		waiting := make(chan struct{})
		slow := f.Open("con_slow", secondOrg, of{&driver{open: func(context.Context, target.Purpose) error { <-waiting; return nil }}, schema.MySQL}, someone())
		dead := f.Open("con_dead", secondOrg, of{&driver{open: func(context.Context, target.Purpose) error { return fault.New(fault.Unreachable) }}, schema.MySQL}, someone())

		wantCode(t, ask(t, dead), fault.Unreachable)
		want := map[schema.Kind]target.Census{schema.Postgres: {Unproven: 2}, schema.MySQL: {Unproven: 2}}
		if diff := cmp.Diff(want, f.Census()); diff != "" {
			t.Errorf("before anybody succeeded: %s", diff)
		}
		wantCode(t, ask(t, dead), fault.Unreachable)
		go func() { _ = ask(t, db) }()
		go func() { _ = ask(t, slow) }()
		if err := db.WithSession(t.Context(), target.ForWrites, func(target.Session) error { return nil }); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		want = map[schema.Kind]target.Census{
			schema.Postgres: {InUse: 1, Idle: 1, Open: 1, Unproven: 1},
			schema.MySQL:    {Opening: 1, Unproven: 1, Shut: 1},
		}
		if diff := cmp.Diff(want, f.Census()); diff != "" {
			t.Error(diff)
		}
		close(release)
		close(waiting)
		synctest.Wait()
		f.Close("con_dead")
		want = map[schema.Kind]target.Census{schema.Postgres: {Idle: 2, Open: 1, Unproven: 1}, schema.MySQL: {Idle: 1, Open: 1}}
		if diff := cmp.Diff(want, f.Census()); diff != "" {
			t.Errorf("afterwards: %s", diff)
		}
	})
}
