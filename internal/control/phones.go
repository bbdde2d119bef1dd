package control

import (
	"context"
	"slices"
	"time"

	"flowyte/internal/auth"
	"flowyte/internal/binding"
	"flowyte/internal/compile"
	"flowyte/internal/discover"
	"flowyte/internal/fault"
	"flowyte/internal/plan"
	"flowyte/internal/schema"
	"flowyte/internal/store"
	"flowyte/internal/target"
)

// learnLimit bounds the look at a phone column: behind a view it may be slow.
const learnLimit = 3 * time.Second

// learnPhones asks in which forms the column that a binding looks numbers up in
// keeps them, and keeps that on the catalogue, which it gives back. Where it
// cannot be learnt, what is known already stands.
func (s *Service) learnPhones(ctx context.Context, p auth.Principal, kind schema.Kind, c *catalog, b binding.Binding) (*catalog, error) {
	compiled, found := compile.Compile(b, c.whole, c.scope)
	if binding.Rejected(found) || compiled == nil {
		return c, nil
	}
	column, ok := phoneColumn(c, compiled, b)
	if !ok {
		return c, nil
	}
	var forms []string
	asking, cancel := context.WithTimeout(ctx, learnLimit)
	defer cancel()
	err := s.withSession(asking, p.OrgID, kind, target.ForCatalog, func(session target.Session) (err error) {
		forms, err = discover.PhoneForms(asking, session, kind, column)
		return err
	})
	if err != nil {
		s.log.DebugContext(ctx, "the forms of a phone column were not learnt", "kind", kind, "code", fault.CodeOf(err))
		return c, nil
	}
	known := c.whole.Lookup(column.Schema, column.Object).Field(column.Column).PhoneForms
	if forms == nil || sameForms(known, forms) {
		return c, nil
	}
	return s.keepPhones(ctx, p, kind, c, column, forms)
}

// phoneColumn is the column in which a read's filter or an update's key looks a
// telephone number up.
func phoneColumn(c *catalog, p *plan.Plan, b binding.Binding) (schema.ColumnRef, bool) {
	var param, column string
	switch {
	case b.Filter != nil:
		param, column = b.Filter.Param, b.Filter.Column
	case b.Key != nil:
		param, column = b.Key.Param, b.Key.Column
	}
	for i := range p.Params {
		if p.Params[i].Name == param && p.Params[i].Format == plan.Phone {
			return columnOf(c, p, column)
		}
	}
	return schema.ColumnRef{}, false
}

// sameForms tells whether two columns would be looked in alike. The order of the
// shapes, which a few rows more may change, does not count: it must not change
// the plan of a reviewed write.
func sameForms(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	return !slices.ContainsFunc(a, func(shape string) bool { return !slices.Contains(b, shape) })
}

// keepPhones keeps what was learnt, unless a discovery came in between.
func (s *Service) keepPhones(ctx context.Context, p auth.Principal, kind schema.Kind, c *catalog, column schema.ColumnRef, forms []string) (*catalog, error) {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	conn, err := s.store.Connection(ctx, p.OrgID, kind)
	if err != nil {
		return nil, err
	}
	now, err := s.catalog(ctx, conn)
	if err != nil || now.whole != c.whole {
		return now, err
	}
	next := newCatalog(now.whole.WithPhoneForms(column, forms), now.scope)
	if err := s.store.LearnCatalogue(ctx, by(p), conn.ID, store.Catalogue{Digest: next.digest, Database: next.whole}); err != nil {
		return nil, err
	}
	s.catalogs.learn(conn.ID, next)
	return next, nil
}
