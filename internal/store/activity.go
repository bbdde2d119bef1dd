package store

import (
	"context"
	"database/sql"
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

// record leaves the trace of a change in the transaction that makes it.
func (s *Store) record(ctx context.Context, tx *sql.Tx, by Actor, action string, target string) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO activity (id, org_id, key_id, action, target, at) VALUES (?, ?, ?, ?, ?, ?)`,
		id.New[id.Activity](), by.Org, by.Key, action, target, millis(s.clock()))
	return err
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
