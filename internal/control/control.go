// Package control holds the use cases of the control plane, one method each:
// connect, discover, scope, bind, publish, roll back. Each takes the principal
// whose organisation it works for; the transports have checked its scope.
package control

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"flowyte/internal/assist"
	"flowyte/internal/auth"
	"flowyte/internal/egress"
	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/live"
	"flowyte/internal/schema"
	"flowyte/internal/secret"
	"flowyte/internal/store"
	"flowyte/internal/target"
)

// Options assemble a service.
type Options struct {
	Store   *store.Store
	Ring    *secret.Keyring
	Guard   *egress.Guard
	Drivers map[schema.Kind]target.Driver
	Fleet   *target.Fleet
	Engine  *live.Engine
	Journal *Journal // that Engine writes in
	Keys    Keys
	Log     *slog.Logger
	// Model chooses among bindings proposed for a goal; nil when there is none.
	Model assist.Model
	// TestsPerMinute bounds connection tests per organisation; 0 means 10.
	TestsPerMinute int
	Now            func() time.Time
}

// Keys is the table by which requests are let in.
type Keys interface {
	// Reload takes a change of the stored keys up at once.
	Reload(ctx context.Context) error
}

// Service is the control plane. It is safe for concurrent use.
type Service struct {
	store   *store.Store
	ring    *secret.Keyring
	guard   *egress.Guard
	drivers map[schema.Kind]target.Driver
	fleet   *target.Fleet
	engine  *live.Engine
	journal *Journal
	keys    Keys
	log     *slog.Logger
	model   assist.Model // may be nil
	now     func() time.Time
	tests   testLimits

	discoveries turns
	catalogs    catalogs
	// publishing serialises what changes the published table, so that it is
	// built from one state.
	publishing sync.Mutex
	// serving guards table alone, so that a skill that does harm is switched
	// off also while something is being published.
	serving sync.Mutex
	table   *live.Table
	// suspensions are being kept; closing ends those that cannot be.
	suspensions sync.WaitGroup
	closing     chan struct{}
}

// New makes a service that serves nothing until Load.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.TestsPerMinute == 0 {
		o.TestsPerMinute = 10
	}
	return &Service{
		store: o.Store, ring: o.Ring, guard: o.Guard, drivers: o.Drivers, fleet: o.Fleet, engine: o.Engine, journal: o.Journal, keys: o.Keys, log: o.Log, model: o.Model, now: o.Now,
		tests:       testLimits{perMinute: o.TestsPerMinute, byOrg: map[id.Org]*testLimit{}},
		discoveries: turns{busy: map[id.Connection]chan struct{}{}},
		catalogs:    catalogs{byConnection: map[id.Connection]*catalog{}, observed: map[id.Connection]*observation{}},
		table:       &live.Table{},
		closing:     make(chan struct{}),
	}
}

// Kinds that can be connected, and those that are reserved for curated
// providers of the public API.
var (
	catalogOfKinds = []struct {
		kind        schema.Kind
		name, about string
	}{
		{schema.Postgres, "PostgreSQL", "Look up and update live records in your own PostgreSQL database."},
		{schema.MySQL, "MySQL and MariaDB", "Look up and update live records in your own MySQL or MariaDB database."},
	}
	reservedKinds = map[string]bool{
		"google_calendar": true, "google_sheets": true, "calendly": true, "hubspot": true, "square": true, "opentable": true, "shopify": true,
	}
)

// ParseKind reads a kind from a path: reserved ones are refused as such, any
// other word is not found.
func ParseKind(kind string) (schema.Kind, error) {
	if k, ok := schema.ParseKind(kind); ok {
		return k, nil
	}
	if reservedKinds[kind] {
		return "", fault.New(fault.KindReserved)
	}
	return "", fault.New(fault.NotFound)
}

// by is who a change is recorded for.
func by(p auth.Principal) store.Actor { return store.Actor{Org: p.OrgID, Key: p.KeyID} }

// ptr is for optional fields of wire types.
func ptr[T any](v T) *T { return &v }
