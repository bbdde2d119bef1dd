package assist

import (
	"cmp"
	"context"
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
}

// Proposal is the best candidate for a goal and what else it may have meant.
type Proposal struct {
	Candidate
	Alternatives []Candidate
	// Chosen is "model" when a model chose among the candidates, else "words".
	Chosen string
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
// and indexes of the catalogue, never its comments. The model, which may be
// nil, only chooses among the candidates found and words their names; see
// Model. The error is a *Refusal when no candidate is good enough.
func Propose(ctx context.Context, text string, cat *Catalog, model Model) (Proposal, error) {
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
	p := Proposal{Candidate: list[0], Alternatives: list[1:], Chosen: "words"}
	if model != nil {
		p = choose(ctx, model, text, list, p)
	}
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
	for _, in := range m.goal.intents {
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
	if d.intent.action == create {
		s = 0.6*d.explained + 0.4*d.named
	}
	return s * (0.6 + 0.4*d.intent.weight)
}
