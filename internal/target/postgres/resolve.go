package postgres

import (
	"context"
	"errors"
	"strconv"

	"flowyte/internal/fault"
	"flowyte/internal/plan"
	"flowyte/internal/target"
)

// fateText asks for the timeline of now and the state of a transaction. A
// replica cannot say what becomes of it.
const fateText = "SELECT CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN " + timeline + " END," +
	" CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_xact_status(CAST(CAST($1 AS pg_catalog.text) AS pg_catalog.xid8)) END"

// Resolve implements target.Session. On another timeline the number may be
// another transaction's; so it may on this one, if the server was put back to
// an earlier state, which shows where the number has not been given yet.
func (s *Session) Resolve(ctx context.Context, _ *plan.Plan, e target.Evidence) (target.Fate, error) {
	if e.XID == "" || e.Timeline == 0 || s.timelineHidden {
		return target.FateUnknown, nil
	}
	cells, err := s.one(ctx, fateText, e.XID)
	var state sqlState
	if errors.As(fault.Cause(err), &state) && state == stateInvalidParameter && !s.Broken() {
		return target.FateUnknown, nil // a number from the future
	}
	if err != nil {
		return "", err
	}
	if len(cells) != 2 {
		s.broken = true
		return "", violation("a fate of %d columns", len(cells))
	}
	if cells[0] == nil {
		return target.FateOpen, nil
	}
	now, _ := cells[0].(string)
	if n, err := strconv.ParseUint(now, 16, 32); err != nil || uint32(n) != e.Timeline {
		return target.FateUnknown, nil
	}
	switch cells[1] {
	case "committed":
		return target.FateCommitted, nil
	case "aborted":
		return target.FateRolledBack, nil
	case "in progress":
		return target.FateOpen, nil
	}
	return target.FateUnknown, nil // so long ago that the server forgot
}
