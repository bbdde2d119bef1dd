package discover_test

import (
	"context"
	"database/sql"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"flowyte/internal/dbtest"
	"flowyte/internal/discover"
	"flowyte/internal/privatedb"
	"flowyte/internal/schema"
	"flowyte/internal/target"
	"flowyte/internal/target/mysql"
	"flowyte/internal/target/postgres"
	"flowyte/internal/target/targettest"
)

// What discovery may cost.
const (
	worstRatio  = 2.0             // against the same queries over the bare driver, rows thrown away
	worstTime   = 3 * time.Second // for 10,000 tables and 100,000 columns
	worstMemory = 100 << 20       // of heap above what was there before
)

// BenchmarkDiscover discovers generated schemas of ten columns, two indexes
// and half a foreign key a table through the product's own sessions:
//
//	go test -run '^$' -bench Discover -benchtime 5x -timeout 30m ./internal/discover
func BenchmarkDiscover(b *testing.B) {
	for _, flavor := range []privatedb.Flavor{privatedb.Postgres, privatedb.MariaDB, privatedb.MySQL} {
		for _, tables := range []int{100, 1_000, 10_000} {
			b.Run(fmt.Sprintf("%s/%d", flavor, tables), func(b *testing.B) {
				// Ending a server is quicker than dropping thousands of tables.
				server := dbtest.Own(b, flavor)
				db := dbtest.New(b, server)
				b.Cleanup(func() {
					if err := server.Close(); err != nil {
						b.Error(err)
					}
				})
				generate(b, db, tables)
				benchmark(b, db, tables)
			})
		}
	}
}

func generate(b *testing.B, db *dbtest.Database, tables int) {
	b.Helper()
	var ddl []string
	for i := range tables {
		parts := []string{
			"id int PRIMARY KEY", "email varchar(100)", "full_name varchar(80)", "status varchar(20) DEFAULT 'new'", "created_at timestamp NULL",
			"amount numeric(10,2)", "parent_id int", "note text", "flag boolean", "code varchar(30) NOT NULL",
		}
		if i%2 == 1 {
			parts = append(parts, fmt.Sprintf("CONSTRAINT fk_%d FOREIGN KEY (parent_id) REFERENCES t%05d (id)", i, i-1))
		}
		ddl = append(ddl, fmt.Sprintf("CREATE TABLE t%05d (%s)", i, strings.Join(parts, ", ")), fmt.Sprintf("CREATE INDEX i%05d ON t%05d (email, code)", i, i))
		if len(ddl) >= 200 || i == tables-1 {
			db.Exec(b, strings.Join(ddl, "; "))
			ddl = nil
		}
	}
	if isPostgres(db) {
		db.Exec(b, "VACUUM ANALYZE")
	}
}

func benchmark(b *testing.B, db *dbtest.Database, tables int) {
	login := db.User(b, "SELECT")
	var driver target.Driver = postgres.Driver{}
	if !isPostgres(db) {
		driver = mysql.Driver{}
	}
	session, err := driver.Open(b.Context(), targettest.Guard(b), targettest.Credentials(b, db.Server, db.Name, login), target.ForCatalog)
	if err != nil {
		b.Fatal(err)
	}
	defer session.Close()
	bare := openBare(b, db, login)
	recorded := &counted{querier: session}
	found := findWith(b, db, recorded) // the texts, and a warm server
	if len(found.Objects) != tables {
		b.Fatalf("%d of %d tables", len(found.Objects), tables)
	}
	found = nil
	var bareTimes, times []time.Duration
	var peak uint64
	for b.Loop() {
		bareTimes = append(bareTimes, bare(recorded))
		before := heap()
		stop := watchHeap()
		began := time.Now()
		found, err = discover.Discover(b.Context(), session, schema.Kind(db.Kind), options(db))
		times = append(times, time.Since(began))
		peak = max(peak, stop()-min(before, stop()))
		if err != nil {
			b.Fatal(err)
		}
	}
	runtime.KeepAlive(found)
	took, ratio := median(times), float64(median(times))/float64(median(bareTimes))
	b.ReportMetric(float64(median(bareTimes).Microseconds())/1000, "bare-ms")
	b.ReportMetric(float64(took.Microseconds())/1000, "discover-ms")
	b.ReportMetric(ratio, "ratio")
	b.ReportMetric(float64(peak)/(1<<20), "peak-MB")
	if tables == 10_000 && (ratio > worstRatio || took > worstTime || peak > worstMemory) {
		b.Errorf("%.2f times the bare %v, %v and %d MB: over the limit of %.1f times, %v and %d MB",
			ratio, median(bareTimes), took, peak>>20, worstRatio, worstTime, worstMemory>>20)
	}
}

// openBare gives a function that runs recorded texts over the bare driver, reads every
// row and throws it away.
func openBare(b *testing.B, db *dbtest.Database, login privatedb.Login) func(recorded *counted) time.Duration {
	b.Helper()
	var run func(ctx context.Context, text string, args []any) error
	if db.Kind == "postgres" {
		conn := openPostgres(b, db, login).conn
		run = func(ctx context.Context, text string, args []any) error {
			rows, err := conn.Query(ctx, text, args...)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
			}
			return rows.Err()
		}
	} else {
		conn := openMySQL(b, db, login).conn
		run = func(ctx context.Context, text string, args []any) error {
			rows, err := conn.QueryContext(ctx, text, args...)
			if err != nil {
				return err
			}
			defer rows.Close()
			names, err := rows.Columns()
			if err != nil {
				return err
			}
			into := make([]any, len(names))
			for i := range into {
				into[i] = new(sql.RawBytes)
			}
			for rows.Next() {
				if err := rows.Scan(into...); err != nil {
					return err
				}
			}
			return rows.Err()
		}
	}
	return func(recorded *counted) time.Duration {
		began := time.Now()
		for i, text := range recorded.texts {
			if err := run(b.Context(), text, recorded.args[i]); err != nil {
				b.Fatal(err)
			}
		}
		return time.Since(began)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// watchHeap samples the heap until stop, which gives the highest sample.
func watchHeap() (stop func() uint64) {
	done, highest := make(chan struct{}), make(chan uint64, 1)
	go func() {
		ticker := time.NewTicker(10 * time.Millisecond)
		defer ticker.Stop()
		var m runtime.MemStats
		var most uint64
		for {
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
			select {
			case <-done:
				highest <- most
				return
			case <-ticker.C:
			}
		}
	}()
	stopped, value := false, uint64(0)
	return func() uint64 {
		if !stopped {
			close(done)
			value, stopped = <-highest, true
		}
		return value
	}
}

func median(times []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return sorted[len(sorted)/2]
}
