package assist

import (
	"fmt"
	"strings"

	"flowyte/internal/schema"
)

// reasons say why a filter was chosen, after its name.
var reasons = map[reason]string{
	byWords:  "which the goal says is given",
	byPhrase: "which the goal narrows it down to",
	byCaller: "by which the service knows whoever calls",
	byHabit:  "which people usually have at hand, since the goal names nothing to look up by",
	byKey:    "for want of anything better that the goal names",
}

// rationale says in plain words which columns a draft takes and why. It holds
// names of the scoped catalogue and fixed phrases, and nothing that the goal
// said.
func (d *draft) rationale() string {
	var said []string
	switch d.intent.action {
	case create:
		said = append(said, fmt.Sprintf("Adds a row to %s.", d.object.public))
		said = append(said, d.whyWritten()...)
	case change:
		said = append(said, fmt.Sprintf("Changes the one row of %s that has the given %s, %s.", d.object.public, d.filter.Name, reasons[d.reason]))
		said = append(said, d.whyWritten()...)
	default:
		said = append(said, d.whyFound())
		said = append(said, d.whyReturned()...)
	}
	return strings.Join(said, " ")
}

func (d *draft) whyFound() string {
	found := fmt.Sprintf("Reads %s by %s, %s", d.object.public, d.filter.Name, reasons[d.reason])
	switch {
	case d.filter.alone:
		return found + "; at most one row has a value."
	case d.latest != nil:
		return fmt.Sprintf("%s; of several rows the latest by %s come first.", found, d.latest.Name)
	}
	return found + "; several rows may have a value."
}

// whyReturned groups the columns of an answer by how they got there.
func (d *draft) whyReturned() []string {
	var named, asked, labels, usual, personal []string
	for _, w := range d.wants {
		name := w.path()
		switch {
		case w.label:
			labels = append(labels, name)
		case len(w.by) > 0:
			named = append(named, name)
		case w.asked != "":
			asked = append(asked, name)
		default:
			usual = append(usual, name)
		}
		if schema.RefusedInWrites(w.column.class) {
			personal = append(personal, fmt.Sprintf("%s (%s)", name, w.column.class))
		}
	}
	var said []string
	for _, group := range []struct {
		names []string
		why   string
	}{
		{named, "Returns %s: named by the goal."},
		{asked, "Returns %s: what the goal's question asks for."},
		{labels, "Returns %s: it tells several rows apart."},
		{usual, "Returns %s: what such a row is usually about, since the goal names nothing more."},
		{personal, "Sensitive: %s."},
	} {
		if len(group.names) > 0 {
			said = append(said, fmt.Sprintf(group.why, listed(group.names)))
		}
	}
	return said
}

func (w want) path() string {
	if w.hop == nil {
		return w.column.Name
	}
	return w.hop.key.Relationship + "." + w.column.Name
}

// whyWritten tells what is asked of the caller, what is filled in, and what a
// person should check.
func (d *draft) whyWritten() []string {
	var asked, free, system, fixed []string
	guessed := false
	for _, a := range d.sets {
		switch {
		case a.system != "":
			system = append(system, fmt.Sprintf("%s (%s)", a.column.Name, a.system))
		case a.constant != "":
			fixed = append(fixed, fmt.Sprintf("%s to %s", a.column.Name, a.constant))
			guessed = guessed || a.column.Type == schema.String
		case a.optional:
			free = append(free, a.column.Name)
		default:
			asked = append(asked, a.column.Name)
		}
	}
	var said []string
	for _, group := range []struct {
		names []string
		why   string
	}{
		{asked, "The caller gives %s."},
		{free, "The caller may give %s."},
		{system, "The service fills in %s."},
		{fixed, "Always sets %s."},
	} {
		if len(group.names) > 0 {
			said = append(said, fmt.Sprintf(group.why, listed(group.names)))
		}
	}
	if guessed {
		said = append(said, "The database does not tell which values that column takes: check the word.")
	}
	return said
}
