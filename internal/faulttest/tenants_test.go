package faulttest

import (
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"flowyte/api"
	"flowyte/internal/apptest"
	"flowyte/internal/dbtest"
	"flowyte/internal/privatedb"
	"flowyte/internal/serve"
	"flowyte/internal/target"
)

const (
	fewTenants, allTenants = 40, 1000
	// filesForFew makes a process open 28 sessions at most.
	filesForFew = 112
	// maxMemory is for all tenants together, in bytes.
	maxMemory = 200 << 20
)

// sessions counts those of users that tests made, on a server of the family.
func sessions(t *testing.T, db *dbtest.Database) int {
	t.Helper()
	rows := db.Query(t, `SELECT count(*) FROM information_schema.PROCESSLIST WHERE USER LIKE 'u\\_%'`)
	n, err := strconv.Atoi(rows[0][0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestManyTenants is Z02: each of many organisations has a database of its own.
// A start opens no session, a call opens one, all together never more than the
// cap, and what is idle ends. Everybody is answered with their own rows.
// `make soak` does it with 1,000.
func TestManyTenants(t *testing.T) {
	t.Parallel() // beside TestSoak
	n, most, env := fewTenants, filesForFew/4, []string{filesVariable + "=" + strconv.Itoa(filesForFew)}
	if *soak > 0 {
		n, most, env = allTenants, target.StandardTotal, nil
	}
	server := dbtest.Own(t, privatedb.MariaDB, privatedb.Options{NoSync: true, Settings: []string{"max_connections=800", "table_open_cache=4000"}})
	on := dbtest.New(t, server)
	p := behind(t, on, apptest.Options{Serve: func(o *serve.Options) { o.Fleet = target.Options{Idle: time.Second, Total: 20} }})
	all := settleAll(t, p.App, on, n, func(int) int { return server.Port })
	within(t, 20*time.Second, "idle", func() bool { return sessions(t, on) == 0 })

	one := p.apart(t, env...)
	p.moved(all)
	if open := sessions(t, on); open != 0 {
		t.Errorf("a start opens %d sessions", open)
	}
	start := one.footprint(t)
	for range 3 {
		askAll(t, all)
		if open := sessions(t, on); open > most || open < min(n, most)/2 {
			t.Errorf("%d sessions are open, at most %d may be", open, most)
		}
	}
	end := one.footprint(t)
	t.Logf("%d organisations: %v at the start, %v at the end", n, start, end)
	if end.memory > maxMemory {
		t.Errorf("the process holds %v", end)
	}
	if strings.Contains(one.log.String(), `"ERROR"`) {
		t.Errorf("the log has errors: %s", one.log.String())
	}
	one.stop(t)
}

// askAll has everybody ask once, some at a time.
func askAll(t *testing.T, all []*tenant) {
	t.Helper()
	const atOnce = 16
	queue := make(chan *tenant)
	var workers sync.WaitGroup
	for range atOnce {
		workers.Go(func() {
			for w := range queue {
				if a, took := w.ask(t); a.Outcome != api.OutcomeOK || took > deadline+slack {
					t.Errorf("%s: %s after %v", w.name, a.Outcome, took)
				}
			}
		})
	}
	for _, w := range all {
		queue <- w
	}
	close(queue)
	workers.Wait()
}
