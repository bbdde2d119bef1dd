package target

import (
	"context"
	"sync"
	"time"

	"flowyte/internal/egress"
	"flowyte/internal/id"
)

// StandardTotal is how many sessions a process has at most when nobody says.
const StandardTotal = 500

// Options are the caps and lives of sessions. Zero fields get the defaults.
type Options struct {
	Reads           int           // sessions for reads of one database; 5
	Writes          int           // sessions for writes of one database; 2
	PerOrganisation int           // sessions of one organisation; 20
	Total           int           // sessions of the process; 500
	Idle            time.Duration // after which an unused session ends; 5 min
	Lifetime        time.Duration // after which any session ends; 30 min
}

func (o Options) withDefaults() Options {
	for _, n := range []struct {
		value    *int
		standard int
	}{{&o.Reads, 5}, {&o.Writes, 2}, {&o.PerOrganisation, 20}, {&o.Total, StandardTotal}} {
		if *n.value <= 0 {
			*n.value = n.standard
		}
	}
	if o.Idle <= 0 {
		o.Idle = 5 * time.Minute
	}
	if o.Lifetime <= 0 {
		o.Lifetime = 30 * time.Minute
	}
	return o
}

// Fleet is all connected databases of the process. It opens nothing by itself:
// a database without calls costs a few hundred bytes. It is safe for
// concurrent use.
type Fleet struct {
	guard   *egress.Guard
	options Options
	permits *permits

	mu        sync.RWMutex
	databases map[id.Connection]*Database
	stop      chan struct{}  // closed by Shutdown
	work      sync.WaitGroup // the sweeper and databases being closed
}

// NewFleet makes an empty fleet whose connections go through guard. Shutdown
// ends it.
func NewFleet(guard *egress.Guard, options Options) *Fleet {
	options = options.withDefaults()
	f := &Fleet{
		guard: guard, options: options, permits: newPermits(options.PerOrganisation, options.Total),
		databases: map[id.Connection]*Database{}, stop: make(chan struct{}),
	}
	f.work.Go(f.sweep)
	return f
}

// Open adds a database, without connecting to it. One that was there under the
// same id is replaced: new calls go to the new one from now on, those in flight
// end on the old one, which is then closed.
func (f *Fleet) Open(connection id.Connection, org id.Org, driver Driver, creds *Credentials) *Database {
	d := &Database{connection: connection, org: org, driver: driver, creds: creds, guard: f.guard, fleet: f}
	d.closing, d.close = context.WithCancel(context.Background())
	d.reads = newPool(d, ForReads, &gate{}, f.options.Reads)
	f.mu.Lock()
	old := f.databases[connection]
	f.databases[connection] = d
	f.mu.Unlock()
	if old != nil {
		f.work.Go(old.Close)
	}
	return d
}

// Get finds a database.
func (f *Fleet) Get(connection id.Connection) (*Database, bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	d, ok := f.databases[connection]
	return d, ok
}

// Close removes a database and closes it, as Database.Close does.
func (f *Fleet) Close(connection id.Connection) {
	f.mu.Lock()
	d := f.databases[connection]
	delete(f.databases, connection)
	f.mu.Unlock()
	if d != nil {
		d.Close()
	}
}

// Shutdown closes all databases and waits for them. The fleet is of no use
// afterwards. It may be called once.
func (f *Fleet) Shutdown() {
	close(f.stop)
	for _, d := range f.take() {
		f.work.Go(d.Close)
	}
	f.work.Wait()
}

// take empties the fleet.
func (f *Fleet) take() map[id.Connection]*Database {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := f.databases
	f.databases = map[id.Connection]*Database{}
	return all
}

// list is a snapshot of the databases.
func (f *Fleet) list() []*Database {
	f.mu.RLock()
	defer f.mu.RUnlock()
	all := make([]*Database, 0, len(f.databases))
	for _, d := range f.databases {
		all = append(all, d)
	}
	return all
}

// sweep ends idle and old sessions until Shutdown.
func (f *Fleet) sweep() {
	ticker := time.NewTicker(min(f.options.Idle, f.options.Lifetime) / 4)
	defer ticker.Stop()
	for {
		select {
		case <-f.stop:
			return
		case <-ticker.C:
		}
		for _, d := range f.list() {
			for _, p := range d.pools() {
				p.sweep(f.options.Idle)
			}
		}
	}
}

// makeRoom ends one idle session of the database that has been quiet for
// longest, of this organisation or of any.
func (f *Fleet) makeRoom(org id.Org, onlyOrg bool) {
	all := f.list()
	for len(all) > 0 {
		quietest := -1
		for i, d := range all {
			if (!onlyOrg || d.org == org) && (quietest < 0 || d.lastUsed.Load() < all[quietest].lastUsed.Load()) {
				quietest = i
			}
		}
		if quietest < 0 {
			return
		}
		for _, p := range all[quietest].pools() {
			if p.evict() {
				return
			}
		}
		all[quietest] = all[len(all)-1]
		all = all[:len(all)-1]
	}
}
