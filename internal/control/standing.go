package control

import (
	"context"
	"maps"

	"flowyte/api"
	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/live"
	"flowyte/internal/plan"
	"flowyte/internal/schema"
	"flowyte/internal/store"
)

// The reasons why a plan cannot be used now, as the wire says them.
const (
	notConnected   = "not_connected"
	notDiscovered  = "not_discovered"
	elsewhere      = "reconnected_elsewhere"
	blocked        = "blocked_by_scoping"
	drifted        = "drifted"
	suspendedWord  = "suspended"
	drawnFromScope = "blocked"
)

// judge is why a plan cannot be used on a connection with this identity and
// catalogue and what was seen of it since, "" when it can. It is a pure
// function, asked at every change and never during a call.
func judge(identity string, c *catalog, seen *observation, p *plan.Plan) string {
	if p.Identity != identity {
		return elsewhere
	}
	if c == nil {
		return notDiscovered
	}
	for _, u := range p.Uses {
		if _, no := c.scope.BlockedUse([]schema.Use{{Schema: u.Schema, Object: u.Object, Columns: u.Columns}}); no {
			return blocked
		}
	}
	if refusedNow(c, p) {
		return blocked
	}
	for i := range p.Uses {
		u := &p.Uses[i]
		o := seen.object(c.whole, u)
		if o == nil || schema.ObjectDigest(o, u.Columns) != u.Digest {
			return drifted
		}
	}
	return ""
}

// refusedNow tells whether a write gives a value to a column whose class is not
// written on a call: it may have been classed so after the review.
func refusedNow(c *catalog, p *plan.Plan) bool {
	o := c.whole.Lookup(p.Object.Schema, p.Object.Object)
	for i := range p.Slots {
		if name := p.Slots[i].Column; o != nil && name != "" {
			if f := o.Field(name); f != nil && schema.RefusedInWrites(c.class(o, f)) {
				return true
			}
		}
	}
	return false
}

// liveConnection is what serving gets to know of a connection.
func (s *Service) liveConnection(conn store.Connection, c *catalog, seen *observation) *live.Connection {
	identity := conn.Server.Identity
	lc := &live.Connection{Standing: func(p *plan.Plan) string { return judge(identity, c, seen, p) }}
	if db, ok := s.fleet.Get(conn.ID); ok {
		lc.Runner = db
	}
	return lc
}

// refresh gives serving the present state of one connection. Called with
// publishing held, after every change to a connection, catalogue or scope.
func (s *Service) refresh(ctx context.Context, org id.Org, kind schema.Kind) error {
	var present *live.Connection // nil for none
	conn, err := s.store.Connection(ctx, org, kind)
	switch {
	case fault.Is(err, fault.NotConnected):
	case err != nil:
		return err
	default:
		c, err := s.catalog(ctx, conn)
		if err != nil && !fault.Is(err, fault.NotDiscovered) {
			return err
		}
		present = s.liveConnection(conn, c, s.catalogs.seen(conn.ID))
	}
	s.present(live.ConnectionKey{Org: org, Kind: kind}, present)
	return nil
}

// present gives serving a connection, nil for none. Called with publishing held.
func (s *Service) present(key live.ConnectionKey, now *live.Connection) {
	s.swap(func(next *live.Table) {
		next.Connections = maps.Clone(next.Connections)
		if next.Connections == nil {
			next.Connections = map[live.ConnectionKey]*live.Connection{}
		}
		if next.Connections[key] = now; now == nil {
			delete(next.Connections, key)
		}
	})
}

// swap gives serving the next table, which edit makes of a copy of the
// present one. edit replaces what it changes.
func (s *Service) swap(edit func(next *live.Table)) {
	s.serving.Lock()
	defer s.serving.Unlock()
	next := *s.table
	edit(&next)
	s.table = &next
	s.engine.Swap(&next)
}

// served is what is served at this moment.
func (s *Service) served() *live.Table {
	s.serving.Lock()
	defer s.serving.Unlock()
	return s.table
}

// suspend switches a skill off or on for serving.
func (s *Service) suspend(skill id.Skill, off bool) {
	s.swap(func(next *live.Table) {
		next.Suspended = maps.Clone(next.Suspended)
		if next.Suspended == nil {
			next.Suspended = map[id.Skill]bool{}
		}
		if off {
			next.Suspended[skill] = true
		} else {
			delete(next.Suspended, skill)
		}
	})
}

// standing is why a skill of the draft cannot be used now, "" when it can.
func (s *Service) standing(ctx context.Context, sk store.Skill, p *plan.Plan) (string, error) {
	if sk.Suspended {
		return suspendedWord, nil
	}
	conn, err := s.store.Connection(ctx, sk.OrgID, sk.Kind)
	if fault.Is(err, fault.NotConnected) {
		return notConnected, nil
	}
	if err != nil {
		return "", err
	}
	c, err := s.catalog(ctx, conn)
	if err != nil && !fault.Is(err, fault.NotDiscovered) {
		return "", err
	}
	if reason := judge(conn.Server.Identity, c, s.catalogs.seen(conn.ID), p); reason != "" {
		return reason, nil
	}
	if s.engine.Drifted(sk.ID) {
		return drifted, nil
	}
	return "", nil
}

// statusOf is the one word for a skill's state.
func statusOf(sk store.Skill, reason string) string {
	switch reason {
	case suspendedWord, drifted:
		return reason
	case blocked:
		return drawnFromScope
	case "":
		if !sk.Enabled {
			return "disabled"
		}
		return "active"
	}
	return "unavailable"
}

// affected lists the organisation's skills on this kind that cannot be used as
// things stand.
func (s *Service) affected(ctx context.Context, org id.Org, kind schema.Kind) ([]api.AffectedSkill, error) {
	skills, err := s.store.SkillsOfKind(ctx, org, kind)
	if err != nil {
		return nil, err
	}
	list := []api.AffectedSkill{}
	for _, sk := range skills {
		p, err := readPlan(sk.Plan)
		if err != nil {
			return nil, err
		}
		reason, err := s.standing(ctx, sk, p)
		if err != nil {
			return nil, err
		}
		if reason != "" && reason != suspendedWord {
			list = append(list, api.AffectedSkill{SkillID: string(sk.ID), Name: sk.Name, Reason: reason})
		}
	}
	return list, nil
}
