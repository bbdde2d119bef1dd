package mysql

import (
	"context"
	"strings"

	"flowyte/internal/fault"
	"flowyte/internal/schema"
	"flowyte/internal/target"
)

const (
	// maxGrants bounds how many lines of grants are read.
	maxGrants = 20_000
	// maxRoles bounds how many granted roles are looked into.
	maxRoles = 32
)

// Privileges implements target.Session.
func (s *Session) Privileges(ctx context.Context) (p target.Privileges, err error) {
	defer s.protect(&err)
	held, err := s.grants(ctx)
	if err != nil {
		return p, err
	}
	return held.beyond(s.dialer.creds.Database), nil
}

// grants reads everything that the role holds, also through the roles that it
// was granted, active or not.
func (s *Session) grants(ctx context.Context) (rights, error) {
	held, err := s.showGrants(ctx, "SHOW GRANTS")
	if err != nil {
		return nil, err
	}
	var roles []string
	for _, r := range held {
		roles = append(roles, r.roles...)
	}
	roles = unique(roles)
	switch {
	case len(roles) == 0:
		return held, nil
	case len(roles) > maxRoles:
		return append(held, right{unknown: true}), nil
	case s.server.Flavor == schema.FlavorMySQL:
		more, err := s.showGrants(ctx, "SHOW GRANTS FOR CURRENT_USER() USING "+strings.Join(roles, ", "))
		return append(held, more...), err
	}
	more, err := s.grantsOfRoles(ctx, roles)
	return append(held, more...), err
}

// grantsOfRoles looks into roles on MariaDB, which shows a role's grants only
// to whom has taken the role on.
func (s *Session) grantsOfRoles(ctx context.Context, roles []string) (rights, error) {
	cells, err := s.one(ctx, "SELECT CURRENT_ROLE()")
	if err != nil {
		return nil, err
	}
	before := "NONE"
	if name, ok := cells[0].(string); ok && name != "NONE" {
		before = quoteName(name)
	}
	var held rights
	for _, role := range roles {
		if err := s.exec(ctx, "SET ROLE "+role); err != nil {
			return nil, err
		}
		more, err := s.showGrants(ctx, "SHOW GRANTS")
		if err != nil {
			return nil, err
		}
		held = append(held, more...)
	}
	return held, s.exec(ctx, "SET ROLE "+before)
}

func (s *Session) showGrants(ctx context.Context, text string) (rights, error) {
	var held rights
	err := s.Select(ctx, text, nil, func(cells []any) error {
		line, ok := cells[0].(string)
		if len(held) >= maxGrants || !ok {
			return fault.Wrap(fault.ProtocolError, errCell)
		}
		if r, grants := parseGrant(line); grants {
			held = append(held, r)
		}
		return nil
	})
	return held, err
}
