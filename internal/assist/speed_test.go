package assist_test

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"flowyte/internal/assist"
	"flowyte/internal/schema"
)

// large is a database of n tables: the companies of testdata many times over,
// each copy with a prefix of its own.
func large(t testing.TB, n int) *schema.Database {
	t.Helper()
	first := company(t, companies[0], schema.Postgres)
	db := *first
	db.Objects = nil
	for copy := 0; len(db.Objects) < n; copy++ {
		for _, name := range companies {
			for _, o := range company(t, name, schema.Postgres).Objects {
				if len(db.Objects) == n {
					break
				}
				prefix := fmt.Sprintf("%s%d_", []string{"north", "south", "east", "west", "archive", "old", "eu", "us"}[copy%8], copy)
				o.Name = prefix + o.Name
				o.ForeignKeys = slices.Clone(o.ForeignKeys)
				for i := range o.ForeignKeys {
					o.ForeignKeys[i].TargetObject = prefix + o.ForeignKeys[i].TargetObject
				}
				db.Objects = append(db.Objects, o)
			}
		}
	}
	return &db
}

// worked is the processor time that the calling thread has used. Wall-clock
// time would measure who else is on the machine.
func worked(t testing.TB) time.Duration {
	t.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now); err != nil {
		t.Fatal(err)
	}
	return time.Duration(now.Nano())
}

// timed proposes for every tuned goal and returns the processor times, shortest
// first.
func timed(t testing.TB, cat *assist.Catalog, times int) []time.Duration {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cases := goals(t, "tuned")
	var list []time.Duration
	for range times {
		for _, c := range cases {
			began := worked(t)
			_, _ = assist.Propose(c.text, cat) // refusals take their time as well
			list = append(list, worked(t)-began)
		}
	}
	slices.Sort(list)
	return list
}

func p99(list []time.Duration) time.Duration { return list[len(list)*99/100] }

// TestProposalsAreQuick holds the 99th percentile on 500 tables to 20 ms.
func TestProposalsAreQuick(t *testing.T) {
	list := timed(t, assist.NewCatalog(large(t, 500), schema.Scope{}), 2)
	const limit = 20 * time.Millisecond
	t.Logf("on 500 tables: %v at the median, %v at the 99th percentile, of processor time", list[len(list)/2], p99(list))
	if got := p99(list); got > limit {
		t.Errorf("99 of 100 proposals on 500 tables take up to %v of processor time, want at most %v", got, limit)
	}
}

// BenchmarkPropose prints the processor time of the catalogue and of proposals on
// 500 tables.
func BenchmarkPropose(b *testing.B) {
	db := large(b, 500)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	began := worked(b)
	cat := assist.NewCatalog(db, schema.Scope{})
	built := worked(b) - began
	var list []time.Duration
	for b.Loop() {
		list = append(list, timed(b, cat, 1)...)
	}
	slices.Sort(list)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(ms(built), "ms/catalog")
	b.ReportMetric(ms(list[len(list)/2]), "ms/p50")
	b.ReportMetric(ms(p99(list)), "ms/p99")
	b.ReportMetric(0, "ns/op")
}
