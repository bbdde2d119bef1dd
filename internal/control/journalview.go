package control

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"flowyte/api"
	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/live"
	"flowyte/internal/plan"
	"flowyte/internal/schema"
	"flowyte/internal/store"
)

// JournalEntry is one write as an operator sees it: without any value that a
// caller said or that the database holds.
type JournalEntry struct {
	ID           id.Write
	At           time.Time // of the intent
	Organisation string    // its name
	Agent        id.Agent
	Tool         string
	Object       string
	State        string
	Reason       string // "" for none
	ToolCallID   string
	// Check says what to look at in the database.
	Check string
}

// commitLimit is how long after its row was written a write may still commit:
// the server ends the transaction of a session that is silent for longer.
const commitLimit = 5 * time.Second

// Entries lists the writes whose end is open or unknown, or all of them, oldest
// first.
func (j *Journal) Entries(ctx context.Context, settled bool) ([]JournalEntry, error) {
	orgs, err := j.store.Orgs(ctx)
	if err != nil {
		return nil, err
	}
	names := map[id.Org]string{}
	for _, o := range orgs {
		names[o.ID] = o.Name
	}
	records, err := j.store.Writes(ctx, settled)
	if err != nil {
		return nil, err
	}
	list := make([]JournalEntry, 0, len(records))
	for i := range records {
		r := &records[i]
		list = append(list, JournalEntry{
			ID: r.ID, At: r.IntendedAt, Organisation: names[r.OrgID], Agent: r.AgentID, Tool: r.Tool, Object: r.Object, State: string(r.State),
			Reason: r.Reason, ToolCallID: r.ToolCallID, Check: j.check(r),
		})
	}
	return list, nil
}

// check is what an operator should look at to find out what became of a write.
func (j *Journal) check(r *store.WriteRecord) string {
	switch r.State {
	case store.WriteCommitted, store.WriteRolledBack:
		return "nothing, it is settled"
	case store.WriteIntended:
		return "nothing, its COMMIT was not sent; the service settles it"
	case store.WriteExecuted:
		return "nothing yet, the service asks the database"
	}
	w, err := j.thaw(r)
	if err != nil {
		w.Evidence = nil // what else is known helps all the same
	}
	parts := []string{rowToFind(&w)}
	if r.ExecutedAt != nil {
		parts = append(parts, fmt.Sprintf("written from %s to %s", stamp(r.IntendedAt), stamp(r.ExecutedAt.Add(commitLimit))))
	} else {
		parts = append(parts, "written from "+stamp(r.IntendedAt)+" on")
	}
	if w.Evidence != nil && w.Kind == schema.Postgres && w.Evidence.XID != "" {
		parts = append(parts, fmt.Sprintf("transaction %s: SELECT pg_xact_status('%[1]s')", w.Evidence.XID))
	}
	return strings.Join(parts, "; ")
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// rowToFind names the columns that a write set and those that find its row.
func rowToFind(w *live.Written) string {
	if w.Plan == nil {
		return "the rows written then"
	}
	var written, key []string
	for _, slot := range w.Plan.Slots {
		if slot.Column != "" {
			written = append(written, slot.Column)
		}
	}
	for _, r := range w.Plan.Results {
		if r.Key {
			key = append(key, r.From.Column)
		}
	}
	if w.Plan.Action == plan.Update {
		for _, u := range w.Plan.Uses {
			if u.Schema == w.Plan.Object.Schema && u.Object == w.Plan.Object.Object {
				key = slices.DeleteFunc(slices.Clone(u.Columns), func(c string) bool { return slices.Contains(written, c) })
			}
		}
		return fmt.Sprintf("one row by %s, columns %s", legible(key), legible(written))
	}
	if key == nil {
		return "a new row, columns " + legible(written)
	}
	return fmt.Sprintf("a new row, key %s, columns %s", legible(key), legible(written))
}

// legible lists names of columns for a terminal. They are whatever somebody
// called them: what is not plain stands in quotes and cannot command it.
func legible(names []string) string {
	shown := make([]string, len(names))
	for i, name := range names {
		if shown[i] = strconv.Quote(name); shown[i] == `"`+name+`"` && !strings.ContainsAny(name, " ,;") {
			shown[i] = name
		}
	}
	return strings.Join(shown, ", ")
}

// Settle ends a write of unknown end by what an operator found out. Faults:
// not_found, and write_not_unknown for one whose end is known or open.
func (j *Journal) Settle(ctx context.Context, write id.Write, committed bool) error {
	org, err := j.store.WriteOwner(ctx, write)
	if fault.Is(err, fault.NotFound) {
		return fault.New(fault.NotFound).WithDetail("There is no write with this id.").WithFix("`flowyte journal --all` shows the ids.")
	}
	if err != nil {
		return err
	}
	state, outcome := store.WriteRolledBack, api.OutcomeFailed
	if committed {
		state, outcome = store.WriteCommitted, api.OutcomeOK
	}
	return j.store.SettleWrite(ctx, store.Actor{Org: org}, write, state, string(outcome))
}
