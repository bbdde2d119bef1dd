package control

import (
	"context"
	"slices"
	"sync"
	"time"

	"flowyte/internal/discover"
	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/live"
	"flowyte/internal/plan"
	"flowyte/internal/schema"
	"flowyte/internal/store"
	"flowyte/internal/target"
)

const (
	// DriftInterval is how often the objects that served skills use are compared
	// with the database: some changes no statement notices, such as a dropped
	// index or, on MariaDB, another type.
	DriftInterval = 5 * time.Minute
	// driftRetry is how soon a connection is looked at of which a call found
	// that it changed.
	driftRetry = 30 * time.Second
	driftLimit = 10 * time.Second // of one look
	driftRoom  = 4                // looks at a time
)

// observation is what the last look at a connection's used objects saw. It
// speaks about the discovery that it was made against, and about no other.
type observation struct {
	of      *schema.Database
	objects map[schema.ColumnRef]*schema.Object // nil for what is gone
}

// object is the object as it was seen last, nil when it is gone.
func (o *observation) object(db *schema.Database, u *plan.Use) *schema.Object {
	if o != nil && o.of == db {
		if seen, asked := o.objects[schema.ColumnRef{Schema: u.Schema, Object: u.Object}]; asked {
			return seen
		}
	}
	return db.Lookup(u.Schema, u.Object)
}

// user is a skill with a plan of its: the draft's, or that of a live version.
type user struct {
	skill id.Skill
	plan  *plan.Plan
}

// Watch looks at the used objects of every connection with published skills,
// once in an interval, and sooner where a call found a change, until ctx ends.
// A skill that uses something that changed is drifted from then on, and is
// healed by the look that finds everything as it was. What was derived from
// catalogues and is not asked for any more is let go on the way.
func (s *Service) Watch(ctx context.Context, interval time.Duration) {
	tick := min(interval, driftRetry)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	looked := map[live.ConnectionKey]time.Time{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		s.catalogs.rest(s.now().Add(-idleAfter))
		// Half a tick less, since ticks come a little early or late.
		s.lookAround(ctx, looked, interval-tick/2)
	}
}

// lookAround looks at the connections whose time has come.
func (s *Service) lookAround(ctx context.Context, looked map[live.ConnectionKey]time.Time, interval time.Duration) {
	served := servedBy(s.served())
	room := make(chan struct{}, driftRoom)
	var all sync.WaitGroup
	for _, key := range due(looked, served, s.engine.DriftedOn(), s.now(), interval) {
		room <- struct{}{}
		all.Go(func() {
			defer func() { <-room }()
			if err := s.look(ctx, key, served[key]); err != nil && ctx.Err() == nil {
				s.log.Debug("used objects could not be looked at", "orgId", key.Org, "kind", key.Kind, "code", fault.CodeOf(err))
			}
		})
	}
	all.Wait()
}

// due are the served connections that were not looked at for an interval, or
// are marked, and notes that they are looked at now. It forgets those that
// serve nothing any more.
func due(looked map[live.ConnectionKey]time.Time, served map[live.ConnectionKey][]user, marked []live.ConnectionKey, now time.Time, interval time.Duration) []live.ConnectionKey {
	for key := range looked {
		if served[key] == nil {
			delete(looked, key)
		}
	}
	var keys []live.ConnectionKey
	for key := range served {
		last, known := looked[key]
		if known && now.Sub(last) < interval && !slices.Contains(marked, key) {
			continue
		}
		looked[key] = now
		keys = append(keys, key)
	}
	return keys
}

// servedBy lists the published plans of each connection.
func servedBy(t *live.Table) map[live.ConnectionKey][]user {
	served := map[live.ConnectionKey][]user{}
	for _, v := range t.Live {
		for _, t := range v.Statements() {
			key := live.ConnectionKey{Org: v.Org, Kind: t.Plan.Kind}
			served[key] = append(served[key], user{t.Skill, t.Plan})
		}
	}
	return served
}

// look compares what the users use with the database. The error of a database
// that cannot be asked leaves everything as it was.
func (s *Service) look(ctx context.Context, key live.ConnectionKey, users []user) error {
	ctx, cancel := context.WithTimeout(ctx, driftLimit)
	defer cancel()
	conn, err := s.store.Connection(ctx, key.Org, key.Kind)
	if fault.Is(err, fault.NotConnected) {
		return nil
	}
	if err != nil {
		return err
	}
	c, err := s.catalog(ctx, conn)
	if fault.Is(err, fault.NotDiscovered) {
		return nil
	}
	if err != nil {
		return err
	}
	drafts, err := s.drafts(ctx, key)
	if err != nil {
		return err
	}
	users = append(users, drafts...)
	seen, err := s.observe(ctx, conn, c.whole, users)
	if err != nil {
		return err
	}
	return s.notice(ctx, key, conn, c.whole, seen, users)
}

// drafts are the plans of an organisation's skills as their drafts have them.
func (s *Service) drafts(ctx context.Context, key live.ConnectionKey) ([]user, error) {
	skills, err := s.store.SkillsOfKind(ctx, key.Org, key.Kind)
	if err != nil {
		return nil, err
	}
	users := make([]user, 0, len(skills))
	for _, sk := range skills {
		p, err := readPlan(sk.Plan)
		if err != nil {
			return nil, err
		}
		users = append(users, user{sk.ID, p})
	}
	return users, nil
}

// observe reads the used objects from the database.
func (s *Service) observe(ctx context.Context, conn store.Connection, db *schema.Database, users []user) (*observation, error) {
	pool, ok := s.fleet.Get(conn.ID)
	if !ok {
		return nil, fault.New(fault.CredentialCorrupt)
	}
	seen := &observation{of: db, objects: map[schema.ColumnRef]*schema.Object{}}
	var wanted []schema.ColumnRef
	for _, u := range users {
		for i := range u.plan.Uses {
			ref := schema.ColumnRef{Schema: u.plan.Uses[i].Schema, Object: u.plan.Uses[i].Object}
			if _, ok := seen.objects[ref]; !ok && u.plan.Identity == conn.Server.Identity {
				seen.objects[ref] = nil
				wanted = append(wanted, ref)
			}
		}
	}
	var found *schema.Database
	err := pool.WithSession(ctx, target.ForCatalog, func(session target.Session) (err error) {
		if session.Server().Identity != conn.Server.Identity {
			return fault.New(fault.IdentityChanged)
		}
		found, err = discover.Used(ctx, session, conn.Kind, discover.Options{Server: session.Server(), At: s.now().UTC()}, wanted)
		return err
	})
	if err != nil {
		return nil, err
	}
	for i := range found.Objects {
		o := &found.Objects[i]
		seen.objects[schema.ColumnRef{Schema: o.Schema, Object: o.Name}] = o
	}
	return seen, nil
}

// notice makes an observation count, unless a discovery came in between, which
// knows better. Marks of calls end with it: what it finds changed is drifted
// because of it, and the rest may be tried.
func (s *Service) notice(ctx context.Context, key live.ConnectionKey, conn store.Connection, db *schema.Database, seen *observation, users []user) error {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	if err := s.unreplaced(ctx, conn); err != nil {
		return err
	}
	c := s.catalogs.get(conn.ID)
	if c == nil || c.whole != db {
		return nil
	}
	before := s.catalogs.seen(conn.ID)
	told := s.tellDrift(users, func(p *plan.Plan) string { return judge(conn.Server.Identity, c, before, p) },
		func(p *plan.Plan) string { return judge(conn.Server.Identity, c, seen, p) })
	for _, marked := range s.engine.DriftedOn() {
		told = told || marked == key
	}
	if told { // before anybody can read of it: who reads that a skill is healed may use it
		s.present(key, s.liveConnection(conn, c, seen))
	}
	s.catalogs.observe(conn.ID, seen)
	return nil
}

// tellDrift logs the skills that have become drifted or are healed, each once,
// and tells whether there were any.
func (s *Service) tellDrift(users []user, before, after func(*plan.Plan) string) bool {
	told := map[id.Skill]bool{}
	for _, u := range users {
		was, is := before(u.plan), after(u.plan)
		if was == is || told[u.skill] {
			continue
		}
		switch drifted {
		case is:
			s.log.Warn("a skill uses something that changed in its database", "skillId", u.skill)
		case was:
			s.log.Info("what a skill uses in its database is as it was", "skillId", u.skill, "status", is)
		default:
			continue
		}
		told[u.skill] = true
	}
	return len(told) > 0
}
