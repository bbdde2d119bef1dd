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
	// checkpoint, as epoch and number.
	checkpointText = "SELECT c.next_xid FROM pg_catalog.pg_control_checkpoint() c"
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
	lost, err := s.forgotten(ctx, xid)
	var refused sqlState
	switch {
	case errors.As(fault.Cause(err), &refused) && !s.Broken():
		return target.FateUnknown, nil // the server keeps it to itself
	case err != nil:
		return "", err
	case lost:
		return target.FateRolledBack, nil
	}
	return s.status(ctx, e.XID)
}

// forgotten tells whether a server that was started anew has not found the
// number in its log. A crash loses the numbers of transactions that had not
// committed, and they are given again to others, whose end would be taken for
// this one's. The start itself makes a checkpoint.
func (s *Session) forgotten(ctx context.Context, xid uint64) (bool, error) {
	cells, err := s.one(ctx, checkpointText)
	if err != nil {
		return false, err
	}
	text, _ := cells[0].(string)
	high, low, _ := strings.Cut(text, ":")
	epoch, badEpoch := strconv.ParseUint(high, 10, 32)
	number, badNumber := strconv.ParseUint(low, 10, 32)
	if badEpoch != nil || badNumber != nil {
		s.broken = true
		return false, violation("a checkpoint without a number")
	}
	return xid >= epoch<<32|number, nil
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
