package assist

import (
	"slices"

	"flowyte/api"
)

// draft is one way to serve a goal, before it is compiled.
type draft struct {
	object *object
	intent intent
	// filter is the condition of a look-up, or the key of an update.
	filter    *column
	filterFit float64
	reason    reason // why this filter
	wants     []want
	sets      []assignment
	// terms is how many different columns the caller is to supply.
	terms     int
	explained float64
	named     float64
	latest    *column // orders the rows, newest first

	score      float64
	confidence float64
	request    api.BindingRequest
}

// reason is how a filter was found.
type reason int

const (
	byNothing reason = iota
	byWords          // the goal says what is supplied
	byPhrase         // "in a city"
	byCaller         // somebody asks for his own things
	byHabit          // what such a thing is usually found by
	byKey            // nothing better than the key
)

// want is one column of the answer.
type want struct {
	column *column
	hop    *hop // nil for the object's own
	share  float64
	by     []int
	asked  string // the question word that asks for it
	label  bool   // it tells rows apart
}

// assignment is one column of a write.
type assignment struct {
	column   *column
	constant string // "" for a parameter or a system value
	system   string
	optional bool
	share    float64
	by       []int
}

// account finds the share of the goal's words that the draft makes use of.
func (d *draft) account(m *match) {
	sum, total := 0.0, 0.0
	for w := range m.goal.words {
		g := &m.goal.words[w]
		top := m.names(w, d.object)
		if d.filter != nil {
			f := m.best(w, d.filter.words)
			if g.role != given && d.reason != byPhrase {
				f *= 0.6
			}
			top = max(top, f)
		}
		for _, c := range d.wants {
			f := m.best(w, c.column.words)
			if c.hop != nil {
				f = max(0.85*f, 0.85*m.best(w, c.hop.words))
			}
			top = max(top, 0.95*f)
		}
		for _, a := range d.sets {
			top = max(top, 0.95*m.best(w, a.column.words))
			if a.constant != "" && slices.Contains(a.by, w) {
				top = 1
			}
		}
		for _, h := range d.object.hops {
			top = max(top, 0.5*m.best(w, h.words))
		}
		for _, c := range d.object.columns {
			top = max(top, 0.3*m.best(w, c.words))
		}
		sum += g.weight * top
		total += g.weight
	}
	d.explained = sum / max(total, 0.01)
	if d.reason == byWords && m.supplies(d) && !m.namedAndSupplied() {
		d.named = max(d.named, 0.85)
	}
	for _, c := range d.wants {
		if c.hop == nil && len(c.by) > 0 && m.goal.mine && d.object.person && !staff(d.object) {
			d.named = max(d.named, 0.8) // one's own
		}
		if c.hop == nil && m.tells(c) {
			d.named = max(d.named, rareName*min(c.share, 1)) // nothing else has such a column
		}
		if c.hop != nil && len(c.by) == 1 && m.best(c.by[0], plainWords(c.hop.words)) >= sameFit {
			d.named = max(d.named, 0.6) // "which doctor" is asked of the appointment
		}
	}
}

// namedAndSupplied tells whether some object is named well that could be found
// by what is supplied: "the requirements of a department" are no rows of
// requirements where those know no department.
func (m *match) namedAndSupplied() bool {
	if m.top < namedEnough {
		return false
	}
	return slices.ContainsFunc(m.cat.objects, func(o *object) bool { return m.nameFit(o) >= namedEnough && m.suppliedOn(o) })
}

// namedEnough: where some object is named so well, no column speaks for another.
const namedEnough = 0.75

// rareName is how well an object is named by a column that hardly any other has.
const rareName = 0.7

// tells tells whether a column's name holds a word that was said and that at
// most two objects know.
func (m *match) tells(c want) bool {
	return slices.ContainsFunc(c.by, func(w int) bool {
		return m.goal.words[w].weight >= 0.5 && slices.ContainsFunc(c.column.words, func(n nameWord) bool {
			return n.weight == 1 && m.fit[w][n.id] >= sameFit && m.cat.in[n.id] <= 2
		})
	})
}

// supplies tells whether what is supplied is called exactly like the filter,
// and hardly any other object has such a column.
func (m *match) supplies(d *draft) bool {
	switch d.filter.trait {
	case phone, email, personName, opaque:
		return false
	}
	return d.filterFit >= 0.95 && m.cat.alike[d.filter.alias()] <= 2
}
