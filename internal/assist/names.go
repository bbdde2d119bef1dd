package assist

import (
	"fmt"
	"slices"
	"strings"

	"flowyte/internal/binding"
	"flowyte/internal/plan"
	"flowyte/internal/schema"
)

// spoken writes a name as people say it: short forms in full, in lower case.
func spoken(name string) string {
	var out []string
	list := schema.Words(name)
	for len(list) > 1 && (list[0] == "tbl" || list[0] == "tb" || list[0] == "t") {
		list = list[1:]
	}
	if len(list) > 1 && (list[len(list)-1] == "hdr" || list[len(list)-1] == "tbl") {
		list = list[:len(list)-1]
	}
	for _, w := range list {
		out = append(out, words.full(w)...)
	}
	return strings.Join(out, " ")
}

// called is how one row of an object is spoken of: "takeaway order".
func (o *object) called() string {
	list := strings.Fields(spoken(o.Name))
	if len(list) == 0 {
		return "row"
	}
	list[len(list)-1] = schema.Singular(list[len(list)-1])
	return strings.Join(list, " ")
}

// said is how a column is spoken of on its own object.
func (c *column) said() string {
	if s := spoken(c.Name); s != "" {
		return s
	}
	return "value"
}

func article(noun string) string {
	if strings.ContainsRune("aeiou", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}

// listed joins phrases: "a, b and c".
func listed(list []string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
}

// toolName is what people would call the skill. Words that voice platforms
// reserve make a name unusable; a plainer one is tried then.
func (d *draft) toolName(c *Catalog) string {
	noun := d.object.called()
	var tries []string
	switch d.intent.action {
	case create:
		tries = []string{"Create " + article(noun), "Create a new entry"}
	case change:
		if len(d.sets) == 1 && d.sets[0].constant != "" && states[d.intent.verb] != "" {
			tries = append(tries, strings.ToUpper(d.intent.verb[:1])+d.intent.verb[1:]+" "+article(noun))
		}
		if len(d.sets) == 1 {
			tries = append(tries, "Update the "+d.sets[0].column.said()+" of "+article(noun))
		}
		tries = append(tries, "Update "+article(noun), "Update an entry")
	default:
		tries = []string{"Look up " + article(noun) + " by " + d.filter.said(), "Look up " + article(noun), "Look up an entry"}
	}
	for _, name := range tries {
		if _, err := binding.MachineName(name); err == nil && len(name) <= 60 {
			return name
		}
	}
	return tries[len(tries)-1]
}

// describe tells the agent what the tool does.
func (d *draft) describe() string {
	noun := article(d.object.called())
	switch d.intent.action {
	case create:
		var fields []string
		for _, a := range d.sets {
			if a.constant == "" && a.system == "" {
				fields = append(fields, a.column.said())
			}
		}
		return fmt.Sprintf("Creates %s with %s.", noun, listed(fields))
	case change:
		var fields []string
		for _, a := range d.sets {
			fields = append(fields, a.column.said())
		}
		return fmt.Sprintf("Changes the %s of %s, found by %s.", listed(fields), noun, d.filter.said())
	}
	var leaves []string
	for _, w := range d.wants {
		leaves = append(leaves, w.said())
	}
	return fmt.Sprintf("Looks up %s by %s and returns %s.", noun, d.filter.said(), listed(leaves))
}

func (w want) said() string {
	if w.hop == nil {
		return w.column.said()
	}
	return spoken(w.hop.key.Relationship) + " " + w.column.said()
}

func describeParam(o *object, col *column) string {
	said := col.said()
	if strings.HasPrefix(said, o.called()) || col.hop != nil {
		return strings.ToUpper(said[:1]) + said[1:] + "."
	}
	return strings.ToUpper(said[:1]) + said[1:] + " of the " + o.called() + "."
}

// names gives parameters and leaves names that are used once.
type names struct{ params, leaves map[string]bool }

func newNames() *names { return &names{map[string]bool{}, map[string]bool{}} }

func once(taken map[string]bool, name string) string {
	fresh := name
	for n := 2; taken[fresh]; n++ {
		fresh = fmt.Sprintf("%s_%d", name, n)
	}
	taken[fresh] = true
	return fresh
}

// identifier makes [a-z][a-z0-9_]* of words, fallback when nothing is left.
func identifier(text, fallback string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(text) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9' && b.Len() > 0:
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "_"):
			b.WriteByte('_')
		}
	}
	s := strings.TrimRight(b.String()[:min(b.Len(), 60)], "_")
	if s == "" {
		return fallback
	}
	return s
}

func (n *names) leaf(w want) string {
	name := w.said()
	if w.hop != nil && strings.HasPrefix(w.column.said(), spoken(w.hop.key.Relationship)) {
		name = w.column.said()
	}
	return once(n.leaves, identifier(name, "value"))
}

// filter names the parameter of a look-up or of an update's key.
func (n *names) filter(d *draft) string {
	col := d.filter
	switch {
	case col.trait == phone && textual(col) && !staff(d.object):
		return once(n.params, string(plan.CallerPhone))
	case col.trait == email && textual(col) && !staff(d.object):
		return once(n.params, string(plan.CallerEmail))
	}
	return once(n.params, paramName(d.object, col))
}

// param names a parameter of a write. What the conversation knows of the caller
// goes into a new row by itself; a changed value must be said.
func (n *names) param(d *draft, col *column) string {
	if d.intent.action == create && !staff(d.object) {
		canonical := plan.Canonical("")
		switch {
		case col.trait == phone && textual(col):
			canonical = plan.CallerPhone
		case col.trait == email && textual(col):
			canonical = plan.CallerEmail
		case col.trait == personName && callersName(col):
			canonical = plan.CallerName
		}
		if canonical != "" && !n.params[string(canonical)] {
			return once(n.params, string(canonical))
		}
	}
	name := paramName(d.object, col)
	if d.intent.action == change {
		name = "new_" + name
	}
	return once(n.params, name)
}

// paramName is a column's name in full, with the object's where it would say
// too little.
func paramName(o *object, col *column) string {
	said := col.said()
	if col.trait == opaque && col.hop == nil && said == "id" || said == "number" || said == "code" || said == "name" || said == "reference" {
		said = o.called() + " " + said
	}
	return identifier(said, "value")
}

func callersName(col *column) bool {
	list := schema.Words(col.Name)
	return slices.ContainsFunc(list, func(w string) bool {
		return slices.ContainsFunc(words.full(w), func(l string) bool { return callers[stem(l)] })
	})
}

// callers are those whose own name the caller's is, and staff those whose
// numbers are not.
var (
	callers    = stemSet("caller", "customer", "guest", "client", "guardian", "contact", "reported", "subscriber", "policyholder", "visitor")
	staffWords = stemSet("doctor", "physician", "teacher", "instructor", "adjuster", "technician", "employee", "staff", "agent", "driver", "manager", "supplier", "vendor", "store", "branch", "nurse", "office", "department", "salesperson",
		"therapist", "engineer", "mechanic", "dentist", "lawyer", "attorney", "broker", "adviser", "advisor", "consultant", "lecturer", "professor", "tutor",
		"coach", "trainer", "stylist", "barber", "groomer", "vet", "veterinarian", "chef", "waiter", "cleaner", "plumber", "electrician", "courier", "pilot",
		"librarian", "counsellor", "counselor", "officer", "clerk", "representative", "operator", "dispatcher", "inspector", "surveyor", "contractor",
		"photographer", "pharmacist", "hygienist", "surgeon", "optician", "physiotherapist", "receptionist", "concierge", "caretaker", "guide", "host", "crew")
)

func staff(o *object) bool {
	return slices.ContainsFunc(strings.Fields(o.called()), func(w string) bool { return staffWords[stem(w)] })
}
