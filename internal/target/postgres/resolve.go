package postgres

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"flowyte/internal/fault"
	"flowyte/internal/plan"
	"flowyte/internal/target"
)

// The questions. A replica cannot say what becomes of a transaction.
const (
	historyText = "SELECT CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN " + timeline + " END, " + started
	statusText  = "SELECT pg_catalog.pg_xact_status(CAST(CAST($1 AS pg_catalog.text) AS pg_catalog.xid8))"
	// checkpointText gives the first number that was not given yet at the last
	// checkpoint, as epoch and number; NULL when that was before the statistics
	// were dropped, and somebody else than a crash did it. A few seconds are for
	// servers before 15, which drop them a little later.
	checkpointText = "SELECT CASE WHEN c.checkpoint_time OPERATOR(pg_catalog.>=)" +
		" (b.stats_reset OPERATOR(pg_catalog.-) CAST('10 seconds' AS pg_catalog.interval)) THEN c.next_xid END" +
		" FROM pg_catalog.pg_control_checkpoint() c, pg_catalog.pg_stat_bgwriter b"
)

// Resolve implements target.Session. On another timeline the number may be
// another transaction's; so it may on this one, if the server was put back to
// an earlier state, which shows where the number has not been given yet.
func (s *Session) Resolve(ctx context.Context, _ *plan.Plan, e target.Evidence) (target.Fate, error) {
	xid, err := strconv.ParseUint(e.XID, 10, 64)
	if err != nil || e.Timeline == 0 || s.timelineHidden {
		return target.FateUnknown, nil
	}
	now, err := s.one(ctx, historyText)
	if err != nil {
		return "", err
	}
	if len(now) != 2 {
		s.broken = true
		return "", violation("a history of %d columns", len(now))
	}
	if now[0] == nil {
		return target.FateOpen, nil // a replica, which may become the server again
	}
	hex, _ := now[0].(string)
	if n, err := strconv.ParseUint(hex, 16, 32); err != nil || uint32(n) != e.Timeline {
		return target.FateUnknown, nil
	}
	if now[1] == e.Started {
		return s.status(ctx, e.XID)
	}
	next, err := s.nextAtCheckpoint(ctx)
	var refused sqlState
	switch {
	case errors.As(fault.Cause(err), &refused) && !s.Broken():
		return target.FateUnknown, nil // the server keeps it to itself
	case err != nil:
		return "", err
	case next == 0:
		return target.FateOpen, nil
	case xid >= next:
		return target.FateRolledBack, nil
	}
	return s.status(ctx, e.XID)
}

// nextAtCheckpoint gives the first number that a server which has crashed had
// not found in its log; 0 when it cannot tell before its next checkpoint. A crash
// loses the numbers of transactions that had not committed, and they are given
// again to others, whose end would be taken for a write's. Recovery ends with a
// checkpoint.
func (s *Session) nextAtCheckpoint(ctx context.Context) (uint64, error) {
	cells, err := s.one(ctx, checkpointText)
	if err != nil || cells[0] == nil {
		return 0, err
	}
	text, _ := cells[0].(string)
	high, low, _ := strings.Cut(text, ":")
	epoch, badEpoch := strconv.ParseUint(high, 10, 32)
	number, badNumber := strconv.ParseUint(low, 10, 32)
	if badEpoch != nil || badNumber != nil {
		s.broken = true
		return 0, violation("a checkpoint without a number")
	}
	return epoch<<32 | number, nil
}

// status asks for the state of a transaction.
func (s *Session) status(ctx context.Context, xid string) (target.Fate, error) {
	cells, err := s.one(ctx, statusText, xid)
	var state sqlState
	if errors.As(fault.Cause(err), &state) && state == stateInvalidParameter && !s.Broken() {
		return target.FateUnknown, nil // a number from the future
	}
	if err != nil {
		return "", err
	}
	switch cells[0] {
	case "committed":
		return target.FateCommitted, nil
	case "aborted":
		return target.FateRolledBack, nil
	case "in progress":
		return target.FateOpen, nil
	}
	return target.FateUnknown, nil // so long ago that the server forgot
}
