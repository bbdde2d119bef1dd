package assist

import (
	"slices"

	"flowyte/internal/schema"
)

// maxWants is the most columns that a proposal returns: more cannot be said on
// a call.
const maxWants = 8

// enough of a name must be said for a column to be meant, and a column that is
// hardly worse than the best for some word is meant as well.
const (
	enough       = 0.4
	enoughAcross = 0.5
	nearly       = 0.85
)

// lookups are the drafts of a look-up on o.
func (m *match) lookups(o *object, in intent) []*draft {
	filters, terms := m.filters(o, func(col *column) bool { return filterable(o, col) })
	var list []*draft
	for _, f := range filters {
		d := &draft{object: o, intent: in, filter: f.column, filterFit: f.fit, reason: f.reason, terms: terms, named: m.nameFit(o)}
		d.wants = m.wants(o, f.column)
		if len(d.wants) == 0 {
			continue
		}
		if !f.column.alone {
			d.latest = primary(o, moment, stamp)
		}
		d.account(m)
		list = append(list, d)
	}
	return list
}

// filterable tells whether an equality on the column can be a skill's filter;
// the compiler has the last word.
func filterable(o *object, col *column) bool {
	if col.class != "" && schema.RefusedInWrites(col.class) && col.class != schema.ClassDateOfBirth {
		return false
	}
	switch col.Type {
	case schema.Boolean, schema.Enum, schema.JSON, schema.Bytes, schema.Array, schema.Unsupported, "":
		return false
	}
	return col.searchable
}

// wants are the columns that the goal asks for.
func (m *match) wants(o *object, filter *column) []want {
	use := m.asked(o)
	found := m.meant(o, filter, use)
	found = m.answers(o, filter, found)
	if !slices.ContainsFunc(found, func(w want) bool { return !m.added(w) }) {
		for _, w := range m.headline(o, filter) {
			if !slices.ContainsFunc(found, func(other want) bool { return other.column == w.column }) {
				found = append(found, w)
			}
		}
	}
	slices.SortStableFunc(found, func(a, b want) int { return firstWord(a) - firstWord(b) })
	return found[:min(len(found), maxWants)]
}

// added tells whether a column was asked for on top of what is usual: "look up
// the grades with the class title".
func (m *match) added(w want) bool {
	return len(w.by) > 0 && !slices.ContainsFunc(w.by, func(i int) bool { return m.goal.words[i].preposed != "with" || m.goal.words[i].sentence > 0 })
}

func firstWord(w want) int {
	if len(w.by) == 0 {
		return 1 << 20
	}
	return slices.Min(w.by)
}

// asked are the words that may name what is wanted.
func (m *match) asked(o *object) []int {
	var use []int
	for i := range m.goal.words {
		w := &m.goal.words[i]
		if w.role == given || w.role == silent || w.actor {
			continue
		}
		if w.hint || m.names(i, o) >= sameFit && (!m.exactly(i, o) || w.role == aim && w.sentence == 0 && w.preposed == "" && m.heads(i)) {
			continue // the object itself
		}
		if w.role == aim && (w.faint && w.owner < 0 && w.preposed == "" && w.stem != "name" || about[w.preposed]) || about[w.preposed] && (w.indefinite || w.possessed) {
			continue
		}
		use = append(use, i)
	}
	return use
}

// heads tells whether a word is the last of the noun phrase that a goal is
// about: the deliveries of "find deliveries for a recipient".
func (m *match) heads(w int) bool {
	if w+1 == len(m.goal.words) {
		return true
	}
	g, next := &m.goal.words[w], &m.goal.words[w+1]
	return !g.owns && (next.preposed != g.preposed || next.clause != g.clause || next.role != g.role)
}

// exactly tells whether a column is called by just this word, although it may
// stand for the object as well.
func (m *match) exactly(w int, o *object) bool {
	return slices.ContainsFunc(o.columns, func(c *column) bool {
		return slices.ContainsFunc(c.words, func(n nameWord) bool { return !n.self && n.weight == 1 && m.fit[w][n.id] == 1 })
	})
}

// meant are the columns whose names are said, the object's own and those one
// relationship away.
func (m *match) meant(o *object, filter *column, use []int) []want {
	var all []want
	for _, col := range o.columns {
		if col == filter || !col.Type.Scalar() || col.trait == opaque && !m.saysIDOf(col, use) {
			continue
		}
		share, by, telling := m.cover(col.words, use, true)
		if telling && share >= enough {
			all = append(all, want{column: col, share: share * m.ownership(o, nil, by), by: by})
		}
	}
	for _, h := range o.hops {
		all = append(all, m.meantAcross(o, h, use)...)
	}
	return best(all)
}

// about are prepositions whose phrase says which row is meant.
var about = set("in", "for", "on", "at", "from", "under")

func (m *match) saysIDOf(col *column, use []int) bool {
	return col.hop == nil && m.saysID(use)
}

// meantAcross are the columns of a relationship's target that are said, or its
// name when only it is.
func (m *match) meantAcross(o *object, h *hop, use []int) []want {
	mention, at := 0.0, -1
	for w := range m.goal.words {
		if g := &m.goal.words[w]; g.actor && g.person || m.names(w, o) >= sameFit {
			continue
		}
		if f := m.best(w, plainWords(h.words)); f > mention {
			mention, at = f, w
		}
	}
	var all []want
	for _, col := range h.target.columns {
		if !col.Type.Scalar() || col.trait == opaque || col.trait == secret || col.trait == stamp {
			continue
		}
		share, by, telling := m.cover(col.words, use, mention >= meansFit)
		if !telling || share < enough || onlyNames(m, by, h) {
			continue
		}
		if mention < meansFit {
			share *= 0.6
		} else {
			share *= 0.97 * m.ownership(o, h, by)
		}
		if share >= enoughAcross {
			all = append(all, want{column: col, hop: h, share: share, by: by})
		}
	}
	if mention < meansFit || at < 0 || !m.asksFor(o, h, at, len(all) == 0) {
		return all
	}
	for _, col := range readable(h.target) {
		all = append(all, want{column: col, hop: h, share: 0.8 * mention, by: []int{at}})
	}
	return all
}

// onlyNames tells whether the words that fit a target's column do no more than
// name the target.
func onlyNames(m *match, by []int, h *hop) bool {
	return !slices.ContainsFunc(by, func(w int) bool { return m.best(w, plainWords(h.words)) < sameFit })
}

func plainWords(list []nameWord) []nameWord {
	return slices.DeleteFunc(slices.Clone(list), func(w nameWord) bool { return w.weight < 0.5 && !w.person })
}

// asksFor tells whether a word that names another object asks for it: "which
// doctor", "return the product"; alone says that nothing of it was named.
func (m *match) asksFor(o *object, h *hop, at int, alone bool) bool {
	g := &m.goal.words[at]
	if g.role != wanted || g.owns || about[g.preposed] {
		return false
	}
	asked := false
	for _, a := range m.goal.asks {
		if a.clause != g.clause {
			continue
		}
		asked = true
		if (a.kind == "which" || a.kind == "what" || people[a.kind]) && (a.next == at || a.next+1 == at && m.qualifies(a.next, o, h)) {
			return true
		}
	}
	return alone && !asked
}

// ownership raises or lowers a column by whose it is said to be: "the
// adjuster's name" is not the name of the claim.
func (m *match) ownership(o *object, h *hop, by []int) float64 {
	factor := 1.0
	for _, w := range by {
		owner := m.goal.words[w].owner
		if owner < 0 || owner >= len(m.goal.words) {
			continue
		}
		own := m.names(owner, o)
		for _, other := range o.hops {
			fits := m.best(owner, plainWords(other.words))
			if fits < meansFit || fits <= own {
				continue
			}
			if other == h {
				return 1.15
			}
			factor = 0.5
		}
	}
	return factor
}

// qualifies tells whether a word only says more about the next one: "which
// insurance product".
func (m *match) qualifies(w int, o *object, h *hop) bool {
	return !m.known(w) || m.names(w, o) >= meansFit || m.best(w, h.words) >= sameFit
}

// known tells whether anything is called by a word.
func (m *match) known(w int) bool {
	return slices.ContainsFunc(m.fit[w], func(f float64) bool { return f >= meansFit })
}

// best keeps, for each word, the columns that fit it best or nearly so.
func best(all []want) []want {
	top := map[int]float64{}
	for _, w := range all {
		for _, by := range w.by {
			top[by] = max(top[by], w.share)
		}
	}
	return slices.DeleteFunc(all, func(w want) bool {
		return !slices.ContainsFunc(w.by, func(by int) bool { return w.share >= nearly*top[by] })
	})
}
