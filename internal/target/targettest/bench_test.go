package targettest

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"flowyte/internal/dbtest"
	"flowyte/internal/faultproxy"
	"flowyte/internal/plan"
	"flowyte/internal/privatedb"
	"flowyte/internal/schema"
	"flowyte/internal/target"
)

// integers is a read of one integer by another.
func integers(kind schema.Kind, statement string) *plan.Plan {
	integer := plan.ValueType{Type: schema.Integer, BaseType: "int4"}
	if kind == schema.MySQL {
		integer.BaseType = "int"
	}
	return &plan.Plan{
		Format: plan.Format, Kind: kind, Operation: "test.read", Action: plan.Read, Statement: statement, MaxRows: 1, TimeoutMs: 1000,
		Slots: []plan.Slot{{Source: plan.FromParam, Type: integer}}, Results: []plan.Result{{Type: integer}},
	}
}

// session opens one through a port.
func session(b *testing.B, db *dbtest.Database, login privatedb.Login, port int) target.Session {
	b.Helper()
	creds := *Credentials(b, db.Server, db.Name, login)
	creds.Port = uint16(port)
	s, err := drivers[schema.Kind(db.Kind)].Open(b.Context(), Guard(b), &creds, target.ForReads)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.Close)
	return s
}

// BenchmarkRoundTrips is what a read costs at a distance, directly and behind a
// pooler, where its transaction is pipelined: "trips" is the time in round
// trips.
func BenchmarkRoundTrips(b *testing.B) {
	for _, rtt := range []time.Duration{0, 5 * time.Millisecond, 20 * time.Millisecond} {
		for _, pooled := range []bool{false, true} {
			name := map[bool]string{false: "direct", true: "pgbouncer"}[pooled]
			b.Run(fmt.Sprintf("%s/%v", name, rtt), func(b *testing.B) {
				db := dbtest.Postgres(b)
				login, port := db.User(b), db.Server.Port
				if pooled {
					port = dbtest.PgBouncer(b, db, login).Port
				}
				proxy, err := faultproxy.Listen(b.Context(), faultproxy.Address(0), faultproxy.Address(port))
				if err != nil {
					b.Fatal(err)
				}
				b.Cleanup(proxy.Close)
				s := session(b, db, login, proxy.Port())
				proxy.Set(faultproxy.Faults{Latency: rtt / 2})
				p, args := integers(schema.Postgres, `SELECT $1::int4`), Text("1")
				for b.Loop() {
					if err := s.Run(b.Context(), p, args, Discard{}); err != nil {
						b.Fatal(err)
					}
				}
				if rtt > 0 {
					b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(rtt), "trips")
				}
			})
		}
	}
}

// endless are statements that go on until somebody ends them.
var endless = map[schema.Kind]string{
	schema.Postgres: `SELECT count(*)::int4 FROM generate_series(1, 1000000000) n WHERE n = -$1::int4 /* endless */`,
	schema.MySQL:    `SELECT CAST(COUNT(*) AS SIGNED) FROM n a, n b, n c, n d, n e WHERE a.i + b.i + c.i + d.i + e.i = -? /* endless */`,
}

// BenchmarkStop ends twenty statements at once that use all of the machine:
// "late-ms" is how long after its deadline the last caller was released,
// "ended-ms" when the last session was through with its server, and "gone-ms"
// when an administrator saw no more of them.
func BenchmarkStop(b *testing.B) {
	const atOnce, budget = 20, 300 * time.Millisecond
	for _, flavor := range []privatedb.Flavor{privatedb.Postgres, privatedb.MariaDB} {
		b.Run(string(flavor), func(b *testing.B) {
			db := dbtest.On(b, flavor)
			kind := schema.Kind(db.Kind)
			running := `SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%/* endless */' AND state = 'active' AND pid <> pg_backend_pid()`
			if kind == schema.MySQL {
				db.Exec(b, `CREATE TABLE n (i int)`, `INSERT INTO n VALUES `+strings.TrimSuffix(strings.Repeat("(1),", 300), ","))
				running = `SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE '%/* endless */' AND ID <> CONNECTION_ID()`
			}
			var login privatedb.Login
			if kind == schema.MySQL {
				login = db.User(b, "SELECT")
			} else {
				login = db.User(b)
			}
			p := integers(kind, endless[kind])
			p.TimeoutMs = int(budget.Milliseconds())
			var late, ended, gone time.Duration
			rounds := 0
			for b.Loop() {
				rounds++
				sessions := make([]target.Session, atOnce)
				for i := range sessions {
					sessions[i] = session(b, db, login, db.Server.Port)
				}
				var all sync.WaitGroup
				var mu sync.Mutex
				var lastReleased, lastEnded time.Duration
				deadline := time.Now().Add(budget)
				for _, s := range sessions {
					all.Go(func() {
						ctx, cancel := context.WithDeadline(b.Context(), deadline)
						defer cancel()
						if err := s.Run(ctx, p, Text("1"), Discard{}); err == nil {
							b.Error("the statement ended by itself")
						}
						released := time.Since(deadline)
						s.Close()
						mu.Lock()
						defer mu.Unlock()
						lastReleased, lastEnded = max(lastReleased, released), max(lastEnded, time.Since(deadline))
					})
				}
				all.Wait()
				Eventually(b, 10*time.Second, "gone", func() bool {
					n, err := strconv.Atoi(db.Query(b, running)[0][0])
					return err == nil && n == 0
				})
				late, ended, gone = late+lastReleased, ended+lastEnded, gone+time.Since(deadline)
			}
			b.ReportMetric(float64(late.Milliseconds())/float64(rounds), "late-ms")
			b.ReportMetric(float64(ended.Milliseconds())/float64(rounds), "ended-ms")
			b.ReportMetric(float64(gone.Milliseconds())/float64(rounds), "gone-ms")
		})
	}
}
