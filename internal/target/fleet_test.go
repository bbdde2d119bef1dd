package target_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/target"
)

func TestFleetFindsItsDatabases(t *testing.T) {
	inFleet(t, target.Options{}, func(t *testing.T, f *target.Fleet) {
		d := &driver{}
		db := f.Open("con_1", firstOrg, d, someone())
		if got, ok := f.Get("con_1"); !ok || got != db || got.Organisation() != firstOrg {
			t.Error("not found")
		}
		if _, ok := f.Get("con_2"); ok {
			t.Error("found what is not there")
		}
		wantCode(t, ask(t, db), "")
		f.Close("con_1")
		f.Close("con_1")
		if _, ok := f.Get("con_1"); ok || d.living() != 0 {
			t.Errorf("it is still there, with %d sessions", d.living())
		}
		wantCode(t, ask(t, db), fault.NotConnected)
	})
}

// The new credentials serve at once; the old sessions end with their calls.
func TestFleetReplaces(t *testing.T) {
	inFleet(t, target.Options{}, func(t *testing.T, f *target.Fleet) {
		d := &driver{}
		release := d.hold()
		old := f.Open("con_1", firstOrg, d, someone())
		done := make(chan error, 1)
		go func() { done <- ask(t, old) }()
		synctest.Wait()
		next := &driver{}
		wantCode(t, ask(t, f.Open("con_1", firstOrg, next, someone())), "")
		if d.living() != 1 {
			t.Error("a call in flight lost its session")
		}
		close(release)
		wantCode(t, <-done, "")
		synctest.Wait()
		if d.living() != 0 || next.living() != 1 {
			t.Errorf("%d old sessions, %d new ones", d.living(), next.living())
		}
	})
}

func TestIdleAndOldSessionsEnd(t *testing.T) {
	d := &driver{}
	one(t, target.Options{Idle: time.Minute, Lifetime: 10 * time.Minute}, d, func(t *testing.T, db *target.Database) {
		wantCode(t, ask(t, db), "")
		pass(45 * time.Second)
		if d.living() != 1 {
			t.Error("ended too early")
		}
		pass(45 * time.Second)
		if d.living() != 0 {
			t.Error("an idle session lives on")
		}
		for range 22 { // never idle, but for 11 minutes
			wantCode(t, ask(t, db), "")
			pass(30 * time.Second)
		}
		if d.tries() < 3 {
			t.Error("a session outlived its lifetime")
		}
	})
}

// An organisation's cap binds it alone, and the process's cap takes from who
// has been quiet for longest.
func TestCaps(t *testing.T) {
	inFleet(t, target.Options{PerOrganisation: 2, Total: 3, Idle: time.Hour, Lifetime: time.Hour}, func(t *testing.T, f *target.Fleet) {
		drivers := make([]*driver, 4)
		databases := make([]*target.Database, 4)
		for i := range drivers {
			drivers[i] = &driver{}
			org := firstOrg
			if i > 2 {
				org = secondOrg
			}
			databases[i] = f.Open(id.Connection(fmt.Sprint("con_", i)), org, drivers[i], someone())
		}
		for i := range databases {
			wantCode(t, ask(t, databases[i]), "")
			pass(time.Second)
		}
		// The third of the first organisation took the place of its first.
		for i, want := range []int{0, 1, 1, 1} {
			if got := drivers[i].living(); got != want {
				t.Errorf("database %d has %d sessions", i, got)
			}
		}
		// Busy sessions are not taken: the organisation has to wait, the other
		// one not.
		release1, release2 := drivers[1].hold(), drivers[2].hold()
		var all sync.WaitGroup
		all.Go(func() { wantCode(t, ask(t, databases[1]), "") })
		all.Go(func() { wantCode(t, ask(t, databases[2]), "") })
		synctest.Wait()
		begun := time.Now()
		_, err := databases[0].Run(within(t, time.Minute), aPlan, nil, &rows{})
		wantCode(t, err, fault.DatabaseBusy)
		if took := time.Since(begun); took != 500*time.Millisecond {
			t.Errorf("waited %v", took)
		}
		wantCode(t, databases[0].Trouble(), "") // nobody asked the database
		wantCode(t, ask(t, databases[3]), "")
		close(release1)
		close(release2)
		all.Wait()
		wantCode(t, ask(t, databases[0]), "")
	})
}

// Whoever waits for room gets that of a session that becomes idle meanwhile.
func TestRoomIsMadeLater(t *testing.T) {
	inFleet(t, target.Options{Total: 1, Idle: time.Hour, Lifetime: time.Hour}, func(t *testing.T, f *target.Fleet) {
		busy, quick := &driver{}, &driver{}
		release := busy.hold()
		first, second := f.Open("con_1", firstOrg, busy, someone()), f.Open("con_2", secondOrg, quick, someone())
		var all sync.WaitGroup
		all.Go(func() { wantCode(t, ask(t, first), "") })
		synctest.Wait()
		time.AfterFunc(100*time.Millisecond, func() { close(release) })
		begun := time.Now()
		wantCode(t, ask(t, second), "")
		if took := time.Since(begun); took > 150*time.Millisecond {
			t.Errorf("waited %v", took)
		}
		all.Wait()
	})
}

func TestShutdownEndsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := target.NewFleet(nil, target.Options{})
		d := &driver{}
		for i := range 20 {
			db := f.Open(id.Connection(fmt.Sprint("con_", i)), firstOrg, d, someone())
			if i%2 == 0 {
				wantCode(t, ask(t, db), "")
			}
		}
		f.Shutdown()
		if d.living() != 0 {
			t.Errorf("%d sessions live on", d.living())
		}
	})
}
