package cli

import (
	"fmt"
	"io"

	"flowyte/internal/fault"
	"flowyte/internal/store"
)

type auditCommand struct {
	Verify verifyCommand `cmd:"" help:"Walk along the audit trail and name every place where it was changed. Works beside a running service."`
}

type verifyCommand struct{ dataFlags }

// Run reports on each chain, and fails when one does not hold.
func (c verifyCommand) Run(a *app) error {
	s, _, err := c.open(a)
	if err != nil {
		return err
	}
	defer s.Close()
	reports, err := s.VerifyAudit(a.ctx)
	if err != nil {
		return err
	}
	places := 0
	for _, r := range reports {
		if err := printReport(a.out, r); err != nil {
			return err
		}
		places += len(r.Breaks)
	}
	if places > 0 {
		return fault.New(fault.AuditBroken)
	}
	return nil
}

// printReport prints a line for what holds, or one for each place that does
// not.
func printReport(w io.Writer, r store.ChainReport) error {
	lines := make([]string, 0, len(r.Breaks)+2)
	for _, b := range r.Breaks {
		lines = append(lines, span(b.From, b.To)+": "+b.Problem)
	}
	switch {
	case len(lines) > 0:
	case r.Last < r.First:
		lines = append(lines, "nothing is kept")
	default:
		lines = append(lines, span(r.First, r.Last)+": intact, and the last one is "+r.Head)
	}
	if r.Uncovered > 0 {
		lines = append(lines, fmt.Sprintf("%d more from before there was a chain, of which nothing can be told", r.Uncovered))
	}
	for _, line := range lines {
		if _, err := fmt.Fprintf(w, "%s: %s\n", r.Name, line); err != nil {
			return err
		}
	}
	return nil
}

func span(from, to int64) string {
	if from >= to {
		return fmt.Sprintf("link %d", from)
	}
	return fmt.Sprintf("links %d to %d", from, to)
}
