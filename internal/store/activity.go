package store

import (
	"context"
	"database/sql"
	"hash"
	"time"

	"flowyte/internal/id"
)

// Actor is who makes a change, and in which organisation. Key is "" for the
// command line on the host.
type Actor struct {
	Org id.Org
	Key id.Key
}

// Activity is one change that was made: who did what to which thing. It holds
// no values. Target is the id of the thing, or the kind of an integration.
type Activity struct {
	ID     id.Activity
	OrgID  id.Org
	KeyID  id.Key
	Action string // "agent.create"
	Target string
	At     time.Time
}

// record leaves the trace of a change in the transaction that makes it, and
// adds it to the chain of changes.
func (s *Store) record(ctx context.Context, tx *sql.Tx, by Actor, action string, target string) error {
	a := Activity{ID: id.New[id.Activity](), OrgID: by.Org, KeyID: by.Key, Action: action, Target: target, At: s.clock()}
	number, sum, err := s.extend(ctx, tx, changeChain, func(h hash.Hash) { hashActivity(h, a) })
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO activity (id, org_id, key_id, action, target, at, link, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		a.ID, a.OrgID, a.KeyID, a.Action, a.Target, millis(a.At), number, sum[:])
	return err
}

// PruneActivity forgets the changes that were made before a time. The chain of
// changes goes on from the last one that is forgotten.
func (s *Store) PruneActivity(ctx context.Context, before time.Time) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		// The chain loses its beginning and nothing else, also when the clock
		// was once turned back.
		const keep = `SELECT COALESCE((SELECT link FROM activity WHERE link IS NOT NULL AND at >= ? ORDER BY link LIMIT 1), 9223372036854775807)`
		err := s.cut(ctx, tx, changeChain, func() *sql.Row {
			return tx.QueryRowContext(ctx, `SELECT link, hash FROM activity WHERE link < (`+keep+`) ORDER BY link DESC LIMIT 1`, millis(before))
		})
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM activity WHERE link <= (SELECT anchor FROM chains WHERE name = ?)`, changeChain); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM activity WHERE link IS NULL AND at < ?`, millis(before))
		return err
	})
}

var activities = listing[Activity]{
	name:   "activity",
	newest: true,
	query: `SELECT id, org_id, key_id, action, target, at FROM activity
		WHERE org_id = ? AND id < ? ORDER BY id DESC LIMIT ?`,
	scan: func(r row) (Activity, error) {
		var a Activity
		var at int64
		err := r.Scan(&a.ID, &a.OrgID, &a.KeyID, &a.Action, &a.Target, &at)
		a.At = fromMillis(at)
		return a, err
	},
	idOf: func(a Activity) string { return string(a.ID) },
}

// Activities lists an organisation's changes, newest first.
func (s *Store) Activities(ctx context.Context, org id.Org, p Page) (List[Activity], error) {
	return page(ctx, s, activities, org, p)
}
