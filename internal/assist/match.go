package assist

import (
	"cmp"
	"slices"
	"strings"
)

// match holds how well each word of a goal fits each word of a catalogue.
type match struct {
	goal *goal
	cat  *Catalog
	// top is how well any object is named; lifted says that people who act
	// count, since nothing else is named.
	top      float64
	lifted   bool
	nameFits map[*object]float64 // how well each object is named
	fit      [][]float64         // by word of the goal, by word of the vocabulary
	spelled  map[string]bool     // the words that together spell a short name out
}

func newMatch(g *goal, c *Catalog) *match {
	m := &match{goal: g, cat: c}
	for i := range g.words {
		row, known := c.fits(g.words[i].stem, g.words[i].text)
		if !known {
			g.words[i].weight *= strangeWeight
		}
		m.fit = append(m.fit, row)
	}
	m.spellOut()
	for w := range g.words {
		g.words[w].ownsObject = g.words[w].owns && m.ownsObject(w)
	}
	m.nameAll()
	if m.top < 0.5 {
		m.lifted = true
		m.nameAll()
	}
	return m
}

// The lengths of short names that are taken for the initials of what is said.
const minInitials, maxInitials = 3, 4

// spellOut lets words whose initials are a name of the catalogue mean that name
// and nothing else: "grade point average" where a column is called gpa. One of
// them at least must mean nothing by itself, so that no name is found by chance.
func (m *match) spellOut() {
	m.spelled = map[string]bool{}
	for from := range m.goal.words {
		initials, strange := "", false
		for at := from; at < min(from+maxInitials, len(m.goal.words)); at++ {
			w := &m.goal.words[at]
			if w.clause != m.goal.words[from].clause || w.role != m.goal.words[from].role {
				break
			}
			initials, strange = initials+w.text[:1], strange || !m.known(at)
			id, known := m.cat.vocabulary[initials]
			if !known || !strange || len(initials) < minInitials {
				continue
			}
			for i := from; i <= at; i++ {
				m.fit[i] = make([]float64, len(m.cat.stems))
				m.fit[i][id] = 1
				m.spelled[m.goal.words[i].text] = true
			}
		}
	}
}

// fits compares one stem with the vocabulary: the same word, words that may
// stand for it, and only when there are none its beginnings and misspellings.
func (c *Catalog) fits(s, text string) (row []float64, known bool) {
	row = make([]float64, len(c.stems))
	if id, ok := c.vocabulary[s]; ok {
		row[id], known = 1, true
	}
	for other, fit := range words.near[s] {
		if id, ok := c.vocabulary[other]; ok {
			row[id], known = max(row[id], fit), true
		}
	}
	if known || len(s) < 3 {
		return row, known
	}
	for _, id := range c.byLetter[s[0]] {
		v := c.stems[id]
		switch {
		case len(v) >= 3 && strings.HasPrefix(s, v) && len(s) > len(v)+1, len(s) >= 4 && strings.HasPrefix(v, s):
			row[id], known = beginFit, true
		case misspelled(text, c.texts[id]):
			row[id], known = misspellFit, true
		}
	}
	return row, known
}

// strangeWeight is what a word counts that nothing in the database is called
// by: much of what people say only tells the story.
const strangeWeight = 0.45

// best is how well a word of the goal fits a list of name words, and which of
// them.
func (m *match) best(w int, list []nameWord) float64 {
	top := 0.0
	for _, n := range list {
		top = max(top, m.fit[w][n.id])
	}
	return top
}

// names is how well a word of the goal names an object: its plain words count
// in full, faint ones little.
func (m *match) names(w int, o *object) float64 {
	top := 0.0
	for _, n := range o.words {
		f := m.fit[w][n.id]
		if n.faint && n.weight < 1 {
			f *= 0.5
		}
		top = max(top, f)
	}
	return top
}

// cover is how much of a name is accounted for by some words of the goal, 0 to
// 1, and by which. selfNamed says that the object is named elsewhere, so that
// words which repeat its name need not be said again. telling is false when
// nothing but such words, or people, fit.
func (m *match) cover(list []nameWord, use []int, selfNamed bool) (share float64, by []int, telling bool) {
	total := 0.0
	for _, n := range list {
		total += n.weight
		top := 0.0
		for _, w := range use {
			if f := m.fit[w][n.id]; f > 0 {
				if !slices.Contains(by, w) && (!n.self || !m.goal.words[w].faint) {
					by = append(by, w)
				}
				top = max(top, f)
				telling = telling || n.weight == 1 || !n.self && !n.person && n.weight > 0.1
			}
		}
		if n.self && selfNamed {
			top = max(top, 1)
		}
		share += n.weight * top
	}
	if total == 0 {
		return 0, nil, false
	}
	return share / total, by, telling
}

// nameFit is how much of an object's name the goal holds, 0 to 1.
func (m *match) nameFit(o *object) float64 { return m.nameFits[o] }

// naming finds it. Words that belong to something else, or only act, count
// less.
func (m *match) naming(o *object) float64 {
	sum, total := 0.0, 0.0
	for _, n := range o.words {
		top := 0.0
		for w := range m.goal.words {
			f := m.fit[w][n.id]
			if f == 0 {
				continue
			}
			g := &m.goal.words[w]
			switch {
			case g.actor && m.lifted:
				f *= 0.7
			case g.actor:
				f *= 0.3
			case g.ownsObject:
				f *= 0.5
			case g.owns:
				f *= 0.75
			case g.role == given:
				f *= 0.45
			case g.role == wanted:
				f *= 0.9
			case g.preposed != "" && g.preposed != "of" && g.preposed != "to":
				f *= 0.8
			}
			top = max(top, f)
		}
		sum += n.weight * top
		total += n.weight
	}
	fit := sum / max(total, 0.01)
	if m.goal.whois && o.person && !staff(o) && o.referred > 0 {
		fit = max(fit, 0.9)
	}
	return fit
}

func (m *match) nameAll() {
	m.nameFits = make(map[*object]float64, len(m.cat.objects))
	for _, o := range m.cat.objects {
		m.nameFits[o] = m.naming(o)
		m.top = max(m.top, m.nameFits[o])
	}
}

// ownsObject tells whether what belongs to a word is an object by itself: the
// grades of "a student's grades".
func (m *match) ownsObject(owner int) bool {
	for w := range m.goal.words {
		if m.goal.words[w].owner != owner {
			continue
		}
		for _, o := range m.cat.objects {
			if m.names(w, o) == 1 && m.names(owner, o) < sameFit {
				return true
			}
		}
	}
	return false
}

// likely are the objects that a goal may be about, best first.
func (m *match) likely(limit int) []*object {
	type scored struct {
		o     *object
		score float64
	}
	var list []scored
	for _, o := range m.cat.objects {
		s := 1.2*m.nameFit(o) + m.explained(o)
		if s > 0 {
			list = append(list, scored{o, s})
		}
	}
	slices.SortFunc(list, func(a, b scored) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.o.public, b.o.public))
	})
	var out []*object
	for i := 0; i < len(list) && i < limit; i++ {
		out = append(out, list[i].o)
	}
	return out
}

// explained is the share of a goal's words that an object could account for in
// one way or another.
func (m *match) explained(o *object) float64 {
	sum, total := 0.0, 0.0
	for w := range m.goal.words {
		g := &m.goal.words[w]
		top := m.names(w, o)
		for _, col := range o.columns {
			top = max(top, 0.9*m.best(w, col.words))
		}
		for _, h := range o.hops {
			top = max(top, 0.7*m.best(w, h.words))
		}
		sum += g.weight * top
		total += g.weight
	}
	return sum / max(total, 0.01)
}
