package store

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/secret"
)

// APIKey is a key as its organisation sees it. What it is checked against
// stays in the store.
type APIKey struct {
	ID        id.Key
	OrgID     id.Org
	Name      string // for people; may be empty
	LastFour  string
	Scopes    []string
	CreatedAt time.Time
	RevokedAt *time.Time
}

const keyColumns = `id, org_id, name, last_four, scopes, created_at, revoked_at`

func scanKey(r row) (APIKey, error) {
	var k APIKey
	var scopes string
	var created int64
	var revoked sql.NullInt64
	err := r.Scan(&k.ID, &k.OrgID, &k.Name, &k.LastFour, &scopes, &created, &revoked)
	k.Scopes = splitScopes(scopes)
	k.CreatedAt, k.RevokedAt = fromMillis(created), fromNullMillis(revoked)
	return k, err
}

func splitScopes(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

// NewKey is what is kept of a key that was just made.
type NewKey struct {
	Name     string
	MAC      secret.MAC // the keyed hash it is checked against
	LastFour string     // what people tell it by
	Scopes   []string
}

// CreateKey keeps a new key of the actor's organisation.
func (s *Store) CreateKey(ctx context.Context, by Actor, n NewKey) (APIKey, error) {
	key := APIKey{ID: id.New[id.Key](), OrgID: by.Org, Name: n.Name, LastFour: n.LastFour, Scopes: n.Scopes, CreatedAt: s.clock()}
	err := s.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO api_keys (id, org_id, name, mac, last_four, scopes, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			key.ID, key.OrgID, key.Name, n.MAC[:], key.LastFour, strings.Join(key.Scopes, ","), millis(key.CreatedAt))
		if err != nil {
			return err
		}
		return s.keyChanged(ctx, tx, by, "key.create", key.ID)
	})
	if err != nil {
		return APIKey{}, err
	}
	return key, nil
}

// RevokeKey ends a key for good. Revoking one again changes nothing.
func (s *Store) RevokeKey(ctx context.Context, by Actor, key id.Key) (APIKey, error) {
	var revoked APIKey
	err := s.write(ctx, func(tx *sql.Tx) error {
		var err error
		revoked, err = scanKey(tx.QueryRowContext(ctx, `SELECT `+keyColumns+` FROM api_keys WHERE org_id = ? AND id = ?`, by.Org, key))
		if err != nil || revoked.RevokedAt != nil {
			return err
		}
		now := s.clock()
		revoked.RevokedAt = &now
		if _, err := tx.ExecContext(ctx, `UPDATE api_keys SET revoked_at = ? WHERE org_id = ? AND id = ?`, millis(now), by.Org, key); err != nil {
			return err
		}
		return s.keyChanged(ctx, tx, by, "key.revoke", key)
	})
	if err != nil {
		return APIKey{}, err
	}
	return revoked, nil
}

// keyChanged makes every process that serves read the keys again.
func (s *Store) keyChanged(ctx context.Context, tx *sql.Tx, by Actor, action string, key id.Key) error {
	if _, err := tx.ExecContext(ctx, `UPDATE counters SET value = value + 1 WHERE name = 'keys'`); err != nil {
		return err
	}
	return s.record(ctx, tx, by, action, string(key))
}

var keyList = listing[APIKey]{
	name:  "keys",
	query: `SELECT ` + keyColumns + ` FROM api_keys WHERE org_id = ? AND id > ? ORDER BY id LIMIT ?`,
	scan:  scanKey,
	idOf:  func(k APIKey) string { return string(k.ID) },
}

// Keys lists an organisation's keys, oldest first, revoked ones too.
func (s *Store) Keys(ctx context.Context, org id.Org, p Page) (List[APIKey], error) {
	return page(ctx, s, keyList, org, p)
}

// KeyOwner is the organisation of a key, for the command line, whose user may
// revoke any.
func (s *Store) KeyOwner(ctx context.Context, key id.Key) (id.Org, error) {
	var org id.Org
	err := s.reader.QueryRowContext(ctx, `SELECT org_id FROM api_keys WHERE id = ?`, key).Scan(&org)
	return org, failure(err)
}

// KeysRevision grows with every change of a key, by whatever process.
func (s *Store) KeysRevision(ctx context.Context) (int64, error) {
	var revision int64
	err := s.reader.QueryRowContext(ctx, `SELECT value FROM counters WHERE name = 'keys'`).Scan(&revision)
	return revision, failure(err)
}

// ActiveKeys visits every key of every organisation that is not revoked.
func (s *Store) ActiveKeys(ctx context.Context, visit func(mac secret.MAC, org id.Org, key id.Key, scopes []string)) error {
	rows, err := s.reader.QueryContext(ctx, `SELECT mac, org_id, id, scopes FROM api_keys WHERE revoked_at IS NULL`)
	if err != nil {
		return failure(err)
	}
	defer rows.Close()
	for rows.Next() {
		var kept sql.RawBytes
		var org id.Org
		var key id.Key
		var scopes string
		if err := rows.Scan(&kept, &org, &key, &scopes); err != nil {
			return failure(err)
		}
		var mac secret.MAC
		if copy(mac[:], kept) != len(mac) {
			return fault.New(fault.StoreDamaged)
		}
		visit(mac, org, key, splitScopes(scopes))
	}
	return failure(rows.Err())
}
