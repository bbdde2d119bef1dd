package postgres

import (
	"context"
	"strconv"

	"flowyte/internal/plan"
	"flowyte/internal/target"

	"github.com/jackc/pgx/v5/pgconn"
)

// limitTo has the server end each later statement after so many milliseconds.
func limitTo(ms int) command {
	return command{
		text:   "SELECT pg_catalog.set_config('" + statementLimit + "', $1, false)",
		values: [][]byte{strconv.AppendInt(nil, int64(ms), 10)},
	}
}

// standardMs is the limit that a session starts with.
func (s *Session) standardMs() int { return int(s.limits.Statement.Milliseconds()) }

// limitFor is a read's own time: the server ends the statement by itself when
// the caller's has run out, and only what began late has to be cancelled. Who
// writes has a journal to keep, and the session's limit.
func (s *Session) limitFor(p *plan.Plan) int {
	if s.purpose != target.ForReads || p.TimeoutMs <= 0 {
		return s.standardMs()
	}
	return min(p.TimeoutMs, s.standardMs())
}

// within runs a command under another limit, in one round trip. The limit
// stays, unless the command fails: the two are one transaction.
func (s *Session) within(ctx context.Context, limitMs int, c command, each func(*pgconn.ResultReader) error) error {
	s.limitMs = 0
	err := s.batch(ctx, []command{limitTo(limitMs), c}, func(i int, rr *pgconn.ResultReader) error {
		if i == 0 {
			return nil
		}
		return each(rr)
	})
	if err == nil {
		s.limitMs = limitMs
	}
	return err
}
