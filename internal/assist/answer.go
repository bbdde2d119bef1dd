package assist

import (
	"slices"
	"strings"

	"flowyte/internal/schema"
)

// answer is what a question word asks for: columns of some traits, and where
// none was named, those that it stands for.
type answer struct {
	traits []trait
	give   func(*object) []*column
}

var whether = answer{[]trait{status, flag, counted, money, text}, func(o *object) []*column { return some(primary(o, status)) }}

// answersTo are the answers to question words; "who" and "which" look further.
var answersTo = map[string]answer{
	"when":    {[]trait{moment, stamp}, dated},
	"why":     {[]trait{text}, explaining},
	"long":    {[]trait{moment, counted, stamp}, lasting},
	"where":   {[]trait{place}, located},
	"much":    {[]trait{money, counted}, func(o *object) []*column { return some(primary(o, money)) }},
	"many":    {[]trait{counted, money}, func(o *object) []*column { return some(primary(o, counted)) }},
	"yes":     whether,
	"whether": whether,
	"if":      whether,
}

// some is a list of a column that may be nil.
func some(col *column) []*column {
	if col == nil {
		return nil
	}
	return []*column{col}
}

// answers adds what a question word asks for and no name was said of.
func (m *match) answers(o *object, filter *column, found []want) []want {
	found = m.generic(o, filter, found)
	for _, a := range m.goal.asks {
		for _, col := range m.answerTo(o, a, found) {
			found = taken(found, filter, want{column: col, share: enough, asked: a.kind})
		}
		if people[a.kind] && !hasTrait(m.inClause(found, a.clause), personName) {
			found = m.person(o, found)
		}
	}
	if !filter.alone && len(found) > 0 && !o.person {
		// A title tells the rows apart.
		if i := slices.IndexFunc(o.columns, func(c *column) bool { return c.trait == title }); i >= 0 {
			found = taken(found, filter, want{column: o.columns[i], share: enough, label: true})
		}
	}
	return found
}

var people = set("who", "whom", "whose")

// taken takes a column up once, and never the one that the row is found by.
func taken(found []want, filter *column, w want) []want {
	if w.column == filter || slices.ContainsFunc(found, func(other want) bool { return other.column == w.column }) {
		return found
	}
	return append(found, w)
}

func hasTrait(list []want, traits ...trait) bool {
	return slices.ContainsFunc(list, func(w want) bool { return slices.Contains(traits, w.column.trait) })
}

// answerTo are the columns of the object itself that a question asks for and
// its clause does not name.
func (m *match) answerTo(o *object, a ask, found []want) []*column {
	said := m.inClause(found, a.clause)
	known, ok := answersTo[a.kind]
	switch {
	case a.kind == "which" || a.kind == "what":
		if a.next < len(m.goal.words) && m.names(a.next, o) >= sameFit && len(found) > 0 {
			return readable(o)
		}
		return nil
	case !ok || hasTrait(said, known.traits...):
		return nil
	case a.kind == "yes" || a.kind == "whether" || a.kind == "if":
		if m.toldElsewhere(found, a.clause) {
			return nil
		}
		if len(said) == 0 && primary(o, status) == nil {
			return append(some(primary(o, moment)), some(primary(o, money))...)
		}
	}
	return known.give(o)
}

// toldElsewhere tells whether another part of the goal says outright what is to
// be told.
func (m *match) toldElsewhere(found []want, clause int) bool {
	return slices.ContainsFunc(found, func(w want) bool {
		return w.share >= 0.8 && slices.ContainsFunc(w.by, func(i int) bool {
			return m.goal.words[i].role == wanted && m.goal.words[i].clause != clause && m.goal.words[i].sentence > 0
		})
	})
}

// dated are the columns that say when: a date and a time of day belong
// together.
func dated(o *object) []*column {
	first := primary(o, moment, stamp)
	if first == nil {
		return nil
	}
	list := some(first)
	for _, col := range o.columns {
		if col.trait == moment && col.Type != first.Type && col.Type != schema.DateTime && first.Type != schema.DateTime {
			list = append(list, col)
		}
	}
	return list
}

var (
	lastingWords    = stemSet("duration", "minutes", "hours", "days", "months", "length", "arrival", "eta")
	locatedWords    = stemSet("location", "position", "whereabouts", "place", "room", "site", "shelf", "aisle", "spot")
	explainingWords = stemSet("reason", "cause", "purpose")
)

// lasting is a column that counts time, or else one that says when.
func lasting(o *object) []*column {
	if col := called(o, lastingWords, counted); col != nil {
		return some(col)
	}
	return some(primary(o, moment))
}

// explaining is a column that gives reasons, or else any description.
func explaining(o *object) []*column {
	if col := called(o, explainingWords, text, plain, title); col != nil {
		return some(col)
	}
	return some(primary(o, text))
}

// located is a column that says where something is, or else any address.
func located(o *object) []*column {
	if col := called(o, locatedWords, place, plain, sayable, title); col != nil {
		return some(col)
	}
	return some(primary(o, place))
}

func called(o *object, names map[string]bool, traits ...trait) *column {
	for _, col := range o.columns {
		if !slices.Contains(traits, col.trait) {
			continue
		}
		for _, w := range strings.Fields(spoken(col.Name)) {
			if names[stem(w)] {
				return col
			}
		}
	}
	return nil
}

// generic adds what "the time" or "the name" stands for where no column is
// called so.
func (m *match) generic(o *object, filter *column, found []want) []want {
	for i := range m.goal.words {
		w := &m.goal.words[i]
		if w.role != wanted || slices.ContainsFunc(found, func(c want) bool { return slices.Contains(c.by, i) }) {
			continue
		}
		var more []*column
		switch w.stem {
		case "time", "date", "day":
			more = append(more, primary(o, moment))
		case "name":
			if w.owner < 0 {
				more = readable(o)
			}
		case "cost", "price", "fee", "charg":
			more = append(more, primary(o, money))
		}
		for _, col := range more {
			if col != nil && col != filter && !slices.ContainsFunc(found, func(c want) bool { return c.column == col }) {
				found = append(found, want{column: col, share: enough, by: []int{i}})
			}
		}
	}
	return found
}

// inClause are the columns that words of a clause named.
func (m *match) inClause(found []want, clause int) []want {
	var list []want
	for _, w := range found {
		if slices.ContainsFunc(w.by, func(i int) bool { return m.goal.words[i].clause == clause }) {
			list = append(list, w)
		}
	}
	return list
}

// person adds the people that a row leads to.
func (m *match) person(o *object, found []want) []want {
	for _, h := range o.hops {
		if h.target.person {
			for _, col := range readable(h.target) {
				if !slices.ContainsFunc(found, func(w want) bool { return w.column == col && w.hop == h }) {
					found = append(found, want{column: col, hop: h, share: enough, asked: "who"})
				}
			}
			return found
		}
	}
	for _, col := range o.columns {
		if col.trait == personName {
			found = append(found, want{column: col, share: enough, asked: "who"})
		}
	}
	return found
}

// headline is what a row is about when nothing in particular is asked for.
func (m *match) headline(o *object, filter *column) []want {
	var found []want
	add := func(col *column, h *hop) {
		if col != nil && col != filter && len(found) < 6 && !slices.ContainsFunc(found, func(w want) bool { return w.column == col }) {
			found = append(found, want{column: col, hop: h, share: enough})
		}
	}
	for _, col := range o.columns {
		if col.trait == personName || col.trait == title {
			add(col, nil)
		}
	}
	add(primary(o, status), nil)
	add(primary(o, moment), nil)
	add(primary(o, money), nil)
	add(primary(o, counted), nil)
	for _, h := range o.hops {
		if h.column == nil || h.column == filter || h.target.person && slices.ContainsFunc(found, func(w want) bool { return w.column.trait == personName }) {
			continue
		}
		if names := readable(h.target); len(names) == 1 {
			add(names[0], h)
		}
	}
	for _, want := range [][]trait{{counted}, {moment}, {flag}, {place}, {email, phone}, {plain}, {sayable}, {text}, {stamp}} {
		for _, col := range o.columns {
			if col.trait == sayable && col.searchable && !col.alone {
				continue // the key of something else
			}
			if slices.Contains(want, col.trait) && col.class != schema.ClassDateOfBirth && len(found) < 4 {
				add(col, nil)
			}
		}
	}
	return found
}

// readable are the columns by which people know a row.
func readable(o *object) []*column {
	order := []trait{title, sayable, personName}
	if o.person {
		order = []trait{personName, title, sayable}
	}
	for _, t := range order {
		var list []*column
		for _, col := range o.columns {
			if col.trait == t {
				list = append(list, col)
			}
		}
		if t == personName && len(list) > 0 {
			return list[:min(len(list), 2)]
		}
		if len(list) > 0 {
			return list[:1]
		}
	}
	return nil
}

// primary is the foremost column of one of the traits, tried in order.
func primary(o *object, traits ...trait) *column {
	for _, t := range traits {
		var top *column
		score := -1
		for _, col := range o.columns {
			if col.trait != t {
				continue
			}
			if s := prominence(col); s > score {
				top, score = col, s
			}
		}
		if top != nil {
			return top
		}
	}
	return nil
}

// The words that make a column the foremost of its kind.
var foremost = map[trait][]map[string]bool{
	moment:  {stemSet("start", "starts", "reserved", "scheduled", "appointment", "visit", "meets", "event", "begins", "departs", "dropoff", "when"), stemSet("due", "ready", "eta", "arrival", "promised", "expires", "expiry", "end", "paid", "delivery", "closes", "restore")},
	money:   {stemSet("balance", "due", "owed", "outstanding"), stemSet("total", "amount", "price", "premium", "fee")},
	status:  {stemSet("status")},
	counted: {stemSet("quantity", "hand", "left", "remaining", "points")},
	place:   {stemSet("location", "address", "room")},
}

func prominence(col *column) int {
	for rank, set := range foremost[col.trait] {
		for _, w := range schema.Words(col.Name) {
			for _, long := range words.full(w) {
				if set[stem(long)] {
					return 10 - 3*rank - len(col.words)
				}
			}
		}
	}
	return max(0, 4-len(col.words))
}
