package assist

import (
	"encoding/json"
	"slices"
	"strings"

	"flowyte/internal/schema"
)

// creations are the drafts of an insert into o.
func (m *match) creations(o *object, in intent) []*draft {
	if !writable(o) || !o.CanInsert && !slices.ContainsFunc(o.columns, func(c *column) bool { return c.CanInsert }) {
		return nil
	}
	d := &draft{object: o, intent: in, filterFit: 1, named: m.nameFit(o)}
	said := m.fields(o)
	listed := len(said) > 0
	for _, col := range o.columns {
		if !assignable(col) {
			if needed(col) {
				return nil
			}
			continue
		}
		i := slices.IndexFunc(said, func(w want) bool { return w.column == col })
		switch {
		case i >= 0:
			d.sets = append(d.sets, assignment{column: col, optional: col.Nullable, share: said[i].share, by: said[i].by})
		case needed(col):
			d.sets = append(d.sets, fill(m, col))
		case col.Nullable && (col.trait == text || col.trait == personName && !listed) && col.class != schema.ClassHealth && !listed:
			d.sets = append(d.sets, assignment{column: col, optional: true})
		}
	}
	if len(d.sets) == 0 || !slices.ContainsFunc(d.sets, func(a assignment) bool { return a.constant == "" && a.system == "" }) {
		return nil
	}
	d.account(m)
	return []*draft{d}
}

func writable(o *object) bool {
	return (o.Type == schema.Table || o.Type == schema.PartitionedTable) && o.Transactional
}

func assignable(col *column) bool {
	return !col.Generated && !col.Identity && !col.Invisible && !schema.RefusedInWrites(col.class) && col.Type.Scalar() && col.BaseType != "set"
}

// needed tells whether a row cannot be made without a value for the column.
func needed(col *column) bool {
	return !col.Nullable && !col.HasDefault && !col.Generated && !col.Identity
}

// fields are the columns that a write's goal names.
func (m *match) fields(o *object) []want {
	var use []int
	for i := range m.goal.words {
		w := &m.goal.words[i]
		if w.role == silent || w.actor || w.hint || m.names(i, o) >= sameFit && w.role != wanted {
			continue
		}
		use = append(use, i)
	}
	var all []want
	for _, col := range o.columns {
		if !assignable(col) || col.trait == opaque && col.key {
			continue
		}
		share, by, telling := m.cover(col.words, use, true)
		if col.hop != nil {
			for _, w := range use {
				if f := m.best(w, plainWords(col.hop.words)); f >= sameFit && m.goal.words[w].role != silent {
					share, telling = max(share, 0.9*f), true
					by = append(by, w)
				}
			}
		}
		if telling && share >= enough {
			all = append(all, want{column: col, share: share, by: by})
		}
	}
	all = best(all)
	return m.askedFields(o, all)
}

// askedFields adds the columns that question words of a write stand for: "when
// it happened", "who is calling".
func (m *match) askedFields(o *object, found []want) []want {
	add := func(col *column) {
		if col != nil && assignable(col) && !slices.ContainsFunc(found, func(w want) bool { return w.column == col }) {
			found = append(found, want{column: col, share: enough})
		}
	}
	for _, a := range m.goal.asks {
		said := m.inClause(found, a.clause)
		is := func(t trait) bool {
			return slices.ContainsFunc(said, func(w want) bool { return w.column.trait == t })
		}
		switch {
		case a.kind == "who" && !is(personName):
			add(primary(o, personName))
		case a.kind == "when" && !is(moment):
			add(primary(o, moment))
		case a.kind == "where" && !is(place):
			add(primary(o, place))
		case a.kind == "what" && len(said) == 0:
			add(primary(o, text))
		}
	}
	return found
}

// fill gives a needed column that the goal does not mention its value: the
// system's where one fits, a first state, or a parameter.
func fill(m *match, col *column) assignment {
	a := assignment{column: col}
	switch {
	case col.trait == stamp && (col.Type == schema.DateTime || col.Type == schema.Date):
		a.system = "now"
	case col.Type == schema.UUID && col.hop == nil:
		a.system = "uuid"
	case col.trait == sayable && col.alone && col.Type == schema.String && (col.MaxLength == nil || *col.MaxLength >= 36):
		a.system = "uuid"
	case col.trait == status:
		a.constant = firstState(col)
	case col.trait == flag:
		a.constant = "false"
	}
	return a
}

var firstStates = []string{"new", "open", "requested", "pending", "received", "booked", "scheduled", "reported", "draft", "created", "active"}

// firstState is how a new row begins, as a JSON text.
func firstState(col *column) string {
	if col.Type != schema.Enum {
		if col.Type == schema.String && (col.MaxLength == nil || *col.MaxLength >= len(firstStates[0])) {
			return quoteJSON(firstStates[0])
		}
		return ""
	}
	for _, s := range firstStates {
		for _, v := range col.EnumValues {
			if strings.EqualFold(v, s) {
				return quoteJSON(v)
			}
		}
	}
	return ""
}

func quoteJSON(s string) string {
	b, err := json.Marshal(s)
	if err != nil { // a string always has a JSON form
		panic("assist: " + err.Error())
	}
	return string(b)
}

// changes are the drafts of an update of o.
func (m *match) changes(o *object, in intent) []*draft {
	if !writable(o) || !o.CanUpdate && !slices.ContainsFunc(o.columns, func(c *column) bool { return c.CanUpdate }) {
		return nil
	}
	keys, terms := m.filters(o, func(col *column) bool { return col.unique && filterType(col) })
	var list []*draft
	for _, k := range keys {
		sets := m.assignments(o, k.column, in)
		if len(sets) == 0 {
			continue
		}
		d := &draft{object: o, intent: in, filter: k.column, filterFit: k.fit, reason: k.reason, sets: sets, terms: terms, named: m.nameFit(o)}
		d.account(m)
		list = append(list, d)
	}
	return list
}

func filterType(col *column) bool {
	switch col.Type {
	case schema.String, schema.Integer, schema.UUID:
		return !schema.RefusedInWrites(col.class)
	}
	return false
}

// states are what a verb alone makes of a row.
var states = map[string]string{
	"cancel": "cancelled", "confirm": "confirmed", "close": "closed", "approve": "approved", "reject": "rejected", "decline": "declined",
	"complete": "completed", "reopen": "open", "activate": "active", "deactivate": "inactive", "suspend": "suspended", "accept": "accepted",
	"block": "blocked", "unblock": "active", "lock": "locked", "unlock": "active", "freeze": "frozen", "resolve": "resolved", "escalate": "escalated",
}

// moves are verbs that change when something happens.
var moves = set("move", "reschedule", "postpone", "rebook", "shift")

// assignments are the columns that an update's goal wants changed.
func (m *match) assignments(o *object, key *column, in intent) []assignment {
	found := slices.DeleteFunc(m.changed(o), func(w want) bool { return w.column == key || w.column.key })
	if state, ok := states[in.verb]; ok && (len(found) == 0 || !slices.ContainsFunc(found, func(w want) bool { return w.share >= 0.9 })) {
		if a, ok := toState(o, state); ok {
			return []assignment{a}
		}
		if !slices.ContainsFunc(found, func(w want) bool { return w.column.trait == status || w.column.trait == flag }) {
			return nil // cancelling changes a state and nothing else
		}
	}
	if a, ok := verbFlag(o, in.verb); ok {
		return []assignment{a}
	}
	if a, ok := m.toValue(o); ok {
		return []assignment{a}
	}
	if moves[in.verb] {
		found = slices.DeleteFunc(found, func(w want) bool { return w.column.trait == title || w.column.trait == personName })
	}
	if moves[in.verb] && !slices.ContainsFunc(found, func(w want) bool { return w.column.trait == moment || w.column.trait == place }) {
		if col := primary(o, moment); col != nil && col != key && assignable(col) {
			return []assignment{{column: col, share: enough}}
		}
	}
	if len(found) == 0 && m.goal.has("time", "date", "day") {
		if col := primary(o, moment); col != nil && col != key && assignable(col) {
			return []assignment{{column: col, share: enough}}
		}
	}
	var list []assignment
	for _, w := range found {
		list = append(list, assignment{column: w.column, share: w.share, by: w.by})
	}
	return list
}

// changed are the columns that the goal names beside the key.
func (m *match) changed(o *object) []want {
	var use []int
	for i := range m.goal.words {
		w := &m.goal.words[i]
		if w.role == given || w.role == silent || w.actor || w.hint || m.names(i, o) >= sameFit || w.owns && m.names(i, o) >= meansFit || m.modifies(i, o) {
			continue
		}
		use = append(use, i)
	}
	var all []want
	for _, col := range o.columns {
		if !assignable(col) || col.Nullable && col.trait == opaque && col.hop == nil {
			continue
		}
		share, by, telling := m.cover(col.words, use, true)
		if col.hop != nil {
			for _, w := range use {
				if f := m.best(w, plainWords(col.hop.words)); f >= sameFit && m.names(w, o) < sameFit {
					share, telling = max(share, 0.8*f), true
					by = append(by, w)
				}
			}
		}
		if telling && share >= enough {
			all = append(all, want{column: col, share: share, by: by})
		}
	}
	return best(all)
}

// modifies tells whether a word only says which rows of an object: the engineer
// of "an engineer visit".
func (m *match) modifies(w int, o *object) bool {
	if w+1 >= len(m.goal.words) {
		return false
	}
	g, next := &m.goal.words[w], &m.goal.words[w+1]
	return !g.owns && g.preposed == next.preposed && g.clause == next.clause && g.role == next.role && m.names(w+1, o) >= sameFit
}

// verbFlag: to excuse an absence is to say yes to its column excused.
func verbFlag(o *object, verb string) (assignment, bool) {
	for _, col := range o.columns {
		if list := schema.Words(col.Name); col.trait == flag && assignable(col) && len(list) == 1 && verb != "" && stem(list[0]) == verb {
			return assignment{column: col, constant: "true", share: 1}, true
		}
	}
	return assignment{}, false
}

// toState sets the status of a row, or the flag that a verb stands for.
func toState(o *object, state string) (assignment, bool) {
	for _, col := range o.columns {
		if col.trait == flag && assignable(col) && stem(strings.ToLower(col.Name)) == stem(state) {
			return assignment{column: col, constant: "true"}, true
		}
	}
	col := primary(o, status)
	if col == nil || !assignable(col) {
		return assignment{}, false
	}
	a := assignment{column: col, share: 1}
	switch {
	case col.Type == schema.Enum:
		for _, v := range col.EnumValues {
			if list := schema.Words(v); len(list) > 0 && stem(list[0]) == stem(state) {
				a.constant = quoteJSON(v)
			}
		}
	case col.Type == schema.String && (col.MaxLength == nil || *col.MaxLength >= len(state)):
		a.constant = quoteJSON(state)
	}
	return a, true
}

// toValue: "set a work order to ready", where ready is one of the values that
// the column can have.
func (m *match) toValue(o *object) (assignment, bool) {
	for i := range m.goal.words {
		w := &m.goal.words[i]
		if w.role == given || w.preposed != "to" && w.preposed != "as" {
			continue
		}
		for _, col := range o.columns {
			if col.trait == flag && assignable(col) && m.best(i, col.words) >= sameFit {
				value := "true"
				if at := slices.Index(m.goal.raw, w.text); at > 0 && m.goal.raw[at-1] == "not" {
					value = "false"
				}
				return assignment{column: col, constant: value, share: 1, by: []int{i}}, true
			}
		}
	}
	for _, col := range o.columns {
		if col.Type != schema.Enum || !assignable(col) {
			continue
		}
		for _, v := range col.EnumValues {
			for i := range m.goal.words {
				w := &m.goal.words[i]
				if list := schema.Words(v); w.role != given && (w.preposed == "to" || w.preposed == "as") && len(list) > 0 && stem(list[0]) == w.stem {
					return assignment{column: col, constant: quoteJSON(v), share: 1, by: []int{i}}, true
				}
			}
		}
	}
	return assignment{}, false
}
