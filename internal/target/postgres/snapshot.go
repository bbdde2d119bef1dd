package postgres

import (
	"context"

	"github.com/jackc/pgx/v5/pgconn"
)

var beginSnapshot = command{text: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"}

// Snapshot runs f in one read-only transaction, so that all that f selects is
// of one moment. It costs two round trips. f's error is returned as it is.
func (s *Session) Snapshot(ctx context.Context, f func() error) error {
	opening := s.opening()
	opening[0] = beginSnapshot
	ignore := func(int, *pgconn.ResultReader) error { return nil }
	if err := s.batch(ctx, opening, ignore); err != nil {
		return err
	}
	s.inSnapshot = true
	err := f()
	s.inSnapshot = false
	if err != nil {
		s.rollBack()
		s.limitMs = 0 // the rollback brings back the limit before, whatever f's reads set
		return err
	}
	return s.batch(ctx, []command{commit}, ignore)
}
