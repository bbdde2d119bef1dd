package control

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"flowyte/api"
	"flowyte/internal/assist"
	"flowyte/internal/auth"
	"flowyte/internal/discover"
	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/live"
	"flowyte/internal/plan"
	"flowyte/internal/schema"
	"flowyte/internal/search"
	"flowyte/internal/store"
	"flowyte/internal/target"
)

// catalog is one connection's schema in memory, with what is derived from it.
type catalog struct {
	whole *schema.Database // before scoping
	scope schema.Scope
	// scoped is what may be seen; its digest tells clients apart what changed.
	scoped *schema.Database
	digest string

	forGoals derived[assist.Catalog]
	index    derived[search.Index]
}

func newCatalog(whole *schema.Database, scope schema.Scope) *catalog {
	scoped := schema.Apply(whole, scope)
	return &catalog{whole: whole, scope: scope, scoped: scoped, digest: schema.Digest(scoped)}
}

// class is the PII class of a column, with the organisation's overrides.
func (c *catalog) class(o *schema.Object, f *schema.Field) string { return c.scope.Class(o, f) }

// catalogs keeps the catalogues that are in use.
type catalogs struct {
	mu           sync.Mutex
	byConnection map[id.Connection]*catalog
	observed     map[id.Connection]*observation // since the discovery
}

func (s *catalogs) get(c id.Connection) *catalog {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byConnection[c]
}

func (s *catalogs) put(c id.Connection, cat *catalog) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byConnection[c] = cat
	if o := s.observed[c]; o != nil && o.of != cat.whole {
		delete(s.observed, c)
	}
}

// learn puts a catalogue in the place of one that differs only in what was
// learnt since the discovery, so that what was observed still speaks about it.
func (s *catalogs) learn(c id.Connection, cat *catalog) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byConnection[c] = cat
	if o := s.observed[c]; o != nil {
		s.observed[c] = &observation{of: cat.whole, objects: o.objects}
	}
}

// seen is what was observed since the discovery, nil for nothing.
func (s *catalogs) seen(c id.Connection) *observation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.observed[c]
}

func (s *catalogs) observe(c id.Connection, o *observation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.observed[c] = o
}

func (s *catalogs) drop(c id.Connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byConnection, c)
	delete(s.observed, c)
}

// catalog loads the catalogue of a connection, from memory or the store.
func (s *Service) catalog(ctx context.Context, c store.Connection) (*catalog, error) {
	cat := s.catalogs.get(c.ID)
	if cat == nil {
		var err error
		if cat, err = s.loadCatalog(ctx, c); err != nil {
			return nil, err
		}
	}
	// After a reconnect elsewhere, what was discovered is not this database.
	if cat.whole.Server.Identity != c.Server.Identity {
		return nil, fault.New(fault.NotDiscovered)
	}
	return cat, nil
}

func (s *Service) loadCatalog(ctx context.Context, c store.Connection) (*catalog, error) {
	kept, err := s.store.Catalogue(ctx, c.OrgID, c.ID)
	if err != nil {
		return nil, err
	}
	scope, err := s.scope(ctx, c.OrgID, c.Kind)
	if err != nil {
		return nil, err
	}
	cat := newCatalog(kept.Database, scope)
	s.catalogs.put(c.ID, cat)
	return cat, nil
}

// seen loads what the principal may see of a connection's schema.
func (s *Service) seen(ctx context.Context, org id.Org, kind schema.Kind) (*catalog, error) {
	c, err := s.store.Connection(ctx, org, kind)
	if err != nil {
		return nil, err
	}
	return s.catalog(ctx, c)
}

// discoverLimit bounds one discovery, whatever the server does.
const discoverLimit = 2 * time.Minute

// Discover reads the catalogue of the connected database. progress, which may
// be nil, is told of each stage.
func (s *Service) Discover(ctx context.Context, p auth.Principal, kind schema.Kind, progress func(stage string, done, total int)) (api.Discovered, error) {
	began := s.now()
	ctx, cancel := context.WithTimeout(ctx, discoverLimit)
	defer cancel()
	for {
		c, err := s.store.Connection(ctx, p.OrgID, kind)
		if err != nil {
			return api.Discovered{}, err
		}
		db, err := s.readCatalog(ctx, c, progress)
		if err != nil {
			return api.Discovered{}, err
		}
		d, err := s.discovered(ctx, p, c, db)
		if !errors.Is(err, errReplaced) {
			d.DurationMs = s.now().Sub(began).Milliseconds()
			return d, err
		}
	}
}

// errReplaced tells that a connection was replaced while something was done
// with it.
var errReplaced = errors.New("the connection was replaced meanwhile")

// unreplaced answers errReplaced when c is no longer the organisation's
// connection. Called with publishing held.
func (s *Service) unreplaced(ctx context.Context, c store.Connection) error {
	now, err := s.store.Connection(ctx, c.OrgID, c.Kind)
	if err == nil && !bytes.Equal(now.Sealed, c.Sealed) { // each sealing differs
		err = errReplaced
	}
	return err
}

// discovered makes what was read of a connection its catalogue.
func (s *Service) discovered(ctx context.Context, p auth.Principal, c store.Connection, db *schema.Database) (api.Discovered, error) {
	kind := c.Kind
	s.publishing.Lock()
	defer s.publishing.Unlock()
	if err := s.unreplaced(ctx, c); err != nil {
		return api.Discovered{}, err
	}
	before, err := s.catalog(ctx, c)
	if err != nil && !fault.Is(err, fault.NotDiscovered) {
		return api.Discovered{}, err
	}
	if before != nil {
		schema.KeepPhoneForms(before.whole, db)
	}
	scope, err := s.refreshScope(ctx, p, kind, db)
	if err != nil {
		return api.Discovered{}, err
	}
	now := newCatalog(db, scope)
	if err := s.store.PutCatalogue(ctx, by(p), c.ID, store.Catalogue{Digest: now.digest, Database: db}); err != nil {
		return api.Discovered{}, err
	}
	if _, err := s.store.ChangeConnection(ctx, p.OrgID, kind, func(c *store.Connection) { c.Server = db.Server }); err != nil {
		return api.Discovered{}, err
	}
	if err := s.change(ctx, c, before, now); err != nil {
		return api.Discovered{}, err
	}
	affected, err := s.affected(ctx, p.OrgID, kind)
	if err != nil {
		return api.Discovered{}, err
	}
	d := countSchema(now)
	d.AffectedSkills, d.Changes = affected, changesOf(before, now)
	return d, nil
}

// change makes a new discovery count, and logs which skills it finds changed or
// healed. Called with publishing held.
func (s *Service) change(ctx context.Context, conn store.Connection, before, now *catalog) error {
	key := live.ConnectionKey{Org: conn.OrgID, Kind: conn.Kind}
	drafts, err := s.drafts(ctx, key)
	if err != nil {
		return err
	}
	seen, identity := s.catalogs.seen(conn.ID), now.whole.Server.Identity
	s.catalogs.put(conn.ID, now)
	s.tellDrift(append(servedBy(s.served())[key], drafts...),
		func(p *plan.Plan) string { return judge(conn.Server.Identity, before, seen, p) },
		func(p *plan.Plan) string { return judge(identity, now, nil, p) })
	return s.refresh(ctx, key.Org, key.Kind)
}

func (s *Service) readCatalog(ctx context.Context, c store.Connection, progress func(stage string, done, total int)) (*schema.Database, error) {
	pool, ok := s.fleet.Get(c.ID)
	if !ok {
		return nil, fault.New(fault.CredentialCorrupt)
	}
	done, err := s.discoveries.take(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	defer done()
	var db *schema.Database
	err = pool.WithSession(ctx, target.ForCatalog, func(session target.Session) error {
		var err error
		db, err = discover.Discover(ctx, session, c.Kind, discover.Options{Server: session.Server(), At: s.now().UTC(), Progress: progress})
		return err
	})
	if err != nil {
		return nil, err
	}
	s.askWriter(ctx, c, pool, db)
	return db, nil
}

// askWriter asks the user of writes, where there is one of its own, what it may
// write. When it cannot be asked, nothing counts as writable until the next
// discovery: reads do not depend on it, and the other user's rights say nothing.
func (s *Service) askWriter(ctx context.Context, c store.Connection, pool *target.Database, db *schema.Database) {
	if !pool.SeparateWriter() {
		return
	}
	err := pool.WithSession(ctx, target.ForWrites, func(session target.Session) error {
		return discover.WriteRights(ctx, session, db)
	})
	if err == nil {
		return
	}
	s.log.Warn("the user of writes could not be asked for its rights", "connectionId", c.ID, "code", fault.CodeOf(err))
	for i := range db.Objects {
		o := &db.Objects[i]
		o.CanInsert, o.CanUpdate = false, false
		for j := range o.Fields {
			o.Fields[j].CanInsert, o.Fields[j].CanUpdate = false, false
		}
	}
}

func countSchema(c *catalog) api.Discovered {
	d := api.Discovered{SchemaDigest: c.digest, ObjectCount: len(c.scoped.Objects)}
	for i := range c.scoped.Objects {
		o := &c.scoped.Objects[i]
		d.FieldCount += len(o.Fields)
		d.EdgeCount += len(o.ForeignKeys)
		d.OperationCount += len(operations(c.scoped, o))
	}
	return d
}

func changesOf(before, now *catalog) api.SchemaChanges {
	c := api.SchemaChanges{Added: []string{}, Removed: []string{}, Changed: []string{}}
	if before == nil {
		return c
	}
	d := schema.Diff(schema.Apply(before.whole, now.scope), now.scoped)
	return api.SchemaChanges{Added: orEmpty(d.Added), Removed: orEmpty(d.Removed), Changed: orEmpty(d.Changed)}
}

// Schema is the discovered schema after scoping.
func (s *Service) Schema(ctx context.Context, p auth.Principal, kind schema.Kind) (api.Schema, error) {
	c, err := s.seen(ctx, p.OrgID, kind)
	if err != nil {
		return api.Schema{}, err
	}
	return viewSchema(c.scoped, c.digest, c.class), nil
}

// Objects lists the objects whose name contains q, in order of name, after the
// object named by after.
func (s *Service) Objects(ctx context.Context, p auth.Principal, kind schema.Kind, q, after string, limit int) (list []api.ObjectSummary, next string, err error) {
	c, err := s.seen(ctx, p.OrgID, kind)
	if err != nil {
		return nil, "", err
	}
	list = []api.ObjectSummary{}
	for i := range c.scoped.Objects {
		o := &c.scoped.Objects[i]
		name := o.QualifiedName()
		if name <= after || !strings.Contains(strings.ToLower(c.scoped.PublicName(o)), strings.ToLower(q)) {
			continue
		}
		if len(list) == limit {
			return list, next, nil
		}
		list = append(list, viewSummary(c.scoped, o))
		next = name
	}
	return list, "", nil
}

// Object is one object, whole.
func (s *Service) Object(ctx context.Context, p auth.Principal, kind schema.Kind, name string) (api.Object, error) {
	c, err := s.seen(ctx, p.OrgID, kind)
	if err != nil {
		return api.Object{}, err
	}
	o := c.scoped.Find(name)
	if o == nil {
		return api.Object{}, fault.New(fault.NotFound)
	}
	return viewObject(c.scoped, o, c.class), nil
}

// Search finds objects, fields and operations by words.
func (s *Service) Search(ctx context.Context, p auth.Principal, kind schema.Kind, q string, only search.HitType, limit int) ([]api.SearchHit, error) {
	c, err := s.seen(ctx, p.OrgID, kind)
	if err != nil {
		return nil, err
	}
	hits := []api.SearchHit{}
	for _, h := range c.words(s.now()).Search(q, only, limit) {
		hit := api.SearchHit{Type: string(h.Type), Object: h.Object, Field: h.Field, Operation: h.Operation, Score: h.Score, Why: h.Why}
		if o := &c.scoped.Objects[h.Place]; h.Type == search.Field {
			hit.PIIClass = c.class(o, o.Field(h.Field))
		}
		hits = append(hits, hit)
	}
	return hits, nil
}
