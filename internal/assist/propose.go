package assist

import (
	"cmp"
	"slices"

	"flowyte/api"
)

// Candidate is one complete binding that serves a goal and compiles on the
// scoped catalogue.
type Candidate struct {
	Request api.BindingRequest
	// Confidence is how likely an operator would have written this very object
	// and filter, 0 to 1, as far as the goals of testdata tell.
	Confidence float64
	// Rationale says in plain words which columns were taken and why.
	Rationale string

	option Option
}

// Proposal is the best candidate for a goal and what else it may have meant.
type Proposal struct {
	Candidate
	Alternatives []Candidate
	ChosenBy     string // ByWords or ByModel
}

// Reasons why a goal is refused.
const (
	Aggregate      Reason = "aggregate"
	SeveralFilters Reason = "several_filters"
	Deletes        Reason = "delete"
	SchemaChange   Reason = "schema_change"
	NoFilter       Reason = "no_filter"
	NotIndexed     Reason = "not_indexed"
	NoMatch        Reason = "no_match"
)

// Reason says why no single operation serves a goal.
type Reason string

// Refusal is the error of a goal that no candidate serves well enough. Its
// candidates come nearest; there may be none.
type Refusal struct {
	Reason     Reason
	Candidates []Candidate
}

// Error names the reason.
func (r *Refusal) Error() string { return "assist: " + string(r.Reason) }

const (
	// bar is the confidence below which nothing is proposed.
	bar = 0.5
	// mostObjects are looked at closely, and mostCandidates are compiled.
	mostObjects    = 8
	mostCandidates = 6
)

// Propose finds the binding that serves a goal. It uses the names, types, keys
// and indexes of the catalogue, never its comments. The error is a *Refusal
// when no candidate is good enough.
func Propose(text string, cat *Catalog) (Proposal, error) {
	g := readGoal(text)
	m := newMatch(g, cat)
	if reason := m.unserveable(); reason != "" {
		return Proposal{}, &Refusal{Reason: reason, Candidates: cat.candidates(m.rank(m.asLookup()), maxAlternatives)}
	}
	drafts := m.rank(m.drafts())
	if reason := m.refuse(drafts); reason != "" {
		return Proposal{}, &Refusal{Reason: reason, Candidates: cat.candidates(drafts, maxAlternatives)}
	}
	list := cat.candidates(drafts, mostCandidates)
	if len(list) == 0 {
		return Proposal{}, &Refusal{Reason: NoMatch}
	}
	p := Proposal{Candidate: list[0], Alternatives: list[1:], ChosenBy: ByWords}
	p.Alternatives = p.Alternatives[:min(len(p.Alternatives), maxAlternatives)]
	if p.Confidence < bar {
		return Proposal{}, &Refusal{Reason: NoMatch, Candidates: list[:min(len(list), maxAlternatives)]}
	}
	return p, nil
}

// maxAlternatives is how many other candidates are shown.
const maxAlternatives = 3

// drafts are all the ways to serve the goal on the objects it may be about.
func (m *match) drafts() []*draft {
	var list []*draft
	objects := m.likely(mostObjects)
	for _, in := range m.intents(objects) {
		for _, o := range objects {
			switch in.action {
			case look:
				list = append(list, m.lookups(o, in)...)
			case create:
				list = append(list, m.creations(o, in)...)
			case change:
				list = append(list, m.changes(o, in)...)
			}
		}
	}
	return list
}

// intents are those of the words, revised by what the words name: what is
// added to something that is there is a change of it.
func (m *match) intents(objects []*object) []intent {
	list := m.goal.intents
	switch first := list[0]; {
	case first.action == create && (m.named(given) || m.extends(first, objects)):
		return []intent{{change, 1, "update"}, {create, 0.7, first.verb}}
	case first.action == look && m.goal.verb != "" && m.makes(objects):
		return []intent{{create, 1, m.goal.verb}, {look, 0.6, ""}}
	case first.verb == "confirm" && len(objects) > 0 && !confirmable(objects[0]):
		return []intent{{look, 1, ""}, {change, 0.6, first.verb}}
	case first.action == look && m.goal.verb != "" && m.flags(objects):
		return []intent{{change, 1, m.goal.verb}, {look, 0.6, ""}}
	}
	return list
}

// makes tells whether the goal's verb is the noun of an object: "suggest a book"
// where there are suggestions.
func (m *match) makes(objects []*object) bool {
	return slices.ContainsFunc(objects, func(o *object) bool {
		return slices.ContainsFunc(o.words, func(n nameWord) bool { return n.weight == 1 && m.cat.stems[n.id] == m.goal.verb })
	})
}

// confirmable tells whether a row has a state that confirming changes; of any
// other, what is there is read back.
func confirmable(o *object) bool {
	_, ok := toState(o, states["confirm"])
	return ok
}

// extends: "add a remark to an appointment", "put a subscriber on another plan".
func (m *match) extends(in intent, objects []*object) bool {
	switch in.verb {
	case "add", "put", "save", "store", "record", "note", "write", "log", "enter":
	default:
		return false
	}
	for at := range m.goal.words {
		w := &m.goal.words[at]
		if w.preposed != "to" && w.preposed != "on" && w.preposed != "for" && w.preposed != "of" {
			continue
		}
		for _, o := range objects {
			if m.names(at, o) >= sameFit && m.partOf(at, o) || m.otherOf(at, o) {
				return true
			}
		}
	}
	return false
}

// partOf tells whether a word before at names a column of o and no object.
func (m *match) partOf(at int, o *object) bool {
	for i := range at {
		w := &m.goal.words[i]
		if w.actor || w.role == given || w.hint || m.anyObject(i) {
			continue
		}
		for _, col := range o.columns {
			if share, _, telling := m.cover(col.words, []int{i}, true); telling && share >= enough && assignable(col) && col.hop == nil {
				return true
			}
		}
	}
	return false
}

// otherOf tells whether the word at at is another one of what rows of o refer
// to: "another plan".
func (m *match) otherOf(at int, o *object) bool {
	text := m.goal.words[at].text
	i := slices.Index(m.goal.raw, text)
	if i < 1 || m.goal.raw[i-1] != "another" && m.goal.raw[i-1] != "different" {
		return false
	}
	return slices.ContainsFunc(o.hops, func(h *hop) bool { return m.best(at, plainWords(h.words)) >= sameFit })
}

func (m *match) anyObject(w int) bool {
	return slices.ContainsFunc(m.cat.objects, func(o *object) bool { return m.names(w, o) >= sameFit })
}

// flags tells whether the goal's verb is a yes or no of an object that it
// names: "excuse an absence".
func (m *match) flags(objects []*object) bool {
	return slices.ContainsFunc(objects, func(o *object) bool {
		return m.nameFit(o) >= meansFit && slices.ContainsFunc(o.columns, func(c *column) bool {
			return c.trait == flag && len(c.words) == 1 && m.cat.stems[c.words[0].id] == m.goal.verb
		})
	})
}

// asLookup is what a refused goal could still look up.
func (m *match) asLookup() []*draft {
	var list []*draft
	for _, o := range m.likely(3) {
		list = append(list, m.lookups(o, intent{action: look, weight: 1})...)
	}
	return list
}

// rank orders drafts by score and gives each its confidence.
func (m *match) rank(list []*draft) []*draft {
	for _, d := range list {
		d.score = m.score(d)
	}
	slices.SortStableFunc(list, func(a, b *draft) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.object.public, b.object.public), cmp.Compare(a.intent.action, b.intent.action))
	})
	for i, d := range list {
		rival := 0.0
		for j, other := range list {
			if j != i && (other.object != d.object || other.intent.action != d.intent.action) {
				rival = max(rival, other.score)
			}
		}
		d.confidence = confidence(d, d.score-rival)
	}
	return list
}

// score weighs how much of the goal a draft accounts for, whether its object is
// named, and how sure its filter is.
func (m *match) score(d *draft) float64 {
	s := 0.5*d.explained + 0.27*d.named + 0.23*d.filterFit
	if d.intent.action != create && d.terms > 0 {
		s *= 0.7 + 0.3*min(1, d.filterFit/0.6) // what is supplied must be of use
	}
	if d.intent.action == look {
		s -= 0.08 * float64(m.unanswered(d))
	}
	if d.intent.action == create {
		s = 0.6*d.explained + 0.4*d.named
	}
	return s * (0.6 + 0.4*d.intent.weight)
}

// unanswered counts the questions to which a draft returns nothing.
func (m *match) unanswered(d *draft) int {
	n := 0
	for _, a := range m.goal.asks {
		traits := answersTo[a.kind].traits
		switch a.kind {
		case "yes", "whether", "if", "why", "long":
			continue
		case "where":
			traits = []trait{place, sayable}
		case "who", "whom":
			traits = []trait{personName}
		}
		if traits != nil && !hasTrait(d.wants, traits...) {
			n++
		}
	}
	return n
}
