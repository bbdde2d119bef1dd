package assist

import (
	"slices"

	"flowyte/internal/schema"
)

// filters are the conditions that a draft on o could have, best first; at most
// two. terms is how many different columns the goal says are supplied.
func (m *match) filters(o *object, fit func(*column) bool) (list []scoredColumn, terms int) {
	var found []scoredColumn
	for _, col := range o.columns {
		if fit(col) {
			if s := m.filterFit(o, col); s.fit > 0 {
				found = append(found, s)
			}
		}
	}
	slices.SortStableFunc(found, func(a, b scoredColumn) int {
		switch {
		case a.fit > b.fit:
			return -1
		case a.fit < b.fit:
			return 1
		}
		return 0
	})
	return found[:min(len(found), 2)], m.termsOn(o)
}

type scoredColumn struct {
	column *column
	fit    float64
	reason reason
}

// filterFit is how well a column serves as what the caller supplies, 0 to 1.
func (m *match) filterFit(o *object, col *column) scoredColumn {
	best := scoredColumn{column: col}
	better := func(fit float64, r reason) {
		if fit > best.fit {
			best.fit, best.reason = fit, r
		}
	}
	for term, use := range m.terms() {
		_ = term
		better(m.termFit(o, col, use), byWords)
	}
	if len(m.terms()) > 0 {
		// What is said to be supplied must be it; an update's key stands in for
		// a column that is there and cannot be one.
		fallback := 0.05 + 0.1*habit(col)
		if col.key && m.goal.intents[0].action == change && m.termsOn(o) == 1 && m.suppliedOn(o) {
			fallback = 0.6
		}
		better(fallback, byKey)
		return best
	}
	better(m.phraseFit(o, col), byPhrase)
	if m.goal.caller && col.trait == phone {
		better(0.68, byCaller)
	}
	if m.goal.mine && o.person && !staff(o) && col.key && col.alone {
		// Whoever asks is a row of it, known by its key where there is neither a
		// phone nor another number that people have at hand.
		fit := 0.5
		if primary(o, phone) == nil && !handled(o, col) {
			fit = 0.65
		}
		better(fit, byCaller)
	}
	if h := habit(col); h > 0 {
		r := byHabit
		if col.trait == opaque {
			r = byKey
		}
		better(h, r)
	}
	return best
}

// handled tells whether another column than the key is one row's number.
func handled(o *object, key *column) bool {
	return slices.ContainsFunc(o.columns, func(c *column) bool { return c != key && c.trait == sayable && c.alone })
}

// habit is how usual it is to find a thing by such a column.
func habit(col *column) float64 {
	switch {
	case col.trait == sayable && col.alone:
		return 0.6
	case col.trait == phone:
		return 0.55
	case col.trait == title && (col.alone || len(col.words) == 1):
		return 0.5
	case col.trait == sayable:
		return 0.45
	case col.trait == email, col.trait == personName:
		return 0.4
	case col.key && col.alone:
		return 0.3
	case col.trait == place, col.trait == title, col.trait == plain:
		return 0.25
	case col.hop != nil:
		return 0.2
	}
	return 0.1
}

// terms groups the words that say what is supplied.
func (m *match) terms() map[int][]int {
	t := map[int][]int{}
	for i := range m.goal.words {
		if w := &m.goal.words[i]; w.role == given {
			t[w.term] = append(t[w.term], i)
		}
	}
	return t
}

// termFit compares a column with the words of one term: how much of the name
// they say, and how many of them it accounts for.
func (m *match) termFit(o *object, col *column, use []int) float64 {
	onlyFaint := true
	total, met := 0.0, 0.0
	for _, w := range use {
		g := &m.goal.words[w]
		weight := max(g.weight, 0.2)
		if g.actor || g.person && g.owns || g.person && g.faint {
			continue
		}
		f := m.best(w, col.words)
		if f == 0 && m.names(w, o) >= meansFit {
			weight, f = 0.3, 0.9 // "the plan's name"
		}
		onlyFaint = onlyFaint && (g.faint || m.names(w, o) >= meansFit)
		total += weight
		met += weight * f
	}
	if total > 0 && m.onlyNamed(o, use) {
		return byName(o, col)
	}
	if total > 0 && m.onlyName(use) && (col.trait == personName && o.person || col.trait == title && !o.person) {
		return 0.85 // "called X"
	}
	if total > 0 && col.trait == moment && m.onlyMoments(use) {
		return 0.7 // "by date"
	}
	share, _, telling := m.cover(col.words, use, onlyFaint)
	if total == 0 || !telling && !(col.hop == nil && onlyFaint && share >= 0.9) {
		return 0
	}
	recall := met / total
	if share+recall == 0 {
		return 0
	}
	fit := 2 * share * recall / (share + recall)
	if col.hop != nil && col.trait == opaque && !m.saysID(use) {
		fit *= 0.5 // nobody says the number of a row
	}
	if !m.sameKind(col, use) {
		fit *= 0.5
	}
	if m.goal.ringing && col.trait == phone {
		fit = max(fit, 0.9)
	}
	return fit
}

// sameKind: "by the sender's name" does not mean the sender's phone.
func (m *match) sameKind(col *column, use []int) bool {
	named, called := false, false
	for _, w := range use {
		s := m.goal.words[w].stem
		named = named || namingWords[s]
		called = called || phoneWords[s] || emailWords[s]
	}
	switch col.trait {
	case phone, email:
		return called || !named
	case personName, title:
		return named || !called
	}
	return true
}

// onlyNamed: "a given doctor" says no more than that a doctor is meant.
func (m *match) onlyNamed(o *object, use []int) bool {
	return !slices.ContainsFunc(use, func(w int) bool { return m.names(w, o) < sameFit })
}

func (m *match) onlyName(use []int) bool {
	return !slices.ContainsFunc(use, func(w int) bool { return m.goal.words[w].stem != "name" })
}

func (m *match) onlyMoments(use []int) bool {
	return !slices.ContainsFunc(use, func(w int) bool { return !moments[m.goal.words[w].stem] })
}

// byName is how well a column tells which row is meant when only the object is
// said.
func byName(o *object, col *column) float64 {
	switch {
	case col.trait == personName && o.person, col.trait == title && !o.person:
		return 0.75
	case col.trait == sayable:
		return 0.7
	case col.trait == moment, col.trait == place:
		return 0.5
	}
	return 0.2
}

// suppliedOn tells whether some column of the object is what is supplied.
func (m *match) suppliedOn(o *object) bool {
	for _, use := range m.terms() {
		for _, col := range o.columns {
			if m.termFit(o, col, use) >= 0.6 {
				return true
			}
		}
	}
	return false
}

func (m *match) saysID(use []int) bool {
	return slices.ContainsFunc(use, func(w int) bool { return m.goal.words[w].stem == "id" })
}

// phraseFit: "in a city", "for a country": a phrase after a preposition that
// names a column leaves open which one.
func (m *match) phraseFit(o *object, col *column) float64 {
	if col.Type != schema.String && col.Type != schema.Date && col.Type != schema.Integer {
		return 0
	}
	top := 0.0
	for w := range m.goal.words {
		g := &m.goal.words[w]
		if g.preposed == "" || g.actor || g.faint && !moments[g.stem] || m.names(w, o) >= sameFit {
			continue
		}
		share, _, telling := m.cover(col.words, []int{w}, true)
		if !telling || share < 0.5 {
			continue
		}
		fit := 0.6 * share
		if g.indefinite || g.possessed {
			fit = 0.85 * share
		} else if g.preposed == "in" || g.preposed == "for" {
			fit = 0.75 * share
		}
		top = max(top, fit)
	}
	return top
}

var moments = stemSet("day", "date", "time")

// termsOn counts the different columns of an object that the goal says are
// supplied: terms that one column serves count once, and so do those that none
// serves.
func (m *match) termsOn(o *object) int {
	seen := map[*column]bool{}
	stray := 0
	terms := m.terms()
	for _, use := range terms {
		if len(terms) > 1 && !slices.ContainsFunc(use, func(w int) bool { return m.names(w, o) < meansFit }) {
			continue // the thing, and not what it is found by
		}
		var best *column
		top := 0.4
		for _, col := range o.columns {
			if f := m.termFit(o, col, use); f > top || f == top && best != nil && col.searchable && !best.searchable {
				top, best = f, col
			}
		}
		if best != nil {
			seen[best] = true
		} else if m.telling(use) {
			stray = 1
		}
	}
	return len(seen) + stray
}

// telling tells whether a term holds a word that should fit something.
func (m *match) telling(use []int) bool {
	return len(use) > 1 || slices.ContainsFunc(use, func(w int) bool {
		return m.goal.words[w].weight >= 1 || m.goal.words[w].picked || identifying[m.goal.words[w].stem]
	})
}
