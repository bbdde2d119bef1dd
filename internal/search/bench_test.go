package search

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"flowyte/internal/schema"
)

// large is a made-up database: objects of ten columns each, called by words of
// business, some run together or abbreviated, every fifth column with a comment,
// every object with keys to two others. The same for every run.
func large(objects int) *schema.Database {
	r := rand.New(rand.NewPCG(1, 2))
	words := make([]string, 0, 4000)
	for key := range business().relatives {
		words = append(words, key)
	}
	slices.Sort(words)
	for len(words) < 4000 {
		w := ""
		for range 2 + r.IntN(3) {
			w += string("bcdfghklmnprstvw"[r.IntN(16)]) + string("aeiou"[r.IntN(5)])
		}
		words = append(words, w)
	}
	pick := func() string { return words[r.IntN(1+r.IntN(len(words)))] }
	common := []string{"id", "name", "status", "created_at", "updated_at", "type", "description", "customer_id", "amount", "number"}
	db := &schema.Database{Kind: schema.Postgres, DefaultSchema: "public"}
	for i := range objects {
		o := schema.Object{Schema: "public", Name: fmt.Sprintf("%s_%s_%d", pick(), pick(), i), Type: schema.Table, Supported: true, PrimaryKey: []string{"id"}}
		for j := range 10 {
			f := schema.Field{Name: common[j], Type: schema.String}
			if j > 0 && r.IntN(3) > 0 {
				f.Name = fmt.Sprintf("%s_%s%d", pick(), pick(), j)
			}
			if r.IntN(5) == 0 {
				for range 8 {
					f.Comment += pick() + " "
				}
			}
			o.Fields = append(o.Fields, f)
		}
		for k := range 2 {
			target := r.IntN(max(1, len(db.Objects)+1))
			if target < len(db.Objects) {
				o.ForeignKeys = append(o.ForeignKeys, schema.ForeignKey{Columns: []string{o.Fields[7+k].Name}, TargetSchema: "public", TargetObject: db.Objects[target].Name, TargetColumns: []string{"id"}})
			}
		}
		db.Objects = append(db.Objects, o)
	}
	return db
}

func queries(db *schema.Database, n int) []string {
	r := rand.New(rand.NewPCG(3, 4))
	fixed := []string{
		"customer", "customer name", "appointment status", "telephone number of the customer", "custmoer adress", "appt dob qty amt",
		"id name status created updated type description customer amount number",
		"which customers booked an appointment with a doctor last week and have not paid the invoice yet",
		"xqzzyk wwvvtr qpplmn", "order item price total discount tax shipping address zip code city country phone email",
	}
	out := slices.Clone(fixed)
	for len(out) < n {
		o := &db.Objects[r.IntN(len(db.Objects))]
		q := o.Name
		for range r.IntN(6) {
			f := o.Fields[r.IntN(len(o.Fields))].Name
			if i := r.IntN(len(f)); r.IntN(4) == 0 {
				f = f[:i] + f[i+1:]
			}
			q += " " + f
		}
		out = append(out, q)
	}
	return out
}

// spent is the CPU time of this thread: on a machine with other work, the wall
// clock measures that.
func spent(b *testing.B) time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		b.Fatal(err)
	}
	return time.Duration(t.Nano())
}

func BenchmarkBuild(b *testing.B) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	db := large(10_000)
	began := spent(b)
	n := 0
	for b.Loop() {
		Build(db, readOf)
		n++
	}
	b.ReportMetric(float64((spent(b)-began).Milliseconds())/float64(n), "cpu-ms/op")
	b.ReportMetric(held(func() any { return Build(db, readOf) })/1e6, "MB")
	runtime.KeepAlive(db)
}

// held is how many bytes of memory stay in use by what build makes.
func held(build func() any) float64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	made := build()
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(made)
	return float64(int64(after.HeapAlloc) - int64(before.HeapAlloc))
}

func BenchmarkSearch(b *testing.B) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	db := large(10_000)
	ix := Build(db, readOf)
	qs := queries(db, 1000)
	var took []time.Duration
	for b.Loop() {
		began := spent(b)
		ix.Search(qs[len(took)%len(qs)], "", 20)
		took = append(took, spent(b)-began)
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*50/100].Microseconds()), "cpu-p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "cpu-p99-µs")
	b.ReportMetric(float64(took[len(took)-1].Microseconds()), "cpu-max-µs")
}
