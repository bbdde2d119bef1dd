package cli

import (
	"fmt"
	"text/tabwriter"
	"time"

	"flowyte/internal/control"
	"flowyte/internal/id"
)

type journalCommand struct {
	List    listWritesCommand   `cmd:"" default:"withargs" help:"List the writes whose end is open or unknown, and what to check. Works beside a running service."`
	Resolve resolveWriteCommand `cmd:"" help:"Settle a write of unknown end by what you found in the database."`
}

// journal opens the journal beside a service that may be running on it.
func (d dataFlags) journal(a *app, use func(*control.Journal) error) error {
	s, ring, err := d.open(a)
	if err != nil {
		return err
	}
	defer s.Close()
	return use(control.NewJournal(s, ring, a.log))
}

type listWritesCommand struct {
	dataFlags
	All bool `help:"Those that are settled, too."`
}

// Run prints a table without anything that a caller said.
func (c listWritesCommand) Run(a *app) error {
	return c.journal(a, func(j *control.Journal) error {
		entries, err := j.Entries(a.ctx, c.All)
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			_, err := fmt.Fprintln(a.err, "Nothing is open or unknown.")
			return err
		}
		w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tWHEN\tORGANISATION\tAGENT\tTOOL\tOBJECT\tSTATE\tREASON\tTOOL CALL\tCHECK")
		for _, e := range entries {
			reason := e.Reason
			if reason == "" {
				reason = "-"
			}
			fmt.Fprintf(w, "%s\t%s\t%q\t%s\t%s\t%q\t%s\t%s\t%q\t%s\n",
				e.ID, e.At.Format(time.RFC3339), e.Organisation, e.Agent, e.Tool, e.Object, e.State, reason, e.ToolCallID, e.Check)
		}
		return w.Flush()
	})
}

type resolveWriteCommand struct {
	dataFlags
	ID  string `arg:"" help:"The write's id, from the list: wrt_…"`
	End string `arg:"" enum:"committed,not-committed" help:"What you found: committed or not-committed."`
}

// Run settles the write.
func (c resolveWriteCommand) Run(a *app) error {
	return c.journal(a, func(j *control.Journal) error {
		if err := j.Settle(a.ctx, id.Write(c.ID), c.End == "committed"); err != nil {
			return err
		}
		_, err := fmt.Fprintln(a.err, "Settled. What the caller was told stays as it was.")
		return err
	})
}
