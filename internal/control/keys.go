package control

import (
	"context"

	"flowyte/api"
	"flowyte/internal/auth"
	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/store"
)

// CreateKey makes a key of the principal's organisation and shows it, this
// once. It gets no scope that the principal lacks, so that no chain of keys
// ends with more than its first one had. The faults are missing_scope, which
// names the first scope that is lacking, and value_invalid.
func (s *Service) CreateKey(ctx context.Context, p auth.Principal, r api.APIKeyRequest) (api.APIKey, error) {
	scopes, err := auth.ScopesNamed(r.Scopes)
	if err != nil {
		return api.APIKey{}, err
	}
	if beyond := scopes.Without(p.Scopes).Names(); len(beyond) > 0 {
		return api.APIKey{}, fault.New(fault.MissingScope).
			WithDetail("A key cannot make a key that may do more: it lacks the scope %s itself.", beyond[0])
	}
	issued := auth.Issue(s.ring)
	k, err := s.store.CreateKey(ctx, by(p), store.NewKey{Name: r.Name, MAC: issued.MAC, LastFour: issued.LastFour, Scopes: scopes.Names()})
	if err != nil {
		return api.APIKey{}, err
	}
	if err := s.keys.Reload(ctx); err != nil {
		// It is made, and nobody can be shown it again: it holds as soon as
		// the table of keys is read the next time.
		s.log.Warn("a new key does not hold at once", "key", k.ID, "code", fault.CodeOf(err))
	}
	v := viewKey(k)
	v.Key = issued.Secret.Reveal()
	return v, nil
}

// Keys lists the organisation's keys, revoked ones too.
func (s *Service) Keys(ctx context.Context, p auth.Principal, cursor string, limit int) ([]api.APIKey, string, error) {
	page, err := s.store.Keys(ctx, p.OrgID, store.Page{Cursor: cursor, Limit: limit})
	if err != nil {
		return nil, "", err
	}
	list := make([]api.APIKey, 0, len(page.Items))
	for _, k := range page.Items {
		list = append(list, viewKey(k))
	}
	return list, page.Next, nil
}

// RevokeKey ends a key for good; it is refused from the next request on. An
// error means that it may not be yet: revoking again does no harm.
func (s *Service) RevokeKey(ctx context.Context, p auth.Principal, key id.Key) (api.APIKey, error) {
	k, err := s.store.RevokeKey(ctx, by(p), key)
	if err != nil {
		return api.APIKey{}, err
	}
	return viewKey(k), s.keys.Reload(ctx)
}

func viewKey(k store.APIKey) api.APIKey {
	v := api.APIKey{ID: string(k.ID), Name: k.Name, LastFour: k.LastFour, Scopes: k.Scopes, CreatedAt: k.CreatedAt, RevokedAt: k.RevokedAt}
	if v.Scopes == nil {
		v.Scopes = []string{}
	}
	return v
}
