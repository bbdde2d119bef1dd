package assist_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

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

// timed proposes for every tuned goal and returns the times, shortest first.
func timed(t testing.TB, cat *assist.Catalog) []time.Duration {
	var list []time.Duration
	for _, c := range goals(t, "tuned") {
		began := time.Now()
		_, _ = assist.Propose(c.text, cat)
		list = append(list, time.Since(began))
	}
	slices.Sort(list)
	return list
}

// BenchmarkPropose prints the 99th percentile of one proposal on 500 tables.
func BenchmarkPropose(b *testing.B) {
	db := large(b, 500)
	began := time.Now()
	cat := assist.NewCatalog(db, schema.Scope{})
	built := time.Since(began)
	var list []time.Duration
	for b.Loop() {
		list = append(list, timed(b, cat)...)
	}
	slices.Sort(list)
	b.ReportMetric(float64(built.Microseconds())/1000, "ms/catalog")
	b.ReportMetric(float64(list[len(list)/2].Microseconds())/1000, "ms/p50")
	b.ReportMetric(float64(list[len(list)*99/100].Microseconds())/1000, "ms/p99")
	b.ReportMetric(0, "ns/op")
}
