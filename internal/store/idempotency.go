package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/secret"
)

// IdempotencyKept is how long a request is remembered by its Idempotency-Key.
const IdempotencyKept = 24 * time.Hour

// Request is a mutating request that carries an Idempotency-Key. Its body is
// known by its keyed hash alone.
type Request struct {
	OrgID   id.Org
	Key     string // the header's value
	Route   string // method and path as sent
	BodyMAC secret.MAC
}

// Answer is the first answer to a request. Sealed is its body, sealed by the
// caller; nil for an answer that carried a secret, which is not kept.
type Answer struct {
	Status int
	Sealed []byte
}

// BeginRequest remembers a request and answers nil, nil when it is new: it is
// then to be carried out, and FinishRequest or AbandonRequest must follow. A
// request that was answered yields its answer. Faults: idempotency_key_reused
// for another body or route, idempotency_in_progress while the first runs, and
// secret_already_shown for an answer that was not kept.
func (s *Store) BeginRequest(ctx context.Context, r Request) (*Answer, error) {
	var answer *Answer
	err := s.write(ctx, func(tx *sql.Tx) error {
		now := s.now()
		_, err := tx.ExecContext(ctx, `DELETE FROM idempotency WHERE org_id = ? AND idem_key = ? AND created_at <= ?`,
			r.OrgID, r.Key, millis(now.Add(-IdempotencyKept)))
		if err != nil {
			return err
		}
		answer, err = readAnswer(ctx, tx, r)
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO idempotency (org_id, idem_key, route, body_mac, finished, status, created_at) VALUES (?, ?, ?, ?, 0, 0, ?)`,
			r.OrgID, r.Key, r.Route, r.BodyMAC[:], millis(now))
		return err
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// readAnswer is sql.ErrNoRows for a request that is new.
func readAnswer(ctx context.Context, tx *sql.Tx, r Request) (*Answer, error) {
	var route string
	var mac []byte
	var finished bool
	var answer Answer
	err := tx.QueryRowContext(ctx, `SELECT route, body_mac, finished, status, sealed FROM idempotency WHERE org_id = ? AND idem_key = ?`,
		r.OrgID, r.Key).Scan(&route, &mac, &finished, &answer.Status, &answer.Sealed)
	switch {
	case err != nil:
		return nil, err
	case route != r.Route || string(mac) != string(r.BodyMAC[:]):
		return nil, fault.New(fault.IdempotencyKeyReused)
	case !finished:
		return nil, fault.New(fault.IdempotencyInProgress).WithRetryAfter(time.Second)
	case answer.Sealed == nil:
		return nil, fault.New(fault.SecretAlreadyShown)
	}
	return &answer, nil
}

// FinishRequest keeps the answer to a request that BeginRequest let pass.
func (s *Store) FinishRequest(ctx context.Context, org id.Org, key string, a Answer) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		return one(tx.ExecContext(ctx, `UPDATE idempotency SET finished = 1, status = ?, sealed = ? WHERE org_id = ? AND idem_key = ? AND finished = 0`,
			a.Status, a.Sealed, org, key))
	})
}

// AbandonRequest forgets a request that BeginRequest let pass and that changed
// nothing, so that it may be sent again.
func (s *Store) AbandonRequest(ctx context.Context, org id.Org, key string) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM idempotency WHERE org_id = ? AND idem_key = ? AND finished = 0`, org, key)
		return err
	})
}

// PruneRequests forgets what is older than IdempotencyKept.
func (s *Store) PruneRequests(ctx context.Context) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM idempotency WHERE created_at <= ?`, millis(s.now().Add(-IdempotencyKept)))
		return err
	})
}

// releaseUnfinished forgets the requests that an earlier server did not live
// to answer: whoever holds the data folder runs alone, so none is still running.
func (s *Store) releaseUnfinished(ctx context.Context) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM idempotency WHERE finished = 0`)
		return err
	})
}
