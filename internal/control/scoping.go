package control

import (
	"bytes"
	"context"
	"encoding/json"

	"flowyte/api"
	"flowyte/internal/auth"
	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/schema"
)

// scope loads what an organisation blocks on connections of one kind. It
// belongs to organisation and kind, not to the connection, and so outlives a
// disconnect.
func (s *Service) scope(ctx context.Context, org id.Org, kind schema.Kind) (schema.Scope, error) {
	kept, err := s.store.Scoping(ctx, org, kind)
	if err != nil {
		return schema.Scope{}, err
	}
	return readScope(kept.Doc)
}

func readScope(doc json.RawMessage) (scope schema.Scope, err error) {
	if len(doc) > 0 {
		if err := json.Unmarshal(doc, &scope); err != nil {
			return scope, fault.Wrap(fault.StoreDamaged, err)
		}
	}
	return scope, nil
}

// changeScope lets change make the next scope out of the present one.
func (s *Service) changeScope(ctx context.Context, p auth.Principal, kind schema.Kind, change func(schema.Scope) (schema.Scope, error)) (schema.Scope, error) {
	var next schema.Scope
	_, err := s.store.ChangeScoping(ctx, by(p), kind, func(doc json.RawMessage) (json.RawMessage, error) {
		now, err := readScope(doc)
		if err != nil {
			return nil, err
		}
		if next, err = change(now); err != nil {
			return nil, err
		}
		return json.Marshal(next)
	})
	return next, err
}

// refreshScope follows renames and works out what is blocked along with what
// the lists name, for a catalogue just read.
func (s *Service) refreshScope(ctx context.Context, p auth.Principal, kind schema.Kind, db *schema.Database) (schema.Scope, error) {
	return s.changeScope(ctx, p, kind, func(scope schema.Scope) (schema.Scope, error) {
		fresh, _ := scope.Refresh(db)
		return fresh, nil
	})
}

// Scoping tells what is blocked. It works without a connection.
func (s *Service) Scoping(ctx context.Context, p auth.Principal, kind schema.Kind) (api.Scoping, error) {
	scope, err := s.scope(ctx, p.OrgID, kind)
	if err != nil {
		return api.Scoping{}, err
	}
	return s.viewScoping(ctx, p.OrgID, kind, scope)
}

func (s *Service) viewScoping(ctx context.Context, org id.Org, kind schema.Kind, scope schema.Scope) (api.Scoping, error) {
	v := api.Scoping{
		BlockedTables: orEmpty(scope.BlockedTables), BlockedColumns: scope.BlockedColumns, AllowedViews: orEmpty(scope.AllowedViews),
		ColumnClasses: scope.ColumnClasses, Unmatched: []string{}, Renamed: []api.RenamedBlock{}, AlsoBlocked: []api.AlsoBlocked{},
	}
	if v.BlockedColumns == nil {
		v.BlockedColumns = map[string][]string{}
	}
	if v.ColumnClasses == nil {
		v.ColumnClasses = map[string]map[string]string{}
	}
	c, err := s.seen(ctx, org, kind)
	switch {
	case err == nil:
		v.Unmatched = orEmpty(scope.Unmatched(c.whole))
		v.Renamed, v.AlsoBlocked = viewRenames(&scope, c.whole), viewAlong(&scope, c.whole)
	case !fault.Is(err, fault.NotConnected) && !fault.Is(err, fault.NotDiscovered):
		return v, err
	}
	v.AffectedSkills, err = s.affected(ctx, org, kind)
	return v, err
}

// viewRenames tells where blocks went along with what they hold.
func viewRenames(scope *schema.Scope, db *schema.Database) []api.RenamedBlock {
	list := []api.RenamedBlock{}
	for _, r := range scope.Renamed(db) {
		b := api.RenamedBlock{Entry: r.RuleTable, Now: db.PublicNameOf(r.Schema, r.Object)}
		if r.Column != "" {
			b.Entry, b.Now = r.RuleTable+"."+r.RuleColumn, b.Now+"."+r.Column
		}
		list = append(list, b)
	}
	return list
}

// viewAlong tells what is blocked without being named: no other answer does,
// since one without the thing could not.
func viewAlong(scope *schema.Scope, db *schema.Database) []api.AlsoBlocked {
	list := []api.AlsoBlocked{}
	for _, b := range scope.Along(db) {
		v := api.AlsoBlocked{Name: db.PublicNameOf(b.Schema, b.Object), Reason: string(b.Reason)}
		if b.Column != "" {
			v.Name += "." + b.Column
		}
		list = append(list, v)
	}
	return list
}

// SetScoping replaces each list that the patch carries; null clears it. It
// bites at once, on drafts and on published versions alike.
func (s *Service) SetScoping(ctx context.Context, p auth.Principal, kind schema.Kind, patch api.ScopingPatch) (api.Scoping, error) {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	c, err := s.seen(ctx, p.OrgID, kind)
	if err != nil && !fault.Is(err, fault.NotConnected) && !fault.Is(err, fault.NotDiscovered) {
		return api.Scoping{}, err
	}
	scope, err := s.changeScope(ctx, p, kind, func(old schema.Scope) (schema.Scope, error) {
		scope, err := patched(old, patch)
		if err == nil && c != nil {
			scope, _ = scope.Refresh(c.whole)
		}
		return scope, err
	})
	if err != nil {
		return api.Scoping{}, err
	}
	if c != nil {
		conn, err := s.store.Connection(ctx, p.OrgID, kind)
		if err != nil {
			return api.Scoping{}, err
		}
		s.catalogs.put(conn.ID, newCatalog(c.whole, scope))
	}
	if err := s.refresh(ctx, p.OrgID, kind); err != nil {
		return api.Scoping{}, err
	}
	return s.viewScoping(ctx, p.OrgID, kind, scope)
}

// patched is the scope after the patch, judged.
func patched(old schema.Scope, patch api.ScopingPatch) (schema.Scope, error) {
	form := fault.New(fault.InvalidRequest)
	tables := patchedKey(form, "blockedTables", patch.BlockedTables, old.BlockedTables)
	columns := patchedKey(form, "blockedColumns", patch.BlockedColumns, old.BlockedColumns)
	views := patchedKey(form, "allowedViews", patch.AllowedViews, old.AllowedViews)
	classes := patchedKey(form, "columnClasses", patch.ColumnClasses, old.ColumnClasses)
	if len(form.Fields) > 0 {
		return old, form
	}
	scope, problems := schema.ParseScope(tables, columns, views, classes)
	if len(problems) > 0 {
		f := fault.New(fault.ScopingInvalid)
		for _, p := range problems {
			f.WithField(p.Field, "%s", p.Message)
		}
		return old, f
	}
	scope.Resolved, scope.Identity = old.Resolved, old.Identity
	return scope, nil
}

func patchedKey[T any](form *fault.Error, name string, raw json.RawMessage, old T) T {
	if raw == nil {
		return old
	}
	var v T
	if bytes.Equal(raw, []byte("null")) {
		return v
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		form.WithField(name, "has the wrong form")
	}
	return v
}
