package mysql

import (
	"context"

	"flowyte/internal/fault"
	"flowyte/internal/plan"
	"flowyte/internal/target"
)

// Write implements target.Session.
func (s *Session) Write(context.Context, *plan.Plan, []target.Value, target.RowSink, func(target.Evidence) error) error {
	return fault.New(fault.Internal)
}

// Resolve implements target.Session.
func (s *Session) Resolve(context.Context, *plan.Plan, target.Evidence) (target.Fate, error) {
	return "", fault.New(fault.Internal)
}
