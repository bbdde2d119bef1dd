package store

import (
	"context"
	"database/sql"
	"time"

	"flowyte/internal/id"
)

// Org is an organisation: the one that every other row belongs to.
type Org struct {
	ID        id.Org
	Name      string
	CreatedAt time.Time
}

// EnsureOrg finds the organisation of that name, or makes it. Only the command
// line makes organisations.
func (s *Store) EnsureOrg(ctx context.Context, name string) (Org, error) {
	var org Org
	err := s.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO orgs (id, name, created_at) VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING`,
			id.New[id.Org](), name, millis(s.clock()))
		if err != nil {
			return err
		}
		org, err = findOrg(ctx, tx, name)
		return err
	})
	return org, err
}

// FindOrg finds an organisation by its name.
func (s *Store) FindOrg(ctx context.Context, name string) (Org, error) {
	org, err := findOrg(ctx, s.reader, name)
	return org, failure(err)
}

func findOrg(ctx context.Context, q queryer, name string) (Org, error) {
	return scanOrg(q.QueryRowContext(ctx, `SELECT id, name, created_at FROM orgs WHERE name = ?`, name))
}

// Orgs lists every organisation, for the command line.
func (s *Store) Orgs(ctx context.Context) ([]Org, error) {
	return all(ctx, s.reader, scanOrg, `SELECT id, name, created_at FROM orgs ORDER BY name`)
}

func scanOrg(r row) (Org, error) {
	var org Org
	var created int64
	err := r.Scan(&org.ID, &org.Name, &created)
	org.CreatedAt = fromMillis(created)
	return org, err
}
